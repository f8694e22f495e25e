"""Stops to which nobody is expected: on approved leave, on a holiday of the office, after their owner has left.

They are excused as the forms of those days are: not missed, not among the planned stops, and not in plan adherence.
Whoever goes all the same checks in as ever. Each reaction looks at how things stand now, so leave that is approved
afterwards excuses what was missed, and leave that is cancelled has the stops planned again, or missed where their day
is over. A trip excuses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from chassis import clock
from chassis.aggregate import Command, Stored
from chassis.received import Received
from chassis.scope import everything
from contracts.envelope import Happened
from contracts.visits import Absence, AbsenceKind, AbsenceStatus, Excuse, Visit, VisitStatus
from visits.repositories import Repositories
from visits.visit import model

CHANGED_BACK: Final = timedelta(days=62)
"""So far back a change of the calendar or the roster is looked up in the visits: two months."""

_ANY = everything("a stop is excused by leave and calendar, for nobody")
_OPEN: Final = {"$in": [VisitStatus.PLANNED, VisitStatus.MISSED, VisitStatus.EXCUSED]}


class Excuses:
    """What excuses people on days, as it stands; each person and day is asked for once."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._known: dict[tuple[str, str, date], Excuse | None] = {}

    async def of(self, visit: Visit) -> Excuse | None:
        key = (visit.owner, visit.office, visit.business_date)
        if key not in self._known:
            self._known[key] = await self._look(*key)
        return self._known[key]

    async def _look(self, owner: str, office_id: str, day: date) -> Excuse | None:
        known = self._repositories.known
        person = await known.people.get(owner)
        if person is not None and person.left_on is not None and person.left_on <= day:
            return Excuse.LEFT
        office = await known.offices.get(office_id)
        if office is not None and day in office.holidays and day not in office.extra_workdays:
            return Excuse.HOLIDAY
        leave = {
            "owner": owner,
            "kind": AbsenceKind.LEAVE,
            "status": AbsenceStatus.APPROVED,
            "business_date": {"$lte": day.isoformat()},
            "last_day": {"$gte": day.isoformat()},
        }
        return Excuse.LEAVE if await self._repositories.absences.find(_ANY, leave, limit=1) else None


async def settle(repositories: Repositories, visits: Iterable[Stored[Visit]], at: datetime, command: Command) -> None:
    """Excuse those of the visits that are excused as things stand, and have the others due again."""
    excuses = Excuses(repositories)
    for stored in visits:
        why, over = await excuses.of(stored.state), await _is_over(repositories, stored.state)
        if model.excuse(stored.state, why, over, at)[1] is None:
            continue

        async def decide(visit: Visit) -> tuple[Visit, Happened | None]:
            # Leave may have been decided since; the visit goes by how it stands when it is written.
            why = await Excuses(repositories).of(visit)
            return model.excuse(visit, why, await _is_over(repositories, visit), at)

        await repositories.visits.change(stored.state.id, _ANY, decide, command)


async def on_absences(repositories: Repositories, events: Sequence[Received]) -> None:
    """Leave was approved, or cancelled."""
    for event in events:
        absence = event.data(Absence)
        if absence.kind is AbsenceKind.LEAVE:
            days = {"$gte": absence.business_date.isoformat(), "$lte": absence.last_day.isoformat()}
            await _settle(repositories, {"owner": absence.owner, "business_date": days}, event)


async def on_offices(repositories: Repositories, events: Sequence[Received]) -> None:
    """A holiday was declared, or taken back."""
    since = _since()
    for event in events:
        office = await repositories.known.offices.get(event.subject)
        if office is None:
            continue
        holidays = [day.isoformat() for day in office.holidays if day.isoformat() >= since]
        if holidays:
            await _settle(repositories, {"office": office.id, "business_date": {"$in": holidays}}, event)
        excused = {"office": office.id, "business_date": {"$gte": since}, "excused": Excuse.HOLIDAY}
        await _settle(repositories, excused, event, status=VisitStatus.EXCUSED)


async def on_people(repositories: Repositories, events: Sequence[Received]) -> None:
    """Somebody has left, or stays after all."""
    for event in events:
        person = await repositories.known.people.get(event.subject)
        if person is None:
            continue
        if person.left_on is not None:
            days = {"$gte": max(_since(), person.left_on.isoformat())}
            await _settle(repositories, {"owner": person.id, "business_date": days}, event)
        excused = {"owner": person.id, "business_date": {"$gte": _since()}, "excused": Excuse.LEFT}
        await _settle(repositories, excused, event, status=VisitStatus.EXCUSED)


async def _settle(
    repositories: Repositories, where: Mapping[str, Any], event: Received, *, status: Any = _OPEN
) -> None:
    found = await repositories.visits.find(_ANY, {**where, "status": status})
    command = Command(actor="/visits", causation=event.id, correlation=event.correlation, traceparent=event.traceparent)
    await settle(repositories, found, event.occurred_at, command)


async def _is_over(repositories: Repositories, visit: Visit) -> bool:
    office = await repositories.known.office(visit.office)
    return office.business_date(clock.now()) > visit.business_date


def _since() -> str:
    return (clock.now() - CHANGED_BACK).date().isoformat()
