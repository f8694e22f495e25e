"""The life of an order: which step may follow which, and what each changes (domain.md A3, O-01 to O-04, O-10). Pure.

    received ──> verified ──> confirmed ──> allocated ──> delivered ──> handover_complete ──> closed
     │    ^                   └── amended ──┘
     v    │ corrected
    returned                  cancelled: from every state before delivered

Each function returns the order after the step and what has happened, or raises WrongState or NotPossible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from contracts.customers import Customer
from contracts.envelope import Happened, Imported
from contracts.orders import (
    Allocation,
    Amendment,
    Cancellation,
    Confirmation,
    Credit,
    Delivery,
    Handover,
    Order,
    OrderEvent,
    OrderLine,
    OrderStatus,
    Product,
    Return,
    Step,
    Verification,
)
from contracts.refusals import NotPossible, WrongState
from orders.order import lines as arithmetic

Outcome = tuple[Order, Happened]

ALLOWED: Mapping[str, frozenset[OrderStatus]] = {
    "correction": frozenset({OrderStatus.RECEIVED, OrderStatus.RETURNED}),
    "verification": frozenset({OrderStatus.RECEIVED}),
    "return": frozenset({OrderStatus.RECEIVED}),
    "confirmation": frozenset({OrderStatus.VERIFIED}),
    "amendment": frozenset({OrderStatus.CONFIRMED, OrderStatus.ALLOCATED}),
    "allocation": frozenset({OrderStatus.CONFIRMED}),
    "delivery": frozenset({OrderStatus.ALLOCATED}),
    "handover": frozenset({OrderStatus.DELIVERED}),
    "closure": frozenset({OrderStatus.HANDOVER_COMPLETE}),
    # What was delivered comes back as a return of goods, which is another form.
    "cancellation": frozenset(
        {
            OrderStatus.RECEIVED,
            OrderStatus.RETURNED,
            OrderStatus.VERIFIED,
            OrderStatus.CONFIRMED,
            OrderStatus.ALLOCATED,
        }
    ),
}
"""The states from which each step is possible."""


DONE = frozenset({OrderStatus.CLOSED, OrderStatus.CANCELLED})
"""The states from which no step is possible any more."""


def possible(status: OrderStatus) -> list[str]:
    """The steps that may follow in that state."""
    return [step for step, states in ALLOWED.items() if status in states]


def receive(
    *,
    order_id: str,
    number: str,
    customer: Customer,
    credit: Credit,
    step: Step,
    lines: Sequence[OrderLine],
    channel: str | None = None,
    external_ref: str | None = None,
    visit: str | None = None,
    requested_date: date | None = None,
    note: str | None = None,
    repeat_of: str | None = None,
    imported: Imported | None = None,
) -> Outcome:
    """A new order of that customer (O-01). credit: its owner, and where they work on the day it was received."""
    _not_before(requested_date, step.business_date, "requested_date", unless=imported is not None)
    numbered, last_line = arithmetic.numbered(lines, 0)
    order = Order(
        id=order_id,
        number=number,
        customer=customer.id,
        customer_name=customer.name,
        owner=credit.person,
        office=credit.office,
        region=credit.region,
        status=OrderStatus.RECEIVED,
        business_date=step.business_date,
        received_at=step.at,
        received_by=step.by,
        channel=channel,
        external_ref=external_ref,
        repeat_of=repeat_of,
        visit=visit,
        requested_date=requested_date,
        note=note,
        lines=numbered,
        last_line=last_line,
        total=arithmetic.total(lines),
        imported=imported,
    )
    return order, _happened(OrderEvent.RECEIVED, step)


def correct(order: Order, step: Step, changes: Mapping[str, Any]) -> Outcome:
    """Other lines, channel, reference, visit, requested date or note; a returned order is back in the queue with it."""
    _follows(order, "correction", step)
    if "requested_date" in changes:
        _not_before(changes["requested_date"], order.business_date, "requested_date", unless=order.imported is not None)
    update: dict[str, Any] = {**changes, "status": OrderStatus.RECEIVED, "correction": step}
    if "lines" in changes:
        update["lines"], update["last_line"] = arithmetic.numbered(changes["lines"], order.last_line)
        update["total"] = arithmetic.total(update["lines"])
    return order.model_copy(update=update), _happened(OrderEvent.CORRECTED, step)


def verify(order: Order, step: Step, note: str | None = None) -> Outcome:
    """Its accuracy and completeness have been checked (O-02)."""
    _follows(order, "verification", step)
    verification = Verification(**dict(step), note=note)
    update = {"status": OrderStatus.VERIFIED, "verification": verification}
    return order.model_copy(update=update), _happened(OrderEvent.VERIFIED, step)


def send_back(order: Order, step: Step, reason: str) -> Outcome:
    """The check found something wrong: it goes back to whoever received it (O-02)."""
    _follows(order, "return", step)
    update = {"status": OrderStatus.RETURNED, "returned": Return(**dict(step), reason=reason)}
    return order.model_copy(update=update), _happened(OrderEvent.RETURNED, step)


def confirm(
    order: Order,
    step: Step,
    *,
    promised_date: date,
    payment_method: str,
    customer_told_at: datetime,
    told_by: str,
    credit: Credit,
    products: Mapping[str, Product],
    history: bool = False,
) -> Outcome:
    """Agreed with the customer: date, payment, and when they were told (O-03); cost and margin are frozen (O-20).

    history: an import tells what was promised then, also where the day had passed already.
    """
    _follows(order, "confirmation", step)
    _not_before(promised_date, step.business_date, "promised_date", unless=history)
    if customer_told_at < order.received_at:
        raise NotPossible(
            "before_prior_step",
            f"The customer cannot have been told before the order was received, {order.received_at.isoformat()}.",
            f"告知客户的时间不能早于接单时间 {order.received_at.isoformat()}。",
            field="customer_told_at",
        )
    lines = arithmetic.at_cost(order.lines, products)
    confirmation = Confirmation(
        **dict(step),
        promised_date=promised_date,
        payment_method=payment_method,
        customer_told_at=customer_told_at,
        told_by=told_by,
        credit=credit,
    )
    update = {
        "status": OrderStatus.CONFIRMED,
        "confirmation": confirmation,
        "lines": lines,
        "margin": arithmetic.margin(lines),
    }
    return order.model_copy(update=update), _happened(OrderEvent.CONFIRMED, step)


def amend(
    order: Order,
    step: Step,
    *,
    reason: str,
    products: Mapping[str, Product],
    lines: Sequence[OrderLine] | None = None,
    promised_date: date | None = None,
    history: bool = False,
) -> Outcome:
    """Another promise to the customer; the one before is kept (domain.md A9, row 19).

    The credit and the confirmation's day stay, and so does the cost of each line that stays; the cost of a new line is
    frozen now.
    """
    _follows(order, "amendment", step)
    confirmation = order.confirmation
    assert confirmation is not None  # noqa: S101 - the state says so
    promise = promised_date or confirmation.promised_date
    if promise != confirmation.promised_date:
        _not_before(promise, step.business_date, "promised_date", unless=history)
    now, last_line = order.lines, order.last_line
    if lines is not None:
        now, last_line = arithmetic.numbered(arithmetic.at_cost(lines, products, order.lines), last_line)
    if promise == confirmation.promised_date and now == order.lines:
        raise NotPossible(
            "nothing_amended",
            "This is what the order already says: change its lines or its promised date.",
            "内容与现有订单相同:请修改明细或交货日期。",
        )
    before = Amendment(**dict(step), reason=reason, promised_date=confirmation.promised_date, total=order.total)
    update = {
        "lines": list(now),
        "last_line": last_line,
        "total": arithmetic.total(now),
        "margin": arithmetic.margin(now),
        "confirmation": confirmation.model_copy(update={"promised_date": promise}),
        "amendments": [*order.amendments, before],
    }
    return order.model_copy(update=update), _happened(OrderEvent.AMENDED, step)


def allocate(order: Order, step: Step, *, assignee: str, due: date | None = None, history: bool = False) -> Outcome:
    """Somebody is to see to it (O-04)."""
    _follows(order, "allocation", step)
    _not_before(due, step.business_date, "due", unless=history)
    update = {"status": OrderStatus.ALLOCATED, "allocation": Allocation(**dict(step), assignee=assignee, due=due)}
    return order.model_copy(update=update), _happened(OrderEvent.ALLOCATED, step)


def deliver(order: Order, step: Step, *, receiver: str) -> Outcome:
    """The goods are with the customer (O-10)."""
    _follows(order, "delivery", step)
    update = {"status": OrderStatus.DELIVERED, "delivery": Delivery(**dict(step), receiver=receiver)}
    return order.model_copy(update=update), _happened(OrderEvent.DELIVERED, step)


def hand_over(order: Order, step: Step, *, documents: Sequence[str], receiver: str) -> Outcome:
    """The papers are complete 手续完备 (L74): only now the order counts as done (O-12)."""
    _follows(order, "handover", step)
    if not documents:
        raise NotPossible(
            "no_documents", "Name the papers that were handed over.", "请列出已交接的单据。", field="documents"
        )
    handover = Handover(**dict(step), documents=list(documents), receiver=receiver)
    update = {"status": OrderStatus.HANDOVER_COMPLETE, "handover": handover}
    return order.model_copy(update=update), _happened(OrderEvent.HANDOVER_COMPLETED, step)


def close(order: Order, step: Step) -> Outcome:
    """Nothing is left to do."""
    _follows(order, "closure", step)
    update = {"status": OrderStatus.CLOSED, "closure": step}
    return order.model_copy(update=update), _happened(OrderEvent.CLOSED, step)


def cancel(order: Order, step: Step, *, reason: str) -> Outcome:
    """It will not be carried out; after delivery it is too late for that."""
    _follows(order, "cancellation", step)
    cancellation = Cancellation(**dict(step), reason=reason, was_confirmed=order.confirmation is not None)
    update = {"status": OrderStatus.CANCELLED, "cancellation": cancellation}
    return order.model_copy(update=update), _happened(OrderEvent.CANCELLED, step)


def follow_office(order: Order, region: str, at: datetime, day: date) -> tuple[Order, Happened | None]:
    """The order's office has come to another region on that day; an order that is done with stays where it was."""
    if order.region == region or order.status in DONE:
        return order, None
    return order.model_copy(update={"region": region}), Happened(OrderEvent.REGION_CHANGED, at, day)


