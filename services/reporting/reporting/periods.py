"""Periods: days 2017-03-14, ISO weeks 2017-W11 (Monday to Sunday), months 2017-03."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from chassis.problems import Invalid

Cadence = Literal["day", "week", "month"]

MOST = 400
"""Periods of one question: a year of days, and more than seven years of weeks."""
YEARS = range(1900, 2201)

_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Period:
    """A period of a cadence, from its first to its last business date."""

    text: str
    first: date
    last: date

    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def containing(cadence: Cadence, day: date) -> Period:
    """The period of that cadence in which the day lies."""
    if cadence == "day":
        return Period(day.isoformat(), day, day)
    if cadence == "week":
        year, week, weekday = day.isocalendar()
        monday = day - timedelta(days=weekday - 1)
        return Period(f"{year}-W{week:02d}", monday, monday + timedelta(days=6))
    last = calendar.monthrange(day.year, day.month)[1]
    return Period(f"{day:%Y-%m}", day.replace(day=1), day.replace(day=last))


def read(text: str, field: str) -> Period:
    """A period written in any of the three ways. Raises Invalid, naming the field."""
    found = _DAY.fullmatch(text) or _WEEK.fullmatch(text) or _MONTH.fullmatch(text)
    if found and int(found[1]) not in YEARS:  # before a date is made of it: its week may end after the year 9999
        raise Invalid(
            "year_out_of_range",
            f"{text} lies outside of the years {YEARS[0]} to {YEARS[-1]}.",
            f"{text} 不在 {YEARS[0]} 至 {YEARS[-1]} 年之间。",
            field=field,
        )
    try:
        if found := _DAY.fullmatch(text):
            return containing("day", date(*map(int, found.groups())))
        if found := _WEEK.fullmatch(text):
            return containing("week", date.fromisocalendar(int(found[1]), int(found[2]), 1))
        if found := _MONTH.fullmatch(text):
            return containing("month", date(int(found[1]), int(found[2]), 1))
    except ValueError:
        pass
    raise Invalid(
        None,
        f"{text[:40]!r} is no period: write a day as 2017-03-14, an ISO week as 2017-W11, a month as 2017-03.",
        f"{text[:40]!r} 不是有效期间:日写作 2017-03-14,ISO 周写作 2017-W11,月写作 2017-03。",
        field=field,
    )


def read_one(cadence: Cadence, text: str) -> Period:
    """A period of just that cadence. Raises Invalid."""
    period = read(text, "period")
    if containing(cadence, period.first) != period:
        raise Invalid(
            None,
            f"{text} is no {cadence}: write a day as 2017-03-14, an ISO week as 2017-W11, a month as 2017-03.",
            f"{text} 与所选周期不符:日写作 2017-03-14,ISO 周写作 2017-W11,月写作 2017-03。",
            field="period",
        )
    return period


def span(cadence: Cadence, start: str | None, end: str | None, today: date) -> list[Period]:
    """Every period of the cadence from the one in which `start` begins to the one in which `end` ends.

    Either may be written as a day, a week or a month. Without `end` it is the present one, without
    `start` only the last. Raises Invalid.
    """
    last = containing(cadence, read(end, "to").last if end else today)
    first = containing(cadence, read(start, "from").first) if start else last
    if first.first > last.first:
        raise Invalid(
            None,
            f"from ({start}) lies after to ({end or today}): exchange them.",
            f"from({start})晚于 to({end or today}):请对调。",
            field="from",
        )
    shortest = {"day": 1, "week": 7, "month": 28}[cadence]
    if (last.first - first.first).days // shortest >= MOST * 2:
        raise _too_long(cadence)
    periods = [first]
    while periods[-1].first < last.first:
        periods.append(containing(cadence, periods[-1].last + timedelta(days=1)))
    if len(periods) > MOST:
        raise _too_long(cadence)
    return periods


def _too_long(cadence: str) -> Invalid:
    return Invalid(
        None,
        f"At most {MOST} {cadence}s at a time: ask for a shorter span or a longer period.",
        f"一次最多查询 {MOST} 个期间:请缩短范围或选用更长的周期。",
        field="from",
    )
