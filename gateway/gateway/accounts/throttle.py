"""Guessing passwords is slow, and nobody can lock somebody else out.

Failed log-ins are counted in the database, so that a restart forgives nothing: for each login at each address, for each
login at all addresses together, and for each address with all logins together. Some are free; each further attempt has
a turn, later than the one before by a pause that grows with the count. An attempt waits for its turn here, up to
`PATIENCE`; one that would wait longer is told when to come back.

A login that has succeeded at an address within the last month is counted there by itself: neither other addresses nor
other logins can slow it down. A device that has succeeded is counted by itself wherever it is (devices.py): not even
strangers behind the same address can slow it down. So a stranger who guesses at somebody's login slows down only
himself, and those who sign in with that login at an address and on a device for the first time.

An attempt is counted before the password is looked at, so that many at once cannot slip through; a right password
takes its count back.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis import clock
from chassis.mongo import Database, DuplicateKey, ReturnDocument
from chassis.problems import TooManyRequests, Unavailable

PATIENCE = 4.0
"""Seconds that an attempt waits for its turn at most; the usual client gives up after five."""
PAUSES = ((0, 0.5), (2, 1.0), (4, 2.0), (8, 3.0), (50, 10.0), (100, 30.0))
"""(failures beyond the free ones, seconds until the next turn)."""
KNOWN_PAUSE = 3.0
"""The longest pause of a login at an address where it has succeeded: below `PATIENCE`, so that who waits gets in."""
KNOWN_FOR = timedelta(days=30)
"""How long a login counts as known at an address after it has succeeded there."""
MOST_WAITING = 200
"""Attempts that wait for their turn at the same time in this process."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Wrong passwords that cost no time: of one login at one address, of an address, of a login at unknown addresses.

    window: failures are forgotten when there was none for that long.
    """

    per_login: int = 5
    per_address: int = 50  # an office of forty people shares one address
    window: timedelta = timedelta(minutes=5)

    @property
    def per_login_everywhere(self) -> int:
        return 4 * self.per_login

    @property
    def per_known(self) -> int:
        """Of a login at an address where it has succeeded."""
        return 2 * self.per_login


class Throttle:
    """wait: how an attempt waits for its turn."""

    def __init__(
        self, database: Database, allowance: Allowance, wait: Callable[[float], Awaitable[Any]] = asyncio.sleep
    ) -> None:
        self._kept = database["throttle"]
        self._allowance = allowance
        self._wait = wait
        self._waiting = 0

    async def prepare(self) -> None:
        await self._kept.create_index("until", expireAfterSeconds=0)
        await self._kept.create_index("login", sparse=True)

    async def attempt(self, login: str, address: str, device: str | None = None) -> None:
        """Count an attempt and wait for its turn. device: one that has signed in with this login before. Raises
        TooManyRequests, Unavailable.
        """
        turns = await self._turns(login, address, device)
        seconds = max(turns)
        if seconds <= 0:
            return
        if self._waiting >= MOST_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            await self._wait(seconds)
        finally:
            self._waiting -= 1

    async def succeeded(self, login: str, address: str, device: str | None = None) -> None:
        """The password was right: the failures of this device, or of this login at this address, are forgotten."""
        pair = _pair(login, address)
        if device is not None:
            await self._kept.delete_one({"_id": f"device:{device}"})
        elif await self._is_known(pair):
            await self._kept.delete_one({"_id": f"known-pair:{pair}"})
        else:
            await self._kept.delete_one({"_id": f"pair:{pair}"})
            for what in (f"login:{_digest(login)}", f"address:{_digest(address)}"):
                await self._give_back(what)
        await self._kept.update_one(
            {"_id": f"known:{pair}"},
            {"$set": {"until": clock.now() + KNOWN_FOR, "login": _digest(login)}},
            upsert=True,
        )

    async def forget(self, login: str) -> None:
        """The password has changed: no address is known any more."""
        await self._kept.delete_many({"login": _digest(login)})

    async def _turns(self, login: str, address: str, device: str | None) -> list[float]:
        """Seconds until the turn of an attempt, by each count that it belongs to."""
        if device is not None:
            return [await self._count(f"device:{device}", self._allowance.per_known, longest=KNOWN_PAUSE)]
        pair = _pair(login, address)
        if await self._is_known(pair):
            return [await self._count(f"known-pair:{pair}", self._allowance.per_known, longest=KNOWN_PAUSE)]
        counts = (
            (f"pair:{pair}", self._allowance.per_login),
            (f"address:{_digest(address)}", self._allowance.per_address),
            (f"login:{_digest(login)}", self._allowance.per_login_everywhere),
        )
        turns: list[float] = []
        counted: list[str] = []
        try:
            for what, free in counts:
                turns.append(await self._count(what, free))
                counted.append(what)
        except TooManyRequests:
            for what in counted:  # no password was looked at
                await self._give_back(what)
            raise
        return turns

    async def _is_known(self, pair: str) -> bool:
        return (
            await self._kept.find_one({"_id": f"known:{pair}", "until": {"$gt": clock.now()}}, {"_id": 1}) is not None
        )

    async def _count(self, what: str, free: int, longest: float = PAUSES[-1][1]) -> float:
        """Take the next turn; seconds until it comes. Raises TooManyRequests where that is too long, and takes none."""
        now = clock.now()
        try:
            kept = await self._upsert(what, free, longest, now)
        except DuplicateKey:  # two first attempts at once: one of them made it
            kept = await self._upsert(what, free, longest, now)
        seconds = (kept["turn"] - now).total_seconds()
        if seconds <= PATIENCE:
            return seconds
        wait = max(1, math.ceil(seconds - PATIENCE / 2))
        raise TooManyRequests(
            "too_many_attempts",
            f"Too many failed log-ins: wait {wait} seconds, then try again.",
            f"登录失败次数过多:请在 {wait} 秒后重试。",
            retry_after=wait,
        )

    async def _upsert(self, what: str, free: int, longest: float, now: datetime) -> dict[str, Any]:
        over = {"$lte": [{"$ifNull": ["$until", now]}, now]}
        begin = {
            "count": {"$cond": [over, 0, {"$ifNull": ["$count", 0]}]},
            "next": {"$cond": [over, now, {"$max": [now, "$next"]}]},
        }
        # A turn that nobody would wait for is shown, and not taken: else a storm of attempts would put it off for ever.
        taken = {"$lte": [{"$subtract": ["$next", now]}, PATIENCE * 1000]}
        count = {"$add": ["$count", 1]}
        pause = {
            "$switch": {
                "branches": [
                    {"case": {"$gte": [count, free + beyond]}, "then": int(min(seconds, longest) * 1000)}
                    for beyond, seconds in reversed(PAUSES)
                ],
                "default": 0,
            }
        }
        take = {
            "turn": "$next",
            "count": {"$cond": [taken, count, "$count"]},
            "next": {"$cond": [taken, {"$add": ["$next", pause]}, "$next"]},
            "until": {"$cond": [taken, {"$add": ["$next", self._allowance.window.total_seconds() * 1000]}, "$until"]},
        }
        return await self._kept.find_one_and_update(
            {"_id": what}, [{"$set": begin}, {"$set": take}], upsert=True, return_document=ReturnDocument.AFTER
        )

    async def _give_back(self, what: str) -> None:
        await self._kept.update_one({"_id": what, "count": {"$gt": 0}}, {"$inc": {"count": -1}})


def _busy() -> Unavailable:
    return Unavailable(
        "sign_in_busy",
        "Too many people sign in at this moment: try again in a few seconds.",
        "当前登录人数过多:请几秒后重试。",
        retry_after=3,
    )


def _pair(login: str, address: str) -> str:
    return _digest(f"{login}\n{address}")


def _digest(text: str) -> str:
    """Hashed, because people type passwords into the wrong field, and because it may be long."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
