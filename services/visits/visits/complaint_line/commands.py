"""The reactions of complaint lines: out of a report that was handed in, and the answer back into it."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.aggregate import Command
from chassis.received import Received
from chassis.scope import everything
from contracts.envelope import Happened
from contracts.visits import ComplaintLine, DailyReport, FieldComplaint
from visits.complaint_line import model
from visits.daily_report import commands as reports
from visits.daily_report.model import HANDED_IN
from visits.repositories import Repositories

_BUS = everything("a complaint follows from its report, for nobody")


async def reports_said(repositories: Repositories, events: Sequence[Received]) -> None:
    """Each complaint line of a report that was handed in is published once, with the line's id."""
    for event in events:
        report = event.data(DailyReport)
        if report.status in HANDED_IN and report.submission is not None:
            await _publish(repositories, report, event)


async def complaints_said(repositories: Repositories, events: Sequence[Received]) -> None:
    """The complaints service has given a number, or come to a result."""
    for event in events:
        await reports.answer(repositories, event)


async def _publish(repositories: Repositories, report: DailyReport, event: Received) -> None:
    assert report.submission is not None  # noqa: S101 (asked for by the caller)
    submission, command = report.submission, Command.heard("visits", event)
    lines = {line.id: line for line in report.sections.complaints}
    of_report = await repositories.complaints.find(_BUS, {"report": report.id})
    there = {stored.state.id for stored in of_report}
    for line in lines.values():
        if line.id not in there:
            await _raise(repositories, *model.raised(report, event.version, line, submission), command)

    for complaint_id in there:
        line = lines.get(complaint_id)

        def decide(complaint: FieldComplaint, line: ComplaintLine | None = line) -> model.Outcome:
            return model.said(complaint, event.version, line, submission)

        await repositories.complaints.change(complaint_id, _BUS, decide, command)


async def _raise(repositories: Repositories, complaint: FieldComplaint, happened: Happened, command: Command) -> None:
    once = Command(
        actor=command.actor,
        fingerprint=complaint.id,
        correlation=command.correlation,
        causation=command.causation,
        traceparent=command.traceparent,
    )
    await repositories.complaints.create(complaint, happened, once, _BUS)
