"""A local office: its place in the organisation, its time zone and its working calendar. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from contracts.envelope import Happened
from contracts.refusals import NotPossible
from contracts.staff import Office, OfficeEvent, RegionOfOffice


def register(office: Office, at: datetime) -> tuple[Office, Happened]:
    """Raises NotPossible for a calendar or a time zone that makes no sense."""
    _sound(office)
    return office, Happened(OfficeEvent.REGISTERED, at, office.business_date(at))


def update(office: Office, changes: Mapping[str, Any], at: datetime) -> tuple[Office, Happened | None]:
    """Other details; nothing happens when nothing changes. What was stamped with a business date keeps it."""
    changed = office.model_copy(update=dict(changes))
    if changed == office:
        return office, None
    _sound(changed)
    return changed, Happened(OfficeEvent.UPDATED, at, changed.business_date(at))


def move(office: Office, region: str, valid_from: date, at: datetime) -> tuple[Office, Happened | None]:
    """Into another region from a day on. Past entries never change (domain.md A8, decision 1)."""
    last = office.regions[-1]
    if last.region == region:
        return office, None
    if valid_from <= last.valid_from:
        raise NotPossible(
            "past_entry",
            f"It came to its present region on {last.valid_from}: move it on a later day.",
            f"该办事处自 {last.valid_from} 起属于现区域:请选择更晚的日期。",
            field="valid_from",
        )
    moved = office.model_copy(
        update={"regions": [*office.regions, RegionOfOffice(valid_from=valid_from, region=region)]}
    )
    return moved, Happened(OfficeEvent.UPDATED, at, valid_from)


def _sound(office: Office) -> None:
    try:
        ZoneInfo(office.timezone)
    except (KeyError, ValueError, OSError):
        raise NotPossible(
            "unknown_timezone",
            f"{office.timezone} is no time zone: use an IANA name such as Asia/Shanghai.",
            f"{office.timezone} 不是有效时区:请使用 IANA 名称,例如 Asia/Shanghai。",
            field="timezone",
        ) from None
    if not set(office.workdays) <= set(range(1, 8)) or len(set(office.workdays)) != len(office.workdays):
        raise NotPossible(
            "invalid_workdays",
            "workdays are different ISO weekdays, 1 (Monday) to 7 (Sunday).",
            "workdays 应为不重复的 ISO 星期数,1(周一)至 7(周日)。",
            field="workdays",
        )
    if office.closed_on is not None and office.opened_on is not None and office.closed_on <= office.opened_on:
        raise NotPossible(
            "closed_before_opened",
            "closed_on must be later than opened_on.",
            "关闭日期必须晚于开业日期。",
            field="closed_on",
        )
