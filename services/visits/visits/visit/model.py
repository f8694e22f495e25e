"""The life of a visit (domain.md V-03, V-06, V-07, V-17, V-19, A3, A9 rows 38 to 40 and 45). Pure.

    planned ──> checked_in ──> completed / not_met
       ├──> missed (by the calendar) / cancelled / moved / withdrawn (its stop has left the plan)
       └──> excused (by leave, a holiday, or because its owner has left) ──> planned / missed, when that is taken back

What was missed by the calendar or excused may still be checked in, cancelled or moved when the telephone that knows of
it comes back late, as long as it happened on its day. A check-out that nobody made by the end of the office's day is
proposed: it is flagged, declared, and never counts as measured time.

A visit of a signed report is locked; while the report is being corrected it may be changed, and counts as signed again
only with the corrected report.

Each function returns the visit after the step and what has happened, or raises WrongState or NotPossible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Any

from contracts.envelope import Happened, Imported
from contracts.refusals import NotPossible, WrongState
from contracts.staff import Office
from contracts.steps import Step
from contracts.visits import (
    DailyReport,
    Evaluation,
    Excuse,
    NextStep,
    Position,
    Presence,
    Purpose,
    PurposeResult,
    ReportSignature,
    ReportStatus,
    SalesStep,
    Stop,
    Verdict,
    Visit,
    VisitCost,
    VisitEvent,
    VisitOrder,
    VisitPlan,
    VisitStatus,
)
from visits.form_duty.cutoff import due_at

Outcome = tuple[Visit, Happened]
Perhaps = tuple[Visit, Happened | None]

NOT_BEGUN = frozenset({VisitStatus.PLANNED, VisitStatus.MISSED, VisitStatus.EXCUSED})
"""Nobody has gone there, as far as is known."""

ALLOWED: Mapping[str, frozenset[VisitStatus]] = {
    "check_in": NOT_BEGUN,
    "check_out": frozenset({VisitStatus.CHECKED_IN}),
    "completion": frozenset({VisitStatus.CHECKED_IN}),
    "not_met": frozenset({VisitStatus.CHECKED_IN}),
    "cancellation": NOT_BEGUN,
    "move": NOT_BEGUN,
    "cost": frozenset(VisitStatus) - {VisitStatus.WITHDRAWN},
    "evaluation": frozenset({VisitStatus.COMPLETED, VisitStatus.NOT_MET}),
    "correction": frozenset(
        {VisitStatus.COMPLETED, VisitStatus.NOT_MET, VisitStatus.MISSED, VisitStatus.CANCELLED, VisitStatus.MOVED}
    ),
}
"""The states from which each step is possible."""

CORRECTABLE: Mapping[VisitStatus, frozenset[str]] = {
    VisitStatus.COMPLETED: frozenset({"results", "contact_met", "contact_name", "next_step", "check_out"}),
    VisitStatus.NOT_MET: frozenset({"reason", "next_step", "check_out"}),
    VisitStatus.MISSED: frozenset({"reason"}),
    VisitStatus.CANCELLED: frozenset({"reason"}),
    VisitStatus.MOVED: frozenset({"reason"}),
}
"""What a correction may say of a visit in that state."""

FURTHEST = timedelta(days=366)
"""How far a visit is moved at most."""
MOST_COSTS = 50
"""Costs of one visit: each of its events carries them all."""
EARTH = 6_371_000
"""Mean radius in metres."""


class Locked(WrongState):
    """The visit stands in a signed report."""

    def __init__(self, report: str) -> None:
        NotPossible.__init__(
            self,
            "visit_locked",
            "The visit stands in a signed report and is locked: begin a correction of the report first.",
            "该访问所在的日报已核签并锁定:请先发起日报更正。",
            report=report,
        )


def possible(status: VisitStatus) -> list[str]:
    """The steps that may follow in that state."""
    return [step for step, states in ALLOWED.items() if status in states]


# --- plan -------------------------------------------------------------------------------------------


def of_stop(plan: VisitPlan, stop: Stop, at: datetime) -> Outcome:
    """The visit that comes of a plan's stop; it has the stop's id."""
    visit = Visit(
        id=stop.id,
        owner=plan.owner,
        office=plan.office,
        region=plan.region,
        business_date=plan.business_date,
        imported=plan.imported,
        status=VisitStatus.PLANNED,
        planned=True,
        plan=plan.id,
        **_as_planned(plan, stop),
    )
    return visit, _happened(visit, VisitEvent.PLANNED, at)


def follow(visit: Visit, plan: VisitPlan, at: datetime) -> Perhaps:
    """The visit as its plan wants it now. Once it has begun, or is over, only `committed` follows."""
    stop = next((stop for stop in plan.in_force or () if stop.id == visit.id), None)
    if visit.status not in (VisitStatus.PLANNED, VisitStatus.WITHDRAWN, VisitStatus.EXCUSED):
        committed = visit.id in (plan.committed or ())
        return _if_other(visit, {"committed": committed}, VisitEvent.REPLANNED, at)
    if stop is None:
        return _if_other(visit, {"status": VisitStatus.WITHDRAWN, "excused": None}, VisitEvent.WITHDRAWN, at)
    if visit.status == VisitStatus.WITHDRAWN:
        return _if_other(visit, {"status": VisitStatus.PLANNED, **_as_planned(plan, stop)}, VisitEvent.PLANNED, at)
    return _if_other(visit, _as_planned(plan, stop), VisitEvent.REPLANNED, at)


def unplanned(
    *,
    visit_id: str,
    owned: Mapping[str, Any],
    step: Step,
    customer: str | None,
    customer_name: str | None,
    area: str | None,
    purposes: Sequence[Purpose],
    sales_step: SalesStep | None = None,
    check_in: Presence | None = None,
    position_required: bool = False,
    imported: Imported | None = None,
) -> Outcome:
    """A visit that stood in no plan; with a check-in it has begun already."""
    if customer is None and area is None:
        raise NotPossible("visit_without_place", "Name a customer or an area.", "请填写客户或区域。", field="customer")
    if len(set(purposes)) != len(purposes):
        raise NotPossible("purpose_twice", "Name each purpose once.", "访问目的不能重复。", field="purposes")
    visit = Visit(
        **owned,
        id=visit_id,
        status=VisitStatus.CHECKED_IN if check_in else VisitStatus.PLANNED,
        planned=False,
        customer=customer,
        customer_name=customer_name,
        area=area,
        purposes=list(purposes),
        step=sales_step,
        check_in=check_in,
        position_required=position_required,
        imported=imported,
    )
    return visit, _happened(visit, VisitEvent.CHECKED_IN if check_in else VisitEvent.PLANNED, step.at)


def miss(visit: Visit, at: datetime) -> Perhaps:
    """Its day is over and nobody went. What was never planned is not missed but withdrawn."""
    if visit.status != VisitStatus.PLANNED:
        return visit, None
    if not visit.planned:
        return _if_other(visit, {"status": VisitStatus.WITHDRAWN}, VisitEvent.WITHDRAWN, at)
    return _if_other(visit, {"status": VisitStatus.MISSED}, VisitEvent.MISSED, at)


def excuse(visit: Visit, why: Excuse | None, over: bool, at: datetime) -> Perhaps:
    """What leave, a holiday or its owner's leaving makes of a stop that nobody has gone to.

    why: what excuses it as things stand, None where nothing does; then an excused one is planned again, or missed where
    its day is over.
    """
    if not visit.planned or visit.status not in NOT_BEGUN:
        return visit, None
    if why is not None:
        return _if_other(visit, {"status": VisitStatus.EXCUSED, "excused": why}, VisitEvent.EXCUSED, at)
    if visit.status != VisitStatus.EXCUSED:
        return visit, None
    back = VisitStatus.MISSED if over else VisitStatus.PLANNED
    return _if_other(visit, {"status": back, "excused": None}, VisitEvent.DUE_AGAIN, at)


def propose_check_out(visit: Visit, office: Office, at: datetime) -> Perhaps:
    """Its day is over and nobody has left. at: when it is noticed."""
    if visit.status != VisitStatus.CHECKED_IN or visit.check_out is not None:
        return visit, None
    return _if_other(visit, {"check_out": _proposed(visit, office)}, VisitEvent.CHECK_OUT_PROPOSED, at)


# --- what its owner does ----------------------------------------------------------------------------


def check_in(visit: Visit, presence: Presence, day: date, *, position_required: bool = False) -> Outcome:
    """Arrived. day: the office's business date of the instant; it must be the visit's.

    position_required: whether the office's rules of now want a verified position of an effective visit.
    """
    _follows(visit, "check_in")
    if day != visit.business_date:
        raise NotPossible(
            "another_day",
            f"The visit is of {visit.business_date}, and this is {day}: move it, or enter an unplanned visit.",
            f"该访问属于 {visit.business_date},而签到日期为 {day}:请改期,或登记为计划外访问。",
            field="occurred_at",
        )
    return _changed(
        visit,
        presence,
        VisitEvent.CHECKED_IN,
        status=VisitStatus.CHECKED_IN,
        check_in=presence,
        position_required=position_required,
        excused=None,
    )


def check_out(visit: Visit, presence: Presence, office: Office) -> Outcome:
    """Left; what came of it follows with the completion."""
    _follows(visit, "check_out")
    if visit.check_out is not None and not visit.check_out.proposed:
        raise WrongState("check_out", "checked_out", ["completion", "not_met", "cost"])
    _after_check_in(visit, presence)
    return _changed(visit, presence, VisitEvent.CHECKED_IN, check_out=_left(visit, presence, office))


def complete(
    visit: Visit,
    presence: Presence,
    office: Office,
    *,
    contact_met: str | None,
    contact_name: str | None,
    results: Sequence[PurposeResult],
    next_step: NextStep | None = None,
) -> Outcome:
    """Somebody was met, every planned purpose has its result (row 40). presence: the check-out, unless it was made."""
    _follows(visit, "completion")
    _after_check_in(visit, presence)
    check_results(visit, results)
    if contact_name is None:
        raise _contact_needed()
    return _changed(
        visit,
        presence,
        VisitEvent.COMPLETED,
        status=VisitStatus.COMPLETED,
        check_out=_left(visit, presence, office),
        contact_met=contact_met,
        contact_name=contact_name,
        results=list(results),
        next_step=next_step,
    )


def not_met(visit: Visit, presence: Presence, office: Office, reason: str) -> Outcome:
    """Nobody was met."""
    _follows(visit, "not_met")
    _after_check_in(visit, presence)
    return _changed(
        visit,
        presence,
        VisitEvent.NOT_MET,
        status=VisitStatus.NOT_MET,
        check_out=_left(visit, presence, office),
        reason=reason,
    )


def cancel(visit: Visit, step: Step, day: date, reason: str) -> Outcome:
    """It does not take place. day: the office's business date of the instant, at the latest the visit's own."""
    _follows(visit, "cancellation")
    _not_over(visit, day)
    return _changed(visit, step, VisitEvent.CANCELLED, status=VisitStatus.CANCELLED, reason=reason, excused=None)


def move(visit: Visit, step: Step, day: date, to: date, reason: str) -> Outcome:
    """To another day, which has a plan of its own. day: as for a cancellation."""
    _follows(visit, "move")
    _not_over(visit, day)
    if to <= visit.business_date:
        raise NotPossible(
            "moved_back",
            f"The visit is of {visit.business_date}: move it to a later day.",
            f"该访问属于 {visit.business_date}:请改到更晚的日期。",
            field="to",
        )
    if to > visit.business_date + FURTHEST:
        raise NotPossible(
            "moved_too_far",
            f"The visit is of {visit.business_date}: move it to a day within {FURTHEST.days} days, or cancel it.",
            f"该访问属于 {visit.business_date}:只能改到 {FURTHEST.days} 天以内,否则请取消。",
            field="to",
        )
    update = {"status": VisitStatus.MOVED, "reason": reason, "moved_to": to, "excused": None}
    return _changed(visit, step, VisitEvent.MOVED, **update)


def cost(visit: Visit, step: Step, cost: VisitCost) -> Perhaps:
    """What it cost (V-17). A cost with the id of one that is there takes its place."""
    _follows(visit, "cost")
    if cost in visit.costs:
        return visit, None
    costs = [one for one in visit.costs if one.id != cost.id]
    if len(costs) >= MOST_COSTS:
        raise NotPossible(
            "too_many_costs",
            f"A visit has at most {MOST_COSTS} costs: change one that is there by its id.",
            f"一次访问最多 {MOST_COSTS} 项费用:请按编号修改已有的费用。",
            field="id",
            limit=MOST_COSTS,
        )
    return _changed(visit, step, VisitEvent.COST_RECORDED, costs=[*costs, cost])


def correct(visit: Visit, step: Step, changes: Mapping[str, Any]) -> Perhaps:
    """Other results, contact, next step or reason."""
    _follows(visit, "correction")
    fit = CORRECTABLE[visit.status]
    for field in changes:
        if field not in fit:
            raise NotPossible(
                "not_of_this_visit",
                f"The visit is {visit.status}: a correction of it says {', '.join(sorted(fit))}.",
                f"该访问状态为 {visit.status}:只能更正 {'、'.join(sorted(fit))}。",
                field=field,
            )
    if "results" in changes:
        check_results(visit, changes["results"])
    if changes.get("contact_name", visit.contact_name) is None and visit.status == VisitStatus.COMPLETED:
        raise _contact_needed()
    if visit.model_copy(update=dict(changes)) == visit:
        return visit, None
    return _changed(visit, step, VisitEvent.CORRECTED, **changes)


# --- what others do ---------------------------------------------------------------------------------


def evaluate(visit: Visit, evaluation: Evaluation) -> Outcome:
    """The supervisor's grade (V-07); a later one takes the place of an earlier one, also after the signature."""
    _follows(visit, "evaluation")
    visit = visit.model_copy(update={"evaluation": evaluation})
    return visit, _happened(visit, VisitEvent.EVALUATED, evaluation.at)


