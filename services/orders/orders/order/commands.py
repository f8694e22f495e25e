"""The order's commands: load, decide, save. Each step is one load and one save, with what it must know read between.

Every command raises Forbidden for a role that does not take the step, NotFound for an order out of reach, Stale,
WrongState, and NotPossible for a time or a value that the rules refuse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from chassis.aggregate import Decision, Stored
from chassis.entries import any_past
from chassis.mongo import DuplicateKey, duplicate_field
from chassis.problems import Conflict, Forbidden, Invalid, NotFound, Unavailable
from contracts.backdating import check_time, instant
from contracts.customers import Customer
from contracts.orders import Credit, Order, OrderLine, Product, Step
from contracts.staff import Person
from orders import rights
from orders.doors import Act
from orders.known import Place, unknown_person
from orders.order import lines as arithmetic
from orders.order import model
from orders.order.lines import Wanted
from orders.order.reference import reference_key
from orders.repositories import SOLE_REFERENCE, Repositories, order_number

RESERVATIONS = 5
"""How often a number that somebody else has taken over meanwhile is replaced by another one."""


async def receive(
    repositories: Repositories,
    act: Act,
    order_id: str,
    *,
    customer: str,
    wanted: Sequence[Wanted],
    owner: str | None = None,
    currency: str | None = None,
    channel: str | None = None,
    external_ref: str | None = None,
    visit: str | None = None,
    requested_date: date | None = None,
    note: str | None = None,
    repeat_of: str | None = None,
) -> Stored[Order]:
    """A new order of a customer within reach (O-01).

    It belongs to `owner`, else to whoever held the customer on its business date. Raises Forbidden, Invalid
    (unknown_customer, unknown_person, no_office, unknown_visit, unknown_order), NotPossible, Conflict (id_taken,
    duplicate_reference).
    """
    rights.may_take(act.caller, "receipt", act.speaks_for)
    if (stored := await repositories.orders.repeated(order_id, rights.reach(act.caller), act.command)) is not None:
        return stored
    buyer, products = await asyncio.gather(
        repositories.known.customer(customer, rights.reach(act.caller)),
        _products(repositories, wanted),
    )
    place = await _owner(repositories, act, buyer, owner)
    lines = arithmetic.priced(wanted, products, currency=currency, inactive_too=act.imported is not None)
    step = act.step(place.office)
    if visit is not None:
        await repositories.known.check_visit(visit, place.person.id, buyer.id)
    await _check_reference(repositories, act, order_id, buyer.id, external_ref, repeat_of)
    order, happened = model.receive(
        order_id=order_id,
        number="",
        customer=buyer,
        credit=place.credit,
        step=step,
        lines=lines,
        channel=channel,
        external_ref=external_ref,
        visit=visit,
        requested_date=requested_date,
        note=note,
        repeat_of=repeat_of,
        imported=act.imported,
    )
    # Only what will be written takes a number: a refusal leaves no gap.
    series = f"{place.office.code}-{step.business_date.year}"
    for _ in range(RESERVATIONS):
        number = await repositories.numbers.take(series, order_id)
        numbered = order.model_copy(update={"number": order_number(series, number)})
        try:
            stored = await repositories.orders.create(numbered, happened, act.command, rights.reach(act.caller))
        except DuplicateKey as error:
            if duplicate_field(error) == SOLE_REFERENCE:  # an order that came at the same moment
                await _check_reference(repositories, act, order_id, buyer.id, external_ref, repeat_of)
            continue  # or we were so slow that the number went to the next one
        if stored.state.number == numbered.number:
            await repositories.numbers.written(series, order_id, number)
        return stored
    raise Unavailable()


async def correct(
    repositories: Repositories,
    act: Act,
    order_id: str,
    changes: Mapping[str, Any],
    wanted: Sequence[Wanted] | None = None,
) -> Stored[Order]:
    """Other details, or other lines in the order's currency, before it is verified.

    Raises Invalid (unknown_visit, unknown_order), Conflict (duplicate_reference) beside the others.
    """

    async def decide(order: Order, step: Step) -> Decision[Order]:
        visit = changes.get("visit")
        if visit is not None and visit != order.visit:
            await repositories.known.check_visit(visit, order.owner, order.customer)
        more: dict[str, Any] = {}
        if {"external_ref", "repeat_of"} & changes.keys():
            reference = changes.get("external_ref", order.external_ref)
            same = reference_key(order.customer, reference) == reference_key(order.customer, order.external_ref)
            # A declared repetition is one of the reference that it was declared for.
            more["repeat_of"] = changes.get("repeat_of", order.repeat_of if same else None)
            await _check_reference(repositories, act, order_id, order.customer, reference, more["repeat_of"])
        lines = {} if wanted is None else {"lines": await _priced(repositories, act, order, wanted)}
        return model.correct(order, step, {**changes, **more, **lines})

    return await _step(repositories, act, order_id, "correction", decide)


async def verify(repositories: Repositories, act: Act, order_id: str, note: str | None) -> Stored[Order]:
    """Raises Forbidden (own_order) for whoever received it."""

    def decide(order: Order, step: Step) -> Decision[Order]:
        rights.may_verify(act.caller, act.by, order)
        return model.verify(order, step, note)

    return await _step(repositories, act, order_id, "verification", decide)


async def send_back(repositories: Repositories, act: Act, order_id: str, reason: str) -> Stored[Order]:
    return await _step(repositories, act, order_id, "return", lambda order, step: model.send_back(order, step, reason))


async def confirm(
    repositories: Repositories,
    act: Act,
    order_id: str,
    *,
    promised_date: date,
    payment_method: str,
    customer_told_at: datetime,
    told_by: str | None,
) -> Stored[Order]:
    """Agreed with the customer (O-03). It counts for the order's owner, where they work on that day.

    An owner who has left, or works in no office any more, keeps the credit in the order's own office.
    Raises Invalid (unknown_person, not_on_roster) for `told_by`.
    """
    told_at = instant(customer_told_at, act.now)
    check_time(told_at, act.now, field="customer_told_at")

    async def decide(order: Order) -> Decision[Order]:
        owner, products, teller = await asyncio.gather(
            repositories.known.person(order.owner),
            repositories.products_of(line.product for line in order.lines),
            _named(repositories, told_by, "told_by"),
        )
        place = await repositories.known.place(owner, act.at)
        office = place.office if place else await repositories.known.office(order.office)
        step = act.step(office)
        told_on = office.business_date(told_at)
        if teller is not None and teller.posting_on(told_on) is None and not any_past(act.caller):
            raise _not_on_roster(teller.name, told_on, "told_by")
        credit = Credit(person=order.owner, office=office.id, region=office.region_on(step.business_date))
        return model.confirm(
            order,
            step,
            promised_date=promised_date,
            payment_method=payment_method,
            customer_told_at=told_at,
            told_by=told_by or act.by,
            credit=credit,
            products=products,
            history=_history(order, act),
        )

    return await _change(repositories, act, order_id, "confirmation", decide)


async def amend(
    repositories: Repositories,
    act: Act,
    order_id: str,
    *,
    reason: str,
    wanted: Sequence[Wanted] | None,
    promised_date: date | None,
) -> Stored[Order]:
    """Another promise. What stays on the order keeps its price and its cost."""

    async def decide(order: Order, step: Step) -> Decision[Order]:
        lines = None if wanted is None else await _priced(repositories, act, order, wanted)
        products = await repositories.products_of(line.product for line in lines or ())
        return model.amend(
            order,
            step,
            reason=reason,
            products=products,
            lines=lines,
            promised_date=promised_date,
            history=_history(order, act),
        )

    return await _step(repositories, act, order_id, "amendment", decide)


async def allocate(
    repositories: Repositories, act: Act, order_id: str, *, assignee: str, due: date | None
) -> Stored[Order]:
    """Raises Invalid (unknown_person, not_on_roster) for the assignee."""

    async def decide(order: Order, step: Step) -> Decision[Order]:
        person = await repositories.known.person(assignee, "assignee")
        if person.posting_on(step.business_date) is None:
            raise _not_on_roster(person.name, step.business_date, "assignee")
        return model.allocate(order, step, assignee=assignee, due=due, history=_history(order, act))

    return await _step(repositories, act, order_id, "allocation", decide)


async def deliver(repositories: Repositories, act: Act, order_id: str, receiver: str) -> Stored[Order]:
    return await _step(
        repositories, act, order_id, "delivery", lambda order, step: model.deliver(order, step, receiver=receiver)
    )


async def hand_over(
    repositories: Repositories, act: Act, order_id: str, documents: Sequence[str], receiver: str
) -> Stored[Order]:
    return await _step(
        repositories,
        act,
        order_id,
        "handover",
        lambda order, step: model.hand_over(order, step, documents=documents, receiver=receiver),
    )


async def close(repositories: Repositories, act: Act, order_id: str) -> Stored[Order]:
    return await _step(repositories, act, order_id, "closure", model.close)


async def cancel(repositories: Repositories, act: Act, order_id: str, reason: str) -> Stored[Order]:
    return await _step(
        repositories, act, order_id, "cancellation", lambda order, step: model.cancel(order, step, reason=reason)
    )


async def _change(
    repositories: Repositories,
    act: Act,
    order_id: str,
    wanted: str,
    decide: Callable[[Order], Awaitable[Decision[Order]]],
) -> Stored[Order]:
    rights.may_take(act.caller, wanted, act.speaks_for)
    scope = rights.reach(act.caller)

    async def repeating(order: Order) -> Decision[Order]:
        """The same, marked as a repetition of the order that has its reference."""
        state, happened = await decide(order)
        first = next(iter(await repositories.alike(order.customer, state.external_ref, order.id)), None)
        return state.model_copy(update={"repeat_of": first.id if first else None}), happened

    try:
        return await repositories.orders.change(order_id, scope, decide, act.command)
    except DuplicateKey:
        if wanted == "correction":  # another order has taken the reference at the same moment
            return await repositories.orders.change(order_id, scope, decide, act.command)
        # Both orders were written before references were compared, so neither can be refused any more.
        return await repositories.orders.change(order_id, scope, repeating, act.command)


async def _step(
    repositories: Repositories,
    act: Act,
    order_id: str,
    wanted: str,
    decide: Callable[[Order, Step], Decision[Order] | Awaitable[Decision[Order]]],
) -> Stored[Order]:
    """A step that counts for the day of the order's own office."""

    async def stepped(order: Order) -> Decision[Order]:
        decision = decide(order, act.step(await repositories.known.office(order.office)))
        return await decision if isinstance(decision, Awaitable) else decision

    return await _change(repositories, act, order_id, wanted, stepped)