def not_before(order: Order, wanted: str) -> datetime:
    """The earliest instant of a step of that kind: that of the step before it.

    An amendment stands beside the way from confirmation to delivery, so it may lie before or after the allocation.
    """
    beside = [amendment.at for amendment in order.amendments]
    confirmed = [order.confirmation.at] if order.confirmation else []
    if wanted == "amendment":
        return max(confirmed + beside)
    if wanted == "allocation":
        return max(confirmed)
    steps = (
        order.correction,
        order.verification,
        order.returned,
        order.allocation,
        order.delivery,
        order.handover,
    )
    return max([order.received_at, *confirmed, *beside, *(step.at for step in steps if step)])


def _follows(order: Order, wanted: str, step: Step) -> None:
    if order.status not in ALLOWED[wanted]:
        raise WrongState(wanted, order.status, possible(order.status))
    earliest = not_before(order, wanted)
    if step.at < earliest:
        raise NotPossible(
            "before_prior_step",
            f"The step before happened at {earliest.isoformat()}: this one cannot have happened earlier.",
            f"上一步发生于 {earliest.isoformat()}:本步骤不能早于该时间。",
            field="occurred_at",
        )


def _not_before(day: date | None, earliest: date, field: str, *, unless: bool = False) -> None:
    if day is not None and day < earliest and not unless:
        raise NotPossible(
            "date_too_early", f"{field} must be {earliest} or later.", f"{field} 不能早于 {earliest}。", field=field
        )


def _happened(event: OrderEvent, step: Step) -> Happened:
    return Happened(event, step.at, step.business_date)
