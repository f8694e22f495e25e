"""Which sessions have ended while tokens of theirs have not expired yet, for the gateway and for every service.

A service checks a token by its signature alone, so a token outlives its session by up to `ACCESS_MINUTES`. This list
closes the gap: the gateway publishes it at `/.well-known/ended-sessions.json`, and every process asks for it once a
second while requests come (`chassis.identity`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chassis import clock
from chassis.identity import LEEWAY, OVERLAP, listed_session
from chassis.mongo import Database

LOOK_AGAIN_AFTER = 0.5
"""Seconds after which the database is asked again, for another gateway may have ended sessions."""


@dataclass(frozen=True, slots=True)
class EndedList:
    """ended: session (see `listed_session`) -> when its last token expires. as_of and the values are in seconds since
    1970.
    """

    ended: Mapping[str, float]
    as_of: float


class EndedSessions:
    """life: how long an access token counts."""

    def __init__(self, database: Database, life: timedelta) -> None:
        self._kept = database["sessions"]
        self._matters_for = life + timedelta(seconds=LEEWAY)
        self._ended: dict[str, tuple[float, float]] = {}
        """Session -> when it ended, and when its last token expires."""
        self._as_of = 0.0
        self._looked = float("-inf")
        self._looking = asyncio.Lock()
        self._changes = 0
        self.readers: list[Callable[[], None]] = []
        """Told of every session that ends in this process."""

    async def prepare(self) -> None:
        await self._kept.create_index("ended_at", sparse=True)

    def look_now(self) -> None:
        """A session has just ended here: the next question reads the database."""
        self._changes += 1
        self._looked = float("-inf")
        for told in self.readers:
            told()

    async def since(self, moment: float) -> EndedList:
        """What has ended since then (seconds since 1970). Raises PyMongoError."""
        await self._fresh()
        ended = {session: expires for session, (at, expires) in self._ended.items() if at >= moment}
        return EndedList(ended, self._as_of)

    async def _fresh(self) -> None:
        if time.monotonic() - self._looked <= LOOK_AGAIN_AFTER:
            return
        async with self._looking:
            if time.monotonic() - self._looked <= LOOK_AGAIN_AFTER:
                return  # somebody else has just looked
            changes, began, now = self._changes, time.monotonic(), clock.now()
            oldest = max(self._as_of - OVERLAP, (now - self._matters_for).timestamp())
            found = await self._kept.find(
                {"ended_at": {"$gte": datetime.fromtimestamp(oldest, UTC)}}, {"ended_at": 1}
            ).to_list(None)
            present = now.timestamp()
            kept = {session: times for session, times in self._ended.items() if times[1] > present}
            for each in found:
                at = each["ended_at"]
                kept[listed_session(each["_id"])] = (at.timestamp(), (at + self._matters_for).timestamp())
            self._ended, self._as_of = kept, present
            if self._changes == changes:  # else a session has ended since the question
                self._looked = began
