"""What a customer contributes: new_customers 新开发客户数, to whom it was credited on the day (domain.md A4, C-02)."""

from __future__ import annotations

from datetime import date

import msgspec

from contracts.topics import CUSTOMERS
from reporting.measures.source import Reading, Shape, Source
from reporting.totals import Cell, Contribution


class _Activation(msgspec.Struct):
    business_date: date
    developed_by: str
    office: str
    region: str


class _Customer(msgspec.Struct):
    """The part of contracts.customers.Customer that counts."""

    id: str
    name: str
    activation: _Activation | None = None


_decoder = msgspec.json.Decoder(_Customer)


def read(payload: bytes) -> Reading:
    customer = _decoder.decode(payload)
    row = {"customer": customer.id, "customer_name": customer.name}
    activation = customer.activation
    if activation is None:
        return Reading(row)
    cell = Cell(activation.business_date.isoformat(), activation.region, activation.office, activation.developed_by)
    return Reading(row, [Contribution("new_customers", cell.key, {"count": 1})])


SOURCE = Source(
    name="customers",
    prefix="customer",
    topic=CUSTOMERS,
    measures={"new_customers": Shape(counts=("count",))},
    read=read,
)
