"""Meetings: planned, held with what was decided, closed; cancelled with a reason.

Office heads hold them with people of their office, regional supervisors with people of their region, top
managers with anybody. Every command raises NotFound for a meeting out of reach, Forbidden for somebody who does
not hold it, Stale, WrongState, and NotPossible for what the rules refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from chassis import ids
from chassis.aggregate import Command, Decision, Stored
from chassis.problems import Forbidden, Invalid
from chassis.received import Received
from contracts.staff import Office, Person, Posting, Role
from contracts.steps import Step
from contracts.visits import Action, Meeting, MeetingKind, MeetingStatus, Participant, TaskSource
from visits import rights
from visits.doors import Act
from visits.meeting import model
from visits.repositories import Repositories
from visits.task import commands as tasks
from visits.task.model import check_due

HOLDERS = frozenset({Role.OFFICE_HEAD, Role.REGIONAL_SUPERVISOR, Role.TOP_MANAGER})


@dataclass(frozen=True, slots=True)
class Wanted:
    """An action as it was agreed; it becomes a task."""

    text: str
    assignee: str
    due: date | None = None


async def plan(
    repositories: Repositories,
    act: Act,
    meeting_id: str,
    *,
    kind: MeetingKind,
    day: date | None,
    participants: Sequence[str],
    trigger: str | None,
) -> Stored[Meeting]:
    """A meeting on that business date, today without one.

    It belongs to the office of whoever holds it, a supervisor's to that of the first participant who has one.
    Raises Forbidden (person_needed, not_a_supervisor), Invalid (unknown_person, not_in_your_reach, no_office),
    NotPossible, Conflict (id_taken).
    """
    if (stored := await repositories.meetings.repeated(meeting_id, rights.reach(act.caller), act.command)) is not None:
        return stored
    holder = rights.needed(act.person)
    around = day or await _day_of(repositories, holder, act.at)
    posting = _holds(holder, around)
    people = [await repositories.known.person(person, f"participants.{n}") for n, person in enumerate(participants)]
    office = await _office(repositories, holder, posting, people, around)
    step = act.step(office)
    day = day or step.business_date
    model.check_day(office, day, office.business_date(act.now), any_past=act.any_past)
    posting = _holds(holder, day)
    for n, person in enumerate(people):
        await _within(repositories, holder, posting, person, day, f"participants.{n}")
    meeting = Meeting(
        id=meeting_id,
        owner=holder.id,
        office=office.id,
        region=office.region_on(day),
        business_date=day,
        kind=kind,
        status=MeetingStatus.PLANNED,
        participants=[Participant(person=person) for person in dict.fromkeys(participants)],
        trigger=trigger,
        imported=act.imported,
    )
    return await repositories.meetings.create(*model.plan(meeting, step), act.command, rights.reach(act.caller))


async def hold(
    repositories: Repositories,
    act: Act,
    meeting_id: str,
    *,
    attendance: Mapping[str, bool],
    findings: str | None,
    decisions: Sequence[str],
    wanted: Sequence[Wanted],
) -> Stored[Meeting]:
    """It took place; each action becomes a task exactly once. Raises Invalid (unknown_person, not_in_your_reach)."""

    async def decide(meeting: Meeting, step: Step) -> Decision[Meeting]:
        # A wrong state is said before anything about the people.
        if meeting.status in model.ALLOWED["holding"]:
            await _came(repositories, meeting, attendance)
        actions = [await _action(repositories, act, meeting, step, n, want) for n, want in enumerate(wanted)]
        return model.hold(meeting, step, attendance=attendance, findings=findings, decisions=decisions, actions=actions)

    stored = await _step(repositories, act, meeting_id, decide)
    await _follow(repositories, act.command, stored.state)
    return stored


async def close(repositories: Repositories, act: Act, meeting_id: str, review: str | None) -> Stored[Meeting]:
    return await _step(repositories, act, meeting_id, lambda meeting, step: model.close(meeting, step, review))


async def cancel(repositories: Repositories, act: Act, meeting_id: str, reason: str) -> Stored[Meeting]:
    return await _step(repositories, act, meeting_id, lambda meeting, step: model.cancel(meeting, step, reason))


async def react(repositories: Repositories, events: Sequence[Received]) -> None:
    """Every action has its task, also where the process ended between the two."""
    for event in events:
        await _follow(repositories, Command.heard("visits", event), event.data(Meeting))


async def _follow(repositories: Repositories, command: Command, meeting: Meeting) -> None:
    for action in meeting.actions:
        if (step := action.assigned) is not None:
            errand = tasks.Errand(
                source=TaskSource.MEETING,
                source_id=action.id,
                text=action.text,
                assignee=action.assignee,
                assigned_by=step.by,
                at=step.at,
                business_date=step.business_date,
                office=meeting.office,
                due=action.due,
            )
            await tasks.follow(repositories, command, errand)


async def _step(
    repositories: Repositories,
    act: Act,
    meeting_id: str,
    decide: Callable[[Meeting, Step], Decision[Meeting] | Awaitable[Decision[Meeting]]],
) -> Stored[Meeting]:
    """A step of whoever holds it, for the day of the meeting's office."""

    async def stepped(meeting: Meeting) -> Decision[Meeting]:
        rights.own(act.caller, act.person, meeting.owner)
        decision = decide(meeting, act.step(await repositories.known.office(meeting.office)))
        return await decision if isinstance(decision, Awaitable) else decision

    return await repositories.meetings.change(meeting_id, rights.reach(act.caller), stepped, act.command)


