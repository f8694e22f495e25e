"""People, a directory that everybody who is signed in may read; and what somebody was on a day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from chassis import clock
from chassis.aggregate import Stored
from chassis.paging import Page, Paging
from chassis.problems import Invalid, NotFound
from chassis.search_key import containing
from contracts.staff import Person, Role
from customers.repositories import ORGANISATION, Repositories


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person may do and see follows from this. offices: the own one and those served besides it."""

    name: str
    role: Role
    office: str | None
    region: str | None
    offices: list[str]


async def one(repositories: Repositories, person_id: str) -> Stored[Person]:
    """Raises NotFound."""
    return await repositories.people.get(person_id, ORGANISATION)


async def page(
    repositories: Repositories,
    *,
    office: str | None,
    role: str | None,
    region: str | None,
    q: str | None,
    paging: Paging,
) -> Page[Stored[Person]]:
    """By the posting in force today, by the calendar of its office. q: a part of the name, the number or the e-mail."""
    where: dict[str, Any] = {} if q is None else containing("keys.search", q)
    if office is not None or role is not None or region is not None:
        where["$or"] = await _posted_today(repositories, office, role, region)
    return await repositories.people.page(ORGANISATION, where, paging)


async def _posted_today(
    repositories: Repositories, office: str | None, role: str | None, region: str | None
) -> list[dict[str, Any]]:
    """Filters of which one fits whoever has such a posting today; it is up to three different days in the world."""
    now = clock.now()
    asked = {} if office is None else {"_id": office}
    offices: defaultdict[date, list[str]] = defaultdict(list)
    for stored in await repositories.offices.find(ORGANISATION, asked):
        day = stored.state.business_date(now)
        if region is None or stored.state.region_on(day) == region:
            offices[day].append(stored.state.id)
    of_role = {} if role is None else {"role": role}
    fitting = [_in_force(day, {"office": {"$in": ids}, **of_role}) for day, ids in offices.items()]
    if office is None:  # those who work in no office
        of_region = {} if region is None else {"region": region}
        fitting.append(_in_force(now.date(), {"office": None, **of_role, **of_region}))
    return fitting or [{"_id": {"$in": []}}]


def _in_force(day: date, posting: dict[str, Any]) -> dict[str, Any]:
    today = day.isoformat()
    return {"keys.postings": {"$elemMatch": {**posting, "since": {"$lte": today}, "until": {"$gt": today}}}}


async def standing(repositories: Repositories, person_id: str, on: date | None, zone: str | None) -> Standing:
    """What somebody is on that day; on today by the calendar of their own office where no day is said.

    zone: the calendar (IANA name) of those who work in no office; UTC without it. Raises NotFound for somebody who is
    unknown or not on the roster on that day, Invalid (unknown_timezone).
    """
    person = (await one(repositories, person_id)).state
    day = on or await repositories.day_of(person, clock.now(), _checked(zone))
    posting = person.posting_on(day)
    if posting is None:
        raise NotFound(
            "not_on_the_roster",
            f"{person.name} is not on the roster on {day}.",
            f"{person.name} 在 {day} 不在职。",
        )
    region = posting.region
    if posting.office is not None:
        # The office may have moved into another region since the posting began.
        region = (await repositories.office(posting.office)).region_on(day)
    own = [posting.office] if posting.office else []
    return Standing(person.name, posting.role, posting.office, region, [*own, *posting.offices_served])


def _checked(zone: str | None) -> str | None:
    try:
        return ZoneInfo(zone).key if zone else None
    except (KeyError, ValueError, OSError):
        raise Invalid(
            "unknown_timezone",
            "zone is an IANA name such as Asia/Shanghai.",
            "zone 应为 IANA 时区名称,例如 Asia/Shanghai。",
            field="zone",
        ) from None
