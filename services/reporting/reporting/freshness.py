"""Freshness: up to when the numbers are complete, and whether a certain change is in them.

`applied` holds one document per partition: `{_id: "sales.order.v1/3", topic, offset, as_of}`. `offset` is the last
one whose event is in the totals. `as_of` is the instant up to which everything that the bus had is in them: the
recording time of the last event while the worker is behind, and the present while it is caught up, so it
stands still when the worker is dead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chassis import clock
from chassis.gather import Gathered
from chassis.mongo import Database, UpdateOne, relaxed
from chassis.problems import Invalid
from chassis.received import Received
from reporting.facts import Facts, fact_id
from reporting.measures import SOURCES

if TYPE_CHECKING:
    from chassis.consumer import Position

WAIT = 1.0
"""Seconds that `after=` waits."""
LOOK = 0.01
"""Seconds between looks; the usual way from a command to the totals takes some 20 ms."""


class Freshness:
    """Written by the worker, read by the API."""

    def __init__(self, database: Database, facts: Facts) -> None:
        self.collection = database["applied"]
        self._facts = facts
        self._visible = Gathered(self._visible_of_all)
        self._beat: tuple[datetime, dict[str, int]] | None = None

    async def advance(self, events: Sequence[Received]) -> None:
        """These events are in the totals: the last write of a batch."""
        last: dict[str, Received] = {}
        for event in events:
            key = _place(event.topic, event.partition)
            if key not in last or last[key].offset < event.offset:
                last[key] = event
        writes = [
            UpdateOne(
                {"_id": key},
                {"$set": {"topic": event.topic, "offset": event.offset}, "$max": {"as_of": event.time}},
                upsert=True,
            )
            for key, event in last.items()
        ]
        if writes:
            await self.collection.bulk_write(writes, ordered=False)

    async def beat(self, positions: Sequence[Position]) -> None:
        """Called each second or so: partitions that are read to their end are complete up to the last beat."""
        now = clock.now()
        before, self._beat = self._beat, (now, {_place(p.topic, p.partition): p.next_offset for p in positions})
        if before is None:
            return
        then, offsets = before
        at_end = [p for p in positions if p.caught_up]
        applied = {d["_id"]: d["offset"] async for d in self.collection.find({"offset": {"$exists": True}})}
        writes = []
        for position in at_end:
            key = _place(position.topic, position.partition)
            # What was fetched since the last beat may still be on its way into the totals.
            if applied.get(key, -1) + 1 >= position.next_offset or offsets.get(key) == position.next_offset:
                writes.append(
                    UpdateOne({"_id": key}, {"$set": {"topic": position.topic}, "$max": {"as_of": then}}, upsert=True)
                )
        if writes:
            # A lost one is made up for by the next.
            await relaxed(self.collection).bulk_write(writes, ordered=False)

    async def as_of(self) -> dict[str, datetime | None]:
        """By source, the instant up to which everything is counted; None while that is not known."""
        found: dict[str, list[datetime]] = {}
        async for document in self.collection.find({}, {"topic": 1, "as_of": 1}):
            found.setdefault(document["topic"], []).append(document["as_of"])
        return {
            source.name: min(instants)
            if len(instants := found.get(source.topic.name, [])) >= source.topic.partitions
            else None
            for source in SOURCES
        }

    async def visible(self, after: After) -> bool:
        """Whether that version, or a newer one, is in the totals. Those who ask at the same time are told by one look:
        at 100 commands a second, their looks were three quarters of the database's reads."""
        return await self._visible(after)

    async def _visible_of_all(self, asked: Sequence[After]) -> list[bool | Exception]:
        cursor = self._facts.collection.find(
            {"_id": {"$in": list({after.fact for after in asked})}},
            {"version": 1, "topic": 1, "partition": 1, "offset": 1},
        )
        facts = {fact["_id"]: fact for fact in await cursor.to_list(None)}
        known = [facts.get(after.fact) for after in asked]
        there = [
            fact if fact is not None and fact["version"] >= after.version else None
            for fact, after in zip(known, asked, strict=True)
        ]
        places = {_place(fact["topic"], fact["partition"]) for fact in there if fact is not None}
        if not places:
            return [False] * len(asked)
        cursor = self.collection.find({"_id": {"$in": list(places)}}, {"offset": 1})
        applied = {place["_id"]: place.get("offset", -1) for place in await cursor.to_list(None)}
        return [
            fact is not None and applied.get(_place(fact["topic"], fact["partition"]), -1) >= fact["offset"]
            for fact in there
        ]

    async def wait_for(self, after: After) -> bool:
        """The same, given up to a second to come true."""
        deadline = time.monotonic() + WAIT
        while not await self.visible(after):
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(LOOK)
        return True


def _place(topic: str, partition: int) -> str:
    """A partition, as `applied` calls it."""
    return f"{topic}/{partition}"


class After:
    """A version that the caller has seen acknowledged, such as order:17@7."""

    __slots__ = ("fact", "version")

    def __init__(self, prefix: str, aggregate_id: str, version: int) -> None:
        self.fact = fact_id(prefix, aggregate_id)
        self.version = version

    @classmethod
    def read(cls, text: str) -> After:
        """Raises Invalid."""
        prefixes: Mapping[str, object] = {source.prefix: source for source in SOURCES}
        name, _, version = text.rpartition("@")
        prefix, _, aggregate_id = name.partition(":")
        if prefix not in prefixes or not aggregate_id or not version.isascii() or not version.isdigit():
            known = ", ".join(prefixes)
            raise Invalid(
                None,
                f"Write after as kind:id@version, such as order:17@7; kinds are {known}.",
                f"after 的写法为 kind:id@version,例如 order:17@7;kind 可为 {known}。",
                field="after",
            )
        return cls(prefix, aggregate_id, int(version[:15]))