def attribute(visit: Visit, order: str, said: VisitOrder | None, at: datetime) -> Perhaps:
    """The order counts for this visit (A4, deal rate) as `said`, or with None not any more."""
    orders = [one for one in visit.orders if one.order != order]
    if said is not None:
        orders = sorted([*orders, said], key=lambda one: one.order)
    return _if_other(visit, {"orders": orders}, VisitEvent.ORDER_ATTRIBUTED, at)


def report(visit: Visit, report: DailyReport, at: datetime) -> Perhaps:
    """What the day's report makes of the visit: it stands in it, or not any more; it is signed with it, or not.

    The last signed revision counts until the next one is signed; a visit that was corrected after that signature
    waits for the next one.
    """
    signed = _signature(visit, report)
    handed_in = report.submission is not None or report.status == ReportStatus.RETURNED
    frozen = bool(report.revisions) and _names(report.revisions[-1].sections.talks, visit)
    stands = frozen or (handed_in and _names(report.sections.talks, visit))
    if not stands and visit.report != report.id:
        return visit, None
    event = VisitEvent.SIGNED if signed and signed != visit.signed else VisitEvent.REPORTED
    return _if_other(visit, {"report": report.id if stands else None, "signed": signed}, event, at)


def named(report: DailyReport) -> set[str]:
    """The visits that the report, as it is or as it was signed last, names."""
    revisions = [revision.sections for revision in report.revisions[-1:]]
    return {line.visit for sections in [report.sections, *revisions] for line in sections.talks}


