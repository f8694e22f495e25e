"""The numbers of the field work: stops and visits, what a signature gates, adherence, costs, hours, calls, forms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.envelope import Published
from contracts.money import Money
from contracts.topics import CALLS, FORM_DUTIES, VISITS
from contracts.visits import (
    Call,
    CostType,
    Direction,
    Form,
    FormDuty,
    FormStatus,
    Outcome,
    Presence,
    Purpose,
    PurposeResult,
    ReportSignature,
    Verdict,
    Visit,
    VisitCost,
    VisitOrder,
    VisitStatus,
)
from reporting.answers import MEASURES
from reporting.consumers import Learner
from reporting.measures import BY_TOPIC
from reporting.totals import Totals, fold
from tests.reporting.bus import Log
from tests.reporting.conftest import LI, SUPERVISOR, TOP, Reporting
from tests.reporting.test_fold import a_database, expected, run, totals

DAY = date(2017, 3, 14)
NEXT = date(2017, 3, 15)
TODAY = {"since": "2017-03-14", "until": "2017-03-14"}
SIGNED = ReportSignature(report="r", revision=1, at=datetime(2017, 3, 14, 12, tzinfo=UTC))
ACTUAL = (VisitStatus.COMPLETED, VisitStatus.NOT_MET)
_ids = count()


def presence(day: date = DAY, hour: int = 1, minute: int = 0, *, declared: bool = False) -> Presence:
    at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
    return Presence(at=at, business_date=day, by="li", declared=declared)


def visit(status: str = "completed", **more: Any) -> Visit:
    said: dict[str, Any] = {
        "id": f"v{next(_ids)}",
        "owner": "li",
        "office": "sha",
        "region": "east",
        "business_date": DAY,
        "status": status,
        "planned": True,
        "purposes": [Purpose.ORDER],
    }
    if status in ACTUAL:
        said["check_in"] = presence()
        said["check_out"] = presence(minute=30)
    return Visit(**{**said, **more})


def good(**more: Any) -> Visit:
    """A visit that is effective: completed, somebody met, something came of it."""
    result = PurposeResult(purpose=Purpose.ORDER, outcome=Outcome.ACHIEVED)
    return visit(**{"contact_name": "Ms Xu", "results": [result], **more})


def order(confirmed: date | None = DAY, cancelled: date | None = None) -> VisitOrder:
    return VisitOrder(order="o", number="SHA-1", confirmed_on=confirmed, cancelled_on=cancelled)


def cost(minor: int, currency: str = "CNY") -> VisitCost:
    return VisitCost(id=f"k{next(_ids)}", type=CostType.TRANSPORT, amount=Money(minor=minor, currency=currency))


def duty(status: str, **more: Any) -> FormDuty:
    said = {
        "id": f"f{next(_ids)}",
        "owner": "li",
        "office": "sha",
        "region": "east",
        "business_date": DAY,
        "form": Form.REPORT,
        "status": status,
        "due_at": datetime(2017, 3, 14, 14, tzinfo=UTC),
    }
    return FormDuty(**{**said, **more})


def call(seconds: int, **more: Any) -> Call:
    said = {"owner": "li", "office": "sha", "region": "east", "business_date": DAY, "direction": Direction.OUTGOING}
    at = datetime(2017, 3, 14, 3, tzinfo=UTC)
    return Call(**{"id": f"c{next(_ids)}", **said, "started_at": at, "seconds": seconds, **more})


def counted(*states: Published) -> Totals:
    """The totals of one cell, from the last version of each."""
    log = Log()
    events = [log.say(state, 1) for state in states]
    return fold(c for event in events for c in BY_TOPIC[event.topic].read(event.payload).contributions)


def rate(value: float | None, numerator: int, denominator: int, formula: str) -> dict[str, Any]:
    return {"value": value, "numerator": numerator, "denominator": denominator, "formula": formula}


NAMES = [
    "stops_planned",
    "visits_done",
    "visits_not_met",
    "visits_missed",
    "visits_unplanned",
    "visits_effective",
    "visits_deal",
    "plan_adherence",
    "effective_visit_rate",
    "deal_rate",
    "visit_cost",
    "calls",
    "forms_due",
    "forms_on_time",
    "forms_late",
    "forms_missing",
    "forms_returned",
]


def test_the_measures_have_the_names_that_the_clients_ask_for() -> None:
    assert set(NAMES) <= set(MEASURES)


async def test_a_day_of_field_work_is_counted_as_by_hand(company: Reporting) -> None:
    """Four stops: done with an order, not met, missed, still open; one moved away, one cancelled; one visit unplanned.

    Five stops stood in the plan signed before the day: the four and the moved one. Nothing is signed yet.
    """
    done = good(committed=True, orders=[order()], costs=[cost(1200), cost(300), cost(500, "USD")])
    not_met = visit("not_met", committed=True, check_out=presence(minute=5))
    unplanned = good(planned=False, check_in=presence(hour=5, declared=True), check_out=presence(hour=6))
    rest = [
        visit("missed", committed=True),
        visit("planned", committed=True),
        visit("moved", committed=True),
        visit("cancelled", costs=[cost(100)]),
    ]
    forms = [duty("on_time", form=Form.PLAN, first_pass=True), duty("late", returned=2, first_pass=False)]
    await company.hear(done, not_met, unplanned, *rest, call(60), call(95), *forms)
    day = await company.one(LI, "day", **TODAY)
    assert {name: day[name] for name in [*NAMES, "visits_open", "selling_hours", "form_timeliness", "first_pass"]} == {
        "stops_planned": {"count": 4},
        "visits_done": {"count": 2},
        "visits_not_met": {"count": 1},
        "visits_missed": {"count": 1},
        "visits_open": {"count": 1},
        "visits_unplanned": {"count": 1},
        "visits_effective": {"count": 0, "pending": 2},
        "visits_deal": {"count": 0, "pending": 1},
        "plan_adherence": rate(0.4, 2, 5, "plan_adherence.v1"),
        "effective_visit_rate": rate(None, 0, 0, "effective_visit_rate.v1"),
        "deal_rate": {**rate(None, 0, 0, "deal_rate.v1"), "planned": rate(None, 0, 0, "deal_rate.planned.v1")},
        "visit_cost": {"amount": [{"minor": 1600, "currency": "CNY"}, {"minor": 500, "currency": "USD"}]},
        "selling_hours": {"minutes": 35, "declared_minutes": 60},
        "calls": {"count": 2, "seconds": 155},
        "forms_due": {"count": 2},
        "forms_on_time": {"count": 1},
        "forms_late": {"count": 1},
        "forms_missing": {"count": 0},
        "forms_returned": {"count": 1, "times": 2},
        "form_timeliness": rate(0.5, 1, 2, "form_timeliness.v1"),
        "first_pass": rate(0.5, 1, 2, "first_pass.v1"),
    }
    assert day["cost_per_visit"] == {
        "value": None,
        "numerator": None,
        "denominator": None,
        "by_currency": [
            {"currency": "CNY", "value": 533.3333, "numerator": 1600, "denominator": 3},
            {"currency": "USD", "value": 166.6667, "numerator": 500, "denominator": 3},
        ],
        "formula": "cost_per_visit.v1",
    }
    # The report is signed: every visit in it, the missed stop too.
    signed = [state.model_copy(update={"signed": SIGNED}) for state in (done, not_met, unplanned, rest[0])]
    await company.hear(*signed, version=2)
    for who, path, asked in (
        (LI, "day", TODAY),
        (SUPERVISOR, "week", {"since": "2017-W11", "until": "2017-W11", "level": "office"}),
        (TOP, "month", {"since": "2017-03", "until": "2017-03", "level": "company"}),
    ):
        after = await company.one(who, path, **asked)
        assert {name for name in after if after[name] != day[name]} == {
            "visits_effective",
            "visits_deal",
            "effective_visit_rate",
            "deal_rate",
        }
        assert after["visits_effective"] == {"count": 2, "pending": 0}
        assert after["visits_deal"] == {"count": 1, "pending": 0}
        assert after["effective_visit_rate"] == rate(0.6667, 2, 3, "effective_visit_rate.v1")
        assert after["deal_rate"] == {
            **rate(0.3333, 1, 3, "deal_rate.v1"),
            "planned": rate(0.3333, 1, 3, "deal_rate.planned.v1"),
        }


async def test_signing_moves_a_visit_and_a_correction_changes_it(company: Reporting) -> None:
    state = good()
    await company.hear(state)
    assert (await company.one(LI, "day", **TODAY))["visits_effective"] == {"count": 0, "pending": 1}
    await company.hear(state.model_copy(update={"signed": SIGNED}), version=2)
    assert (await company.one(LI, "day", **TODAY))["visits_effective"] == {"count": 1, "pending": 0}
    nothing = [PurposeResult(purpose=Purpose.ORDER, outcome=Outcome.NO_RESULT)]
    again = SIGNED.model_copy(update={"revision": 2})
    await company.hear(state.model_copy(update={"signed": again, "results": nothing}), version=3)
    day = await company.one(LI, "day", **TODAY)
    assert day["visits_effective"] == {"count": 0, "pending": 0}
    assert day["effective_visit_rate"] == rate(0.0, 0, 1, "effective_visit_rate.v1")


def test_an_excused_stop_counts_beside_the_others_and_not_against_the_plan() -> None:
    excused = visit("excused", committed=True, excused="leave")
    found = counted(excused, good(committed=True), visit("missed", committed=True))
    assert found["visits_excused/count"] == 1
    assert (found["stops_planned/count"], found["visits_missed/count"]) == (2, 1)
    assert (found["plan_adherence/numerator"], found["plan_adherence/denominator"]) == (1, 2)
    alone = counted(excused)
    assert alone == {"visits_excused/count": 1}


def test_a_proposed_check_out_is_never_measured_time() -> None:
    left = presence(minute=30).model_copy(update={"proposed": True})
    assert "selling_hours/minutes" not in counted(good(check_out=left))
    assert counted(good(check_out=left))["selling_hours/declared_minutes"] == 30


async def test_both_denominators_of_the_deal_rate_stand_side_by_side(company: Reporting) -> None:
    """Three planned stops, one of them visited; two more visits unplanned; two deals in all."""
    visits = [
        good(signed=SIGNED, orders=[order()]),
        visit("missed", signed=SIGNED),
        visit("missed", signed=SIGNED),
        good(signed=SIGNED, planned=False, orders=[order(), order(DAY, NEXT)]),
        visit("not_met", signed=SIGNED, planned=False),
        good(orders=[order()]),  # in a report that is not signed
    ]
    await company.hear(*visits)
    assert (await company.one(LI, "day", **TODAY))["deal_rate"] == {
        **rate(0.6667, 2, 3, "deal_rate.v1"),
        "planned": rate(0.6667, 2, 3, "deal_rate.planned.v1"),
    }
    await company.hear(visit("missed", signed=SIGNED))
    planned = (await company.one(LI, "day", **TODAY))["deal_rate"]["planned"]
    assert planned == rate(0.5, 2, 4, "deal_rate.planned.v1")


NO_RESULT = PurposeResult(purpose=Purpose.ORDER, outcome=Outcome.NO_RESULT)
ACHIEVED = PurposeResult(purpose=Purpose.SERVICE, outcome=Outcome.PROGRESS)
VERIFIED, INVALID = (
    presence().model_copy(update={"verdict": verdict}) for verdict in (Verdict.VERIFIED, Verdict.INVALID)
)


@pytest.mark.parametrize(
    ("more", "effective"),
    [
        ({}, True),
        ({"contact_name": None, "contact_met": "xu"}, True),
        ({"contact_name": None}, False),
        ({"contact_name": ""}, False),
        ({"results": []}, False),
        ({"results": [NO_RESULT]}, False),
        ({"results": [NO_RESULT, ACHIEVED]}, True),  # the planned purpose has an outcome, and not all are "no result"
        ({"results": [ACHIEVED]}, False),  # no outcome for what it was planned for
        ({"status": "not_met"}, False),
        ({"status": "checked_in"}, False),
        ({"planned": False}, True),
        ({"position_required": True}, False),
        ({"position_required": True, "check_in": VERIFIED}, True),
        ({"check_in": INVALID}, True),  # nobody asked for it
        ({"position_required": True, "check_in": INVALID, "check_out": VERIFIED}, False),
    ],
)
def test_a_visit_is_effective_by_the_first_version_of_the_definition(more: dict[str, Any], effective: bool) -> None:
    assert counted(good(**more)).get("visits_effective/pending", 0) == int(effective)
    assert counted(good(signed=SIGNED, **more)).get("visits_effective/count", 0) == int(effective)


@pytest.mark.parametrize(
    ("orders", "deal"),
    [
        ([], 0),
        ([order()], 1),
        ([order(), order()], 1),
        ([order(None)], 0),
        ([order(DAY, NEXT)], 0),
        ([order(DAY, NEXT), order()], 1),
    ],
)
def test_a_deal_is_a_confirmed_order_that_still_stands(orders: Sequence[VisitOrder], deal: int) -> None:
    assert counted(good(signed=SIGNED, orders=list(orders))).get("visits_deal/count", 0) == deal
    assert "visits_deal/count" not in counted(visit("missed", signed=SIGNED, orders=list(orders)))


@pytest.mark.parametrize(
    ("state", "adherence"),
    [
        (good(committed=True), (1, 1)),
        (visit("not_met", committed=True), (1, 1)),
        (good(committed=True, check_in=presence(NEXT), check_out=presence(NEXT, minute=9)), (0, 1)),
        (visit("missed", committed=True), (0, 1)),
        (visit("moved", committed=True), (0, 1)),
        (visit("cancelled", committed=True), (0, 1)),
        (visit("withdrawn", committed=True), (0, 1)),
        (visit("planned", committed=True), (0, 1)),
        (good(), (0, 0)),
        (good(planned=False), (0, 0)),
    ],
)
def test_adherence_is_measured_by_what_was_signed_before_the_day(state: Visit, adherence: tuple[int, int]) -> None:
    found = counted(state)
    assert (found.get("plan_adherence/numerator", 0), found.get("plan_adherence/denominator", 0)) == adherence


@pytest.mark.parametrize(
    ("state", "values"),
    [
        (duty("due"), {"forms_due/count": 1}),
        (
            duty("on_time"),
            {"forms_due/count": 1, "forms_on_time/count": 1, "first_pass/numerator": 0, "first_pass/denominator": 1},
        ),
        (duty("missing"), {"forms_due/count": 1, "forms_missing/count": 1}),
        (
            duty("late", returned=3),
            {
                "forms_due/count": 1,
                "forms_late/count": 1,
                "forms_returned/count": 1,
                "forms_returned/times": 3,
                "first_pass/numerator": 0,
                "first_pass/denominator": 1,
            },
        ),
        (duty("excused", returned=1), {}),
    ],
)
def test_a_form_counts_by_what_became_of_it(state: FormDuty, values: Totals) -> None:
    assert counted(state) == values


async def test_the_cost_per_visit_is_in_the_currency_of_the_costs(company: Reporting) -> None:
    await company.hear(good(costs=[cost(100)]), visit("not_met"), visit("missed"))
    assert (await company.one(LI, "day", **TODAY))["cost_per_visit"] == {
        **rate(50.0, 100, 2, "cost_per_visit.v1"),
        "currency": "CNY",
    }


async def test_a_visit_counts_where_its_person_worked_on_its_day(company: Reporting) -> None:
    await company.hear(good(), good(office="hgh"), good(business_date=NEXT, check_in=None, check_out=None))
    rows = await company.items(TOP, "day", since="2017-03-14", until="2017-03-15", level="office")
    assert [(row["period"], row["id"], row["measures"]["visits_done"]["count"]) for row in rows] == [
        ("2017-03-14", "hgh", 1),
        ("2017-03-14", "sha", 1),
        ("2017-03-15", "sha", 1),
    ]


async def test_the_visits_behind_a_number_are_listed(company: Reporting) -> None:
    signed, unsigned, missed = good(signed=SIGNED, customer="acme", customer_name="Acme"), good(), visit("missed")
    await company.hear(signed, unsigned, missed)
    rows = (await company.told(LI, "day/2017-03-14/facts", measure="visits_effective"))["items"]
    assert {row["id"]: (row["count"], row["pending"]) for row in rows} == {signed.id: (1, 0), unsigned.id: (0, 1)}
    assert {(row["kind"], row["customer_name"]) for row in rows} == {("visit", "Acme"), ("visit", None)}
    rows = (await company.told(LI, "day/2017-03-14/facts", measure="effective_visit_rate"))["items"]
    assert {row["measure"] for row in rows} == {"visits_effective", "signed_visits"}
    rows = (await company.told(LI, "day/2017-03-14/facts", measure="visits_missed"))["items"]
    assert [row["id"] for row in rows] == [missed.id]


async def test_after_waits_for_visits_calls_and_forms(company: Reporting) -> None:
    states = [good(), call(5), duty("due")]
    await company.hear(*states, version=3)
    for prefix, state in zip(("visit", "call", "form"), states, strict=True):
        assert "pending" not in await company.told(LI, "day", **TODAY, after=f"{prefix}:{state.id}@3")


# --- properties -----------------------------------------------------------------------------------

DAYS = st.sampled_from([DAY, NEXT, date(2017, 2, 28), date(2020, 12, 31), date(2021, 1, 1), date(2020, 2, 29)])
OWNERS = st.sampled_from([("li", "sha", "east"), ("li", "hgh", "east"), ("zhao", "can", "south")])


@st.composite
def visits(draw: st.DrawFn, visit_id: str) -> Visit:
    owner, office, region = draw(OWNERS)
    planned = draw(st.booleans())
    day = draw(DAYS)
    only_planned = {VisitStatus.PLANNED, VisitStatus.MISSED, VisitStatus.MOVED, VisitStatus.WITHDRAWN}
    status = draw(st.sampled_from([status for status in VisitStatus if planned or status not in only_planned]))
    checked = status in (*ACTUAL, VisitStatus.CHECKED_IN)
    began = draw(st.datetimes(datetime(2017, 3, 14), datetime(2017, 3, 16)))  # noqa: DTZ001 - made aware below
    results = st.builds(PurposeResult, purpose=st.sampled_from(Purpose), outcome=st.sampled_from(Outcome))
    return Visit(
        id=visit_id,
        owner=owner,
        office=office,
        region=region,
        business_date=day,
        status=status,
        planned=planned,
        committed=planned and draw(st.booleans()),
        purposes=draw(st.lists(st.sampled_from(Purpose), min_size=1, max_size=3, unique=True)),
        results=draw(st.lists(results, max_size=3)),
        contact_name=draw(st.none() | st.just("Ms Xu")),
        check_in=Presence(at=began.replace(tzinfo=UTC), business_date=day, by=owner) if checked else None,
        check_out=Presence(
            at=began.replace(tzinfo=UTC) + draw(st.timedeltas(timedelta(0), timedelta(hours=9))),
            business_date=day,
            by=owner,
            declared=draw(st.booleans()),
            proposed=draw(st.booleans()),
        )
        if status in ACTUAL
        else None,
        costs=draw(st.lists(st.builds(cost, st.integers(0, 10**6), st.sampled_from(["CNY", "USD"])), max_size=2)),
        orders=draw(st.lists(st.builds(order, st.none() | DAYS, st.none() | DAYS), max_size=2)),
        signed=draw(st.none() | st.just(SIGNED)),
    )


@given(st.lists(visits("v"), max_size=20))
@settings(deadline=None)
def test_what_became_of_the_stops_adds_up_to_them(said: list[Visit]) -> None:
    found = counted(*said)

    def n(measure: str) -> int:
        return found.get(f"{measure}/count", 0)

    became = ("visits_done", "visits_not_met", "visits_missed", "visits_open")
    assert n("stops_planned") + n("visits_unplanned") == sum(n(measure) for measure in became)
    assert found.get("visits_effective/pending", 0) + n("visits_effective") <= n("visits_done")
    assert n("visits_effective") <= found.get("signed_visits/actual", 0) <= n("visits_done") + n("visits_not_met")
    assert found.get("signed_visits/stops", 0) <= n("stops_planned")
    proposed = [state for state in said if state.check_out is not None and state.check_out.proposed]
    if len(proposed) == len([state for state in said if state.check_out is not None]):
        assert "selling_hours/minutes" not in found
    assert n("visits_excused") == sum(state.planned and state.status == "excused" for state in said)
    assert found.get("plan_adherence/numerator", 0) <= found.get("plan_adherence/denominator", 0)


@given(st.lists(visits("v"), max_size=20))
@settings(deadline=None)
def test_an_unsigned_report_adds_nothing_and_signing_moves_what_was_pending(said: list[Visit]) -> None:
    unsigned = counted(*(state.model_copy(update={"signed": None}) for state in said))
    signed = counted(*(state.model_copy(update={"signed": SIGNED}) for state in said))
    for measure in ("visits_effective", "visits_deal"):
        assert f"{measure}/count" not in unsigned
        assert f"{measure}/pending" not in signed
        assert unsigned.get(f"{measure}/pending", 0) == signed.get(f"{measure}/count", 0)
    assert not any(path.startswith("signed_visits/") for path in unsigned)
    gated = ("visits_effective/", "visits_deal/", "signed_visits/")
    assert {path: n for path, n in unsigned.items() if not path.startswith(gated)} == {
        path: n for path, n in signed.items() if not path.startswith(gated)
    }


@st.composite
def calls(draw: st.DrawFn, call_id: str) -> Call:
    owner, office, region = draw(OWNERS)
    where = {"owner": owner, "office": office, "region": region}
    return call(draw(st.integers(0, 9999)), id=call_id, business_date=draw(DAYS), **where)


@st.composite
def duties(draw: st.DrawFn, duty_id: str) -> FormDuty:
    owner, office, region = draw(OWNERS)
    more = {"owner": owner, "office": office, "region": region, "business_date": draw(DAYS)}
    return duty(draw(st.sampled_from(FormStatus)), id=duty_id, returned=draw(st.integers(0, 2)), **more)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Published, int]]:
    found: list[tuple[Published, int]] = []
    for make, name, most in ((visits, "v", 4), (calls, "c", 2), (duties, "d", 2)):
        for n in range(draw(st.integers(0, most))):
            versions = draw(st.integers(1, 4))
            found += [(draw(make(f"{name}{n}")), version) for version in range(1, versions + 1)]
    return found


@given(histories(), st.data())
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_and_duplication_gives_the_same_numbers(
    mongo: str, history: list[tuple[Published, int]], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(history), max_size=4)) if history else []
    log = Log()
    events = [log.say(state, version) for state, version in data.draw(st.permutations(history + repeated))]
    cut = data.draw(st.integers(0, len(events)))

    async def check() -> None:
        async with a_database(mongo) as (_, database):
            learner = Learner(database)
            for batch in (events[:cut], events[cut:]):
                await learner.take(batch)
            assert await totals(database) == expected(history)

    run(check())


def test_the_sources_are_heard() -> None:
    assert {VISITS.name, CALLS.name, FORM_DUTIES.name} <= set(BY_TOPIC)
