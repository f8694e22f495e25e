"""The rehearsal of an import: every request goes to the services' own routes, over a database in memory.

So whatever a service refuses because of the request itself or of what the files say is found before the first request
is sent, and the dry run refuses what the run refuses (docs/decisions/0026-dry-run-equals-run.md). What the rehearsal
cannot know is what the suite holds already.

This module and memory_database.py are the only ones of the command that import services.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import orjson
from fastapi import FastAPI

from chassis import problems
from chassis.identity import Caller
from chassis.received import decode
from contracts.customers import Customer, CustomerStatus, Ownership
from contracts.money import Money
from contracts.orders import Product
from contracts.staff import Office, Person, Posting, Region, RegionOfOffice, Role
from contracts.topics import CUSTOMERS, OFFICES, PEOPLE, REGIONS
from customers.customer import api as customers_api
from customers.office import api as offices_api
from customers.person import api as people_api
from customers.region import api as regions_api
from customers.repositories import Repositories as CustomersRepositories
from orders.consumers import Learner
from orders.order import api as orders_api
from orders.order.reference import reference_key
from orders.product import api as products_api
from orders.repositories import Repositories as OrdersRepositories
from orders.settings import Settings as OrdersSettings
from salesbeat.importing.mapping import KINDS
from salesbeat.importing.memory_database import MemoryDatabase
from salesbeat.importing.plan import Plan
from salesbeat.importing.records import SINGULAR, Body, Record
from salesbeat.importing.sentences import refusal

ADMINISTRATOR = Caller(id="rehearsal", name="rehearsal", role="administrator")
"""Who a dry run is rehearsed as: it does not know who will send it."""
LONG_AGO = date(1900, 1, 1)
_PATHS = {"regions": "customers", "offices": "customers", "people": "customers", "customers": "customers"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]

    @property
    def refused(self) -> bool:
        """Whether the service refuses it. What only the rehearsal cannot do is left to the service."""
        return 400 <= self.status < 500


class _Numbers:
    """A number series of which nothing is kept."""

    def __init__(self) -> None:
        self._last = 0

    async def take(self, series: str, for_id: str) -> int:
        self._last += 1
        return self._last

    async def written(self, series: str, for_id: str, number: int) -> None:
        return None


class Rehearsal:
    """The customers and orders services in this process, empty at first. `caller` is who sends the import."""

    def __init__(self, caller: Caller = ADMINISTRATOR) -> None:
        self._caller = caller
        self._said = MemoryDatabase()
        self._customers = CustomersRepositories(self._said)
        self._ordered = MemoryDatabase()
        self._orders = OrdersRepositories(self._ordered)
        self._orders.numbers = _Numbers()  # type: ignore[assignment]
        self._learner = Learner(self._orders.known)
        routers = (regions_api.router, offices_api.router, people_api.router, customers_api.router)
        self._apps = {
            "customers": self._app(self._customers, *routers),
            "orders": self._app(self._orders, products_api.router, orders_api.router),
        }
        self._topics = {
            "regions": REGIONS.name,
            "offices": OFFICES.name,
            "people": PEOPLE.name,
            "customers": CUSTOMERS.name,
        }
        self._prepared = False
        self.failed = 0
        """Requests that it could not answer."""

    async def ask(self, method: str, path: str, body: Any, key: str, version: int | None = None) -> Answer:
        """What the service answers to that request."""
        await self._prepare()
        service = _PATHS.get(path.split("/")[3], "orders")
        answer = await self._call(self._apps[service], method, path, body, key, version)
        self.failed += answer.status >= 500
        if service == "customers" and answer.status < 300:
            await self._publish()
        return answer

    async def presume(self, kind: str, record_id: str, name: str, zone: str) -> None:
        """A record to which the files refer and which another import has brought: taken to be there, and to fit."""
        await self._prepare()
        database = self._ordered if kind == "products" else self._said
        if record_id in database[kind].documents:
            return
        owner, office, region = "presumed owner", "presumed office", "presumed region"
        if kind == "offices":
            await self.presume("regions", region, region, zone)
        if kind == "people":
            await self.presume("offices", office, office, zone)
        if kind == "customers":
            await self.presume("people", owner, owner, zone)
        state = {
            "regions": lambda: Region(id=record_id, code="XX", name=name),
            "offices": lambda: Office(
                id=record_id,
                code="XX",
                name=name,
                timezone=zone,
                regions=[RegionOfOffice(valid_from=LONG_AGO, region=region)],
            ),
            "people": lambda: Person(
                id=record_id,
                name=name,
                joined_on=LONG_AGO,
                postings=[Posting(valid_from=LONG_AGO, role=Role.SALESPERSON, office=office, region=region)],
            ),
            "products": lambda: Product(id=record_id, code=record_id, name=name, price=Money(minor=0, currency="CNY")),
            "customers": lambda: Customer(
                id=record_id,
                name=name,
                status=CustomerStatus.PROSPECT,
                owner=owner,
                office=office,
                region=region,
                ownership=[Ownership(valid_from=LONG_AGO, owner=owner, office=office, region=region)],
                prospect_since=LONG_AGO,
                registered_at=datetime(1900, 1, 1, tzinfo=UTC),
            ),
        }[kind]()
        # It is known by its id alone: no index holds it, so that it is like nothing and takes nobody's code.
        document = {"_id": record_id, "version": 1, **state.model_dump(mode="json", exclude={"id"}), "keys": {}}
        collection = database[kind]
        document |= {"handled": [], "created": {"key": None, "fingerprint": "presumed"}, "outbox": []}
        collection.documents[record_id] = document
        if kind != "products":
            copies = self._ordered[f"copy_{kind}"]
            copies.documents[record_id] = {
                "_id": record_id,
                "version": 1,
                **state.model_dump(mode="json", exclude={"id"}),
            }

    def forget(self, kind: str, record_id: str) -> None:
        """Take a record out again whose further steps are refused: nothing of it will be sent."""
        database = self._said if kind in self._topics else self._ordered
        database[kind].forget(record_id)

    async def _prepare(self) -> None:
        if not self._prepared:
            self._prepared = True
            await self._customers.prepare()
            await self._orders.prepare()

    def _app(self, repositories: Any, *routers: Any) -> FastAPI:
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.state.settings = OrdersSettings.model_construct(timezone="Asia/Shanghai")
        app.state.repositories = repositories
        app.state.verifier = SimpleNamespace(verify=self._verify)
        for router in routers:
            app.router.routes.extend(router.routes)
        problems.install(app)
        return app

    async def _verify(self, *_: Any) -> Caller:
        return self._caller

    async def _publish(self) -> None:
        """What the bus would bring from the customers service to the orders service."""
        events = []
        for kind, topic in self._topics.items():
            collection = self._said[kind]
            for record_id in sorted(collection.written):
                document = collection.documents[record_id]
                for entry in document.get("outbox", []):
                    record: Any = SimpleNamespace(
                        topic=topic, partition=0, offset=0, key=record_id.encode(), value=entry["event"]
                    )
                    events.append(decode(record))
                document["outbox"] = []
            collection.written.clear()
        if events:
            await self._learner.take(events)

    async def _call(self, app: FastAPI, method: str, path: str, body: Any, key: str, version: int | None) -> Answer:
        sent = orjson.dumps(body)
        headers = [
            (b"authorization", b"Bearer rehearsal"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(sent)).encode()),
            (b"idempotency-key", key.encode()),
            *([(b"if-match", f'"{version}"'.encode())] if version is not None else []),
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "server": ("rehearsal", 80),
            "client": ("127.0.0.1", 1),
        }
        status = 500
        received = bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                received.extend(message.get("body", b""))

        try:
            await app(scope, receive, send)
        except Exception as error:
            return Answer(500, {"code": "internal", "detail": repr(error)})
        return Answer(status, orjson.loads(bytes(received)) if received else {})


async def rehearse(
    plan: Plan, caller: Caller = ADMINISTRATOR, done: Callable[[Record], None] = lambda record: None
) -> int:
    """Note on each record of the plan what a service will refuse in it; `done` is called with each record.

    Answers how many requests could not be rehearsed: they are sent, and the services decide.
    """
    rehearsal = Rehearsal(caller)
    for record_id, (kind, key) in plan.presumed.items():
        await rehearsal.presume(kind, record_id, key, plan.timezone)
    records = {record.id: record for kind in KINDS for record in plan.records[kind] if record.requests}
    for kind in KINDS:
        for layer in plan.layers(kind):
            for record in layer:
                needs = [*record.needs, *([record.within] if record.within else [])]
                if (refused := next((need for need in needs if need.problems), None)) is not None:
                    record.problems.append(
                        f"needs {SINGULAR[refused.kind]} `{refused.key}`, which is refused ({refused.place()})"
                    )
                else:
                    await _one(rehearsal, plan, record, records.get)
                done(record)
    return rehearsal.failed


async def _one(rehearsal: Rehearsal, plan: Plan, record: Record, known: Callable[[str], Record | None]) -> None:
    """All requests of a record, up to the first that is refused."""
    standing: Body = {}
    for request in record.requests:
        body = request.body
        if record.kind == "orders" and request.name == "creation":
            body = _with_prices(body, plan)
        versioned = request.method == "PATCH" or request.versioned
        version = standing.get("version") if versioned else None
        answer = await rehearsal.ask(request.method, request.path, body, request.key, version)
        if answer.refused:
            record.problems += refusal(record, request, answer.body, known)
            if request is not record.requests[0]:
                rehearsal.forget(record.kind, record.id)
            return
        standing = answer.body


def _with_prices(body: Body, plan: Plan) -> Body:
    """An order whose lines have a price where that of a presumed product would count, which is not known here."""
    price = {"minor": 10**8, "currency": body.get("currency", "CNY")}
    lines = [
        line if "unit_price" in line or line.get("product") not in plan.presumed else {**line, "unit_price": price}
        for line in body["lines"]
    ]
    return {**body, "lines": lines}


def same_reference(customer: str, reference: str) -> str | None:
    """What orders of one customer share that have the same reference; None for what is no reference."""
    return reference_key(customer, reference)
