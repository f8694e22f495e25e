"""The duties' reactions and timers. Nobody makes or changes a duty by hand.

The due set: each salesperson on the roster of an office, each working day of its calendar from the policy's
`forms_from` on, once for the plan and once for the report, less approved leave. A trip owes its forms. A form that is
handed in for a day on which none was due, such as a day off, makes no duty: nothing was owed. What is not owed any
more, because a holiday was declared or somebody left after the fact, is excused, so the due set always agrees with
the calendar and the roster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from chassis import clock
from chassis.aggregate import Command, Decision
from chassis.ids import derived_id
from chassis.mongo import ASCENDING
from chassis.received import Received
from chassis.scope import everything
from chassis.supervision import each_alone
from contracts.staff import Office, Role
from contracts.visits import (
    Absence,
    AbsenceKind,
    AbsenceStatus,
    DailyReport,
    Form,
    FormDuty,
    FormStatus,
    VisitPlan,
    VisitPolicy,
)
from visits.form_duty import model
from visits.form_duty.cutoff import deadline, is_due_day, owes
from visits.policy import queries as policies
from visits.repositories import Repositories

DAYS_A_TURN: Final = 100
"""Office days that are opened in one turn of the timer: some seconds of work."""
MARKED_A_TURN: Final = 500
LOOKED_AT_AGAIN: Final = timedelta(days=7)
"""So far back each new day's turn looks again, for whoever was registered or posted after the fact."""

CHANGED_BACK: Final = timedelta(days=62)
"""So far back a change of the calendar, the roster or the rules is looked up in the duties: two months."""

_TIMER = Command(actor="/visits")


@dataclass(frozen=True, slots=True)
class _Turn:
    """An office's next day to open. looks: how often its days had been begun again when its turn began."""

    day: date
    office: Office
    policy: VisitPolicy
    forms_from: date
    today: date
    looks: int


_BUS = everything("duties follow from events and the calendar, for nobody")


def duty_id(person: str, day: date, form: Form) -> str:
    """One duty for each person, day and form."""
    return derived_id("form duties", f"{person}/{day.isoformat()}/{form.value}")


# --- reactions ------------------------------------------------------------------------------------


async def plans_said(repositories: Repositories, events: Sequence[Received]) -> None:
    """Plans were submitted, returned, signed."""
    for event in events:
        await _filed(repositories, event.data(VisitPlan), Form.PLAN, event)


async def reports_said(repositories: Repositories, events: Sequence[Received]) -> None:
    """Reports were submitted, returned, signed."""
    for event in events:
        await _filed(repositories, event.data(DailyReport), Form.REPORT, event)


async def absences_said(repositories: Repositories, events: Sequence[Received]) -> None:
    """Leave was approved, which excuses, or cancelled: then the forms are due again."""
    for event in events:
        absence = event.data(Absence)
        if absence.kind is not AbsenceKind.LEAVE:
            continue
        days = {"$gte": absence.business_date.isoformat(), "$lte": absence.last_day.isoformat()}
        for stored in await repositories.duties.find(_BUS, {"owner": absence.owner, "business_date": days}):
            await _learn(repositories, stored.state.id, None, event.occurred_at, Command.heard("visits", event))


async def offices_said(repositories: Repositories, events: Sequence[Received]) -> None:
    """The calendar has changed."""
    for office in {event.subject for event in events}:
        await _look_again(repositories, {"office": office})


async def policies_said(repositories: Repositories, events: Sequence[Received]) -> None:
    """The first day for which forms are due has changed."""
    await offices_said(repositories, events)


async def people_said(repositories: Repositories, events: Sequence[Received]) -> None:
    """Somebody left, was posted elsewhere, or is heard of after their days were opened."""
    for person in {event.subject for event in events}:
        await _look_again(repositories, {"owner": person})
        await _open_again(repositories, person)


async def _look_again(repositories: Repositories, where: Mapping[str, Any]) -> None:
    """Excuse what is not owed any more, and have due again what is owed after all."""
    since = (clock.now() - CHANGED_BACK).date().isoformat()
    for stored in await repositories.duties.find(_BUS, {**where, "business_date": {"$gte": since}}):
        duty = stored.state
        excused = duty.status is FormStatus.EXCUSED
        if excused or not await _owed(repositories, duty):
            await _learn(repositories, duty.id, None, clock.now(), _TIMER)


