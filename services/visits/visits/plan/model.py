"""The life of a daily visit plan (domain.md V-01, V-02, A3, A9 rows 35 to 37). Pure.

    draft ──> submitted ──> signed ──> draft of the next revision (amendment) ──> submitted …
      ^           v            └──> closed: the day's report is signed
      └──────  returned

Each function returns the plan after the step and what has happened, or raises WrongState or NotPossible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from contracts.envelope import Happened, Imported
from contracts.refusals import NotPossible, WrongState
from contracts.staff import Office
from contracts.steps import Reasoned, Step
from contracts.visits import PlanEvent, PlanRevision, PlanStatus, Signature, Stop, Submission, TimeOfDay, VisitPlan
from visits.form_duty.cutoff import Deadline

Outcome = tuple[VisitPlan, Happened]

ALLOWED: Mapping[str, frozenset[PlanStatus]] = {
    "change": frozenset({PlanStatus.DRAFT, PlanStatus.RETURNED}),
    "submission": frozenset({PlanStatus.DRAFT, PlanStatus.RETURNED}),
    "signature": frozenset({PlanStatus.SUBMITTED}),
    "return": frozenset({PlanStatus.SUBMITTED}),
    "amendment": frozenset({PlanStatus.SIGNED}),
}
"""The states from which each step is possible."""


def possible(status: PlanStatus) -> list[str]:
    """The steps that may follow in that state."""
    return [step for step, states in ALLOWED.items() if status in states]


def begins(office: Office, day: date) -> datetime:
    """The instant at which a business date begins: midnight of the office's zone."""
    return datetime.combine(day, time.min, ZoneInfo(office.timezone))


def instant(office: Office, day: date, at: TimeOfDay) -> datetime:
    """The instant of a time of day, such as 09:00, at that office on that day."""
    return datetime.combine(day, time.fromisoformat(at), ZoneInfo(office.timezone))


def draft(
    *,
    plan_id: str,
    owned: Mapping[str, Any],
    stops: Sequence[Stop],
    step: Step,
    note: str | None = None,
    imported: Imported | None = None,
) -> Outcome:
    """A new plan. owned: whose it is, where, and for which day."""
    plan = VisitPlan(
        **owned, id=plan_id, status=PlanStatus.DRAFT, revision=1, stops=in_order(stops), note=note, imported=imported
    )
    return plan, _happened(plan, PlanEvent.DRAFTED, step.at)


def change(plan: VisitPlan, step: Step, changes: Mapping[str, Any]) -> tuple[VisitPlan, Happened | None]:
    """Other stops or another note; nothing happens where nothing changes."""
    _follows(plan, "change", step)
    update = dict(changes)
    if "stops" in update:
        update["stops"] = in_order(update["stops"])
    changed = plan.model_copy(update=update)
    return changed, None if changed == plan else _happened(plan, PlanEvent.DRAFTED, step.at)


def submit(plan: VisitPlan, step: Submission, arrived_at: datetime, deadline: Deadline) -> Outcome:
    """Handed in. It is on time or late by its first submission, however often it is returned or amended.

    arrived_at: when it came here, or for an import when it is said to have happened.
    """
    _follows(plan, "submission", step)
    if not plan.stops:
        raise NotPossible(
            "no_stops",
            "A plan needs at least one stop: add where you will go.",
            "计划至少需要一个访问点:请添加。",
            field="stops",
        )
    update: dict[str, Any] = {"status": PlanStatus.SUBMITTED, "submission": step, "in_force": plan.stops}
    if plan.first_submitted_at is None:
        update |= {
            "first_submitted_at": step.at,
            "first_arrived_at": arrived_at,
            "due_at": deadline.due_at,
            "late": deadline.late(step.at, arrived_at),
            "late_arrival": deadline.late_arrival(step.at, arrived_at),
        }
    return plan.model_copy(update=update), _happened(plan, PlanEvent.SUBMITTED, step.at)


def sign(plan: VisitPlan, signature: Signature, *, before_the_day: bool) -> Outcome:
    """核签 by somebody of the reporting line.

    before_the_day: it is signed before the day begins, so its stops are what the day is measured by (A4).
    """
    _follows(plan, "signature", signature)
    assert plan.submission is not None  # noqa: S101 - the state says so
    revision = PlanRevision(
        revision=plan.revision,
        stops=plan.stops,
        submission=plan.submission,
        signature=signature,
        returns=plan.returns,
    )
    update: dict[str, Any] = {
        "status": PlanStatus.SIGNED,
        "signature": signature,
        "revisions": [*plan.revisions, revision],
        "in_force": plan.stops,
    }
    if before_the_day:
        update["committed"] = [stop.id for stop in plan.stops]
    return plan.model_copy(update=update), _happened(plan, PlanEvent.SIGNED, signature.at)


def send_back(plan: VisitPlan, step: Step, reason: str) -> Outcome:
    """Back to whoever wrote it. What was signed before is in force again; a first revision stays in force."""
    _follows(plan, "return", step)
    update = {
        "status": PlanStatus.RETURNED,
        "returned": Reasoned(**dict(step), reason=reason),
        "returns": plan.returns + 1,
        "in_force": plan.revisions[-1].stops if plan.revisions else plan.in_force,
    }
    return plan.model_copy(update=update), _happened(plan, PlanEvent.RETURNED, step.at)