async def _owner(repositories: Repositories, act: Act, customer: Customer, owner: str | None) -> Place:
    """Whose order it is, and where they work on its business date."""
    known = repositories.known
    holder = (await known.holder(customer, act.at)).owner
    another = owner is not None and owner != holder
    if another and act.caller.role not in rights.SUPERVISORS and not any_past(act.caller):
        raise Forbidden(
            "owner_not_yours_to_name",
            "The order belongs to whoever holds the customer: leave the owner out, or ask your supervisor.",
            "订单归属于客户的负责人:请去掉 owner,或联系您的主管。",
        )
    person = await known.person(owner or holder, "owner" if owner else None)
    place = await known.place(person, act.at)
    if place is not None and (not another or _reaches(act, place.credit)):
        return place
    if another and not any_past(act.caller):
        raise unknown_person("owner")
    raise _nowhere(person, act.at.date(), "owner" if owner else "customer")


def _reaches(act: Act, credit: Credit) -> bool:
    return rights.reach(act.caller).allows(credit.person, credit.office, credit.region)


async def _priced(repositories: Repositories, act: Act, order: Order, wanted: Sequence[Wanted]) -> list[OrderLine]:
    """Other lines for an order, in its currency, at the prices that it has already where it has one."""
    return arithmetic.priced(
        wanted,
        await _products(repositories, wanted),
        currency=order.total.currency,
        former=order.lines,
        inactive_too=order.imported is not None and any_past(act.caller),
    )


