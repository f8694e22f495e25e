"""What a visit contributes, on its business date, to whose visit it is (domain.md A4, V-03, V-06, V-17).

- stops_planned: planned stops, all but the cancelled, moved, withdrawn and excused. visits_done, visits_not_met,
  visits_missed and visits_open are what became of them; visits_unplanned were done or not met without a stop. So
  stops_planned + visits_unplanned = visits_done + visits_not_met + visits_missed + visits_open, always.
- visits_excused: planned stops to which nobody was expected, because of approved leave, a holiday or because their
  owner had left. They stand beside that sum, and plan_adherence leaves them out.
- visits_effective 有效访问 (v1): completed, a named contact met, an outcome for at least one purpose that it was
  for, and not every outcome "no result". Where the office's rules said so at the check-in, only with a position that
  was verified then.
- visits_deal: done or not met, with at least one attributed order that is confirmed and not cancelled.
- Both count once the daily report in which the visit stands is signed; until then they are pending, beside the
  count. signed_visits holds the denominators of their rates, gated in the same way.
- plan_adherence: of the stops in the last revision signed before the day began, whatever became of them later,
  those visited (done or not met) on the day itself. An excused one counts only if somebody went all the same.
- visit_cost: every cost of the visit, whatever its state.
- selling_hours: whole minutes from check-in to check-out; `declared_minutes` where either was entered afterwards, or
  the check-out was proposed because nobody had made it by the end of the day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

from contracts.topics import VISITS
from reporting.measures.source import Reading, Shape, Source
from reporting.totals import Cell, Contribution

ACTUAL = frozenset({"completed", "not_met"})
OPEN = frozenset({"planned", "checked_in"})
GONE = frozenset({"cancelled", "moved", "withdrawn", "excused"})
"""Stops of which nothing is expected on that day any more."""


class _Presence(msgspec.Struct):
    at: datetime
    business_date: date
    declared: bool = False
    proposed: bool = False
    verdict: str = "unverified"


class _Result(msgspec.Struct):
    purpose: str
    outcome: str


class _Money(msgspec.Struct):
    minor: int
    currency: str


class _Cost(msgspec.Struct):
    amount: _Money


class _Order(msgspec.Struct):
    confirmed_on: date | None = None
    cancelled_on: date | None = None


class _Signature(msgspec.Struct):
    report: str


class _Visit(msgspec.Struct):
    """The part of contracts.visits.Visit that counts."""

    owner: str
    office: str
    region: str
    business_date: date
    status: str
    planned: bool
    purposes: list[str]
    committed: bool = False
    customer: str | None = None
    customer_name: str | None = None
    check_in: _Presence | None = None
    check_out: _Presence | None = None
    position_required: bool = False
    contact_met: str | None = None
    contact_name: str | None = None
    results: list[_Result] = []
    costs: list[_Cost] = []
    orders: list[_Order] = []
    signed: _Signature | None = None


_decoder = msgspec.json.Decoder(_Visit)


def read(payload: bytes) -> Reading:
    visit = _decoder.decode(payload)
    cell = Cell(visit.business_date.isoformat(), visit.region, visit.office, visit.owner).key
    found: list[Contribution] = []

    def add(measure: str, values: dict[str, int]) -> None:
        found.append(Contribution(measure, cell, values))

    stop = visit.planned and visit.status not in GONE
    actual = visit.status in ACTUAL
    if stop:
        add("stops_planned", {"count": 1})
    if visit.status == "completed":
        add("visits_done", {"count": 1})
    if visit.status == "not_met":
        add("visits_not_met", {"count": 1})
    if visit.status == "missed":
        add("visits_missed", {"count": 1})
    if visit.planned and visit.status == "excused":
        add("visits_excused", {"count": 1})
    if stop and visit.status in OPEN:
        add("visits_open", {"count": 1})
    if actual and not visit.planned:
        add("visits_unplanned", {"count": 1})
    gate = "pending" if visit.signed is None else "count"
    if _effective(visit):
        add("visits_effective", {gate: 1})
    if actual and any(order.confirmed_on and not order.cancelled_on for order in visit.orders):
        add("visits_deal", {gate: 1})
    if visit.signed is not None and (actual or stop):
        add("signed_visits", {"actual": int(actual), "stops": int(stop)})
    if visit.committed and visit.status != "excused":
        add("plan_adherence", {"numerator": int(actual and _on_the_day(visit)), "denominator": 1})
    cost: dict[str, int] = {}
    for claimed in visit.costs:
        path = f"amount/{claimed.amount.currency}"
        cost[path] = cost.get(path, 0) + claimed.amount.minor
    if cost:
        add("visit_cost", cost)
    if visit.check_in is not None and visit.check_out is not None:
        minutes = (visit.check_out.at - visit.check_in.at) // timedelta(minutes=1)
        declared = visit.check_in.declared or visit.check_out.declared or visit.check_out.proposed
        add("selling_hours", {"declared_minutes" if declared else "minutes": minutes})
    row = {"customer": visit.customer, "customer_name": visit.customer_name, "status": visit.status}
    return Reading(row, found)


def _effective(visit: _Visit) -> bool:
    return (
        visit.status == "completed"
        and bool(visit.contact_met or visit.contact_name)
        and any(result.purpose in visit.purposes for result in visit.results)
        and any(result.outcome != "no_result" for result in visit.results)
        and (not visit.position_required or (visit.check_in is not None and visit.check_in.verdict == "verified"))
    )


def _on_the_day(visit: _Visit) -> bool:
    # What was entered afterwards without a check-in is taken at the day that it was entered for.
    return visit.check_in is None or visit.check_in.business_date == visit.business_date


_COUNT = Shape(counts=("count",))
_GATED = Shape(counts=("count", "pending"))

SOURCE = Source(
    name="visits",
    prefix="visit",
    topic=VISITS,
    measures={
        "stops_planned": _COUNT,
        "visits_done": _COUNT,
        "visits_not_met": _COUNT,
        "visits_missed": _COUNT,
        "visits_unplanned": _COUNT,
        "visits_open": _COUNT,
        "visits_excused": _COUNT,
        "visits_effective": _GATED,
        "visits_deal": _GATED,
        "signed_visits": Shape(counts=("actual", "stops"), shown=False),
        "plan_adherence": Shape(counts=("numerator", "denominator"), shown=False),
        "visit_cost": Shape(amounts=("amount",)),
        "selling_hours": Shape(counts=("minutes", "declared_minutes")),
    },
    read=read,
)
