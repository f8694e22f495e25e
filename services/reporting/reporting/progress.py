"""Progress: totals of every person, office, region and the company, added up again from the facts.

`totals` holds one document per unit and month with a bucket for each day:

    {_id: "2017-03/<region>/<office>/<person>", level, month, region, office, owner, parent, version,
     days: {"14": {"orders_confirmed/count": 3, …}}, active: [14], busy: 1, total: {…}}

A day of a person is `fold(facts of that cell)`, a day of any other unit the sum of its children's, and the
month the sum of its days. Weeks are added up from days when they are asked for. Nothing is ever counted up
or down, so duplicates, disorder and corrections end in the same numbers.

Several workers may add up the same document, each for its own partitions. Each reads the version first,
then what it adds up, and writes only where the version still stands; who loses begins again. So the last
writer has seen everything that was written before it.

What counts in a person's month a worker keeps while the version that it has written itself stands: whoever writes a
fact writes the total after it, so as long as nobody has, no fact of somebody else can be missing. Then only what
the batch has changed is put in its place, and the days that it touches are folded again without a read.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from chassis.mongo import ASCENDING, BulkWriteError, Database, Document, InsertOne, UpdateOne, relaxed
from reporting.facts import DUPLICATE_KEY, Changed, Facts
from reporting.totals import LEVELS, Cell, Node, Totals, add_up, leaf

log = structlog.get_logger()

REMEMBERED = 20_000
"""Documents whose content a worker keeps, each about 10 kB when its month is full."""
FACTS_REMEMBERED = 100_000
"""Facts that count in the persons' documents that it keeps, each about 600 bytes."""
AT_ONCE = 1_000
"""Documents of one write: some megabytes, so that a slow database is not silent for long."""
ATTEMPTS = 200
"""Somebody wins each race, so a handful of workers need far fewer."""
PAUSE = 0.005

DAYS = range(1, 32)

Dirty = Mapping[Node, set[str]]
"""The days to add up again, by unit and month."""
News = Mapping[Node, Mapping[str, Mapping[str, Totals]]]
"""By unit, day and fact, what counts there now."""
Fresh = dict[Node, dict[str, Totals]]


class Contended(Exception):
    """Others kept winning; the batch is to be tried again."""


@dataclass(slots=True)
class _Standing:
    """A document as it stands in the database; version 0 where there is none."""

    version: int = 0
    days: dict[str, Totals] = field(default_factory=dict)
    facts: dict[str, dict[str, Totals]] | None = None
    """Of a person's document: by day and fact, what counts in it at this version; None while that is not known."""
    moved: bool = False
    """Something else counts in it than at this version, though perhaps to the same sums: its version must go on, or
    another worker would rely on what it remembers."""
    children: frozenset[str] | None = None
    """Of a unit above a person: the documents that it is the sum of at this version; None while they are not known."""


class _Changes:
    """Writes of one bulk, and how the documents stand after it."""

    def __init__(self) -> None:
        self.writes: list[InsertOne | UpdateOne] = []
        self.written: dict[str, _Standing] = {}
        self.updates = 0

    def note(self, node: Node, before: _Standing, buckets: Mapping[str, Totals]) -> None:
        changed = {day: bucket for day, bucket in buckets.items() if bucket != before.days.get(day, {})}
        if not changed and not before.moved:
            return
        days = {day: bucket for day, bucket in {**before.days, **changed}.items() if bucket}
        self.written[node.key] = _Standing(before.version + 1, days, before.facts, children=before.children)
        update = before.version > 0
        self.writes.append(_update(node, before.version, days, changed) if update else _insert(node, days))
        self.updates += update


