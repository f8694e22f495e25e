"""What an import writes: records with their requests, and where in the files each part of a request comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from chassis.ids import derived_id
from salesbeat.importing.tables import Row

Body = dict[str, Any]

SINGULAR = {
    "regions": "region",
    "offices": "office",
    "people": "person",
    "products": "product",
    "customers": "customer",
    "contacts": "contact",
    "orders": "order",
    "visits": "visit",
    "visit-plans": "visit plan",
}
"""One of each kind, as refusals and the codes of problems call it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A POST to the gateway. `skip` says, from the record as it stands, that this was done before.

    method: PATCH changes the version of the record that the request before it left. versioned: the request replaces
    content, so that it says in If-Match which version it was decided on.
    """

    path: str
    body: Body
    skip: Callable[[Body], bool] | None = None
    name: str = "creation"
    method: str = "POST"
    versioned: bool = False

    @property
    def key(self) -> str:
        """The Idempotency-Key: the same words to the same place have the same one."""
        said = orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS).decode()
        return derived_id("salesbeat import", f"{self.path}\x1f{said}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part of a request comes from: a key of the mapping, and the cells of a row that it reads.

    key: such as orders.steps.confirmed.on. cells: by column, as they stand in the file; empty for a constant.
    """

    key: str
    line: int
    row: Row
    cells: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Record:
    """One record of one kind, with the rows that it was read from and the requests that write it, in order."""

    kind: str
    key: str
    id: str
    rows: list[Row]
    requests: list[Request] = field(default_factory=list)
    needs: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    within: Record | None = None
    """The record that this one is a part of, such as a contact's customer."""
    zone: str | None = None
    """The time zone in which its dates are days."""
    at: datetime | None = None
    """When it began; records are written in this order, so that numbers rise with the dates."""
    origins: dict[str, Origin] = field(default_factory=dict)
    """By the field of a request, such as `lines.0.quantity` or `confirmed.promised_date`."""
    said: dict[tuple[Any, ...], tuple[int, list[str]]] = field(default_factory=dict)
    """What was noted of which cells: where it stands among the problems, and the mapping's keys that read them."""

    @property
    def row(self) -> Row:
        return self.rows[0]

    @property
    def mended(self) -> bool:
        return any(row.mended for one in self.rows for row in one.rows())

    def place(self) -> str:
        return f"{self.row.file} line {self.row.number}"


def layers(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records of one kind, in layers of which each needs those before it only; what needs itself is left out."""
    waiting = list(records)
    done: set[str] = set()
    while waiting:
        ready = [r for r in waiting if all(need.kind != r.kind or need.id in done for need in r.needs)]
        if not ready:
            return
        done |= {record.id for record in ready}
        waiting = [record for record in waiting if record.id not in done]
        yield ready