def open_again(report: DailyReport | None) -> bool:
    """Whether the visits of a signed report may be changed: it is being corrected."""
    return report is not None and report.status in (ReportStatus.CORRECTING, ReportStatus.RETURNED)


# --- details ----------------------------------------------------------------------------------------


def check_results(visit: Visit, results: Sequence[PurposeResult]) -> None:
    """Raises NotPossible unless every planned purpose is answered, and none twice."""
    answered = [result.purpose for result in results]
    if lacking := [purpose for purpose in visit.purposes if purpose not in answered]:
        raise NotPossible(
            "purpose_unanswered",
            f"Say what came of every planned purpose; missing: {', '.join(lacking)}.",
            f"请逐项填写每个访问目的的结果,缺少:{'、'.join(lacking)}。",
            field="results",
            missing=[purpose.value for purpose in lacking],
        )
    if len(set(answered)) != len(answered):
        raise NotPossible(
            "purpose_twice", "Answer each purpose once.", "每个访问目的只能填写一次结果。", field="results"
        )


def verdict(
    position: Position | None, places: Sequence[tuple[float, float]], radius_m: int
) -> tuple[Verdict, int | None]:
    """Whether a position fits one of the places (latitude, longitude), and the metres to the nearest (row 38)."""
    if position is None or not places:
        return Verdict.UNVERIFIED, None
    metres = min(_distance(position, place) for place in places)
    return (Verdict.VERIFIED if metres <= radius_m else Verdict.INVALID), round(metres)