class Progress:
    """The totals. One instance belongs to one worker."""

    def __init__(self, database: Database, facts: Facts) -> None:
        self.collection = database["totals"]
        self._facts = facts
        self._remembered: OrderedDict[str, _Standing] = OrderedDict()
        self._counting: OrderedDict[str, int] = OrderedDict()
        """How many facts are remembered, by document."""
        self._facts_remembered = 0

    async def prepare(self) -> None:
        await self.collection.create_index([("parent", ASCENDING)])
        await self.collection.create_index([("owner", ASCENDING), ("month", ASCENDING)])
        # All that a list of units asks for, whoever asks.
        units = ("level", "month", "office", "region", "owner", "busy", "_id")
        await self.collection.create_index([(name, ASCENDING) for name in units], name="units")

    def gather(self) -> None:
        """From now on writes are acknowledged by the primary alone (reporting/reign.py)."""
        self.collection = relaxed(self.collection)

    def forget(self) -> None:
        """Something went wrong: nothing that is remembered is relied on."""
        self._remembered.clear()
        self._counting.clear()
        self._facts_remembered = 0

    async def add_up(self, changed: Changed) -> None:
        """Add up the cells of these facts again, and the units above them. Repeating it is harmless.

        Raises Contended.
        """
        news: defaultdict[Node, dict[str, dict[str, Totals]]] = defaultdict(dict)
        for cell, facts in changed.items():
            node, day = leaf(cell)
            news[node][day] = facts

        async def from_facts(dirty: Dirty, standing: Mapping[str, _Standing]) -> Fresh:
            return await self._from_facts(dirty, standing, news)

        dirty: Dirty = {node: set(days) for node, days in news.items()}
        if not dirty or await self._at_once(dirty, news):
            return
        await self._settle(dirty, from_facts)
        for _ in LEVELS[1:]:
            dirty = _above(dirty)
            await self._settle(dirty, self._from_children)

    async def _at_once(self, dirty: Dirty, news: News) -> bool:
        """All levels in one write where all of it is remembered, which is the rule: one turn instead of eleven.

        The versions decide as ever. Who has written a document below, and not yet those above it, will find ours there
        and add up again; who has written those above, too, has moved them on, and this is refused. False where
        something is not remembered or has moved on: then level by level, from what stands.
        """
        changes = _Changes()
        before: dict[str, _Standing] = {}
        levels = [dirty]
        while levels[-1] and (above := _above(levels[-1])):
            levels.append(above)
        for level in levels:
            for node in level:
                known = self._remembered.get(node.key)
                if known is None or (known.facts is None and known.children is None):
                    return False
                if not all(child in self._remembered for child in known.children or ()):
                    return False
                before[node.key] = known
        if any(node.parent and node.key not in (before[node.parent.key].children or ()) for node in dirty):
            return False
        _apply(news, before)
        for level in levels:
            for node, days in level.items():
                known = before[node.key]
                if known.children is None:
                    fresh = {day: add_up((known.facts or {}).get(day, {}).values()) for day in days}
                else:
                    below = [changes.written.get(child) or self._remembered[child] for child in known.children]
                    fresh = {day: add_up(c.days[day] for c in below if day in c.days) for day in days}
                changes.note(node, known, fresh)
        return await self._write(changes)

    async def _settle(self, dirty: Dirty, sums: Callable[[Dirty, Mapping[str, _Standing]], Awaitable[Fresh]]) -> None:
        if not dirty:
            return
        for attempt in range(ATTEMPTS):
            standing = await self._standing({node.key: None for node in dirty})
            changes = _Changes()
            for node, buckets in (await sums(dirty, standing)).items():
                self._remember(node.key, standing[node.key])
                changes.note(node, standing[node.key], buckets)
            if await self._write(changes):
                return
            log.debug("totals changed meanwhile", attempt=attempt)
            await asyncio.sleep(random.uniform(0, PAUSE))  # noqa: S311 (keeps two workers from racing in step)
        raise Contended(f"the totals of {next(iter(dirty)).key} kept changing")

    async def _from_facts(self, dirty: Dirty, standing: Mapping[str, _Standing], news: News) -> Fresh:
        unknown = [node for node in dirty if standing[node.key].facts is None]
        _apply(news, standing)
        if unknown:
            await self._learn(unknown, standing)
        fresh: Fresh = defaultdict(dict)
        for node, days in dirty.items():
            known = standing[node.key].facts or {}
            for day in days:
                fresh[node][day] = add_up(known.get(day, {}).values())
        return fresh

    async def _learn(self, nodes: Sequence[Node], standing: Mapping[str, _Standing]) -> None:
        """What counts in these nodes, which a batch seldom needs: once for each after a start."""
        cells = {
            Cell(f"{node.month}-{day:02d}", *node.path).key: (node, f"{day:02d}") for node in nodes for day in DAYS
        }
        found: dict[Node, dict[str, dict[str, Totals]]] = {node: {} for node in nodes}
        for cell, facts in (await self._facts.counted(cells)).items():
            node, day = cells[cell]
            found[node][day] = {
                fact: {sys.intern(path): value for path, value in values.items()} for fact, values in facts.items()
            }
        for node, days in found.items():
            now = standing[node.key]
            now.facts, now.moved = days, now.version > 0

    async def _from_children(self, dirty: Dirty, above: Mapping[str, _Standing]) -> Fresh:
        cursor = self.collection.find({"parent": {"$in": [node.key for node in dirty]}}, {"version": 1, "parent": 1})
        found = await cursor.to_list(None)
        standing = await self._standing({document["_id"]: document["version"] for document in found})
        children: defaultdict[str, list[_Standing]] = defaultdict(list)
        keys: defaultdict[str, set[str]] = defaultdict(set)
        for document in found:
            children[document["parent"]].append(standing[document["_id"]])
            keys[document["parent"]].add(document["_id"])
        for node in dirty:
            above[node.key].children = frozenset(keys[node.key])
        return {
            node: {day: add_up(c.days[day] for c in children[node.key] if day in c.days) for day in days}
            for node, days in dirty.items()
        }

    async def _standing(self, wanted: dict[str, int | None]) -> dict[str, _Standing]:
        """These documents as they stand. A version that is not given is asked for; what this worker has
        written itself is not read again while its version stands."""
        unknown = [key for key, version in wanted.items() if version is None]
        if unknown:
            cursor = self.collection.find({"_id": {"$in": unknown}}, {"version": 1})
            wanted = {**wanted, **{document["_id"]: document["version"] for document in await cursor.to_list(None)}}
        found: dict[str, _Standing] = {}
        missing: list[str] = []
        for key, version in wanted.items():
            known = self._remembered.get(key)
            if version is None:
                found[key] = _Standing()
            elif known is not None and known.version == version:
                found[key] = known
            else:
                missing.append(key)
        if missing:
            cursor = self.collection.find({"_id": {"$in": missing}}, {"version": 1, "days": 1})
            for document in await cursor.to_list(None):
                found[document["_id"]] = _Standing(document["version"], document["days"])
                self._remember(document["_id"], found[document["_id"]])
        return found

    async def _write(self, changes: _Changes) -> bool:
        """Whether all that changed was written; otherwise some of it may have been."""
        if not changes.writes:
            return True
        try:
            matched = 0
            for start in range(0, len(changes.writes), AT_ONCE):
                part = changes.writes[start : start + AT_ONCE]
                matched += (await self.collection.bulk_write(part, ordered=False)).matched_count
            won = matched == changes.updates
        except BulkWriteError as error:
            if any(failed["code"] != DUPLICATE_KEY for failed in error.details["writeErrors"]):
                raise
            won = False
        for key, now in changes.written.items():
            if won:
                self._remember(key, now)
            else:
                self._forget(key)
        return won

    def _remember(self, key: str, standing: _Standing) -> None:
        self._forget(key)
        self._remembered[key] = standing
        if standing.facts is not None:
            self._counting[key] = sum(map(len, standing.facts.values()))
            self._facts_remembered += self._counting[key]
        while self._facts_remembered > FACTS_REMEMBERED:
            self._forget(next(iter(self._counting)))
        if len(self._remembered) > REMEMBERED:
            self._forget(next(iter(self._remembered)))

    def _forget(self, key: str) -> None:
        self._remembered.pop(key, None)
        self._facts_remembered -= self._counting.pop(key, 0)


