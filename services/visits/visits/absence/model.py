"""Leave 请假 and trips 出差 (domain.md V-15). Pure.

    applied ──> approved ──> back (a trip)
       │  └───> refused
       └──────> cancelled <── approved, a trip only until it is back

A trip lasts until its return is entered, so that one who has not come back in time is noticed (长期在外关心, L77).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from contracts.envelope import Happened
from contracts.refusals import NotPossible, WrongState
from contracts.steps import Reasoned, Step
from contracts.visits import Absence, AbsenceEvent, AbsenceKind, AbsenceStatus

Outcome = tuple[Absence, Happened]

LONGEST = 366
"""Days of one absence: each of its events touches them all."""

ALLOWED: Mapping[str, frozenset[AbsenceStatus]] = {
    "approval": frozenset({AbsenceStatus.APPLIED}),
    "refusal": frozenset({AbsenceStatus.APPLIED}),
    "cancellation": frozenset({AbsenceStatus.APPLIED, AbsenceStatus.APPROVED}),
    "return": frozenset({AbsenceStatus.APPROVED}),
}
"""The states from which each step is possible; `possible` knows what a trip's return changes."""


def claims(absence: Absence) -> dict[str, list[str]]:
    """The days that the absence takes, as `<person>/<day>`, under `days`; nothing where it takes none.

    They are written with the absence, in one write, and a unique index holds them: so no two absences of a person
    share a day, however many are applied for at once. What was refused or cancelled takes no day, and a trip none from
    its return on.
    """
    if absence.status not in (AbsenceStatus.APPLIED, AbsenceStatus.APPROVED):
        return {}
    last = absence.last_day
    if absence.returned_on is not None:
        last = min(last, absence.returned_on - timedelta(days=1))
    count = (last - absence.business_date).days + 1
    if count < 1:
        return {}
    days = (absence.business_date + timedelta(days=number) for number in range(count))
    return {"days": [f"{absence.owner}/{day.isoformat()}" for day in days]}


def possible(absence: Absence) -> list[str]:
    """The steps that may follow now."""
    if absence.returned_on is not None:
        return []
    steps = [step for step, states in ALLOWED.items() if absence.status in states]
    return [step for step in steps if step != "return" or absence.kind is AbsenceKind.TRIP]


def apply(absence: Absence, step: Step) -> Outcome:
    """Applied for. Raises NotPossible for days in the wrong order, too many of them, or a trip to nowhere."""
    days = (absence.last_day - absence.business_date).days + 1
    if days < 1:
        raise NotPossible(
            "ends_before_it_begins",
            f"The last day {absence.last_day} lies before the first, {absence.business_date}.",
            f"结束日 {absence.last_day} 早于开始日 {absence.business_date}。",
            field="last_day",
        )
    if days > LONGEST:
        raise NotPossible(
            "too_long",
            f"An absence has at most {LONGEST} days: apply for the rest when it comes.",
            f"一次最多 {LONGEST} 天:其余请届时另行申请。",
            field="last_day",
        )
    if absence.kind is AbsenceKind.TRIP and not absence.place:
        raise NotPossible("place_needed", "A trip leads somewhere: name the place.", "请填写出差地点。", field="place")
    if absence.deputy == absence.owner:
        raise NotPossible(
            "own_deputy", "Nobody is their own deputy: name somebody else.", "代理人不能是本人。", field="deputy"
        )
    return absence.model_copy(update={"application": step}), _happened(AbsenceEvent.APPLIED, step)


def approve(absence: Absence, step: Step, reason: str) -> Outcome:
    _follows(absence, "approval", step)
    update = {"status": AbsenceStatus.APPROVED, "decision": Reasoned(**dict(step), reason=reason)}
    return absence.model_copy(update=update), _happened(AbsenceEvent.APPROVED, step)


def refuse(absence: Absence, step: Step, reason: str) -> Outcome:
    _follows(absence, "refusal", step)
    update = {"status": AbsenceStatus.REFUSED, "decision": Reasoned(**dict(step), reason=reason)}
    return absence.model_copy(update=update), _happened(AbsenceEvent.REFUSED, step)


def cancel(absence: Absence, step: Step) -> Outcome:
    """Not taken after all; the forms of its days are due again."""
    _follows(absence, "cancellation", step)
    update = {"status": AbsenceStatus.CANCELLED, "cancellation": step}
    return absence.model_copy(update=update), _happened(AbsenceEvent.CANCELLED, step)


def come_back(absence: Absence, step: Step) -> Outcome:
    """Back from a trip, on the day of the step. Raises NotPossible before the trip's first day."""
    _follows(absence, "return", step)
    if step.business_date < absence.business_date:
        raise NotPossible(
            "before_the_day",
            f"The trip begins on {absence.business_date}: cancel it if it does not take place.",
            f"出差于 {absence.business_date} 开始:如不成行请取消。",
            field="occurred_at",
        )
    update = {"returned_on": step.business_date}
    return absence.model_copy(update=update), _happened(AbsenceEvent.RETURNED, step)


def long_away(absence: Absence, today: date, most: int, at: datetime) -> tuple[Absence, Happened | None]:
    """Told once, when a trip has lasted more than `most` days, the first and today counted."""
    away = absence.kind is AbsenceKind.TRIP and absence.status is AbsenceStatus.APPROVED
    if not away or absence.returned_on is not None or absence.long_away_alerted is not None:
        return absence, None
    if (today - absence.business_date).days + 1 <= most:
        return absence, None
    return absence.model_copy(update={"long_away_alerted": today}), Happened(AbsenceEvent.LONG_AWAY, at, today)


def _follows(absence: Absence, wanted: str, step: Step) -> None:
    steps = possible(absence)
    if wanted not in steps:
        raise WrongState(wanted, "back" if absence.returned_on else absence.status, steps)
    prior = absence.decision or absence.application
    if prior is not None and step.at < prior.at:
        raise NotPossible(
            "before_prior_step",
            f"The step before it happened at {prior.at.isoformat()}: give a time after that.",
            f"上一步发生于 {prior.at.isoformat()}:请填写其后的时间。",
            field="occurred_at",
        )


def _happened(event: AbsenceEvent, step: Step) -> Happened:
    return Happened(event, step.at, step.business_date)
