"""The visit plan's commands, what its day brings about, and what a signed report does to it: load, decide, save.

Every command raises Forbidden for who may not take the step, NotFound for a plan out of reach, Stale, WrongState,
and NotPossible for a time or a value that the rules refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from chassis import clock, ids
from chassis.aggregate import Command, Decision, Stored
from chassis.mongo import DuplicateKey, duplicate_field
from chassis.problems import Conflict, Invalid
from chassis.received import Received
from chassis.scope import everything
from chassis.supervision import each_alone
from contracts.steps import Step
from contracts.visits import (
    DailyReport,
    Form,
    PlanStatus,
    Purpose,
    ReportStatus,
    SalesStep,
    Signature,
    Stop,
    VisitPlan,
)
from visits import rights
from visits.backdated import check_day
from visits.doors import Act
from visits.form_duty.cutoff import deadline
from visits.known import Place
from visits.plan import model
from visits.policy import queries as policies
from visits.repositories import Repositories
from visits.signing import to_decide

_DAY = everything("a day's plan and report belong to the person for whom it is asked")
_TIMER = everything("a day begins for everybody")
_LINE = everything("the reporting line has said that they may")

LAST_WEEK = timedelta(days=7)
FLAGGED_A_TURN = 500
"""Plans of one office that the timer looks at in one turn."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stop as it is asked for. id: that of the stop as it stood before, or a new one; without it, a new one."""

    starts: str
    ends: str
    purposes: Sequence[Purpose]
    id: str | None = None
    customer: str | None = None
    area: str | None = None
    step: SalesStep | None = None
    note: str | None = None


async def draft(
    repositories: Repositories, act: Act, plan_id: str, *, day: date, wanted: Sequence[Wanted], note: str | None
) -> Stored[VisitPlan]:
    """A new plan for that day (V-01).

    Raises Invalid (no_office, unknown_customer, stop_taken), NotPossible (too_far_back and what is wrong with a
    stop), Conflict (plan_exists, day_closed, id_taken).
    """
    if (stored := await repositories.plans.repeated(plan_id, rights.reach(act.caller), act.command)) is not None:
        return stored
    place = await _place(repositories, act, day)
    stops = await _stops(repositories, act, plan_id, place.person.id, day, wanted, ())
    return await _create(repositories, act, place, plan_id, stops, note)


async def copy(repositories: Repositories, act: Act, plan_id: str, *, day: date, source: date) -> Stored[VisitPlan]:
    """A new plan with the stops of the person's plan of another day, new ones of their own.

    Left out are the stops whose customer the person does not hold any more. Raises Conflict (nothing_to_copy)
    where there is no plan of that day, and as `draft` does.
    """
    if (stored := await repositories.plans.repeated(plan_id, rights.reach(act.caller), act.command)) is not None:
        return stored
    place = await _place(repositories, act, day)
    found = await _of_day(repositories, place.person.id, source)
    if found is None:
        raise Conflict(
            "nothing_to_copy",
            f"There is no plan of {source}: choose another day in `from`.",
            f"{source} 没有访问计划:请在 from 中选择其他日期。",
        )
    stops: list[Stop] = []
    for number, stop in enumerate(found.state.stops):
        copied: dict[str, Any] = {"id": ids.derived_id("stops", f"{plan_id}/{number}")}
        if stop.customer is not None:
            customer = await repositories.known.customers.get(stop.customer)
            if customer is None or customer.held_on(day).owner != place.person.id:
                continue
            copied["customer_name"] = customer.name
        stops.append(stop.model_copy(update=copied))
    return await _create(repositories, act, place, plan_id, stops, found.state.note)


async def change(
    repositories: Repositories, act: Act, plan_id: str, changes: Mapping[str, Any], wanted: Sequence[Wanted] | None
) -> Stored[VisitPlan]:
    """Other stops or another note, by the person whose plan it is."""

    async def decide(plan: VisitPlan, step: Step) -> Decision[VisitPlan]:
        said = dict(changes)
        if wanted is not None:
            said["stops"] = await _stops(repositories, act, plan.id, plan.owner, plan.business_date, wanted, plan.stops)
        return model.change(plan, step, said)

    return await _own_step(repositories, act, plan_id, decide)


