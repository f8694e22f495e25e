"""When a form is due, and whether one is due at all (V-18, row 44). Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from contracts.staff import Office, Person, Role
from contracts.visits import Form, TimeOfDay, VisitPolicy


def due_at(office: Office, day: date, cutoff: TimeOfDay) -> datetime:
    """The instant of a time of day in the office's zone on that business date, UTC."""
    return datetime.combine(day, time.fromisoformat(cutoff), ZoneInfo(office.timezone)).astimezone(UTC)


def form_due_at(office: Office, policy: VisitPolicy, form: Form, day: date) -> datetime:
    return due_at(office, day, policy.plan_due if form is Form.PLAN else policy.report_due)


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