async def _open_again(repositories: Repositories, person_id: str) -> None:
    """Have the timer go through the days again that were opened before this person stood on their roster.

    Only where the first form that they owe is not there, so that a resync makes no work.
    """
    person = await repositories.known.people.get(person_id)
    for posting in person.postings if person else ():
        if person is None or posting.office is None or posting.role is not Role.SALESPERSON:
            continue
        office = await repositories.known.offices.get(posting.office)
        if office is None:
            continue
        policy = await policies.of(repositories, office.id)
        if policy.forms_from is None:
            continue
        today = office.business_date(clock.now())
        day = max(policy.forms_from, posting.valid_from, person.joined_on)
        while day <= today and not (is_due_day(office, policy, day) and owes(person, office.id, day)):
            day += timedelta(days=1)
        if day > today or await repositories.duties.find(_BUS, {"_id": duty_id(person.id, day, Form.PLAN)}):
            continue
        opened = repositories.database["duties_opened"]
        # A turn that is under way has read the roster without them: it must not say that it got further.
        await opened.update_one({"_id": office.id}, {"$inc": {"looks": 1}}, upsert=True)
        before = {"through": (day - timedelta(days=1)).isoformat(), "caught_up": False}
        await opened.update_one({"_id": office.id, "through": {"$gte": day.isoformat()}}, {"$set": before})


async def _filed(repositories: Repositories, form: VisitPlan | DailyReport, kind: Form, event: Received) -> None:
    said = model.filed(form, event.version)
    if said is None:
        return
    command = Command.heard("visits", event)
    identity = duty_id(form.owner, form.business_date, kind)
    if not await repositories.duties.find(_BUS, {"_id": identity}):
        person = await repositories.known.people.get(form.owner)
        posting = person.posting_on(form.business_date) if person else None
        office = await repositories.known.offices.get(posting.office) if posting and posting.office else None
        if person is None or office is None or not owes(person, office.id, form.business_date):
            return
        policy = await policies.of(repositories, office.id)
        if not is_due_day(office, policy, form.business_date):
            return
        excused = form.owner in await _on_leave(repositories, [form.owner], form.business_date)
        duty = _duty(person.id, office, policy, kind, form.business_date)
        await _open(repositories, duty, said, excused, command)
    # Somebody else may have made it meanwhile, knowing less.
    await _learn(repositories, identity, said, event.occurred_at, command)


async def _learn(
    repositories: Repositories, identity: str, said: model.Filed | None, at: datetime, command: Command
) -> None:
    async def decide(duty: FormDuty) -> Decision[FormDuty]:
        owed = await _owed(repositories, duty)
        excused = not owed or duty.owner in await _on_leave(repositories, [duty.owner], duty.business_date)
        return model.learned(duty, said, excused, at)

    await repositories.duties.change(identity, _BUS, decide, command)


# --- timers ---------------------------------------------------------------------------------------


async def open_begun(repositories: Repositories) -> None:
    """Open the duties of the days that have begun, each office by its own clock and calendar.

    How far each office is, is remembered; a turn is bounded, so a long way back is caught up in several. Offices take
    turns, the nearest to today first: one that begins years ago does not keep the others waiting for their day.
    """
    behind: list[_Turn] = []
    for office in await repositories.known.offices.find():
        policy = await policies.of(repositories, office.id)
        if policy.forms_from is None:
            continue
        today = office.business_date(clock.now())
        day, looks = await _next_day(repositories, office, policy.forms_from, today)
        if day is not None and day <= today:
            behind.append(_Turn(day, office, policy, policy.forms_from, today, looks))
    turns = deque(sorted(behind, key=lambda turn: turn.day, reverse=True))
    for _ in range(DAYS_A_TURN):
        if not turns:
            return
        turn = turns.popleft()
        with each_alone("duties of days that have begun", turn.office.id):
            await open_day(repositories, turn.office, turn.policy, turn.day)
            if await _remember(repositories, turn) and turn.day < turn.today:
                turns.append(replace(turn, day=turn.day + timedelta(days=1)))


async def open_day(repositories: Repositories, office: Office, policy: VisitPolicy, day: date) -> None:
    """The duties of one office and day that are not there yet."""
    if not is_due_day(office, policy, day):
        return
    roster = [person.id for person in await repositories.known.roster(office.id, day, Role.SALESPERSON)]
    duties = [_duty(person, office, policy, form, day) for person in roster for form in Form]
    wanted = {"_id": {"$in": [duty.id for duty in duties]}}
    there = {stored.state.id for stored in await repositories.duties.find(_BUS, wanted)}
    lacking = [duty for duty in duties if duty.id not in there]
    if not lacking:
        return
    said = await _said(repositories, roster, day)
    excused = await _on_leave(repositories, roster, day)
    for duty in lacking:
        await _open(repositories, duty, said.get(duty.id), duty.owner in excused, _TIMER)
    # Leave that was decided in between found no duty to excuse.
    for person in excused ^ await _on_leave(repositories, roster, day):
        for form in Form:
            identity = duty_id(person, day, form)
            await _learn(repositories, identity, None, clock.now(), _TIMER)


