"""What a phone call contributes, on its business date (domain.md V-14): that it was made, and how long it took."""

from __future__ import annotations

from datetime import date

import msgspec

from contracts.topics import CALLS
from reporting.measures.source import Reading, Shape, Source
from reporting.totals import Cell, Contribution


class _Call(msgspec.Struct):
    """The part of contracts.visits.Call that counts."""

    owner: str
    office: str
    region: str
    business_date: date
    direction: str
    seconds: int
    customer: str | None = None
    customer_name: str | None = None


_decoder = msgspec.json.Decoder(_Call)


def read(payload: bytes) -> Reading:
    call = _decoder.decode(payload)
    cell = Cell(call.business_date.isoformat(), call.region, call.office, call.owner)
    row = {"customer": call.customer, "customer_name": call.customer_name, "direction": call.direction}
    return Reading(row, [Contribution("calls", cell.key, {"count": 1, "seconds": call.seconds})])


SOURCE = Source(
    name="calls",
    prefix="call",
    topic=CALLS,
    measures={"calls": Shape(counts=("count", "seconds"))},
    read=read,
)