def _distance(position: Position, place: tuple[float, float]) -> float:
    """Great-circle distance in metres (haversine)."""
    here, there = radians(position.latitude), radians(place[0])
    half = sin((there - here) / 2) ** 2
    half += cos(here) * cos(there) * sin(radians(place[1] - position.longitude) / 2) ** 2
    return 2 * EARTH * asin(min(1.0, sqrt(half)))


def _signature(visit: Visit, report: DailyReport) -> ReportSignature | None:
    if not report.revisions:
        return None
    last = report.revisions[-1]
    if not _names(last.sections.talks, visit):
        return None
    if last.revision <= visit.corrected_after:
        return None
    return ReportSignature(report=report.id, revision=last.revision, at=last.signature.at)


def _names(talks: Sequence[Any], visit: Visit) -> bool:
    return any(line.visit == visit.id for line in talks)


def _as_planned(plan: VisitPlan, stop: Stop) -> dict[str, Any]:
    return {
        "committed": stop.id in (plan.committed or ()),
        "customer": stop.customer,
        "customer_name": stop.customer_name,
        "area": stop.area,
        "starts": stop.starts,
        "ends": stop.ends,
        "purposes": stop.purposes,
        "step": stop.step,
    }


def _follows(visit: Visit, wanted: str) -> None:
    if visit.status not in ALLOWED[wanted]:
        raise WrongState(wanted, visit.status, possible(visit.status))


