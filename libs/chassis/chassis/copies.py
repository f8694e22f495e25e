"""Copies of other services' aggregates, fed by their events: what a service must know but does not own.

Free-form fields are stored as chassis/free_form.py says. A copy that cannot be read is left out of lists, raises
UnreadableRecord for whoever needs it, and is mended by the next event of its aggregate (`salesbeat resync`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import structlog
from pydantic import ValidationError

from chassis.free_form import stored_form
from chassis.gather import Gathered
from chassis.mongo import BulkWriteError, Collection, Database, Document, Unreadable, UpdateOne, read_each
from chassis.problems import UnreadableRecord
from chassis.received import Received
from contracts.envelope import Published

log = structlog.get_logger()

S = TypeVar("S", bound=Published)
T = TypeVar("T")

PATIENCE: Final = 1.0
"""Seconds to wait for a copy that lags behind its owner."""
OUTDATED: Final = -1
"""The version of a damaged copy."""
BETWEEN: Final = 0.05
"""Seconds between two looks."""


class Copies(Generic[S]):
    """A collection `copy_<name>`: one document per aggregate, `{_id, version, ...state}`."""

    def __init__(self, database: Database, name: str, model: type[S]) -> None:
        self.collection: Collection = database[f"copy_{name}"]
        self._model = model
        self._form = stored_form(model)
        self._reported: set[str] = set()
        self.get: Gathered[str, S | None] = Gathered(self._get_all)
        """The aggregate with that id, or None. Those that are asked for at the same time are read and parsed once.
        Raises UnreadableRecord."""

    async def learn(self, events: Sequence[Received]) -> None:
        """Keep the newest state of each; an older or repeated event changes nothing."""
        newest: dict[str, Received] = {}
        for event in events:
            if event.subject not in newest or newest[event.subject].version < event.version:
                newest[event.subject] = event
        writes = [self._replace(event, event.data(self._model)) for event in newest.values()]
        if not writes:
            return
        try:
            await self.collection.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            # An upsert whose filter finds no older version meets the newer one's id: that one stays.
            if any(failed["code"] != 11000 for failed in error.details["writeErrors"]):
                raise

    async def _get_all(self, ids: Sequence[str]) -> Sequence[S | Exception | None]:
        by_id: dict[str, S | Exception] = {}
        damaged: list[str] = []
        for document in await read_each(self.collection, {"_id": {"$in": list(set(ids))}}):
            try:
                state = self._read(document)
                by_id[state.id] = state  # type: ignore[attr-defined]
            except UnreadableRecord as unreadable:
                by_id[unreadable.record] = unreadable
                damaged.append(unreadable.record)
        await self._outdate(damaged)
        return [by_id.get(aggregate_id) for aggregate_id in ids]

    async def several(self, ids: Iterable[str]) -> list[S]:
        """Those of the aggregates with these ids that are known, in the order of their ids."""
        found = await asyncio.gather(*(self.get(aggregate_id) for aggregate_id in sorted(set(ids))))
        return [each for each in found if each is not None]

    async def find(self, where: Mapping[str, Any] | None = None) -> list[S]:
        """Those that fit and can be read, by id."""
        found: list[S] = []
        damaged: list[str] = []
        for document in await read_each(self.collection, where or {}, sort=[("_id", 1)]):
            try:
                found.append(self._read(document))
            except UnreadableRecord as unreadable:
                damaged.append(unreadable.record)
        await self._outdate(damaged)
        return found

    async def _outdate(self, damaged: Sequence[str]) -> None:
        """Make damaged copies older than any event, so that the next one replaces them, of the same version, too."""
        if damaged:
            outdated = {"_id": {"$in": list(damaged)}, "version": {"$ne": OUTDATED}}
            await self.collection.update_many(outdated, {"$set": {"version": OUTDATED}})

    def _read(self, document: Document) -> S:
        record = str(document.get("_id", "unknown"))
        try:
            if isinstance(document, Unreadable):
                raise TypeError(document.reason)
            document["id"] = document.pop("_id")
            document.pop("version")
            return self._model.model_validate(self._form.read(document))
        except (ValidationError, TypeError, KeyError, ValueError, AttributeError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            if record not in self._reported:
                self._reported.add(record)
                log.error("copy cannot be read", collection=self.collection.name, record=record, reason=reason)
            raise UnreadableRecord(record, reason) from error

    def _replace(self, event: Received, state: Published) -> UpdateOne:
        fields = self._form.store(state.model_dump(mode="json", exclude={"id"}))
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
