"""Facts: what each source aggregate contributes, in its newest version (architecture §4).

`facts` holds one document per aggregate:

    {_id: "order:17", version, source, row, contributions: [{measure, cell, values}], touched,
     topic, partition, offset}

`touched` names every cell that it has ever counted in. It grows in the very write that moves the fact, so
whoever takes the event again, after whatever crash, knows all cells to add up again.

`fact_versions` keeps every version with the time it was recorded (`_id: "order:17@6"`), written once and
never changed: the history that any past instant is answered from.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection as Several
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from chassis.consumer import Received, Unhandleable
from chassis.mongo import ASCENDING, BulkWriteError, Database, Document, InsertOne, UpdateOne
from reporting.measures import BY_TOPIC, Reading
from reporting.totals import Contribution, Totals, fold

DUPLICATE_KEY = 11000


def fact_id(prefix: str, aggregate_id: str) -> str:
    return f"{prefix}:{aggregate_id}"


class Facts:
    """The facts and their history, in two collections."""

    def __init__(self, database: Database) -> None:
        self.collection = database["facts"]
        self.versions = database["fact_versions"]

    async def prepare(self) -> None:
        await self.collection.create_index([("contributions.cell", ASCENDING)])
        await self.versions.create_index([("contributions.cell", ASCENDING)])
        await self.versions.create_index([("fact", ASCENDING), ("version", ASCENDING)])

    async def take(self, events: Sequence[Received]) -> set[str]:
        """Keep what the events say; answers every cell to add up again. Repeating it is harmless.

        Raises Unhandleable for an event whose state does not suit its contract.
        """
        readings = [(event, _read(event)) for event in events]
        newest: dict[str, tuple[Received, Reading]] = {}
        for event, reading in readings:
            known = newest.get(event.subject)
            if known is None or known[0].version <= event.version:
                newest[event.subject] = (event, reading)
        if not newest:
            return set()
        history = (InsertOne(_version(event, reading)) for event, reading in readings)
        facts = (_replacement(event, reading) for event, reading in newest.values())
        await asyncio.gather(_write(self.versions, history), _write(self.collection, facts))
        return await self._touched([_id(event) for event, _ in newest.values()])

    async def _touched(self, ids: list[str]) -> set[str]:
        # Read after the write: it also names the cells of a version that another worker wrote in between.
        cursor = self.collection.find({"_id": {"$in": ids}}, {"_id": 0, "touched": 1})
        return {cell for document in await cursor.to_list(None) for cell in document["touched"]}

    async def folded(self, cells: Several[str]) -> dict[str, Totals]:
        """The totals of each of these cells, from all facts that count in it; empty where none does."""
        found: defaultdict[str, list[Contribution]] = defaultdict(list)
        cursor = self.collection.find({"contributions.cell": {"$in": list(cells)}}, {"_id": 0, "contributions": 1})
        for document in await cursor.to_list(None):
            for said in document["contributions"]:
                found[said["cell"]].append(Contribution(said["measure"], said["cell"], said["values"]))
        return {cell: fold(found[cell]) if cell in found else {} for cell in cells}


def _read(event: Received) -> Reading:
    try:
        return BY_TOPIC[event.topic].read(event.payload)
    except (msgspec.DecodeError, ValueError) as error:
        raise Unhandleable(f"{event.type} does not suit its contract: {error}") from error


def _id(event: Received) -> str:
    return fact_id(BY_TOPIC[event.topic].prefix, event.subject)


def _printed(reading: Reading) -> list[Document]:
    return [{"measure": c.measure, "cell": c.cell, "values": c.values} for c in reading.contributions]


def _version(event: Received, reading: Reading) -> Document:
    source = _id(event)
    return {
        "_id": f"{source}@{event.version}",
        "fact": source,
        "version": event.version,
        "recorded": event.time,
        "row": dict(reading.row),
        "contributions": _printed(reading),
    }


def _replacement(event: Received, reading: Reading) -> UpdateOne:
    fields = {
        "version": event.version,
        "source": BY_TOPIC[event.topic].name,
        "row": dict(reading.row),
        "contributions": _printed(reading),
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
    }
    return UpdateOne(
        # The same version again is written again: it may stand elsewhere on a new log, or be read by newer rules.
        {"_id": _id(event), "version": {"$lte": event.version}},
        {"$set": fields, "$addToSet": {"touched": {"$each": sorted({c.cell for c in reading.contributions})}}},
        upsert=True,
    )


async def _write(collection: Any, writes: Iterable[Any]) -> None:
    """A bulk write in which a document that stands already, or stands newer, stays."""
    try:
        await collection.bulk_write(list(writes), ordered=False)
    except BulkWriteError as error:
        if any(failed["code"] != DUPLICATE_KEY for failed in error.details["writeErrors"]):
            raise