def _after_check_in(visit: Visit, step: Step) -> None:
    assert visit.check_in is not None  # noqa: S101 - the state says so
    came, left = visit.check_in.at, visit.check_out
    if step.at < came or (left is not None and not left.proposed and step.at < left.at):
        raise NotPossible(
            "before_prior_step",
            f"The check-in was at {came.isoformat()}: nobody leaves before they have come.",
            f"签到时间为 {came.isoformat()}:签退不能早于签到。",
            field="occurred_at",
        )


def corrected_check_out(visit: Visit, office: Office, at: datetime, by: str, recorded_at: datetime) -> Presence:
    """The check-out that takes the place of a proposed one: at the time that is said, declared."""
    if visit.check_out is None or not visit.check_out.proposed or visit.check_in is None:
        raise NotPossible(
            "check_out_made",
            "Only a check-out that was proposed, because nobody had made it, is given another time.",
            "只有系统建议的签退时间可以更正。",
            field="check_out_at",
        )
    if not visit.check_in.at <= at < _day_ends(office, visit.business_date):
        raise NotPossible(
            "not_of_the_day",
            f"The visit is of {visit.business_date}, and the check-in was at {visit.check_in.at.isoformat()}: give a "
            "time between that and the end of the day.",
            f"该访问属于 {visit.business_date},签到于 {visit.check_in.at.isoformat()}:请填写其后至当天结束前的时间。",
            field="check_out_at",
        )
    return Presence(at=at, business_date=visit.business_date, by=by, declared=True, recorded_at=recorded_at)


def _left(visit: Visit, presence: Presence, office: Office) -> Presence:
    """The check-out as it counts: the one that was made, this one if it is of the visit's day, else a proposed one."""
    if visit.check_out is not None and not visit.check_out.proposed:
        return visit.check_out
    if presence.at < _day_ends(office, visit.business_date):
        return presence
    return visit.check_out or _proposed(visit, office)


def _proposed(visit: Visit, office: Office) -> Presence:
    """At the end of the planned slot, or at the check-in where that was later or there is none: no time is invented."""
    assert visit.check_in is not None  # noqa: S101 - asked for by the callers
    at = visit.check_in.at
    if visit.ends is not None:
        at = max(at, due_at(office, visit.business_date, visit.ends))
    return Presence(at=at, business_date=visit.business_date, by=visit.owner, declared=True, proposed=True)


def _day_ends(office: Office, day: date) -> datetime:
    return due_at(office, day, "00:00+1")


def _not_over(visit: Visit, day: date) -> None:
    if day > visit.business_date:
        raise NotPossible(
            "day_is_over",
            f"{visit.business_date} is over, so the visit counts as missed: say why in a correction.",
            f"{visit.business_date} 已结束,该访问计为未访:请通过更正填写原因。",
            field="occurred_at",
        )


def _contact_needed() -> NotPossible:
    return NotPossible(
        "contact_needed",
        "Say whom you met: contact_met or contact_name.",
        "请填写会见的联系人:contact_met 或 contact_name。",
        field="contact_name",
    )


def _changed(visit: Visit, step: Step, event: VisitEvent, **update: Any) -> Outcome:
    if visit.signed is not None:
        update |= {"signed": None, "corrected_after": visit.signed.revision}
    visit = visit.model_copy(update=update)
    return visit, _happened(visit, event, step.at)


def _if_other(visit: Visit, update: Mapping[str, Any], event: VisitEvent, at: datetime) -> Perhaps:
    other = visit.model_copy(update=dict(update))
    return (visit, None) if other == visit else (other, _happened(other, event, at))


def _happened(visit: Visit, event: VisitEvent, at: datetime) -> Happened:
    return Happened(event, at, visit.business_date)
