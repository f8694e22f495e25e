"""A day in the field through the gateway, on both brokers: every number of it against what was written by hand.

The office lies in a zone where it is evening now, so its whole day may be told in its own hours, whenever this runs.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import WISH
from tests.flows.field import Field, Numbers, Somebody, added, at, evening_zone, eventually, numbers, period
from tests.flows.suite import Suite

pytestmark = pytest.mark.flow

BROKERS = list(dict.fromkeys([WISH, "embedded"]))
CADENCES = ("day", "week", "month")
NOTHING_ELSE = ["market", "opinions", "news", "other"]


@pytest.fixture(scope="module", params=BROKERS)
def field(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Field]:
    """A suite of its own: orders of this year would be one series more for the flows that share one."""
    suite = Suite(scratch / f"field-{request.param}", {"SALESBEAT_BROKER": request.param})
    with suite.running() as said:
        assert request.param == "auto" or request.param in said
        field = Field(suite)
        yield field
        field.close()


# --- the day ----------------------------------------------------------------------------------------

NOTHING: Numbers = {}
MISSING = {"forms_due": 2, "forms_missing": 2}
"""Zhao hands in nothing that day, and Li nothing yet."""
PLANNED = {"stops_planned": 3, "visits_open": 3}
PLAN_IN = {"forms_due": 2, "forms_on_time": 1, "forms_missing": 1, "first_pass": (0, 1)}
REPORT_IN = {"forms_due": 2, "forms_on_time": 1, "forms_late": 1, "first_pass": (0, 2)}
ONE_RETURN, TWO_RETURNS = {"forms_returned": (1, 1)}, {"forms_returned": (2, 2)}

# Of the four stops one is done (order won), one not met, one left open, one cancelled; two visits were unplanned.
DONE: Numbers = {
    "stops_planned": 3,
    "visits_done": 3,
    "visits_not_met": 1,
    "visits_unplanned": 2,
    "visits_open": 1,
    "visit_cost": {"CNY": 35_00 + 120_00},
    "calls": (2, 120 + 45),
    # Only the device's own batch was entered at the time: 17:00 to 17:20. Declared: 45 + 15 + 30.
    "selling_hours": (20, 90),
    "orders_confirmed": 1,
}
# The stop with the order and the visit of the batch are effective; the other unplanned one had no result.
UNSIGNED: Numbers = {"visits_effective": (0, 2), "visits_deal": (0, 1)}
SIGNED: Numbers = {
    "visits_effective": (2, 0),
    "visits_deal": (1, 0),
    "effective_visit_rate": (2, 4),
    "deal_rate": (1, 4),
    "deal_rate.planned": (1, 3),
}
# The visit that is being corrected waits for the corrected report, the others go on counting.
CORRECTING: Numbers = {
    "visits_effective": (2, 1),
    "visits_deal": (1, 0),
    "effective_visit_rate": (2, 3),
    "deal_rate": (1, 3),
    "deal_rate.planned": (1, 3),
}
CORRECTED: Numbers = {**SIGNED, "visits_effective": (3, 0), "effective_visit_rate": (3, 4)}
TOMORROW: Numbers = {"stops_planned": 1, "visits_open": 1, "plan_adherence": (0, 1)}


class Day:
    """The people of one office on one day."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.zone = evening_zone()
        self.day = datetime.now(ZoneInfo(self.zone)).date()
        week = list(range(1, 8))
        self.office = field.office("Field office", self.zone, workdays=week)
        elsewhere = field.office("Other office", self.zone, workdays=week)
        self.head = field.person("Wang", "office_head", self.office)
        self.li = field.person("Li", "salesperson", self.office, self.head)
        self.zhao = field.person("Zhao", "salesperson", self.office, self.head)
        self.clerk = field.person("Chen", "clerk", self.office)
        self.stranger = field.person("Sun", "office_head", elsewhere)
        self.acme, self.buyer = field.customer("Acme", self.li, "Ms Xu")
        self.bolt, _ = field.customer("Bolt", self.li)
        # The day is played in the evening, so what is said of its morning comes hours later.
        rules = {"plan_due": "09:00", "report_due": "18:00", "sync_grace": 1_440}
        field.rules(self.office, forms_from=self.day.isoformat(), **rules)

    def at(self, said: str) -> dict[str, str]:
        return {"occurred_at": at(self.zone, self.day, said)}

    def numbers_are(self, li: Numbers, zhao: Numbers = MISSING, tomorrow: Numbers = NOTHING, after: str = "") -> None:
        """Of the day, its week and its month, for the person, the office and the company."""
        for cadence in CADENCES:
            now = period(cadence, self.day)
            own = tomorrow if period(cadence, self.day + timedelta(days=1)) == now else {}
            everybody = added(li, zhao, own)
            units = (
                (self.li, "person", self.li.person, li),
                (self.head, "office", self.office, everybody),
                (self.field.admin, "company", "company", everybody),
            )
            for who, level, unit, wanted in units:
                eventually(lambda: numbers(who, cadence, now, level, unit, after or None), wanted)  # noqa: B023

    def reminded(self, who: Somebody) -> list[tuple[str, str]]:
        return [(each["kind"], each["title"]) for each in who.read("reminders")["items"]]

    def queue(self) -> list[Any]:
        return [
            (each["kind"], each["owner_name"], each["revision"], each["age_hours"], each["late"], each["overdue"])
            for each in self.head.read("sign-offs")["items"]
        ]

    def hours_since(self, said: str) -> int:
        return int((datetime.now(UTC) - datetime.fromisoformat(at(self.zone, self.day, said))).total_seconds() // 3600)


def stop(starts: str, ends: str, *purposes: str, **where: str) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "starts": starts, "ends": ends, "purposes": list(purposes), **where}


