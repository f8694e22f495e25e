"""The visit's commands: load, decide, save. What follows from other events is in reactions.py.

Every command raises Forbidden (not_your_form), NotFound for a visit out of reach, Stale, WrongState, Locked, and
NotPossible for a time or a value that the rules refuse.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from chassis import ids
from chassis.aggregate import Command, Decision, Stored
from chassis.problems import Conflict, Invalid, NotFound, PreconditionRequired
from chassis.scope import everything
from contracts.backdating import instant
from contracts.customers import Customer
from contracts.money import Money
from contracts.steps import Step
from contracts.visits import (
    CostType,
    Evaluation,
    NextStep,
    Position,
    Presence,
    Purpose,
    PurposeResult,
    ReportStatus,
    SalesStep,
    Visit,
    VisitCost,
)
from visits import rights
from visits.backdated import check_day
from visits.doors import Act
from visits.policy import queries as policies
from visits.repositories import Repositories
from visits.signing import to_decide
from visits.visit import model

AT_ONCE = timedelta(minutes=10)
"""A presence said later than that was entered afterwards, unless a batch brings it from the device."""

_LOCK = everything("whether a visit is locked is said by the report in which it stands")
_LINE = everything("the reporting line has said that they may")
_STOPS = everything("a visit comes of its plan whoever asks")

Decide = Callable[[Visit, Step], Decision[Visit] | Awaitable[Decision[Visit]]]


async def unplanned(
    repositories: Repositories,
    act: Act,
    visit_id: str,
    *,
    customer: str | None,
    area: str | None,
    purposes: Sequence[Purpose],
    step: SalesStep | None = None,
    check_in: bool = False,
    position: Position | None = None,
    declared: bool | None = None,
) -> Stored[Visit]:
    """A visit that stood in no plan, on the day of the act; `check_in` says that it has begun.

    Raises Invalid (unknown_customer, no_office), NotPossible, Conflict (id_taken).
    """
    if (stored := await repositories.visits.repeated(visit_id, rights.reach(act.caller), act.command)) is not None:
        return stored
    if await repositories.plans.find(everything("an id is taken whoever has it"), {"stops.id": visit_id}, limit=1):
        raise Conflict(
            "id_taken",
            f"The id {visit_id} belongs to a planned stop: check in there, or choose a new one.",
            f"编号 {visit_id} 已属于计划中的访问点:请在该点签到,或换一个新的编号。",
        )
    place = await repositories.known.at(rights.needed(act.person), act.at)
    check_day(place.office, place.day, act, field="occurred_at")
    theirs = await rights.customers_of(repositories.known, act.caller, place.person.id, place.day)
    known = await repositories.known.customer(customer, *theirs) if customer else None
    arrived, required = None, False
    if check_in:
        policy = await policies.of(repositories, place.office.id)
        required = policy.position_required
        arrived = _presence(act, place.day, position, declared, known, policy.radius_m)
    visit, happened = model.unplanned(
        visit_id=visit_id,
        owned=place.owned,
        step=act.step_on(place.day),
        customer=customer,
        customer_name=known.name if known else None,
        area=area,
        purposes=purposes,
        sales_step=step,
        check_in=arrived,
        position_required=required,
        imported=act.imported,
    )
    return await repositories.visits.create(visit, happened, act.command, rights.reach(act.caller))


async def check_in(
    repositories: Repositories,
    act: Act,
    visit_id: str,
    *,
    position: Position | None = None,
    declared: bool | None = None,
) -> Stored[Visit]:
    """Arrived, on the visit's day. The position's verdict is stored and blocks nothing (row 38)."""

    async def decide(visit: Visit, step: Step) -> Decision[Visit]:
        presence = await _presence_at(repositories, act, visit, position, declared)
        office = await repositories.known.office(visit.office)
        policy = await policies.of(repositories, visit.office)
        day = office.business_date(act.at)
        return model.check_in(visit, presence, day, position_required=policy.position_required)

    return await _own_step(repositories, act, visit_id, decide)


async def check_out(
    repositories: Repositories,
    act: Act,
    visit_id: str,
    *,
    position: Position | None = None,
    declared: bool | None = None,
    results: Sequence[PurposeResult] | None = None,
    contact_met: str | None = None,
    contact_name: str | None = None,
    next_step: NextStep | None = None,
) -> Stored[Visit]:
    """Left. With results it is completed at once."""
    if results is not None:
        return await complete(
            repositories,
            act,
            visit_id,
            results=results,
            contact_met=contact_met,
            contact_name=contact_name,
            next_step=next_step,
            position=position,
            declared=declared,
        )

    async def decide(visit: Visit, step: Step) -> Decision[Visit]:
        presence = await _presence_at(repositories, act, visit, position, declared)
        return model.check_out(visit, presence, await repositories.known.office(visit.office))

    return await _own_step(repositories, act, visit_id, decide)


async def complete(
    repositories: Repositories,
    act: Act,
    visit_id: str,
    *,
    results: Sequence[PurposeResult],
    contact_met: str | None = None,
    contact_name: str | None = None,
    next_step: NextStep | None = None,
    position: Position | None = None,
    declared: bool | None = None,
) -> Stored[Visit]:
    """What came of it, for every planned purpose (row 40). Raises Invalid (unknown_contact)."""

    async def decide(visit: Visit, step: Step) -> Decision[Visit]:
        return model.complete(
            visit,
            await _presence_at(repositories, act, visit, position, declared),
            await repositories.known.office(visit.office),
            contact_met=contact_met,
            contact_name=await _contact(repositories, visit, contact_met, contact_name),
            results=results,
            next_step=next_step,
        )

    return await _own_step(repositories, act, visit_id, decide)


async def not_met(
    repositories: Repositories,
    act: Act,
    visit_id: str,
    *,
    reason: str,
    position: Position | None = None,
    declared: bool | None = None,
) -> Stored[Visit]:
    async def decide(visit: Visit, step: Step) -> Decision[Visit]:
        presence = await _presence_at(repositories, act, visit, position, declared)
        return model.not_met(visit, presence, await repositories.known.office(visit.office), reason)

    return await _own_step(repositories, act, visit_id, decide)


async def cancel(repositories: Repositories, act: Act, visit_id: str, *, reason: str) -> Stored[Visit]:
    async def decide(visit: Visit, step: Step) -> Decision[Visit]:
        office = await repositories.known.office(visit.office)
        return model.cancel(visit, step, office.business_date(act.at), reason)

    return await _own_step(repositories, act, visit_id, decide)


async def move(repositories: Repositories, act: Act, visit_id: str, *, to: date, reason: str) -> Stored[Visit]:
    """It will be planned for that later day, in that day's plan."""

    async def decide(visit: Visit, step: Step) -> Decision[Visit]:
        office = await repositories.known.office(visit.office)
        return model.move(visit, step, office.business_date(act.at), to, reason)

    return await _own_step(repositories, act, visit_id, decide)


