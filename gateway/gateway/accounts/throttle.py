"""Failed log-ins, counted per login and per address, in the database, so that a restart forgives nothing.

An attempt is counted before the password is looked at, so many at once cannot slip through; a right
password takes its count back.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import timedelta

from chassis import clock
from chassis.mongo import Database, DuplicateKey, ReturnDocument
from chassis.problems import TooManyRequests


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many wrong passwords are taken within `window` before further attempts must wait for its end."""

    per_login: int = 5
    per_address: int = 50  # an office of forty people shares one address
    window: timedelta = timedelta(minutes=5)


class Throttle:
    def __init__(self, database: Database, allowance: Allowance) -> None:
        self._kept = database["throttle"]
        self._allowance = allowance

    async def prepare(self) -> None:
        await self._kept.create_index("until", expireAfterSeconds=0)

    async def attempt(self, login: str, address: str) -> None:
        """Count an attempt. Raises TooManyRequests."""
        await self._count(f"address:{address}", self._allowance.per_address)
        await self._count(_login(login), self._allowance.per_login)

    async def succeeded(self, login: str, address: str) -> None:
        await self._kept.delete_one({"_id": _login(login)})
        await self._kept.update_one({"_id": f"address:{address}", "count": {"$gt": 0}}, {"$inc": {"count": -1}})

    async def _count(self, what: str, most: int) -> None:
        now = clock.now()
        over = {"$lte": [{"$ifNull": ["$until", now]}, now]}
        counted = {
            "count": {"$cond": [over, 1, {"$add": ["$count", 1]}]},
            "until": {"$cond": [over, now + self._allowance.window, "$until"]},
        }
        try:
            kept = await self._upsert(what, counted)
        except DuplicateKey:  # two first attempts at once: one of them made it
            kept = await self._upsert(what, counted)
        if kept["count"] > most:
            wait = max(1, math.ceil((kept["until"] - now).total_seconds()))
            raise TooManyRequests(
                "too_many_attempts",
                f"Too many failed log-ins: wait {wait} seconds, then try again.",
                f"登录失败次数过多:请在 {wait} 秒后重试。",
                retry_after=wait,
            )

    async def _upsert(self, what: str, counted: dict) -> dict:
        return await self._kept.find_one_and_update(
            {"_id": what}, [{"$set": counted}], upsert=True, return_document=ReturnDocument.AFTER
        )


def _login(login: str) -> str:
    """Hashed, because people type passwords into the wrong field, and because it may be long."""
    return "login:" + hashlib.sha256(login.encode()).hexdigest()
