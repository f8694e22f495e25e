"""What forms are due, and what became of each: by two calendars in two zones, in any order of events."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import clock
from chassis.consumer import Received
from contracts.envelope import Published
from contracts.staff import Posting, Role
from contracts.steps import Reasoned
from contracts.visits import (
    Absence,
    AbsenceKind,
    AbsenceStatus,
    DailyReport,
    Form,
    FormDuty,
    FormStatus,
    PlanRevision,
    PlanStatus,
    ReportRevision,
    ReportStatus,
    Sections,
    Signature,
    Stop,
    Submission,
    VisitPlan,
)
from tests.contracts.sampling import held_to_sample
from tests.visits.forms import a_report, an_absence, duties, policy
from tests.visits.plans import a_plan
from tests.visits.world import (
    ANN,
    BOB,
    BOSS,
    CHEN,
    HE,
    LI,
    NOBODY,
    SHANGHAI,
    START,
    TOP,
    TUESDAY,
    WANG,
    ZHAO,
    World,
    codes,
    gathered,
    local,
    office,
    person,
    said,
)
from visits.form_duty import commands, model
from visits.form_duty.commands import duty_id
from visits.worker import timers

NIGHT = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
"""Tuesday, 23 o'clock in Shanghai: both cut-offs are past. In New York it is 10 o'clock."""


async def all_duties(world: World, **query: Any) -> list[dict[str, Any]]:
    return (await world.read(TOP, "form-duties", limit=200, **query))["items"]


async def turn(world: World) -> None:
    """Both timers, once."""
    await commands.open_begun(world.repositories)
    await commands.mark_missing(world.repositories)


async def days_due(world: World, owner: str) -> list[str]:
    return sorted({duty["business_date"] for duty in await all_duties(world, owner=owner)})


async def test_nothing_is_due_without_a_first_day(world: World) -> None:
    await turn(world)
    assert await all_duties(world) == []


async def test_each_salesperson_owes_a_plan_and_a_report_for_each_day_that_has_begun_there(world: World) -> None:
    """On Tuesday morning in Shanghai it is still Monday in New York. The 20th is a holiday of Shanghai only."""
    await policy(world, "sha", forms_from="2026-11-19")
    await policy(world, "nyc", forms_from="2026-11-19")
    await turn(world)
    assert await days_due(world, "li") == await days_due(world, "zhao") == ["2026-11-19", "2026-11-23", "2026-11-24"]
    assert await days_due(world, "bob") == ["2026-11-19", "2026-11-20", "2026-11-23"]
    assert {duty["owner"] for duty in await all_duties(world)} == {"li", "zhao", "bob", "amy"}
    mine = await all_duties(world, owner="li", **{"from": "2026-11-24"})
    assert {duty["form"]: (duty["status"], duty["due_at"]) for duty in mine} == {
        "plan": ("due", "2026-11-24T01:00:00Z"),
        "report": ("due", "2026-11-24T14:00:00Z"),
    }
    yesterday = await all_duties(world, owner="bob", status="due")
    # Monday 19 o'clock in New York: the plan was due at 9, the report is at 22.
    assert [(duty["business_date"], duty["form"], duty["due_at"]) for duty in yesterday] == [
        ("2026-11-23", "report", "2026-11-24T03:00:00Z")
    ]
    # Another turn, and another day.
    before = await all_duties(world)
    await turn(world)
    assert await all_duties(world) == before
    world.time.move(timedelta(days=1))
    await turn(world)
    assert (await days_due(world, "li"))[-1] == "2026-11-25"


@pytest.mark.parametrize(
    ("first", "today", "calendar", "due"),
    [
        # The leap day is a Thursday; the last of the year before.
        (date(2024, 2, 28), date(2024, 3, 1), {}, ["2024-02-28", "2024-02-29", "2024-03-01"]),
        # ISO week 53 of 2026 runs from 28 December to 3 January.
        (
            date(2026, 12, 28),
            date(2027, 1, 4),
            {"holidays": [date(2027, 1, 1)]},
            ["2026-12-28", "2026-12-29", "2026-12-30", "2026-12-31", "2027-01-04"],
        ),
        # 调休: the National Day week is off, and the Saturday after it is worked.
        (
            date(2026, 9, 30),
            date(2026, 10, 11),
            {
                "holidays": [date(2026, 10, day) for day in range(1, 9)],
                "extra_workdays": [date(2026, 10, 10)],
            },
            ["2026-09-30", "2026-10-09", "2026-10-10"],
        ),
        # The clocks go back in New York on 1 November: the day has 25 hours.
        (date(2026, 10, 30), date(2026, 11, 2), {"timezone": "America/New_York"}, ["2026-10-30", "2026-11-02"]),
        (date(2026, 11, 23), date(2026, 11, 25), {"closed_on": date(2026, 11, 24)}, ["2026-11-23"]),
    ],
)
async def test_the_due_set_follows_the_offices_calendar(
    world: World, first: date, today: date, calendar: dict[str, Any], due: list[str]
) -> None:
    branch = office("brn", "east", **calendar)
    clerk_first = [
        Posting(valid_from=date(2024, 1, 1), role=Role.SALESPERSON, office="brn", region="east"),
    ]
    await world.hear(
        branch,
        person("sun", Role.SALESPERSON, "brn", "east", joined_on=date(2024, 1, 1), postings=clerk_first),
    )
    await policy(world, "brn", forms_from=first.isoformat())
    world.time.set(
        datetime.combine(today, datetime.min.time(), UTC) + timedelta(hours=16 if "timezone" in calendar else 4)
    )
    await turn(world)
    found = await all_duties(world, owner="sun")
    assert sorted({duty["business_date"] for duty in found}) == due
    assert len(found) == 2 * len(due)


async def test_due_times_follow_the_clocks_of_summer_and_winter(world: World) -> None:
    await policy(world, "nyc", forms_from="2026-10-30", report_due="21:30")
    world.time.set(datetime(2026, 11, 3, 16, tzinfo=UTC))
    await turn(world)
    reports = await all_duties(world, owner="bob", form="report", sort="due_at")
    assert [duty["due_at"] for duty in reports] == [
        "2026-10-31T01:30:00Z", "2026-11-03T02:30:00Z", "2026-11-04T02:30:00Z",
    ]  # fmt: skip


async def test_who_joins_leaves_or_moves_owes_forms_for_their_own_days_only(world: World) -> None:
    moved = [
        Posting(valid_from=START, role=Role.SALESPERSON, office="sha", region="east"),
        Posting(valid_from=date(2026, 11, 23), role=Role.SALESPERSON, office="nyc", region="west"),
    ]
    await world.hear(
        person("new", Role.SALESPERSON, "sha", "east", joined_on=date(2026, 11, 23)),
        person("gone", Role.SALESPERSON, "sha", "east", left_on=date(2026, 11, 19)),
        person("mo", Role.SALESPERSON, "sha", "east", postings=moved),
    )
    for where in ("sha", "nyc"):
        await policy(world, where, forms_from="2026-11-18")
    await turn(world)
    assert await days_due(world, "new") == ["2026-11-23", "2026-11-24"]
    assert await days_due(world, "gone") == ["2026-11-18"]
    offices = {(duty["business_date"], duty["office"]) for duty in await all_duties(world, owner="mo")}
    assert offices == {("2026-11-18", "sha"), ("2026-11-19", "sha"), ("2026-11-23", "nyc")}


async def test_who_is_heard_of_after_the_fact_is_found_by_the_next_turn_however_far_back(world: World) -> None:
    await policy(world, forms_from="2026-11-02")
    await turn(world)
    assert len(await days_due(world, "li")) == 16
    new = person("new", Role.SALESPERSON, "sha", "east", joined_on=date(2026, 11, 3))
    await world.hear(new)
    await turn(world)
    assert await days_due(world, "new") == (await days_due(world, "li"))[1:]
    opened = await world.database["duties_opened"].find_one({"_id": "sha"})
    # Said again, as a resync does, nothing is gone through again.
    await world.hear(new.model_copy(update={"phone": "1"}), version=2)
    await world.hear(person("clerk", Role.CLERK, "sha", "east"))
    assert await world.database["duties_opened"].find_one({"_id": "sha"}) == opened


async def test_who_is_heard_of_while_a_turn_is_under_way_is_found_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await policy(world, forms_from="2026-11-23")
    open_day, days = commands.open_day, []

    async def slow(repositories: Any, office: Any, rules: Any, day: date) -> None:
        await open_day(repositories, office, rules, day)
        days.append(day)
        if len(days) == 2:  # the roster of both days has been read
            await world.hear(person("new", Role.SALESPERSON, "sha", "east", joined_on=date(2026, 11, 23)))

    monkeypatch.setattr(commands, "open_day", slow)
    await turn(world)
    assert await days_due(world, "new") == []
    await turn(world)
    assert await days_due(world, "new") == ["2026-11-23", "2026-11-24"]


async def test_an_office_that_begins_long_ago_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "DAYS_A_TURN", 4)
    await policy(world, forms_from="2026-02-02")
    await policy(world, "nyc", forms_from="2026-11-23")
    await turn(world)
    assert await days_due(world, "bob") == ["2026-11-23"]  # it is Monday evening there
    assert await days_due(world, "li") == ["2026-02-02", "2026-02-03", "2026-02-04"]


async def test_a_long_way_back_is_caught_up_in_bounded_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "DAYS_A_TURN", 10)
    await policy(world, forms_from="2026-11-02")
    await turn(world)
    assert (await days_due(world, "li"))[-1] == "2026-11-11"
    await turn(world)
    assert (await days_due(world, "li"))[-1] == "2026-11-19"
    await turn(world)
    assert len(await days_due(world, "li")) == 16
    # An earlier first day is caught up as well.
    await policy(world, forms_from="2026-10-29")
    for _ in range(4):
        await turn(world)
    assert (await days_due(world, "li"))[0] == "2026-10-29"
    assert len(await days_due(world, "li")) == 18


async def test_a_duty_goes_its_way_with_the_form(world: World) -> None:
    await policy(world, forms_from="2026-11-24")
    await turn(world)
    plan = await a_plan(world, until="returned")
    report = await a_report(world, ZHAO, until="submitted")
    await world.bus()
    mine = {duty["form"]: duty for duty in await _of_both(world)}
    assert {form: (duty["status"], duty["returned"], duty["first_pass"]) for form, duty in mine.items()} == {
        "plan": ("on_time", 1, None),
        "report": ("on_time", 0, None),
    }
    await world.made(LI, f"visit-plans/{plan['id']}/submission")
    await world.made(WANG, f"visit-plans/{plan['id']}/signature")
    await world.made(WANG, f"daily-reports/{report['id']}/signature")
    await world.bus()
    mine = {duty["form"]: duty for duty in await _of_both(world)}
    assert {form: (duty["first_pass"], duty["completeness"]) for form, duty in mine.items()} == {
        "plan": (False, 100),
        "report": (True, 100),
    }
    # Returned after its correction, the report was still signed at the first go.
    await world.made(ZHAO, f"daily-reports/{report['id']}/correction", {"reason": "x"})
    await world.made(ZHAO, f"daily-reports/{report['id']}/submission")
    await world.made(WANG, f"daily-reports/{report['id']}/return", {"reason": "x"})
    await world.bus()
    (duty,) = await all_duties(world, owner="zhao", form="report")
    assert (duty["status"], duty["first_pass"], duty["returned"]) == ("on_time", True, 1)


async def _of_both(world: World) -> list[dict[str, Any]]:
    """Li's plan and Zhao's report."""
    return [*await all_duties(world, owner="li", form="plan"), *await all_duties(world, owner="zhao", form="report")]


async def test_a_report_uploaded_days_later_turns_missing_into_late(world: World) -> None:
    await policy(world, forms_from="2026-11-24")
    world.time.set(NIGHT)
    await turn(world)
    assert duties(await all_duties(world, owner="li")) == [
        ("li", "2026-11-24", "plan", "missing"), ("li", "2026-11-24", "report", "missing"),
    ]  # fmt: skip
    world.time.move(timedelta(days=2))
    await a_report(world, until="submitted")
    await world.bus()
    assert ("li", "2026-11-24", "report", "late") in duties(await all_duties(world))
    # What is said of the time does not help it, so long after the cut-off.
    offline = await a_report(world, ZHAO)
    at = {"occurred_at": local(SHANGHAI, TUESDAY, "21:00")}
    await world.post(ZHAO, f"daily-reports/{offline['id']}/submission", at)
    await world.bus()
    (duty,) = await all_duties(world, owner="zhao", form="report")
    assert (duty["status"], duty["late_arrival"]) == ("late", True)
    assert (duty["submitted_at"], duty["arrived_at"]) == ("2026-11-24T13:00:00Z", clock.now().strftime("%FT%TZ"))


async def test_leave_excuses_and_is_due_again_when_it_is_cancelled_and_a_trip_owes_its_forms(world: World) -> None:
    await policy(world, forms_from="2026-11-23")
    leave = await an_absence(world, first="2026-11-23", last="2026-11-24", by=WANG)
    await an_absence(world, ZHAO, "2026-11-23", "2026-11-24", by=WANG, kind="trip", place="Wuxi")
    world.time.set(NIGHT)
    await turn(world)
    await world.bus()
    statuses = {(duty["owner"], duty["status"]) for duty in await all_duties(world)}
    assert statuses == {("li", "excused"), ("zhao", "missing")}
    await world.made(LI, f"absences/{leave['id']}/cancellation")
    await world.bus()
    assert {duty["status"] for duty in await all_duties(world, owner="li")} == {"due"}
    await turn(world)
    assert {duty["status"] for duty in await all_duties(world, owner="li")} == {"missing"}
    # Sick leave, told afterwards.
    sick = await an_absence(world, first="2026-11-24", last="2026-11-24")
    await world.bus()
    assert {duty["status"] for duty in await all_duties(world, owner="li")} == {"missing"}
    await world.made(WANG, f"absences/{sick['id']}/approval")
    await world.bus()
    assert duties(await all_duties(world, owner="li", status="excused")) == [
        ("li", "2026-11-24", "plan", "excused"), ("li", "2026-11-24", "report", "excused"),
    ]  # fmt: skip


async def test_a_form_of_a_day_off_makes_no_duty_and_one_handed_in_ahead_makes_it_early(world: World) -> None:
    await policy(world, forms_from="2026-11-20")
    await a_report(world, day=date(2026, 11, 20), until="submitted")
    await a_plan(world, day=date(2026, 11, 25), until="submitted")
    await a_report(world, WANG, until="submitted", signer=HE)
    await world.bus()
    assert duties(await all_duties(world)) == [("li", "2026-11-25", "plan", "on_time")]
    world.time.move(timedelta(days=1))
    await turn(world)
    of_wednesday = duties(await all_duties(world, **{"from": "2026-11-25"}))
    assert [(owner, form, status) for owner, _, form, status in of_wednesday] == [
        ("li", "plan", "on_time"), ("li", "report", "due"), ("zhao", "plan", "due"), ("zhao", "report", "due"),
    ]  # fmt: skip


async def test_a_duty_that_is_opened_late_knows_the_forms_that_are_there_already(world: World) -> None:
    await a_plan(world, until="signed")
    await a_report(world, until="submitted")
    await world.bus()
    assert await all_duties(world) == []
    await policy(world, forms_from="2026-11-24")
    await turn(world)
    assert duties(await all_duties(world, owner="li")) == [
        ("li", "2026-11-24", "plan", "on_time"), ("li", "2026-11-24", "report", "on_time"),
    ]  # fmt: skip
    assert [duty["first_pass"] for duty in await all_duties(world, owner="li", form="plan")] == [True]


async def test_leave_that_is_approved_while_the_day_is_opened_is_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reaction found no duty to excuse, and the timer had asked before."""
    await policy(world, forms_from="2026-11-24")
    leave = await an_absence(world, first="2026-11-24", last="2026-11-24")
    create = commands._open

    async def slow(*arguments: Any) -> None:
        if (await world.read(LI, f"absences/{leave['id']}"))["status"] == "applied":
            await world.made(WANG, f"absences/{leave['id']}/approval")
            await world.bus()
        await create(*arguments)

    monkeypatch.setattr(commands, "_open", slow)
    await turn(world)
    assert {duty["status"] for duty in await all_duties(world, owner="li")} == {"excused"}


