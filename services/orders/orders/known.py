"""What this service knows of the others': offices, people, customers and visits, as copies fed by their events.

A copy lags a little behind its owner. What is not there yet is waited for briefly before it is refused, so
that whoever registers a customer and orders for it at once need not try twice. Unknown and out of reach
take the same time and get the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from chassis.copies import Copies, awaited
from chassis.mongo import Database
from chassis.problems import Invalid, Unavailable
from chassis.scope import Scope
from contracts.customers import Customer, Ownership
from contracts.envelope import Published
from contracts.orders import Credit
from contracts.staff import Office, Person, Posting


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody works on the business date of an instant."""

    person: Person
    office: Office
    day: date
    posting: Posting

    @property
    def credit(self) -> Credit:
        return Credit(person=self.person.id, office=self.office.id, region=self.office.region_on(self.day))


class VisitOfOrder(Published):
    """The part of contracts.visits.Visit that an order's `visit` is held to."""

    id: str
    owner: str
    customer: str | None = None
    """None for a visit to an area, in which the customer was found."""


class Known:
    """Copies of offices, people, customers and visits, and the questions that orders ask of them."""

    def __init__(self, database: Database) -> None:
        self.offices = Copies(database, "offices", Office)
        self.people = Copies(database, "people", Person)
        self.customers = Copies(database, "customers", Customer)
        self.visits = Copies(database, "visits", VisitOfOrder)

    async def customer(self, customer_id: str, scope: Scope) -> Customer:
        """A customer within the scope. Raises Invalid (unknown_customer)."""

        async def look() -> Customer | None:
            found = await self.customers.get(customer_id)
            return found if found and scope.allows(found.owner, found.office, found.region) else None

        if (customer := await awaited(look)) is None:
            raise Invalid(
                "unknown_customer",
                "There is no such customer, or it is not yours; if just registered, try again shortly.",
                "没有此客户,或不在您的权限内;如刚刚登记,请稍后再试。",
                field="customer",
            )
        return customer

    async def person(self, person_id: str, field: str | None = None) -> Person:
        """Raises Invalid (unknown_person) naming the field; Unavailable where it is not the caller who names them."""
        if (person := await awaited(lambda: self.people.get(person_id))) is None:
            if field is None:
                raise _not_known_yet("person", "人员")
            raise unknown_person(field)
        return person

    async def check_visit(self, visit_id: str, owner: str, customer: str) -> None:
        """Raises Invalid (unknown_visit) where it is no visit of the order's owner to its customer.

        A visit that comes in the same batch as its order is waited for like every other copy.
        """

        async def look() -> VisitOfOrder | None:
            found = await self.visits.get(visit_id)
            return found if found and found.owner == owner and found.customer in (customer, None) else None

        if await awaited(look) is None:
            raise Invalid(
                "unknown_visit",
                "The order's owner has no such visit to this customer: leave the visit out, or name the right one; if "
                "it was just recorded, try again shortly.",
                "订单归属人没有对该客户的此次拜访:请去掉 visit 或填写正确的拜访;如刚刚记录,请稍后再试。",
                field="visit",
            )

    async def office(self, office_id: str) -> Office:
        """Raises Unavailable while the copy lags behind what names the office."""
        return (await self._offices_of([office_id]))[office_id]

    async def holder(self, customer: Customer, at: datetime) -> Ownership:
        """Who held the customer on the business date of that instant, by the zone of the holder's own office."""
        if len(customer.ownership) == 1:
            return customer.ownership[0]
        offices = await self._offices_of(entry.office for entry in customer.ownership)
        for entry in sorted(customer.ownership, key=lambda entry: entry.valid_from, reverse=True):
            if entry.valid_from <= offices[entry.office].business_date(at):
                return entry
        return customer.ownership[0]

    async def place(self, person: Person, at: datetime) -> Place | None:
        """Where the person works on the business date of that instant, by that office's zone; None for nowhere."""
        offices = await self._offices_of(posting.office for posting in person.postings if posting.office)
        for posting in reversed(person.postings):
            if posting.office is None:
                continue
            office = offices[posting.office]
            day = office.business_date(at)
            if person.posting_on(day) == posting:
                return Place(person, office, day, posting)
        return None

    async def _offices_of(self, ids: Iterable[str]) -> dict[str, Office]:
        wanted = sorted(set(ids))

        async def look() -> dict[str, Office] | None:
            found = {office.id: office for office in await self.offices.several(wanted)}
            return found if len(found) == len(wanted) else None

        if (offices := await awaited(look)) is None:
            raise _not_known_yet("office", "办事处")
        return offices


def unknown_person(field: str) -> Invalid:
    return Invalid(
        "unknown_person",
        "There is no such person, or they are not yours to name; if just registered, try again shortly.",
        "没有此人员,或不在您的权限内;如刚刚登记,请稍后再试。",
        field=field,
    )


def _not_known_yet(what: str, chinese: str) -> Unavailable:
    return Unavailable(
        f"{what}_not_known_yet",
        f"The {what} is not known here yet: try again shortly.",
        f"尚未收到该{chinese}的资料:请稍后再试。",
    )
