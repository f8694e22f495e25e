"""Rules that are looked up before a write hold when the same is asked for many times at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.visits import Absence, AbsenceKind, AbsenceStatus
from tests.visits.forms import COMPLAINT, a_report, an_absence
from tests.visits.plans import WEDNESDAY, a_plan, stop
from tests.visits.world import ADMIN, LI, MORNING, SHANGHAI, TUESDAY, WANG, ZHAO, World, an_id, codes, local
from visits.absence import model

LEAVE: dict[str, Any] = {"kind": "leave", "first_day": "2026-11-25", "last_day": "2026-11-26", "reason": "family"}


async def at_once(*requests: Any) -> list[tuple[int, str]]:
    answered: Sequence[httpx.Response] = await asyncio.gather(*requests)
    return sorted(codes(each) for each in answered)


async def test_of_eight_leaves_of_one_day_at_once_one_is_taken(world: World) -> None:
    found = await at_once(*(world.post(LI, "absences", LEAVE, key=f"k{n}") for n in range(8)))
    assert found == [(201, ""), *[(409, "absence_overlaps")] * 7]
    assert len((await world.read(LI, "absences"))["items"]) == 1


async def test_leaves_that_overlap_by_a_day_are_not_taken_both(world: World) -> None:
    days = [("2026-11-25", "2026-11-27"), ("2026-11-27", "2026-11-30"), ("2026-11-24", "2026-12-10")]
    bodies = [{**LEAVE, "first_day": first, "last_day": last} for first, last in days]
    found = await at_once(*(world.post(LI, "absences", body, key=f"k{n}") for n, body in enumerate(bodies * 3)))
    assert [code for code, _ in found].count(201) == 1
    # Other people's days are their own.
    assert (await world.post(ZHAO, "absences", LEAVE)).status_code == 201


async def test_days_are_free_again_after_a_refusal_a_cancellation_and_a_return(world: World) -> None:
    for step, who, body in (("refusal", WANG, {"reason": "no"}), ("cancellation", LI, {})):
        absence = await an_absence(world)
        await world.made(who, f"absences/{absence['id']}/{step}", body)
    trip = await an_absence(world, first="2026-11-24", last="2026-11-27", by=WANG, kind="trip", place="Wuxi")
    assert codes(await world.post(LI, "absences", LEAVE)) == (409, "absence_overlaps")
    await world.made(LI, f"absences/{trip['id']}/return")
    await an_absence(world)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_no_two_absences_ever_share_a_day(world: World, data: st.DataObject) -> None:
    await world.begin_again()
    world.time.set(MORNING)
    for _ in range(3):
        spans = data.draw(st.lists(st.tuples(st.integers(24, 29), st.integers(0, 3)), min_size=1, max_size=4))
        requests = []
        for first, length in spans:
            body = {**LEAVE, "first_day": f"2026-11-{first}", "last_day": f"2026-11-{min(30, first + length)}"}
            requests.append(world.post(LI, "absences", body))
        await asyncio.gather(*requests)
        there = (await world.read(LI, "absences"))["items"]
        if there and data.draw(st.booleans()):
            await world.post(LI, f"absences/{there[0]['id']}/cancellation")
    days: list[str] = []
    for item in (await world.read(LI, "absences", limit=200))["items"]:
        fields = {name: value for name, value in item.items() if name != "version"}
        days += model.claims(Absence.model_validate(fields)).get("days", [])
    assert len(days) == len(set(days))


def test_an_absence_claims_the_days_that_it_holds() -> None:
    absence = Absence(
        id="a", owner="li", office="sha", region="east", business_date=TUESDAY, kind=AbsenceKind.TRIP,
        status=AbsenceStatus.APPROVED, last_day=WEDNESDAY, reason="x",
    )  # fmt: skip
    assert model.claims(absence) == {"days": ["li/2026-11-24", "li/2026-11-25"]}
    assert model.claims(absence.model_copy(update={"returned_on": WEDNESDAY})) == {"days": ["li/2026-11-24"]}
    for update in ({"returned_on": TUESDAY}, {"status": AbsenceStatus.REFUSED}, {"status": AbsenceStatus.CANCELLED}):
        assert model.claims(absence.model_copy(update=update)) == {}


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (
            "visit-plans",
            {"business_date": "2026-11-24", "stops": []},
            "plan_exists",
        ),
        ("daily-reports", {"business_date": "2026-11-24"}, "report_exists"),
    ],
)
async def test_one_form_for_each_person_and_day(world: World, path: str, body: dict[str, Any], code: str) -> None:
    found = await at_once(*(world.post(LI, path, body, key=f"k{n}") for n in range(6)))
    assert found == [(201, ""), *[(409, code)] * 5]


async def test_a_stop_stands_in_one_plan(world: World) -> None:
    bodies = [
        {"business_date": day, "stops": [stop(customer=None, area="Pudong")]}
        for day in ("2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27")
    ]
    found = await at_once(*(world.post(LI, "visit-plans", body) for body in bodies))
    assert found == [(201, ""), *[(422, "stop_taken")] * 3]
    plans = [await a_plan(world, ZHAO, day, [stop(str(day), "zeta")]) for day in (TUESDAY, WEDNESDAY)]
    taken = {"stops": [stop("the same", "zeta")]}
    found = await at_once(*(world.patch(ZHAO, f"visit-plans/{plan['id']}", taken, 1) for plan in plans))
    assert found == [(200, ""), (422, "stop_taken")]


async def test_a_complaint_line_stands_in_one_report(world: World) -> None:
    line = {"complaints": [{**COMPLAINT, "id": an_id("line"), "customer": "acme"}]}
    theirs = {"complaints": [{**COMPLAINT, "id": an_id("line"), "customer": "zeta"}]}
    mine, other = await a_report(world, typed={}), await a_report(world, ZHAO, typed={})
    found = await at_once(
        world.patch(LI, f"daily-reports/{mine['id']}", line, mine["version"]),
        world.patch(ZHAO, f"daily-reports/{other['id']}", theirs, other["version"]),
    )
    assert found == [(200, ""), (422, "id_taken")]


async def test_a_call_is_logged_once_and_for_one_person(world: World) -> None:
    call = {"direction": "incoming", "seconds": 5, "started_at": local(SHANGHAI, TUESDAY, "07:30"), "external_id": "7"}
    found = await at_once(*(world.post(who, "calls", call) for who in (LI, ZHAO, LI, ZHAO)))
    assert found == [(201, ""), (201, ""), (409, "call_of_another"), (409, "call_of_another")]
    assert len((await world.read(ADMIN, "calls"))["items"]) == 1


async def test_a_step_is_taken_once(world: World) -> None:
    task = await world.made(WANG, "tasks", {"assignee": "li", "text": "call"})
    done = f"tasks/{task['id']}/completion"
    found = await at_once(*(world.post(LI, done, {"result": f"{n}"}, key=f"k{n}") for n in range(5)))
    assert found == [(200, ""), *[(409, "wrong_state")] * 4]


async def test_a_plan_that_is_made_while_the_days_report_is_signed_is_closed(world: World) -> None:
    report = await a_report(world, until="submitted")
    signing = world.post(WANG, f"daily-reports/{report['id']}/signature")
    planning = world.post(LI, "visit-plans", {"business_date": "2026-11-24", "stops": []})
    await asyncio.gather(signing, planning)
    await world.bus()
    assert [plan["status"] for plan in (await world.read(LI, "visit-plans"))["items"]] in ([], ["closed"])


async def test_a_visit_is_locked_from_the_signature_on_before_any_event_says_so(world: World) -> None:
    visit = await world.made(LI, "visits", {"customer": "acme", "purposes": ["order"], "check_in": {}})
    done = {"contact_name": "Xu", "results": [{"purpose": "order", "outcome": "achieved"}]}
    await world.made(LI, f"visits/{visit['id']}/completion", done)
    await a_report(world, until="signed")
    answered = await world.post(LI, f"visits/{visit['id']}/correction", {"contact_name": "Mr Gu"})
    assert codes(answered) == (409, "visit_locked")
