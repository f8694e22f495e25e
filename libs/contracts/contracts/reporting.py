"""Events of reporting's small write side: targets 目标 (domain.md A8, decision 1; R-02)."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, StringConstraints

from contracts.envelope import Imported, Published
from contracts.money import Money

Month = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


class TargetSpan(Published):
    """Days of the month, one after the other, on which the person works in one office."""

    office: str
    region: str
    """The office's region on these days."""
    first: int
    """The first of the days, 1 to 31."""
    shares: list[int]
    """For each of the days from `first` on, its share in minor units; 0 on a day on which the office does not work."""


class SpreadCause(StrEnum):
    """What has changed the spread of a target."""

    OFFICE = "office"
    """The office's calendar, or the region that it belongs to."""
    PERSON = "person"
    """Where the person works: they joined, left or moved."""


class SpreadChange(Published):
    """A change of the organisation that moved shares of a target after its amount was set."""

    at: AwareDatetime
    """When that change was recorded; shares of days before it stay as they were known."""
    cause: SpreadCause
    id: str
    """The office or the person."""
    version: int
    """Its version with the change."""


class Target(Published):
    """A person's sales target for one month: net confirmed sales, by confirm date."""

    id: str
    person: str
    month: Month
    amount: Money
    owner: str
    """Same as `person`; with office and region on the first day of the month on which they work, for filters."""
    office: str
    region: str
    workdays: list[int] = []
    """The days of the month (1 to 31) on which the person's office works: those over which the amount is spread."""
    spans: list[TargetSpan] = []
    """Which share falls on which day, in which office. Σ shares + unspread = amount, to the minor unit.

    Targets of before it was kept have none: theirs is spread evenly over `workdays` in `office`.
    """
    unspread: Money | None = None
    """The amount, while the person has no working day in the month, such as after they left before it began."""
    set_at: AwareDatetime | None = None
    """When the amount was set or last revised, by the service's clock."""
    changes: list[SpreadChange] = []
    """What has moved shares since then, oldest first; at most the last twenty."""
    imported: Imported | None = None


class TargetEvent(StrEnum):
    PUBLISHED = "sales.target.published"
    REVISED = "sales.target.revised"
    RESPREAD = "sales.target.respread"
    """The amount stays, its shares have moved: `changes` says why."""
    RESTATED = "sales.target.restated"


def days_of(month: Month) -> list[date]:
    """Every day of a month such as 2017-03."""
    year, number = int(month[:4]), int(month[5:])
    return [date(year, number, day + 1) for day in range(calendar.monthrange(year, number)[1])]


def spread(minor: int, month: Month, workdays: Sequence[int]) -> dict[date, int]:
    """A target over the working days, exactly: equal shares in whole minor units, the remainder one each
    to the first days. A month without working days is spread over all its days."""
    days = days_of(month)
    chosen = [day for day in days if day.day in set(workdays)] or days
    share, remainder = divmod(minor, len(chosen))
    return {day: share + (position < remainder) for position, day in enumerate(chosen)}


def shares_of(target: Target) -> dict[date, int]:
    """A target's share of each day, in minor units; days on which the person does not work there are missing."""
    if not target.spans and target.unspread is None:
        return spread(target.amount.minor, target.month, target.workdays)
    days = days_of(target.month)
    return {
        days[span.first - 1 + position]: share for span in target.spans for position, share in enumerate(span.shares)
    }
