"""On which days a Chinese company works: public holidays, and the weekends worked for them (调休)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta


def _days(*spans: str) -> Iterator[date]:
    """The days of spans such as 2026-10-01/07 or 2026-04-30/05-03."""
    for span in spans:
        first, _, last = span.partition("/")
        begin = date.fromisoformat(first)
        end = date.fromisoformat(first[: len(first) - len(last)] + last) if last else begin
        while begin <= end:
            yield begin
            begin += timedelta(days=1)


# As the State Council announces them each November (国务院办公厅关于部分节假日安排的通知).
_ANNOUNCED = (
    "2025-01-01", "2025-01-28/02-04", "2025-04-04/06", "2025-05-01/05", "2025-05-31/06-02", "2025-10-01/08",
    "2026-01-01/03", "2026-02-15/23", "2026-04-04/06", "2026-05-01/05", "2026-06-19/21", "2026-09-25/27",
    "2026-10-01/07",
)  # fmt: skip
# What the law gives at least; the weekends around it were not announced when this was written.
_BY_LAW = ("2027-02-05/08", "2027-04-05", "2027-06-09", "2027-09-15", "2028-01-25/28", "2028-05-28", "2028-10-03")
_EVERY_YEAR = ("01-01", "05-01/02", "10-01/03")
_WORKED = (
    "2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11",
    "2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10",
)  # fmt: skip

HOLIDAYS = frozenset(
    _days(*_ANNOUNCED, *_BY_LAW, *(f"{year}-{span}" for year in range(2027, 2036) for span in _EVERY_YEAR))
)
"""Days off. The same whenever it is asked for, so that the offices stay the same records."""
EXTRA_WORKDAYS = frozenset(_days(*_WORKED))
"""Saturdays and Sundays that are worked."""


def is_workday(day: date) -> bool:
    return day in EXTRA_WORKDAYS or (day.isoweekday() <= 5 and day not in HOLIDAYS)


def workdays(first: date, last: date) -> Iterator[date]:
    """Those from the first day to the last, both included."""
    for number in range((last - first).days + 1):
        if is_workday(day := first + timedelta(days=number)):
            yield day


def after(day: date, count: int) -> date:
    """The workday that comes `count` workdays after a day, or before it with a minus; the day itself for 0."""
    step = timedelta(days=1 if count > 0 else -1)
    for _ in range(abs(count)):
        day += step
        while not is_workday(day):
            day += step
    return day
