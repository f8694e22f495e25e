"""The posting in force on the business date decides, by the calendar of its office."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import pytest

from chassis.clock import SetClock
from contracts.staff import Person, Posting, Role
from tests.customers.company import (
    AS_ADMINISTRATOR,
    AS_CLERK,
    AS_LI,
    AS_SERVICE,
    CHEN,
    CHIEF,
    CLERK,
    EAST,
    HEAD,
    HGH,
    JOINED,
    LAX,
    LI,
    SHA,
    SMITH,
    SOUTH,
    WANG,
    an_id,
    refused,
)
from tests.doors import Door, caller

PEOPLE = "/api/v1/people"
HGH_CLERK = caller("clerk", an_id("hangzhou clerk"), office=HGH, region=EAST)


async def post(door: Door, path: str, body: dict[str, Any], who: Any = AS_ADMINISTRATOR, **more: Any) -> Any:
    return await door.post(f"/api/v1/{path}", json=body, headers=door.as_(who, **more))


async def names(door: Door, **query: str) -> set[str]:
    answer = await door.get(PEOPLE, params=query, headers=door.as_(AS_LI))
    assert answer.status_code == 200, answer.text
    return {person["name"] for person in answer.json()["items"]}


async def li_moves_to_hangzhou(door: Door, valid_from: str) -> None:
    body = {"role": "salesperson", "office": HGH, "valid_from": valid_from}
    assert (await post(door, f"people/{LI}/posting", body)).status_code == 200


async def test_a_clerk_enters_for_whoever_works_in_their_office_today(door: Door, time: SetClock) -> None:
    await li_moves_to_hangzhou(door, "2027-01-01")
    body = {"name": "华兴", "on_behalf_of": LI}
    refused(await post(door, "customers", {**body, "name": "大成"}, HGH_CLERK), 403, "import_right_needed")
    assert (await post(door, "customers", body, AS_CLERK)).status_code == 201
    time.set(datetime(2027, 1, 4, 4, tzinfo=UTC))
    refused(await post(door, "customers", {**body, "name": "新兴"}, AS_CLERK), 403, "import_right_needed")
    assert (await post(door, "customers", {**body, "name": "大成"}, HGH_CLERK)).status_code == 201


async def test_the_day_of_the_entry_decides_for_whom_a_clerk_enters(door: Door) -> None:
    await li_moves_to_hangzhou(door, "2026-03-11")
    # Yesterday in Shanghai Li was of the Shanghai office, and yesterday is when the customer was met.
    yesterday = {"name": "华兴", "on_behalf_of": LI, "occurred_at": "2026-03-10T10:00:00+08:00"}
    refused(await post(door, "customers", yesterday, HGH_CLERK), 403, "import_right_needed")
    refused(await post(door, "customers", {**yesterday, "occurred_at": None}, AS_CLERK), 403, "import_right_needed")


async def test_people_are_listed_where_they_work_today(door: Door, time: SetClock) -> None:
    await li_moves_to_hangzhou(door, "2027-01-01")
    assert "李雷" in await names(door, office=SHA)
    assert "李雷" not in await names(door, office=HGH)
    time.set(datetime(2026, 12, 31, 15, 59, tzinfo=UTC))
    assert "李雷" in await names(door, office=SHA)
    time.set(datetime(2026, 12, 31, 16, 0, tzinfo=UTC))  # midnight in Shanghai
    assert "李雷" not in await names(door, office=SHA)
    assert "李雷" in await names(door, office=HGH, role="salesperson")


async def test_a_future_role_is_not_listed_yet_and_a_past_one_no_more(door: Door, time: SetClock) -> None:
    body = {"role": "office_head", "office": LAX, "valid_from": "2026-03-12"}
    assert (await post(door, f"people/{SMITH}/posting", body)).status_code == 200
    assert await names(door, role="salesperson", office=LAX) == {"Smith"}
    time.set(datetime(2026, 3, 12, 4, tzinfo=UTC))  # still the 11th in Los Angeles
    assert await names(door, role="office_head") == {"孙主任"}
    time.set(datetime(2026, 3, 12, 7, 0, tzinfo=UTC))  # midnight there, in summer time
    assert await names(door, role="office_head", office=LAX) == {"Smith"}
    assert await names(door, role="salesperson", office=LAX) == set()


async def test_people_of_a_region_are_those_of_its_offices_today(door: Door, time: SetClock) -> None:
    assert await names(door, region=SOUTH) == {"Smith"}
    move = {"region": SOUTH, "valid_from": "2026-04-01"}
    assert (await post(door, f"offices/{HGH}/region", move)).status_code == 200
    assert await names(door, region=SOUTH) == {"Smith"}
    time.set(datetime(2026, 4, 1, 4, tzinfo=UTC))
    assert await names(door, region=SOUTH) == {"Smith", "陈晨"}
    assert "赵区域" in await names(door, region=EAST), "a supervisor leads a region without an office"


async def test_whoever_has_left_or_not_yet_joined_is_listed_by_the_nearest_posting(door: Door, time: SetClock) -> None:
    coming = {"name": "新人", "role": "salesperson", "office": LAX, "joined_on": "2026-09-01"}
    assert (await post(door, "people", coming)).status_code == 201
    assert (await post(door, f"people/{SMITH}/departure", {"left_on": "2026-03-01"})).status_code == 200
    assert await names(door, office=LAX) == {"Smith", "新人"}


@pytest.mark.parametrize("typed", ["ann", "ＡＮＮ", "a-17", "Ann@Example"])
async def test_people_are_searched_by_name_number_and_e_mail(door: Door, typed: str) -> None:
    body = {"name": "Ann\u0301e", "number": "A-17", "email": "ann@example.com", "role": "clerk", "office": SHA}
    assert (await post(door, "people", {**body, "joined_on": "2026-03-01"})).status_code == 201
    assert await names(door, q=typed) == {"Ann\u0301e"}
    assert await names(door, q=typed, office=HGH) == set()
    assert await names(door, q=".*") == set()


async def test_offices_and_regions_are_searched_by_code_and_name(door: Door) -> None:
    for path, typed, code in (("offices", "ｓｈａ", "SHA"), ("offices", "杭州", "HGH"), ("regions", "华东", "EAST")):
        found = await door.get(f"/api/v1/{path}", params={"q": typed}, headers=door.as_(AS_LI))
        assert [each["code"] for each in found.json()["items"]] == [code]


# --- joining and leaving --------------------------------------------------------------------------


async def standing(door: Door, person: str, **query: str) -> int:
    answer = await door.get(f"{PEOPLE}/{person}/standing", params=query, headers=door.as_(AS_SERVICE))
    return answer.status_code


async def test_the_last_working_day_ends_at_midnight_of_the_own_office(door: Door, time: SetClock) -> None:
    assert (await post(door, f"people/{SMITH}/departure", {"left_on": "2026-03-12"})).status_code == 200
    assert (await post(door, f"people/{LI}/departure", {"left_on": "2026-03-12"})).status_code == 200
    time.set(datetime(2026, 3, 11, 16, 0, tzinfo=UTC))  # midnight in Shanghai, nine in the morning in Los Angeles
    assert await standing(door, LI, zone="Asia/Shanghai") == 404
    assert await standing(door, SMITH, zone="Asia/Shanghai") == 200
    time.set(datetime(2026, 3, 12, 6, 59, tzinfo=UTC))
    assert await standing(door, SMITH, zone="Asia/Shanghai") == 200
    time.set(datetime(2026, 3, 12, 7, 0, tzinfo=UTC))
    assert await standing(door, SMITH, zone="Asia/Shanghai") == 404


async def test_the_first_working_day_begins_at_midnight_of_the_own_office(door: Door, time: SetClock) -> None:
    body = {"id": an_id("new"), "name": "New", "role": "salesperson", "office": LAX, "joined_on": "2026-03-12"}
    assert (await post(door, "people", body)).status_code == 201
    time.set(datetime(2026, 3, 12, 6, 59, tzinfo=UTC))
    assert await standing(door, an_id("new"), zone="Asia/Shanghai") == 404
    time.set(datetime(2026, 3, 12, 7, 0, tzinfo=UTC))
    assert await standing(door, an_id("new"), zone="Asia/Shanghai") == 200


async def test_the_calendar_of_the_company_counts_for_whoever_works_in_no_office(door: Door, time: SetClock) -> None:
    assert (await post(door, f"people/{CHIEF}/departure", {"left_on": "2026-03-12"})).status_code == 200
    time.set(datetime(2026, 3, 11, 16, 0, tzinfo=UTC))
    assert await standing(door, CHIEF, zone="Asia/Shanghai") == 404
    assert await standing(door, CHIEF, zone="America/New_York") == 200
    assert await standing(door, CHIEF) == 200
    assert await standing(door, CHIEF, zone="Mars/Olympus") == 422


async def test_a_move_to_an_office_of_another_zone_goes_by_the_calendars_of_both(door: Door, time: SetClock) -> None:
    body = {"role": "salesperson", "office": LAX, "valid_from": "2026-03-12"}
    assert (await post(door, f"people/{WANG}/posting", body)).status_code == 200

    async def office() -> str:
        answer = await door.get(f"{PEOPLE}/{WANG}/standing", headers=door.as_(AS_SERVICE))
        return answer.json()["office"]

    assert await office() == SHA
    time.set(datetime(2026, 3, 12, 7, 0, tzinfo=UTC))
    assert await office() == LAX


def test_the_nearest_posting_is_the_first_before_joining_and_the_last_after_leaving() -> None:
    postings = [Posting(valid_from=date(2026, month, 1), role=Role.CLERK, office=f"o{month}") for month in (2, 4, 6)]
    person = Person(id="p", name="P", joined_on=date(2026, 2, 1), left_on=date(2026, 5, 1), postings=postings)
    assert [person.posting_nearest(date(2026, month, 1)).office for month in (1, 2, 3, 4, 5, 9)] == [
        "o2", "o2", "o2", "o4", "o4", "o4",
    ]  # fmt: skip


# --- the same moment ------------------------------------------------------------------------------


async def test_two_postings_at_the_same_moment_close_no_loop(door: Door) -> None:
    for turn in range(4):
        said = {"role": "salesperson", "office": SHA, "valid_from": f"2026-0{4 + turn}-01"}
        circle = ((LI, WANG), (WANG, CHEN), (CHEN, LI))
        answers = await asyncio.gather(
            *(post(door, f"people/{person}/posting", {**said, "manager": manager}) for person, manager in circle)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 200, 422]
        for person in (LI, WANG, CHEN):
            day = f"2026-0{4 + turn}-02"
            body = {"role": "salesperson", "office": SHA, "manager": HEAD, "valid_from": day}
            await post(door, f"people/{person}/posting", body)


async def test_two_postings_of_one_person_at_the_same_moment_do_not_overlap(door: Door) -> None:
    bodies = [{"role": "salesperson", "office": office, "valid_from": "2026-05-01"} for office in (HGH, LAX, SHA)]
    answers = await asyncio.gather(*(post(door, f"people/{LI}/posting", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422]
    person = (await door.get(f"{PEOPLE}/{LI}", headers=door.as_(AS_LI))).json()
    assert [posting["valid_from"] for posting in person["postings"]] == [JOINED, "2026-05-01"]


async def test_a_code_is_taken_once_at_the_same_moment(door: Door) -> None:
    for path, more in (("regions", {}), ("offices", {"region": EAST})):
        bodies = [{"code": "PEK", "name": f"n{n}", **more} for n in range(5)]
        answers = await asyncio.gather(*(post(door, path, body) for body in bodies))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 4


async def test_a_version_that_is_named_is_heeded_by_every_command(door: Door) -> None:
    for path, body in (
        (f"people/{CLERK}/posting", {"role": "clerk", "office": HGH, "valid_from": "2026-05-01"}),
        (f"people/{CLERK}/departure", {"left_on": "2026-09-01"}),
        (f"offices/{HGH}/region", {"region": SOUTH, "valid_from": "2026-05-01"}),
    ):
        refused(await post(door, path, body, version=9), 412, "stale")
        assert (await post(door, path, body, version=1 if "departure" not in path else 2)).status_code == 200