async def cost(
    repositories: Repositories,
    act: Act,
    visit_id: str,
    *,
    id: str | None = None,
    type: CostType,
    amount: Money,
    note: str | None = None,
) -> Stored[Visit]:
    """What it cost (V-17). Without an id, the same request again is known by its Idempotency-Key."""
    cost_id = id or (ids.derived_id("costs", act.command.key) if act.command.key else ids.new_id())
    said = VisitCost(id=cost_id, type=type, amount=amount, note=note)

    def decide(visit: Visit, step: Step) -> Decision[Visit]:
        if any(one.id == said.id and one != said for one in visit.costs):
            _version_needed(act)
        return model.cost(visit, step, said)

    return await _own_step(repositories, act, visit_id, decide)


async def correct(repositories: Repositories, act: Act, visit_id: str, changes: Mapping[str, Any]) -> Stored[Visit]:
    """Other results, contact, next step or reason, while the report is not signed or is being corrected."""

    async def decide(visit: Visit, step: Step) -> Decision[Visit]:
        said = dict(changes)
        if "contact_met" in said or "contact_name" in said:
            met = said.get("contact_met")
            said |= {
                "contact_met": met,
                "contact_name": await _contact(repositories, visit, met, said.get("contact_name")),
            }
        if (left_at := said.pop("check_out_at", None)) is not None:
            office, at = await repositories.known.office(visit.office), instant(left_at, act.now)
            said["check_out"] = model.corrected_check_out(visit, office, at, act.by, act.recorded_at)
        return model.correct(visit, step, said)

    return await _own_step(repositories, act, visit_id, decide)


async def evaluate(
    repositories: Repositories, act: Act, visit_id: str, *, grade: int, note: str | None = None
) -> Stored[Visit]:
    """The grade of somebody of the reporting line (V-07). Raises Forbidden (own_form, outside_reporting_line)."""
    _, signer = await to_decide(repositories, repositories.visits, act, visit_id)

    async def decide(visit: Visit) -> Decision[Visit]:
        step = act.step(await repositories.known.office(visit.office))
        said = {**dict(step), "by": signer.person}
        if visit.evaluation is not None:
            _version_needed(act)
        return model.evaluate(visit, Evaluation(**said, grade=grade, note=note))

    return await repositories.visits.change(visit_id, _LINE, decide, act.command)


def _version_needed(act: Act) -> None:
    """Raises PreconditionRequired for what replaces content without saying which version it was decided on."""
    if act.command.expected is None:
        raise PreconditionRequired()