async def _action(
    repositories: Repositories, act: Act, meeting: Meeting, step: Step, number: int, want: Wanted
) -> Action:
    field = f"actions.{number}"
    person = await repositories.known.person(want.assignee, f"{field}.assignee")
    # The minutes are the holder's word, also where a clerk enters them.
    holder = replace(act, by=meeting.owner, caller=replace(act.caller, person=meeting.owner))
    await tasks.may_assign(repositories, holder, person, step.business_date)
    if not act.any_past:
        check_due(want.due, step.business_date, f"{field}.due")
    action_id = ids.derived_id("actions", f"{meeting.id}/{number}")
    return Action(
        id=action_id,
        text=want.text,
        assignee=want.assignee,
        due=want.due,
        task=tasks.task_id(TaskSource.MEETING, action_id),
        assigned=step.model_copy(update={"by": meeting.owner}),
    )


async def _came(repositories: Repositories, meeting: Meeting, attendance: Mapping[str, bool]) -> None:
    """Raises Invalid for somebody who came unplanned and is out of the holder's reach."""
    planned = {participant.person for participant in meeting.participants}
    others = [(n, person) for n, person in enumerate(attendance) if person not in planned]
    if not others:
        return
    holder = await repositories.known.person(meeting.owner, "attendance")
    posting = _holds(holder, meeting.business_date)
    for n, person_id in others:
        field = f"attendance.{n}.person"
        person = await repositories.known.person(person_id, field)
        await _within(repositories, holder, posting, person, meeting.business_date, field)


async def _day_of(repositories: Repositories, holder: Person, at: datetime) -> date:
    """The business date of the instant in the holder's office; of somebody without an office, by UTC."""
    posting = await repositories.known.posting_at(holder, at)
    if posting is None or posting.office is None:
        return at.date()
    return (await repositories.known.office(posting.office)).business_date(at)


def _holds(holder: Person, day: date) -> Posting:
    """What the holder is on that day. Raises Forbidden for somebody who leads nobody."""
    posting = holder.posting_on(day)
    if posting is None or posting.role not in HOLDERS:
        raise Forbidden(
            "not_a_supervisor",
            "Office heads, regional supervisors and top managers hold meetings, interviews and coachings.",
            "会议、面谈与指导由办事处主任、区域主管或高层主管主持。",
        )
    return posting


async def _office(
    repositories: Repositories, holder: Person, posting: Posting, people: Sequence[Person], day: date
) -> Office:
    if posting.office is not None:
        return await repositories.known.office(posting.office)
    for person in people:
        theirs = person.posting_on(day)
        if theirs is not None and theirs.office is not None:
            return await repositories.known.office(theirs.office)
    raise Invalid(
        "no_office",
        f"{holder.name} leads more than one office: name a participant who works in one.",
        f"{holder.name} 不属于单一办事处:请至少填写一位办事处人员。",
        field="participants",
    )


async def _within(
    repositories: Repositories, holder: Person, posting: Posting, person: Person, day: date, field: str
) -> None:
    """Raises Invalid for a participant whom the holder does not lead on that day."""
    theirs = person.posting_on(day)
    if theirs is not None and person.id != holder.id:
        if posting.role is Role.TOP_MANAGER:
            return
        if posting.role is Role.OFFICE_HEAD and theirs.office == posting.office:
            return
        if posting.role is Role.REGIONAL_SUPERVISOR and posting.region is not None:
            region = theirs.region
            if theirs.office is not None:
                region = (await repositories.known.office(theirs.office)).region_on(day)
            if region == posting.region:
                return
    raise Invalid(
        "not_in_your_reach",
        f"{person.name} is nobody whom {holder.name} leads on {day}: leave them out.",
        f"{person.name} 在 {day} 不由 {holder.name} 主管:请去掉该人员。",
        field=field,
    )