async def mark_missing(repositories: Repositories) -> None:
    """Those past their cut-off with nothing handed in."""
    now = clock.now()
    # Instants are kept as UTC text to the second, which sorts as they do.
    past = {"status": FormStatus.DUE, "due_at": {"$lt": _text(now)}}
    found = await repositories.duties.find(_BUS, past, sort=(("due_at", ASCENDING),), limit=MARKED_A_TURN)
    for stored in found:
        with each_alone("forms past their cut-off", stored.state.id):
            await repositories.duties.change(stored.state.id, _BUS, lambda duty: model.missed(duty, now), _TIMER)


async def _next_day(
    repositories: Repositories, office: Office, forms_from: date, today: date
) -> tuple[date | None, int]:
    """The day to open next, None where everything up to today has been opened; and how often it was begun again."""
    opened = repositories.database["duties_opened"]
    known = await opened.find_one({"_id": office.id})
    if known is None:
        await opened.update_one({"_id": office.id}, {"$setOnInsert": {"looks": 0}}, upsert=True)
        known = await opened.find_one({"_id": office.id}) or {}
    looks = known.get("looks", 0)
    if "through" not in known or date.fromisoformat(known["from"]) > forms_from:
        return forms_from, looks
    through = date.fromisoformat(known["through"])
    if known["caught_up"]:
        return None if through >= today else max(forms_from, through - LOOKED_AT_AGAIN), looks
    return max(forms_from, through + timedelta(days=1)), looks


async def _remember(repositories: Repositories, turn: _Turn) -> bool:
    """False where the days are to be gone through again from further back."""
    done = {
        "from": turn.forms_from.isoformat(),
        "through": turn.day.isoformat(),
        "caught_up": turn.day >= turn.today,
        "looks": turn.looks,
    }
    # One that was remembered by an earlier version has no number of looks yet.
    same = {"_id": turn.office.id, "looks": turn.looks or {"$in": [0, None]}}
    result = await repositories.database["duties_opened"].update_one(same, {"$set": done})
    return bool(result.matched_count)


def _duty(person: str, office: Office, policy: VisitPolicy, form: Form, day: date) -> FormDuty:
    due = deadline(office, policy, form, day)
    return FormDuty(
        id=duty_id(person, day, form),
        owner=person,
        office=office.id,
        region=office.region_on(day),
        business_date=day,
        form=form,
        status=FormStatus.DUE,
        due_at=due.due_at,
        arrive_by=due.arrive_by,
    )


async def _open(
    repositories: Repositories,
    duty: FormDuty,
    said: model.Filed | None,
    excused: bool,
    command: Command,
) -> None:
    known, happened = model.opened(duty, said, excused, clock.now())
    # Whoever makes it first has made it: a repetition is known by the duty itself.
    once = Command(
        actor=command.actor,
        fingerprint=duty.id,
        correlation=command.correlation,
        causation=command.causation,
        traceparent=command.traceparent,
    )
    await repositories.duties.create(known, happened, once, _BUS)


async def _owed(repositories: Repositories, duty: FormDuty) -> bool:
    """Whether calendar, roster and rules as they are known now still ask for it; yes where they are not known."""
    office = await repositories.known.offices.get(duty.office)
    person = await repositories.known.people.get(duty.owner)
    if office is None or person is None:
        return True
    posting = person.posting_on(duty.business_date)
    if posting is None or posting.role is not Role.SALESPERSON:
        return False
    return is_due_day(office, await policies.of(repositories, office.id), duty.business_date)


async def _said(repositories: Repositories, people: Sequence[str], day: date) -> Mapping[str, model.Filed]:
    """What those people have handed in for that day, by duty."""
    where: dict[str, Any] = {"owner": {"$in": list(people)}, "business_date": day.isoformat()}
    found: dict[str, model.Filed] = {}
    for plan in await repositories.plans.find(_BUS, where):
        if (said := model.filed(plan.state, plan.version)) is not None:
            found[duty_id(plan.state.owner, day, Form.PLAN)] = said
    for report in await repositories.reports.find(_BUS, where):
        if (said := model.filed(report.state, report.version)) is not None:
            found[duty_id(report.state.owner, day, Form.REPORT)] = said
    return found


async def _on_leave(repositories: Repositories, people: Sequence[str], day: date) -> set[str]:
    """Who of them is on approved leave on that day."""
    found = await repositories.absences.find(
        _BUS,
        {
            "owner": {"$in": list(people)},
            "kind": AbsenceKind.LEAVE,
            "status": AbsenceStatus.APPROVED,
            "business_date": {"$lte": day.isoformat()},
            "last_day": {"$gte": day.isoformat()},
        },
    )
    return {stored.state.owner for stored in found}


def _text(at: datetime) -> str:
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
