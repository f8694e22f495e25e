"""Gap-free number series for people-facing numbers, without a transaction.

A number is reserved for an id before the record is written, and stays reserved until the record is seen.
A reservation whose record never came goes to the next taker, so no number is lost; the record's own
unique index on its number refuses the loser if the first one was only slow. Check every rule before you take
a number: one that is refused afterwards waits for its next taker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from chassis import clock
from chassis.mongo import Collection, Database, DuplicateKey, ReturnDocument, relaxed

ABANDONED_AFTER = timedelta(seconds=60)
"""A record is written within a request's deadline after its number was reserved, or never."""
REMEMBERED = 100
"""So many ids keep their number in mind after they were written: a repetition that comes at the same moment, and has
not seen the record yet, must not take another one."""


class Series:
    """Number series in a collection of their own: `{_id: series, last, open: [{number, id, since}], done: [...]}`.

    exists: tells whether a record with that number of that series has been written.
    """

    def __init__(self, database: Database, exists: Callable[[str, int], Awaitable[bool]]) -> None:
        self._series: Collection = database["series"]
        self._exists = exists

    async def take(self, series: str, for_id: str) -> int:
        """The number of that series for that id: the same one for every call with the same id while it is reserved."""
        while True:
            document = await self._series.find_one({"_id": series})
            if document is None:
                with contextlib.suppress(DuplicateKey):  # another taker began it
                    await self._series.insert_one({"_id": series, "last": 0, "open": [], "done": []})
                continue
            known = [*document["open"], *document["done"]]
            mine = next((entry for entry in known if entry["id"] == for_id), None)
            if mine is not None:
                return mine["number"]
            before = clock.now() - ABANDONED_AFTER
            for entry in document["open"]:
                if entry["since"] < before:
                    number = await self._settle(series, entry, for_id)
                    if number is not None:
                        return number
            taken = await self._series.find_one_and_update(
                {"_id": series, "open.id": {"$ne": for_id}, "done.id": {"$ne": for_id}},
                [
                    {
                        "$set": {
                            "last": {"$add": ["$last", 1]},
                            "open": {
                                "$concatArrays": [
                                    "$open",
                                    [{"number": {"$add": ["$last", 1]}, "id": for_id, "since": clock.now()}],
                                ]
                            },
                        }
                    }
                ],
                return_document=ReturnDocument.AFTER,
            )
            if taken is not None:
                return taken["last"]

    async def written(self, series: str, for_id: str, number: int) -> None:
        """The record stands with that number: its reservation is done with."""
        done = {"number": number, "id": for_id}
        # Lost, it is found out by the next taker that sees it lying open.
        await relaxed(self._series).update_one(
            {"_id": series, "open": {"$elemMatch": done}},
            {"$pull": {"open": done}, "$push": {"done": {"$each": [done], "$slice": -REMEMBERED}}},
        )

    async def _settle(self, series: str, entry: dict[str, object], for_id: str) -> int | None:
        """Close an old reservation whose record came, or take over its number; None if somebody else did."""
        number = int(str(entry["number"]))
        if await self._exists(series, number):
            await self.written(series, str(entry["id"]), number)
            return None
        result = await self._series.update_one(
            {"_id": series, "open": {"$elemMatch": {"number": entry["number"], "id": entry["id"]}}},
            {"$set": {"open.$.id": for_id, "open.$.since": clock.now()}},
        )
        return number if result.modified_count else None
