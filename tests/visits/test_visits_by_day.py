"""Who may act is said by the posting, the region and the deputy of the business date, not by the last entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from contracts.staff import Office, Posting, RegionOfOffice, Role
from tests.contracts.sampling import held_to_sample
from tests.visits.forms import a_report, an_absence, policy
from tests.visits.plans import WEDNESDAY, a_plan, stop
from tests.visits.world import (
    ADMIN,
    CARL,
    CHEN,
    HE,
    LI,
    MORNING,
    SHANGHAI,
    START,
    TOP,
    TUESDAY,
    WANG,
    ZHAO,
    World,
    an_id,
    caller,
    codes,
    local,
    office,
    person,
)
from visits.form_duty import commands as form_duties
from visits.office_moves import follow_all

NEXT_JANUARY = date(2027, 1, 1)
CALL: dict[str, Any] = {"direction": "incoming", "seconds": 5, "started_at": local(SHANGHAI, TUESDAY, "07:30")}
ENTRIES: dict[str, dict[str, Any]] = {
    "visit-plans": {"business_date": "2026-11-24", "stops": [stop()]},
    "visits": {"customer": "acme", "purposes": ["order"]},
    "calls": CALL,
    "daily-reports": {"business_date": "2026-11-24"},
    "market-reports": {"kind": "competitor", "severity": "serious", "text": "a price war"},
    "absences": {"kind": "leave", "first_day": "2026-11-26", "last_day": "2026-11-26", "reason": "family"},
}
PAT = caller("regional_supervisor", "pat", region="south")
"""Leads the region to which Shanghai moves."""


def moving(day: date, **more: Any) -> Any:
    """Li, who works in New York from that day on."""
    postings = [
        Posting(valid_from=START, role=Role.SALESPERSON, office="sha", region="east", manager="wang"),
        Posting(valid_from=day, role=Role.SALESPERSON, office="nyc", region="west", manager="ann"),
    ]
    return person("li", Role.SALESPERSON, "sha", "east", postings=postings, **more)


@pytest.mark.parametrize("path", ENTRIES)
async def test_a_posting_of_next_january_lets_the_present_clerk_act_and_the_future_one_not_yet(
    world: World, path: str
) -> None:
    await world.hear(moving(NEXT_JANUARY), version=2)
    body = {**ENTRIES[path], "on_behalf_of": "li"}
    assert codes(await world.post(CARL, path, body)) == (403, "import_right_needed")
    assert (await world.post(CHEN, path, body)).status_code == 201


@pytest.mark.parametrize("path", ["visit-plans", "calls", "daily-reports"])
async def test_from_the_day_of_the_posting_the_new_clerk_acts_and_the_former_one_no_more(
    world: World, path: str
) -> None:
    await world.hear(moving(date(2026, 11, 23)), version=2)
    world.time.move(timedelta(hours=12))
    body = {**ENTRIES[path], "on_behalf_of": "li"}
    if path == "visit-plans":
        body["stops"] = [stop(customer=None, area="Pier")]
    if path == "calls":
        body["started_at"] = MORNING.isoformat()
    if path == "daily-reports":
        body["business_date"] = "2026-11-24"
    assert codes(await world.post(CHEN, path, body)) == (403, "import_right_needed")
    answered = await world.post(CARL, path, body)
    assert answered.status_code == 201, answered.text
    assert answered.json()["office"] == "nyc"


async def test_the_clerk_of_the_last_office_completes_what_somebody_left_behind(world: World) -> None:
    plan = await a_plan(world)
    await world.hear(person("li", Role.SALESPERSON, "sha", "east", "wang", left_on=TUESDAY), version=2)
    path = f"visit-plans/{plan['id']}/submission"
    assert codes(await world.post(CARL, path, {"on_behalf_of": "li"})) == (403, "import_right_needed")
    assert (await world.post(CHEN, path, {"on_behalf_of": "li"})).status_code == 200


async def test_a_future_superior_does_not_sign_yet_and_the_present_one_does(world: World) -> None:
    await world.hear(moving(NEXT_JANUARY), version=2)
    plan = await a_plan(world, until="submitted")
    ann = caller("office_head", "ann", office="nyc", region="west")
    assert (await world.post(ann, f"visit-plans/{plan['id']}/signature")).status_code == 404
    assert (await world.post(WANG, f"visit-plans/{plan['id']}/signature")).status_code == 200


async def test_a_deputy_stands_in_only_on_the_days_of_the_leave_and_while_on_the_roster(world: World) -> None:
    await an_absence(world, WANG, "2026-11-25", "2026-11-25", by=HE, deputy="zhao")
    plan = await a_plan(world, day=WEDNESDAY, until="submitted")
    path = f"visit-plans/{plan['id']}/signature"
    assert (await world.post(ZHAO, path)).status_code == 404
    world.time.move(timedelta(days=1))
    await world.hear(person("zhao", Role.SALESPERSON, "sha", "east", "wang", left_on=WEDNESDAY), version=2)
    assert (await world.post(ZHAO, path)).status_code == 404
    await world.hear(person("zhao", Role.SALESPERSON, "sha", "east", "wang"), version=3)
    assert (await world.post(ZHAO, path)).status_code == 200


# --- an office in another region --------------------------------------------------------------------


def shanghai_from(day: date) -> Office:
    regions = [RegionOfOffice(valid_from=START, region="east"), RegionOfOffice(valid_from=day, region="south")]
    return office("sha", "east", holidays=[date(2026, 11, 20)]).model_copy(update={"regions": regions})


async def open_work(world: World) -> dict[str, str]:
    """One open record of each kind, by the path of its list."""
    await policy(world, forms_from="2026-11-24")
    plan = await a_plan(world, until="submitted")
    ahead = await a_plan(world, ZHAO, WEDNESDAY, [stop("ahead", "zeta")], until="signed")
    report = await a_report(world, ZHAO, until="submitted")
    task = await world.made(WANG, "tasks", {"assignee": "li", "text": "call Acme"})
    meeting = await world.made(WANG, "meetings", {"kind": "morning", "participants": ["li"]})
    market = await world.made(LI, "market-reports", ENTRIES["market-reports"])
    absence = await an_absence(world, first="2026-11-27", last="2026-11-27")
    await form_duties.open_begun(world.repositories)
    await world.bus()
    ids = {
        "visit-plans": plan, "daily-reports": report, "tasks": task, "meetings": meeting, "market-reports": market,
        "absences": absence,
    }  # fmt: skip
    return {**{path: record["id"] for path, record in ids.items()}, "ahead": ahead["id"]}


async def test_open_work_follows_its_office_to_the_new_supervisor_and_past_results_stay(world: World) -> None:
    await world.hear(person("pat", Role.REGIONAL_SUPERVISOR, None, "south", manager="top"))
    ids = await open_work(world)
    await world.hear(shanghai_from(WEDNESDAY), version=2)
    for path, record in ids.items():
        if path not in ("ahead", "absences"):
            assert (await world.get(PAT, f"{path}/{record}")).status_code == 404, path
            assert (await world.get(HE, f"{path}/{record}")).status_code == 200, path
    # What is of a day after the move has the new region at once.
    assert (await world.read(PAT, f"visits/{an_id('ahead')}"))["region"] == "south"
    assert (await world.read(PAT, f"visit-plans/{ids['ahead']}"))["region"] == "south"
    world.time.move(timedelta(days=1))
    await follow_all(world.repositories)
    await follow_all(world.repositories)
    for path, record in ids.items():
        if path != "ahead":
            assert (await world.read(PAT, f"{path}/{record}"))["region"] == "south", path
            assert record in [item["id"] for item in (await world.read(PAT, path))["items"]]
    # Counted by region and day: Tuesday stays with the former region.
    duties = (await world.read(ADMIN, "form-duties", to="2026-11-24"))["items"]
    assert {duty["region"] for duty in duties} == {"east"}
    assert (await world.read(ADMIN, f"visits/{an_id('first')}"))["region"] == "east"
    # The new supervisor signs, and the former one does not any more.
    path = f"visit-plans/{ids['visit-plans']}/signature"
    assert (await world.post(replace(HE, region="east"), path)).status_code == 404
    assert (await world.post(PAT, path)).status_code == 200
    for collection, path in (("plans", "visit-plans"), ("daily_reports", "daily-reports"), ("tasks", "tasks"),
                             ("meetings", "meetings"), ("market_reports", "market-reports"),
                             ("absences", "absences")):  # fmt: skip
        types = await world.types(collection, ids[path])
        assert types.count("region_changed") == 1, (path, types)


async def test_what_is_signed_or_done_stays_with_the_region_of_its_day(world: World) -> None:
    report = await a_report(world, until="signed")
    task = await world.made(WANG, "tasks", {"assignee": "li", "text": "call Acme"})
    await world.made(LI, f"tasks/{task['id']}/completion", {"result": "done"})
    world.time.move(timedelta(days=2))
    await world.hear(shanghai_from(WEDNESDAY), version=2)
    assert (await world.read(ADMIN, f"daily-reports/{report['id']}"))["region"] == "east"
    assert (await world.read(ADMIN, f"tasks/{task['id']}"))["region"] == "east"


async def test_a_move_that_is_said_afterwards_counts_from_its_day(world: World) -> None:
    await policy(world, forms_from="2026-11-24")
    await a_plan(world, day=WEDNESDAY, until="signed")
    await a_plan(world, ZHAO, TUESDAY, [stop("tuesday", "zeta")], until="signed")
    await world.bus()
    world.time.move(timedelta(days=2))
    await form_duties.open_begun(world.repositories)
    await world.hear(shanghai_from(WEDNESDAY), version=2)
    assert (await world.read(TOP, f"visits/{an_id('first')}"))["region"] == "south"
    assert (await world.read(TOP, f"visits/{an_id('tuesday')}"))["region"] == "east"
    duties = (await world.read(TOP, "form-duties"))["items"]
    assert {(duty["business_date"], duty["region"]) for duty in duties if duty["office"] == "sha"} == {
        ("2026-11-24", "east"), ("2026-11-25", "south"), ("2026-11-26", "south"),
    }  # fmt: skip


async def test_the_line_above_a_form_goes_by_the_region_of_today(world: World) -> None:
    await world.hear(
        person("pat", Role.REGIONAL_SUPERVISOR, None, "south", manager="top"),
        person("bob", Role.SALESPERSON, "sha", "east"),
    )
    await world.hear(person("wang", Role.SALESPERSON, "sha", "east"), shanghai_from(TUESDAY), version=2)
    above = await world.repositories.line.above(person("bob", Role.SALESPERSON, "sha", "east"), TUESDAY)
    assert above[0] == ["pat"]


async def test_what_region_changes_say_on_the_bus(world: World) -> None:
    ids = await open_work(world)
    await a_plan(world, day=WEDNESDAY, until="signed", stops=[stop("later")], id=an_id("later plan"))
    await world.bus()
    await world.hear(shanghai_from(TUESDAY), version=2)
    duty = form_duties.duty_id("li", TUESDAY, form_duties.Form.PLAN)
    for collection, record in (
        ("plans", ids["visit-plans"]), ("daily_reports", ids["daily-reports"]), ("tasks", ids["tasks"]),
        ("meetings", ids["meetings"]), ("market_reports", ids["market-reports"]), ("absences", ids["absences"]),
        ("visits", an_id("later")), ("form_duties", duty),
    ):  # fmt: skip
        assert (await world.types(collection, record))[-1] == "region_changed", collection
        held_to_sample(_plain((await world.events(collection, record))[-1]))


def _plain(event: bytes) -> bytes:
    """Ids that the service has chosen differ each time."""
    import json

    said = json.loads(event)
    said.pop("causationid", None)
    said["subject"] = said["partitionkey"] = said["data"]["id"] = an_id(said["type"])
    return json.dumps(said).encode()