def result(purpose: str, outcome: str) -> dict[str, str]:
    return {"purpose": purpose, "outcome": outcome}


def test_a_day_of_a_salesperson_and_their_head(field: Field) -> None:
    day = Day(field)
    plan = _the_plan_is_returned_changed_and_signed(day)
    visits = _the_visits_are_made(day, plan)
    report = _the_report_is_late_returned_and_signed(day, visits)
    _what_is_signed_is_locked(day, plan, report, visits)
    _a_correction_changes_the_numbers(day, report, visits)
    _tomorrow_is_measured_by_what_is_signed_today(day)
    _replayed_it_gives_the_same_numbers(day)


def _the_plan_is_returned_changed_and_signed(day: Day) -> dict[str, Any]:
    li, head = day.li, day.head
    acme = stop("09:00", "10:00", "order", "service", customer=day.acme)
    market = stop("13:00", "14:00", "market_research", area="Harbour")
    newcomers = stop("15:00", "16:00", "new_customer", area="Airport")
    body = {"business_date": day.day.isoformat(), "stops": [acme, market, newcomers], **day.at("07:30")}
    plan = li.says("visit-plans", body)
    path = f"visit-plans/{plan['id']}"
    assert li.read("today")["plan"]["status"] == "draft"
    day.numbers_are(MISSING)
    assert [kind for kind, _ in day.reminded(li)] == ["form_missing", "form_missing"]

    assert li.is_refused("visits/" + acme["id"] + "/check-in") == (404, "not_found")
    li.says(f"{path}/submission", day.at("08:00"))
    day.numbers_are(added(PLANNED, PLAN_IN))
    before = li.read(path)
    assert li.is_refused(f"{path}/signature") == (403, "own_form")
    assert day.clerk.is_refused(f"{path}/signature") == (403, "outside_reporting_line")
    assert day.stranger.is_refused(f"{path}/signature") == (404, "not_found")
    assert day.zhao.is_refused(f"{path}/signature") == (404, "not_found")
    assert _unflagged(li.read(path)) == _unflagged(before)
    assert day.queue() == [("plan", "Li", 1, day.hours_since("08:00"), False, True)]
    assert day.reminded(head) == [("plan_to_sign", f"Sign the visit plan of Li of {day.day}.")]

    head.says(f"{path}/return", {"reason": "collect from Bolt", **day.at("08:10")})
    day.numbers_are(added(PLANNED, PLAN_IN, ONE_RETURN))
    title = f"Your visit plan of {day.day} was returned: collect from Bolt"
    assert ("plan_returned", title) in day.reminded(li)
    assert ("plan_returned", title) in [(each["kind"], each["title"]) for each in li.read("today")["reminders"]]
    assert day.queue() == []

    bolt = stop("10:30", "11:30", "collection", customer=day.bolt)
    li.changes(path, {"stops": [acme, bolt, market, newcomers], **day.at("08:15")})
    li.says(f"{path}/submission", day.at("08:20"))
    signed = head.says(f"{path}/signature", {"instructions": "start early", **day.at("08:30")})
    assert signed["status"] == "signed"
    # It was entered when the day had begun, so no adherence follows from it.
    assert signed["committed"] is None
    assert head.is_refused(f"{path}/signature") == (409, "wrong_state")
    assert _unflagged(head.read(path)) == _unflagged(signed)
    day.numbers_are(added({"stops_planned": 4, "visits_open": 4}, PLAN_IN, ONE_RETURN))
    assert [visit["status"] for visit in li.read("today")["visits"]] == ["planned"] * 4
    return {"id": plan["id"], "acme": acme["id"], "bolt": bolt["id"], "market": market["id"], "new": newcomers["id"]}