async def _own_step(repositories: Repositories, act: Act, visit_id: str, decide: Decide) -> Stored[Visit]:
    """A step of the person whose visit it is, or of a clerk for them. A stop whose visit is not there yet makes it."""

    async def stepped(visit: Visit) -> Decision[Visit]:
        rights.own(act.caller, act.person, visit.owner)
        office = await repositories.known.office(visit.office)
        check_day(office, visit.business_date, act, ahead=True)
        if (report := await _locked_by(repositories, visit)) is not None:
            raise model.Locked(report)
        decision = decide(visit, act.step_on(visit.business_date))
        return await decision if isinstance(decision, Awaitable) else decision

    reach = rights.reach(act.caller)
    try:
        return await repositories.visits.change(visit_id, reach, stepped, act.command)
    except NotFound:
        plans = await repositories.plans.find(reach, {"in_force.id": visit_id}, limit=1)
        if not plans:
            raise
    await make(repositories, plans[0].state.id, visit_id)
    return await repositories.visits.change(visit_id, reach, stepped, act.command)


async def make(repositories: Repositories, plan_id: str, visit_id: str) -> None:
    """The visit of a stop in force, unless it is there: whoever makes it, a command or the plan's event."""
    plan = (await repositories.plans.get(plan_id, _STOPS)).state
    stop = next((stop for stop in plan.in_force or () if stop.id == visit_id), None)
    if stop is None or plan.first_submitted_at is None:
        return
    # Both makers say the same, so the second one is a repetition.
    command = Command(actor="/visits", fingerprint=f"stop {visit_id}")
    # An unplanned visit that has taken the id must not keep the plan's other visits from coming.
    with contextlib.suppress(Conflict):
        await repositories.visits.create(*model.of_stop(plan, stop, plan.first_submitted_at), command, _STOPS)


async def make_all(repositories: Repositories, person: str, day: date) -> None:
    """The visits of all stops in force on somebody's day: a report must not miss one because the bus is slow."""
    of_day = {"owner": person, "business_date": day.isoformat()}
    for plan in await repositories.plans.find(_STOPS, of_day, limit=1):
        there = {stored.state.id for stored in await repositories.visits.find(_STOPS, {"plan": plan.state.id})}
        for stop in plan.state.in_force or ():
            if stop.id not in there:
                await make(repositories, plan.state.id, stop.id)


async def _locked_by(repositories: Repositories, visit: Visit) -> str | None:
    """The signed report in which the visit stands, also while the visit has not heard of the signature yet."""
    where: dict[str, Any] = {"owner": visit.owner, "business_date": visit.business_date.isoformat()}
    if visit.signed is not None:
        where = {"_id": visit.signed.report}
    found = await repositories.reports.find(_LOCK, where, limit=1)
    report = found[0].state if found else None
    if visit.signed is not None:
        return None if model.open_again(report) else visit.signed.report
    signed = report is not None and report.status is ReportStatus.SIGNED
    return report.id if report is not None and signed and visit.id in model.named(report) else None


async def _presence_at(
    repositories: Repositories, act: Act, visit: Visit, position: Position | None, declared: bool | None
) -> Presence:
    policy = await policies.of(repositories, visit.office)
    customer = await repositories.known.customers.get(visit.customer) if visit.customer and position else None
    return _presence(act, visit.business_date, position, declared, customer, policy.radius_m)


def _presence(
    act: Act, day: date, position: Position | None, declared: bool | None, customer: Customer | None, radius_m: int
) -> Presence:
    places = [
        (address.latitude, address.longitude)
        for address in (customer.addresses if customer else ())
        if address.latitude is not None and address.longitude is not None
    ]
    said, metres = model.verdict(position, places, radius_m)
    afterwards = act.command.on_behalf_of is not None or act.now - act.at > AT_ONCE
    return Presence(
        **dict(act.step_on(day)),
        position=position,
        verdict=said,
        distance_m=metres,
        declared=afterwards if declared is None else declared,
        recorded_at=act.recorded_at,
    )


async def _contact(repositories: Repositories, visit: Visit, met: str | None, name: str | None) -> str | None:
    """The name of whom they met. Raises Invalid (unknown_contact) for one who is not of the customer."""
    if met is None:
        return name
    if met == visit.contact_met and name is None:
        return visit.contact_name
    customer = await repositories.known.customers.get(visit.customer) if visit.customer else None
    contact = next((one for one in (customer.contacts if customer else ()) if one.id == met), None)
    if contact is None:
        raise Invalid(
            "unknown_contact",
            "The customer has no such contact: leave contact_met out and give contact_name.",
            "该客户没有此联系人:请去掉 contact_met,改填 contact_name。",
            field="contact_met",
        )
    return contact.name
