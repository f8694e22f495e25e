"""Market situation reports: submitted, escalated while nobody acknowledges, acted on, closed.

Whoever stands above the author from the present level on acts on one, or the deputy of its recipient who is
away. Every command raises NotFound for a report out of reach, Forbidden for somebody below that level, Stale,
WrongState, and NotPossible for a time that the rules refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from chassis import clock
from chassis.aggregate import Command, Decision, Stored
from chassis.mongo import ASCENDING
from chassis.problems import Forbidden, Invalid
from chassis.received import Received
from chassis.scope import Scope, everything
from chassis.supervision import each_alone
from contracts.backdating import instant
from contracts.steps import Step
from contracts.visits import Action, MarketReport, MarketReportKind, MarketReportStatus, Severity, TaskSource
from visits import rights
from visits.doors import Act
from visits.market_report import model
from visits.policy import queries as policies
from visits.repositories import Repositories
from visits.task import commands as tasks
from visits.task.model import check_due

A_TURN: Final = 200
"""Reports that one turn of the timer escalates; the longest overdue first."""
AT_THE_TOP: Final = timedelta(minutes=10)
"""After that a report that nobody further up can be told of is looked at again."""
LOOK_AGAIN: Final = "look_again_at"
"""The timer's own mark beside the report; it is no part of its state."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What somebody reports from the market."""

    kind: MarketReportKind
    severity: Severity
    text: str
    sales_impact: str | None = None
    visit: str | None = None
    """Where it was learned; the customer is that of the visit where none is named."""
    customer: str | None = None


async def submit(repositories: Repositories, act: Act, report_id: str, situation: Situation) -> Stored[MarketReport]:
    """A report of what can affect sales, at once and by itself (L217).

    Its recipient has the hours of the office's policy from now on, however far back it was written. Raises
    Forbidden (person_needed), Invalid (no_office, unknown_visit, unknown_customer), NotPossible, Conflict (id_taken).
    """
    if (
        stored := await repositories.market_reports.repeated(report_id, rights.reach(act.caller), act.command)
    ) is not None:
        return stored
    person = rights.needed(act.person)
    place = await repositories.known.at(person, act.at)
    step = act.step(place.office)
    customer, customer_name = await _about(repositories, act, person.id, step.business_date, situation)
    levels = await repositories.line.above(person, step.business_date)
    # Its recipient cannot know of it before it is here.
    begins = step.at if act.imported else instant(None, act.now)
    report = MarketReport.model_validate(
        {
            **place.owned,
            "id": report_id,
            "status": MarketReportStatus.SUBMITTED,
            "kind": situation.kind,
            "severity": situation.severity,
            "text": situation.text,
            "sales_impact": situation.sales_impact,
            "visit": situation.visit,
            "customer": customer,
            "customer_name": customer_name,
            "submission": act.recorded(step),
            "recipient": levels[0][0] if levels else None,
            "acknowledge_by": begins + await _allowed(repositories, place.office.id),
            "imported": act.imported,
        }
    )
    return await repositories.market_reports.create(*model.submit(report), act.command, rights.reach(act.caller))


async def acknowledge(repositories: Repositories, act: Act, report_id: str) -> Stored[MarketReport]:
    return await _step(repositories, act, report_id, lambda report, step: model.acknowledge(report, act.recorded(step)))


async def assign(
    repositories: Repositories, act: Act, report_id: str, action_id: str, *, text: str, assignee: str, due: date | None
) -> Stored[MarketReport]:
    """An action, which becomes a task exactly once. Raises Invalid (unknown_person) and Forbidden for the assignee."""

    async def decide(report: MarketReport, step: Step) -> Decision[MarketReport]:
        person = await repositories.known.person(assignee, "assignee")
        await tasks.may_assign(repositories, act, person, step.business_date)
        if not act.any_past:
            check_due(due, step.business_date)
        task = tasks.task_id(TaskSource.MARKET_REPORT, action_id)
        action = Action(id=action_id, text=text, assignee=assignee, due=due, task=task, assigned=step)
        return model.assign(report, step, action)

    stored = await _step(repositories, act, report_id, decide)
    await _follow(repositories, act.command, stored.state)
    return stored


async def close(repositories: Repositories, act: Act, report_id: str, reason: str) -> Stored[MarketReport]:
    return await _step(repositories, act, report_id, lambda report, step: model.close(report, step, reason))


async def react(repositories: Repositories, events: Sequence[Received]) -> None:
    """Every action has its task, also where the process ended between the two."""
    for event in events:
        await _follow(repositories, Command.heard("visits", event), event.data(MarketReport))


