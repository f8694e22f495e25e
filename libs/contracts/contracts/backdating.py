"""Which day an entry counts for, and how late it may be entered (domain.md A8, decision 6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from contracts.refusals import NotPossible
from contracts.staff import Office

WORKDAYS_BACK = 3
"""So many working days of the office an entry may be back-dated."""
SLACK = timedelta(minutes=5)
"""How far the clock of a telephone may be ahead of ours."""


def instant(said: datetime | None, now: datetime) -> datetime:
    """When something happened, UTC in whole seconds, so that instants also sort as text; now where it is not said."""
    return (said or now).astimezone(UTC).replace(microsecond=0)


def earliest_day(office: Office, today: date) -> date:
    """The first business date for which an ordinary entry is still taken: three working days back."""
    day, left = today, WORKDAYS_BACK
    # An office whose calendar has no working day must not be searched for ever.
    for _ in range(60):
        if left == 0:
            break
        day -= timedelta(days=1)
        left -= office.is_workday(day)
    return day


def check_time(at: datetime, now: datetime, *, field: str = "occurred_at") -> None:
    """Raises NotPossible for what has not happened yet."""
    if at > now + SLACK:
        raise NotPossible(
            "in_the_future",
            f"{at.isoformat()} is in the future: give the time at which it happened.",
            f"{at.isoformat()} 尚未到来:请填写实际发生的时间。",
            field=field,
        )


def business_date(office: Office, at: datetime, now: datetime, *, any_past: bool) -> date:
    """The office's day of an instant.

    any_past: the caller may import records of any age. Raises NotPossible for the future, or for what lies further
    back than three working days.
    """
    check_time(at, now)
    day = office.business_date(at)
    earliest = earliest_day(office, office.business_date(now))
    if day < earliest and not any_past:
        raise NotPossible(
            "too_far_back",
            f"{day} is more than {WORKDAYS_BACK} working days back: entries are taken from {earliest} on.",
            f"{day} 已超过 {WORKDAYS_BACK} 个工作日:只能补录 {earliest} 及以后的记录。",
            field="occurred_at",
            earliest=earliest.isoformat(),
        )
    return day
