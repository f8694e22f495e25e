"""The life of a market situation report 市场状况反映表 (domain.md V-09, A3). Pure.

    submitted ──> acknowledged ──> action_assigned ──> closed
     │   ^                  └──────────────────────────^
     └───┘ escalated: once to each level, whenever its time runs out

Each function returns the report after the step and what has happened, or raises WrongState or NotPossible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from contracts.envelope import Happened
from contracts.refusals import NotPossible, WrongState
from contracts.steps import Reasoned, Step
from contracts.visits import Action, Escalation, MarketReport, MarketReportEvent, MarketReportStatus, Submission

Outcome = tuple[MarketReport, Happened]

ALLOWED: Mapping[str, frozenset[MarketReportStatus]] = {
    "acknowledgement": frozenset({MarketReportStatus.SUBMITTED}),
    "action": frozenset({MarketReportStatus.ACKNOWLEDGED, MarketReportStatus.ACTION_ASSIGNED}),
    "closure": frozenset({MarketReportStatus.ACKNOWLEDGED, MarketReportStatus.ACTION_ASSIGNED}),
}
"""The states from which each step is possible. The timer alone escalates, from submitted."""


def possible(status: MarketReportStatus) -> list[str]:
    """The steps that may follow in that state."""
    return [step for step, states in ALLOWED.items() if status in states]


def submit(report: MarketReport) -> Outcome:
    """A new report, at once with whoever stands next above."""
    return report, Happened(MarketReportEvent.SUBMITTED, report.submission.at, report.submission.business_date)


def next_level(report: MarketReport, levels: Sequence[Sequence[str]]) -> tuple[int, str] | None:
    """Which level is told next, and who of it; None where everybody above has been told.

    levels: everybody above, level by level, the nearest first; the line may have changed since it was submitted.
    """
    told = {report.recipient, *(escalation.missed_by for escalation in report.escalations)}
    first = 0 if report.recipient is None else report.level + 1
    for level in range(first, len(levels)):
        for person in levels[level]:
            if person not in told:
                return level, person
    return None


def escalate(
    report: MarketReport, levels: Sequence[Sequence[str]], at: datetime, day: date, acknowledge_by: datetime
) -> tuple[MarketReport, Happened | None]:
    """The time of a level has run out: the next one is told, once, and has until `acknowledge_by`.

    Nothing happens before its time, after its acknowledgement, or at the top, where it stays.
    """
    if report.status is not MarketReportStatus.SUBMITTED or at < report.acknowledge_by:
        return report, None
    if (following := next_level(report, levels)) is None:
        return report, None
    level, person = following
    update = {
        "level": level,
        "recipient": person,
        "acknowledge_by": acknowledge_by,
        "escalations": [*report.escalations, Escalation(level=level, to=person, at=at, missed_by=report.recipient)],
    }
    return report.model_copy(update=update), Happened(MarketReportEvent.ESCALATED, at, day)


def acknowledge(report: MarketReport, step: Submission) -> Outcome:
    """Somebody above has read it: the timer stops."""
    _follows(report, "acknowledgement", step, report.submission)
    update = {"status": MarketReportStatus.ACKNOWLEDGED, "acknowledgement": step}
    return report.model_copy(update=update), _happened(MarketReportEvent.ACKNOWLEDGED, step)


def assign(report: MarketReport, step: Step, action: Action) -> tuple[MarketReport, Happened | None]:
    """Something is done about it. An action that stands already with that id is not assigned twice."""
    for standing in report.actions:
        if standing.id == action.id:
            if _says(standing) == _says(action):
                return report, None
            raise NotPossible(
                "id_taken",
                "This id belongs to another action of the report: leave it out or choose a new one.",
                "该编号已属于此报告的另一项措施:请去掉它或换一个新的。",
                field="id",
            )
    _follows(report, "action", step, report.acknowledgement)
    update = {"status": MarketReportStatus.ACTION_ASSIGNED, "actions": [*report.actions, action]}
    return report.model_copy(update=update), _happened(MarketReportEvent.ACTION_ASSIGNED, step)


def close(report: MarketReport, step: Step, reason: str) -> Outcome:
    """Nothing more is to be done. reason: what came of it, or why nothing is done."""
    before = [report.acknowledgement, *(action.assigned for action in report.actions)]
    _follows(report, "closure", step, *before)
    update = {"status": MarketReportStatus.CLOSED, "closure": Reasoned(**dict(step), reason=reason)}
    return report.model_copy(update=update), _happened(MarketReportEvent.CLOSED, step)


def _says(action: Action) -> tuple[object, ...]:
    return action.text, action.assignee, action.due


def _happened(event: MarketReportEvent, step: Step) -> Happened:
    return Happened(event, step.at, step.business_date)


def _follows(report: MarketReport, wanted: str, step: Step, *before: Step | None) -> None:
    if report.status not in ALLOWED[wanted]:
        raise WrongState(wanted, report.status, possible(report.status))
    _not_before(step, (prior.at for prior in before if prior is not None))


def _not_before(step: Step, instants: Iterable[datetime]) -> None:
    latest = max(instants, default=step.at)
    if step.at < latest:
        raise NotPossible(
            "before_prior_step",
            f"The step before was at {latest.isoformat()}: give a time after that.",
            f"上一步发生于 {latest.isoformat()}:请填写其后的时间。",
            field="occurred_at",
        )
