"""Numbers have no gap and no double, whoever crashes in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from chassis import clock
from chassis.mongo import Database
from chassis.series import ABANDONED_AFTER, Series


class Records:
    """Stands for the collection whose records carry the numbers."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    async def exists(self, record: str) -> bool:
        return record in self.numbers


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
    records.numbers["kept"] = 1
    assert await series.take("s", "crashed") == 2
    later = clock.now() + ABANDONED_AFTER + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    numbers = await asyncio.gather(series.take("s", "next"), series.take("s", "after"))
    assert sorted(numbers) == [2, 3]
    assert await series.take("s", "next") in (2, 3)


async def test_a_settled_reservation_is_closed(series: Series, records: Records) -> None:
    number = await series.take("s", "a")
    records.numbers["a"] = number
    await series.written("s", "a")
    assert await series.take("s", "b") == number + 1
