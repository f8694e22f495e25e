"""What the system knows of somebody's day, as sections of the daily report (V-04). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from contracts.money import Money, per_currency
from contracts.orders import Order, OrderStatus
from contracts.reporting import Target, shares_of
from contracts.visits import (
    Attendance,
    OrdersAndCollections,
    Presentness,
    Ratio,
    Section,
    Sections,
    TalkLine,
    Visit,
    VisitStatus,
)

MADE = frozenset({VisitStatus.CHECKED_IN, VisitStatus.COMPLETED, VisitStatus.NOT_MET})
"""Visits to which somebody has gone."""
OPEN = frozenset({VisitStatus.PLANNED, VisitStatus.CHECKED_IN})
"""Visits of which it is not known yet what became of them."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A person's day. away: the approved leave or trip of that day."""

    talks: Sequence[TalkLine]
    orders_confirmed: int
    orders: Sequence[Ratio]
    away: Presentness | None = None


def facts(
    person: str,
    day: date,
    visits: Iterable[Visit],
    orders: Iterable[Order],
    targets: Iterable[Target],
    away: Presentness | None,
) -> Facts:
    """visits: of that person and day; orders, targets: any. Orders count by confirmation, less those cancelled."""
    confirmed = [order for order in orders if _confirmed_by(order, person, day)]
    month = f"{day:%Y-%m}"
    shares = [
        Money(
            minor=shares_of(target).get(day, 0),
            currency=target.amount.currency,
        )
        for target in targets
        if target.person == person and target.month == month
    ]
    return Facts(
        talks=[_talk(visit) for visit in sorted(visits, key=_when) if visit.status is not VisitStatus.WITHDRAWN],
        orders_confirmed=len(confirmed),
        orders=ratios([order.total for order in confirmed], shares),
        away=away,
    )


def ratios(actual: Iterable[Money], target: Iterable[Money]) -> list[Ratio]:
    """实绩与比率: actual and target of each currency, and actual ÷ target in basis points, rounded half up (A4)."""
    done = {amount.currency: amount.minor for amount in per_currency(actual)}
    # A target of nothing, as on a day off, is none: no ratio can be had of it.
    wanted = {amount.currency: amount.minor for amount in per_currency(target) if amount.minor}
    return [_ratio(currency, done.get(currency, 0), wanted.get(currency)) for currency in sorted({*done, *wanted})]


def filled_in(sections: Sections, known: Facts) -> Sections:
    """The sections with what is known now; everything that was typed stays, a comment with its visit."""
    comments = {line.visit: line.comment for line in sections.talks if line.comment}
    talks = [line.model_copy(update={"comment": comments.pop(line.visit, None)}) for line in known.talks]
    # A comment is not lost with its visit.
    talks += [line for line in sections.talks if line.visit in comments]
    typed = sections.orders_and_collections or OrdersAndCollections()
    figures = typed.model_copy(update={"orders_confirmed": known.orders_confirmed, "orders": list(known.orders)})
    attendance = sections.attendance
    if attendance is None and known.away is not None and Section.ATTENDANCE not in sections.none:
        attendance = Attendance(kind=known.away)
    if attendance is not None:
        attendance = attendance.model_copy(update={"gap": gap(attendance, talks, known.away)})
    return without_filled(
        sections.model_copy(update={"talks": talks, "orders_and_collections": figures, "attendance": attendance})
    )


def gap(attendance: Attendance, talks: Sequence[TalkLine], away: Presentness | None) -> str | None:
    """What does not fit between attendance, leave and visits (row 41); it is shown and blocks nothing."""
    visited = any(line.status in MADE for line in talks)
    if visited and Presentness.LEAVE in (attendance.kind, away):
        return "休假当天有访问 / visits while on leave"
    if visited and attendance.kind is Presentness.ABSENT:
        return "缺勤当天有访问 / visits while absent"
    if attendance.kind is Presentness.PRESENT and away is Presentness.LEAVE:
        return "出勤日有已批准的请假 / present on a day of approved leave"
    if attendance.kind is Presentness.PRESENT and not visited:
        return "出勤但无访问 / present without a visit"
    return None


def is_filled(section: Section, sections: Sections) -> bool:
    """Whether something stands in that section."""
    return bool(getattr(sections, section.value))


def says_something(section: Section, sections: Sections) -> bool:
    """The same, but figures that are all zero say nothing: they may be left empty explicitly."""
    figures = sections.orders_and_collections
    if section is not Section.ORDERS_AND_COLLECTIONS or figures is None:
        return is_filled(section, sections)
    amounts = [*figures.orders, *figures.collections]
    return figures.orders_confirmed > 0 or any(amount.actual for amount in amounts)


def missing(sections: Sections) -> list[Section]:
    """The sections that are neither filled nor explicitly left empty."""
    return [section for section in Section if section not in sections.none and not is_filled(section, sections)]


def without_filled(sections: Sections) -> Sections:
    """What has become filled is not left empty any more."""
    kept = [section for section in Section if section in sections.none and not says_something(section, sections)]
    return sections if kept == sections.none else sections.model_copy(update={"none": kept})


def _confirmed_by(order: Order, person: str, day: date) -> bool:
    said = order.confirmation
    if said is None or order.status is OrderStatus.CANCELLED:
        return False
    return said.business_date == day and said.credit.person == person


def _talk(visit: Visit) -> TalkLine:
    return TalkLine(
        visit=visit.id,
        customer=visit.customer,
        customer_name=visit.customer_name,
        status=visit.status,
        planned=visit.planned,
        contact_name=visit.contact_name,
        results=visit.results,
        next_step=visit.next_step,
        check_out_proposed=visit.check_out is not None and visit.check_out.proposed,
    )


def _when(visit: Visit) -> tuple[bool, str, str, str]:
    """As the day went: by time slot, then by arrival."""
    arrived = visit.check_in.at.isoformat() if visit.check_in else ""
    return visit.starts is None, visit.starts or "", arrived, visit.id


def _ratio(currency: str, actual: int, target: int | None) -> Ratio:
    share = None if target is None else (20_000 * actual + target) // (2 * target)
    return Ratio(currency=currency, actual=actual, target=target, ratio=share)