def amend(plan: VisitPlan, step: Step, reason: str) -> Outcome:
    """A new draft revision; the signed one stays in force until the new one is submitted."""
    _follows(plan, "amendment", step)
    update = {
        "status": PlanStatus.DRAFT,
        "revision": plan.revision + 1,
        "submission": None,
        "signature": None,
        "returned": None,
        "amendment_reason": reason,
    }
    return plan.model_copy(update=update), _happened(plan, PlanEvent.AMENDED, step.at)


def flag(plan: VisitPlan, at: datetime) -> tuple[VisitPlan, Happened | None]:
    """The cut-off has passed before anybody has signed (A3): said once, and never taken back."""
    if plan.status != PlanStatus.SUBMITTED or plan.revisions or plan.executed_unsigned:
        return plan, None
    flagged = plan.model_copy(update={"executed_unsigned": True})
    return flagged, _happened(plan, PlanEvent.EXECUTED_UNSIGNED, at)


def close(plan: VisitPlan, at: datetime) -> tuple[VisitPlan, Happened | None]:
    """The day's report is signed: nothing more is planned for it. What was handed in unsigned stays flagged."""
    if plan.status == PlanStatus.CLOSED:
        return plan, None
    unsigned = plan.status == PlanStatus.SUBMITTED and not plan.revisions
    update = {"status": PlanStatus.CLOSED, "executed_unsigned": plan.executed_unsigned or unsigned}
    return plan.model_copy(update=update), _happened(plan, PlanEvent.CLOSED, at)


def in_order(stops: Sequence[Stop]) -> list[Stop]:
    """The stops by their time. Raises NotPossible for stops that overlap or lack something."""
    for position, stop in enumerate(stops):
        if stop.ends <= stop.starts:
            raise _at(position, "ends", "slot_ends_early", "The slot ends before it begins.", "时间段的结束早于开始。")
        if stop.customer is None and stop.area is None:
            raise _at(position, "customer", "stop_without_place", "Name a customer or an area.", "请填写客户或区域。")
        if not stop.purposes:
            raise _at(position, "purposes", "stop_without_purpose", "Name a purpose.", "请填写访问目的。")
        if len(set(stop.purposes)) != len(stop.purposes):
            raise _at(position, "purposes", "purpose_twice", "Name each purpose once.", "访问目的不能重复。")
    seen: set[str] = set()
    for position, stop in enumerate(stops):
        if stop.id in seen:
            raise _at(position, "id", "stop_twice", "This stop stands here twice.", "该访问点重复。")
        seen.add(stop.id)
    ordered = sorted(enumerate(stops), key=lambda numbered: numbered[1].starts)
    for (_, before), (position, after) in pairwise(ordered):
        if after.starts < before.ends:
            raise _at(
                position,
                "starts",
                "slots_overlap",
                f"It begins at {after.starts}, while the stop from {before.starts} to {before.ends} still lasts.",
                f"开始时间 {after.starts} 与 {before.starts} 至 {before.ends} 的访问点重叠。",
            )
    return [stop for _, stop in ordered]


def stops_of(plan: VisitPlan, revision: int) -> list[Stop] | None:
    """What a revision says: the present one or a signed one; None where there is no such one."""
    if revision == plan.revision:
        return plan.stops
    return next((signed.stops for signed in plan.revisions if signed.revision == revision), None)


def difference(before: Sequence[Stop], after: Sequence[Stop]) -> dict[str, list[dict[str, Any]]]:
    """What `after` says otherwise: stops added, removed and changed, each with the fields that differ."""
    old = {stop.id: stop for stop in before}
    new = {stop.id: stop for stop in after}
    changed = [
        {"id": stop_id, "before": _unlike(old[stop_id], stop), "after": _unlike(stop, old[stop_id])}
        for stop_id, stop in new.items()
        if stop_id in old and old[stop_id] != stop
    ]
    return {
        "added": [stop.model_dump(mode="json") for stop_id, stop in new.items() if stop_id not in old],
        "removed": [stop.model_dump(mode="json") for stop_id, stop in old.items() if stop_id not in new],
        "changed": changed,
    }


def _unlike(one: Stop, other: Stop) -> dict[str, Any]:
    theirs = other.model_dump(mode="json")
    return {name: value for name, value in one.model_dump(mode="json").items() if value != theirs[name]}


def _follows(plan: VisitPlan, wanted: str, step: Step) -> None:
    if plan.status not in ALLOWED[wanted]:
        raise WrongState(wanted, plan.status, possible(plan.status))
    steps = (plan.submission, plan.returned, plan.revisions[-1].signature if plan.revisions else None)
    earliest = max((done.at for done in steps if done), default=step.at)
    if step.at < earliest:
        raise NotPossible(
            "before_prior_step",
            f"The step before happened at {earliest.isoformat()}: this one cannot have happened earlier.",
            f"上一步发生于 {earliest.isoformat()}:本步骤不能早于该时间。",
            field="occurred_at",
        )


def _at(position: int, field: str, code: str, en: str, zh: str) -> NotPossible:
    return NotPossible(code, en, zh, field=f"stops.{position}.{field}")


def _happened(plan: VisitPlan, event: PlanEvent, at: datetime) -> Happened:
    return Happened(event, at, plan.business_date)
