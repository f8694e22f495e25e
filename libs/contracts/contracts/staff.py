"""The sales organisation: regions, offices with their calendars, people with their postings.

Owned by the customers service (domain.md A8, decision 1). Everything that changes with time is
effective-dated: a list in the order of `valid_from`, each entry in force until the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field

from contracts.envelope import Imported, Published


class Role(StrEnum):
    """Who somebody is in the sales process (domain.md A1)."""

    SALESPERSON = "salesperson"
    OFFICE_HEAD = "office_head"
    REGIONAL_SUPERVISOR = "regional_supervisor"
    TOP_MANAGER = "top_manager"
    OWNER = "owner"
    CLERK = "clerk"
    SERVICE_DESK = "service_desk"
    ADMINISTRATOR = "administrator"


class Dated(Published):
    """An entry in force from a business date on."""

    valid_from: date


D = TypeVar("D", bound=Dated)


def in_force(entries: Sequence[D], day: date) -> D | None:
    """The entry in force on that day; None before the first."""
    return max((e for e in entries if e.valid_from <= day), key=lambda e: e.valid_from, default=None)


class Region(Published):
    """A sales region 区域."""

    id: str
    code: str
    name: str
    imported: Imported | None = None


class RegionOfOffice(Dated):
    region: str


class Office(Published):
    """A local office 办事处 with its own time zone and working calendar."""

    id: str
    code: str = Field(pattern=r"^[A-Z0-9]{2,8}$")
    """Short code that opens the office's number series, such as SHA."""
    name: str
    regions: list[RegionOfOffice]
    """The region it belongs to, effective-dated."""
    timezone: str = "Asia/Shanghai"
    """IANA name; decides business dates."""
    workdays: list[int] = [1, 2, 3, 4, 5]
    """ISO weekdays, Monday is 1."""
    holidays: list[date] = []
    """Days off on what would be a workday."""
    extra_workdays: list[date] = []
    """Workdays on what would be a day off 调休; they win over holidays."""
    opened_on: date | None = None
    closed_on: date | None = None
    """The first day on which it no longer works."""
    imported: Imported | None = None

    def region_on(self, day: date) -> str:
        """Its region on that day; before the first entry, the first one."""
        return (in_force(self.regions, day) or self.regions[0]).region

    def business_date(self, instant: datetime) -> date:
        """The office's calendar day of an aware instant."""
        return instant.astimezone(ZoneInfo(self.timezone)).date()

    def is_workday(self, day: date) -> bool:
        if day in self.extra_workdays:
            return True
        return day.isoweekday() in self.workdays and day not in self.holidays


class Posting(Dated):
    """What a person is, where, and under whom, from a day on."""

    role: Role
    office: str | None = None
    """Office of a salesperson, office head or clerk."""
    region: str | None = None
    """Region: of the office on the posting's first day, or the one a regional supervisor leads."""
    manager: str | None = None
    """The person reported to."""
    offices_served: list[str] = []
    """Offices that a clerk or service desk serves besides `office`."""


class Person(Published):
    """Somebody of the sales organisation."""

    id: str
    number: str | None = None
    """Employee number."""
    name: str
    email: str | None = None
    phone: str | None = None
    joined_on: date
    left_on: date | None = None
    """The first day on which they are no longer on the roster."""
    postings: list[Posting]
    imported: Imported | None = None

    def posting_on(self, day: date) -> Posting | None:
        """The posting in force on that day; None before they joined or after they left."""
        if day < self.joined_on or (self.left_on is not None and day >= self.left_on):
            return None
        return in_force(self.postings, day)

    def posting_nearest(self, day: date) -> Posting:
        """The posting in force on that day; before they joined the first one, after they left the last one of theirs.

        For what must name an office or a superior even then. Rights go by `posting_on`.
        """
        last = day if self.left_on is None else min(day, self.left_on - timedelta(days=1))
        return in_force(self.postings, max(last, self.joined_on)) or self.postings[0]


class RegionEvent(StrEnum):
    REGISTERED = "sales.region.registered"
    UPDATED = "sales.region.updated"
    RESTATED = "sales.region.restated"


class OfficeEvent(StrEnum):
    REGISTERED = "sales.office.registered"
    UPDATED = "sales.office.updated"
    RESTATED = "sales.office.restated"


class PersonEvent(StrEnum):
    REGISTERED = "sales.person.registered"
    UPDATED = "sales.person.updated"
    POSTED = "sales.person.posted"
    LEFT = "sales.person.left"
    RESTATED = "sales.person.restated"
