"""A small company in the database of orders, for the benchmarks that ask that service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from bench.frame import Identity
from chassis.ids import derived_id
from chassis.mongo import Database
from contracts.customers import Customer, CustomerStatus, Ownership
from contracts.envelope import Published
from contracts.money import Money
from contracts.orders import Product
from contracts.staff import Office, Person, Posting, RegionOfOffice, Role

SINCE = date(2020, 1, 1)
CUSTOMERS = 50
PRODUCTS = [derived_id("bench products", str(number)) for number in range(10)]


def token(identity: Identity, role: str = "salesperson") -> str:
    return identity.token(role, "li", office="sha", region="east")


def _copies(people: Iterable[str]) -> dict[str, Sequence[Published]]:
    held = Ownership(valid_from=SINCE, owner="li", office="sha", region="east")
    posting = Posting(valid_from=SINCE, role=Role.SALESPERSON, office="sha", region="east")
    customers = [
        Customer(
            id=f"customer-{number}",
            name=f"客户 {number}",
            status=CustomerStatus.PROSPECT,
            owner="li",
            office="sha",
            region="east",
            ownership=[held],
            prospect_since=SINCE,
            registered_at=datetime(2020, 1, 1, tzinfo=UTC),
        )
        for number in range(CUSTOMERS)
    ]
    office = Office(
        id="sha",
        code="SHA",
        name="上海",
        regions=[RegionOfOffice(valid_from=SINCE, region="east")],
        timezone="Asia/Shanghai",
    )
    staff = [Person(id=who, name=who, joined_on=SINCE, postings=[posting]) for who in people]
    return {"offices": [office], "people": staff, "customers": customers}


def _document(state: Published) -> dict[str, Any]:
    fields = state.model_dump(mode="json")
    return {"_id": fields.pop("id"), "version": 1, **fields}


async def furnish(database: Database, people: Iterable[str] = ("li",)) -> None:
    """The office, its people, the customers and the products that the orders are made of."""
    for name, states in _copies(people).items():
        await database[f"copy_{name}"].insert_many([_document(state) for state in states])
    products = [
        Product(id=id, code=f"P-{at}", name=f"水泵 {at}", price=Money(minor=10_000 + at, currency="CNY"), active=True)
        for at, id in enumerate(PRODUCTS)
    ]
    await database["products"].insert_many([_document(product) for product in products])


def new_order(customer: int = 0) -> dict[str, Any]:
    """An order of three lines."""
    lines = [{"product": product, "quantity": at + 1} for at, product in enumerate(PRODUCTS[:3])]
    return {"customer": f"customer-{customer % CUSTOMERS}", "channel": "phone", "lines": lines}
