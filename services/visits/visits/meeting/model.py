"""The life of a meeting, an interview or a coaching (domain.md V-08, V-12, V-13). Pure.

    planned ──> held ──> closed
      └───────> cancelled

Each function returns the meeting after the step and what has happened, or raises WrongState or NotPossible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from contracts.backdating import earliest_day
from contracts.envelope import Happened
from contracts.refusals import NotPossible, WrongState
from contracts.staff import Office
from contracts.steps import Reasoned, Step
from contracts.visits import Action, Meeting, MeetingEvent, MeetingKind, MeetingStatus, Participant

Outcome = tuple[Meeting, Happened]

ALLOWED: Mapping[str, frozenset[MeetingStatus]] = {
    "holding": frozenset({MeetingStatus.PLANNED}),
    "closure": frozenset({MeetingStatus.HELD}),
    "cancellation": frozenset({MeetingStatus.PLANNED}),
}
"""The states from which each step is possible."""

AHEAD = timedelta(days=366)
"""How far ahead a meeting is planned."""


def possible(status: MeetingStatus) -> list[str]:
    """The steps that may follow in that state."""
    return [step for step, states in ALLOWED.items() if status in states]


def check_day(office: Office, day: date, today: date, *, any_past: bool) -> None:
    """Raises NotPossible for a day that lies further back, or further ahead, than a meeting is entered for."""
    first, last = earliest_day(office, today), today + AHEAD
    if (day < first and not any_past) or day > last:
        raise NotPossible(
            "day_out_of_reach",
            f"A meeting is entered for a day from {first} to {last}: {day} is not one of them.",
            f"会议日期须在 {first} 至 {last} 之间:{day} 不在其内。",
            field="business_date",
        )


def plan(meeting: Meeting, step: Step) -> Outcome:
    """A new meeting. A coaching says why (L224)."""
    if meeting.kind is MeetingKind.COACHING and meeting.trigger is None:
        raise NotPossible(
            "trigger_missing",
            "Say why somebody is coached: a low result, a new joiner, a request.",
            "请说明指导原因:业绩偏低、新人或本人要求等。",
            field="trigger",
        )
    return meeting, Happened(MeetingEvent.PLANNED, step.at, meeting.business_date)


def hold(
    meeting: Meeting,
    step: Step,
    *,
    attendance: Mapping[str, bool],
    findings: str | None,
    decisions: Sequence[str],
    actions: Sequence[Action],
) -> Outcome:
    """It took place. attendance: whether each participant came; others who came are participants now.

    An interview and a coaching say what was found.
    """
    _follows(meeting, "holding")
    if step.business_date < meeting.business_date:
        raise NotPossible(
            "before_its_day",
            f"It is planned for {meeting.business_date}: cancel it and plan it anew if it took place before.",
            f"该会议计划于 {meeting.business_date}:如已提前召开,请取消后重新登记。",
            field="occurred_at",
        )
    planned = [participant.person for participant in meeting.participants]
    if missing := [person for person in planned if person not in attendance]:
        raise NotPossible(
            "attendance_missing",
            f"Say for each participant whether they came; not said for: {', '.join(missing)}.",
            f"请注明每位参会人是否到场;缺少:{'、'.join(missing)}。",
            field="attendance",
            missing=missing,
        )
    if not any(attendance.values()):
        raise NotPossible(
            "nobody_came",
            "A meeting to which nobody came was not held: cancel it with the reason.",
            "无人到场即未召开:请取消并说明原因。",
            field="attendance",
        )
    if meeting.kind in (MeetingKind.INTERVIEW, MeetingKind.COACHING) and findings is None:
        raise NotPossible(
            "findings_missing", "Say what was found in the talk.", "请填写面谈或指导的结论。", field="findings"
        )
    everybody = dict.fromkeys([*planned, *attendance])
    update = {
        "status": MeetingStatus.HELD,
        "participants": [Participant(person=person, attended=attendance[person]) for person in everybody],
        "findings": findings,
        "decisions": list(decisions),
        "actions": list(actions),
        "holding": step,
    }
    return meeting.model_copy(update=update), Happened(MeetingEvent.HELD, step.at, step.business_date)


def close(meeting: Meeting, step: Step, review: str | None) -> Outcome:
    """The minutes are complete. A coaching is reviewed: what came of it."""
    _follows(meeting, "closure")
    if meeting.kind is MeetingKind.COACHING and review is None:
        raise NotPossible("review_missing", "Say what came of the coaching.", "请填写指导的成效回顾。", field="review")
    if meeting.holding is not None and step.at < meeting.holding.at:
        raise NotPossible(
            "before_prior_step",
            f"It was held at {meeting.holding.at.isoformat()}: give a time after that.",
            f"会议于 {meeting.holding.at.isoformat()} 召开:请填写其后的时间。",
            field="occurred_at",
        )
    update = {"status": MeetingStatus.CLOSED, "closure": step, "review": review}
    return meeting.model_copy(update=update), Happened(MeetingEvent.CLOSED, step.at, step.business_date)


def cancel(meeting: Meeting, step: Step, reason: str) -> Outcome:
    """It does not take place."""
    _follows(meeting, "cancellation")
    update = {"status": MeetingStatus.CANCELLED, "cancellation": Reasoned(**dict(step), reason=reason)}
    return meeting.model_copy(update=update), Happened(MeetingEvent.CANCELLED, step.at, step.business_date)


def _follows(meeting: Meeting, wanted: str) -> None:
    if meeting.status not in ALLOWED[wanted]:
        raise WrongState(wanted, meeting.status, possible(meeting.status))
