"""What an order contributes: sales by confirm date, cancellations, on-time completion (domain.md A4, A8).

- orders_confirmed: on the confirmation's business date, to whom it was credited then; also when the order
  is cancelled later, since past credit never moves. Amounts are those of the order as it stands, so an
  amendment corrects the day of its confirmation.
- orders_cancelled: on the cancellation's business date, only if it had been confirmed. Net sales are
  confirmed less cancelled.
- on_time_completion 订单完成率: of the confirmed and not cancelled orders promised for a day, those whose
  handover was complete by then.
"""

from __future__ import annotations

from datetime import date

import msgspec

from contracts.topics import ORDERS
from reporting.measures.source import Reading, Shape, Source
from reporting.totals import Cell, Contribution


class _Money(msgspec.Struct):
    minor: int
    currency: str


class _Credit(msgspec.Struct):
    person: str
    office: str
    region: str


class _Confirmation(msgspec.Struct):
    business_date: date
    promised_date: date
    credit: _Credit


class _Step(msgspec.Struct):
    business_date: date


class _Order(msgspec.Struct):
    """The part of contracts.orders.Order that counts."""

    number: str
    customer: str
    customer_name: str
    total: _Money
    margin: _Money | None = None
    confirmation: _Confirmation | None = None
    handover: _Step | None = None
    cancellation: _Step | None = None


_decoder = msgspec.json.Decoder(_Order)


def read(payload: bytes) -> Reading:
    order = _decoder.decode(payload)
    row = {"number": order.number, "customer": order.customer, "customer_name": order.customer_name}
    confirmation = order.confirmation
    if confirmation is None:
        return Reading(row)

    def cell(day: date) -> str:
        credit = confirmation.credit
        return Cell(day.isoformat(), credit.region, credit.office, credit.person).key

    confirmed = {"count": 1, f"amount/{order.total.currency}": order.total.minor}
    if order.margin is None:
        confirmed["without_cost"] = 1
    else:
        confirmed[f"margin/{order.margin.currency}"] = order.margin.minor
    found = [Contribution("orders_confirmed", cell(confirmation.business_date), confirmed)]
    if order.cancellation is not None:
        cancelled = {"count": 1, f"amount/{order.total.currency}": order.total.minor}
        found.append(Contribution("orders_cancelled", cell(order.cancellation.business_date), cancelled))
    else:
        promised = confirmation.promised_date
        on_time = order.handover is not None and order.handover.business_date <= promised
        values = {"denominator": 1, "numerator": int(on_time)}
        found.append(Contribution("on_time_completion", cell(promised), values))
    return Reading(row, found)


SOURCE = Source(
    name="orders",
    prefix="order",
    topic=ORDERS,
    measures={
        "orders_confirmed": Shape(
            counts=("count", "without_cost"),
            amounts=("amount", "margin"),
            confidential={"margin": "margins", "without_cost": "margins"},
        ),
        "orders_cancelled": Shape(counts=("count",), amounts=("amount",)),
        "on_time_completion": Shape(counts=("numerator", "denominator"), shown=False),
    },
    read=read,
)
