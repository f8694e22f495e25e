"""Tasks: assigned by hand, or once each because a form asks for it; then done or cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from chassis import ids
from chassis.aggregate import Command, Decision, Stored
from chassis.problems import Forbidden, NotFound
from chassis.scope import everything
from contracts.staff import Person
from contracts.steps import Step
from contracts.visits import Task, TaskSource, TaskStatus
from visits import rights
from visits.doors import Act
from visits.known import Place
from visits.repositories import Repositories
from visits.task import model

_LINE = everything("the reporting line decides who assigns a task, and a form's task follows for nobody")


@dataclass(frozen=True, slots=True)
class Errand:
    """What a report, a meeting or a market report asks of somebody.

    source_id: names the errand within its source, the id of an action or of an instruction.
    at, business_date, office: when and where it was asked for; the office is that of the form.
    """

    source: TaskSource
    source_id: str
    text: str
    assignee: str
    assigned_by: str
    at: datetime
    business_date: date
    office: str
    due: date | None = None

    @property
    def task(self) -> str:
        """The id of the task that it becomes: the same each time."""
        return task_id(self.source, self.source_id)


def task_id(source: TaskSource, source_id: str) -> str:
    """The id of the task that a form's errand becomes."""
    return ids.derived_id(f"tasks/{source.value}", source_id)


async def assign(
    repositories: Repositories, act: Act, task_id: str, *, assignee: str, text: str, due: date | None
) -> Stored[Task]:
    """A task for somebody below the caller in the reporting line, or for oneself (V-20).

    Raises Invalid (unknown_person, no_office), Forbidden (outside_reporting_line), NotPossible, Conflict (id_taken).
    """
    if (stored := await repositories.tasks.repeated(task_id, _LINE, act.command)) is not None:
        await _may_open(repositories, act, stored.state)
        return stored
    person = await repositories.known.person(assignee, "assignee")
    place = await repositories.known.at(person, act.at, "assignee")
    step = act.step(place.office)
    await may_assign(repositories, act, person, step.business_date)
    if not act.any_past:
        model.check_due(due, step.business_date)
    task = Task.model_validate(
        {
            **place.owned,
            "id": task_id,
            "status": TaskStatus.OPEN,
            "text": text,
            "assigned_by": act.by,
            "assigned_at": step.at,
            "due": due,
            "imported": act.imported,
        }
    )
    return await repositories.tasks.create(*model.assign(task, step), act.command, _LINE)


async def follow(repositories: Repositories, command: Command, errand: Errand) -> Stored[Task]:
    """The task that follows from a form: made once for each source and source_id, however often this is called.

    Call it after the form is saved, and again from the form's event: a crash in between loses nothing. That the
    assignee may be asked, and until when, is the form's rule (`may_assign`, `check_due`). An assignee of no office,
    such as a regional supervisor, has the task in the office of the form. Raises Invalid (unknown_person).
    """
    person = await repositories.known.person(errand.assignee, "assignee")
    posting = person.posting_on(errand.business_date)
    own = posting.office if posting else None
    place = Place(person, await repositories.known.office(own or errand.office), errand.business_date)
    step = Step(at=errand.at, business_date=errand.business_date, by=errand.assigned_by)
    task = Task.model_validate(
        {
            **place.owned,
            "id": errand.task,
            "status": TaskStatus.OPEN,
            "text": errand.text,
            "assigned_by": errand.assigned_by,
            "assigned_at": errand.at,
            "due": errand.due,
            "source": errand.source,
            "source_id": errand.source_id,
        }
    )
    # Whoever calls it, a repetition must be known as one.
    once = replace(command, key=None, fingerprint=errand.task, expected=None)
    return await repositories.tasks.create(*model.assign(task, step), once, _LINE)


async def _may_open(repositories: Repositories, act: Act, task: Task) -> None:
    """Raises NotFound for a task that the caller neither sees nor, such as a superior's deputy, may still assign."""
    if not rights.reach(act.caller).allows(task.owner, task.office, task.region):
        assignee = await repositories.known.person(task.owner, "assignee")
        today = (await repositories.known.office(task.office)).business_date(act.now)
        try:
            await may_assign(repositories, act, assignee, today)
        except Forbidden:
            raise NotFound() from None


async def may_assign(repositories: Repositories, act: Act, assignee: Person, day: date) -> None:
    """Raises Forbidden unless the act is a superior's (or a deputy's), one's own, or an import."""
    if assignee.id != act.by and not act.any_past:
        await repositories.line.signer(act.caller, assignee.id, day)


async def complete(repositories: Repositories, act: Act, task_id: str, result: str) -> Stored[Task]:
    """Done, by whoever had to do it. Raises NotFound, Forbidden (not_your_form), Stale, WrongState, NotPossible."""

    def decide(task: Task, step: Step) -> Decision[Task]:
        rights.own(act.caller, act.person, task.owner)
        return model.complete(task, step, result)

    return await _step(repositories, act, task_id, decide)


async def cancel(repositories: Repositories, act: Act, task_id: str, reason: str) -> Stored[Task]:
    """Not needed any more, by whoever assigned it or stands above its owner.

    Raises NotFound, Forbidden (own_form, outside_reporting_line), Stale, WrongState, NotPossible.
    """

    async def decide(task: Task, step: Step) -> Decision[Task]:
        if task.assigned_by != act.by and not act.any_past:
            await repositories.line.signer(act.caller, task.owner, step.business_date)
        return model.cancel(task, step, reason)

    return await _step(repositories, act, task_id, decide)


async def _step(
    repositories: Repositories,
    act: Act,
    task_id: str,
    decide: Callable[[Task, Step], Decision[Task] | Awaitable[Decision[Task]]],
) -> Stored[Task]:
    """A step that counts for the day of the task's office."""

    async def stepped(task: Task) -> Decision[Task]:
        decision = decide(task, act.step(await repositories.known.office(task.office)))
        return await decision if isinstance(decision, Awaitable) else decision

    return await repositories.tasks.change(task_id, rights.reach(act.caller), stepped, act.command)
