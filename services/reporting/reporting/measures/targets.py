"""What a target contributes: its share of each day, in the office of that day (domain.md R-02, R-06).

So the target of any day, week or unit is a sum like every other number, each office by its own calendar. How it is
spread: target/spread.py. What cannot be spread counts on no day.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from contracts.reporting import days_of, spread
from contracts.topics import TARGETS
from reporting.measures.source import Reading, Shape, Source
from reporting.totals import Cell, Contribution


class _Money(msgspec.Struct):
    minor: int
    currency: str


class _Span(msgspec.Struct):
    office: str
    region: str
    first: int
    shares: list[int]


class _Target(msgspec.Struct):
    """The part of contracts.reporting.Target that counts."""

    person: str
    office: str
    region: str
    month: str
    amount: _Money
    workdays: list[int] = []
    spans: list[_Span] = []
    unspread: _Money | None = None


_decoder = msgspec.json.Decoder(_Target)


def read(payload: bytes) -> Reading:
    target = _decoder.decode(payload)
    path = f"amount/{target.amount.currency}"
    return Reading(
        {"month": target.month},
        [Contribution("sales_target", cell.key, {path: share}) for cell, share in _shares(target) if share],
    )


def _shares(target: _Target) -> Iterator[tuple[Cell, int]]:
    if not target.spans and target.unspread is None:  # said before the shares were kept
        for day, share in spread(target.amount.minor, target.month, target.workdays).items():
            yield Cell(day.isoformat(), target.region, target.office, target.person), share
        return
    days = [day.isoformat() for day in days_of(target.month)]
    for span in target.spans:
        for day, share in zip(days[span.first - 1 :], span.shares, strict=False):
            yield Cell(day, span.region, span.office, target.person), share


SOURCE = Source(
    name="targets",
    prefix="target",
    topic=TARGETS,
    measures={"sales_target": Shape(amounts=("amount",))},
    read=read,
)