def _unflagged(plan: dict[str, Any]) -> dict[str, Any]:
    """A timer may flag it meanwhile as handed in unsigned."""
    return {**plan, "version": 0, "executed_unsigned": None}


def _the_visits_are_made(day: Day, plan: dict[str, Any]) -> dict[str, str]:
    li = day.li
    acme, bolt = f"visits/{plan['acme']}", f"visits/{plan['bolt']}"
    before = li.read(acme)
    assert li.is_refused(f"{acme}/check-out", day.at("09:00")) == (409, "wrong_state")
    assert li.read(acme) == before
    begun = li.says(f"{acme}/check-in", day.at("09:05"))
    met = {"contact_met": day.buyer, "results": [result("order", "achieved"), result("service", "no_result")]}
    assert li.is_refused(f"{acme}/completion", {**met, **day.at("09:00")}) == (422, "before_prior_step")
    assert li.is_refused(f"{acme}/completion", {**met, "results": [], **day.at("09:50")}) == (422, "purpose_unanswered")
    assert li.read(acme) == begun
    li.says(f"{acme}/completion", {**met, **day.at("09:50")})
    li.says(f"{acme}/cost", {"type": "transport", "amount": {"minor": 35_00, "currency": "CNY"}, **day.at("09:55")})
    li.says(f"{acme}/cost", {"type": "meal", "amount": {"minor": 120_00, "currency": "CNY"}, **day.at("12:00")})
    _an_order_is_won(day, plan["acme"])

    day.field.suite.kill("visits-worker")
    li.says(f"{bolt}/check-in", day.at("10:35"))
    li.says(f"{bolt}/not-met", {"reason": "the cashier was ill", **day.at("10:50")})
    li.says(f"visits/{plan['market']}/check-in", day.at("13:05"))
    li.says(f"visits/{plan['new']}/cancellation", {"reason": "fog", **day.at("14:00")})
    unplanned = li.says("visits", {"customer": day.bolt, "purposes": ["service"], "check_in": {}, **day.at("16:00")})
    nothing = {"contact_name": "the porter", "results": [result("service", "no_result")], **day.at("16:30")}
    li.says(f"visits/{unplanned['id']}/completion", nothing)
    call = {"direction": "outgoing", "customer": day.acme, "started_at": at(day.zone, day.day, "16:40"), "seconds": 120}
    logged = li.says("calls", call)

    offline = str(uuid.uuid4())
    batch = {"commands": list(reversed(_offline(day, offline)))}
    first, second = (li.says("visits/batch", batch)["results"] for _ in range(2))
    assert [each["verdict"] for each in first] == ["done"] * 3, first
    assert [each["verdict"] for each in second] == ["already_done"] * 3, second
    day.numbers_are(added(DONE, UNSIGNED, PLAN_IN, ONE_RETURN), after=f"call:{logged['id']}@{logged['version']}")
    return {**plan, "unplanned": unplanned["id"], "offline": offline}


