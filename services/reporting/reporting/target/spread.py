"""How a target falls on the days of its month (decision 0025). Pure.

The amount is spread evenly over the working days of the days on which the person works in an office, each day by the
calendar of the office of that day. What is recorded later about the organisation spreads again what is still to come:
the days before it keep the shares that they had, unless the person turns out to have been elsewhere on them.

The result depends on what was recorded when, and not on the order in which it was heard: so events in any order, and a
rebuild, give the same shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, TypeVar

from contracts.reporting import SpreadCause, SpreadChange, TargetSpan, days_of
from contracts.staff import Office, Person

S = TypeVar("S", Person, Office)

CHANGES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Recorded(Generic[S]):
    """A version of a person or an office, and when its service recorded it."""

    version: int
    at: datetime
    state: S


@dataclass(frozen=True, slots=True)
class History:
    """What was recorded about a person and the offices of their postings."""

    person: Sequence[Recorded[Person]]
    offices: Mapping[str, Sequence[Recorded[Office]]]


@dataclass(frozen=True, slots=True)
class Spread:
    """minor of a target, day by day."""

    spans: list[TargetSpan]
    workdays: list[int]
    unspread: int
    """All of it where there is no working day, else 0."""
    changes: list[SpreadChange]


@dataclass(slots=True)
class _Days:
    """How the month stands after some step."""

    places: dict[date, tuple[str, str]] = field(default_factory=dict)
    """Office and region of the days on which the person works in an office."""
    working: set[date] = field(default_factory=set)
    shares: dict[date, int] = field(default_factory=dict)
    unspread: int = 0


def spread(minor: int, month: str, set_at: datetime, history: History) -> Spread:
    """Spread an amount that was set at that instant, by all that is known by now."""
    days = _Days()
    _take_step(days, minor, month, set_at, history, first=True)
    changes: list[SpreadChange] = []
    for at, cause, unit, version in _steps_after(set_at, history):
        before = (dict(days.places), dict(days.shares), days.unspread)
        _take_step(days, minor, month, at, history, first=False)
        if before != (days.places, days.shares, days.unspread):
            changes.append(SpreadChange(at=at, cause=cause, id=unit, version=version))
    return Spread(
        list(_spans(month, days)), [day.day for day in sorted(days.working)], days.unspread, changes[-CHANGES_KEPT:]
    )


def even(minor: int, days: Sequence[date]) -> dict[date, int]:
    """Equal shares in whole minor units; the remainder falls on the first days, one each."""
    share, remainder = divmod(minor, len(days))
    return {day: share + (position < remainder) for position, day in enumerate(days)}


def works(office: Office, day: date) -> bool:
    """Whether the office is open and works on that day, by its calendar."""
    if office.closed_on is not None and day >= office.closed_on:
        return False
    return office.is_workday(day)


def _take_step(days: _Days, minor: int, month: str, at: datetime, history: History, *, first: bool) -> None:
    """Spread by what was recorded until that instant. first: the amount was set then, so every day is open."""
    offices = {unit: known for unit, versions in history.offices.items() if (known := _known(versions, at))}
    places = _places(month, _known(history.person, at), offices)
    today = {unit: office.business_date(at) for unit, office in offices.items()}
    stays = {
        day
        for day, (office, _) in places.items()
        if not first and day < today[office] and day in days.places and days.places[day][0] == office
    }
    open_days = [day for day in sorted(places) if day not in stays]
    working = {day for day in stays if day in days.working} | {
        day for day in open_days if works(offices[places[day][0]], day)
    }
    moved = {day: place[0] for day, place in places.items()} != {day: place[0] for day, place in days.places.items()}
    days.places = places
    if not first and not moved and working == days.working:
        return
    kept = {day: days.shares.get(day, 0) for day in stays}
    coming = [day for day in open_days if day in working]
    rest = minor - sum(kept.values())
    if rest and not coming:
        # Nothing is left to come that it could fall on: then all of the month carries it.
        kept, coming, rest = {}, sorted(working), minor
    days.working = working
    days.shares = {**kept, **(even(rest, coming) if coming else {})}
    days.unspread = minor - sum(days.shares.values())


def _places(month: str, person: Person | None, offices: Mapping[str, Office]) -> dict[date, tuple[str, str]]:
    """Office and region of each day on which the person is posted to an office that is known."""
    found: dict[date, tuple[str, str]] = {}
    if person is None:
        return found
    for day in days_of(month):
        posting = person.posting_on(day)
        if posting is not None and posting.office is not None and (office := offices.get(posting.office)):
            found[day] = office.id, office.region_on(day)
    return found


def _known(versions: Sequence[Recorded[S]], at: datetime) -> S | None:
    """The newest version recorded until then; before the first one, the first one that is known."""
    until = [version for version in versions if version.at <= at]
    if until:
        return max(until, key=lambda recorded: recorded.version).state
    return min(versions, key=lambda recorded: recorded.version).state if versions else None


def _steps_after(set_at: datetime, history: History) -> list[tuple[datetime, SpreadCause, str, int]]:
    def steps(
        cause: SpreadCause, versions: Iterable[Recorded[Person] | Recorded[Office]]
    ) -> Iterator[tuple[datetime, SpreadCause, str, int]]:
        for recorded in versions:
            if recorded.at > set_at:
                yield recorded.at, cause, recorded.state.id, recorded.version

    found = list(steps(SpreadCause.PERSON, history.person))
    for versions in history.offices.values():
        found += steps(SpreadCause.OFFICE, versions)
    return sorted(found)


def _spans(month: str, days: _Days) -> Iterator[TargetSpan]:
    span: tuple[str, str] | None = None
    first, shares = 0, list[int]()
    for day in days_of(month):
        place = days.places.get(day)
        if place != span:
            if span is not None:
                yield TargetSpan(office=span[0], region=span[1], first=first, shares=shares)
            span, first, shares = place, day.day, []
        if place is not None:
            shares.append(days.shares.get(day, 0))
    if span is not None:
        yield TargetSpan(office=span[0], region=span[1], first=first, shares=shares)
