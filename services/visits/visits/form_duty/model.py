"""One form that a person owes for one day, and what became of it (domain.md V-18; rows 44, 73). Pure.

    due ──> on_time            by the first submission against the cut-off, returned or not, if it came here in time
     └────> missing ──> late
    any of them <──> excused   while an approved leave holds the day, or nothing is owed for it any more

What was handed in is known from the newest version of the plan or report, the rest from leave, calendar and roster as
they stand: so the same events make the same duty in whatever order they come, and however often.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from contracts.envelope import Happened
from contracts.visits import (
    DailyReport,
    FormDuty,
    FormDutyEvent,
    FormStatus,
    PlanRevision,
    ReportRevision,
    Stop,
    VisitPlan,
)

Outcome = tuple[FormDuty, Happened | None]


@dataclass(frozen=True, slots=True)
class Filed:
    """What a plan or report says of itself. version: its own, by which the newest is known."""

    version: int
    submitted_at: datetime
    arrived_at: datetime
    returned: int
    signed_at: datetime | None
    first_pass: bool | None
    completeness: int


def filed(form: VisitPlan | DailyReport, version: int) -> Filed | None:
    """None for what has never been handed in."""
    submitted_at = form.first_submitted_at or (form.submission.at if form.submission else None)
    if submitted_at is None:
        return None
    signed: PlanRevision | ReportRevision | None = form.revisions[0] if form.revisions else None
    return Filed(
        version=version,
        submitted_at=submitted_at,
        arrived_at=form.first_arrived_at or submitted_at,
        returned=form.returns,
        signed_at=signed.signature.at if signed else None,
        first_pass=signed.returns == 0 if signed else None,
        completeness=form.completeness if isinstance(form, DailyReport) else _whole(form.stops),
    )


def opened(duty: FormDuty, form: Filed | None, excused: bool, at: datetime) -> tuple[FormDuty, Happened]:
    """The duty of a day that has begun, or of one for which the form is there already. at: the present instant."""
    known, _ = learned(duty, form, excused, at)
    if known.status is FormStatus.DUE and at > known.due_at:
        known = known.model_copy(update={"status": FormStatus.MISSING})
    return known, _happened(_OPENED.get(known.status, FormDutyEvent.SUBMITTED), at, known.business_date)


def learned(duty: FormDuty, form: Filed | None, excused: bool, at: datetime) -> Outcome:
    """The duty with what is known now. form: None says nothing new of it; excused: nothing is owed."""
    known = duty
    if form is not None and form.version > duty.form_version:
        known = duty.model_copy(
            update={
                "submitted_at": form.submitted_at,
                "arrived_at": form.arrived_at,
                "returned": form.returned,
                "signed_at": form.signed_at,
                "first_pass": form.first_pass,
                "completeness": form.completeness,
                "form_version": form.version,
            }
        )
    known = known.model_copy(update={"status": _status(known, excused), "late_arrival": _late_arrival(known)})
    if known == duty:
        return duty, None
    return known, _happened(_what(duty, known), at, known.business_date)


def missed(duty: FormDuty, at: datetime) -> Outcome:
    """Nothing was handed in until the cut-off."""
    if duty.status is not FormStatus.DUE or at <= duty.due_at:
        return duty, None
    known = duty.model_copy(update={"status": FormStatus.MISSING})
    return known, _happened(FormDutyEvent.MISSING, at, duty.business_date)


def _status(duty: FormDuty, excused: bool) -> FormStatus:
    if excused:
        return FormStatus.EXCUSED
    if duty.submitted_at is not None:
        in_time = duty.submitted_at <= duty.due_at and not _late_arrival(duty)
        return FormStatus.ON_TIME if in_time else FormStatus.LATE
    return FormStatus.MISSING if duty.status is FormStatus.MISSING else FormStatus.DUE


def _late_arrival(duty: FormDuty) -> bool:
    """Whether it says that it was in time, and came here too late for that."""
    if duty.submitted_at is None or duty.arrived_at is None or duty.arrive_by is None:
        return False
    return duty.submitted_at <= duty.due_at and duty.arrived_at > duty.arrive_by


def _what(before: FormDuty, after: FormDuty) -> FormDutyEvent:
    """The most telling of what has changed."""
    if FormStatus.EXCUSED in (before.status, after.status) and before.status is not after.status:
        return FormDutyEvent.EXCUSED if after.status is FormStatus.EXCUSED else FormDutyEvent.DUE_AGAIN
    if before.submitted_at is not None and before.signed_at is None and after.signed_at is not None:
        return FormDutyEvent.SIGNED
    if before.submitted_at is not None and after.returned > before.returned:
        return FormDutyEvent.RETURNED
    return FormDutyEvent.SUBMITTED


_OPENED = {
    FormStatus.DUE: FormDutyEvent.DUE,
    FormStatus.MISSING: FormDutyEvent.MISSING,
    FormStatus.EXCUSED: FormDutyEvent.EXCUSED,
}


def _whole(stops: list[Stop]) -> int:
    """Share of the stops that say where, when and what for, in percent."""
    whole = sum(bool((stop.customer or stop.area) and stop.starts and stop.ends and stop.purposes) for stop in stops)
    return 100 * whole // len(stops) if stops else 0


def _happened(event: FormDutyEvent, at: datetime, day: date) -> Happened:
    return Happened(event, at, day)
