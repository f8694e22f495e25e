"""A complaint that was raised in a daily report, as the complaints service hears of it (domain.md V-10). Pure.

    raised ──> changed ──> withdrawn ──> changed …

What a report says counts once it is handed in, and until another version of it is handed in.
"""

from __future__ import annotations

from contracts.envelope import Happened
from contracts.steps import Step
from contracts.visits import ComplaintLine, DailyReport, FieldComplaint, FieldComplaintEvent

Outcome = tuple[FieldComplaint, Happened | None]


def raised(report: DailyReport, version: int, line: ComplaintLine, submission: Step) -> tuple[FieldComplaint, Happened]:
    """A line that stands in a report for the first time. version: the report's."""
    complaint = FieldComplaint(
        id=line.id,
        owner=report.owner,
        office=report.office,
        region=report.region,
        business_date=report.business_date,
        imported=report.imported,
        report=report.id,
        visit=line.visit,
        customer=line.customer,
        customer_name=line.customer_name,
        severity=line.severity,
        text=line.text,
        raised_at=submission.at,
        report_version=version,
    )
    return complaint, Happened(FieldComplaintEvent.RAISED, submission.at, submission.business_date)


def said(complaint: FieldComplaint, version: int, line: ComplaintLine | None, submission: Step) -> Outcome:
    """The same complaint by a newer version of its report; None: the line is not in it any more.

    An older version, or one that says nothing else, changes nothing.
    """
    if version <= complaint.report_version:
        return complaint, None
    if line is None:
        update: dict[str, object] = {"withdrawn": True}
        event = FieldComplaintEvent.WITHDRAWN
    else:
        update = {
            "visit": line.visit,
            "customer": line.customer,
            "customer_name": line.customer_name,
            "severity": line.severity,
            "text": line.text,
            "withdrawn": False,
        }
        event = FieldComplaintEvent.CHANGED
    changed = complaint.model_copy(update=update)
    if changed == complaint:
        return complaint, None
    happened = Happened(event, submission.at, submission.business_date)
    return changed.model_copy(update={"report_version": version}), happened