async def test_what_is_not_owed_any_more_is_excused_and_owed_again_when_that_is_taken_back(world: World) -> None:
    await policy(world, forms_from="2026-11-19")
    await a_report(world, day=date(2026, 11, 23), until="submitted")
    await world.bus()
    await turn(world)

    async def excused() -> set[tuple[str, str]]:
        await world.bus()
        return {(duty["owner"], duty["business_date"]) for duty in await all_duties(world, status="excused")}

    assert await excused() == set()
    holiday = office("sha", "east", holidays=[date(2026, 11, 20), date(2026, 11, 23)])
    await world.hear(holiday, version=2)
    assert await excused() == {("li", "2026-11-23"), ("zhao", "2026-11-23")}
    await world.hear(office("sha", "east", holidays=[date(2026, 11, 20)]), version=3)
    await turn(world)
    assert await excused() == set()
    assert ("li", "2026-11-23", "report", "late") in duties(await all_duties(world))
    await world.hear(person("zhao", Role.SALESPERSON, "sha", "east", left_on=date(2026, 11, 24)), version=2)
    assert await excused() == {("zhao", "2026-11-24")}
    await policy(world, forms_from="2026-11-23")
    assert await excused() == {("zhao", "2026-11-24"), ("li", "2026-11-19"), ("zhao", "2026-11-19")}


