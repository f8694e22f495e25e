"""Totals and where they count: pure additions, no counting up and down.

A number is stored under the path of its measure: `orders_confirmed/count`, and money under its currency,
`orders_confirmed/amount/USD`. So adding totals adds like to like, two currencies never meet, and a new
measure needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

Totals = dict[str, int]


def add_up(parts: Iterable[Mapping[str, int]]) -> Totals:
    """The sum, path by path; the same for every order of the parts."""
    total: Totals = {}
    for part in parts:
        for path, value in part.items():
            total[path] = total.get(path, 0) + value
    return dict(sorted(total.items()))


class Cell(NamedTuple):
    """Where a contribution counts: a business date (ISO text) and who was credited, where they worked then."""

    day: str
    region: str
    office: str
    person: str

    @property
    def key(self) -> str:
        return "/".join(self)

    @classmethod
    def of(cls, key: str) -> Cell:
        return cls(*key.split("/"))


class Contribution(NamedTuple):
    """What one source aggregate adds to one measure in one cell."""

    measure: str
    cell: str
    values: dict[str, int]
    """By the path within the measure: `count`, `amount/USD` (minor units)."""


LEVELS = ("company", "region", "office", "person")
COMPANY = "company"
"""The id of the one unit of the highest level."""


class Node(NamedTuple):
    """A document of totals: one month of a unit, with a bucket for each of its days.

    A person has one for each office they worked in that month, an office one for each of its regions: so
    every node has one parent, and parents add up their children exactly.
    """

    month: str
    path: tuple[str, ...] = ()
    """(region, office, person) as far as the level goes; empty for the company."""

    @property
    def key(self) -> str:
        return "/".join((self.month, *self.path))

    @property
    def level(self) -> str:
        return LEVELS[len(self.path)]

    @property
    def parent(self) -> Node | None:
        return Node(self.month, self.path[:-1]) if self.path else None

    @classmethod
    def of(cls, key: str) -> Node:
        month, *path = key.split("/")
        return cls(month, tuple(path))


def leaf(cell: str) -> tuple[Node, str]:
    """The lowest node that a cell counts in, and the day of the month ("01" to "31")."""
    day, *path = cell.split("/")
    return Node(day[:7], tuple(path)), day[8:]


def fold(contributions: Iterable[Contribution]) -> Totals:
    """The totals of one cell from all contributions to it: a pure function, whatever their order."""
    return add_up({_path(c.measure, path): value for path, value in c.values.items()} for c in contributions)


def by_cell(contributions: Iterable[Contribution]) -> dict[str, Totals]:
    """What one source aggregate adds to each of its cells."""
    found: dict[str, Totals] = {}
    for measure, cell, values in contributions:
        here = found.setdefault(cell, {})
        for path, value in values.items():
            name = _path(measure, path)
            here[name] = here.get(name, 0) + value
    return found


@cache  # there are some fifty, and each is written millions of times
def _path(measure: str, within: str) -> str:
    return f"{measure}/{within}"


def measure_of(path: str) -> str:
    """The measure under which a number is stored."""
    return path.partition("/")[0]
