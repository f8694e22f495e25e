"""Numbers have no gap and no double, whoever crashes in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chassis import clock
from chassis.mongo import Database
from chassis.series import ABANDONED_AFTER, Series


class Records:
    """Stands for the collection whose records carry the numbers."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    async def exists(self, series: str, number: int) -> bool:
        return number in self.numbers


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def series(both_drivers: Database, records: Records) -> Series:
    return Series(both_drivers, records.exists)


async def test_numbers_start_at_one_and_follow_each_other_in_each_series(series: Series) -> None:
    assert [await series.take("SHA-2026", name) for name in "abc"] == [1, 2, 3]
    assert await series.take("SHA-2027", "d") == 1


async def test_a_repetition_gets_the_same_number(series: Series) -> None:
    assert await series.take("s", "a") == 1
    assert await series.take("s", "b") == 2
    assert await series.take("s", "a") == 1


async def test_takers_side_by_side_get_all_numbers_once(series: Series) -> None:
    numbers = await asyncio.gather(*(series.take("s", f"r{n}") for n in range(40)))
    assert sorted(numbers) == list(range(1, 41))


async def test_an_abandoned_number_goes_to_the_next_taker(
    series: Series, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await series.take("s", "kept") == 1
    records.numbers.add(1)
    assert await series.take("s", "crashed") == 2
    later = clock.now() + ABANDONED_AFTER + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    numbers = await asyncio.gather(series.take("s", "next"), series.take("s", "after"))
    assert sorted(numbers) == [2, 3]
    assert await series.take("s", "next") in (2, 3)


async def test_a_settled_reservation_is_closed(series: Series, records: Records) -> None:
    number = await series.take("s", "a")
    records.numbers.add(number)
    await series.written("s", "a", number)
    assert await series.take("s", "b") == number + 1


async def test_a_repetition_that_comes_late_finds_the_number_of_the_written_record(series: Series) -> None:
    number = await series.take("s", "a")
    await series.written("s", "a", number)
    assert await series.take("s", "a") == number
    assert await series.take("s", "b") == number + 1


async def test_a_number_reserved_twice_for_one_record_is_lost_to_nobody(
    series: Series, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await series.take("s", "a")
    records.numbers.add(number)
    await series.written("s", "a", number)
    monkeypatch.setattr("chassis.series.REMEMBERED", 1)
    other = await series.take("s", "b")
    records.numbers.add(other)
    await series.written("s", "b", other)
    surplus = await series.take("s", "a")
    later = clock.now() + ABANDONED_AFTER + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert await series.take("s", "c") == surplus


class LooksLate:
    """A collection whose next reader still sees how it was before."""

    def __init__(self, collection: Any, before: Any) -> None:
        self._collection, self._before = collection, [before]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def find_one(self, query: Any) -> Any:
        return self._before.pop() if self._before else await self._collection.find_one(query)


async def test_a_repetition_that_looked_too_early_finds_the_number_too(both_drivers: Database, series: Series) -> None:
    await series.take("s", "other")
    before = await both_drivers["series"].find_one({"_id": "s"})
    number = await series.take("s", "a")
    await series.written("s", "a", number)
    series._series = LooksLate(both_drivers["series"], before)
    assert await series.take("s", "a") == number
