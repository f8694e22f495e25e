"""What a target contributes: its amount, spread over the month's working days (domain.md R-02, R-06).

So the target of any day, week or unit is a sum like every other number, each office by its own calendar.
"""

from __future__ import annotations

import msgspec

from contracts.reporting import spread
from contracts.topics import TARGETS
from reporting.measures.source import Reading, Shape, Source
from reporting.totals import Cell, Contribution


class _Money(msgspec.Struct):
    minor: int
    currency: str


class _Target(msgspec.Struct):
    """The part of contracts.reporting.Target that counts."""

    person: str
    office: str
    region: str
    month: str
    amount: _Money
    workdays: list[int] = []


_decoder = msgspec.json.Decoder(_Target)


def read(payload: bytes) -> Reading:
    target = _decoder.decode(payload)
    shares = spread(target.amount.minor, target.month, target.workdays)
    return Reading(
        {"month": target.month},
        [
            Contribution(
                "sales_target",
                Cell(day.isoformat(), target.region, target.office, target.person).key,
                {f"amount/{target.amount.currency}": share},
            )
            for day, share in shares.items()
        ],
    )


SOURCE = Source(
    name="targets",
    prefix="target",
    topic=TARGETS,
    measures={"sales_target": Shape(amounts=("amount",))},
    read=read,
)
