"""A record never grows beyond what the bus and the database take, and a full one can still be ended."""

from __future__ import annotations

from typing import Any

import pytest

from chassis import aggregate
from chassis.aggregate import EVENT_LIMIT, OUTBOX_LIMIT, RECORD_LIMIT, SMALL_STEP, Repository
from chassis.problems import TooLarge, Unavailable
from chassis.scope import everything
from tests.chassis.parcels import Parcel, by, moved, sent

ALL = everything("a test of the chassis")


def parcel_of(size: int) -> tuple[Parcel, Any]:
    """A parcel whose event has about that many bytes."""
    return sent(place="x" * (size - 700))


async def amend(parcels: Repository[Parcel], state: Parcel, times: int) -> None:
    for turn in range(times):
        await parcels.change(state.id, ALL, moved(f"{turn:02}{state.place}"), by())


@pytest.mark.parametrize("text", ["x", "汉", "\n", '"', "\x01", "😀"])
async def test_a_record_that_the_bus_would_not_take_is_refused_with_both_numbers(
    parcels: Repository[Parcel], text: str
) -> None:
    """However few characters it has: what counts are the bytes that go on the bus, with what JSON escapes."""
    state, what = sent(place=text * 1_100_000)
    with pytest.raises(TooLarge) as refused:
        await parcels.create(state, what, by(), ALL)
    assert (refused.value.status, refused.value.extras["limit"]) == (413, RECORD_LIMIT)
    assert refused.value.extras["size"] > RECORD_LIMIT
    assert f"{RECORD_LIMIT:,}" in refused.value.en
    assert await parcels.collection.count_documents({}) == 0

    small, what = sent()
    await parcels.create(small, what, by(), ALL)
    with pytest.raises(TooLarge):
        await parcels.change(small.id, ALL, moved(text * 1_100_000), by())
    assert (await parcels.get(small.id, ALL)).version == 1


async def test_a_full_record_takes_its_further_steps(parcels: Repository[Parcel]) -> None:
    state, what = parcel_of(RECORD_LIMIT - 1_000)
    await parcels.create(state, what, by(), ALL)
    await parcels.change(state.id, ALL, moved(state.place + "y" * (SMALL_STEP - 2_000)), by())
    with pytest.raises(TooLarge):
        await parcels.change(state.id, ALL, moved(state.place + "y" * 3 * SMALL_STEP), by())
    with pytest.raises(TooLarge):
        await parcels.change(state.id, ALL, moved("y" * (EVENT_LIMIT + 1)), by())
    assert (await parcels.change(state.id, ALL, moved("short"), by())).version == 3


async def test_unsent_events_fill_a_record_only_so_far(parcels: Repository[Parcel]) -> None:
    """With a relay that is away, a command is refused with a reason before the database refuses it."""
    state, what = parcel_of(400_000)
    await parcels.create(state, what, by(), ALL)
    with pytest.raises(Unavailable) as refused:
        await amend(parcels, state, 39)
    assert (refused.value.status, refused.value.code) == (503, "events_waiting")
    document = await parcels.collection.find_one({"_id": state.id})
    events = [len(entry["event"]) for entry in document["outbox"]]
    assert document["outbox_bytes"] == sum(events) <= OUTBOX_LIMIT
    with pytest.raises(Unavailable):
        await parcels.change(state.id, ALL, moved(state.place), by())


async def test_a_document_that_the_database_refuses_is_said_to_wait_for_the_bus(
    parcels: Repository[Parcel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the stored form is larger than was reckoned."""
    monkeypatch.setattr(aggregate, "OUTBOX_LIMIT", 100 * 2**20)
    state, what = parcel_of(900_000)
    await parcels.create(state, what, by(), ALL)
    with pytest.raises(Unavailable, match="events_waiting"):
        await amend(parcels, state, 39)
