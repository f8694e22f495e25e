"""The daily report over HTTP: prefilled, typed, handed in, returned, signed, corrected."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chassis.ids import new_id
from contracts.money import Money
from contracts.reporting import Target
from contracts.visits import Sections
from tests.contracts.sampling import held_to_sample
from tests.visits.forms import (
    ALL_BUT,
    COMPLAINT,
    EVENING,
    PLAIN,
    a_report,
    a_visit,
    an_absence,
    order,
    set_visit,
    typed_into,
)
from tests.visits.plans import a_plan
from tests.visits.world import (
    ADMIN,
    AMY,
    ANN,
    BOB,
    BOSS,
    CARL,
    CHEN,
    HE,
    IMPORTER,
    LI,
    MORNING,
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
    fields,
    gathered,
    local,
)
from visits.daily_report import model

STATES = ("draft", "submitted", "returned", "signed", "correcting")
STEPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "prefill": (LI, {}),
    "submission": (LI, {}),
    "return": (WANG, {"reason": "say more"}),
    "signature": (WANG, {"instructions": "好"}),
    "correction": (LI, {"reason": "a visit was forgotten"}),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("step", [*STEPS, "edit"])
async def test_each_state_of_a_report_takes_its_steps_and_no_other(world: World, state: str, step: str) -> None:
    report = await a_report(world, until=state)
    assert report["status"] == state
    # Something to prefill.
    await a_visit(world)
    path = f"daily-reports/{report['id']}"
    if step == "edit":
        answered = await world.patch(LI, path, {"other": "rain"}, report["version"])
    else:
        who, body = STEPS[step]
        answered = await world.post(who, f"{path}/{step}", body)
    after = await world.read(ADMIN, path)
    if state in model.ALLOWED[step]:
        assert answered.status_code == 200, answered.text
        assert after["version"] == report["version"] + 1
    else:
        assert codes(answered) == (409, "wrong_state")
        assert answered.json()["possible"] == [name for name, states in model.ALLOWED.items() if state in states]
        assert after == report


async def test_a_report_is_prefilled_with_the_days_visits_and_orders_and_the_ratio_to_the_target(world: World) -> None:
    # November has 21 working days, and the 20th is a holiday.
    workdays = [day for day in range(2, 31) if date(2026, 11, day).isoweekday() < 6 and day != 20]
    target = Target(
        id="t",
        person="li",
        month="2026-11",
        amount=Money(minor=200_000, currency="CNY"),
        owner="li",
        office="sha",
        region="east",
        workdays=workdays,
    )
    await world.hear(
        target,
        target.model_copy(update={"id": "other", "person": "zhao"}),
        order("a", 7_000),
        order("b", 5_500),
        order("c", 300, "USD"),
        order("d", 99, who="zhao"),
        order("e", 99, day=date(2026, 11, 23)),
        order("f", 99, status="cancelled"),
    )
    await a_visit(world, "later", starts="11:00")
    await a_visit(world, "first", starts="09:30")
    await a_visit(world, "gone", status="withdrawn")
    await a_visit(world, "not his", who="zhao")
    await a_visit(world, "yesterday", day=date(2026, 11, 23))
    report = await a_report(world, typed={})
    sections = report["sections"]
    assert len(workdays) == 20
    assert [line["visit"] for line in sections["talks"]] == [an_id("first"), an_id("later")]
    assert sections["orders_and_collections"] == {
        "orders_confirmed": 3,
        "orders": [
            {"currency": "CNY", "actual": 12_500, "target": 10_000, "ratio": 12_500},
            {"currency": "USD", "actual": 300, "target": None, "ratio": None},
        ],
        "collections": [],
        "collections_declared": True,
    }
    assert (report["status"], report["revision"], report["completeness"]) == ("draft", 1, 22)


async def test_prefilling_again_keeps_what_was_typed_and_takes_what_has_changed(world: World) -> None:
    await a_visit(world, status="planned")
    report = await a_report(
        world,
        typed={
            "attendance": {"kind": "present", "began": "08:30"},
            "talks": [{"visit": an_id("first"), "comment": "He was in a meeting"}],
            "collections": [{"minor": 5_000, "currency": "CNY"}],
            "reflections": "Call before going",
            "none": ["market", "news"],
        },
    )
    await set_visit(world, "first", status="not_met")
    await a_visit(world, "second")
    await world.hear(order("a", 7_000))
    again = (await world.made(LI, f"daily-reports/{report['id']}/prefill"))["sections"]
    assert [(line["status"], line["comment"]) for line in again["talks"]] == [
        ("not_met", "He was in a meeting"),
        ("completed", None),
    ]
    figures = again["orders_and_collections"]
    assert (figures["orders_confirmed"], figures["collections"][0]["actual"]) == (1, 5_000)
    assert again["attendance"]["began"] == "08:30"
    assert (again["reflections"], again["none"]) == ("Call before going", ["market", "news"])
    # Once more changes nothing, and says nothing.
    before = await world.read(LI, f"daily-reports/{report['id']}")
    await world.made(LI, f"daily-reports/{report['id']}/prefill")
    assert await world.read(LI, f"daily-reports/{report['id']}") == before


async def test_a_comment_outlives_its_visit(world: World) -> None:
    await a_visit(world)
    report = await a_report(world, typed={"talks": [{"visit": an_id("first"), "comment": "He was away"}]})
    await set_visit(world, "first", status="withdrawn")
    again = await world.made(LI, f"daily-reports/{report['id']}/prefill")
    assert [line["comment"] for line in again["sections"]["talks"]] == ["He was away"]


async def test_one_report_for_each_person_and_day(world: World) -> None:
    report = await a_report(world)
    answered = await world.post(LI, "daily-reports", {"business_date": "2026-11-24"})
    assert codes(answered) == (409, "report_exists")
    assert answered.json()["report"] == report["id"]
    await a_report(world, ZHAO)
    body = {"id": new_id(), "business_date": "2026-11-23"}
    twice = [await world.post(LI, "daily-reports", body) for _ in range(2)]
    assert [one.json()["id"] for one in twice] == [body["id"]] * 2
    racing = await gathered(*(world.post(LI, "daily-reports", {"business_date": "2026-11-19"}) for _ in range(5)))
    assert sorted(one.status_code for one in racing) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("2026-11-25", "in_the_future"),
        ("2026-11-17", "too_far_back"),  # the 20th is a holiday: 23rd, 19th, 18th are the three
    ],
)
async def test_a_report_is_of_a_day_that_has_come_and_is_not_too_far_back(world: World, day: str, code: str) -> None:
    answered = await world.post(LI, "daily-reports", {"business_date": day})
    assert (codes(answered), fields(answered)) == ((422, code), ["business_date"])
    imported = {"business_date": "2026-02-03", "on_behalf_of": "li", "import_source": "old.csv:1"}
    assert (await world.made(IMPORTER, "daily-reports", imported))["imported"]["source"] == "old.csv:1"


async def test_all_nine_sections_are_filled_or_explicitly_empty(world: World) -> None:
    report = await a_report(world, typed={"none": ["market"]})
    path = f"daily-reports/{report['id']}"
    answered = await world.post(LI, f"{path}/submission")
    assert codes(answered) == (422, "sections_missing")
    assert answered.json()["sections"] == [
        "attendance", "talks", "complaints", "opinions", "news", "reflections", "other",
    ]  # fmt: skip
    assert await world.read(LI, path) == report
    report = await typed_into(world, LI, report, PLAIN)
    assert report["completeness"] == 100
    assert (await world.made(LI, f"{path}/submission"))["status"] == "submitted"


async def test_a_section_that_says_something_is_not_left_empty(world: World) -> None:
    report = await a_report(world, typed={"other": "rain", "none": ["news"]})
    path = f"daily-reports/{report['id']}"
    answered = await world.patch(LI, path, {"none": ["news", "other"]}, report["version"])
    assert (codes(answered), fields(answered)) == ((422, "section_not_empty"), ["none"])
    # Filled later, it is not left empty any more.
    report = await typed_into(world, LI, report, {"news": [{"customer": "acme", "text": "A new buyer"}]})
    assert report["sections"]["none"] == []
    assert report["sections"]["news"][0]["customer_name"] == "Acme"


async def test_figures_that_are_all_zero_may_be_left_empty_too_and_others_not(world: World) -> None:
    report = await a_report(world, typed={"none": ["orders_and_collections"]})
    assert report["sections"]["none"] == ["orders_and_collections"]
    await world.hear(order("a", 7_000))
    again = await world.made(LI, f"daily-reports/{report['id']}/prefill")
    assert again["sections"]["none"] == []
    body = {"none": ["orders_and_collections"]}
    refused = await world.patch(LI, f"daily-reports/{report['id']}", body, again["version"])
    assert (codes(refused), refused.json()["section"]) == ((422, "section_not_empty"), "orders_and_collections")


async def test_two_supervisors_who_decide_at_the_same_moment_decide_once(world: World) -> None:
    report = await a_report(world, until="submitted")
    path = f"daily-reports/{report['id']}"
    answers = await gathered(
        world.post(WANG, f"{path}/signature"),
        world.post(HE, f"{path}/return", {"reason": "say more"}),
        world.post(TOP, f"{path}/signature"),
    )
    assert sorted(one.status_code for one in answers) == [200, 409, 409]
    assert (await world.read(LI, path))["version"] == report["version"] + 1


async def test_the_visits_of_the_day_are_closed_or_explained(world: World) -> None:
    await a_visit(world, "first", status="checked_in")
    await a_visit(world, "second", status="planned", customer="plain", customer_name="Plain")
    await a_visit(world, "third", status="missed")
    report = await a_report(world, typed={"attendance": {"kind": "present"}, "none": ALL_BUT[1:]})
    path = f"daily-reports/{report['id']}"
    answered = await world.post(LI, f"{path}/submission")
    assert codes(answered) == (422, "visits_open")
    assert sorted(answered.json()["visits"]) == sorted([an_id("first"), an_id("second")])
    assert await world.read(LI, path) == report
    await set_visit(world, "first", status="completed")
    await typed_into(world, LI, report, {"talks": [{"visit": an_id("second"), "comment": "No time, moved"}]})
    submitted = await world.made(LI, f"{path}/submission")
    assert {line["status"] for line in submitted["sections"]["talks"]} == {"completed", "planned", "missed"}


@pytest.mark.parametrize(
    ("attendance", "status", "leave", "gap"),
    [
        ("present", None, False, "present without a visit"),
        ("present", "missed", False, "present without a visit"),
        ("present", "completed", False, None),
        ("leave", "not_met", False, "visits while on leave"),
        ("present", "completed", True, "visits while on leave"),
        ("absent", "completed", False, "visits while absent"),
        ("present", None, True, "present on a day of approved leave"),
        ("trip", None, False, None),
        ("leave", None, True, None),
    ],
)
async def test_a_gap_between_attendance_and_visits_is_shown_and_blocks_nothing(
    world: World, attendance: str, status: str | None, leave: bool, gap: str | None
) -> None:
    if status:
        await a_visit(world, status=status)
    if leave:
        await an_absence(world, first="2026-11-24", last="2026-11-24", by=WANG)
    none = ALL_BUT[1:] if status else ALL_BUT
    report = await a_report(world, typed={"attendance": {"kind": attendance}, "none": none}, until="submitted")
    said = report["sections"]["attendance"]["gap"]
    assert said is None if gap is None else said.endswith(gap)


async def test_approved_leave_is_prefilled_as_attendance(world: World) -> None:
    await an_absence(world, first="2026-11-24", last="2026-11-24", by=WANG)
    assert (await a_report(world, typed={}))["sections"]["attendance"]["kind"] == "leave"
    await an_absence(world, ZHAO, first="2026-11-24", last="2026-11-24", by=WANG, kind="trip", place="Wuxi")
    assert (await a_report(world, ZHAO, typed={}))["sections"]["attendance"]["kind"] == "trip"


@pytest.mark.parametrize(
    ("zone", "who", "time", "late"),
    [
        (SHANGHAI, LI, "21:59", False),
        (SHANGHAI, LI, "22:00", False),
        (SHANGHAI, LI, "22:01", True),
        (NEW_YORK, BOB, "22:00", False),
        (NEW_YORK, BOB, "23:59", True),
    ],
)
async def test_a_report_is_late_by_the_cut_off_of_its_own_office(
    world: World, zone: Any, who: Any, time: str, late: bool
) -> None:
    at = local(zone, TUESDAY, time)
    world.time.set(datetime.fromisoformat(at) + timedelta(minutes=90))
    report = await a_report(world, who, typed=PLAIN)
    submitted = await world.made(who, f"daily-reports/{report['id']}/submission", {"occurred_at": at})
    assert (submitted["late"], submitted["submission"]["business_date"]) == (late, "2026-11-24")
    assert submitted["due_at"] == datetime(2026, 11, 24, 22, tzinfo=zone).astimezone(UTC).isoformat().replace(
        "+00:00", "Z"
    )


async def test_a_report_near_midnight_counts_for_the_day_of_its_office(world: World) -> None:
    """At the same instant it is Tuesday in New York and Wednesday in Shanghai."""
    world.time.set(datetime(2026, 11, 24, 16, 30, tzinfo=UTC))
    wednesday = {"business_date": "2026-11-25"}
    assert (await world.post(LI, "daily-reports", wednesday)).status_code == 201
    assert codes(await world.post(BOB, "daily-reports", wednesday)) == (422, "in_the_future")
    world.time.set(datetime(2026, 11, 24, 16, 5, tzinfo=UTC))
    late = await a_report(world, ZHAO, TUESDAY, until="submitted")
    assert (late["business_date"], late["submission"]["business_date"], late["late"]) == (
        "2026-11-24", "2026-11-25", True,
    )  # fmt: skip


async def test_the_first_submission_decides_whether_a_report_is_late(world: World) -> None:
    report = await a_report(world, until="returned")
    world.time.set(EVENING + timedelta(hours=8))
    again = await world.made(LI, f"daily-reports/{report['id']}/submission")
    assert (again["late"], again["returns"], again["first_submitted_at"]) == (False, 1, "2026-11-24T00:00:00Z")
    assert again["returned"]["reason"] == "say more"


async def test_a_report_of_tomorrow_is_not_handed_in_today(world: World) -> None:
    world.time.set(datetime(2026, 11, 24, 16, 30, tzinfo=UTC))
    report = await a_report(world, day=date(2026, 11, 25))
    early = {"occurred_at": local(SHANGHAI, TUESDAY, "20:00")}
    assert codes(await world.post(LI, f"daily-reports/{report['id']}/submission", early)) == (422, "before_the_day")


async def test_nobody_signs_their_own_report_and_nobody_outside_the_line(world: World) -> None:
    own = await a_report(world, WANG, until="submitted")
    theirs = await a_report(world, until="submitted")
    refusals = {
        (WANG, own["id"]): (403, "own_form"),
        (LI, theirs["id"]): (403, "own_form"),
        (CHEN, theirs["id"]): (403, "outside_reporting_line"),
        (ZHAO, theirs["id"]): (404, "not_found"),
        (ANN, theirs["id"]): (404, "not_found"),
        (BOB, theirs["id"]): (404, "not_found"),
        (NOBODY, theirs["id"]): (404, "not_found"),
        (BOSS, theirs["id"]): (403, "results_only"),
        (ADMIN, theirs["id"]): (403, "person_needed"),
    }
    for step in ("signature", "return"):
        for (who, report), refusal in refusals.items():
            answered = await world.post(
                who, f"daily-reports/{report}/{step}", {"reason": "x"} if step == "return" else {}
            )
            assert codes(answered) == refusal, who
    assert await world.read(ADMIN, f"daily-reports/{theirs['id']}") == theirs
    assert await world.read(ADMIN, f"daily-reports/{own['id']}") == own
    assert (await world.made(HE, f"daily-reports/{own['id']}/signature"))["signature"]["by"] == "he"
    assert (await world.made(TOP, f"daily-reports/{theirs['id']}/signature"))["signature"]["by"] == "top"
    # New York's line follows from the organisation.
    third = await a_report(world, BOB, date(2026, 11, 23), until="submitted", signer=ANN)
    assert (await world.made(ANN, f"daily-reports/{third['id']}/signature"))["signature"]["by"] == "ann"


async def test_signing_twice_and_editing_a_locked_report_change_nothing(world: World) -> None:
    report = await a_report(world, until="signed")
    path = f"daily-reports/{report['id']}"
    assert codes(await world.post(WANG, f"{path}/signature")) == (409, "wrong_state")
    assert codes(await world.post(HE, f"{path}/signature")) == (409, "wrong_state")
    assert codes(await world.patch(LI, path, {"other": "rain"}, report["version"])) == (409, "wrong_state")
    assert codes(await world.post(LI, f"{path}/submission")) == (409, "wrong_state")
    assert await world.read(LI, path) == report


async def test_a_repeated_signature_is_one_signature(world: World) -> None:
    report = await a_report(world, until="submitted")
    body = {"task": {"text": "Bring the samples", "due": "2026-11-27"}}
    path = f"daily-reports/{report['id']}/signature"
    first, second = [await world.post(WANG, path, body, key="sign") for _ in range(2)]
    assert first.json() == second.json()
    assert len((await world.read(LI, "tasks"))["items"]) == 1


async def test_an_instruction_becomes_a_task_exactly_once(world: World) -> None:
    report = await a_report(world, until="submitted")
    body = {"instructions": "Go again", "task": {"assignee": "li", "text": "Bring the samples", "due": "2026-11-27"}}
    signed = await world.made(WANG, f"daily-reports/{report['id']}/signature", body)
    await world.bus()
    (task,) = (await world.read(LI, "tasks"))["items"]
    assert (task["text"], task["owner"], task["assigned_by"], task["due"]) == (
        "Bring the samples", "li", "wang", "2026-11-27",
    )  # fmt: skip
    assert (task["source"], [task["id"]]) == ("report", signed["tasks"])
    # Done, it is not assigned again by a repeated event.
    await world.made(LI, f"tasks/{task['id']}/completion", {"result": "brought"})
    world._heard.clear()
    await world.bus()
    assert [task["status"] for task in (await world.read(LI, "tasks"))["items"]] == ["done"]


async def test_a_task_whose_writing_was_cut_off_comes_from_the_reports_event(world: World) -> None:
    report = await a_report(world, until="submitted")
    await world.made(WANG, f"daily-reports/{report['id']}/signature", {"task": {"text": "Bring the samples"}})
    await world.database["tasks"].delete_many({})
    await world.bus()
    assert [task["owner"] for task in (await world.read(LI, "tasks"))["items"]] == ["li"]


async def test_a_task_is_for_somebody_below_the_signer(world: World) -> None:
    report = await a_report(world, until="submitted")
    path = f"daily-reports/{report['id']}/signature"
    for assignee, refusal in {"bob": (403, "outside_reporting_line"), "nemo": (422, "unknown_person")}.items():
        assert codes(await world.post(WANG, path, {"task": {"assignee": assignee, "text": "x"}})) == refusal
    past = await world.post(WANG, path, {"task": {"text": "x", "due": "2026-11-23"}})
    assert (codes(past), fields(past)) == ((422, "before_the_day"), ["task.due"])
    assert (await world.read(LI, f"daily-reports/{report['id']}"))["status"] == "submitted"
    signed = await world.made(WANG, path, {"task": {"assignee": "zhao", "text": "Go along"}})
    assert [task["id"] for task in (await world.read(ZHAO, "tasks"))["items"]] == signed["tasks"]


async def test_a_deputy_reads_and_signs_for_a_superior_who_is_away_and_only_then(world: World) -> None:
    report = await a_report(world, until="submitted")
    path = f"daily-reports/{report['id']}"
    assert codes(await world.get(ANN, path)) == (404, "not_found")
    trip = await an_absence(world, WANG, "2026-11-23", "2026-11-27", by=HE, kind="trip", place="Wuxi", deputy="ann")
    assert (await world.read(ANN, path))["id"] == report["id"]
    await world.made(WANG, f"absences/{trip['id']}/return")
    assert codes(await world.post(ANN, f"{path}/signature")) == (404, "not_found")
    await an_absence(world, WANG, "2026-11-24", "2026-11-27", by=HE, deputy="ann")
    signed = await world.made(ANN, f"{path}/signature")
    assert (signed["signature"]["by"], signed["signature"]["deputy_for"]) == ("ann", "wang")


async def test_a_correction_keeps_both_revisions_readable_with_their_hashes(world: World) -> None:
    first = await a_report(world, until="signed")
    path = f"daily-reports/{first['id']}"
    correcting = await world.made(LI, f"{path}/correction", {"reason": "a visit was forgotten"})
    assert (correcting["revision"], correcting["signature"], correcting["correction_reason"]) == (
        2, None, "a visit was forgotten",
    )  # fmt: skip
    # The signed one counts until the new one is signed.
    assert correcting["revisions"] == first["revisions"]
    assert codes(await world.get(LI, f"{path}/revisions/2")) == (404, "not_found")
    await typed_into(world, LI, correcting, {"other": "I was at Plain as well"})
    await world.made(LI, f"{path}/submission")
    second = await world.made(WANG, f"{path}/signature")
    revisions = [await world.read(LI, f"{path}/revisions/{number}") for number in (1, 2)]
    assert revisions == second["revisions"]
    assert [revision["sections"]["other"] for revision in revisions] == [None, "I was at Plain as well"]
    for revision in revisions:
        assert model.digest(Sections.model_validate(revision["sections"])) == revision["hash"]
    assert revisions[0]["hash"] != revisions[1]["hash"]
    assert await world.types("daily_reports", first["id"]) == [
        "drafted", "drafted", "submitted", "signed", "correction_begun", "drafted", "corrected", "signed",
    ]  # fmt: skip


async def test_a_hash_is_the_same_for_the_same_words_and_for_no_others() -> None:
    said = Sections(reflections="写心得", other="x")
    assert model.digest(said) == model.digest(Sections.model_validate_json(said.model_dump_json()))
    assert model.digest(said) != model.digest(said.model_copy(update={"other": "y"}))
    # What stands at its default does not count, so that a later section changes no older hash.
    assert model.digest(Sections()) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


async def test_a_clerk_enters_a_report_for_somebody_of_an_office_served_and_both_names_are_kept(world: World) -> None:
    body = {"business_date": "2026-11-24", "on_behalf_of": "li"}
    report = await world.made(CHEN, "daily-reports", body)
    path = f"daily-reports/{report['id']}"
    answered = await world.patch(CHEN, path, {**PLAIN, "on_behalf_of": "li"}, report["version"])
    assert answered.status_code == 200, answered.text
    submitted = await world.made(CHEN, f"{path}/submission", {"on_behalf_of": "li"})
    assert (submitted["owner"], submitted["submission"]["by"]) == ("li", "li")
    event = json.loads((await world.events("daily_reports", report["id"]))[-1])
    assert (event["actor"], event["onbehalfof"]) == ("chen", "li")
    assert codes(await world.post(CARL, "daily-reports", {**body, "business_date": "2026-11-23"}))[0] == 403
    # A clerk writes for others, and signs for nobody.
    assert codes(await world.post(CHEN, f"{path}/signature", {"on_behalf_of": "wang"})) == (
        403,
        "outside_reporting_line",
    )


async def test_a_supervisor_does_not_type_into_somebody_elses_report(world: World) -> None:
    report = await a_report(world)
    path = f"daily-reports/{report['id']}"
    assert codes(await world.patch(WANG, path, {"other": "x"}, report["version"])) == (403, "not_your_form")
    assert codes(await world.post(WANG, f"{path}/submission")) == (403, "not_your_form")
    assert codes(await world.patch(LI, path, {"other": "x"})) == (428, "if_match_required")
    assert codes(await world.patch(LI, path, {"other": "x"}, 1)) == (412, "stale")
    for who in (ZHAO, BOB, ANN, NOBODY):
        assert codes(await world.patch(who, path, {"other": "x"}, report["version"]))[0] in (403, 404)
        assert codes(await world.get(who, path)) == (404, "not_found")


async def test_reports_are_listed_within_the_callers_scope(world: World) -> None:
    li = await a_report(world, until="signed")
    zhao = await a_report(world, ZHAO)
    bob = await a_report(world, BOB, date(2026, 11, 23))

    async def seen(who: Any, **query: Any) -> set[str]:
        return {report["id"] for report in (await world.read(who, "daily-reports", **query))["items"]}

    assert await seen(LI) == {li["id"]}
    assert await seen(WANG) == await seen(CHEN) == await seen(HE) == {li["id"], zhao["id"]}
    assert await seen(ANN) == {bob["id"]}
    assert await seen(TOP) == {li["id"], zhao["id"], bob["id"]}
    assert await seen(NOBODY) == await seen(AMY) == set()
    assert await seen(TOP, office="sha", status="draft") == {zhao["id"]}
    assert await seen(TOP, owner="li", late=False) == {li["id"]}
    assert await seen(TOP, region="east", **{"from": "2026-11-24", "to": "2026-11-24"}) == {li["id"], zhao["id"]}
    assert await seen(TOP, to="2026-11-23") == {bob["id"]}
    assert codes(await world.get(BOSS, "daily-reports")) == (403, "results_only")
    assert codes(await world.get(BOSS, f"daily-reports/{li['id']}")) == (403, "results_only")
    assert codes(await world.get(ZHAO, f"daily-reports/{li['id']}/revisions/1")) == (404, "not_found")


async def test_a_step_does_not_come_before_the_one_before_it(world: World) -> None:
    world.time.set(EVENING)
    report = await a_report(world, until="submitted")
    early = {"occurred_at": "2026-11-24T09:00:00Z"}
    answered = await world.post(WANG, f"daily-reports/{report['id']}/signature", early)
    assert (codes(answered), fields(answered)) == ((422, "before_prior_step"), ["occurred_at"])


async def test_the_lines_of_a_report_name_what_there_is(world: World) -> None:
    report = await a_report(world)
    path, version = f"daily-reports/{report['id']}", report["version"]
    faults: list[tuple[dict[str, Any], str, str]] = [
        ({"complaints": [{**COMPLAINT, "customer": "nemo"}]}, "unknown_customer", "complaints.0.customer"),
        ({"complaints": [{**COMPLAINT, "customer": "zeta"}]}, "unknown_customer", "complaints.0.customer"),
        ({"opinions": [{"customer": "coast", "text": "x"}]}, "unknown_customer", "opinions.0.customer"),
        ({"complaints": [{**COMPLAINT, "visit": "nemo"}]}, "unknown_visit", "complaints.0.visit"),
        ({"talks": [{"visit": "nemo", "comment": "x"}]}, "unknown_visit", "talks"),
        ({"none": ["weather"]}, "invalid_input", "none.0"),
        ({"attendance": {"kind": "present", "began": "25:00"}}, "invalid_input", "attendance.began"),
        ({"collections": [{"minor": 0, "currency": "CNY"}]}, "invalid_input", "collections.0"),
        ({"collections": [{"minor": 1, "currency": "XXQ"}]}, "invalid_input", "collections.0"),
        ({"complaints": None}, "invalid_input", "complaints"),
        ({}, "nothing_said", ""),
    ]
    for body, code, field in faults:
        answered = await world.patch(LI, path, body, version)
        assert codes(answered) == (422, code), body
        assert not field or fields(answered)[0].removeprefix("body.") == field
    assert await world.read(LI, path) == report


async def test_what_a_report_says_on_the_bus(world: World) -> None:
    world.time.set(EVENING)
    await a_visit(world, contact_name="Ms Xu")
    await world.hear(order("a", 7_000))
    line = {"id": an_id("line"), **COMPLAINT, "visit": an_id("first")}
    report = await a_report(world, id=an_id("report"), until="draft", typed={})
    path = f"daily-reports/{report['id']}"
    typed = {
        "attendance": {"kind": "present", "began": "08:30", "ended": "18:00"},
        "complaints": [line],
        "collections": [{"minor": 5_000, "currency": "CNY"}],
        "market": [{"competitor": "Rival", "text": "Half price until Friday", "visit": an_id("first")}],
        "opinions": [{"customer": "acme", "text": "Delivery is slow"}],
        "news": [{"customer": "acme", "text": "A new buyer"}],
        "reflections": "Call before going",
        "none": ["other"],
    }
    await typed_into(world, LI, report, typed)
    await world.made(LI, f"{path}/submission")
    await world.made(WANG, f"{path}/return", {"reason": "say more"})
    await world.made(LI, f"{path}/submission")
    await world.made(WANG, f"{path}/signature", {"instructions": "好", "task": {"text": "Bring the samples"}})
    await world.made(LI, f"{path}/correction", {"reason": "the price was wrong"})
    await world.made(LI, f"{path}/submission")
    await world.made(WANG, f"{path}/signature")
    seen: set[str] = set()
    for event in await world.events("daily_reports", report["id"]):
        name = "plain" if _type(event) not in seen else None
        seen.add(_type(event))
        if name:
            held_to_sample(event, name)
    held_to_sample((await world.events("daily_reports", report["id"]))[-1], "corrected")
    held_to_sample(await world.repositories.reports.restatement(report["id"]))


def _type(event: bytes) -> str:
    return json.loads(event)["type"]


async def test_a_day_from_the_signed_plan_to_the_signed_report(world: World) -> None:
    """The visits come from the plan, the report from the visits, and its signature goes back to them."""
    world.time.set(MORNING - timedelta(hours=10))
    await a_plan(world, until="signed")
    await world.bus()
    world.time.set(MORNING + timedelta(hours=2))
    first = f"visits/{an_id('first')}"
    await world.made(LI, f"{first}/check-in")
    world.time.move(timedelta(minutes=40))
    results = [{"purpose": "order", "outcome": "achieved"}]
    await world.made(LI, f"{first}/completion", {"contact_met": "xu", "results": results})
    world.time.set(EVENING)
    report = await a_report(world, typed={"attendance": {"kind": "present"}, "none": ALL_BUT[1:]})
    talks = {line["visit"]: line for line in report["sections"]["talks"]}
    assert {visit: line["status"] for visit, line in talks.items()} == {
        an_id("first"): "completed",
        an_id("second"): "planned",
    }
    assert talks[an_id("first")]["results"][0]["outcome"] == "achieved"
    path = f"daily-reports/{report['id']}"
    refused = await world.post(LI, f"{path}/submission")
    assert (codes(refused), refused.json()["visits"]) == ((422, "visits_open"), [an_id("second")])
    await world.made(LI, f"visits/{an_id('second')}/cancellation", {"reason": "Plain was closed"})
    submitted = await world.made(LI, f"{path}/submission")
    assert {line["status"] for line in submitted["sections"]["talks"]} == {"completed", "cancelled"}
    await world.bus()
    assert (await world.read(LI, first))["signed"] is None
    await world.made(WANG, f"{path}/signature")
    await world.bus()
    signed = await world.read(LI, first)
    assert (signed["report"], signed["signed"]["revision"]) == (report["id"], 1)
    assert {plan["status"] for plan in (await world.read(LI, "visit-plans"))["items"]} == {"closed"}