def _an_order_is_won(day: Day, visit: str) -> None:
    price = {"minor": 1_000_00, "currency": "CNY"}
    code = f"P-{uuid.uuid4().hex[:8]}"
    product = day.field.admin.says("products", {"code": code, "name": "Product", "price": price})
    first = f"{day.day:%Y-%m}"
    days_of_month = (date(day.day.year + day.day.month // 12, day.day.month % 12 + 1, 1) - timedelta(days=1)).day
    # 2,000 a day, since the office works every day.
    target = {"minor": 2_000_00 * days_of_month, "currency": "CNY"}
    day.field.admin.says("targets", {"person": day.li.person, "month": first, "amount": target})
    lines = [{"product": product["id"], "quantity": 3}]
    order = day.li.says("orders", {"customer": day.acme, "visit": visit, "lines": lines})
    day.head.says(f"orders/{order['id']}/verification")
    promise = {"promised_date": day.day.isoformat(), "payment_method": "transfer"}
    day.li.says(f"orders/{order['id']}/confirmation", {**promise, "customer_told_at": datetime.now(UTC).isoformat()})


def _offline(day: Day, visit: str) -> list[dict[str, Any]]:
    def one(command: str, time: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"id": str(uuid.uuid4()), "command": command, **day.at(time), "body": body, **more}

    outcome = {"contact_name": "the new owner", "results": [result("new_customer", "progress")]}
    called = {"direction": "incoming", "started_at": at(day.zone, day.day, "17:30"), "seconds": 45}
    arrived = {"area": "Station", "purposes": ["new_customer"], "check_in": {}}
    return [
        one("unplanned", "17:00", arrived, visit=visit),
        one("completion", "17:20", outcome, visit=visit),
        one("call", "17:35", called),
    ]


def _the_report_is_late_returned_and_signed(day: Day, visits: dict[str, str]) -> str:
    li, head = day.li, day.head
    eventually(lambda: li.read(f"visits/{visits['acme']}")["orders"][0]["confirmed_on"], day.day.isoformat())
    report = li.says("daily-reports", {"business_date": day.day.isoformat()})
    path = f"daily-reports/{report['id']}"
    lines = {line["visit"]: line for line in report["sections"]["talks"]}
    names = ("acme", "bolt", "market", "new", "unplanned", "offline")
    assert [lines[visits[name]]["status"] for name in names] == [
        "completed",
        "not_met",
        "checked_in",
        "cancelled",
        "completed",
        "completed",
    ]
    figures = report["sections"]["orders_and_collections"]
    assert figures["orders_confirmed"] == 1
    assert figures["orders"] == [{"currency": "CNY", "actual": 3_000_00, "target": 2_000_00, "ratio": 15_000}]

    assert li.is_refused(f"{path}/submission", day.at("20:30")) == (422, "sections_missing")
    typed = {
        "attendance": {"kind": "present", "began": "08:00", "ended": "18:00"},
        "reflections": "ask for the cashier before going",
        "collections": [{"minor": 500_00, "currency": "CNY"}],
        "none": ["complaints", *NOTHING_ELSE],
    }
    li.changes(path, typed)
    assert li.is_refused(f"{path}/submission", day.at("20:30")) == (422, "visits_open")
    li.changes(path, {"talks": [{"visit": visits["market"], "comment": "I count on tomorrow"}]})
    day.field.suite.kill("visits-api")
    handed_in = li.says(f"{path}/submission", day.at("20:30"))
    assert (handed_in["late"], handed_in["completeness"]) == (True, 100)
    day.numbers_are(added(DONE, UNSIGNED, REPORT_IN, ONE_RETURN))
    assert day.queue() == [("report", "Li", 1, day.hours_since("20:30"), True, False)]
    assert [kind for kind, _ in day.reminded(head)] == ["report_to_sign"]
    _the_board_shows_the_office(day)

    assert li.is_refused(f"{path}/signature") == (403, "own_form")
    assert day.clerk.is_refused(f"{path}/signature") == (403, "outside_reporting_line")
    assert day.stranger.is_refused(f"{path}/signature") == (404, "not_found")
    head.says(f"{path}/return", {"reason": "what of the harbour?"})
    assert ("report_returned", f"Your daily report of {day.day} was returned: what of the harbour?") in day.reminded(li)
    assert li.read("today")["report"]["status"] == "returned"
    day.numbers_are(added(DONE, UNSIGNED, REPORT_IN, TWO_RETURNS))

    li.changes(path, {"talks": [{"visit": visits["market"], "comment": "nobody knew the price: tomorrow again"}]})
    li.says(f"{path}/submission")
    task = {"text": "call the cashier first", "due": (day.day + timedelta(days=1)).isoformat()}
    signed = head.says(f"{path}/signature", {"instructions": "well done", "task": task})
    assert (signed["status"], signed["late"], len(signed["revisions"])) == ("signed", True, 1)
    day.numbers_are(added(DONE, SIGNED, REPORT_IN, TWO_RETURNS))
    assert day.queue() == []
    assert day.reminded(li) == [("task", "Task: call the cashier first")]
    assert [each["id"] for each in li.read("today")["reminders"]] == signed["tasks"]
    matters = head.read("board")["matters"]
    assert [each["text"] for each in matters["tasks"]] == ["call the cashier first"]
    assert matters["sign_offs"] == []
    return report["id"]


def _the_board_shows_the_office(day: Day) -> None:
    board = day.head.read("board")
    assert (board["date"], board["missing"], board["withheld"]) == (day.day.isoformat(), [], [])
    people = {each["name"]: each for each in board["people"]}
    assert people["Li"]["forms"] == {"plan": "on_time", "report": "late"}
    assert people["Zhao"]["forms"] == {"plan": "missing", "report": "missing"}
    assert people["Wang"]["forms"] == {}
    assert people["Li"]["attendance"]["kind"] == "present"
    assert people["Li"]["measures"]["visits_done"] == {"count": 3}
    matters = board["matters"]
    assert [each["kind"] for each in matters["sign_offs"]] == ["report"]
    late = {(each["owner"], each["form"], each["status"]) for each in matters["late_or_missing"]}
    missing = {(day.zhao.person, form, "missing") for form in ("plan", "report")}
    assert late == {(day.li.person, "report", "late"), *missing}
    assert {each["name"] for each in board["places"]["prospects"]} <= {"Acme", "Bolt"}
    assert board["places"]["market_reports"] == []
    assert list(board["things"]["orders"]) == ["confirmed"]
    assert board["things"]["results"]["day"]["visits_effective"] == {"count": 0, "pending": 2}


def _what_is_signed_is_locked(day: Day, plan: dict[str, Any], report: str, visits: dict[str, str]) -> None:
    li, path = day.li, f"daily-reports/{report}"
    eventually(lambda: li.read(f"visit-plans/{plan['id']}")["status"], "closed")
    before = li.read(path)
    assert day.head.is_refused(f"{path}/signature") == (409, "wrong_state")
    assert li.is_refused(path, {"reflections": "no"}, version=before["version"]) == (409, "wrong_state")
    assert li.is_refused(f"{path}/submission") == (409, "wrong_state")
    new = {"business_date": day.day.isoformat(), "stops": [stop("19:00", "20:00", "service", area="Harbour")]}
    assert li.is_refused("visit-plans", new) == (409, "day_closed")
    assert li.is_refused(f"visit-plans/{plan['id']}/amendment", {"reason": "one more"}) == (409, "wrong_state")
    visit = li.read(f"visits/{visits['acme']}")
    other = {"results": [result("order", "no_result"), result("service", "no_result")]}
    assert li.is_refused(f"visits/{visits['acme']}/correction", other) == (409, "visit_locked")
    assert li.read(f"visits/{visits['acme']}") == visit
    assert li.read(path) == before
    assert li.read("visit-plans")["items"] == [li.read(f"visit-plans/{plan['id']}")]


def _a_correction_changes_the_numbers(day: Day, report: str, visits: dict[str, str]) -> None:
    li, head, path = day.li, day.head, f"daily-reports/{report}"
    li.says(f"{path}/correction", {"reason": "Bolt has written since"})
    better = {"results": [result("service", "progress")]}
    li.says(f"visits/{visits['unplanned']}/correction", better)
    day.numbers_are(added(DONE, CORRECTING, REPORT_IN, TWO_RETURNS))
    day.field.suite.kill("visits-worker")
    li.says(f"{path}/submission")
    assert day.queue() == [("report", "Li", 2, 0, True, False)]
    day.numbers_are(added(DONE, CORRECTING, REPORT_IN, TWO_RETURNS))
    head.says(f"{path}/signature")
    day.numbers_are(added(DONE, CORRECTED, REPORT_IN, TWO_RETURNS))

    first, second = (head.read(f"{path}/revisions/{number}") for number in (1, 2))
    outcomes = [
        line["results"][0]["outcome"]
        for revision in (first, second)
        for line in revision["sections"]["talks"]
        if line["visit"] == visits["unplanned"]
    ]
    assert outcomes == ["no_result", "progress"]
    assert first["hash"] != second["hash"]
    assert head.read(path)["late"] is True


def _tomorrow_is_measured_by_what_is_signed_today(day: Day) -> None:
    tomorrow = day.day + timedelta(days=1)
    body = {"business_date": tomorrow.isoformat(), "stops": [stop("09:00", "10:00", "service", area="Harbour")]}
    plan = day.zhao.says("visit-plans", body)
    day.zhao.says(f"visit-plans/{plan['id']}/submission")
    signed = day.head.says(f"visit-plans/{plan['id']}/signature")
    assert signed["committed"] == [body["stops"][0]["id"]]
    when = period("day", tomorrow)
    eventually(lambda: _without_forms(numbers(day.zhao, "day", when, "person", day.zhao.person)), TOMORROW)


def _without_forms(found: Numbers) -> Numbers:
    return {name: value for name, value in found.items() if not name.startswith(("forms_", "first_pass"))}


def _replayed_it_gives_the_same_numbers(day: Day) -> None:
    def all_of_them() -> None:
        day.numbers_are(added(DONE, CORRECTED, REPORT_IN, TWO_RETURNS), tomorrow=whole)

    tomorrow = day.day + timedelta(days=1)
    whole = numbers(day.zhao, "day", period("day", tomorrow), "person", day.zhao.person)
    all_of_them()
    said = day.field.suite.salesbeat("resync", "visits")
    assert "visits: " in said
    day.field.suite.kill("visits-worker")
    day.field.suite.kill("visits-api")
    all_of_them()


# --- days long past ---------------------------------------------------------------------------------

SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
BOTH = datetime(2024, 2, 29, 16, 30, tzinfo=UTC)
"""The same instant: half past midnight on 1 March in Shanghai, half past eleven on 29 February in New York."""
LEAP, AFTER = date(2024, 2, 29), date(2024, 3, 1)
SYLVESTER, NEW_YEAR = date(2020, 12, 31), date(2021, 1, 1)
"""A Thursday and a Friday, both of week 53 of 2020."""

LIN: dict[date, Numbers] = {
    date(2024, 2, 26): {},  # forms are due from the day after
    date(2024, 2, 27): {"forms_due": 2, "forms_missing": 2},
    date(2024, 2, 28): {},  # a holiday
    LEAP: {
        "stops_planned": 2,
        "visits_done": 1,
        "visits_missed": 1,
        "visits_effective": (1, 0),
        "effective_visit_rate": (1, 1),
        "deal_rate": (0, 1),
        "deal_rate.planned": (0, 2),
        "plan_adherence": (1, 2),
        "selling_hours": (0, 38),
        "forms_due": 2,
        "forms_on_time": 1,
        "forms_late": 1,
        "first_pass": (2, 2),
    },
    # On leave: nothing is due, and the visit of half past midnight stands in no report.
    AFTER: {"visits_done": 1, "visits_unplanned": 1, "visits_effective": (0, 1), "selling_hours": (0, 20)},
}
BOB: dict[date, Numbers] = {
    SYLVESTER: {
        "visits_done": 1,
        "visits_unplanned": 1,
        "visits_effective": (0, 1),
        "selling_hours": (0, 15),
        "forms_due": 2,
        "forms_missing": 2,
    },
    NEW_YEAR: {"visits_done": 1, "visits_unplanned": 1, "visits_effective": (0, 1), "selling_hours": (0, 10)},
    LEAP: {
        "stops_planned": 1,
        "visits_not_met": 1,
        "visits_done": 1,
        "visits_unplanned": 1,
        "visits_effective": (1, 0),
        "effective_visit_rate": (1, 2),
        "deal_rate": (0, 2),
        "deal_rate.planned": (0, 1),
        "selling_hours": (0, 5 + 20),
        "forms_due": 2,
        "forms_on_time": 2,
        "first_pass": (2, 2),
    },
    AFTER: {},
}


class Import:
    """What one person of an office did in the past, as somebody with the right to import enters it."""

    def __init__(self, by: Somebody, zone: str, person: Somebody, head: Somebody) -> None:
        self._by, self._zone, self.person, self._head = by, zone, person, head

    def said(self, path: str, day: date, time: str, **body: Any) -> dict[str, Any]:
        return self.at(path, datetime.fromisoformat(at(self._zone, day, time)), **body)

    def at(self, path: str, when: datetime, **body: Any) -> dict[str, Any]:
        return self._by.says(path, {**self._whose(self.person, when), **body})

    def decided(self, path: str, day: date, time: str, **body: Any) -> dict[str, Any]:
        return self._by.says(
            path, {**self._whose(self._head, datetime.fromisoformat(at(self._zone, day, time))), **body}
        )

    def typed(self, path: str, day: date, **body: Any) -> None:
        self._by.changes(
            path, {**self._whose(self.person, datetime.fromisoformat(at(self._zone, day, "20:00"))), **body}
        )

    def visited(self, when: datetime, minutes: int) -> dict[str, Any]:
        """An unplanned visit that something came of."""
        visit = self.at("visits", when, area="Station", purposes=["service"], check_in={})
        done = {"contact_name": "the porter", "results": [result("service", "progress")]}
        return self.at(f"visits/{visit['id']}/completion", when + timedelta(minutes=minutes), **done)

    def reported(self, day: date, time: str, signed_on: date, talks: list[dict[str, str]]) -> dict[str, Any]:
        report = self.said("daily-reports", day, "19:00", business_date=day.isoformat())
        path = f"daily-reports/{report['id']}"
        empty = ["complaints", "orders_and_collections", "reflections", *NOTHING_ELSE]
        self.typed(path, day, attendance={"kind": "present"}, talks=talks, none=empty)
        self.said(f"{path}/submission", day, time)
        return self.decided(f"{path}/signature", signed_on, "23:58")

    def _whose(self, person: Somebody, when: datetime) -> dict[str, str]:
        return {"on_behalf_of": person.person, "import_source": "paper", "occurred_at": when.isoformat()}


def test_days_long_past_count_by_the_calendar_of_their_office(field: Field, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["field"] != BROKERS[0]:
        pytest.skip("no calendar depends on the broker: told on one of them")
    shanghai = field.office("Shanghai", SHANGHAI, holidays=["2024-02-28"])
    new_york = field.office("New York", NEW_YORK, holidays=[NEW_YEAR.isoformat()])
    ma, ann = (field.person(*who) for who in (("Ma", "office_head", shanghai), ("Ann", "office_head", new_york)))
    lin = field.person("Lin", "salesperson", shanghai, ma)
    bob = field.person("Bob", "salesperson", new_york, ann)
    field.rules(shanghai, forms_from="2024-02-27")
    field.rules(new_york, forms_from=SYLVESTER.isoformat(), report_due="23:55")
    chen, carl = (field.person("Clerk", "clerk", office, rights=["import"]) for office in (shanghai, new_york))
    _a_leap_day_in_shanghai(Import(chen, SHANGHAI, lin, ma))
    _the_same_day_in_new_york(Import(carl, NEW_YORK, bob, ann))
    _week_53(Import(carl, NEW_YORK, bob, ann))

    def in_period(cadence: str, period: str, level: str, unit: str) -> Numbers:
        return numbers(field.admin, cadence, period, level, unit)

    for who, office, days in ((lin, shanghai, LIN), (bob, new_york, BOB)):
        for level, unit in (("person", who.person), ("office", office)):
            for day, wanted in days.items():
                eventually(lambda: in_period("day", day.isoformat(), level, unit), wanted)  # noqa: B023
    weeks_and_months = (
        (lin, shanghai, "week", "2024-W09", added(*LIN.values())),
        (lin, shanghai, "month", "2024-02", added(*(LIN[day] for day in LIN if day < AFTER))),
        (bob, new_york, "week", "2020-W53", added(BOB[SYLVESTER], BOB[NEW_YEAR])),
        (bob, new_york, "month", "2020-12", BOB[SYLVESTER]),
    )
    for who, office, cadence, when, wanted in weeks_and_months:
        for level, unit in (("person", who.person), ("office", office)):
            eventually(lambda: in_period(cadence, when, level, unit), wanted)  # noqa: B023
    # Of the rest of those months forms are missing, as far as the timer has come.
    assert _without_forms(in_period("month", "2024-03", "person", lin.person)) == LIN[AFTER]
    assert _without_forms(in_period("month", "2021-01", "person", bob.person)) == BOB[NEW_YEAR]
    assert _without_forms(in_period("week", "2021-W01", "person", bob.person)) == {}
    for day in (LEAP, AFTER):
        assert in_period("day", day.isoformat(), "region", field.region) == added(LIN[day], BOB[day])
    duties = field.admin.read("form-duties", owner=lin.person, **{"from": "2024-02-26", "to": "2024-03-03"})["items"]
    assert sorted((each["business_date"], each["form"], each["status"]) for each in duties) == [
        ("2024-02-27", "plan", "missing"),
        ("2024-02-27", "report", "missing"),
        ("2024-02-29", "plan", "on_time"),
        ("2024-02-29", "report", "late"),
        ("2024-03-01", "plan", "excused"),
        ("2024-03-01", "report", "excused"),
    ]
    for office in (shanghai, new_york):
        field.rules(office, forms_from=None)


def _a_leap_day_in_shanghai(paper: Import) -> None:
    eve = LEAP - timedelta(days=1)
    leave = paper.said(
        "absences", eve, "10:00", kind="leave", first_day="2024-03-01", last_day="2024-03-01", reason="x"
    )
    paper.decided(f"absences/{leave['id']}/approval", eve, "11:00")
    stops = [stop("09:00", "10:00", "service", area="Bund"), stop("11:00", "12:00", "service", area="Harbour")]
    plan = paper.said("visit-plans", eve, "16:00", business_date=LEAP.isoformat(), stops=stops)
    paper.said(f"visit-plans/{plan['id']}/submission", eve, "16:30")
    signed = paper.decided(f"visit-plans/{plan['id']}/signature", eve, "18:00")
    assert signed["committed"] == [each["id"] for each in stops]
    made, missed = (each["id"] for each in stops)
    paper.said(f"visits/{made}/check-in", LEAP, "09:02")
    done = {"contact_name": "the porter", "results": [result("service", "achieved")]}
    paper.said(f"visits/{made}/completion", LEAP, "09:40", **done)
    night = paper.visited(BOTH, 20)
    assert night["business_date"] == AFTER.isoformat()
    report = paper.reported(LEAP, "23:50", AFTER, [{"visit": missed, "comment": "no time"}])
    assert (report["business_date"], report["late"]) == (LEAP.isoformat(), True)
    assert report["signature"]["business_date"] == AFTER.isoformat()


def _the_same_day_in_new_york(paper: Import) -> None:
    stops = [stop("15:00", "16:00", "service", area="Pier")]
    plan = paper.said("visit-plans", LEAP, "07:00", business_date=LEAP.isoformat(), stops=stops)
    paper.said(f"visit-plans/{plan['id']}/submission", LEAP, "08:00")
    signed = paper.decided(f"visit-plans/{plan['id']}/signature", LEAP, "08:30")
    assert signed["committed"] is None
    noon = paper.visited(BOTH, 20)
    assert noon["business_date"] == LEAP.isoformat()
    paper.said(f"visits/{stops[0]['id']}/check-in", LEAP, "15:00")
    paper.said(f"visits/{stops[0]['id']}/not-met", LEAP, "15:05", reason="closed")
    report = paper.reported(LEAP, "23:50", LEAP, [])
    # It is the first of March in Greenwich and in Shanghai by then.
    assert (report["business_date"], report["late"]) == (LEAP.isoformat(), False)
    assert report["first_submitted_at"].startswith("2024-03-01T04:50:00")


def _week_53(paper: Import) -> None:
    for day, time, minutes in ((SYLVESTER, "23:40", 15), (NEW_YEAR, "00:10", 10)):
        visit = paper.visited(datetime.fromisoformat(at(NEW_YORK, day, time)), minutes)
        assert visit["business_date"] == day.isoformat()