async def _check_reference(
    repositories: Repositories,
    act: Act,
    order_id: str,
    customer: str,
    external_ref: str | None,
    repeat_of: str | None,
) -> None:
    """Raises Conflict (duplicate_reference) where the customer has an order with the reference and `repeat_of` does not
    say that this is meant; Invalid (unknown_order) where `repeat_of` is no such order within reach."""
    scope = rights.reach(act.caller)
    if repeat_of is not None:
        key = reference_key(customer, external_ref)
        try:
            first = (await repositories.orders.get(repeat_of, scope)).state
        except NotFound:
            first = None
        if first is None or first.id == order_id or reference_key(first.customer, first.external_ref) != key or not key:
            raise Invalid(
                "unknown_order",
                "repeat_of names an order of the same customer with the same external_ref, and this is none: leave it "
                "out, or name the right one.",
                "repeat_of 应为同一客户、同一 external_ref 的订单:请去掉它或填写正确的订单。",
                field="repeat_of",
            )
        return
    if not (others := await repositories.alike(customer, external_ref, order_id)):
        return
    seen = next((order for order in others if scope.allows(order.owner, order.office, order.region)), None)
    if seen is None:
        raise Conflict(
            "duplicate_reference",
            f"An order of this customer with the reference {external_ref} is there already, and is not yours to see: "
            "ask your supervisor, or give another external_ref.",
            f"该客户已有参考号为 {external_ref} 的订单,但您无权查看:请联系您的主管,或更换 external_ref。",
        )
    raise Conflict(
        "duplicate_reference",
        f"{seen.number} is an order of this customer with the reference {external_ref} already. If you mean another "
        f"order with the same reference, send repeat_of: {seen.id}.",
        f"该客户已有参考号为 {external_ref} 的订单 {seen.number}。如确为另一张订单,请填写 repeat_of:{seen.id}。",
        order={"id": seen.id, "number": seen.number},
    )


def _history(order: Order, act: Act) -> bool:
    """Whether an import tells what an order of the past was: its dates are taken as they were."""
    return order.imported is not None and any_past(act.caller)


async def _products(repositories: Repositories, wanted: Sequence[Wanted]) -> dict[str, Product]:
    return await repositories.products_of(want.product for want in wanted if want.product is not None)


async def _named(repositories: Repositories, person_id: str | None, field: str) -> Person | None:
    """The person that a field names. Raises Invalid (unknown_person)."""
    return None if person_id is None else await repositories.known.person(person_id, field)


def _nowhere(person: Person, day: date, field: str) -> Invalid:
    if person.posting_on(day) is None:
        return _not_on_roster(person.name, day, field)
    return Invalid(
        "no_office",
        f"{person.name} works in no office on {day}: an order belongs to somebody of an office.",
        f"{person.name} 在 {day} 不属于任何办事处:订单须归属于办事处人员。",
        field=field,
    )


def _not_on_roster(name: str, day: date, field: str) -> Invalid:
    return Invalid(
        "not_on_roster",
        f"{name} is not on the roster on {day}: choose somebody who is.",
        f"{name} 在 {day} 不在职:请选择在职人员。",
        field=field,
    )
