"""A copy holds the newest state that was said, whatever order and however often it was said in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.aggregate import envelope
from chassis.clock import now
from chassis.consumer import Received, decode
from chassis.copies import Copies
from chassis.mongo import Database
from tests.chassis.parcels import Parcel, ParcelEvent, ParcelTopic, by, happened
from tests.chassis.test_consumer_guard import Row


def event(name: str, version: int) -> Received:
    state = Parcel(id=name, place=f"{name}{version}").model_dump(mode="json")
    value = envelope(ParcelTopic(), name, version, happened(ParcelEvent.MOVED), state, by(), now())
    return decode(Row(value))


SAID = [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("c", 1)]


@pytest.fixture
def copies(both_drivers: Database) -> Copies[Parcel]:
    return Copies(both_drivers, "parcels", Parcel)


@given(
    said=st.permutations(SAID).flatmap(
        lambda order: st.lists(st.sampled_from(SAID), max_size=6).map(lambda more: order + more)
    ),
    size=st.integers(1, 6),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_duplication_and_division_ends_the_same(
    copies: Copies[Parcel], said: Sequence[tuple[str, int]], size: int
) -> None:
    await copies.collection.delete_many({})
    events = [event(name, version) for name, version in said]
    for start in range(0, len(events), size):
        await copies.learn(events[start : start + size])
    assert [parcel.place for parcel in await copies.find()] == ["a3", "b2", "c1"]


async def test_an_unknown_one_is_none(copies: Copies[Parcel]) -> None:
    assert await copies.get("nobody") is None


async def test_nothing_said_is_nothing_learnt(copies: Copies[Parcel]) -> None:
    await copies.learn([])
    assert await copies.find() == []