async def submit(repositories: Repositories, act: Act, plan_id: str) -> Stored[VisitPlan]:
    """Handed in, by the person whose plan it is; late after the office's cut-off of that day."""

    async def decide(plan: VisitPlan, step: Step) -> Decision[VisitPlan]:
        policy = await policies.of(repositories, plan.office)
        office = await repositories.known.office(plan.office)
        due = deadline(office, policy, Form.PLAN, plan.business_date)
        return model.submit(plan, act.recorded(step), act.arrived_at, due)

    return await _own_step(repositories, act, plan_id, decide)


async def sign(repositories: Repositories, act: Act, plan_id: str, instructions: str | None) -> Stored[VisitPlan]:
    """核签 by somebody of the reporting line, or a superior's deputy (V-02).

    Raises Forbidden (own_form, outside_reporting_line, person_needed).
    """
    _, signer = await to_decide(repositories, repositories.plans, act, plan_id)

    async def decide(plan: VisitPlan) -> Decision[VisitPlan]:
        office = await repositories.known.office(plan.office)
        said = {**dict(act.step_on(plan.business_date)), "by": signer.person}
        signature = Signature(**said, instructions=instructions, deputy_for=signer.deputy_for)
        # What the day is measured by does not change once it has begun, whatever time a signature claims.
        signed_at = act.at if act.any_past else act.now
        before = signed_at < model.begins(office, plan.business_date)
        return model.sign(plan, signature, before_the_day=before)

    return await repositories.plans.change(plan_id, _LINE, decide, act.command)


async def send_back(repositories: Repositories, act: Act, plan_id: str, reason: str) -> Stored[VisitPlan]:
    """By somebody of the reporting line, or a superior's deputy."""
    _, signer = await to_decide(repositories, repositories.plans, act, plan_id)

    def decide(plan: VisitPlan) -> Decision[VisitPlan]:
        step = act.step_on(plan.business_date).model_copy(update={"by": signer.person})
        return model.send_back(plan, step, reason)

    return await repositories.plans.change(plan_id, _LINE, decide, act.command)


async def amend(repositories: Repositories, act: Act, plan_id: str, reason: str) -> Stored[VisitPlan]:
    """A new draft revision of a signed plan, by the person whose plan it is."""
    return await _own_step(repositories, act, plan_id, lambda plan, step: model.amend(plan, step, reason))


async def flag_unsigned(repositories: Repositories) -> None:
    """Flag what is executed unsigned: plans handed in that nobody had signed by the office's cut-off of their day.

    A timer's work: each plan is flagged once, whenever and by however many workers this is done.
    """
    now = clock.now()
    for office in await repositories.known.offices.find():
        today = office.business_date(now)
        policy = await policies.of(repositories, office.id)
        waiting = await repositories.plans.find(
            _TIMER,
            {
                "office": office.id,
                "status": PlanStatus.SUBMITTED,
                "executed_unsigned": False,
                "revisions": [],
                "business_date": {"$lte": today.isoformat()},
            },
            limit=FLAGGED_A_TURN,
        )
        for stored in waiting:
            cut_off = model.instant(office, stored.state.business_date, policy.plan_due)
            if now <= cut_off:
                continue
            submitted = stored.state.submission
            at = max(cut_off, submitted.at) if submitted else cut_off
            with each_alone("plans executed unsigned", stored.state.id):
                await repositories.plans.change(
                    stored.state.id, _TIMER, lambda plan, at=at: model.flag(plan, at), Command(actor="/visits")
                )


async def close_reported(repositories: Repositories, events: Sequence[Received]) -> None:
    """A reaction on daily reports: once the day's report is signed, its plan is closed."""
    for event in events:
        report = event.data(DailyReport)
        if report.status != ReportStatus.SIGNED:
            continue
        stored = await _of_day(repositories, report.owner, report.business_date)
        if stored is None:
            continue
        at = report.signature.at if report.signature else event.occurred_at
        await repositories.plans.change(
            stored.state.id, _DAY, lambda plan, at=at: model.close(plan, at), Command.heard("visits", event)
        )


async def _create(
    repositories: Repositories, act: Act, place: Place, plan_id: str, stops: Sequence[Stop], note: str | None
) -> Stored[VisitPlan]:
    plan, happened = model.draft(
        plan_id=plan_id,
        owned=place.owned,
        stops=stops,
        step=act.step_on(place.day),
        note=note,
        imported=act.imported,
    )
    try:
        stored = await repositories.plans.create(plan, happened, act.command, rights.reach(act.caller))
    except DuplicateKey as error:
        if duplicate_field(error) != "owner":
            raise _stop_taken() from None
        there = await _of_day(repositories, place.person.id, place.day)
        raise Conflict(
            "plan_exists",
            f"There is a plan for {place.day} already: change or amend that one.",
            f"{place.day} 的访问计划已存在:请修改或修订该计划。",
            plan=there.state.id if there else None,
        ) from None
    if await _is_closed(repositories, place.person.id, place.day):
        # The report was signed while this plan was made, and its event may have come before the plan.
        command = Command(actor="/visits")
        await repositories.plans.change(plan_id, _DAY, lambda plan: model.close(plan, act.recorded_at), command)
        raise _day_closed(place.day)
    return stored


