"""A small sales organisation with customers, and the orders service open for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import httpx

from chassis import clock
from chassis.clock import SetClock
from chassis.consumer import Received
from chassis.ids import derived_id, new_id
from chassis.mongo import Database
from contracts.customers import Customer, CustomerStatus, Ownership
from contracts.envelope import Published
from contracts.money import Money
from contracts.staff import Office, Person, Posting, RegionOfOffice, Role
from contracts.topics import TOPICS
from contracts.visits import Purpose, Visit, VisitStatus
from orders.app import app
from orders.consumers import Learner
from orders.repositories import Repositories
from orders.settings import Settings
from tests.doors import Door, caller, opened

TUESDAY = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
"""10 o'clock in Shanghai, 18 o'clock of the day before in Los Angeles."""
START = date(2026, 1, 1)

LI = caller("salesperson", "li", office="sha", region="east")
ZHAO = caller("salesperson", "zhao", office="sha", region="east")
SUN = caller("salesperson", "sun", office="nkg", region="east")
BOB = caller("salesperson", "bob", office="lax", region="west")
WANG = caller("office_head", "wang", office="sha", region="east")
ANN = caller("office_head", "ann", office="lax", region="west")
HE = caller("regional_supervisor", "he", region="east")
CHEN = caller("clerk", "chen", office="sha", region="east", offices=["nkg"])
DESK = caller("service_desk", "qian", office="sha", region="east")
TOP = caller("top_manager", "top")
BOSS = caller("owner", "boss")
ADMIN = caller("administrator")
IMPORTER = caller("service_desk", "robot", rights=["import"])
NOBODY = caller("")

EVERYBODY = (LI, ZHAO, SUN, BOB, WANG, ANN, HE, CHEN, DESK, TOP, BOSS, ADMIN, IMPORTER, NOBODY)


def office(office_id: str, region: str, timezone: str = "Asia/Shanghai", **more: Any) -> Office:
    regions = [RegionOfOffice(valid_from=START, region=region)]
    return Office(id=office_id, code=office_id.upper(), name=office_id, regions=regions, timezone=timezone, **more)


def person(person_id: str, role: Role, office_id: str | None, region: str, **more: Any) -> Person:
    posting = Posting(valid_from=START, role=role, office=office_id, region=region)
    return Person(**{"id": person_id, "name": person_id, "joined_on": START, "postings": [posting], **more})


def customer(customer_id: str, owner: str, office_id: str, region: str, **more: Any) -> Customer:
    held = Ownership(valid_from=START, owner=owner, office=office_id, region=region)
    return Customer(
        **{
            "id": customer_id,
            "name": customer_id.title(),
            "status": CustomerStatus.PROSPECT,
            "owner": owner,
            "office": office_id,
            "region": region,
            "ownership": [held],
            "prospect_since": START,
            "registered_at": datetime(2026, 1, 1, tzinfo=UTC),
            **more,
        }
    )


def visit(visit_id: str, owner: str, customer_id: str | None, **more: Any) -> Visit:
    return Visit(
        **{
            "id": visit_id,
            "owner": owner,
            "office": "sha",
            "region": "east",
            "business_date": TUESDAY.date(),
            "status": VisitStatus.COMPLETED,
            "planned": True,
            "customer": customer_id,
            "purposes": [Purpose.ORDER],
            **more,
        }
    )


COMPANY: Sequence[Published] = (
    office("sha", "east", holidays=[date(2026, 11, 20)]),
    office("nkg", "east"),
    office("lax", "west", "America/Los_Angeles"),
    person("li", Role.SALESPERSON, "sha", "east"),
    person("zhao", Role.SALESPERSON, "sha", "east"),
    person("wang", Role.OFFICE_HEAD, "sha", "east"),
    person("chen", Role.CLERK, "sha", "east"),
    person("sun", Role.SALESPERSON, "nkg", "east"),
    person("bob", Role.SALESPERSON, "lax", "west"),
    person("ann", Role.OFFICE_HEAD, "lax", "west"),
    person("he", Role.REGIONAL_SUPERVISOR, None, "east"),
    customer("acme", "li", "sha", "east"),
    customer("zeta", "zhao", "sha", "east"),
    customer("nanjing", "sun", "nkg", "east"),
    customer("coast", "bob", "lax", "west"),
)

PRODUCTS: Mapping[str, Mapping[str, Any]] = {
    "pump": {"code": "P-1", "name": "Pump 水泵", "price": {"minor": 10_000, "currency": "CNY"}, "family": "water"},
    "valve": {"code": "V-1", "name": "Valve", "price": {"minor": 333, "currency": "CNY"}},
    "old": {"code": "O-1", "name": "Old", "price": {"minor": 1, "currency": "CNY"}, "active": False},
    "dollar": {"code": "D-1", "name": "Dollar", "price": {"minor": 500, "currency": "USD"}},
}
COSTS = {"pump": 6_000, "valve": 100}


def product_id(name: str) -> str:
    return derived_id("test products", name)


def said(state: Published, version: int = 1) -> Received:
    """A state as the worker receives it."""
    topic = next(topic for topic in TOPICS if topic.state is type(state))
    subject: str = state.id  # type: ignore[attr-defined]
    return Received(
        topic=topic.name,
        partition=0,
        offset=0,
        key=subject,
        id=new_id(),
        type="said",
        subject=subject,
        version=version,
        time=TUESDAY,
        occurred_at=TUESDAY,
        business_date=TUESDAY.date(),
        actor="somebody",
        payload=state.model_dump_json().encode(),
    )


@dataclass(slots=True)
class Shop:
    """The service with its door, its store and its clock."""

    door: Door
    repositories: Repositories
    time: SetClock
    database: Database

    async def hear(self, *states: Published, version: int = 1) -> None:
        await Learner(self.repositories.known).take([said(state, version) for state in states])

    async def post(
        self, who: Any, path: str, body: Mapping[str, Any], key: str | None = None, version: int | None = None
    ) -> httpx.Response:
        return await self.door.post(f"/api/v1/{path}", json=body, headers=self.door.as_(who, key, version))

    async def patch(self, who: Any, path: str, body: Mapping[str, Any], version: int | None = None) -> httpx.Response:
        return await self.door.patch(f"/api/v1/{path}", json=body, headers=self.door.as_(who, version=version))

    async def get(self, who: Any, path: str, **query: Any) -> httpx.Response:
        return await self.door.get(f"/api/v1/{path}", params=query, headers=self.door.as_(who))

    async def receive(self, who: Any = LI, **more: Any) -> httpx.Response:
        return await self.post(who, "orders", new_order(**more))

    async def order(self, who: Any = LI, until: str = "receipt", **more: Any) -> dict[str, Any]:
        """An order that has taken the steps up to the one named."""
        received = await self.receive(who, **more)
        assert received.status_code == 201, received.text
        order = received.json()
        for step, (by, body) in WAY.items():
            if until == "receipt":
                break
            answered = await self.post(by, f"orders/{order['id']}/{step}", body)
            assert answered.status_code == 200, answered.text
            order = answered.json()
            if step == until:
                break
        return order

    async def amend(self, order: Mapping[str, Any], who: Any = None, **what: Any) -> httpx.Response:
        """An amendment decided on the order as it is given."""
        body = {**REASON, **what}
        return await self.post(who or WANG, f"orders/{order['id']}/amendment", body, version=order["version"])

    async def stock(self) -> None:
        """The products."""
        for name, product in PRODUCTS.items():
            cost = {"cost": {"minor": COSTS[name], "currency": "CNY"}} if name in COSTS else {}
            answered = await self.post(ADMIN, "products", {"id": product_id(name), **product, **cost})
            assert answered.status_code == 201, answered.text


def line(product: str = "pump", quantity: Any = 1, **more: Any) -> dict[str, Any]:
    return {"product": product_id(product), "quantity": quantity, **more}


def new_order(customer: str = "acme", lines: Sequence[Mapping[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {"customer": customer, "lines": [line()] if lines is None else list(lines), **more}


CONFIRMATION = {
    "promised_date": "2026-12-01",
    "payment_method": "transfer",
    "customer_told_at": "2026-11-24T10:00:00+08:00",
}
WAY: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "verification": (CHEN, {}),
    "confirmation": (WANG, CONFIRMATION),
    "allocation": (CHEN, {"assignee": "chen"}),
    "delivery": (CHEN, {"receiver": "Ms Xu"}),
    "handover": (CHEN, {"documents": ["receipt"], "receiver": "Ms Xu"}),
    "closure": (CHEN, {}),
}
"""The straight way of an order of the Shanghai office, with who takes each step."""
REASON = {"reason": "as the customer wishes"}
STEPS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    **WAY,
    "return": (CHEN, REASON),
    "amendment": (WANG, {**REASON, "promised_date": "2026-12-09"}),
    "cancellation": (WANG, REASON),
}
"""Every step that is a POST, with somebody who may take it and a body that is complete."""


def cny(minor: int) -> dict[str, Any]:
    return Money(minor=minor, currency="CNY").model_dump()


def codes(answered: httpx.Response) -> tuple[int, str]:
    return answered.status_code, answered.json().get("code", "")


def fields(answered: httpx.Response) -> list[str]:
    return [error["field"] for error in answered.json()["errors"]]


async def gathered(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


@asynccontextmanager
async def open_service(mongo: str, database: Database) -> AsyncIterator[Shop]:
    """The service with its products, which are the same for every test."""
    made = app(Settings(mongodb_uri=mongo, mongodb_database=database.name))
    async with opened(made) as door:
        door.headers["X-Request-Id"] = "request"
        with clock.set_to(TUESDAY) as time:
            shop = Shop(door, made.state.repositories, time, database)
            await shop.stock()
        yield shop


@asynccontextmanager
async def open_shop(service: Shop, products: Sequence[Mapping[str, Any]]) -> AsyncIterator[Shop]:
    """The service emptied, with those products and its organisation learned, on a Tuesday at ten."""
    for name in await service.database.list_collection_names():
        await service.database[name].delete_many({})
    await service.repositories.products.collection.insert_many(products)
    with clock.set_to(TUESDAY) as time:
        service.time = time
        await service.hear(*COMPANY)
        yield service