async def escalate_due(repositories: Repositories) -> None:
    """Tell the next level of every report whose time has run out.

    Any number of workers may do it at once and again: what one has escalated has a new time. What an import
    brings in is history and stays where it is.
    """
    now = instant(None, clock.now())
    scope = everything("a timer acts for nobody")
    due: dict[str, Any] = {
        "status": MarketReportStatus.SUBMITTED,
        "acknowledge_by": {"$lte": now.isoformat().replace("+00:00", "Z")},
        "imported": None,
    }
    # One at the top of the line stays due: it is looked at again now and then, in case the line has grown.
    due[LOOK_AGAIN] = {"$not": {"$gt": now}}
    oldest = (("acknowledge_by", ASCENDING), ("_id", ASCENDING))
    for stored in await repositories.market_reports.find(scope, due, sort=oldest, limit=A_TURN):
        with each_alone("market reports", stored.state.id):
            after = await repositories.market_reports.change(
                stored.state.id, scope, lambda report: _escalated(repositories, report, now), Command(actor="/visits")
            )
            if after.version == stored.version:
                await repositories.market_reports.collection.update_one(
                    {"_id": stored.state.id, "version": stored.version}, {"$set": {LOOK_AGAIN: now + AT_THE_TOP}}
                )


async def _escalated(repositories: Repositories, report: MarketReport, now: datetime) -> Decision[MarketReport]:
    office = await repositories.known.office(report.office)
    day = office.business_date(now)
    levels = await _above(repositories, report, day)
    return model.escalate(report, levels, now, day, now + await _allowed(repositories, report.office))


async def _follow(repositories: Repositories, command: Command, report: MarketReport) -> None:
    for action in report.actions:
        if (step := action.assigned) is not None:
            errand = tasks.Errand(
                source=TaskSource.MARKET_REPORT,
                source_id=action.id,
                text=action.text,
                assignee=action.assignee,
                assigned_by=step.by,
                at=step.at,
                business_date=step.business_date,
                office=report.office,
                due=action.due,
            )
            await tasks.follow(repositories, command, errand)


async def reach(repositories: Repositories, act_by: str | None, scope: Scope, report_id: str, at: datetime) -> Scope:
    """The scope in which that person may open the report: a deputy stands where the recipient does.

    at: the instant, by whose business date in the report's office deputies are looked up.
    """
    found = await repositories.market_reports.find(
        everything("whether somebody is the deputy of its recipient is asked of the report"), {"_id": report_id}
    )
    if not found or act_by is None:
        return scope
    report = found[0].state
    if scope.allows(report.owner, report.office, report.region) or report.recipient is None:
        return scope
    day = (await repositories.known.office(report.office)).business_date(at)
    if act_by in await repositories.line.deputies(report.recipient, day):
        return everything("the deputy of somebody who is away acts in their place")
    return scope


async def _step(
    repositories: Repositories,
    act: Act,
    report_id: str,
    decide: Callable[[MarketReport, Step], Decision[MarketReport] | Awaitable[Decision[MarketReport]]],
) -> Stored[MarketReport]:
    """A step that counts for the day of the report's office, by somebody who may act on it."""

    async def stepped(report: MarketReport) -> Decision[MarketReport]:
        step = act.step(await repositories.known.office(report.office))
        await _may_act(repositories, act, report, step.business_date)
        decision = decide(report, step)
        return await decision if isinstance(decision, Awaitable) else decision

    scope = await reach(repositories, act.caller.person, rights.reach(act.caller), report_id, act.at)
    return await repositories.market_reports.change(report_id, scope, stepped, act.command)


async def _may_act(repositories: Repositories, act: Act, report: MarketReport, day: date) -> None:
    """Raises Forbidden unless the caller is of its present level or above, or the deputy of its recipient."""
    if act.any_past:
        return
    who = act.caller.person
    if who == report.owner:
        raise Forbidden(
            "own_form",
            "You have written this report: somebody above you acts on it.",
            "这是您本人填报的:由您的上级处理。",
        )
    levels = await _above(repositories, report, day)
    entitled = (
        {person for level in levels[min(report.level, len(levels) - 1) :] for person in level} if levels else set()
    )
    if who is not None and (who in entitled or who == report.recipient):
        return
    if report.recipient and who in await repositories.line.deputies(report.recipient, day):
        return
    raise Forbidden(
        "not_the_recipient",
        "Its recipient acts on it, anybody above them, or their deputy: you are none of these.",
        "由接收人、其上级或其代理人处理:您不在其中。",
    )


async def _above(repositories: Repositories, report: MarketReport, day: date) -> list[list[str]]:
    person = await repositories.known.people.get(report.owner)
    return await repositories.line.above(person, day) if person else []


async def _allowed(repositories: Repositories, office: str) -> timedelta:
    """The time in which a level of that office has to acknowledge."""
    return timedelta(hours=(await policies.of(repositories, office)).acknowledge_hours)


async def _about(
    repositories: Repositories, act: Act, person: str, day: date, situation: Situation
) -> tuple[str | None, str | None]:
    """The customer that it is about, with the name."""
    customer, name = situation.customer, None
    if situation.visit is not None:
        found = await repositories.visits.find(
            everything("a person's own visit"), {"_id": situation.visit, "owner": person}, limit=1
        )
        if not found:
            raise Invalid(
                "unknown_visit",
                "There is no such visit of this person: name one of their own, or leave it out.",
                "该人员没有此次访问:请填写本人的访问,或不填。",
                field="visit",
            )
        visit = found[0].state
        if customer is None or customer == visit.customer:
            return visit.customer, visit.customer_name
    if customer is not None:
        theirs = await rights.customers_of(repositories.known, act.caller, person, day)
        name = (await repositories.known.customer(customer, *theirs)).name
    return customer, name