async def _is_closed(repositories: Repositories, person: str, day: date) -> bool:
    """Whether the report of the day is signed."""
    where = {"owner": person, "business_date": day.isoformat(), "status": ReportStatus.SIGNED}
    return bool(await repositories.reports.find(_DAY, where, limit=1))


def _day_closed(day: date) -> Conflict:
    return Conflict(
        "day_closed",
        f"The report of {day} is signed: nothing more is planned for that day.",
        f"{day} 的日报已核签:不能再为当天制定计划。",
    )


def _stop_taken() -> Invalid:
    return Invalid(
        "stop_taken",
        "The id of a stop belongs to another plan or visit: leave it out or choose a new one.",
        "访问点编号已用于其他计划或访问:请去掉它或换一个新的。",
        field="stops",
    )


async def _place(repositories: Repositories, act: Act, day: date) -> Place:
    """Where the person works on that day. Raises Invalid (no_office), NotPossible, Conflict (day_closed)."""
    place = await repositories.known.on(rights.needed(act.person), day, "business_date")
    check_day(place.office, day, act, ahead=True)
    if await _is_closed(repositories, place.person.id, day):
        raise _day_closed(day)
    return place


async def _stops(
    repositories: Repositories,
    act: Act,
    plan_id: str,
    owner: str,
    day: date,
    wanted: Sequence[Wanted],
    before: Sequence[Stop],
) -> list[Stop]:
    """The stops as they are asked for, with the customers' names. What stands in the plan already is not asked for."""
    theirs = await rights.customers_of(repositories.known, act.caller, owner, day)
    known = {stop.customer: stop.customer_name for stop in before if stop.customer}
    given = [want.id for want in wanted if want.id is not None]
    taken = await repositories.plans.find(
        everything("an id is taken whoever has it"), {"stops.id": {"$in": given}, "_id": {"$ne": plan_id}}, limit=1
    )
    visits = await repositories.visits.find(
        everything("an id is taken whoever has it"), {"_id": {"$in": given}, "plan": {"$ne": plan_id}}, limit=1
    )
    if taken or visits:
        raise _stop_taken()
    stops: list[Stop] = []
    for number, want in enumerate(wanted):
        if want.customer is not None and want.customer not in known:
            customer = await repositories.known.customer(want.customer, *theirs, field=f"stops.{number}.customer")
            known[want.customer] = customer.name
        stops.append(
            Stop(
                id=want.id or ids.new_id(),
                customer=want.customer,
                customer_name=known[want.customer] if want.customer else None,
                area=want.area,
                starts=want.starts,
                ends=want.ends,
                purposes=list(want.purposes),
                step=want.step,
                note=want.note,
            )
        )
    return stops


async def _of_day(repositories: Repositories, person: str, day: date) -> Stored[VisitPlan] | None:
    found = await repositories.plans.find(_DAY, {"owner": person, "business_date": day.isoformat()}, limit=1)
    return found[0] if found else None


async def _own_step(
    repositories: Repositories,
    act: Act,
    plan_id: str,
    decide: Callable[[VisitPlan, Step], Decision[VisitPlan] | Awaitable[Decision[VisitPlan]]],
) -> Stored[VisitPlan]:
    """A step of the person whose plan it is, or of a clerk for them. Raises Forbidden (not_your_form)."""

    async def stepped(plan: VisitPlan) -> Decision[VisitPlan]:
        rights.own(act.caller, act.person, plan.owner)
        check_day(await repositories.known.office(plan.office), plan.business_date, act, ahead=True)
        decision = decide(plan, act.step_on(plan.business_date))
        return await decision if isinstance(decision, Awaitable) else decision

    try:
        return await repositories.plans.change(plan_id, rights.reach(act.caller), stepped, act.command)
    except DuplicateKey:
        # Another plan has taken the id of a stop at the same moment.
        raise _stop_taken() from None
