"""When a form is due, whether one is due at all, and whether it is in time (V-18, row 44). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from contracts.staff import Office, Person, Role
from contracts.visits import DueTime, Form, VisitPolicy

_NEXT_DAY = "+1"


@dataclass(frozen=True, slots=True)
class Deadline:
    """due_at: the cut-off. arrive_by: what is said to be in time must have come here by then. Both UTC."""

    due_at: datetime
    arrive_by: datetime

    def late(self, at: datetime, arrived_at: datetime) -> bool:
        """Whether it is late: by its own word, or because it came here too long after the cut-off to take its word.

        at: when it is said to have been handed in; arrived_at: when it came here.
        """
        return at > self.due_at or arrived_at > self.arrive_by

    def late_arrival(self, at: datetime, arrived_at: datetime) -> bool:
        """Whether it is late although it says that it is not."""
        return at <= self.due_at and arrived_at > self.arrive_by


def due_at(office: Office, day: date, cutoff: DueTime) -> datetime:
    """The instant of a cut-off of that business date in the office's zone, UTC; 09:00+1 is on the day after."""
    at = time.fromisoformat(cutoff.removesuffix(_NEXT_DAY))
    if cutoff.endswith(_NEXT_DAY):
        day += timedelta(days=1)
    return datetime.combine(day, at, ZoneInfo(office.timezone)).astimezone(UTC)


def deadline(office: Office, policy: VisitPolicy, form: Form, day: date) -> Deadline:
    due = due_at(office, day, policy.plan_due if form is Form.PLAN else policy.report_due)
    return Deadline(due, due + timedelta(minutes=policy.sync_grace))


def is_due_day(office: Office, policy: VisitPolicy, day: date) -> bool:
    """Whether the office's people owe forms for that day: a working day of its calendar, from `forms_from` on."""
    if policy.forms_from is None or day < policy.forms_from:
        return False
    if office.opened_on is not None and day < office.opened_on:
        return False
    if office.closed_on is not None and day >= office.closed_on:
        return False
    return office.is_workday(day)


def owes(person: Person, office_id: str, day: date) -> bool:
    """Whether that person owes forms to that office: a salesperson on its roster."""
    posting = person.posting_on(day)
    return posting is not None and posting.role is Role.SALESPERSON and posting.office == office_id