def _above(dirty: Dirty) -> Dirty:
    """The same days of the units above."""
    above: defaultdict[Node, set[str]] = defaultdict(set)
    for node, days in dirty.items():
        if node.parent is not None:
            above[node.parent] |= days
    return above


def _apply(news: News, standing: Mapping[str, _Standing]) -> None:
    """Put what has changed in its place, wherever it is known what counts."""
    for node, by_day in news.items():
        now = standing[node.key]
        if now.facts is None:
            continue
        for day, facts in by_day.items():
            here = now.facts.setdefault(day, {})
            for fact, values in facts.items():
                now.moved |= here.get(fact, {}) != values
                if values:
                    here[fact] = values
                else:
                    here.pop(fact, None)


def _sums(days: Mapping[str, Totals]) -> Document:
    return {"total": add_up(days.values()), "active": sorted(int(day) for day in days), "busy": len(days)}


def _insert(node: Node, days: Mapping[str, Totals]) -> InsertOne:
    names = dict(zip(("region", "office", "owner"), node.path, strict=False))
    parent = {"parent": node.parent.key} if node.parent else {}
    return InsertOne(
        {
            "_id": node.key,
            "level": node.level,
            "month": node.month,
            **names,
            **parent,
            "version": 1,
            "days": dict(days),
            **_sums(days),
        }
    )


def _update(node: Node, version: int, days: Mapping[str, Totals], changed: Mapping[str, Totals]) -> UpdateOne:
    put = {f"days.{day}": bucket for day, bucket in changed.items() if bucket}
    gone = {f"days.{day}": "" for day, bucket in changed.items() if not bucket}
    change: Document = {"$set": {**put, **_sums(days), "version": version + 1}}
    if gone:
        change["$unset"] = gone
    return UpdateOne({"_id": node.key, "version": version}, change)
