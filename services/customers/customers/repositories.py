"""Everything that this service keeps, and its indexes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from chassis.aggregate import Repository
from chassis.locks import Locks
from chassis.mongo import Database
from chassis.phone import DEFAULT_REGION
from chassis.problems import Invalid, NotFound
from chassis.scope import everything
from chassis.search_key import search_key
from contracts.customers import Customer
from contracts.staff import Office, Person, Region
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
        self.regions = Repository(database, "regions", REGIONS, Region)
        self.offices = Repository(database, "offices", OFFICES, Office)
        self.people = Repository(database, "people", PEOPLE, Person, keys=_person_keys)
        self.customers = Repository(database, "customers", CUSTOMERS, Customer, keys=_customer_keys)

    @property
    def all(self) -> tuple[Repository[Any], ...]:
        """In the order in which they need each other."""
        return (self.regions, self.offices, self.people, self.customers)

    async def prepare(self) -> None:
        """Make the indexes; harmless to repeat."""
        await self.locks.prepare()
        await self.regions.prepare({"keys": [("code", 1)], "unique": True})
        await self.offices.prepare({"keys": [("code", 1)], "unique": True})
        await self.people.prepare({"keys": [("keys.office", 1), ("name", 1), ("_id", 1)]})
        await self.customers.prepare(
            {"keys": [("keys.claims", 1)], "unique": True},
            {"keys": [("keys.likenesses", 1)]},
            {"keys": [("keys.handover", 1)], "sparse": True},
            *({"keys": [(field, 1), ("name", 1), ("_id", 1)]} for field in ("owner", "office", "region")),
        )

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
        around = (at.date() + timedelta(days=offset) for offset in (0, 1, -1))  # no zone is further from UTC
        for office_id in dict.fromkeys(p.office for day in around if (p := person.posting_on(day)) and p.office):
            office = await self.office(office_id, field)
            posting = person.posting_on(office.business_date(at))
            if posting is not None and posting.office == office_id:
                return person, office
        return await self.posted(person_id, at.date(), field)


def unknown_person(field: str) -> Invalid:
    return Invalid("unknown_person", "There is no such person.", "没有此人员。", field=field)


def _person_keys(person: Person) -> dict[str, Any]:
    """Where somebody works by their last posting: what lists and rights go by."""
    last = person.postings[-1]
    return {"office": last.office, "region": last.region, "role": last.role, "name": person.name.casefold()}


def _customer_keys(customer: Customer) -> dict[str, Any]:
    coming = pending(customer)
    return {
        "claims": claims(customer),
        "likenesses": likenesses(customer),
        "search": search_key(customer.name),
        **({"handover": coming.valid_from.isoformat()} if coming else {}),
    }
