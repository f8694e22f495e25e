"""The daily report's commands: load, decide, save.

Every command raises Forbidden, NotFound for a report out of reach, Stale, WrongState, and NotPossible for a time or
a value that the rules refuse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chassis.aggregate import Command, Decision, Stored
from chassis.ids import derived_id
from chassis.mongo import DuplicateKey
from chassis.problems import Conflict, Invalid
from chassis.received import Received
from chassis.scope import everything
from contracts.complaints import Complaint
from contracts.staff import Office
from contracts.steps import Step
from contracts.visits import (
    AbsenceKind,
    AbsenceStatus,
    Action,
    DailyReport,
    Form,
    Presentness,
    ReportStatus,
    Sections,
    Signature,
    TaskSource,
)
from visits import rights
from visits.backdated import check_day
from visits.daily_report import model, prefill
from visits.doors import Act
from visits.form_duty.cutoff import Deadline, deadline
from visits.known import Place
from visits.policy import queries as policies
from visits.repositories import Repositories
from visits.signing import to_decide
from visits.task import commands as tasks
from visits.task.model import check_due
from visits.visit.commands import make_all as visits_made

_OWN_DAY = "the day of the person whose report it is"


@dataclass(frozen=True, slots=True)
class Errand:
    """What an instruction asks of somebody; without an assignee, of the person whose report it is."""

    text: str
    assignee: str | None = None
    due: date | None = None


async def draft(repositories: Repositories, act: Act, place: Place, report_id: str) -> Stored[DailyReport]:
    """A report of the place's day, prefilled. Raises Conflict (report_exists, id_taken)."""
    if (stored := await repositories.reports.repeated(report_id, rights.reach(act.caller), act.command)) is not None:
        return stored
    check_day(place.office, place.day, act)
    report = DailyReport.model_validate(
        {
            **place.owned,
            "id": report_id,
            "status": ReportStatus.DRAFT,
            "revision": 1,
            "sections": Sections(),
            "due_at": (await _deadline(repositories, place.office, place.day)).due_at,
            "imported": act.imported,
        }
    )
    drafted, happened = model.draft(
        report, act.step_on(place.day), await facts(repositories, place.person.id, place.day)
    )
    try:
        return await repositories.reports.create(drafted, happened, act.command, rights.reach(act.caller))
    except DuplicateKey:
        of_the_day = {"owner": place.person.id, "business_date": place.day.isoformat()}
        there = await repositories.reports.find(everything("the one that is in the way is theirs, too"), of_the_day)
        raise Conflict(
            "report_exists",
            f"There is a report of {place.day} already: change that one.",
            f"{place.day} 的日报已存在:请修改该报告。",
            report=there[0].state.id if there else None,
        ) from None


async def refill(repositories: Repositories, act: Act, report_id: str) -> Stored[DailyReport]:
    """Prefilled once more with the visits and orders of now."""

    async def decide(report: DailyReport, step: Step) -> Decision[DailyReport]:
        return model.refill(report, step, await facts(repositories, report.owner, report.business_date))

    return await _own_step(repositories, act, report_id, decide)


async def edit(repositories: Repositories, act: Act, report_id: str, typed: Mapping[str, Any]) -> Stored[DailyReport]:
    """What was typed (model.edit). Raises Invalid (unknown_customer, unknown_visit, id_taken) naming the field."""

    async def decide(report: DailyReport, step: Step) -> Decision[DailyReport]:
        known = await facts(repositories, report.owner, report.business_date)
        # Even a visit of a minute ago may be commented on.
        report = report.model_copy(update={"sections": prefill.filled_in(report.sections, known)})
        return model.edit(report, step, await _named(repositories, act, report, typed), known)

    return await _own_step(repositories, act, report_id, decide)


async def submit(repositories: Repositories, act: Act, report_id: str) -> Stored[DailyReport]:
    async def decide(report: DailyReport, step: Step) -> Decision[DailyReport]:
        known, office = await asyncio.gather(
            facts(repositories, report.owner, report.business_date), repositories.known.office(report.office)
        )
        due = await _deadline(repositories, office, report.business_date)
        return model.submit(report, act.recorded(step), act.arrived_at, known, due)

    return await _own_step(repositories, act, report_id, decide)