async def test_the_workers_timers_open_what_has_begun_and_mark_what_is_missing(world: World) -> None:
    await policy(world, forms_from="2026-11-24")
    found = timers(world.repositories)
    assert len({timer.name for timer in found}) == len(found)
    for timer in found:
        await timer.work()
    assert {duty["status"] for duty in await all_duties(world)} == {"due"}
    world.time.set(NIGHT)
    for timer in found:
        await timer.work()
    assert {duty["status"] for duty in await all_duties(world)} == {"missing"}
    # A replica that works at the same time changes nothing.
    before = await all_duties(world)
    await gathered(*(timer.work() for timer in [*found, *found]))
    assert await all_duties(world) == before


async def test_two_workers_that_open_the_same_day_open_it_once(world: World) -> None:
    await policy(world, forms_from="2026-11-16")
    await gathered(*(commands.open_begun(world.repositories) for _ in range(3)))
    found = await all_duties(world)
    assert len(found) == len({duty["id"] for duty in found}) == 2 * 2 * 6
    for duty in found:
        assert len(await world.types("form_duties", duty["id"])) == 1


async def test_duties_are_seen_within_the_callers_scope(world: World) -> None:
    for where in ("sha", "nyc"):
        await policy(world, where, forms_from="2026-11-23")
    await turn(world)

    async def seen(who: Any, **query: Any) -> set[str]:
        return {duty["owner"] for duty in (await world.read(who, "form-duties", **query))["items"]}

    assert await seen(LI) == {"li"}
    assert await seen(WANG) == await seen(CHEN) == await seen(HE) == {"li", "zhao"}
    assert await seen(ANN) == {"bob", "amy"}
    assert await seen(TOP) == {"li", "zhao", "bob", "amy"}
    assert await seen(NOBODY) == await seen(LI, owner="zhao") == await seen(WANG, office="nyc") == set()
    assert await seen(TOP, region="west", form="plan") == {"bob", "amy"}
    assert codes(await world.get(BOSS, "form-duties")) == (403, "results_only")
    mine = duty_id("li", date(2026, 11, 23), Form.PLAN)
    assert (await world.read(LI, f"form-duties/{mine}"))["form"] == "plan"
    for who in (ZHAO, BOB, ANN, NOBODY):
        assert codes(await world.get(who, f"form-duties/{mine}")) == (404, "not_found")


