"""A form keeps when it is said to have been handed in and when it came here; both decide whether it is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.staff import Office, RegionOfOffice
from contracts.visits import Form, VisitPolicy
from tests.visits.forms import PLAIN, a_report, all_duties_of, policy, typed_into
from tests.visits.plans import a_plan
from tests.visits.world import (
    ADMIN,
    BOB,
    IMPORTER,
    LI,
    NEW_YORK,
    SHANGHAI,
    START,
    TUESDAY,
    WANG,
    World,
    codes,
    fields,
    local,
)
from visits.form_duty import commands as form_duties
from visits.form_duty.cutoff import deadline

CUT_OFF = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
"""Ten in the evening in Shanghai."""


def utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%FT%TZ")


@pytest.mark.parametrize(
    ("said", "arrives", "late", "flagged"),
    [
        (timedelta(minutes=-10), timedelta(minutes=-9), False, False),
        (timedelta(0), timedelta(minutes=119), False, False),
        (timedelta(minutes=-10), timedelta(hours=2), False, False),
        (timedelta(minutes=-10), timedelta(hours=2, seconds=1), True, True),
        (timedelta(hours=-5), timedelta(days=1), True, True),
        (timedelta(minutes=1), timedelta(minutes=1), True, False),
        (timedelta(minutes=1), timedelta(hours=3), True, False),
    ],
)
async def test_a_report_is_on_time_if_it_says_so_and_came_within_the_grace(
    world: World, said: timedelta, arrives: timedelta, late: bool, flagged: bool
) -> None:
    """Also a report that was begun after the cut-off."""
    await policy(world, forms_from="2026-11-24")
    world.time.set(CUT_OFF + arrives)
    report = await a_report(world)
    body = {"occurred_at": (CUT_OFF + said).isoformat()}
    handed_in = await world.made(LI, f"daily-reports/{report['id']}/submission", body)
    assert (handed_in["late"], handed_in["late_arrival"]) == (late, flagged)
    assert handed_in["submission"]["at"] == handed_in["first_submitted_at"] == utc(CUT_OFF + said)
    assert handed_in["submission"]["recorded_at"] == handed_in["first_arrived_at"] == utc(CUT_OFF + arrives)
    await world.bus()
    await form_duties.mark_missing(world.repositories)
    (duty,) = await all_duties_of(world, "li", "report")
    assert (duty["status"], duty["late_arrival"]) == ("late" if late else "on_time", flagged)
    assert (duty["submitted_at"], duty["arrived_at"]) == (utc(CUT_OFF + said), utc(CUT_OFF + arrives))
    assert duty["arrive_by"] == utc(CUT_OFF + timedelta(hours=2))


@pytest.mark.parametrize(("minutes", "late"), [(119, False), (121, True)])
async def test_the_same_holds_for_a_plan(world: World, minutes: int, late: bool) -> None:
    plan = await a_plan(world)
    due = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    world.time.set(due + timedelta(minutes=minutes))
    body = {"occurred_at": (due - timedelta(minutes=5)).isoformat()}
    handed_in = await world.made(LI, f"visit-plans/{plan['id']}/submission", body)
    assert (handed_in["late"], handed_in["late_arrival"], handed_in["due_at"]) == (late, late, utc(due))
    # Returned and handed in again, it stays what it was.
    await world.made(WANG, f"visit-plans/{plan['id']}/return", {"reason": "x"})
    world.time.move(timedelta(hours=5))
    again = await world.made(LI, f"visit-plans/{plan['id']}/submission")
    assert (again["late"], again["first_arrived_at"]) == (late, handed_in["first_arrived_at"])


async def test_the_office_sets_the_grace(world: World) -> None:
    await policy(world, sync_grace=600)
    world.time.set(CUT_OFF + timedelta(hours=9))
    report = await a_report(world)
    body = {"occurred_at": (CUT_OFF - timedelta(minutes=1)).isoformat()}
    assert (await world.made(LI, f"daily-reports/{report['id']}/submission", body))["late"] is False
    for wrong in (-1, 2_881, "two hours", 1.5):
        answered = await world.patch(ADMIN, "visit-policies/sha", {"sync_grace": wrong}, 1)
        assert (answered.status_code, fields(answered)) == (422, ["sync_grace"])


async def test_history_that_is_imported_arrives_when_it_happened(world: World) -> None:
    world.time.move(timedelta(days=300))
    whose = {"on_behalf_of": "li", "import_source": "paper"}
    at = {**whose, "occurred_at": local(SHANGHAI, TUESDAY, "21:00")}
    report = await world.made(IMPORTER, "daily-reports", {"business_date": "2026-11-24", **at})
    answered = await world.patch(IMPORTER, f"daily-reports/{report['id']}", {**PLAIN, **at}, report["version"])
    assert answered.status_code == 200, answered.text
    handed_in = await world.made(IMPORTER, f"daily-reports/{report['id']}/submission", at)
    assert (handed_in["late"], handed_in["late_arrival"]) == (False, False)
    assert handed_in["submission"]["recorded_at"] == "2027-09-20T00:00:00Z"


@pytest.mark.parametrize(("said", "late"), [("08:59", False), ("09:00", False), ("09:01", True)])
async def test_a_report_may_be_due_on_the_next_morning(world: World, said: str, late: bool) -> None:
    await policy(world, "nyc", report_due="09:00+1", forms_from="2026-11-24")
    at = local(NEW_YORK, TUESDAY + timedelta(days=1), said)
    world.time.set(datetime.fromisoformat(at))
    report = await a_report(world, BOB)
    handed_in = await world.made(BOB, f"daily-reports/{report['id']}/submission")
    assert (handed_in["late"], handed_in["due_at"]) == (late, "2026-11-25T14:00:00Z")
    await form_duties.open_begun(world.repositories)
    await world.bus()
    (duty,) = [one for one in await all_duties_of(world, "bob", "report") if one["business_date"] == "2026-11-24"]
    assert (duty["due_at"], duty["status"]) == ("2026-11-25T14:00:00Z", "late" if late else "on_time")


@pytest.mark.parametrize("wrong", ["09:00+2", "24:00+1", "9:00", "+1", "09:00-1", "09:00 +1", "09:00+1\n"])
async def test_a_cut_off_that_makes_no_sense_is_refused(world: World, wrong: str) -> None:
    answered = await world.patch(ADMIN, "visit-policies/sha", {"report_due": wrong}, 0)
    assert (answered.status_code, fields(answered)) == (422, ["report_due"])


async def test_a_plan_is_due_on_its_own_day(world: World) -> None:
    answered = await world.patch(ADMIN, "visit-policies/sha", {"plan_due": "09:00+1"}, 0)
    assert codes(answered)[0] == 422


async def test_a_visit_and_a_market_report_show_both_times(world: World) -> None:
    at = local(SHANGHAI, TUESDAY, "07:30")
    body = {"customer": "acme", "purposes": ["order"], "check_in": {}, "occurred_at": at}
    visit = await world.made(LI, "visits", body)
    assert (visit["check_in"]["at"], visit["check_in"]["recorded_at"]) == (
        "2026-11-23T23:30:00Z",
        "2026-11-24T00:00:00Z",
    )
    said = {"kind": "competitor", "severity": "serious", "text": "a price war", "occurred_at": at}
    market = await world.made(LI, "market-reports", said)
    assert (market["submission"]["at"], market["submission"]["recorded_at"]) == (
        "2026-11-23T23:30:00Z", "2026-11-24T00:00:00Z",
    )  # fmt: skip
    world.time.move(timedelta(hours=3))
    read = {"occurred_at": local(SHANGHAI, TUESDAY, "09:00")}
    read_by = (await world.made(WANG, f"market-reports/{market['id']}/acknowledgement", read))["acknowledgement"]
    assert (read_by["at"], read_by["recorded_at"]) == ("2026-11-24T01:00:00Z", "2026-11-24T03:00:00Z")


async def test_a_correction_handed_in_later_does_not_make_the_report_late(world: World) -> None:
    world.time.set(CUT_OFF - timedelta(hours=1))
    report = await a_report(world, until="correcting")
    world.time.move(timedelta(hours=20))
    report = await typed_into(world, LI, report, {"other": "more"})
    handed_in = await world.made(LI, f"daily-reports/{report['id']}/submission")
    assert (handed_in["late"], handed_in["late_arrival"]) == (False, False)


SHA = Office(id="sha", code="SHA", name="sha", regions=[RegionOfOffice(valid_from=START, region="east")])


@given(
    said=st.integers(-100_000, 100_000),
    delay=st.integers(0, 300_000),
    grace=st.integers(0, 2_880),
    next_day=st.booleans(),
)
def test_on_time_needs_the_claim_and_the_arrival(said: int, delay: int, grace: int, next_day: bool) -> None:
    rules: dict[str, Any] = {"report_due": "22:00+1" if next_day else "22:00", "sync_grace": grace}
    due = deadline(SHA, VisitPolicy(id="sha", owner="sha", office="sha", region="east", **rules), Form.REPORT, TUESDAY)
    assert due.due_at == CUT_OFF + timedelta(days=int(next_day))
    at = due.due_at + timedelta(seconds=said)
    arrived = at + timedelta(seconds=delay)
    on_time = said <= 0 and said + delay <= grace * 60
    assert due.late(at, arrived) is not on_time
    assert due.late_arrival(at, arrived) is (said <= 0 and not on_time)
