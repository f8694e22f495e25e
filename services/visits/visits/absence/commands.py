"""The absence's commands: load, decide, save; and the timer of long trips.

Every command raises Forbidden, NotFound for an absence out of reach, Stale, WrongState, and NotPossible for a time or
a value that the rules refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date

from chassis import clock
from chassis.aggregate import Command, Decision, Stored
from chassis.mongo import DuplicateKey
from chassis.problems import Conflict, Invalid
from chassis.scope import everything
from chassis.supervision import each_alone
from contracts.steps import Step
from contracts.visits import Absence, AbsenceKind, AbsenceStatus
from visits import rights
from visits.absence import model
from visits.backdated import check_day
from visits.doors import Act
from visits.known import Place
from visits.policy import queries as policies
from visits.repositories import Repositories
from visits.signing import to_decide

ALERTED_A_TURN = 500


async def apply(
    repositories: Repositories,
    act: Act,
    at: Place,
    absence_id: str,
    *,
    kind: AbsenceKind,
    last_day: date,
    reason: str,
    place: str | None = None,
    deputy: str | None = None,
) -> Stored[Absence]:
    """Leave or a trip from the place's day on.

    Raises Invalid (unknown_person, not_on_roster) for the deputy, Conflict (absence_overlaps, id_taken).
    """
    if (stored := await repositories.absences.repeated(absence_id, rights.reach(act.caller), act.command)) is not None:
        return stored
    check_day(at.office, at.day, act, field="first_day", ahead=True)
    absence = Absence.model_validate(
        {
            **at.owned,
            "id": absence_id,
            "kind": kind,
            "status": AbsenceStatus.APPLIED,
            "last_day": last_day,
            "reason": reason,
            "place": place,
            "deputy": deputy,
            "imported": act.imported,
        }
    )
    applied, happened = model.apply(absence, act.step(at.office))
    if deputy is not None:
        rights.may_name_deputy(act.caller, applied.owner, deputy)
        person = await repositories.known.person(deputy, "deputy")
        if person.posting_on(at.day) is None:
            raise Invalid(
                "not_on_roster",
                f"{person.name} is not on the roster on {at.day}: name somebody who is.",
                f"{person.name} 在 {at.day} 不在职:请选择在职人员。",
                field="deputy",
            )
    await _free(repositories, applied)
    try:
        return await repositories.absences.create(applied, happened, act.command, rights.reach(act.caller))
    except DuplicateKey:
        # Another one of these days was applied for at the same moment.
        await _free(repositories, applied)
        raise _overlaps(applied, None) from None


async def approve(repositories: Repositories, act: Act, absence_id: str, reason: str) -> Stored[Absence]:
    """By somebody of the reporting line."""
    await to_decide(repositories, repositories.absences, act, absence_id)
    return await _decided(repositories, act, absence_id, lambda absence, step: model.approve(absence, step, reason))


async def refuse(repositories: Repositories, act: Act, absence_id: str, reason: str) -> Stored[Absence]:
    """By somebody of the reporting line."""
    await to_decide(repositories, repositories.absences, act, absence_id)
    return await _decided(repositories, act, absence_id, lambda absence, step: model.refuse(absence, step, reason))


async def cancel(repositories: Repositories, act: Act, absence_id: str) -> Stored[Absence]:
    """By whoever is absent."""
    return await _own_step(repositories, act, absence_id, model.cancel)


async def come_back(repositories: Repositories, act: Act, absence_id: str) -> Stored[Absence]:
    """By whoever was on the trip."""
    return await _own_step(repositories, act, absence_id, model.come_back)


async def watch_trips(repositories: Repositories) -> None:
    """Tell of each trip that has become longer than the office's policy allows, once."""
    now, scope = clock.now(), everything("a timer watches all trips")
    for office in await repositories.known.offices.find():
        today = office.business_date(now)
        most = (await policies.of(repositories, office.id)).long_away_days
        where = {
            "office": office.id,
            "kind": AbsenceKind.TRIP,
            "status": AbsenceStatus.APPROVED,
            "returned_on": None,
            "long_away_alerted": None,
            "business_date": {"$lte": today.isoformat()},
        }
        for stored in await repositories.absences.find(scope, where, limit=ALERTED_A_TURN):

            def decide(absence: Absence, today: date = today, most: int = most) -> Decision[Absence]:
                return model.long_away(absence, today, most, now)

            with each_alone("long trips", stored.state.id):
                await repositories.absences.change(stored.state.id, scope, decide, Command(actor="/visits"))


async def _free(repositories: Repositories, absence: Absence) -> None:
    """Raises Conflict (absence_overlaps) where the person is away on one of the days already."""
    days = model.claims(absence)["days"]
    there = await repositories.absences.find(
        everything("their own other absences"), {"keys.days": {"$in": days}}, limit=1
    )
    if there:
        raise _overlaps(absence, there[0].state)


def _overlaps(absence: Absence, other: Absence | None) -> Conflict:
    first, last = (other.business_date, other.last_day) if other else (absence.business_date, absence.last_day)
    return Conflict(
        "absence_overlaps",
        f"There is an absence from {first} to {last} already: cancel it, or choose other days.",
        f"已有 {first} 至 {last} 的请假或出差:请先取消,或选择其他日期。",
        absence=other.id if other else None,
    )


async def _decided(
    repositories: Repositories, act: Act, absence_id: str, decide: Callable[[Absence, Step], Decision[Absence]]
) -> Stored[Absence]:
    async def stepped(absence: Absence) -> Decision[Absence]:
        return decide(absence, act.step(await repositories.known.office(absence.office)))

    scope = everything("the reporting line has said that they may")
    return await repositories.absences.change(absence_id, scope, stepped, act.command)


async def _own_step(
    repositories: Repositories,
    act: Act,
    absence_id: str,
    decide: Callable[[Absence, Step], Decision[Absence] | Awaitable[Decision[Absence]]],
) -> Stored[Absence]:
    async def stepped(absence: Absence) -> Decision[Absence]:
        rights.own(act.caller, act.person, absence.owner)
        decision = decide(absence, act.step(await repositories.known.office(absence.office)))
        return await decision if isinstance(decision, Awaitable) else decision

    return await repositories.absences.change(absence_id, rights.reach(act.caller), stepped, act.command)
