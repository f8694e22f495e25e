"""What becomes of visits without their owner's doing: by plans, orders, reports, and the end of the day.

Every reaction looks at how things stand now, not at what an event once said, and writes only what differs. So any
order and repetition of the same events ends in the same visits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chassis import clock
from chassis.aggregate import Command
from chassis.received import Received
from chassis.scope import everything
from chassis.supervision import each_alone
from contracts.orders import Order
from contracts.staff import Office
from contracts.visits import DailyReport, Excuse, Visit, VisitOrder, VisitPlan, VisitStatus
from visits.plan.model import begins
from visits.repositories import Repositories
from visits.visit import model
from visits.visit.commands import make
from visits.visit.excused_stops import Excuses, settle

A_TURN = 500
"""Visits of one office that the timer looks at in one turn."""

_BUS = everything("the bus acts for nobody")
_TIMER = everything("a day ends for everybody")


async def follow_plans(repositories: Repositories, events: Sequence[Received]) -> None:
    """Visits come of the stops in force, change with them and are withdrawn with them."""
    for event in _last(events):
        found = await repositories.plans.find(_BUS, {"_id": event.subject})
        if not found:
            continue
        plan = found[0].state
        there = await repositories.visits.find(_BUS, {"plan": plan.id})
        for stop in plan.in_force or ():
            if all(stored.state.id != stop.id for stored in there):
                await make(repositories, plan.id, stop.id)
        for stored in there:
            if model.follow(stored.state, plan, event.occurred_at)[1] is not None:
                await _follow(repositories, stored.state.id, event)
        # Leave may have been approved before the day was planned.
        standing = await repositories.visits.find(_BUS, {"plan": plan.id})
        await settle(repositories, standing, event.occurred_at, _heard(event))


async def _follow(repositories: Repositories, visit_id: str, event: Received) -> None:
    async def decide(visit: Visit) -> tuple[Visit, model.Happened | None]:
        # The plan may have moved on since; the visit goes by how it stands when it is written.
        plan: VisitPlan = (await repositories.plans.get(event.subject, _BUS)).state
        return model.follow(visit, plan, event.occurred_at)

    await repositories.visits.change(visit_id, _BUS, decide, _heard(event))


async def attribute_orders(repositories: Repositories, events: Sequence[Received]) -> None:
    """A reaction on orders: each counts for one visit (A4, deal rate)."""
    for event in _last(events):
        order = await repositories.known.orders.get(event.subject)
        if order is not None:
            await _attribute(repositories, order, event)


async def attribute_to_visits(repositories: Repositories, events: Sequence[Received]) -> None:
    """A reaction on visits: the orders that came before their visit, and those that have found a later one."""
    for event in _last(events):
        visit = event.data(Visit)
        wanted: list[dict[str, Any]] = [
            {"visit": visit.id},
            {"_id": {"$in": [order.order for order in visit.orders]}},
        ]
        if visit.customer is not None:
            of_day = {"owner": visit.owner, "business_date": visit.business_date.isoformat()}
            wanted.append({**of_day, "customer": visit.customer})
        for order in await repositories.known.orders.find({"$or": wanted}):
            await _attribute(repositories, order, event)


async def _attribute(repositories: Repositories, order: Order, event: Received) -> None:
    visit = await _visit_of(repositories, order)
    said = VisitOrder(
        order=order.id,
        number=order.number,
        confirmed_on=order.confirmation.business_date if order.confirmation else None,
        cancelled_on=order.cancellation.business_date if order.cancellation else None,
    )
    holding = await repositories.visits.find(_BUS, {"orders.order": order.id})
    command = _heard(event)
    for stored in holding:
        if stored.state.id != visit:
            await repositories.visits.change(
                stored.state.id,
                _BUS,
                lambda held: model.attribute(held, order.id, None, event.occurred_at),
                command,
            )
    if visit is not None:
        await repositories.visits.change(
            visit, _BUS, lambda found: model.attribute(found, order.id, said, event.occurred_at), command
        )


async def _visit_of(repositories: Repositories, order: Order) -> str | None:
    """The visit that the order names; else, of its owner, customer and day, the completed one checked in last.

    A visit of somebody else, or to another customer, is not taken at its word. One to an area has no customer yet.
    """
    if order.visit is not None:
        named = {"_id": order.visit, "owner": order.owner, "customer": {"$in": [order.customer, None]}}
        if await repositories.visits.find(_BUS, named, limit=1):
            return order.visit
    completed = await repositories.visits.find(
        _BUS,
        {
            "owner": order.owner,
            "customer": order.customer,
            "business_date": order.business_date.isoformat(),
            "status": VisitStatus.COMPLETED,
        },
    )
    arrived = [(stored.state.check_in.at, stored.state.id) for stored in completed if stored.state.check_in]
    return max(arrived)[1] if arrived else None


async def follow_reports(repositories: Repositories, events: Sequence[Received]) -> None:
    """A reaction on daily reports: visits stand in them, and are signed with them."""
    for event in _last(events):
        found = await repositories.reports.find(_BUS, {"_id": event.subject})
        if not found:
            continue
        report = found[0].state
        named = sorted(model.named(report))
        for stored in await repositories.visits.find(_BUS, {"$or": [{"_id": {"$in": named}}, {"report": report.id}]}):
            if (
                stored.state.owner == report.owner
                and model.report(stored.state, report, event.occurred_at)[1] is not None
            ):
                await _report(repositories, stored.state.id, event)


async def _report(repositories: Repositories, visit_id: str, event: Received) -> None:
    async def decide(visit: Visit) -> tuple[Visit, model.Happened | None]:
        report: DailyReport = (await repositories.reports.get(event.subject, _BUS)).state
        return model.report(visit, report, event.occurred_at)

    await repositories.visits.change(visit_id, _BUS, decide, _heard(event))


async def mark_missed(repositories: Repositories) -> None:
    """What becomes of visits when their day is over, by each office's own midnight.

    Planned ones are missed, or excused where leave or a holiday excuses them. Those that have begun and that nobody has
    left get a proposed check-out.
    """
    now = clock.now()
    for office in await repositories.known.offices.find():
        today = office.business_date(now)
        waiting = await repositories.visits.find(
            _TIMER,
            {"status": VisitStatus.PLANNED, "business_date": {"$lt": today.isoformat()}, "office": office.id},
            limit=A_TURN,
        )
        excuses = Excuses(repositories)
        for stored in waiting:
            over = begins(office, stored.state.business_date + timedelta(days=1))
            with each_alone("missed visits", stored.state.id):
                why = await excuses.of(stored.state)

                def decide(visit: Visit, over: datetime = over, why: Excuse | None = why) -> model.Perhaps:
                    excused = model.excuse(visit, why, True, over)
                    return excused if excused[1] is not None else model.miss(visit, over)

                await repositories.visits.change(stored.state.id, _TIMER, decide, Command(actor="/visits"))
        begun = {"status": VisitStatus.CHECKED_IN, "check_out": None}
        where = {**begun, "business_date": {"$lt": today.isoformat()}, "office": office.id}
        for stored in await repositories.visits.find(_TIMER, where, limit=A_TURN):
            over = begins(office, stored.state.business_date + timedelta(days=1))

            def propose(visit: Visit, office: Office = office, over: datetime = over) -> model.Perhaps:
                return model.propose_check_out(visit, office, over)

            with each_alone("missed visits", stored.state.id):
                await repositories.visits.change(stored.state.id, _TIMER, propose, Command(actor="/visits"))


def _last(events: Sequence[Received]) -> Iterable[Received]:
    """One event for each aggregate, the newest: how things stand is looked up anyway."""
    newest: dict[str, Received] = {}
    for event in events:
        if event.subject not in newest or newest[event.subject].version < event.version:
            newest[event.subject] = event
    return newest.values()


def _heard(event: Received) -> Command:
    """Known by its effect and not by its event: one event may change a visit several times, for several orders."""
    return replace(Command.heard("visits", event), key=None)
