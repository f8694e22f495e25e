"""Short locks on values: for a rule over several records that is checked before a write.

A unique index is the better guard where the rule is equality of one field. A lock is for a rule that an index cannot
say, such as "none of these may be alike, except those that were declared different".

A lock is a document whose `_id` is the value: `{_id, holder, until}`. It is held for the time of one command. The lock
of a process that was killed is free after LEASE.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from chassis import ids
from chassis.mongo import ASCENDING, Collection, Database, DuplicateKey, Insert, relaxed, write_each
from chassis.problems import Conflict

LEASE = timedelta(seconds=30)
"""So long a lock is held at most; a command takes far less."""
PATIENCE = 10.0
"""Seconds for which a command waits for the others."""


class Locks:
    """The locks of one service, in its collection `locks`."""

    def __init__(self, database: Database) -> None:
        self._locks: Collection = database["locks"]

    @property
    def _collection(self) -> Collection:
        # A lock that is lost with a primary lets two commands meet once; the unique indexes still hold then.
        return relaxed(self._locks)

    async def prepare(self) -> None:
        """Make the index that clears the locks of killed processes away."""
        await self._collection.create_index([("until", ASCENDING)], expireAfterSeconds=60)

    @asynccontextmanager
    async def hold(self, values: Iterable[str], patience: float = PATIENCE) -> AsyncIterator[None]:
        """Within, nobody else holds any of the values. Raises Conflict (busy) after so many seconds of waiting."""
        wanted = sorted(set(values))
        if not wanted:
            yield
            return
        holder = ids.new_id()
        deadline = time.monotonic() + patience
        try:
            while not await self._take(wanted, holder):
                if time.monotonic() > deadline:
                    raise Conflict(
                        "busy",
                        "Others enter the same at this moment: try again shortly.",
                        "有人正在提交相同的内容:请稍后再试。",
                    )
                await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - only to keep two from meeting again
            yield
        finally:
            await asyncio.shield(self._collection.delete_many({"_id": {"$in": wanted}, "holder": holder}))

    async def _take(self, wanted: list[str], holder: str) -> bool:
        # Locks of real time: a clock that stands still, as in a test or a simulation, must not keep a lease alive.
        now = datetime.now(UTC)
        inserts = [Insert({"_id": value, "holder": holder, "until": now + LEASE}) for value in wanted]
        verdicts = await write_each(self._collection, inserts)
        if refused := [error for error in verdicts if error is not None]:
            # Whoever waits holds nothing, so two commands cannot wait for each other.
            await self._collection.delete_many(
                {"_id": {"$in": wanted}, "$or": [{"holder": holder}, {"until": {"$lt": now}}]}
            )
            if unforeseen := next((error for error in refused if not isinstance(error, DuplicateKey)), None):
                raise unforeseen
        return not refused
