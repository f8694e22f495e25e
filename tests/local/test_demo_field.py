"""The field work of the made-up company: every turn that a form can take, in the order of time, by whom it may be."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from contracts.visits import MarketReportKind, Purpose, Severity
from salesbeat import cli
from salesbeat.demo import calendar, command, life, live
from salesbeat.demo.company import OFFICES, PEOPLE, WEAK
from salesbeat.demo.days import EXECUTED, Fate, PlanFate, ReportFate, absent, away_in, head_of, office_of, signer
from salesbeat.demo.life import Life
from salesbeat.demo.making import identity
from salesbeat.demo.send import FieldSender
from salesbeat.importing.plan import Record
from salesbeat.importing.verdicts import Became, Verdict
from salesbeat.refusals import Refused
from tests.local.demo_gateway import FieldGateway
from tests.local.import_gateway import problem

TODAY = date(2026, 11, 25)
PLAY = {"approval", "refusal", "signature", "return", "evaluation", "acknowledgement"}
"""Steps that somebody above takes."""


@cache
def lived(days: int = 20, today: date = TODAY) -> Life:
    return Life(today, life.field_begins(today, days))


@cache
def records(days: int = 20, today: date = TODAY) -> dict[str, list[Record]]:
    return lived(days, today).records()


def days_of(whole: Life) -> list[Any]:
    return [
        day
        for person in whole.sellers
        for each in calendar.workdays(whole.since, whole.last)
        if (day := whole.days.of(person, each)) is not None
    ]


def commands() -> list[dict[str, Any]]:
    return [command for visits in records()["visits"] for command in visits.requests[0].body["commands"]]


def person_of(record: Record) -> str:
    return record.key.partition(" ")[0]


def test_every_turn_that_a_form_can_take_is_taken() -> None:
    made = days_of(lived())
    assert {day.plan for day in made} == set(PlanFate)
    assert {day.report for day in made} == set(ReportFate)
    assert {stop.fate for day in made for stop in day.stops} == set(Fate)
    assert {purpose for day in made for stop in day.stops for purpose in stop.purposes} == set(Purpose)
    assert any(not stop.planned for day in made for stop in day.stops)
    steps = Counter((kind, request.name) for kind, each in records().items() for r in each for request in r.requests)
    for kind in ("visit-plans", "daily-reports"):
        for name in ("submission", "signature", "return"):
            assert steps[kind, name] > 5
    assert {command["command"] for command in commands()} == {
        "check_in", "completion", "not_met", "cancellation", "move", "unplanned", "cost", "call",
    }  # fmt: skip


def test_most_forms_are_signed_and_in_time() -> None:
    made = days_of(lived(60))
    assert 0.6 < sum(day.report is ReportFate.SIGNED for day in made) / len(made) < 0.85
    assert 0.01 < sum(day.report is ReportFate.MISSING for day in made) / len(made) < 0.08
    late = Counter(day.office.code for day in made if day.plan is PlanFate.LATE)
    assert max(late, key=lambda office: late[office]) == WEAK
    stops = [stop for day in made for stop in day.stops]
    assert 0.7 < sum(stop.fate is Fate.COMPLETED for stop in stops) / len(stops) < 0.9
    assert all(2 <= len(day.planned) <= 5 for day in made if day.plan in EXECUTED - {PlanFate.AMENDED})


def test_market_reports_meetings_and_leave_are_of_every_kind() -> None:
    made = records(60)
    first = [record.requests[0].body for record in made["market-reports"]]
    assert {body["kind"] for body in first} == set(MarketReportKind)
    assert {body["severity"] for body in first} == set(Severity)
    kinds = {record.requests[0].body["kind"] for record in made["meetings"]}
    assert kinds == {"morning", "weekly", "interview", "coaching"}
    names = {request.name for record in made["absences"] for request in record.requests}
    assert names == {"creation", "approval", "refusal", "cancellation", "return"}
    assert any(line for report in made["daily-reports"] for line in report.requests[1].body["complaints"])


def test_there_are_no_forms_on_days_off_or_on_leave() -> None:
    by_login = {person.login: person for person in PEOPLE}
    for kind in ("visit-plans", "daily-reports", "visits"):
        for record in records()[kind]:
            day = date.fromisoformat(record.key.split()[1])
            away = absent(by_login[person_of(record)], day)
            assert calendar.is_workday(day)
            assert away is None or away.kind == "trip"


def test_nobody_signs_their_own_and_nobody_who_is_away_signs() -> None:
    people = {identity("people", person.login): person for person in PEOPLE}
    signed = 0
    for kind in ("visit-plans", "daily-reports", "absences", "visits", "market-reports"):
        for record in records(60)[kind]:
            owner = next(person for person in PEOPLE if person.login == person_of(record))
            for request in record.requests:
                if request.name not in PLAY or (kind, request.name) == ("absences", "return"):
                    continue
                by = people[request.body["on_behalf_of"]]
                day = datetime.fromisoformat(request.body["occurred_at"]).date()
                assert by != owner
                assert by.role in ("office_head", "regional_supervisor")
                assert owner.role == "office_head" or by == signer(office_of(owner), day)
                assert absent(by, day) is None
                signed += 1
    assert signed > 1000


def test_a_head_who_is_away_is_stood_in_for_by_the_one_of_the_regions_other_office() -> None:
    found = 0
    for office in OFFICES:
        head = head_of(office)
        for week in range(52):
            away = away_in(head, date(2026, 1, 5) + timedelta(weeks=week))
            if away is None or not away.approved:
                continue
            assert away.deputy is not None
            assert office_of(away.deputy).region == office.region
            assert signer(office, away.days[0]) != head
            found += 1
    assert found > 5


def test_the_steps_of_a_form_follow_each_other_in_time() -> None:
    for kind in ("visit-plans", "daily-reports", "absences", "meetings", "market-reports", "tasks"):
        for record in records(60)[kind]:
            moments = [datetime.fromisoformat(request.body["occurred_at"]) for request in record.requests]
            assert moments == sorted(moments), (record.key, [request.name for request in record.requests])
            assert all(moment.date() < TODAY for moment in moments)


def test_a_day_goes_on_in_time_and_a_visit_ends_after_it_begins() -> None:
    begun: dict[str, str] = {}
    left: defaultdict[str, str] = defaultdict(str)
    for said in commands():
        if said["command"] in ("check_in", "unplanned"):
            begun[said["visit"]] = said["occurred_at"]
            owner = said["body"]["on_behalf_of"] + said["occurred_at"][:10]
            assert said["occurred_at"] >= left[owner]  # nobody is in two places
        elif said["command"] in ("completion", "not_met"):
            assert said["occurred_at"] > begun[said["visit"]]
            left[said["body"]["on_behalf_of"] + said["occurred_at"][:10]] = said["occurred_at"]


def test_results_answer_every_purpose() -> None:
    stops = {stop.id: stop for day in days_of(lived()) for stop in day.stops}
    for said in commands():
        if said["command"] == "completion":
            answered = [result["purpose"] for result in said["body"]["results"]]
            assert answered == stops[said["visit"]].purposes


def test_an_order_won_in_a_visit_names_it_and_follows_it() -> None:
    stops = {stop.id: stop for day in days_of(lived()) for stop in day.stops}
    won = [order for order in records()["orders"] if "visit" in order.requests[0].body]
    assert len(won) > 30
    for order in won:
        body, stop = order.requests[0].body, stops[order.requests[0].body["visit"]]
        assert stop.customer is not None
        assert stop.sold
        assert body["customer"] == stop.customer.id
        assert body["channel"] == "visit"
        assert datetime.fromisoformat(body["occurred_at"]) >= stop.left


def test_positions_are_near_the_customer_mostly() -> None:
    with_one = [said for said in commands() if said["command"] == "check_in"]
    assert 0.85 < sum("position" in said["body"] for said in with_one) / len(with_one) < 0.99


def test_the_same_days_are_told_again_however_far_back_one_begins() -> None:
    few, many = records(), records(60)
    for kind in ("visit-plans", "visits", "daily-reports", "meetings"):
        longer = {record.id: [request.key for request in record.requests] for record in many[kind]}
        assert all(longer[record.id] == [request.key for request in record.requests] for record in few[kind])
        assert len(many[kind]) > 2 * len(few[kind])


def test_the_next_day_has_its_plans_and_the_played_office_only_drafts() -> None:
    coming = [record for record in records()["visit-plans"] if record.key.endswith(str(TODAY))]
    offices = {person.login: person.office for person in PEOPLE}
    drafts = [record for record in coming if len(record.requests) == 1]
    assert {offices[person_of(record)] for record in coming} == {office.code for office in OFFICES}
    assert len([record for record in drafts if offices[person_of(record)] == live.LIVE]) == len(
        [record for record in coming if offices[person_of(record)] == live.LIVE]
    )


async def sent(gateway: FieldGateway, made: list[Record]) -> list[Verdict]:
    found: list[Verdict] = []
    async with gateway.client as client:
        sender = FieldSender(
            client,
            in_flight=4,
            done=lambda record, verdict: found.append(verdict),
            sleep=gateway.sleep,
            now=lambda: gateway.seconds,
        )
        await sender.send(made)
    return found


def alone(record: Record) -> Record:
    return Record(record.kind, record.key, record.id, [], record.requests)


async def test_a_batch_whose_customer_has_not_come_yet_is_sent_again() -> None:
    gateway, asked = FieldGateway(), Counter[str]()

    def lag(command: dict[str, Any]) -> str | None:
        asked[command["id"]] += 1
        return "unknown_contact" if command["command"] == "completion" and asked[command["id"]] < 3 else None

    gateway.refuse = lag
    visits = next(each for each in records()["visits"] if "completion" in str(each.requests[0].body))
    assert [verdict.became for verdict in await sent(gateway, [alone(visits)])] == [Became.CREATED]
    assert max(asked.values()) == 3


async def test_what_somebody_did_by_hand_stays_and_what_is_wrong_is_told() -> None:
    gateway = FieldGateway()
    visits = alone(records()["visits"][0])
    gateway.refuse = lambda command: "visit_locked"
    assert [verdict.became for verdict in await sent(gateway, [visits])] == [Became.KEPT]
    gateway.refuse = lambda command: "slot_ends_early"
    (verdict,) = await sent(gateway, [visits])
    assert verdict.became is Became.REFUSED
    assert "It says slot_ends_early" in verdict.reason


async def test_rules_are_set_once_and_begin_with_the_first_run() -> None:
    gateway = FieldGateway()
    rules = records()["visit-policies"]
    assert {verdict.became for verdict in await sent(gateway, rules)} == {Became.CREATED}
    assert {verdict.became for verdict in await sent(gateway, rules)} == {Became.THERE}
    begun = await command.field_since(gateway, TODAY + timedelta(days=9), None)  # type: ignore[arg-type]
    assert begun == lived().since
    assert await command.field_since(gateway, TODAY, 40) < begun  # type: ignore[arg-type]


def test_a_played_day_lies_within_the_real_one() -> None:
    for hour in (0, 5, 9, 14, 23):
        stage = live.Stage(None, datetime(2026, 11, 25, hour, 20, tzinfo=live.ZONE))  # type: ignore[arg-type]
        moments = [stage.moment(event.at) for event in sorted(stage.events(), key=lambda event: event.at)]
        assert moments == sorted(moments)
        assert moments[-1] <= datetime(2026, 11, 25, hour, 20, tzinfo=live.ZONE)
        assert {moment.date() for moment in moments} <= {TODAY, calendar.after(TODAY, -1)}


@pytest.mark.parametrize("today", [date(2026, 11, 25), date(2026, 11, 29)], ids=["workday", "sunday"])
def test_any_day_can_be_played(today: date) -> None:
    stage = live.Stage(None, datetime(today.year, today.month, today.day, 19, tzinfo=live.ZONE))  # type: ignore[arg-type]
    assert len(list(stage.events())) > 20


def test_ctrl_c_ends_a_play_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_signed_in", interrupted)
    ended = CliRunner().invoke(cli.app, ["demo", "--live"])
    assert ended.exit_code == 0
    assert "goes on from there" in ended.stdout


async def test_a_play_without_the_company_says_what_to_do() -> None:
    gateway = FieldGateway()

    class Session:
        client = gateway.client

    gateway.before = lambda request: problem(404, "not_found")
    with pytest.raises(Refused, match="salesbeat demo"):
        await live.play(Session(), console=Console(file=io.StringIO()), sleep=gateway.sleep)  # type: ignore[arg-type]
