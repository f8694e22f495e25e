"""For which business days somebody may still make a record (domain.md A8, decision 6)."""

from __future__ import annotations

from datetime import date

from contracts.backdating import WORKDAYS_BACK, earliest_day
from contracts.refusals import NotPossible
from contracts.staff import Office
from visits.doors import Act


def check_day(office: Office, day: date, act: Act, *, field: str = "business_date", ahead: bool = False) -> None:
    """Raises NotPossible for a day more than three working days back, unless an import may name any past day.

    ahead: whether days to come may be named as well.
    """
    today = office.business_date(act.now)
    if day > today and not ahead:
        raise NotPossible(
            "in_the_future",
            f"{day} has not come yet at this office: name {today} or an earlier day.",
            f"{day} 尚未到来:请填写 {today} 或更早的日期。",
            field=field,
        )
    earliest = earliest_day(office, today)
    if day < earliest and not act.any_past:
        raise NotPossible(
            "too_far_back",
            f"{day} is more than {WORKDAYS_BACK} working days back: records are taken from {earliest} on.",
            f"{day} 已超过 {WORKDAYS_BACK} 个工作日:只能填报 {earliest} 及以后的记录。",
            field=field,
            earliest=earliest.isoformat(),
        )
