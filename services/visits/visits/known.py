"""What this service knows of the others': people, offices, customers, orders, targets, as copies fed by events.

A copy lags a little behind its owner, so what is not there yet is waited for briefly before it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from chassis.copies import Copies, awaited
from chassis.mongo import Database
from chassis.problems import Invalid, Unavailable
from chassis.scope import Scope
from contracts.customers import Customer
from contracts.orders import Order
from contracts.reporting import Target
from contracts.staff import Office, Person, Posting, Role


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody works on a business date."""

    person: Person
    office: Office
    day: date

    @property
    def region(self) -> str:
        return self.office.region_on(self.day)

    @property
    def owned(self) -> dict[str, object]:
        """The fields of contracts.visits.Owned, all but the id."""
        return {
            "owner": self.person.id,
            "office": self.office.id,
            "region": self.region,
            "business_date": self.day,
        }


class Known:
    """Copies of what the others own, and the questions that field work asks of them."""

    def __init__(self, database: Database) -> None:
        self.offices = Copies(database, "offices", Office)
        self.people = Copies(database, "people", Person)
        self.customers = Copies(database, "customers", Customer)
        self.orders = Copies(database, "orders", Order)
        self.targets = Copies(database, "targets", Target)

    async def person(self, person_id: str, field: str) -> Person:
        """Raises Invalid (unknown_person) naming the field."""
        if (person := await awaited(lambda: self.people.get(person_id))) is None:
            raise Invalid(
                "unknown_person",
                "There is no such person; if just registered, try again shortly.",
                "没有此人员;如刚刚登记,请稍后再试。",
                field=field,
            )
        return person

    async def customer(self, customer_id: str, *scopes: Scope, field: str = "customer") -> Customer:
        """A customer within all of the scopes. Raises Invalid (unknown_customer) naming the field."""

        async def look() -> Customer | None:
            found = await self.customers.get(customer_id)
            if found is None:
                return None
            reached = all(scope.allows(found.owner, found.office, found.region) for scope in scopes)
            return found if reached else None

        if (customer := await awaited(look)) is None:
            raise Invalid(
                "unknown_customer",
                "There is no such customer, or it is not yours; if just registered, try again shortly.",
                "没有此客户,或不在您的权限内;如刚刚登记,请稍后再试。",
                field=field,
            )
        return customer

    async def office(self, office_id: str) -> Office:
        """Raises Unavailable while the copy lags behind what names the office."""
        return (await self._offices_of([office_id]))[office_id]

    async def at(self, person: Person, instant: datetime, field: str = "on_behalf_of") -> Place:
        """Where the person works on the business date of that instant, by that office's own zone.

        Raises Invalid (no_office) naming the field.
        """
        offices = await self._offices_of(posting.office for posting in person.postings if posting.office)
        for posting in reversed(person.postings):
            if posting.office is not None:
                office = offices[posting.office]
                day = office.business_date(instant)
                if person.posting_on(day) == posting:
                    return Place(person, office, day)
        raise _no_office(person, field)

    async def on(self, person: Person, day: date, field: str = "on_behalf_of") -> Place:
        """Where the person works on a given business date. Raises Invalid (no_office) naming the field."""
        posting = person.posting_on(day)
        if posting is None or posting.office is None:
            raise _no_office(person, field)
        return Place(person, await self.office(posting.office), day)

    async def posting_at(self, person: Person, instant: datetime) -> Posting | None:
        """What the person is on the business date of that instant, by the zone of the posting's own office.

        None before they joined. Once they have left, the last posting says who completes what they left behind. Raises
        Unavailable while an office of theirs is not known here.
        """
        offices = await self._offices_of(posting.office for posting in person.postings if posting.office)
        for posting in reversed(person.postings):
            if posting.office is None:
                continue
            day = offices[posting.office].business_date(instant)
            if person.posting_on(day) == posting:
                return posting
            if person.left_on is not None and person.left_on <= day and person.posting_nearest(day) == posting:
                return posting
        return None

    async def roster(self, office_id: str, day: date, *roles: Role) -> list[Person]:
        """Who works in that office on that day, in those roles (all without any)."""
        found = await self.people.find({"postings.office": office_id})
        posted = [(person, person.posting_on(day)) for person in found]
        return [
            person
            for person, posting in posted
            if posting is not None and posting.office == office_id and (not roles or posting.role in roles)
        ]

    async def _offices_of(self, ids: Iterable[str]) -> dict[str, Office]:
        wanted = sorted(set(ids))

        async def look() -> dict[str, Office] | None:
            found = {office.id: office for office in await self.offices.find({"_id": {"$in": wanted}})}
            return found if len(found) == len(wanted) else None

        if (offices := await awaited(look)) is None:
            raise Unavailable(
                "office_not_known_yet",
                "The office is not known here yet: try again shortly.",
                "尚未收到该办事处的资料:请稍后再试。",
            )
        return offices


def _no_office(person: Person, field: str) -> Invalid:
    return Invalid(
        "no_office",
        f"{person.name} works in no office on that day: field work belongs to somebody of an office.",
        f"{person.name} 当天不属于任何办事处:外勤工作须由办事处人员填报。",
        field=field,
    )