# --- any order ------------------------------------------------------------------------------------

DAY = TUESDAY
AT = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
STOP = Stop(id="s", area="Pudong", starts="09:00", ends="10:00", purposes=[])
OWNED: dict[str, Any] = {"owner": "li", "office": "sha", "region": "east", "business_date": DAY}


def step(minutes: int) -> Submission:
    return Submission(at=AT + timedelta(minutes=minutes), business_date=DAY, by="li")


def plain(minutes: int) -> dict[str, Any]:
    return step(minutes).model_dump(exclude={"recorded_at"})


@st.composite
def lives(draw: st.DrawFn, kind: Form) -> list[VisitPlan | DailyReport]:
    """The versions of a form: drafted, then handed in, returned, signed and corrected in any lawful way."""
    minute = draw(st.sampled_from([5, 60, 900, 3000]))
    model_type: Any = VisitPlan if kind is Form.PLAN else DailyReport
    more: dict[str, Any] = (
        {"status": PlanStatus.DRAFT, "stops": [STOP]}
        if kind is Form.PLAN
        else {"status": ReportStatus.DRAFT, "sections": Sections(), "completeness": 11}
    )
    form = model_type(**{**OWNED, "id": kind.value, "revision": 1, **more})
    found = [form]
    for turn in range(draw(st.integers(0, 6))):
        minute += draw(st.integers(1, 600))
        status = form.status.value
        if status == "submitted":
            how = draw(st.sampled_from(["returned", "signed"]))
        elif status == "signed":
            how = "draft" if kind is Form.PLAN else "correcting"
        else:
            how = "submitted"
        update: dict[str, Any] = {"status": type(form.status)(how)}
        if how == "submitted":
            first = form.first_submitted_at or step(minute).at
            update |= {"submission": step(minute), "first_submitted_at": first}
            update |= {"completeness": 90 + turn} if kind is Form.REPORT else {"stops": [STOP] * (turn + 1)}
        elif how == "returned":
            returned = Reasoned(**plain(minute), reason="x")
            update |= {"returned": returned, "returns": form.returns + 1}
        elif how == "signed":
            signature = Signature(**plain(minute))
            frozen: dict[str, Any] = {
                "revision": form.revision,
                "submission": form.submission,
                "signature": signature,
                "returns": form.returns,
            }
            revision = (
                PlanRevision(**frozen, stops=form.stops)
                if kind is Form.PLAN
                else ReportRevision(**frozen, sections=form.sections, hash="h")
            )
            update |= {"signature": signature, "revisions": [*form.revisions, revision]}
        else:
            update |= {"revision": form.revision + 1, "submission": None, "signature": None}
        form = form.model_copy(update=update)
        found.append(form)
    return found


