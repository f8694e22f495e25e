"""Gap-free number series for people-facing numbers, without a transaction.

A number is reserved for an id before the record is written, and stays reserved until the record is seen.
A reservation whose record never came goes to the next taker, so no number is lost; the record's own
unique index on its number refuses the loser if the first one was only slow. Check every rule before you take
a number: one that is refused afterwards waits for its next taker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from chassis import clock
from chassis.gather import Gathered
from chassis.mongo import Collection, Database, DuplicateKey, PyMongoError, relaxed

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
        # One document counts for a whole office: writers side by side only wait for each other.
        self._take = Gathered(self._take_all)
        self._done = Gathered(self._close_all)

    async def take(self, series: str, for_id: str) -> int:
        """The number of that series for that id: the same one for every call with the same id while it is reserved."""
        return await self._take((series, for_id))

    async def written(self, series: str, for_id: str, number: int) -> None:
        """The record stands with that number: its reservation is done with."""
        await self._done((series, for_id, number))

    async def _take_all(self, wanted: Sequence[tuple[str, str]]) -> Sequence[int | Exception]:
        ids: dict[str, dict[str, int]] = {}
        for series, for_id in wanted:
            ids.setdefault(series, {})[for_id] = 0
        failed: dict[str, Exception] = {}
        for series, numbers in ids.items():
            try:
                await self._number(series, numbers)
            except PyMongoError as error:
                failed[series] = error
        return [failed.get(series) or ids[series][for_id] for series, for_id in wanted]

    async def _number(self, series: str, numbers: dict[str, int]) -> None:
        """Give each id its number: all in one write, unless there is something to be looked at first."""
        while missing := [for_id for for_id, number in numbers.items() if not number]:
            now = clock.now()
            before = _stored(now - ABANDONED_AFTER)
            new = [
                {"number": {"$add": ["$last", at]}, "id": for_id, "since": now} for at, for_id in enumerate(missing, 1)
            ]
            taken = await self._series.find_one_and_update(
                {
                    "_id": series,
                    "open": {"$not": {"$elemMatch": {"$or": [{"id": {"$in": missing}}, {"since": {"$lte": before}}]}}},
                    "done.id": {"$nin": missing},
                },
                [
                    {
                        "$set": {
                            "last": {"$add": ["$last", len(missing)]},
                            "open": {"$concatArrays": ["$open", new]},
                        }
                    }
                ],
                projection={"last": 1},
            )
            if taken is not None:
                numbers |= {for_id: taken["last"] + at for at, for_id in enumerate(missing, 1)}
                return
            document = await self._series.find_one({"_id": series})
            if document is None:
                with contextlib.suppress(DuplicateKey):  # another taker began it
                    await self._series.insert_one({"_id": series, "last": 0, "open": [], "done": []})
                continue
            for entry in [*document["done"], *document["open"]]:
                if entry["id"] in missing and not numbers[entry["id"]]:
                    numbers[entry["id"]] = entry["number"]
            for entry in document["open"]:
                heir = next((for_id for for_id, number in numbers.items() if not number), None)
                if heir is None:
                    break
                if entry["since"] <= before and (number := await self._settle(series, entry, heir)) is not None:
                    numbers[heir] = number

    async def _close_all(self, wanted: Sequence[tuple[str, str, int]]) -> Sequence[None]:
        done: dict[str, list[dict[str, object]]] = {}
        for series, for_id, number in wanted:
            done.setdefault(series, []).append({"number": number, "id": for_id})
        for series, entries in done.items():
            # Lost, it is found out by the next taker that sees it lying open.
            await relaxed(self._series).update_one(
                {"_id": series},
                {"$pull": {"open": {"$or": entries}}, "$push": {"done": {"$each": entries, "$slice": -REMEMBERED}}},
            )
        return [None] * len(wanted)

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


def _stored(at: datetime) -> datetime:
    """As the database keeps it, so that it and we agree on what is older."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
