"""Everything that this service keeps, and its indexes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chassis.aggregate import Repository
from chassis.locks import Locks
from chassis.mongo import Database
from chassis.phone import DEFAULT_REGION, region_of_zone
from chassis.problems import Invalid, NotFound
from chassis.scope import everything
from chassis.search_key import search_key, search_keys
from contracts.customers import Customer, Likeness
from contracts.staff import Office, Person, Posting, Region
from contracts.topics import CUSTOMERS, OFFICES, PEOPLE, REGIONS
from customers.customer.identity import claims, likenesses
from customers.customer.model import pending

ORGANISATION = everything("the organisation's own structure belongs to nobody in particular")


class Repositories:
    """Regions, offices, people and customer files.

    phone_region: the country (ISO 3166) whose telephone numbers are written without a prefix where no office says so.
    """

    def __init__(self, database: Database, phone_region: str = DEFAULT_REGION) -> None:
        self.phone_region = phone_region
        self.locks = Locks(database)
        self.regions = Repository(database, "regions", REGIONS, Region, keys=_named_keys)
        self.offices = Repository(database, "offices", OFFICES, Office, keys=_office_keys)
        self.people = Repository(database, "people", PEOPLE, Person, keys=_person_keys)
        self.customers = Repository(database, "customers", CUSTOMERS, Customer, keys=_customer_keys)

    @property
    def all(self) -> tuple[Repository[Any], ...]:
        """In the order in which they need each other."""
        return (self.regions, self.offices, self.people, self.customers)

    async def prepare(self) -> None:
        """Make the indexes; harmless to repeat."""
        await self.locks.prepare()
        scheme = {"keys": [("keys.scheme", 1)]}
        await self.regions.prepare({"keys": [("code", 1)], "unique": True}, scheme)
        await self.offices.prepare(
            {"keys": [("code", 1)], "unique": True}, {"keys": [("keys.moved", 1)], "sparse": True}, scheme
        )
        await self.people.prepare({"keys": [("keys.postings.office", 1), ("name", 1), ("_id", 1)]}, scheme)
        await self.customers.prepare(
            {"keys": [("keys.claims", 1)], "unique": True},
            {"keys": [("keys.likenesses", 1)]},
            {"keys": [("keys.handover", 1)], "sparse": True},
            {"keys": [("office", 1), ("region", 1)]},
            *({"keys": [(field, 1), ("name", 1), ("_id", 1)]} for field in ("owner", "office", "region")),
            scheme,
        )
        for repository in (self.regions, self.offices, self.people):
            await repository.renew_keys(ORGANISATION, SCHEME)
        await self.customers.renew_keys(ORGANISATION, SCHEME, _shared)

    def phone_regions(self, office: Office | None) -> tuple[str, ...]:
        """The countries by whose numbering plans telephone numbers are read: the office's own, then the company's."""
        own = region_of_zone(office.timezone) if office else None
        return (*([own] if own else []), self.phone_region)

    async def region(self, region_id: str, field: str = "region") -> Region:
        """Raises Invalid (unknown_region) naming the field."""
        try:
            return (await self.regions.get(region_id, ORGANISATION)).state
        except NotFound:
            raise Invalid("unknown_region", "There is no such region.", "没有此区域。", field=field) from None

    async def office(self, office_id: str, field: str = "office") -> Office:
        """Raises Invalid (unknown_office) naming the field."""
        try:
            return (await self.offices.get(office_id, ORGANISATION)).state
        except NotFound:
            raise Invalid("unknown_office", "There is no such office.", "没有此办事处。", field=field) from None

    async def person(self, person_id: str, field: str) -> Person:
        """Raises Invalid (unknown_person) naming the field."""
        try:
            return (await self.people.get(person_id, ORGANISATION)).state
        except NotFound:
            raise unknown_person(field) from None

    async def posted(self, person_id: str, day: date, field: str = "owner") -> tuple[Person, Office]:
        """A person who works in an office on that day, and the office. Raises Invalid (unknown_person, no_office)."""
        person = await self.person(person_id, field)
        posting = person.posting_on(day)
        if posting is None:
            raise Invalid(
                "unknown_person",
                f"{person.name} is not on the roster on {day}.",
                f"{person.name} 在 {day} 不在职。",
                field=field,
            )
        if posting.office is None:
            raise Invalid(
                "no_office",
                f"{person.name} works in no office on {day}: choose somebody of an office.",
                f"{person.name} 在 {day} 不属于任何办事处:请选择办事处人员。",
                field=field,
            )
        return person, await self.office(posting.office, field)

    async def posted_at(self, person_id: str, at: datetime, field: str = "owner") -> tuple[Person, Office]:
        """The same at an instant, which their own office's calendar turns into a day."""
        person = await self.person(person_id, field)
        day = await self.day_of(person, at)
        return await self.posted(person_id, day, field)

    async def day_of(self, person: Person, at: datetime, zone: str | None = None) -> date:
        """The day of an instant where somebody works then; where they will or did before they join or after they leave.

        zone: IANA name of the calendar of those who work in no office; UTC without it.
        """
        for offset in (0, 1, -1):  # no zone is further from UTC
            posting = person.posting_nearest(at.date() + timedelta(days=offset))
            day = await self._day_in(posting.office, at, zone)
            if person.posting_nearest(day) == posting:
                return day
        return at.date()  # on a day that is left out by a move across the date line

    async def posting_at(self, person: Person, at: datetime) -> Posting | None:
        """The posting in force at an instant, by the calendar of the office that it is in."""
        return person.posting_on(await self.day_of(person, at))

    async def _day_in(self, office_id: str | None, at: datetime, zone: str | None) -> date:
        if office_id is not None:
            return (await self.office(office_id)).business_date(at)
        return at.astimezone(ZoneInfo(zone)).date() if zone else at.date()


def unknown_person(field: str) -> Invalid:
    return Invalid("unknown_person", "There is no such person.", "没有此人员。", field=field)


SCHEME = 2
"""Of the keys below. A larger number makes all stored keys anew at the next start."""
EVER = "9999-12-31"


def _shared(customer: Customer) -> dict[str, Any]:
    """Two that are alike only since the keys are made in another way have both been there before."""
    kinds = list(Likeness)
    return {"keys": _customer_keys(customer.model_copy(update={"may_share": kinds})), "may_share": kinds}


def _named_keys(unit: Region | Office) -> dict[str, Any]:
    return {"scheme": SCHEME, "search": search_keys(unit.code, unit.name)}


def _office_keys(office: Office) -> dict[str, Any]:
    """`moved` where it has been, or will be, in more than one region."""
    return {**_named_keys(office), **({"moved": True} if len(office.regions) > 1 else {})}


def _person_keys(person: Person) -> dict[str, Any]:
    """From when until when somebody is what, and where: what lists go by, before they join and after they leave too."""
    postings = sorted(person.postings, key=lambda posting: posting.valid_from)
    since = ["", *(posting.valid_from.isoformat() for posting in postings[1:])]
    return {
        "scheme": SCHEME,
        "search": search_keys(person.name, person.number, person.email),
        "postings": [
            {"since": first, "until": until, "office": each.office, "region": each.region, "role": each.role.value}
            for each, first, until in zip(postings, since, [*since[1:], EVER], strict=True)
        ],
    }


def _customer_keys(customer: Customer) -> dict[str, Any]:
    coming = pending(customer)
    return {
        "scheme": SCHEME,
        "claims": claims(customer),
        "likenesses": likenesses(customer),
        "search": search_key(customer.name),
        **({"handover": coming.valid_from.isoformat()} if coming else {}),
    }