async def send_back(repositories: Repositories, act: Act, report_id: str, reason: str) -> Stored[DailyReport]:
    """By somebody of the reporting line."""
    await to_decide(repositories, repositories.reports, act, report_id)

    async def decide(report: DailyReport) -> Decision[DailyReport]:
        step = act.step(await repositories.known.office(report.office))
        return model.send_back(report, step, reason)

    return await _decided(repositories, act, report_id, decide)


async def sign(
    repositories: Repositories, act: Act, report_id: str, instructions: str | None, errand: Errand | None
) -> Stored[DailyReport]:
    """By somebody of the reporting line; an errand becomes a task, once for each revision.

    Raises Invalid (unknown_person, no_office) for the assignee, Forbidden for one who is not below the signer.
    """
    stored, signer = await to_decide(repositories, repositories.reports, act, report_id)

    async def decide(report: DailyReport) -> Decision[DailyReport]:
        step = act.step(await repositories.known.office(report.office))
        said = {**dict(step), "by": signer.person, "instructions": instructions, "deputy_for": signer.deputy_for}
        assignment = None
        if errand is not None:
            assignee = await repositories.known.person(errand.assignee or report.owner, "task.assignee")
            if assignee.id != report.owner:
                await tasks.may_assign(repositories, act, assignee, step.business_date)
            if report.imported is None:
                check_due(errand.due, step.business_date, "task.due")
            action = derived_id("report assignment", f"{report.id}/{report.revision}")
            assignment = Action(
                id=action,
                text=errand.text,
                assignee=assignee.id,
                due=errand.due,
                task=tasks.task_id(TaskSource.REPORT, action),
                assigned=step.model_copy(update={"by": signer.person}),
            )
        return model.sign(report, Signature(**said), assignment)

    stored = await _decided(repositories, act, report_id, decide)
    await follow_up(repositories, act.command, stored.state)
    return stored


async def correct(repositories: Repositories, act: Act, report_id: str, reason: str) -> Stored[DailyReport]:
    """By the person whose report it is."""
    return await _own_step(repositories, act, report_id, lambda report, step: model.correct(report, step, reason))


async def follow_up(repositories: Repositories, command: Command, report: DailyReport) -> None:
    """The tasks that the report's instructions ask for: each made once, however often this is called."""
    for assignment in report.assignments:
        if assignment.assigned is None:
            continue
        await tasks.follow(
            repositories,
            command,
            tasks.Errand(
                source=TaskSource.REPORT,
                source_id=assignment.id,
                text=assignment.text,
                assignee=assignment.assignee,
                assigned_by=assignment.assigned.by,
                at=assignment.assigned.at,
                business_date=assignment.assigned.business_date,
                office=report.office,
                due=assignment.due,
            ),
        )


async def follow_reports(repositories: Repositories, events: Sequence[Received]) -> None:
    """The same from a report's event, for the crash between the two writes."""
    for event in events:
        report = event.data(DailyReport)
        if report.assignments:
            await follow_up(repositories, Command.heard("visits", event), report)


async def answer(repositories: Repositories, event: Received) -> None:
    """What the complaints service says of a line: its number and fate. A complaint from elsewhere is none of ours."""
    complaint = event.data(Complaint)
    if complaint.source is None:
        return
    scope = everything("the complaints service answers for nobody")
    lines = await repositories.complaints.find(scope, {"_id": complaint.source})
    if not lines:
        return

    async def decide(report: DailyReport) -> Decision[DailyReport]:
        office = await repositories.known.office(report.office)
        return model.answer(
            report,
            lines[0].state.id,
            number=complaint.number,
            fate=complaint.resolution or complaint.status,
            version=event.version,
            at=event.occurred_at,
            day=office.business_date(event.occurred_at),
        )

    await repositories.reports.change(lines[0].state.report, scope, decide, Command.heard("visits", event))


