"""Regions, offices and people over HTTP: a directory that everybody reads and administrators write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.clock import SetClock
from tests.customers.company import (
    AS_ADMINISTRATOR,
    AS_CHEN,
    AS_CHIEF,
    AS_CLERK,
    AS_HEAD,
    AS_IMPORTER,
    AS_LI,
    AS_OWNER,
    AS_SERVICE,
    AS_TOP,
    CHEN,
    CHIEF,
    CLERK,
    EAST,
    HEAD,
    HGH,
    LAX,
    LI,
    SHA,
    SMITH,
    SOUTH,
    WANG,
    an_id,
    refused,
)
from tests.doors import Door

PEOPLE = "/api/v1/people"
ROOT = AS_ADMINISTRATOR
NEW = {"name": "新人", "role": "salesperson", "office": SHA, "joined_on": "2026-03-01"}


async def post(door: Door, path: str, body: dict[str, Any], who: Any = ROOT, **more: Any) -> Any:
    return await door.post(f"/api/v1/{path}", json=body, headers=door.as_(who, **more))


WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "regions", {"code": "NORTH", "name": "华北"}),
    ("PATCH", f"regions/{EAST}", {"name": "x"}),
    ("POST", "offices", {"code": "PEK", "name": "北京", "region": EAST}),
    ("PATCH", f"offices/{SHA}", {"name": "x"}),
    ("POST", f"offices/{SHA}/region", {"region": SOUTH, "valid_from": "2026-05-01"}),
    ("POST", "people", NEW),
    ("PATCH", f"people/{LI}", {"name": "x"}),
    ("POST", f"people/{LI}/posting", {"role": "clerk", "office": SHA, "valid_from": "2026-05-01"}),
    ("POST", f"people/{LI}/departure", {"left_on": "2026-05-01"}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda value: str(value)[:20])
async def test_administrators_and_importers_write_the_organisation_and_nobody_else(
    door: Door, method: str, path: str, body: dict[str, Any]
) -> None:
    async def ask(who: Any, version: int) -> Any:
        return await door.request(method, f"/api/v1/{path}", json=body, headers=door.as_(who, version=version))

    for who in (AS_LI, AS_HEAD, AS_CHIEF, AS_TOP, AS_CLERK, AS_OWNER, AS_SERVICE):
        refused(await ask(who, 1), 403, "forbidden")
    assert (await ask(AS_IMPORTER, 1)).status_code in (200, 201)


@pytest.mark.parametrize("who", [AS_LI, AS_CHEN, AS_CLERK, AS_OWNER, AS_SERVICE, ROOT], ids=lambda who: who.role)
async def test_everybody_signed_in_reads_the_directory(door: Door, who: Any) -> None:
    for path in ("regions", "offices", "people", f"regions/{SOUTH}", f"offices/{LAX}", f"people/{SMITH}"):
        assert (await door.get(f"/api/v1/{path}", headers=door.as_(who))).status_code == 200
    assert (await door.get("/api/v1/people")).status_code == 401


async def test_people_are_filtered_and_sorted(door: Door) -> None:
    async def names(query: str) -> list[str]:
        answer = await door.get(f"{PEOPLE}?{query}", headers=door.as_(AS_LI))
        return [person["name"] for person in answer.json()["items"]]

    assert len(await names("")) == 7
    assert await names(f"office={LAX}") == ["Smith"]
    assert await names("role=clerk") == ["周内勤"]
    assert set(await names(f"region={EAST}&role=salesperson")) == {"李雷", "王芳", "陈晨"}
    assert await names("sort=name&limit=1") == ["Smith"]
    refused(await door.get(f"{PEOPLE}?role=king", headers=door.as_(AS_LI)), 422, "invalid_input", "role")


async def test_a_person_joins_with_the_first_posting(door: Door) -> None:
    body = {
        **NEW,
        "id": an_id("new"),
        "number": "1007",
        "email": "new@example.com",
        "phone": "139 0000 3333",
        "manager": HEAD,
        "left_on": "2027-01-01",
        "import_source": "hr:1007",
    }
    made = await post(door, "people", body, AS_IMPORTER, key="k")
    assert made.status_code == 201
    assert made.json()["postings"] == [
        {
            "valid_from": "2026-03-01",
            "role": "salesperson",
            "office": SHA,
            "region": EAST,
            "manager": HEAD,
            "offices_served": [],
        }
    ]
    assert (made.json()["number"], made.json()["imported"]["source"]) == ("1007", "hr:1007")
    assert (await post(door, "people", body, AS_IMPORTER, key="k")).json() == made.json()
    other = await post(door, "people", {**body, "name": "x"}, AS_IMPORTER, key="l")
    refused(other, 409, "id_taken")


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"office": None}, "office_needed", "office"),
        ({"role": "office_head", "office": None}, "office_needed", "office"),
        ({"role": "clerk", "office": None, "offices_served": [HGH]}, "office_needed", "office"),
        ({"role": "regional_supervisor", "office": None}, "region_needed", "region"),
        ({"region": SOUTH}, "other_region", "region"),
        ({"office": "nowhere"}, "unknown_office", "office"),
        ({"offices_served": [HGH, "nowhere"]}, "unknown_office", "offices_served"),
        ({"role": "regional_supervisor", "office": None, "region": "nowhere"}, "unknown_region", "region"),
        ({"manager": "nobody"}, "unknown_person", "manager"),
        ({"id": an_id("self"), "manager": an_id("self")}, "reporting_loop", "manager"),
        ({"left_on": "2026-03-01"}, "left_before_joined", "left_on"),
        ({"phone": "ask Li"}, "not_a_phone", "phone"),
        ({"email": "new.example.com"}, "invalid_input", "email"),
        ({"joined_on": "1 March"}, "invalid_input", "joined_on"),
        ({"role": "king"}, "invalid_input", "role"),
        ({"name": ""}, "invalid_input", "name"),
        ({"occurred_at": "2026-03-12T00:00:00Z"}, "in_the_future", "occurred_at"),
    ],
)
async def test_a_person_that_makes_no_sense_is_refused(door: Door, said: dict[str, Any], code: str, field: str) -> None:
    refused(await post(door, "people", {**NEW, **said}), 422, code, field)


@pytest.mark.parametrize(
    "phone", ["021-5555 1234", "+86 139 0000 1111", "(021) 5555-1234 转 12", "０２１５５５５１２３４", "95588"]
)
async def test_telephone_numbers_are_taken_as_people_write_them(door: Door, phone: str) -> None:
    assert (await post(door, "people", {**NEW, "phone": phone})).json()["phone"] == phone


async def test_the_region_of_somebody_in_an_office_is_the_offices_on_that_day(door: Door) -> None:
    moved = await post(door, f"offices/{SHA}/region", {"region": SOUTH, "valid_from": "2026-05-01"})
    assert moved.status_code == 200
    before = await post(door, "people", {**NEW, "region": EAST})
    after = await post(door, "people", {**NEW, "joined_on": "2026-05-01"})
    assert [made.json()["postings"][0]["region"] for made in (before, after)] == [EAST, SOUTH]
    # Whoever was posted before the move is in the new region after it.
    for day, region in (("2026-04-30", EAST), ("2026-05-01", SOUTH)):
        standing = await door.get(f"{PEOPLE}/{LI}/standing?on={day}", headers=door.as_(AS_SERVICE))
        assert standing.json()["region"] == region


async def test_a_posting_is_in_force_from_its_day_and_those_before_it_stay(door: Door) -> None:
    new = {"role": "office_head", "office": HGH, "manager": CHIEF, "valid_from": "2026-04-01"}
    before = (await door.get(f"{PEOPLE}/{LI}", headers=door.as_(AS_LI))).json()["postings"]
    posted = await post(door, f"people/{LI}/posting", new)
    assert posted.status_code == 200
    assert posted.json()["postings"][:-1] == before
    for day in ("2026-04-01", "2020-01-01", "2019-01-01"):
        refused(await post(door, f"people/{LI}/posting", {**new, "valid_from": day}), 422, "past_entry", "valid_from")

    async def standing(day: str) -> Any:
        return (await door.get(f"{PEOPLE}/{LI}/standing?on={day}", headers=door.as_(AS_SERVICE))).json()

    assert (await standing("2026-03-31"))["role"] == "salesperson"
    assert await standing("2026-04-01") == {
        "name": "李雷",
        "role": "office_head",
        "office": HGH,
        "region": EAST,
        "offices": [HGH],
    }


async def test_a_reporting_line_that_comes_back_to_itself_is_refused(door: Door) -> None:
    """Li reports to the head, and the head to the chief: neither of them can report to Li."""
    chief = {"role": "regional_supervisor", "region": EAST, "manager": LI, "valid_from": "2026-04-01"}
    problem = refused(await post(door, f"people/{CHIEF}/posting", chief), 422, "reporting_loop", "manager")
    assert "李雷 → 孙主任" in problem["detail"]
    own = {**chief, "manager": CHIEF}
    refused(await post(door, f"people/{CHIEF}/posting", own), 422, "reporting_loop", "manager")
    # Once Li reports to somebody else, from that day on the chief may report to Li, but not before.
    away = {"role": "salesperson", "office": SHA, "manager": SMITH, "valid_from": "2026-05-01"}
    assert (await post(door, f"people/{LI}/posting", away)).status_code == 200
    refused(await post(door, f"people/{CHIEF}/posting", chief), 422, "reporting_loop", "manager")
    assert (await post(door, f"people/{CHIEF}/posting", {**chief, "valid_from": "2026-05-01"})).status_code == 200
    # A loop that would close on a later day only is one, too.
    smith = {"role": "salesperson", "office": LAX, "manager": CHIEF, "valid_from": "2026-04-15"}
    refused(await post(door, f"people/{SMITH}/posting", smith), 422, "reporting_loop", "manager")


async def test_whoever_has_left_stands_nowhere_and_is_posted_no_more(door: Door) -> None:
    left = await post(door, f"people/{LI}/departure", {"left_on": "2026-04-01"})
    assert left.json()["left_on"] == "2026-04-01"
    refused(await post(door, f"people/{LI}/departure", {"left_on": "2026-05-01"}), 409, "wrong_state")
    early = await post(door, f"people/{WANG}/departure", {"left_on": "2020-01-01"})
    refused(early, 422, "left_before_joined", "left_on")
    body = {"role": "clerk", "office": SHA, "valid_from": "2026-04-01"}
    refused(await post(door, f"people/{LI}/posting", body), 422, "has_left", "valid_from")
    for day, status in (("2019-12-31", 404), ("2020-01-01", 200), ("2026-03-31", 200), ("2026-04-01", 404)):
        answer = await door.get(f"{PEOPLE}/{LI}/standing?on={day}", headers=door.as_(AS_SERVICE))
        assert answer.status_code == status


async def test_a_standing_is_for_services_administrators_and_oneself(door: Door) -> None:
    at = f"{PEOPLE}/{CLERK}/standing?on=2026-03-11"
    for who in (AS_SERVICE, ROOT, AS_CLERK):
        assert (await door.get(at, headers=door.as_(who))).json()["offices"] == [SHA]
    for who in (AS_LI, AS_HEAD, AS_TOP, AS_IMPORTER, AS_OWNER):
        refused(await door.get(at, headers=door.as_(who)), 403, "forbidden")
    refused(await door.get(f"{PEOPLE}/nobody/standing?on=2026-03-11", headers=door.as_(ROOT)), 404, "not_found")
    bad = await door.get(f"{PEOPLE}/{CLERK}/standing?on=today", headers=door.as_(ROOT))
    refused(bad, 422, "invalid_input", "on")


async def test_a_clerk_stands_in_all_offices_served(door: Door) -> None:
    body = {"role": "clerk", "office": SHA, "offices_served": [HGH, SHA, LAX, HGH], "valid_from": "2026-03-11"}
    await post(door, f"people/{CLERK}/posting", body)
    answer = await door.get(f"{PEOPLE}/{CLERK}/standing?on=2026-03-11", headers=door.as_(AS_SERVICE))
    assert answer.json()["offices"] == [SHA, HGH, LAX]


async def test_a_person_changes_under_its_version(door: Door) -> None:
    at = f"{PEOPLE}/{CHEN}"
    refused(await door.patch(at, json={"number": "7"}, headers=door.as_(ROOT)), 428, "if_match_required")
    changed = await door.patch(at, json={"number": "7"}, headers=door.as_(ROOT, version=1))
    assert (changed.status_code, changed.json()["number"]) == (200, "7")
    refused(await door.patch(at, json={"number": "8"}, headers=door.as_(ROOT, version=1)), 412, "stale")
    emptied = await door.patch(at, json={"number": None}, headers=door.as_(ROOT, version=2))
    assert emptied.json()["number"] is None
    refused(await door.patch(at, json={"name": None}, headers=door.as_(ROOT, version=3)), 422, "invalid_input", "name")
    refused(
        await door.patch(at, json={"role": "clerk"}, headers=door.as_(ROOT, version=3)), 422, "invalid_input", "role"
    )


# --- regions and offices --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"timezone": "Asia/Shangai"}, "unknown_timezone", "timezone"),
        ({"timezone": "../etc/passwd"}, "unknown_timezone", "timezone"),
        ({"workdays": [1, 8]}, "invalid_workdays", "workdays"),
        ({"workdays": [1, 1]}, "invalid_workdays", "workdays"),
        ({"region": "nowhere"}, "unknown_region", "region"),
        ({"code": "s"}, "invalid_input", "code"),
        ({"holidays": ["May Day"]}, "invalid_input", "holidays.0"),
    ],
)
async def test_an_office_that_makes_no_sense_is_refused(
    door: Door, said: dict[str, Any], code: str, field: str
) -> None:
    body = {"code": "PEK", "name": "北京办事处", "region": EAST, **said}
    refused(await post(door, "offices", body), 422, code, field)


async def test_codes_are_taken_once(door: Door) -> None:
    refused(await post(door, "offices", {"code": "SHA", "name": "x", "region": EAST}), 409, "code_taken")
    refused(await post(door, "regions", {"code": "EAST", "name": "x"}), 409, "code_taken")
    answer = await door.patch(f"/api/v1/regions/{SOUTH}", json={"code": "EAST"}, headers=door.as_(ROOT, version=1))
    refused(answer, 409, "code_taken")


async def test_an_office_moves_on_a_later_day_only(door: Door) -> None:
    move = {"region": SOUTH, "valid_from": "2026-05-01"}
    moved = await post(door, f"offices/{SHA}/region", move)
    assert [entry["region"] for entry in moved.json()["regions"]] == [EAST, SOUTH]
    assert (await post(door, f"offices/{SHA}/region", move)).json()["version"] == 2
    back = await post(door, f"offices/{SHA}/region", {"region": EAST, "valid_from": "2026-05-01"})
    refused(back, 422, "past_entry", "valid_from")


async def test_a_resync_is_for_administrators(door: Door, time: SetClock) -> None:
    time.set(datetime(2026, 3, 12, tzinfo=UTC))
    refused(await door.post("/api/v1/resync/customers", headers=door.as_(AS_TOP)), 403, "forbidden")
    assert (await door.post("/api/v1/resync/customers", headers=door.as_(ROOT))).json() == {"restated": 12}
