"""Facts: what each source aggregate contributes, in its newest version (architecture §4).

`facts` holds one document per aggregate:

    {_id: "order:17", version, source, row, counts: [{cell, measures, values}], touched, topic, partition, offset}

`touched` names every cell that it has ever counted in. It grows in the very write that moves the fact, so
whoever takes the event again, after whatever crash, knows all cells to add up again.

`fact_versions` keeps every version with the time it was recorded (`_id: "order:17@6"`), written once and
never changed: the history that any past instant is answered from. `months` are those that it counts in, `said`
what its fact had as row and counts.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Collection as Several
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from chassis import turns
from chassis.mongo import ASCENDING, BulkWriteError, Database, Document, InsertOne, ReplaceOne, UpdateOne, relaxed
from chassis.received import Received, Unhandleable
from reporting.measures import BY_TOPIC
from reporting.totals import Totals, by_cell, measure_of

DUPLICATE_KEY = 11000
REMEMBERED = 100_000
"""Facts of which a worker keeps what it has written, some 400 bytes each."""

SLICE = 5_000
"""Events that are read before their history is on its way to the database."""

Counted = Mapping[str, Totals]
"""What one fact adds, by cell."""
Changed = dict[str, dict[str, Totals]]
"""By cell, the facts that have changed in it, with what each adds there now: nothing where it has moved away."""


Then = Callable[[Changed], Awaitable[None]]


async def _nothing(_: Changed) -> None:
    return None


def fact_id(prefix: str, aggregate_id: str) -> str:
    return f"{prefix}:{aggregate_id}"


class _Read:
    """An event with what it says to reporting."""

    __slots__ = ("counted", "event", "id", "row")

    def __init__(self, event: Received) -> None:
        source = BY_TOPIC[event.topic]
        try:
            reading = source.read(event.payload)
        except (msgspec.DecodeError, ValueError) as error:
            raise Unhandleable(f"{event.type} does not suit its contract: {error}") from error
        self.event = event
        self.id = fact_id(source.prefix, event.subject)
        self.row = reading.row
        self.counted = by_cell(reading.contributions)


def counts_of(counted: Counted) -> list[Document]:
    """What a fact adds, as its document has it."""
    return [
        {"cell": cell, "measures": list(dict.fromkeys(map(measure_of, values))), "values": values}
        for cell, values in counted.items()
    ]


_said = msgspec.json.Encoder().encode
_saying = msgspec.json.Decoder(tuple[dict[str, str | None], dict[str, Totals]]).decode


def as_fact(version: Document) -> Document:
    """A version of the history as the document of `facts` that it was."""
    row, counted = _saying(version["said"])
    return {"_id": version["fact"], "version": version["version"], "row": row, "counts": counts_of(counted)}


class _Known(NamedTuple):
    """What this worker has written of a fact: it stands, or something newer does."""

    version: int
    touched: tuple[str, ...]
    kept: int
    """A bit for each version that is in the history."""


class Facts:
    """The facts and their history, in two collections. One instance belongs to one worker."""

    def __init__(self, database: Database) -> None:
        self.collection = database["facts"]
        self.versions = database["fact_versions"]
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def prepare(self) -> None:
        await self.collection.create_index([("counts.cell", ASCENDING)])
        await self.versions.create_index([("months", ASCENDING)])

    def gather(self) -> None:
        """From now on writes are acknowledged by the primary alone (reporting/reign.py)."""
        self.collection, self.versions = relaxed(self.collection), relaxed(self.versions)

    def forget(self) -> None:
        """Something went wrong: nothing that is remembered is relied on."""
        self._known.clear()

    async def take(self, events: Sequence[Received], then: Then = _nothing) -> None:
        """Keep what the events say, and hand over what has changed, by cell. Repeating it is harmless.

        The history, which is most of the writing and read by nobody yet, is written meanwhile: it has its own thread
        and the database's other core. Raises Unhandleable for an event whose state does not suit its contract.
        """
        history: dict[str, _Read] = {}
        newest: dict[str, _Read] = {}
        writing: list[asyncio.Task[Any]] = []
        try:
            for start in range(0, len(events), SLICE):
                kept = len(history)
                for event in events[start : start + SLICE]:
                    self._sort(_Read(event), history, newest)
                rows = [_version(key, read) for key, read in islice(history.items(), kept, None)]
                writing.append(asyncio.create_task(_write(self.versions, rows)))
                turns.noted()
                await asyncio.sleep(0)  # it begins, while the next slice is read
            if newest:
                await then(await self._replace(newest))
        finally:
            await asyncio.gather(*writing)
        for read in history.values():
            self._remember(read.id, kept=_bit(read.event.version))

    def _sort(self, read: _Read, history: dict[str, _Read], newest: dict[str, _Read]) -> None:
        version = read.event.version
        known, other = self._known.get(read.id), newest.get(read.id)
        if known is None or not known.kept & _bit(version):
            history.setdefault(f"{read.id}@{version}", read)
        # What is older than a version that stands changes nothing, and need not be refused by the database.
        if version >= max(known.version if known else 0, other.event.version if other else 0):
            newest[read.id] = read

    async def _replace(self, newest: Mapping[str, _Read]) -> Changed:
        changed: Changed = defaultdict(dict)
        # What was never met is new as a rule; inserting costs the database half of what an upsert does.
        strangers = [read for read in newest.values() if read.id not in self._known]
        there = await _write(self.collection, [_new(read) for read in strangers])
        # What this worker has written itself moves on from there, as a rule, and its cells need not be asked for.
        friends = [read for read in newest.values() if read.id in self._known]
        befores = [self._known[read.id] for read in friends]
        moved = await _write(
            self.collection,
            [_replaced(read, before) for read, before in zip(friends, befores, strict=True)],
        )
        for place, read in enumerate(strangers):
            if place not in there:
                self._note(changed, read, ())
        for place, (read, before) in enumerate(zip(friends, befores, strict=True)):
            if place not in moved:
                self._note(changed, read, before.touched)
        if rest := [strangers[place] for place in there] + [friends[place] for place in moved]:
            await self._replace_met(changed, {read.id: read for read in rest})
        return changed

    async def _replace_met(self, changed: Changed, met: Mapping[str, _Read]) -> None:
        """The same for facts that somebody else has written."""
        await _write(self.collection, [_moved(read) for read in met.values()])
        # Read after the write: it also names the cells of a version that another worker wrote in between.
        newer: list[str] = []
        cursor = self.collection.find({"_id": {"$in": list(met)}}, {"version": 1, "touched": 1})
        for document in await cursor.to_list(None):
            read = met[document["_id"]]
            if document["version"] == read.event.version:
                self._note(changed, read, document["touched"])
            else:
                newer.append(read.id)
        if newer:
            cursor = self.collection.find({"_id": {"$in": newer}}, {"version": 1, "touched": 1, "counts": 1})
            for document in await cursor.to_list(None):
                counted = {said["cell"]: said["values"] for said in document["counts"]}
                _note(changed, document["_id"], counted, document["touched"])
                self._remember(document["_id"], version=document["version"], touched=tuple(document["touched"]))

    def _note(self, changed: Changed, read: _Read, before: Sequence[str]) -> None:
        _note(changed, read.id, read.counted, before)
        self._remember(read.id, version=read.event.version, touched=_touched(before, read))

    def _remember(self, fact: str, *, version: int = 0, touched: tuple[str, ...] = (), kept: int = 0) -> None:
        known = self._known.pop(fact, None) or _Known(0, (), 0)
        self._known[fact] = (
            _Known(version, touched, known.kept) if version else _Known(known.version, known.touched, known.kept | kept)
        )
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def counted(self, cells: Several[str]) -> dict[str, dict[str, Totals]]:
        """What counts in each of these cells: by fact, what it adds. Cells in which nothing does are missing."""
        found: defaultdict[str, dict[str, Totals]] = defaultdict(dict)
        wanted = cells if isinstance(cells, (set, frozenset, dict)) else set(cells)
        cursor = self.collection.find({"counts.cell": {"$in": list(cells)}}, {"counts.cell": 1, "counts.values": 1})
        for document in await cursor.to_list(None):
            for said in document["counts"]:
                if said["cell"] in wanted:
                    found[said["cell"]][document["_id"]] = said["values"]
        return found


def _bit(version: int) -> int:
    return 1 << version if version < 64 else 0  # hardly anything has more versions; those are simply written again


def _note(changed: Changed, fact: str, counted: Counted, touched: Sequence[str]) -> None:
    for cell, values in counted.items():
        changed[cell][fact] = values
    for cell in touched:
        if cell not in counted:
            changed[cell][fact] = {}


def _version(key: str, read: _Read) -> InsertOne:
    return InsertOne(
        {
            "_id": key,
            "fact": read.id,
            "version": read.event.version,
            "recorded": read.event.time,
            "months": list(dict.fromkeys(cell[:7] for cell in read.counted)),
            # As JSON text: a third of the work and half of the bytes of a nested document, in what is written most.
            "said": _said((read.row, read.counted)).decode(),
        }
    )


def _fields(read: _Read) -> Document:
    event = read.event
    return {
        "version": event.version,
        "source": BY_TOPIC[event.topic].name,
        "row": read.row,
        "counts": counts_of(read.counted),
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
    }


def _new(read: _Read) -> InsertOne:
    return InsertOne({"_id": read.id, **_fields(read), "touched": list(read.counted)})


def _replaced(read: _Read, before: _Known) -> ReplaceOne:
    """The fact goes on from the version that is known. Where another stands, this meets its id and is refused."""
    document = {"_id": read.id, **_fields(read), "touched": _touched(before.touched, read)}
    return ReplaceOne({"_id": read.id, "version": before.version}, document, upsert=True)


def _touched(before: Sequence[str], read: _Read) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *read.counted)))


def _moved(read: _Read) -> UpdateOne:
    """The fact goes on from an older version. The same one again is written again: it may stand elsewhere on a new
    log, or be read by newer rules. Where a newer one stands, this meets its id and is refused."""
    return UpdateOne(
        {"_id": read.id, "version": {"$lte": read.event.version}},
        {"$set": _fields(read), "$addToSet": {"touched": {"$each": list(read.counted)}}},
        upsert=True,
    )


async def _write(collection: Any, writes: Sequence[InsertOne | ReplaceOne | UpdateOne]) -> set[int]:
    """Answers the places of those that are refused, because something stands there already."""
    # The server works on each message by one thread: two messages keep two of its cores busy. No message is so large
    # that a slow database is silent for long.
    half = min((len(writes) + 1) // 2, SLICE) if len(writes) > SLICE // 2 else len(writes)
    parts = [(start, writes[start : start + half]) for start in range(0, len(writes), half or 1)]
    refused: set[int] = set()
    for pair in (parts[n : n + 2] for n in range(0, len(parts), 2)):
        refused.update(*await asyncio.gather(*(_write_part(collection, start, part) for start, part in pair)))
    return refused


async def _write_part(collection: Any, start: int, writes: Sequence[InsertOne | ReplaceOne | UpdateOne]) -> set[int]:
    try:
        await collection.bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        details: Any = error.details
        failed = details["writeErrors"]
        if details["writeConcernErrors"] or any(each["code"] != DUPLICATE_KEY for each in failed):
            raise
        return {start + each["index"] for each in failed}
    return set()
