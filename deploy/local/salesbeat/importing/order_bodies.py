"""Orders with their lines and the steps of their lives, as the bodies of requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from contracts.money import Money
from salesbeat.importing.bodies import Currency, Reader, currency_for, filled, iso
from salesbeat.importing.mapping import Lines, Orders, OrderStep
from salesbeat.importing.records import Body, Record, Request
from salesbeat.importing.refused import Refused
from salesbeat.importing.values import Moment


def order_body(section: Orders, reader: Reader) -> Body:
    record = reader.record
    customer = reader.reference("customer", "customers", section.customer, True)
    owner = reader.reference("owner", "people", section.owner, False, "owner", "on_behalf_of")
    if section.owner is None and customer is not None:
        owner = next((need for need in customer.needs if need.kind == "people"), None)
    record.zone = owner.zone if owner else customer.zone if customer else None
    received = reader.moment("received", section.received, True, "occurred_at")
    readers = _line_readers(section, reader)
    lines = section.lines
    prices = {"unit_price": lines.unit_price, "discount": lines.discount, "amount": lines.amount}
    amounts = [(each, name, value) for each in readers for name, value in prices.items()]
    currency = currency_for(section.currency, amounts, reader)
    bodies = [_line(lines, each, currency) for each in readers]
    if received is not None:
        at = _steps(section, reader, received, owner)
        record.at = at
    return filled(
        customer=customer and customer.id,
        owner=owner.id if owner and section.owner else None,
        currency=currency.code,
        channel=reader.text("channel", section.channel),
        external_ref=reader.text("external_ref", section.external_ref),
        requested_date=iso(reader.date("requested_date", section.requested_date, ahead=True)),
        note=reader.text("note", section.note),
        lines=bodies,
        occurred_at=iso(record.at),
        on_behalf_of=owner and owner.id,
    )


def _line_readers(section: Orders, reader: Reader) -> list[Reader]:
    """A reader for each row that holds a line of the order."""
    lines, record = section.lines, reader.record
    if lines.source is None:
        rows, table = [record.row], reader.table
        if len(record.rows) > 1:
            reader.problem(
                "several rows have its key, but its lines are read from its first row only: "
                "give `lines:` the keys `from:` and `order:`"
            )
    else:
        rows, table = reader.planner.lines_of(lines, record), reader.planner.tables[lines.source]
        record.rows += [row for row in rows if row not in record.rows]
    if not rows:
        reader.problem(f"has no lines: no row of `{lines.source}` names it")
    return [reader.at(row, table, "lines", f"lines.{index}") for index, row in enumerate(rows)]


def _line(lines: Lines, reader: Reader, currency: Currency) -> Body:
    for text in [*reader.row.broken, *reader.row.trouble] if reader.row is not reader.record.row else []:
        reader.problem(text)
    product = reader.reference("product", "products", lines.product, True)
    quantity = reader.number("quantity", lines.quantity, True) if lines.quantity is not None else Decimal(1)
    unit_price = reader.money("unit_price", lines.unit_price, currency)
    discount = reader.money("discount", lines.discount, currency)
    percent = reader.percent("discount_percent", lines.discount_percent)
    if quantity is not None and (quantity <= 0 or quantity != round(quantity, 3)):
        reader.problem(f"{quantity} must be above 0 and have at most 3 decimals", "quantity", lines.quantity)
        quantity = None
    amount = reader.money("amount", lines.amount, currency, True)
    negative = {
        name: value
        for name, value, money in (
            ("unit_price", lines.unit_price, unit_price),
            ("discount", lines.discount, discount),
            ("amount", lines.amount, amount),
        )
        if money is not None and money.minor < 0
    }
    for name, value in negative.items():
        reader.problem("must not be negative", name, value)
    if amount is not None and quantity is not None and not negative:
        unit_price, discount = _spread(amount, quantity)
    if unit_price is None and lines.amount is None and product is not None and product.requests:
        listed = product.requests[0].body.get("price", {})
        if not listed.get("minor"):
            reader.problem(f"unit_price: is empty, and the product `{product.key}` has no list price")
        elif listed["currency"] != currency.code:
            reader.problem(f"unit_price: is empty, and the list price is in {listed['currency']}, not {currency.code}")
    return filled(
        product=product and product.id,
        quantity=None if quantity is None else format(quantity.normalize(), "f"),
        unit_price=unit_price and unit_price.model_dump(),
        discount=discount.model_dump() if discount and discount.minor else None,
        discount_percent=None if percent is None else format(percent.normalize(), "f"),
    )


def _spread(amount: Money, quantity: Decimal) -> tuple[Money, Money]:
    """A unit price and a discount that give exactly this amount for this quantity."""
    minor = (Decimal(amount.minor) / quantity).to_integral_value(ROUND_CEILING)
    unit = Money(minor=int(minor), currency=amount.currency)
    gross = Money(minor=int((quantity * minor).to_integral_value("ROUND_HALF_UP")), currency=amount.currency)
    return unit, gross - amount


@dataclass(slots=True)
class _Taken:
    """A step that the row has taken. `at` is settled when all of them are known."""

    name: str
    reader: Reader
    step: OrderStep
    moment: Moment
    body: Body
    at: datetime | None = None


def _steps(section: Orders, reader: Reader, received: Moment, owner: Record | None) -> datetime | None:
    """Add the steps that the row has taken, each as a request, in the order of the life cycle (domain.md A3).

    Answers when the order was received: its own day, at a time that no step of the same day comes before.
    """
    steps = section.steps
    taken: dict[str, _Taken] = {}

    def take(name: str, step: OrderStep | None, more: Callable[[Any, Reader], Body] = lambda step, read: {}) -> None:
        if step is None:
            return
        read = reader.at(reader.row, reader.table, f"steps.{name}", name)
        try:
            if not reader.values.holds(step.when, reader.row, reader.table):
                return
        except Refused as refusal:
            read.problem(f"`{read.path}.when`: {refusal}")
            return
        moment = read.moment("on", step.on, False, "occurred_at")
        if moment is None:
            return
        by = read.reference("by", "people", step.by, False, "on_behalf_of") if step.by is not None else owner
        body = filled(**more(step, read), on_behalf_of=by and by.id)
        taken[name] = _Taken(name, read, step, moment, body)

    take("verified", steps.verified, lambda s, read: {"note": read.text("note", s.note)})
    take(
        "confirmed",
        steps.confirmed,
        lambda s, read: {
            "promised_date": iso(read.date("promised_date", s.promised_date, True, ahead=True)),
            "payment_method": read.text("payment_method", s.payment_method, True),
            "told_by": owner and owner.id,
        },
    )
    take(
        "allocated",
        steps.allocated,
        lambda s, read: {
            "assignee": getattr(read.reference("assignee", "people", s.assignee) or owner, "id", None),
            "due": iso(read.date("due", s.due, ahead=True)),
        },
    )
    take("delivered", steps.delivered, lambda s, read: {"receiver": read.text("receiver", s.receiver, True)})
    take(
        "handover",
        steps.handover,
        lambda s, read: {
            "documents": read.texts("documents", s.documents, True),
            "receiver": read.text("receiver", s.receiver, True),
        },
    )
    take("closed", steps.closed)
    take("cancelled", steps.cancelled, lambda s, read: {"reason": read.text("reason", s.reason, True)})

    first = _settle(received, list(taken.values()), reader)
    bodies = {name: {**step.body, **filled(occurred_at=iso(step.at))} for name, step in taken.items()}
    if "confirmed" in taken:
        told_at = _told_at(taken["confirmed"], first, steps.confirmed)
        bodies["confirmed"] |= filled(customer_told_at=iso(told_at))
    _between(bodies, reader.record, owner)
    for name, needed in _NEEDS.items():
        if name in bodies and needed not in bodies:
            step = taken[name]
            step.reader.problem(f"the step `{needed}` comes before `{name}`: give that too", "on", step.step.on)
    if "cancelled" in taken and "delivered" in taken:
        step = taken["cancelled"]
        step.reader.problem("the order was delivered before, and then it is too late for that", "on", step.step.on)
    for name, (noun, mark) in _STEPS.items():
        if name in bodies:
            path = f"/api/v1/orders/{reader.record.id}/{noun}"
            request = Request(path, bodies[name], lambda order, mark=mark: order.get(mark) is not None, name)
            reader.record.requests.append(request)
    return first


def _settle(received: Moment, taken: list[_Taken], reader: Reader) -> datetime | None:
    """Give each step its instant, and answer when the order was received.

    A bare date is its usual time, moved within its day so far as a time of the same day, or the present, asks for it.
    A step whose day is over before the step before it is noted as wrong.
    """
    moments = [received, *(step.moment for step in taken)]
    # From the last back: how late each may be, so that those after it need not be before it.
    latest = [reader.values.now] * len(moments)
    for index in range(len(moments) - 1, -1, -1):
        own = min(moments[index].last, reader.values.now)
        after = latest[index + 1] if index + 1 < len(moments) else own
        latest[index] = min(own, after) if after >= moments[index].first else own
    first = before = received.within(received.first, latest[0])
    said = received
    for step, until in zip(taken, latest[1:], strict=True):
        step.at = step.moment.within(before or step.moment.first, until)
        if step.at is None:
            step.reader.problem(
                f"{step.moment.text()} is before the step before it ({said.text()})", "on", step.step.on
            )
            continue
        before, said = step.at, step.moment
    return first


def _told_at(confirmed: _Taken, received: datetime | None, step: Any) -> datetime | None:
    """When the customer was told: at the confirmation, unless the mapping says when; never before the order came."""
    if step.told_at is None:
        confirmed.reader.record.origins["confirmed.customer_told_at"] = confirmed.reader.record.origins[
            "confirmed.occurred_at"
        ]
        return confirmed.at
    told = confirmed.reader.moment("told_at", step.told_at, True, "customer_told_at")
    if told is None or received is None:
        return None
    if confirmed.at is not None and told.first <= confirmed.at <= told.last:
        return confirmed.at
    at = told.within(received, confirmed.reader.values.now)
    if at is None:
        confirmed.reader.problem(
            f"{told.text()} is before the order was received ({received:%Y-%m-%d %H:%M})", "told_at", step.told_at
        )
    return at


def _between(bodies: dict[str, Body], record: Record, owner: Record | None) -> None:
    """Steps that must lie between two others and that the data does not tell are taken with the confirmation."""
    confirmed = bodies.get("confirmed")
    if confirmed is None:
        return
    same = {name: confirmed[name] for name in ("occurred_at", "on_behalf_of") if name in confirmed}
    added = []
    if "verified" not in bodies:
        bodies["verified"] = same
        added.append("verified")
    if "delivered" in bodies and "allocated" not in bodies and owner is not None:
        bodies["allocated"] = {"assignee": owner.id, **same}
        added.append("allocated")
    for name in added:
        record.origins[f"{name}.occurred_at"] = record.origins["confirmed.occurred_at"]
        if (who := record.origins.get("owner")) is not None:
            record.origins[f"{name}.assignee"] = who


_STEPS = {
    "verified": ("verification", "verification"),
    "confirmed": ("confirmation", "confirmation"),
    "allocated": ("allocation", "allocation"),
    "delivered": ("delivery", "delivery"),
    "handover": ("handover", "handover"),
    "closed": ("closure", "closure"),
    "cancelled": ("cancellation", "cancellation"),
}
"""Each step's command, and the field of the order that shows that it was taken."""

_NEEDS = {"allocated": "confirmed", "delivered": "allocated", "handover": "delivered", "closed": "handover"}
