"""Events of reporting's small write side: targets 目标 (domain.md A8, decision 1; R-02)."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from contracts.envelope import Imported, Published
from contracts.money import Money

Month = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


class Target(Published):
    """A person's sales target for one month: net confirmed sales, by confirm date."""

    id: str
    person: str
    month: Month
    amount: Money
    owner: str
    """Same as `person`; with office and region on the month's first day, for filters."""
    office: str
    region: str
    workdays: list[int] = []
    """The days of the month (1 to 31) on which the office worked by its calendar when the target was set.

    The amount is spread over them; without any, over all days of the month.
    """
    imported: Imported | None = None


class TargetEvent(StrEnum):
    PUBLISHED = "sales.target.published"
    REVISED = "sales.target.revised"
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
