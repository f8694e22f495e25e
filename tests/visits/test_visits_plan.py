"""A daily visit plan over HTTP: its stops, its life, its sign-off, its day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chassis.aggregate import Command
from chassis.scope import everything
from contracts.envelope import Happened
from contracts.staff import Role
from contracts.visits import (
    Absence,
    AbsenceEvent,
    AbsenceKind,
    AbsenceStatus,
    DailyReport,
    ReportStatus,
    Sections,
    Signature,
    Submission,
)
from tests.contracts.sampling import held_to_sample
from tests.visits.plans import AREA, FIRST, SECOND, WEDNESDAY, a_plan, stop
from tests.visits.world import (
    ADMIN,
    AMY,
    ANN,
    BOB,
    BOSS,
    CARL,
    CHEN,
    EVERYBODY,
    HE,
    IMPORTER,
    LI,
    NEW_YORK,
    NOBODY,
    SHANGHAI,
    TOP,
    TUESDAY,
    WANG,
    ZHAO,
    World,
    an_id,
    codes,
    customer,
    fields,
    gathered,
    local,
    person,
    said,
)
from visits.plan import commands, model

MONDAY = date(2026, 11, 23)

STATES = ("draft", "submitted", "returned", "signed", "closed")
STEPS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "submission": (LI, {}),
    "signature": (WANG, {}),
    "return": (WANG, {"reason": "too few"}),
    "amendment": (LI, {"reason": "a call"}),
}


def report(day: date = TUESDAY, owner: str = "li", status: ReportStatus = ReportStatus.SIGNED) -> DailyReport:
    step = Submission(at=datetime(2026, 11, 24, 12, tzinfo=UTC), business_date=day, by=owner)
    return DailyReport(
        id=an_id(f"report {owner} {day}"),
        owner=owner,
        office="sha",
        region="east",
        business_date=day,
        status=status,
        revision=1,
        sections=Sections(),
        submission=step,
        signature=Signature(at=step.at, business_date=day, by="wang") if status == ReportStatus.SIGNED else None,
    )


async def in_state(world: World, state: str) -> dict[str, Any]:
    plan = await a_plan(world, until=state)
    if state == "closed":
        await world.hear(report())
    return await world.read(LI, f"visit-plans/{plan['id']}")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("step", STEPS)
async def test_each_state_takes_its_steps_and_no_other(world: World, state: str, step: str) -> None:
    plan = await in_state(world, state)
    assert plan["status"] == state
    by, body = STEPS[step]
    answered = await world.post(by, f"visit-plans/{plan['id']}/{step}", body)
    after = await world.read(LI, f"visit-plans/{plan['id']}")
    if state in model.ALLOWED[step]:
        assert answered.status_code == 200, answered.text
        assert after["version"] == plan["version"] + 1
    else:
        assert codes(answered) == (409, "wrong_state")
        assert set(answered.json()["possible"]) == {name for name, states in model.ALLOWED.items() if state in states}
        assert after == plan


@pytest.mark.parametrize("state", STATES)
async def test_stops_change_only_before_they_are_handed_in(world: World, state: str) -> None:
    plan = await in_state(world, state)
    answered = await world.patch(LI, f"visit-plans/{plan['id']}", {"stops": [AREA]}, plan["version"])
    if state in ("draft", "returned"):
        assert answered.status_code == 200
        assert [one["area"] for one in answered.json()["stops"]] == ["Pudong"]
        again = await world.patch(LI, f"visit-plans/{plan['id']}", {"stops": [AREA]}, plan["version"] + 1)
        assert again.json()["version"] == plan["version"] + 1  # nothing has changed
    else:
        assert codes(answered) == (409, "wrong_state")
        assert await world.read(LI, f"visit-plans/{plan['id']}") == plan


async def test_a_plan_says_whose_it_is_and_keeps_its_stops_in_order(world: World) -> None:
    plan = await a_plan(world, stops=[SECOND, FIRST], note="cold day")
    assert (plan["owner"], plan["office"], plan["region"], plan["business_date"]) == ("li", "sha", "east", "2026-11-24")
    assert (plan["status"], plan["revision"], plan["note"]) == ("draft", 1, "cold day")
    assert [(one["id"], one["customer_name"]) for one in plan["stops"]] == [
        (an_id("first"), "Acme"),
        (an_id("second"), "Plain"),
    ]


async def test_there_is_one_plan_for_each_person_and_day(world: World) -> None:
    plan = await a_plan(world)
    body = {"business_date": "2026-11-24", "stops": []}
    refused = await world.post(LI, "visit-plans", body)
    assert codes(refused) == (409, "plan_exists")
    assert refused.json()["plan"] == plan["id"]
    assert (await world.post(ZHAO, "visit-plans", body)).status_code == 201
    assert (await world.post(LI, "visit-plans", {**body, "business_date": "2026-11-25"})).status_code == 201


async def test_the_same_request_again_makes_no_second_plan(world: World) -> None:
    body = {"business_date": "2026-11-24", "stops": [FIRST]}
    first, again = await gathered(*(world.post(LI, "visit-plans", body, key="k") for _ in range(2)))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert codes(await world.post(LI, "visit-plans", {**body, "note": "x"}, key="k")) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("bad", "code", "field"),
    [
        ([stop(ends="09:30")], "slot_ends_early", "stops.0.ends"),
        ([stop(customer=None)], "stop_without_place", "stops.0.customer"),
        ([stop(purposes=["order", "order"])], "purpose_twice", "stops.0.purposes"),
        ([stop(purposes=[])], "invalid_input", "stops.0.purposes"),
        ([stop(purposes=["golf"])], "invalid_input", "stops.0.purposes.0"),
        ([stop(starts="9:30")], "invalid_input", "stops.0.starts"),
        ([stop(id="1")], "invalid_input", "stops.0.id"),
        ([FIRST, stop("late", starts="10:29", ends="11:00")], "slots_overlap", "stops.1.starts"),
        ([FIRST, stop(starts="13:00", ends="14:00")], "stop_twice", "stops.1.id"),
        ([stop(customer="zeta")], "unknown_customer", "stops.0.customer"),
        ([FIRST, stop("n", "nowhere", "13:00", "14:00")], "unknown_customer", "stops.1.customer"),
    ],
)
async def test_a_stop_makes_sense(world: World, bad: Any, code: str, field: str) -> None:
    answered = await world.post(LI, "visit-plans", {"business_date": "2026-11-24", "stops": bad})
    assert codes(answered) == (422, code)
    assert fields(answered) == [field]
    assert (await world.read(LI, "visit-plans"))["items"] == []


async def test_stops_that_touch_do_not_overlap(world: World) -> None:
    plan = await a_plan(world, stops=[FIRST, stop("next", starts="10:30", ends="11:00")], until="submitted")
    assert len(plan["stops"]) == 2


async def test_the_id_of_a_stop_belongs_to_one_plan(world: World) -> None:
    await a_plan(world)
    answered = await world.post(LI, "visit-plans", {"business_date": "2026-11-25", "stops": [FIRST]})
    assert codes(answered) == (422, "stop_taken")


async def test_a_plan_without_stops_is_not_handed_in(world: World) -> None:
    plan = await a_plan(world, stops=[])
    assert codes(await world.post(LI, f"visit-plans/{plan['id']}/submission")) == (422, "no_stops")
    assert (await world.read(LI, f"visit-plans/{plan['id']}"))["status"] == "draft"


@pytest.mark.parametrize(("day", "taken"), [("2026-11-17", False), ("2026-11-18", True), ("2026-12-24", True)])
async def test_a_plan_for_a_closed_day_is_refused(world: World, day: str, taken: bool) -> None:
    # Three working days back of Tuesday; Friday the 20th is a holiday in Shanghai.
    answered = await world.post(LI, "visit-plans", {"business_date": day, "stops": []})
    if taken:
        assert answered.status_code == 201
    else:
        assert codes(answered) == (422, "too_far_back")
        assert answered.json()["earliest"] == "2026-11-18"


async def test_a_plan_that_has_become_too_old_takes_no_step_of_its_owner(world: World) -> None:
    plan = await a_plan(world)
    world.time.move(timedelta(days=9))
    path = f"visit-plans/{plan['id']}"
    assert codes(await world.post(LI, f"{path}/submission")) == (422, "too_far_back")
    assert codes(await world.patch(LI, path, {"note": "x"}, 1)) == (422, "too_far_back")


async def test_a_day_whose_report_is_signed_takes_no_plan(world: World) -> None:
    signed = report(MONDAY)
    await world.repositories.reports.create(
        signed,
        Happened("sales.daily_report.signed", world.time.now(), MONDAY),
        Command(actor="test"),
        everything("a test"),
    )
    answered = await world.post(LI, "visit-plans", {"business_date": "2026-11-23", "stops": []})
    assert codes(answered) == (409, "day_closed")


async def test_nobody_plans_for_a_day_on_which_they_work_nowhere(world: World) -> None:
    await world.hear(person("li", Role.SALESPERSON, "sha", "east", "wang", left_on=WEDNESDAY), version=2)
    assert (await world.post(LI, "visit-plans", {"business_date": "2026-11-24", "stops": []})).status_code == 201
    answered = await world.post(LI, "visit-plans", {"business_date": "2026-11-25", "stops": []})
    assert codes(answered) == (422, "no_office")
    assert fields(answered) == ["business_date"]
    assert codes(await world.post(HE, "visit-plans", {"business_date": "2026-11-24"})) == (422, "no_office")
    assert codes(await world.post(ADMIN, "visit-plans", {"business_date": "2026-11-24"})) == (403, "person_needed")


@pytest.mark.parametrize(("at", "late"), [("08:59", False), ("09:00", False), ("09:01", True)])
async def test_late_is_after_the_cut_off_of_the_office(world: World, at: str, late: bool) -> None:
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, at)))
    assert (await a_plan(world, until="submitted"))["late"] is late


async def test_the_cut_off_is_of_the_offices_own_zone_and_policy(world: World) -> None:
    assert (await world.patch(ADMIN, "visit-policies/nyc", {"plan_due": "07:00"}, 0)).status_code == 200
    world.time.set(datetime.fromisoformat(local(NEW_YORK, TUESDAY, "07:00")))
    coast = stop("coast", "coast")
    assert (await a_plan(world, BOB, stops=[coast], until="submitted"))["late"] is False
    world.time.move(timedelta(minutes=1))
    harbor = stop("harbor", "harbor")
    assert (await a_plan(world, AMY, stops=[harbor], until="submitted"))["late"] is True


async def test_a_plan_is_late_by_its_first_submission_however_often_it_is_returned(world: World) -> None:
    plan = await a_plan(world, until="returned")
    assert (plan["returned"]["reason"], plan["returned"]["by"], plan["returns"]) == ("too few", "wang", 1)
    world.time.move(timedelta(hours=5))
    plan = await world.made(LI, f"visit-plans/{plan['id']}/submission")
    assert (plan["status"], plan["late"]) == ("submitted", False)


async def test_a_return_says_why(world: World) -> None:
    plan = await a_plan(world, until="submitted")
    answered = await world.post(WANG, f"visit-plans/{plan['id']}/return", {})
    assert (answered.status_code, fields(answered)) == (422, ["reason"])


SIGNERS = {"wang": WANG, "he": HE, "top": TOP}


async def test_the_reporting_line_signs_and_nobody_else(world: World) -> None:
    for number, who in enumerate(EVERYBODY):
        day = TUESDAY + timedelta(days=number)
        plan = await a_plan(world, day=day, stops=[stop(f"of {number}")], until="submitted")
        answered = await world.post(who, f"visit-plans/{plan['id']}/signature", {"instructions": "go"})
        after = await world.read(LI, f"visit-plans/{plan['id']}")
        if who.person in SIGNERS:
            assert answered.status_code == 200, (who, answered.text)
            assert (after["signature"]["by"], after["signature"]["instructions"]) == (who.person, "go")
            assert after["signature"]["deputy_for"] is None
        else:
            expected = {
                LI: (403, "own_form"),
                CHEN: (403, "outside_reporting_line"),
                ADMIN: (403, "person_needed"),
                IMPORTER: (422, "unknown_person"),
                BOSS: (403, "results_only"),
            }.get(who, (404, "not_found"))
            assert codes(answered) == expected, (who, answered.text)
            assert after == plan


async def test_new_york_signs_by_its_organisation(world: World) -> None:
    plan = await a_plan(world, BOB, stops=[stop("coast", "coast")], until="submitted")
    for who in (AMY, WANG, HE):
        assert (await world.post(who, f"visit-plans/{plan['id']}/signature")).status_code == 404
    assert (await world.made(ANN, f"visit-plans/{plan['id']}/signature"))["status"] == "signed"


async def test_the_deputy_of_a_head_who_is_away_signs_for_them(world: World) -> None:
    away = Absence(
        id=an_id("leave"),
        owner="wang",
        office="sha",
        region="east",
        business_date=TUESDAY,
        last_day=WEDNESDAY,
        kind=AbsenceKind.LEAVE,
        status=AbsenceStatus.APPROVED,
        reason="ill",
        deputy="zhao",
    )
    plan = await a_plan(world, until="submitted")
    path = f"visit-plans/{plan['id']}"
    assert (await world.get(ZHAO, path)).status_code == 404
    assert (await world.post(ZHAO, f"{path}/signature")).status_code == 404
    happened = Happened(AbsenceEvent.APPROVED, world.time.now(), TUESDAY)
    await world.repositories.absences.create(away, happened, Command(actor="test"), everything("a test"))
    assert (await world.read(ZHAO, path))["status"] == "submitted"
    signed = await world.made(ZHAO, f"{path}/signature")
    assert (signed["signature"]["by"], signed["signature"]["deputy_for"]) == ("zhao", "wang")


async def test_a_plan_is_signed_once(world: World) -> None:
    plan = await a_plan(world, until="submitted")
    path = f"visit-plans/{plan['id']}/signature"
    answered = await gathered(world.post(WANG, path), world.post(HE, path), world.post(TOP, path))
    assert sorted(a.status_code for a in answered) == [200, 409, 409]
    signed = await world.read(LI, f"visit-plans/{plan['id']}")
    assert len(signed["revisions"]) == 1
    assert codes(await world.post(WANG, path)) == (409, "wrong_state")
    assert await world.read(LI, f"visit-plans/{plan['id']}") == signed


async def test_a_signature_does_not_come_before_the_submission(world: World) -> None:
    world.time.move(timedelta(minutes=10))
    plan = await a_plan(world, until="submitted")
    early = {"occurred_at": local(SHANGHAI, TUESDAY, "08:05")}
    answered = await world.post(WANG, f"visit-plans/{plan['id']}/signature", early)
    assert codes(answered) == (422, "before_prior_step")


async def test_an_amendment_leaves_the_signed_revision_in_force_and_readable(world: World) -> None:
    plan = await a_plan(world, day=WEDNESDAY, until="amended")
    path = f"visit-plans/{plan['id']}"
    assert (plan["status"], plan["revision"], plan["amendment_reason"]) == ("draft", 2, "a call from Plain")
    assert (plan["signature"], plan["submission"]) == (None, None)
    moved = {**SECOND, "starts": "13:00", "ends": "14:00"}
    plan = (await world.patch(LI, path, {"stops": [moved, AREA | {"starts": "16:00", "ends": "17:00"}]}, 4)).json()
    assert [one["id"] for one in plan["in_force"]] == [an_id("first"), an_id("second")]
    found = await world.read(LI, f"{path}/revisions/1/difference", **{"with": 2})
    assert [one["id"] for one in found["added"]] == [an_id("area")]
    assert [one["id"] for one in found["removed"]] == [an_id("first")]
    assert found["changed"] == [
        {
            "id": an_id("second"),
            "before": {"starts": "11:00", "ends": "12:00"},
            "after": {"starts": "13:00", "ends": "14:00"},
        }
    ]
    plan = await world.made(LI, f"{path}/submission")
    assert [one["id"] for one in plan["in_force"]] == [an_id("second"), an_id("area")]
    plan = await world.made(WANG, f"{path}/return", {"reason": "keep Acme"})
    assert [one["id"] for one in plan["in_force"]] == [an_id("first"), an_id("second")]
    await world.made(LI, f"{path}/submission")
    plan = await world.made(HE, f"{path}/signature")
    assert [(r["revision"], len(r["stops"]), r["signature"]["by"], r["returns"]) for r in plan["revisions"]] == [
        (1, 2, "wang", 0),
        (2, 2, "he", 1),
    ]
    assert (await world.get(LI, f"{path}/revisions/1/difference", **{"with": 3})).status_code == 404
    assert (await world.get(ZHAO, f"{path}/revisions/1/difference", **{"with": 2})).status_code == 404


async def test_the_day_is_measured_by_the_last_revision_signed_before_it_began(world: World) -> None:
    plan = await a_plan(world, day=WEDNESDAY, until="signed")
    path = f"visit-plans/{plan['id']}"
    assert plan["committed"] == [an_id("first"), an_id("second")]
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, "23:58")))
    await world.made(LI, f"{path}/amendment", {"reason": "one more"})
    assert (await world.patch(LI, path, {"stops": [FIRST]}, 4)).status_code == 200
    await world.made(LI, f"{path}/submission")
    world.time.move(timedelta(minutes=1))
    assert (await world.made(WANG, f"{path}/signature"))["committed"] == [an_id("first")]
    world.time.move(timedelta(minutes=1))  # midnight
    await world.made(LI, f"{path}/amendment", {"reason": "two more"})
    plan = await world.read(LI, path)
    assert (await world.patch(LI, path, {"stops": [FIRST, SECOND]}, plan["version"])).status_code == 200
    await world.made(LI, f"{path}/submission")
    plan = await world.made(WANG, f"{path}/signature")
    assert plan["committed"] == [an_id("first")]
    assert [one["id"] for one in plan["in_force"]] == [an_id("first"), an_id("second")]


async def test_a_signature_that_claims_an_earlier_time_does_not_measure_the_day(
    world: World,
) -> None:
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, "23:50")))
    plan = await a_plan(world, day=WEDNESDAY, until="submitted")
    world.time.move(timedelta(minutes=20))
    early = {"occurred_at": local(SHANGHAI, TUESDAY, "23:55")}
    assert (await world.made(WANG, f"visit-plans/{plan['id']}/signature", early))["committed"] is None


@pytest.mark.parametrize(
    ("who", "signer", "customer_id", "zone", "day"),
    [
        (LI, WANG, "acme", SHANGHAI, date(2028, 2, 29)),
        (BOB, ANN, "coast", NEW_YORK, date(2028, 2, 29)),
        (BOB, ANN, "coast", NEW_YORK, date(2026, 11, 1)),  # the clocks go back at two
    ],
)
async def test_a_day_begins_at_midnight_of_its_office(
    world: World, who: Any, signer: Any, customer_id: str, zone: Any, day: date
) -> None:
    midnight = datetime.fromisoformat(local(zone, day, "00:00")).astimezone(UTC)
    world.time.set(midnight - timedelta(minutes=2))
    plan = await a_plan(world, who, day, [stop("a", customer_id)], until="signed", signer=signer)
    assert plan["committed"] == [an_id("a")]
    later = await a_plan(world, who, day + timedelta(days=1), [stop("b", customer_id)], until="submitted")
    world.time.set(midnight + timedelta(days=1) + (timedelta(hours=1) if day.month == 11 else timedelta(0)))
    signed = await world.made(signer, f"visit-plans/{later['id']}/signature")
    assert signed["committed"] is None


async def test_what_is_executed_unsigned_is_flagged_once_and_never_dropped(world: World) -> None:
    sha = await a_plan(world, day=WEDNESDAY, until="submitted")
    nyc = await a_plan(world, BOB, WEDNESDAY, [stop("coast", "coast")], until="submitted")
    signed = await a_plan(world, ZHAO, WEDNESDAY, [stop("z", "zeta")], until="signed")
    draft = await a_plan(world, AMY, WEDNESDAY, [stop("h", "harbor")])

    async def flagged() -> set[str]:
        await gathered(commands.flag_unsigned(world.repositories), commands.flag_unsigned(world.repositories))
        found = (await world.read(ADMIN, "visit-plans"))["items"]
        return {plan["id"] for plan in found if plan["executed_unsigned"]}

    early = {"plan_due": "07:30"}
    assert (await world.patch(ADMIN, "visit-policies/nyc", early, 0)).status_code == 200
    world.time.set(datetime.fromisoformat(local(SHANGHAI, WEDNESDAY, "09:00")))
    assert await flagged() == set()
    world.time.move(timedelta(seconds=1))
    assert await flagged() == {sha["id"]}
    world.time.set(datetime.fromisoformat(local(NEW_YORK, WEDNESDAY, "07:30")))
    assert await flagged() == {sha["id"]}
    world.time.move(timedelta(seconds=1))
    assert await flagged() == {sha["id"], nyc["id"]}
    assert await flagged() == {sha["id"], nyc["id"]}
    assert await world.types("plans", sha["id"]) == ["drafted", "submitted", "executed_unsigned"]
    late = await world.made(WANG, f"visit-plans/{sha['id']}/signature")
    assert (late["status"], late["executed_unsigned"], late["committed"]) == ("signed", True, None)
    # An amendment that waits is not unsigned: what was signed before is in force.
    await world.made(ZHAO, f"visit-plans/{signed['id']}/amendment", {"reason": "x"})
    await world.made(ZHAO, f"visit-plans/{signed['id']}/submission")
    assert signed["id"] not in await flagged()
    assert draft["id"] not in await flagged()


async def test_a_plan_is_closed_when_the_report_of_its_day_is_signed(world: World) -> None:
    tuesday = await a_plan(world, until="submitted")
    wednesday = await a_plan(world, day=WEDNESDAY, stops=[stop("w")], until="signed")
    await world.hear(report(status=ReportStatus.SUBMITTED))
    assert (await world.read(LI, f"visit-plans/{tuesday['id']}"))["status"] == "submitted"
    heard = said(report(), version=2)
    await world.take([heard])
    await world.take([heard, said(report(), version=2)])
    closed = await world.read(LI, f"visit-plans/{tuesday['id']}")
    assert (closed["status"], closed["executed_unsigned"]) == ("closed", True)
    assert closed["version"] == tuesday["version"] + 1
    assert (await world.read(LI, f"visit-plans/{wednesday['id']}"))["status"] == "signed"


async def test_a_week_is_copied_without_the_customers_that_are_somebody_elses_now(world: World) -> None:
    last = date(2026, 11, 19)
    source = await a_plan(world, day=last, stops=[FIRST, SECOND, AREA], note="as always", until="submitted")
    lost = customer("plain", "zhao", "sha", "east")
    await world.hear(lost, version=2)
    body = {"to": "2026-11-26"}
    answered = await world.post(LI, "visit-plans/copy", body, key="k")
    assert answered.status_code == 201, answered.text
    copied = answered.json()
    assert [(one["customer"], one["area"], one["starts"]) for one in copied["stops"]] == [
        ("acme", None, "09:30"),
        (None, "Pudong", "14:00"),
    ]
    assert not {one["id"] for one in copied["stops"]} & {one["id"] for one in source["stops"]}
    assert (copied["status"], copied["note"], copied["business_date"]) == ("draft", "as always", "2026-11-26")
    assert (await world.post(LI, "visit-plans/copy", body, key="k")).json() == copied
    assert codes(await world.post(LI, "visit-plans/copy", body)) == (409, "plan_exists")
    assert codes(await world.post(LI, "visit-plans/copy", {"to": "2026-11-25"})) == (409, "nothing_to_copy")
    another = await world.post(LI, "visit-plans/copy", {"from": "2026-11-26", "to": "2026-11-27"})
    assert len(another.json()["stops"]) == 2


async def test_a_clerk_enters_a_plan_and_both_names_are_kept(world: World) -> None:
    plan = await a_plan(world, CHEN, on_behalf_of="li")
    assert plan["owner"] == "li"
    event = (await world.events("plans", plan["id"]))[0]
    assert b'"actor":"chen"' in event
    assert b'"onbehalfof":"li"' in event
    path = f"visit-plans/{plan['id']}/submission"
    assert codes(await world.post(CHEN, path)) == (403, "not_your_form")
    assert codes(await world.post(WANG, path)) == (403, "not_your_form")
    assert (await world.made(CHEN, path, {"on_behalf_of": "li"}))["submission"]["by"] == "li"
    refused = await world.post(CARL, "visit-plans", {"business_date": "2026-11-25", "on_behalf_of": "li"})
    assert refused.status_code == 403
    signed = await world.post(CHEN, f"visit-plans/{plan['id']}/signature", {"on_behalf_of": "wang"})
    assert codes(signed) == (403, "outside_reporting_line")


async def test_an_import_brings_plans_of_any_age_with_their_signatures(world: World) -> None:
    day = date(2026, 1, 5)
    at = {"on_behalf_of": "li", "import_source": "row 1", "occurred_at": "2026-01-04T10:00:00+08:00"}
    plan = await world.made(IMPORTER, "visit-plans", {"business_date": day.isoformat(), "stops": [FIRST], **at})
    path = f"visit-plans/{plan['id']}"
    await world.made(IMPORTER, f"{path}/submission", at)
    own = await world.post(IMPORTER, f"{path}/signature", at)
    assert codes(own) == (403, "own_form")
    signed = await world.made(IMPORTER, f"{path}/signature", {**at, "on_behalf_of": "wang"})
    assert (signed["signature"]["by"], signed["late"], signed["committed"]) == ("wang", False, [an_id("first")])
    assert signed["imported"]["source"] == "row 1"


async def test_everybody_sees_the_plans_of_their_own_scope(world: World) -> None:
    of = {
        "li": (await a_plan(world))["id"],
        "zhao": (await a_plan(world, ZHAO, stops=[stop("z", "zeta")]))["id"],
        "bob": (await a_plan(world, BOB, stops=[stop("c", "coast")]))["id"],
    }
    seen: Mapping[Any, set[str]] = {
        LI: {"li"},
        ZHAO: {"zhao"},
        WANG: {"li", "zhao"},
        CHEN: {"li", "zhao"},
        HE: {"li", "zhao"},
        BOB: {"bob"},
        AMY: set(),
        ANN: {"bob"},
        CARL: {"bob"},
        TOP: set(of),
        ADMIN: set(of),
        NOBODY: set(),
    }
    for who, whose in seen.items():
        items = (await world.read(who, "visit-plans"))["items"]
        assert {plan["owner"] for plan in items} == whose, who
        for owner, plan_id in of.items():
            answered = await world.get(who, f"visit-plans/{plan_id}")
            assert answered.status_code == (200 if owner in whose else 404), (who, owner)
            if owner not in whose:
                for step in STEPS:
                    body = STEPS[step][1]
                    assert (await world.post(who, f"visit-plans/{plan_id}/{step}", body)).status_code == 404
    assert codes(await world.get(BOSS, "visit-plans")) == (403, "results_only")


async def test_a_list_is_filtered_and_sorted(world: World) -> None:
    for number in range(3):
        await a_plan(world, day=TUESDAY + timedelta(days=number), stops=[stop(f"{number}")])
    await a_plan(world, ZHAO, stops=[stop("z", "zeta")], until="submitted")

    async def days(**query: Any) -> list[str]:
        return [plan["business_date"][8:] for plan in (await world.read(WANG, "visit-plans", **query))["items"]]

    assert await days() == ["24", "24", "25", "26"]
    assert await days(sort="-business_date", owner="li") == ["26", "25", "24"]
    assert await days(**{"from": "2026-11-25", "to": "2026-11-25"}) == ["25"]
    assert await days(status="submitted") == ["24"]
    assert await days(office="nyc") == []
    first = await world.read(WANG, "visit-plans", limit=3)
    rest = await world.read(WANG, "visit-plans", limit=3, cursor=first["next_cursor"])
    assert [len(first["items"]), len(rest["items"])] == [3, 1]


async def test_what_it_says_on_the_bus_is_what_its_readers_expect(world: World) -> None:
    plan = await a_plan(
        world, day=WEDNESDAY, stops=[FIRST, SECOND, AREA], until="amended", id=an_id("plan"), note="cold day"
    )
    path = f"visit-plans/{plan['id']}"
    await world.made(LI, f"{path}/submission")
    await world.made(WANG, f"{path}/return", {"reason": "keep Acme"})
    unsigned = await a_plan(world, ZHAO, WEDNESDAY, [stop("z", "zeta")], until="submitted", id=an_id("unsigned"))
    world.time.set(datetime.fromisoformat(local(SHANGHAI, WEDNESDAY, "10:00")))
    await commands.flag_unsigned(world.repositories)
    await world.hear(report(WEDNESDAY))
    for event in await world.events("plans", plan["id"]):
        held_to_sample(event, "revised" if b'"revision":2' in event else "plain")
    held_to_sample((await world.events("plans", unsigned["id"]))[-1])