@given(reports=lives(Form.REPORT), plans=lives(Form.PLAN), seed=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_a_duty_is_the_same_whatever_way_its_forms_versions_come(
    reports: list[DailyReport], plans: list[VisitPlan], seed: int
) -> None:
    chance = random.Random(seed)
    for versions in (reports, plans):
        told = [filed for version, form in enumerate(versions, 1) if (filed := model.filed(form, version))]
        shuffled = [*told, *chance.choices(told, k=len(told))] if told else []
        chance.shuffle(shuffled)
        ends: list[FormDuty] = []
        for order in (told, shuffled):
            duty = a_duty(FormStatus.DUE)
            missed_after = chance.randint(0, len(order))
            for position, filed in enumerate(order):
                if position == missed_after:
                    duty, _ = model.missed(duty, NIGHT)
                duty, _ = model.learned(duty, filed, False, NIGHT)
            ends.append(model.missed(duty, NIGHT)[0])
        assert ends[0] == ends[1]


def heard(versions: Sequence[Published]) -> list[Received]:
    return [said(state, version) for version, state in enumerate(versions, 1)]


@given(
    plans=lives(Form.PLAN),
    reports=lives(Form.REPORT),
    leave=st.sampled_from([None, AbsenceStatus.APPLIED, AbsenceStatus.APPROVED, AbsenceStatus.CANCELLED]),
    seed=st.integers(0, 2**32),
    opened=st.sampled_from(["before", "between", "after", "never"]),
)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_any_order_and_duplication_of_the_same_events_gives_the_same_duties(
    world: World,
    plans: list[VisitPlan],
    reports: list[DailyReport],
    leave: AbsenceStatus | None,
    seed: int,
    opened: str,
) -> None:
    chance = random.Random(seed)
    absence = Absence(
        **{**OWNED, "id": "leave", "kind": AbsenceKind.LEAVE, "status": leave or AbsenceStatus.APPLIED},
        last_day=DAY,
        reason="x",
    )
    events = [*heard(plans), *heard(reports)]
    if leave is not None:
        events.append(said(absence))
    shuffled = [*events, *chance.choices(events, k=len(events))]
    chance.shuffle(shuffled)

    async def outcome(order: Sequence[Received], when: str) -> list[dict[str, Any]]:
        await world.begin_again()
        world.time.set(AT)
        await policy(world, forms_from="2026-11-24")
        if leave is not None:
            # The absence is written before anybody hears of it.
            fields = absence.model_dump(mode="json", exclude={"id"})
            await world.database["absences"].insert_one({"_id": "leave", "version": 1, **fields, "outbox": []})
        for position, event in enumerate(order):
            if (when == "before" and position == 0) or (when == "between" and position == len(order) // 2):
                await turn(world)
            await world.take([event])
        if when == "after":
            await turn(world)
        world.time.set(NIGHT + timedelta(days=3))
        await turn(world)
        found = await world.repositories.duties.find(commands._BUS, {"owner": "li", "business_date": "2026-11-24"})
        return [stored.state.model_dump(mode="json") for stored in found]

    plain = await outcome(events, "before")
    assert len(plain) == 2
    assert await outcome(shuffled, opened) == plain
    by_form = {duty["form"]: duty for duty in plain}
    for form, versions in ((Form.PLAN, plans), (Form.REPORT, reports)):
        assert by_form[form]["status"] == expected(versions[-1], by_form[form], leave)


def expected(form: VisitPlan | DailyReport, duty: dict[str, Any], leave: AbsenceStatus | None) -> FormStatus:
    if leave is AbsenceStatus.APPROVED:
        return FormStatus.EXCUSED
    if form.first_submitted_at is None:
        return FormStatus.MISSING
    due = datetime.fromisoformat(duty["due_at"])
    return FormStatus.ON_TIME if form.first_submitted_at <= due else FormStatus.LATE


# --- the drawing, edge by edge ---------------------------------------------------------------------

DUE_AT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


def a_duty(status: FormStatus, **more: Any) -> FormDuty:
    return FormDuty(**{**OWNED, "id": "d", "form": Form.REPORT, "status": status, "due_at": DUE_AT, **more})


def handed_in(hours: int, version: int = 2) -> model.Filed:
    at = DUE_AT + timedelta(hours=hours)
    return model.Filed(version, at, at, 0, None, None, 100)


HANDED_IN: dict[str, Any] = {"submitted_at": DUE_AT, "arrived_at": DUE_AT, "form_version": 2, "completeness": 100}
S = FormStatus


@pytest.mark.parametrize(
    ("before", "what", "after"),
    [
        (S.DUE, "on time", S.ON_TIME),
        (S.DUE, "late", S.LATE),
        (S.DUE, "leave", S.EXCUSED),
        (S.DUE, "cut-off", S.MISSING),
        (S.DUE, "before the cut-off", S.DUE),
        (S.MISSING, "late", S.LATE),
        (S.MISSING, "on time", S.ON_TIME),
        (S.MISSING, "leave", S.EXCUSED),
        (S.MISSING, "cut-off", S.MISSING),
        (S.EXCUSED, "no leave", S.DUE),
        (S.EXCUSED, "cut-off", S.EXCUSED),
        (S.ON_TIME, "cut-off", S.ON_TIME),
        (S.ON_TIME, "leave", S.EXCUSED),
        (S.ON_TIME, "nothing", S.ON_TIME),
        (S.MISSING, "nothing", S.MISSING),
    ],
)
def test_a_duty_takes_each_step_to_its_state(before: FormStatus, what: str, after: FormStatus) -> None:
    duty = a_duty(before, **(HANDED_IN if before is S.ON_TIME else {}))
    known, happened = {
        "on time": lambda: model.learned(duty, handed_in(0), False, NIGHT),
        "late": lambda: model.learned(duty, handed_in(1), False, NIGHT),
        "leave": lambda: model.learned(duty, None, True, NIGHT),
        "no leave": lambda: model.learned(duty, None, False, NIGHT),
        "nothing": lambda: model.learned(duty, handed_in(5, version=1) if duty.submitted_at else None, False, NIGHT),
        "cut-off": lambda: model.missed(duty, NIGHT),
        "before the cut-off": lambda: model.missed(duty, AT),
    }[what]()
    assert known.status is after
    assert (happened is None) == (known == duty)


async def test_what_a_duty_says_on_the_bus(world: World) -> None:
    await policy(world, forms_from="2026-11-24")
    await turn(world)
    report = await a_report(world, until="returned")
    await world.bus()
    await world.made(LI, f"daily-reports/{report['id']}/submission")
    await world.made(WANG, f"daily-reports/{report['id']}/signature")
    leave = await an_absence(world, ZHAO, "2026-11-24", "2026-11-24", by=WANG)
    await world.bus()
    await world.made(ZHAO, f"absences/{leave['id']}/cancellation")
    await world.bus()
    world.time.set(NIGHT)
    await turn(world)
    words: list[list[str]] = []
    for person_id, form in (("li", Form.REPORT), ("zhao", Form.REPORT)):
        identity = duty_id(person_id, DAY, form)
        seen: dict[str, bytes] = {}
        for word, event in zip(
            await world.types("form_duties", identity), await world.events("form_duties", identity), strict=True
        ):
            seen[word] = event
        words.append(list(seen))
        for word, event in seen.items():
            if word != "due" or person_id == "li":
                held_to_sample(_without_chance(event))
    assert words == [["due", "submitted", "returned", "signed"], ["due", "excused", "due_again", "missing"]]
    held_to_sample(await world.repositories.duties.restatement(duty_id("li", DAY, Form.REPORT)))


def _without_chance(event: bytes) -> bytes:
    """The event that caused it has an id of its own each time."""
    told = json.loads(event)
    for name in ("causationid", "correlationid"):
        if name in told:
            told[name] = "0192f3a0-5b7c-7def-8123-456789abcdef"
    return json.dumps(told).encode()
