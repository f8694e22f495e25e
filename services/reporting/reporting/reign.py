"""One wait for many writes: when writes that only the primary has acknowledged may be relied on.

Every wait for a majority's journal costs a flush of the disk, and a batch makes six writes of which each needs the
one before. So all but the last are acknowledged by the primary alone. The last waits for the majority: a primary
journals and replicates in the order in which it wrote, so everything before it is there then, too, provided that one
and the same primary has taken all of it. Its term and its process tell. Where they have changed meanwhile, something
may have been rolled back: the batch is repeated, which is harmless, and its offsets are committed only afterwards.
"""

from __future__ import annotations

from typing import Any

from chassis.mongo import AutoReconnect, Database


class Deposed(AutoReconnect):
    """Another primary, or another process, than the one that has taken the first writes: repeat them."""


class Reign:
    """Of one primary, over one writer's writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Any = None

    async def begin(self) -> bool:
        """Whether writes may be gathered at all: behind a mongos nobody can tell whose they were."""
        self._known = await self._now()
        return self._known is not None

    async def confirm(self) -> None:
        """After a write that a majority has: all since the last `begin` or `confirm` are durable. Raises Deposed."""
        before, self._known = self._known, await self._now()
        if before != self._known:
            raise Deposed("the primary has changed within a batch")

    async def _now(self) -> Any:
        hello = await self._database.command("hello")
        if hello.get("msg") == "isdbgrid":
            return None
        return hello["topologyVersion"]["processId"], hello.get("electionId")