async def facts(repositories: Repositories, person: str, day: date) -> prefill.Facts:
    """What is known of that person's day, the stops of its plan that nobody has heard of yet with it."""
    known, scope = repositories.known, everything(_OWN_DAY)
    await visits_made(repositories, person, day)
    visits, orders, targets, absences = await asyncio.gather(
        repositories.visits.find(scope, {"owner": person, "business_date": day.isoformat()}),
        known.orders.find({"confirmation.credit.person": person, "confirmation.business_date": day.isoformat()}),
        known.targets.find({"person": person, "month": f"{day:%Y-%m}"}),
        repositories.absences.find(
            scope,
            {
                "owner": person,
                "status": AbsenceStatus.APPROVED,
                "business_date": {"$lte": day.isoformat()},
                "last_day": {"$gte": day.isoformat()},
            },
        ),
    )
    kinds = {stored.state.kind for stored in absences}
    away = None
    if kinds:
        away = Presentness.LEAVE if AbsenceKind.LEAVE in kinds else Presentness.TRIP
    return prefill.facts(person, day, [stored.state for stored in visits], orders, targets, away)


async def _named(
    repositories: Repositories, act: Act, report: DailyReport, typed: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What was typed, with the customers' names. Those that stand in the report already are not asked for again."""
    sections = report.sections
    theirs = await rights.customers_of(repositories.known, act.caller, report.owner, report.business_date)
    before = [*sections.complaints, *sections.opinions, *sections.news]
    names = {line.customer: line.customer_name for line in before if line.customer}
    said = dict(typed)
    for section in ("complaints", "opinions", "news"):
        lines = []
        for position, line in enumerate(typed.get(section, ())):
            if line.customer is not None and line.customer not in names:
                field = f"{section}.{position}.customer"
                customer = await repositories.known.customer(line.customer, *theirs, field=field)
                names[line.customer] = customer.name
            name = line.customer_name if line.customer is None else names[line.customer]
            lines.append(line.model_copy(update={"customer_name": name}))
        if section in typed:
            said[section] = lines
    for section in ("complaints", "market"):
        for position, line in enumerate(typed.get(section, ())):
            if line.visit is not None:
                model.check_visit(sections, line.visit, f"{section}.{position}.visit")
    await _not_of_another(repositories, report, [line.id for line in typed.get("complaints", ())])
    return said


async def _not_of_another(repositories: Repositories, report: DailyReport, lines: Sequence[str]) -> None:
    """Raises Invalid for a line's id that is used twice, or that a line of another report has."""
    scope = everything("an id is taken whoever has it")
    taken = await repositories.complaints.find(scope, {"_id": {"$in": list(lines)}, "report": {"$ne": report.id}})
    used = {stored.state.id for stored in taken}
    for position, line in enumerate(lines):
        if line in used:
            raise _line_taken(f"complaints.{position}.id", line)
        used.add(line)


def _line_taken(field: str, line: str | None) -> Invalid:
    return Invalid(
        "id_taken",
        f"The id {line or 'of a line'} belongs to another complaint: leave it out or choose a new one.",
        f"编号 {line or ''} 已属于另一条客诉:请去掉它或换一个新的。",
        field=field,
    )


async def _deadline(repositories: Repositories, office: Office, day: date) -> Deadline:
    return deadline(office, await policies.of(repositories, office.id), Form.REPORT, day)


async def _own_step(
    repositories: Repositories,
    act: Act,
    report_id: str,
    decide: Callable[[DailyReport, Step], Decision[DailyReport] | Awaitable[Decision[DailyReport]]],
) -> Stored[DailyReport]:
    """A step of the person whose report it is, or of a clerk for them; it counts for the day of the report's office."""

    async def stepped(report: DailyReport) -> Decision[DailyReport]:
        rights.own(act.caller, act.person, report.owner)
        decision = decide(report, act.step(await repositories.known.office(report.office)))
        return await decision if isinstance(decision, Awaitable) else decision

    try:
        return await repositories.reports.change(report_id, rights.reach(act.caller), stepped, act.command)
    except DuplicateKey:
        # Another report has taken the id of a complaint line: it was written before, or at the same moment.
        raise _line_taken("complaints", None) from None


async def _decided(
    repositories: Repositories,
    act: Act,
    report_id: str,
    decide: Callable[[DailyReport], Awaitable[Decision[DailyReport]]],
) -> Stored[DailyReport]:
    scope = everything("the reporting line has said that they may")
    return await repositories.reports.change(report_id, scope, decide, act.command)
