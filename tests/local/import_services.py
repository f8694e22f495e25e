"""The customers and orders services over a real MongoDB, behind one address, as a gateway has them: for imports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx

from chassis.identity import Caller
from chassis.mongo import Database
from chassis.received import decode
from contracts.topics import CUSTOMERS, OFFICES, PEOPLE, REGIONS
from customers import app as customers_app
from customers.settings import Settings as CustomersSettings
from orders import app as orders_app
from orders.consumers import Learner
from orders.settings import Settings as OrdersSettings
from tests.doors import opened, token

TOPICS = {"regions": REGIONS, "offices": OFFICES, "people": PEOPLE, "customers": CUSTOMERS}


class Services:
    """`client` sends as the given caller; what the customers service writes comes to the orders service at once."""

    def __init__(self, caller: Caller, apps: dict[str, Any], customers: Database) -> None:
        self.caller = caller
        self.sent: list[str] = []
        self._transports = {name: httpx.ASGITransport(app) for name, app in apps.items()}
        self._customers = customers
        self._learner = Learner(apps["orders"].state.repositories.known)

    @property
    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url="http://gateway",
            transport=httpx.MockTransport(self._answer),
            headers={"Authorization": f"Bearer {token(self.caller)}"},
        )

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/v1/me":
            said = {"id": self.caller.id, "role": self.caller.role, "rights": sorted(self.caller.rights)}
            return httpx.Response(200, json=said)
        self.sent.append(f"{request.method} {path}")
        service = "customers" if path.split("/")[3] in TOPICS else "orders"
        async with httpx.AsyncClient(transport=self._transports[service], base_url="http://service") as client:
            answer = await client.request(
                request.method, path, content=request.content, headers=dict(request.headers.items())
            )
        if service == "customers" and answer.is_success:
            await self._publish()
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    async def _publish(self) -> None:
        events = []
        for kind, topic in TOPICS.items():
            async for document in self._customers[kind].find({"outbox": {"$ne": []}}):
                for entry in document["outbox"]:
                    record: Any = SimpleNamespace(
                        topic=topic.name, partition=0, offset=0, key=b"", value=entry["event"]
                    )
                    events.append(decode(record))
                await self._customers[kind].update_one({"_id": document["_id"]}, {"$set": {"outbox": []}})
        await self._learner.take(events)


@asynccontextmanager
async def services(mongo: str, database: Database, caller: Caller) -> AsyncIterator[Services]:
    """Both services, each in a database of its own beside `database`, which is dropped with it."""
    names = {"customers": f"{database.name}_c", "orders": f"{database.name}_o"}
    apps = {
        "customers": customers_app.app(CustomersSettings(mongodb_uri=mongo, mongodb_database=names["customers"])),
        "orders": orders_app.app(OrdersSettings(mongodb_uri=mongo, mongodb_database=names["orders"])),
    }
    async with AsyncExitStack() as stack:
        for name, app in apps.items():
            await stack.enter_async_context(opened(app))
            stack.push_async_callback(database.client.drop_database, names[name])
        yield Services(caller, apps, database.client[names["customers"]])
