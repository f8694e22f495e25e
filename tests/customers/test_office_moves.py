"""What belongs to an office follows it into another region, from the day of the move on."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from chassis.clock import SetClock
from chassis.mongo import Database
from contracts.customers import CustomerEvent, Ownership
from contracts.staff import Office, RegionOfOffice
from customers.customer import commands, model
from customers.office import commands as office_commands
from customers.repositories import Repositories
from tests.customers.company import (
    AS_ADMINISTRATOR,
    AS_CHEN,
    AS_CHIEF,
    AS_LI,
    AS_SMITH,
    CHEN,
    EAST,
    HGH,
    LAX,
    LI,
    NOON,
    SHA,
    SMITH,
    SOUTH,
    TODAY,
    WANG,
    a_customer,
    an_id,
    customer,
    events,
    refused,
)
from tests.doors import Door, caller
from tests.support.explain import refuse_scans

CUSTOMERS = "/api/v1/customers"
OLD = AS_CHIEF
NEW = caller("regional_supervisor", an_id("southern chief"), region=SOUTH)


async def move(door: Door, office: str, region: str, valid_from: str) -> Any:
    body = {"region": region, "valid_from": valid_from}
    answer = await door.post(f"/api/v1/offices/{office}/region", json=body, headers=door.as_(AS_ADMINISTRATOR))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def seen(door: Door, who: Any, customer_id: str) -> int:
    return (await door.get(f"{CUSTOMERS}/{customer_id}", headers=door.as_(who))).status_code


async def change(door: Door, who: Any, customer_id: str, **said: Any) -> Any:
    version = (await door.get(f"{CUSTOMERS}/{customer_id}", headers=door.as_(AS_ADMINISTRATOR))).json()["version"]
    return await door.patch(f"{CUSTOMERS}/{customer_id}", json=said, headers=door.as_(who, version=version))


async def test_both_supervisors_before_and_after_the_move_of_an_office(door: Door) -> None:
    made = await a_customer(door, AS_CHEN, "杭州纺织")
    other = await a_customer(door, AS_LI, "上海机械")
    assert (await seen(door, OLD, made["id"]), await seen(door, NEW, made["id"])) == (200, 404)
    await move(door, HGH, SOUTH, "2026-03-11")
    assert (await seen(door, OLD, made["id"]), await seen(door, NEW, made["id"])) == (404, 200)
    assert (await change(door, OLD, made["id"], source="fair")).status_code == 404
    mended = await change(door, NEW, made["id"], source="fair")
    assert (mended.status_code, mended.json()["region"]) == (200, SOUTH)
    listed = await door.get(CUSTOMERS, params={"region": SOUTH}, headers=door.as_(NEW))
    assert [each["id"] for each in listed.json()["items"]] == [made["id"]]
    assert (await seen(door, OLD, other["id"]), await seen(door, NEW, other["id"])) == (200, 404)
    # Its owner sees it as before, and the new supervisor may give it away within the region.
    assert await seen(door, AS_CHEN, made["id"]) == 200
    given = await door.post(
        f"{CUSTOMERS}/{made['id']}/owner", json={"owner": SMITH, "valid_from": "2026-03-12"}, headers=door.as_(NEW)
    )
    assert given.status_code == 200, given.text


async def test_the_past_stays_with_the_region_of_its_day(door: Door, time: SetClock, database: Database) -> None:
    made = await a_customer(door, AS_CHEN, "杭州纺织")
    active = await door.post(
        f"{CUSTOMERS}/{made['id']}/activation", json={"reason": "contract"}, headers=door.as_(AS_CHEN)
    )
    assert active.json()["activation"]["region"] == EAST
    time.set(datetime(2026, 4, 2, 4, tzinfo=UTC))
    await move(door, HGH, SOUTH, "2026-04-02")
    after = (await door.get(f"{CUSTOMERS}/{made['id']}", headers=door.as_(NEW))).json()
    assert after["activation"]["region"] == EAST
    assert after["ownership"] == [
        {"valid_from": "2026-03-11", "owner": CHEN, "office": HGH, "region": EAST},
        {"valid_from": "2026-04-02", "owner": CHEN, "office": HGH, "region": SOUTH},
    ]
    said = json.loads((await events(database, "customers", made["id"]))[-1])
    assert (said["type"], said["businessdate"], said["actor"]) == (
        CustomerEvent.REGION_CHANGED,
        "2026-04-02",
        "/customers",
    )


async def test_a_move_that_is_entered_ahead_is_followed_on_its_day(
    door: Door, time: SetClock, repositories: Repositories
) -> None:
    made = await a_customer(door, AS_CHEN, "杭州纺织")
    await move(door, HGH, SOUTH, "2026-04-01")
    meanwhile = await a_customer(door, AS_CHEN, "钱塘织造")
    assert await commands.follow_offices(repositories) == 0
    for each in (made, meanwhile):
        assert (await seen(door, OLD, each["id"]), await seen(door, NEW, each["id"])) == (200, 404)
    time.set(datetime(2026, 3, 31, 15, 59, tzinfo=UTC))
    assert await commands.follow_offices(repositories) == 0
    time.set(datetime(2026, 3, 31, 16, 0, tzinfo=UTC))  # midnight in Hangzhou
    assert await commands.follow_offices(repositories) == 2
    for each in (made, meanwhile):
        assert (await seen(door, OLD, each["id"]), await seen(door, NEW, each["id"])) == (404, 200)
    assert await commands.follow_offices(repositories) == 0
    later = await a_customer(door, AS_CHEN, "之江贸易")
    assert later["region"] == SOUTH


async def test_the_calendar_of_the_office_decides_when_its_move_begins(
    door: Door, time: SetClock, repositories: Repositories
) -> None:
    made = await a_customer(door, AS_SMITH, "Bolt")
    await move(door, LAX, EAST, "2026-03-12")
    time.set(datetime(2026, 3, 12, 6, 59, tzinfo=UTC))
    assert await commands.follow_offices(repositories) == 0
    time.set(datetime(2026, 3, 12, 7, 0, tzinfo=UTC))
    assert await commands.follow_offices(repositories) == 1
    assert (await seen(door, OLD, made["id"]), await seen(door, NEW, made["id"])) == (200, 404)


async def test_a_move_that_is_entered_late_counts_from_its_day(door: Door, time: SetClock) -> None:
    made = await a_customer(door, AS_CHEN, "杭州纺织")
    time.set(datetime(2026, 4, 20, 4, tzinfo=UTC))
    given = {"owner": WANG, "valid_from": "2026-04-20"}
    await door.post(f"{CUSTOMERS}/{made['id']}/owner", json=given, headers=door.as_(OLD))
    time.set(datetime(2026, 4, 21, 4, tzinfo=UTC))
    late = await a_customer(door, AS_CHEN, "钱塘织造")
    await move(door, HGH, SOUTH, "2026-04-10")
    assert await seen(door, NEW, late["id"]) == 200
    # Wang of Shanghai holds the first one now; Chen held it in the new region for ten days.
    assert (await seen(door, OLD, made["id"]), await seen(door, NEW, made["id"])) == (200, 404)


async def test_many_customers_follow_in_one_go_and_the_timer_takes_the_rest(
    door: Door, repositories: Repositories, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_commands, "FOLLOWING", 2)
    monkeypatch.setattr(commands, "AT_ONCE", 2)
    made = [await a_customer(door, AS_CHEN, f"店{n}") for n in range(5)]
    await move(door, HGH, SOUTH, "2026-03-11")
    assert sum([await seen(door, NEW, each["id"]) == 200 for each in made]) == 2
    async with refuse_scans(database):
        assert await commands.follow_offices(repositories) == 3
        assert await commands.follow_offices(repositories) == 0


async def test_a_change_of_owner_that_was_entered_ahead_lands_in_the_new_region(
    door: Door, time: SetClock, repositories: Repositories
) -> None:
    made = await a_customer(door, AS_LI, "上海机械")
    ahead = {"owner": CHEN, "valid_from": "2026-06-01"}
    answer = await door.post(f"{CUSTOMERS}/{made['id']}/owner", json=ahead, headers=door.as_(OLD))
    assert answer.json()["ownership"][-1]["region"] == EAST
    await move(door, HGH, SOUTH, "2026-05-01")
    time.set(datetime(2026, 6, 1, 4, tzinfo=UTC))
    await commands.take_over_due(repositories)
    await commands.follow_offices(repositories)
    after = (await door.get(f"{CUSTOMERS}/{made['id']}", headers=door.as_(NEW))).json()
    assert (after["owner"], after["region"]) == (CHEN, SOUTH)
    assert [entry["region"] for entry in after["ownership"]] == [EAST, SOUTH]


# --- two changes of owner -------------------------------------------------------------------------


async def test_whoever_takes_back_a_planned_change_of_owner_says_which_version_they_saw(door: Door) -> None:
    made = await a_customer(door, AS_LI)
    at, as_ = f"{CUSTOMERS}/{made['id']}/owner", door.as_(OLD)
    planned = await door.post(at, json={"owner": WANG, "valid_from": "2026-03-20"}, headers=as_)
    assert planned.status_code == 200
    other = {"owner": CHEN, "valid_from": "2026-03-20"}
    refused(await door.post(at, json=other, headers=as_), 428, "if_match_required")
    refused(await door.post(at, json=other, headers=door.as_(OLD, version=1)), 412, "stale")
    taken_back = await door.post(at, json=other, headers=door.as_(OLD, version=2))
    assert [entry["owner"] for entry in taken_back.json()["ownership"]] == [LI, CHEN]
    # The same again changes nothing, so it needs no version.
    assert (await door.post(at, json=other, headers=as_)).status_code == 200


async def test_an_importer_brings_no_customer_into_their_own_sight(door: Door) -> None:
    theirs = await a_customer(door, AS_CHEN, "杭州纺织")
    li_imports = caller("salesperson", LI, office=SHA, region=EAST, rights=["import"])
    at = f"{CUSTOMERS}/{theirs['id']}"
    body = {"owner": LI, "valid_from": "2026-03-12"}
    refused(await door.post(f"{at}/owner", json=body, headers=door.as_(li_imports)), 403, "administrator_needed")
    assert await seen(door, li_imports, theirs["id"]) == 404
    contact = await door.post(f"{at}/contacts", json={"name": "何总"}, headers=door.as_(li_imports))
    assert contact.status_code == 201, "an import brings contacts of anybody's customers"


# --- the rule by itself ---------------------------------------------------------------------------


def an_office(*regions: tuple[date, str]) -> Office:
    entries = [RegionOfOffice(valid_from=day, region=region) for day, region in regions]
    return Office(id="sha", code="SHA", name="Shanghai", regions=entries)


def test_entries_follow_each_move_and_those_before_the_first_stay_as_they_were_stamped() -> None:
    held = customer(
        owner="wang",
        office="sha",
        region="east",
        ownership=[
            Ownership(valid_from=date(2025, 1, 1), owner="li", office="sha", region="stamped by an import"),
            Ownership(valid_from=date(2026, 1, 5), owner="li", office="hgh", region="east"),
            Ownership(valid_from=date(2026, 2, 10), owner="wang", office="sha", region="east"),
        ],
    )
    office = an_office(
        (date(2020, 1, 1), "east"),
        (date(2026, 2, 1), "south"),
        (date(2026, 3, 1), "north"),
        (date(2026, 9, 1), "west"),
    )
    after, happened = model.follow_office(held, office, NOON, TODAY)
    assert [(entry.valid_from.isoformat(), entry.owner, entry.region) for entry in after.ownership] == [
        ("2025-01-01", "li", "stamped by an import"),
        ("2026-01-05", "li", "east"),
        ("2026-02-10", "wang", "south"),
        ("2026-03-01", "wang", "north"),
    ]
    assert (after.region, happened is not None) == ("north", True)
    assert model.follow_office(after, office, NOON, TODAY) == (after, None)


def test_a_customer_of_an_office_that_never_moved_is_left_alone() -> None:
    held = customer(region="stamped by an import")
    assert model.follow_office(held, an_office((date(2020, 1, 1), "east")), NOON, TODAY) == (held, None)
