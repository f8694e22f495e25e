"""Market situation reports: who has to acknowledge them until when, and what follows."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.aggregate import Command
from chassis.scope import everything
from contracts.envelope import Happened
from contracts.visits import (
    Absence,
    AbsenceEvent,
    AbsenceKind,
    AbsenceStatus,
    MarketReport,
    MarketReportKind,
    MarketReportStatus,
    Purpose,
    Severity,
    Submission,
    Visit,
    VisitEvent,
    VisitPolicy,
    VisitPolicyEvent,
    VisitStatus,
)
from tests.contracts.sampling import held_to_sample
from tests.visits.world import (
    ADMIN,
    ANN,
    BOB,
    BOSS,
    CHEN,
    HE,
    LI,
    MORNING,
    NOBODY,
    TOP,
    TUESDAY,
    WANG,
    ZHAO,
    World,
    an_id,
    codes,
    fields,
    gathered,
)
from visits.market_report import commands, model
from visits.task.commands import follow as make_task

SITUATION = {"kind": "competitor", "severity": "serious", "text": "Rival sells pumps at half price", "customer": "acme"}
ACTION = {"text": "Offer Acme a service contract", "assignee": "li", "due": "2026-11-27"}
STEPS: dict[str, dict[str, Any]] = {
    "acknowledgement": {},
    "action": ACTION,
    "closure": {"reason": "Acme stays with us"},
}
WAY = {
    "submitted": [],
    "acknowledged": ["acknowledgement"],
    "action_assigned": ["acknowledgement", "action"],
    "closed": ["acknowledgement", "closure"],
}


async def a_report(world: World, who: Any = LI, **more: Any) -> dict[str, Any]:
    return await world.made(who, "market-reports", {**SITUATION, **more})


async def in_state(world: World, state: str) -> dict[str, Any]:
    report = await a_report(world)
    for step in WAY[state]:
        report = await world.made(WANG, f"market-reports/{report['id']}/{step}", STEPS[step])
    return report


async def escalated(world: World, report: dict[str, Any]) -> dict[str, Any]:
    await commands.escalate_due(world.repositories)
    return await world.read(ADMIN, f"market-reports/{report['id']}")


@pytest.mark.parametrize("state", WAY)
async def test_each_state_of_a_market_report_takes_its_steps_and_no_other(world: World, state: str) -> None:
    for step, body in STEPS.items():
        report = await in_state(world, state)
        assert report["status"] == state
        answered = await world.post(WANG, f"market-reports/{report['id']}/{step}", body)
        after = await world.read(ADMIN, f"market-reports/{report['id']}")
        if state in model.ALLOWED[step]:
            assert answered.status_code == 200, answered.text
            assert after["version"] == report["version"] + 1
        else:
            assert codes(answered) == (409, "wrong_state"), (state, step)
            assert set(answered.json()["possible"]) == {
                name for name, states in model.ALLOWED.items() if state in states
            }
            assert after == report


@pytest.mark.parametrize("state", WAY)
async def test_only_what_nobody_has_acknowledged_is_escalated(world: World, state: str) -> None:
    report = await in_state(world, state)
    world.time.move(timedelta(days=1))
    assert ((await escalated(world, report))["level"] == 1) is (state == "submitted")


async def test_a_report_goes_to_the_next_above_for_the_hours_of_the_office(world: World) -> None:
    report = await a_report(world)
    assert (report["recipient"], report["level"], report["acknowledge_by"]) == ("wang", 0, "2026-11-24T04:00:00Z")
    assert (report["owner"], report["office"], report["customer_name"]) == ("li", "sha", "Acme")
    policy = VisitPolicy(id="nyc", owner="nyc", office="nyc", region="west", acknowledge_hours=9)
    happened = Happened(VisitPolicyEvent.SET, MORNING, TUESDAY)
    await world.repositories.policies.create(policy, happened, Command(actor="admin"), everything("a test"))
    report = await a_report(world, BOB, customer="coast")
    assert (report["recipient"], report["acknowledge_by"]) == ("ann", "2026-11-24T09:00:00Z")
    assert report["business_date"] == "2026-11-23"


async def test_each_level_is_told_once_when_the_time_of_the_one_before_has_run_out(world: World) -> None:
    report = await a_report(world)
    world.time.move(timedelta(hours=4, seconds=-1))
    assert await escalated(world, report) == report
    world.time.move(timedelta(seconds=1))
    first = await escalated(world, report)
    assert (first["level"], first["recipient"], first["acknowledge_by"]) == (1, "he", "2026-11-24T08:00:00Z")
    assert await escalated(world, report) == first
    world.time.move(timedelta(hours=4))
    second = await escalated(world, report)
    assert (second["level"], second["recipient"]) == (2, "top")
    for _ in range(3):
        world.time.move(timedelta(days=1))
        assert await escalated(world, report) == second  # the top level stays
    assert [escalation["to"] for escalation in second["escalations"]] == ["he", "top"]
    assert await world.types("market_reports", report["id"]) == ["submitted", "escalated", "escalated"]


async def test_workers_side_by_side_escalate_once(world: World) -> None:
    reports = [await a_report(world) for _ in range(5)]
    world.time.move(timedelta(hours=5))
    await asyncio.gather(*(commands.escalate_due(world.repositories) for _ in range(6)))
    for report in reports:
        after = await world.read(ADMIN, f"market-reports/{report['id']}")
        assert (after["version"], after["level"], len(after["escalations"])) == (2, 1, 1)


async def test_a_worker_that_was_away_for_days_gives_every_level_its_hours(world: World) -> None:
    report = await a_report(world)
    world.time.move(timedelta(days=3))
    after = await escalated(world, report)
    assert (after["level"], after["acknowledge_by"]) == (1, "2026-11-27T04:00:00Z")


async def test_an_acknowledgement_and_the_timer_at_once_leave_one_story(world: World) -> None:
    report = await a_report(world)
    world.time.move(timedelta(hours=5))
    path = f"market-reports/{report['id']}/acknowledgement"
    answered, _ = await asyncio.gather(world.post(HE, path), commands.escalate_due(world.repositories))
    assert answered.status_code == 200
    after = await world.read(ADMIN, f"market-reports/{report['id']}")
    assert after["status"] == "acknowledged"
    assert after["version"] == 2 + len(after["escalations"])


async def test_what_an_import_brings_in_is_history_and_escalates_to_nobody(world: World) -> None:
    who = ADMIN.__class__(id="importer", name="importer", role="administrator", rights=frozenset({"import"}))
    body = {**SITUATION, "on_behalf_of": "li", "import_source": "row 1", "occurred_at": "2026-03-02T10:00:00+08:00"}
    report = await world.made(who, "market-reports", body)
    assert report["business_date"] == "2026-03-02"
    assert await escalated(world, report) == report
    # What was done about it then comes in with it, its task long overdue.
    word = {"on_behalf_of": "wang", "occurred_at": "2026-03-03T10:00:00+08:00"}
    await world.made(who, f"market-reports/{report['id']}/acknowledgement", word)
    action = {**ACTION, **word, "due": "2026-03-02"}
    acted = await world.made(who, f"market-reports/{report['id']}/action", action)
    task = await world.read(LI, f"tasks/{acted['actions'][0]['task']}")
    assert (task["business_date"], task["due"], task["assigned_by"]) == ("2026-03-03", "2026-03-02", "wang")


@pytest.mark.parametrize("who", [WANG, HE, TOP], ids=lambda who: who.person)
async def test_everybody_above_acknowledges(world: World, who: Any) -> None:
    report = await a_report(world)
    after = await world.made(who, f"market-reports/{report['id']}/acknowledgement")
    assert (after["status"], after["acknowledgement"]["by"]) == ("acknowledged", who.person)


async def test_after_an_escalation_the_level_below_has_had_its_time(world: World) -> None:
    report = await a_report(world)
    world.time.move(timedelta(hours=4))
    await escalated(world, report)
    path = f"market-reports/{report['id']}/acknowledgement"
    assert codes(await world.post(WANG, path)) == (403, "not_the_recipient")
    assert (await world.post(HE, path)).status_code == 200


async def test_nobody_acts_on_their_own_report_nor_on_one_that_is_not_theirs_to_act_on(world: World) -> None:
    report = await a_report(world)
    for step, body in STEPS.items():
        path = f"market-reports/{report['id']}/{step}"
        assert codes(await world.post(LI, path, body)) == (403, "own_form")
        assert codes(await world.post(CHEN, path, body)) == (403, "not_the_recipient")
        assert codes(await world.post(ZHAO, path, body)) == (404, "not_found")
        assert codes(await world.post(ANN, path, body)) == (404, "not_found")
    assert await world.read(LI, f"market-reports/{report['id']}") == report


async def away(world: World, person: str, deputy: str, first: date = TUESDAY) -> None:
    absence = Absence(
        id=an_id(f"{person} away"),
        owner=person,
        office="sha",
        region="east",
        business_date=first,
        kind=AbsenceKind.LEAVE,
        status=AbsenceStatus.APPROVED,
        last_day=first,
        reason="leave",
        deputy=deputy,
    )
    happened = Happened(AbsenceEvent.APPROVED, MORNING, TUESDAY)
    await world.repositories.absences.create(absence, happened, Command(actor="he"), everything("a test"))


async def test_the_deputy_of_a_recipient_who_is_away_reads_and_acknowledges(world: World) -> None:
    report = await a_report(world)
    path = f"market-reports/{report['id']}"
    assert (await world.get(ZHAO, path)).status_code == 404
    await away(world, "wang", "zhao")
    assert (await world.get(ZHAO, path)).status_code == 200
    assert (await world.made(ZHAO, f"{path}/acknowledgement"))["acknowledgement"]["by"] == "zhao"


async def test_a_deputy_of_yesterday_is_none_today(world: World) -> None:
    report = await a_report(world)
    await away(world, "wang", "zhao", TUESDAY - timedelta(days=1))
    assert (await world.post(ZHAO, f"market-reports/{report['id']}/acknowledgement")).status_code == 404


async def a_visit(world: World, owner: str, customer: str = "acme") -> str:
    visit = Visit(
        id=an_id(f"visit of {owner}"),
        owner=owner,
        office="sha",
        region="east",
        business_date=TUESDAY,
        status=VisitStatus.COMPLETED,
        planned=False,
        customer=customer,
        customer_name=customer.title(),
        purposes=[Purpose.ORDER],
    )
    happened = Happened(VisitEvent.COMPLETED, MORNING, TUESDAY)
    await world.repositories.visits.create(visit, happened, Command(actor=owner), everything("a test"))
    return visit.id


async def test_a_report_links_back_to_a_visit_of_the_same_person(world: World) -> None:
    visit = await a_visit(world, "li")
    report = await world.made(LI, "market-reports", {**SITUATION, "customer": None, "visit": visit})
    assert (report["visit"], report["customer"], report["customer_name"]) == (visit, "acme", "Acme")
    report = await a_report(world, customer="plain", visit=visit)
    assert (report["visit"], report["customer"]) == (visit, "plain")
    for wrong in (await a_visit(world, "zhao", "zeta"), an_id("no visit")):
        answered = await world.post(LI, "market-reports", {**SITUATION, "visit": wrong})
        assert codes(answered) == (422, "unknown_visit")
        assert fields(answered) == ["visit"]


async def test_input_that_breaks_a_rule_is_named(world: World) -> None:
    for body, field in (
        ({"customer": "coast"}, "customer"),
        ({"kind": "gossip"}, "kind"),
        ({"severity": "mild"}, "severity"),
        ({"text": ""}, "text"),
        ({"occurred_at": "2026-11-01T10:00:00+08:00"}, "occurred_at"),
    ):
        answered = await world.post(LI, "market-reports", {**SITUATION, **body})
        assert answered.status_code == 422, body
        assert fields(answered) == [field]
    assert codes(await world.post(ADMIN, "market-reports", SITUATION)) == (403, "person_needed")
    assert await world.database["market_reports"].count_documents({}) == 0


async def test_a_clerk_enters_a_report_that_came_by_telephone(world: World) -> None:
    report = await world.made(CHEN, "market-reports", {**SITUATION, "on_behalf_of": "li"})
    assert (report["owner"], report["submission"]["by"]) == ("li", "li")
    [event] = await world.events("market_reports", report["id"])
    assert b'"actor":"chen"' in event


async def test_a_report_that_was_written_earlier_leaves_its_recipient_the_hours(world: World) -> None:
    report = await a_report(world, occurred_at="2026-11-23T10:00:00+08:00")
    assert (report["business_date"], report["submission"]["at"]) == ("2026-11-23", "2026-11-23T02:00:00Z")
    assert report["acknowledge_by"] == "2026-11-24T04:00:00Z"


async def test_an_action_becomes_a_task_exactly_once(world: World) -> None:
    report = await in_state(world, "acknowledged")
    path = f"market-reports/{report['id']}/action"
    body = {**ACTION, "id": an_id("action")}
    first = await world.made(WANG, path, body, key="one")
    assert await world.made(WANG, path, body, key="one") == first
    assert await world.made(WANG, path, body) == first
    for _ in range(2):
        await world.bus()
    answered = await world.post(WANG, path, {**body, "text": "something else"})
    assert (codes(answered), fields(answered)) == ((422, "id_taken"), ["id"])
    [action] = first["actions"]
    [task] = (await world.read(LI, "tasks"))["items"]
    assert {name: task[name] for name in ("id", "owner", "text", "due", "source", "source_id", "assigned_by")} == {
        "id": action["task"],
        "owner": "li",
        "text": ACTION["text"],
        "due": "2026-11-27",
        "source": "market_report",
        "source_id": action["id"],
        "assigned_by": "wang",
    }
    assert task["version"] == 1


async def test_the_task_of_an_action_is_made_by_its_event_where_the_process_ended_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await in_state(world, "acknowledged")

    async def dies(*_: Any) -> None:
        raise RuntimeError("the process ended")

    monkeypatch.setattr(commands.tasks, "follow", dies)
    assert (await world.post(WANG, f"market-reports/{report['id']}/action", ACTION)).status_code == 500
    assert await world.database["tasks"].count_documents({}) == 0
    monkeypatch.setattr(commands.tasks, "follow", make_task)
    await world.bus()
    [task] = (await world.read(LI, "tasks"))["items"]
    assert (task["text"], task["assigned_by"], task["assigned_at"]) == (ACTION["text"], "wang", "2026-11-24T00:00:00Z")


async def test_two_reports_may_use_the_same_id_for_an_action(world: World) -> None:
    body = {**ACTION, "id": an_id("action")}
    for report in (await in_state(world, "acknowledged"), await in_state(world, "acknowledged")):
        await world.made(WANG, f"market-reports/{report['id']}/action", body)
    assert len((await world.read(LI, "tasks"))["items"]) == 2


async def test_an_action_is_for_somebody_below_and_not_overdue(world: World) -> None:
    report = await in_state(world, "acknowledged")
    path = f"market-reports/{report['id']}/action"
    for body, code in (
        ({"assignee": "bob"}, (403, "outside_reporting_line")),
        ({"assignee": "he"}, (403, "outside_reporting_line")),
        ({"assignee": "nobody"}, (422, "unknown_person")),
        ({"due": "2026-11-23"}, (422, "before_the_day")),
    ):
        assert codes(await world.post(WANG, path, {**ACTION, **body})) == code
    assert await world.read(WANG, f"market-reports/{report['id']}") == report
    both = await world.made(WANG, path, ACTION)
    both = await world.made(HE, path, {**ACTION, "assignee": "he"})
    assert [action["assignee"] for action in both["actions"]] == ["li", "he"]
    assert (await world.read(HE, f"tasks/{both['actions'][1]['task']}"))["office"] == "sha"


async def test_a_step_does_not_lie_before_the_one_it_follows(world: World) -> None:
    report = await in_state(world, "acknowledged")
    early = {"reason": "done", "occurred_at": (MORNING - timedelta(hours=1)).isoformat()}
    assert codes(await world.post(WANG, f"market-reports/{report['id']}/closure", early)) == (422, "before_prior_step")


async def test_market_reports_are_seen_within_the_scope(world: World) -> None:
    li, bob = await a_report(world), await a_report(world, BOB, customer="coast")
    both = {li["id"], bob["id"]}
    for who, seen in (
        (LI, {li["id"]}),
        (ZHAO, set()),
        (WANG, {li["id"]}),
        (CHEN, {li["id"]}),
        (HE, {li["id"]}),
        (ANN, {bob["id"]}),
        (TOP, both),
        (ADMIN, both),
        (NOBODY, set()),
    ):
        assert {report["id"] for report in (await world.read(who, "market-reports"))["items"]} == seen
        for report in (li, bob):
            answered = await world.get(who, f"market-reports/{report['id']}")
            assert answered.status_code == (200 if report["id"] in seen else 404)
    for path in ("market-reports", f"market-reports/{li['id']}"):
        assert codes(await world.get(BOSS, path)) == (403, "results_only")


async def test_market_reports_are_found_by_what_they_say(world: World) -> None:
    urgent = await a_report(world)
    quiet = await a_report(world, kind="product_opinion", severity="information")
    await world.made(WANG, f"market-reports/{quiet['id']}/acknowledgement")
    for asked, found in (
        ({"status": "submitted"}, [urgent["id"]]),
        ({"status": "acknowledged"}, [quiet["id"]]),
        ({"kind": "product_opinion"}, [quiet["id"]]),
        ({"severity": "serious", "owner": "li", "office": "sha", "region": "east"}, [urgent["id"]]),
        ({"recipient": "wang", "status": "submitted"}, [urgent["id"]]),
        ({"from": "2026-11-25"}, []),
        ({"to": "2026-11-23"}, []),
    ):
        items = (await world.read(TOP, "market-reports", **asked))["items"]
        assert [report["id"] for report in items] == found, asked


async def test_two_acknowledgements_at_once_leave_one(world: World) -> None:
    report = await a_report(world)
    path = f"market-reports/{report['id']}/acknowledgement"
    answers = await gathered(*(world.post(who, path) for who in (WANG, HE, TOP)))
    assert sorted(answered.status_code for answered in answers) == [200, 409, 409]


def a_state() -> MarketReport:
    """A report that lies with wang from the morning on."""
    return MarketReport(
        id="r",
        owner="li",
        office="sha",
        region="east",
        business_date=TUESDAY,
        status=MarketReportStatus.SUBMITTED,
        kind=MarketReportKind.COMPETITOR,
        severity=Severity.SERIOUS,
        text="text",
        submission=Submission(at=MORNING, business_date=TUESDAY, by="li"),
        recipient="wang",
        acknowledge_by=MORNING,
    )


def test_a_line_that_has_changed_meanwhile_tells_nobody_twice() -> None:
    report = a_state()
    assert model.next_level(report, [["wang"], ["he"], ["top"]]) == (1, "he")
    assert model.next_level(report, [["new head"], ["wang"], ["top"]]) == (2, "top")
    assert model.next_level(report, [["wang"]]) is None
    assert model.next_level(report, []) is None
    nobody = report.model_copy(update={"recipient": None})
    assert model.next_level(nobody, [["wang"], ["he"]]) == (0, "wang")


LINES = st.lists(st.lists(st.sampled_from(["wang", "he", "ma", "top"]), min_size=1, max_size=2), max_size=4)


@given(st.lists(st.tuples(st.integers(0, 9), LINES), max_size=12), st.integers(1, 9))
def test_however_the_timer_runs_and_the_line_changes_each_level_is_told_once_and_in_order(
    turns: list[tuple[int, list[list[str]]]], hours: int
) -> None:
    report, now = a_state(), MORNING
    for later, levels in turns:
        now += timedelta(hours=later)
        before = report
        report, happened = model.escalate(before, levels, now, TUESDAY, now + timedelta(hours=hours))
        assert (happened is None) == (report == before)
        if happened is None:
            assert now < before.acknowledge_by or model.next_level(before, levels) is None
        else:
            assert now >= before.acknowledge_by
            assert model.escalate(report, levels, now, TUESDAY, now) == (report, None)
    told = ["wang", *(escalation.to for escalation in report.escalations)]
    levels_told = [0, *(escalation.level for escalation in report.escalations)]
    assert len(set(told)) == len(told)
    assert levels_told == sorted(set(levels_told))
    assert (report.recipient, report.level) == (told[-1], levels_told[-1])


async def test_market_report_samples(world: World) -> None:
    world.door.headers["X-Request-Id"] = "request-1"
    try:
        await samples(world)
    finally:
        del world.door.headers["X-Request-Id"]


async def samples(world: World) -> None:
    report = await a_report(
        world, id=an_id("market report"), sales_impact="Acme may leave us", visit=await a_visit(world, "li")
    )
    world.time.set(datetime(2026, 11, 24, 4, tzinfo=UTC))
    await escalated(world, report)
    path = f"market-reports/{report['id']}"
    await world.made(HE, f"{path}/acknowledgement")
    await world.made(HE, f"{path}/action", {**ACTION, "id": an_id("action")})
    await world.made(HE, f"{path}/closure", STEPS["closure"])
    for event in await world.events("market_reports", report["id"]):
        held_to_sample(event)
    held_to_sample(await world.repositories.market_reports.restatement(report["id"]))
    task = (await world.read(HE, path))["actions"][0]["task"]
    held_to_sample((await world.events("tasks", task))[0], "from_market_report")
