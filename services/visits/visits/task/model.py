"""A task that somebody was given (domain.md V-20). Pure.

    open ──> done
      └────> cancelled

Each function returns the task after the step and what has happened, or raises WrongState or NotPossible.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from contracts.envelope import Happened
from contracts.refusals import NotPossible, WrongState
from contracts.steps import Reasoned, Step
from contracts.visits import Task, TaskEvent, TaskStatus

Outcome = tuple[Task, Happened]

ALLOWED: Mapping[str, frozenset[TaskStatus]] = {
    "completion": frozenset({TaskStatus.OPEN}),
    "cancellation": frozenset({TaskStatus.OPEN}),
}
"""The states from which each step is possible."""


def possible(status: TaskStatus) -> list[str]:
    """The steps that may follow in that state."""
    return [step for step, states in ALLOWED.items() if status in states]


def assign(task: Task, step: Step) -> Outcome:
    """A new task. step: when it was assigned; its business date is the task's."""
    return task, Happened(TaskEvent.ASSIGNED, step.at, step.business_date)


def complete(task: Task, step: Step, result: str) -> Outcome:
    _follows(task, "completion", step)
    update = {"status": TaskStatus.DONE, "completion": step, "result": result}
    return task.model_copy(update=update), Happened(TaskEvent.DONE, step.at, step.business_date)


def cancel(task: Task, step: Step, reason: str) -> Outcome:
    _follows(task, "cancellation", step)
    update = {"status": TaskStatus.CANCELLED, "cancellation": Reasoned(**dict(step), reason=reason)}
    return task.model_copy(update=update), Happened(TaskEvent.CANCELLED, step.at, step.business_date)


def check_due(due: date | None, day: date, field: str = "due") -> None:
    """Raises NotPossible for a task that would be overdue on the day on which it is assigned."""
    if due is not None and due < day:
        raise NotPossible(
            "before_the_day",
            f"{due} lies before {day}, the day on which it is assigned: give a later day, or none.",
            f"{due} 早于任务下达日 {day}:请填写更晚的日期,或不填。",
            field=field,
        )


def _follows(task: Task, wanted: str, step: Step) -> None:
    if task.status not in ALLOWED[wanted]:
        raise WrongState(wanted, task.status, possible(task.status))
    if task.assigned_at is not None and step.at < task.assigned_at:
        raise NotPossible(
            "before_prior_step",
            f"The task was assigned at {task.assigned_at.isoformat()}: give a time after that.",
            f"任务于 {task.assigned_at.isoformat()} 下达:请填写其后的时间。",
            field="occurred_at",
        )
