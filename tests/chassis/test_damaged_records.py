"""A stored record that cannot be read is a clear problem of that record alone."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

from chassis.aggregate import Repository
from chassis.copies import Copies
from chassis.ids import new_id
from chassis.mongo import Database
from chassis.paging import Paging
from chassis.problems import NotFound, UnreadableRecord
from chassis.scope import everything, within
from tests.chassis.parcels import Parcel, by, moved, sent
from tests.chassis.test_copies import event
from tests.doors import caller

ALL = everything("a test of the chassis")

BEYOND = DatetimeMS(2**60)
"""A time in the year 36,536,598, which Python has no type for."""
DAMAGES: dict[str, dict[str, Any]] = {
    "a time that the driver cannot decode": {"$set": {"place": BEYOND}},
    "such a time within a field": {"$set": {"weight": [{"at": BEYOND}]}},
    "a value of another type": {"$set": {"place": 17}},
    "an object with a reference's keys": {"$set": {"place": RawBSONDocument(bson.encode({"a": 1}))}},
    "a missing field": {"$unset": {"place": ""}},
    "no version": {"$unset": {"version": ""}},
    "a version that is none": {"$set": {"version": "7"}},
}
each_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))


async def made(parcels: Repository[Parcel], count: int) -> list[str]:
    ids = []
    for number in range(count):
        state, what = sent(place=f"place {number}", id=new_id())
        await parcels.create(state, what, by(), ALL)
        ids.append(state.id)
    return sorted(ids)


@each_damage
async def test_a_damaged_record_is_a_problem_of_its_own(parcels: Repository[Parcel], damage: Any) -> None:
    bad, good = await made(parcels, 2)
    await parcels.collection.update_one({"_id": bad}, damage)
    for attempt in (
        lambda: parcels.get(bad, ALL),
        lambda: parcels.change(bad, ALL, moved("there"), by()),
        lambda: parcels.restatement(bad),
    ):
        with pytest.raises(UnreadableRecord) as refused:
            await attempt()
        assert (refused.value.status, refused.value.code) == (409, "unreadable_record")
        assert refused.value.extras == {"record": bad}
    assert (await parcels.get(good, ALL)).state.id == good


@each_damage
async def test_a_damaged_record_is_left_out_of_lists_and_counted(parcels: Repository[Parcel], damage: Any) -> None:
    ids = await made(parcels, 5)
    await parcels.collection.update_one({"_id": ids[1]}, damage)
    readable = [ids[0], *ids[2:]]
    assert [stored.state.id for stored in await parcels.find(ALL)] == readable
    first = await parcels.page(ALL, None, Paging(limit=2))
    assert ([stored.state.id for stored in first.items], first.unreadable) == ([ids[0]], 1)
    second = await parcels.page(ALL, None, Paging(limit=3, cursor=first.next_cursor))
    assert ([stored.state.id for stored in second.items], second.unreadable) == (ids[2:], 0)


@each_damage
async def test_a_list_sorted_by_the_damaged_field_still_has_all_its_pages(
    parcels: Repository[Parcel], damage: Any
) -> None:
    ids = await made(parcels, 5)
    await parcels.collection.update_one({"_id": ids[4]}, damage)
    for sort in ("place", "-place"):
        found: set[str] = set()
        paging, pages = Paging(limit=2, sort=sort), 0
        while True:
            page = await parcels.page(ALL, None, paging)
            found |= {stored.state.id for stored in page.items}
            pages += 1
            if page.next_cursor is None or pages > 9:
                break
            paging = Paging(limit=2, sort=sort, cursor=page.next_cursor)
        assert pages < 5
        assert found == set(ids[:4])


async def test_a_damaged_record_out_of_reach_is_not_found(parcels: Repository[Parcel]) -> None:
    [bad] = await made(parcels, 1)
    await parcels.collection.update_one({"_id": bad}, {"$set": {"place": BEYOND}})
    with pytest.raises(NotFound):
        await parcels.get(bad, within(caller("salesperson", "bob")))
    with pytest.raises(UnreadableRecord):
        await parcels.get(bad, within(caller("salesperson", "ann")))


async def test_a_record_that_was_listed_before_it_was_damaged_is_left_out(parcels: Repository[Parcel]) -> None:
    bad, good = await made(parcels, 2)
    assert len(await parcels.find(ALL)) == 2
    await parcels.collection.update_one({"_id": bad}, {"$set": {"place": 17}})
    assert [stored.state.id for stored in await parcels.find(ALL)] == [good]


async def test_the_log_names_a_damaged_record_once(
    parcels: Repository[Parcel], capsys: pytest.CaptureFixture[str]
) -> None:
    [bad] = await made(parcels, 1)
    await parcels.collection.update_one({"_id": bad}, {"$set": {"place": 17}})
    for _ in range(3):
        await parcels.find(ALL)
    lines = [line for line in capsys.readouterr().out.splitlines() if bad in line]
    assert len(lines) == 1
    assert "place: Input should be a valid string" in lines[0]


async def test_a_damaged_copy_is_left_out_and_mended_by_the_next_event(both_drivers: Database) -> None:
    copies = Copies(both_drivers, "parcels", Parcel)
    await copies.learn([event("a", 1), event("b", 1)])
    for damage in (BEYOND, 17):
        await copies.collection.update_one({"_id": "a"}, {"$set": {"place": damage}})
        assert [parcel.id for parcel in await copies.find()] == ["b"]
        with pytest.raises(UnreadableRecord):
            await copies.get("a")
        assert (await copies.get("b")) is not None
    await copies.learn([event("a", 1)])
    assert [parcel.place for parcel in await copies.find()] == ["a1", "b1"], "a repetition mends it, too"
