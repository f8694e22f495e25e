"""What happens to field work when its office comes to another region (domain.md A1, A8).

Two rules, so that the new region's supervisor reaches what is still to be done, and past results stay where they were:

- Open plans, reports, tasks, meetings, market reports, leave and trips follow the office: they have the region in which
  it is today, or on their own day where that is still to come.
- Visits and form duties are counted by region and day. They have the region of the office on their business date, also
  where the move was said after they were made; those of earlier days stay with the former region.

The same again changes nothing. A move that was said ahead is followed by the timer on its day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from chassis import clock
from chassis.aggregate import Command, Decision, Repository
from chassis.received import Received
from chassis.scope import everything
from chassis.supervision import each_alone
from contracts.envelope import Happened
from contracts.staff import Office
from contracts.visits import (
    AbsenceEvent,
    AbsenceStatus,
    FormDutyEvent,
    MarketReportEvent,
    MarketReportStatus,
    MeetingEvent,
    MeetingStatus,
    PlanEvent,
    PlanStatus,
    ReportEvent,
    ReportStatus,
    TaskEvent,
    TaskStatus,
    VisitEvent,
)
from visits.repositories import Repositories

A_TURN: Final = 500
"""Records of one kind and office that follow in one turn; the next turn goes on."""

_OFFICES = everything("an office moves with all of its field work")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record that follows its office. open: the states in which it is still to be worked on."""

    repository: Repository[Any]
    moved: str
    open: Sequence[str]


def followers(repositories: Repositories) -> list[Kind]:
    """The kinds that follow while they are open."""
    return [
        Kind(repositories.plans, PlanEvent.REGION_CHANGED, [s for s in PlanStatus if s is not PlanStatus.CLOSED]),
        Kind(
            repositories.reports, ReportEvent.REGION_CHANGED, [s for s in ReportStatus if s is not ReportStatus.SIGNED]
        ),
        Kind(repositories.tasks, TaskEvent.REGION_CHANGED, [TaskStatus.OPEN]),
        Kind(repositories.meetings, MeetingEvent.REGION_CHANGED, [MeetingStatus.PLANNED, MeetingStatus.HELD]),
        Kind(
            repositories.market_reports,
            MarketReportEvent.REGION_CHANGED,
            [s for s in MarketReportStatus if s is not MarketReportStatus.CLOSED],
        ),
        Kind(repositories.absences, AbsenceEvent.REGION_CHANGED, [AbsenceStatus.APPLIED, AbsenceStatus.APPROVED]),
    ]


def counted(repositories: Repositories) -> list[Kind]:
    """The kinds that are counted by region and day, whatever their state."""
    return [
        Kind(repositories.visits, VisitEvent.REGION_CHANGED, ()),
        Kind(repositories.duties, FormDutyEvent.REGION_CHANGED, ()),
    ]


async def on_offices(repositories: Repositories, events: Sequence[Received]) -> None:
    """A reaction on offices: a move was said."""
    for office_id in {event.subject for event in events}:
        if (office := await repositories.known.offices.get(office_id)) is not None:
            await _follow(repositories, office)


async def follow_all(repositories: Repositories) -> None:
    """A timer's work: moves that were said ahead, on their day. An office that never moves costs nothing."""
    for office in await repositories.known.offices.find({"regions.1": {"$exists": True}}):
        await _follow(repositories, office)


async def _follow(repositories: Repositories, office: Office) -> None:
    if len(office.regions) < 2:
        return
    now = clock.now().replace(microsecond=0)
    today = office.business_date(now)
    for kind in followers(repositories):
        region = office.region_on(today)
        due = {"status": {"$in": list(kind.open)}, "business_date": {"$lte": today.isoformat()}}
        await _move(kind, office, {**due, "region": {"$ne": region}}, now, today)
    entries = sorted(office.regions, key=lambda entry: entry.valid_from)
    for number, entry in enumerate(entries[1:], 1):
        days = {"$gte": entry.valid_from.isoformat()}
        if number + 1 < len(entries):
            days["$lt"] = entries[number + 1].valid_from.isoformat()
        where = {"business_date": days, "region": {"$ne": entry.region}}
        for kind in counted(repositories):
            await _move(kind, office, where, now, today)
        ahead = {**days, "$gte": max(entry.valid_from, today).isoformat()}
        for kind in followers(repositories):
            await _move(kind, office, {**where, "business_date": ahead, "status": {"$in": list(kind.open)}}, now, today)


async def _move(kind: Kind, office: Office, where: Mapping[str, Any], now: datetime, today: date) -> None:
    def decide(record: Any) -> Decision[Any]:
        if kind.open and record.status not in kind.open:
            return record, None
        day = max(record.business_date, today) if kind.open else record.business_date
        region = office.region_on(day)
        if record.region == region:
            return record, None
        return record.model_copy(update={"region": region}), Happened(kind.moved, now, today)

    found = await kind.repository.find(_OFFICES, {"office": office.id, **where}, limit=A_TURN)
    for stored in found:
        with each_alone("offices that move", stored.state.id):
            await kind.repository.change(stored.state.id, _OFFICES, decide, Command(actor="/visits"))
