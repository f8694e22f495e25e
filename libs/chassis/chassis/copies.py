"""Copies of other services' aggregates, fed by their events: what a service must know but does not own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from chassis.gather import Gathered
from chassis.mongo import BulkWriteError, Collection, Database, UpdateOne
from chassis.received import Received
from contracts.envelope import Published

S = TypeVar("S", bound=Published)
T = TypeVar("T")

PATIENCE: Final = 1.0
"""Seconds to wait for a copy that lags behind its owner."""
BETWEEN: Final = 0.05
"""Seconds between two looks."""


class Copies(Generic[S]):
    """A collection `copy_<name>`: one document per aggregate, `{_id, version, ...state}`."""

    def __init__(self, database: Database, name: str, model: type[S]) -> None:
        self.collection: Collection = database[f"copy_{name}"]
        self._model = model
        self.get: Gathered[str, S | None] = Gathered(self._get_all)
        """The aggregate with that id, or None. Those that are asked for at the same time are read and parsed once."""

    async def learn(self, events: Sequence[Received]) -> None:
        """Keep the newest state of each; an older or repeated event changes nothing."""
        newest: dict[str, Received] = {}
        for event in events:
            if event.subject not in newest or newest[event.subject].version < event.version:
                newest[event.subject] = event
        writes = [_replace(event, event.data(self._model)) for event in newest.values()]
        if not writes:
            return
        try:
            await self.collection.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            # An upsert whose filter finds no older version meets the newer one's id: that one stays.
            if any(failed["code"] != 11000 for failed in error.details["writeErrors"]):
                raise

    async def _get_all(self, ids: Sequence[str]) -> Sequence[S | None]:
        found = await self.collection.find({"_id": {"$in": list(set(ids))}}).to_list(None)
        by_id = {document["_id"]: self._read(document) for document in found}
        return [by_id.get(aggregate_id) for aggregate_id in ids]

    async def several(self, ids: Iterable[str]) -> list[S]:
        """Those of the aggregates with these ids that are known, in the order of their ids."""
        found = await asyncio.gather(*(self.get(aggregate_id) for aggregate_id in sorted(set(ids))))
        return [each for each in found if each is not None]

    async def find(self, where: Mapping[str, Any] | None = None) -> list[S]:
        return [self._read(document) async for document in self.collection.find(where or {}).sort("_id")]

    def _read(self, document: dict[str, Any]) -> S:
        document["id"] = document.pop("_id")
        document.pop("version")
        return self._model.model_validate(document)


def _replace(event: Received, state: Published) -> UpdateOne:
    fields = state.model_dump(mode="json", exclude={"id"})
    return UpdateOne(
        {"_id": event.subject, "version": {"$lt": event.version}},
        {"$set": {**fields, "version": event.version}},
        upsert=True,
    )


async def awaited(look: Callable[[], Awaitable[T | None]]) -> T | None:
    """What `look` finds, given a second to come: an event is usually here within 50 ms."""
    until = time.monotonic() + PATIENCE
    while True:
        if (found := await look()) is not None or time.monotonic() >= until:
            return found
        await asyncio.sleep(BETWEEN)
