"""The worker over a real broker: what it hears makes orders possible, and what happens to them is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from chassis import clock
from chassis.aggregate import Command, envelope
from chassis.consumer import Consumer, Received
from chassis.ids import new_id
from chassis.mongo import Database
from contracts.envelope import Event, Happened, Published
from contracts.orders import Order, Product
from contracts.staff import Role
from contracts.topics import ORDERS, PRODUCTS, TOPICS
from orders.app import app
from orders.settings import Settings
from orders.worker import worker
from tests.doors import Door, opened
from tests.orders.company import ADMIN, CHEN, CONFIRMATION, LI, customer, office, person

PATIENCE = 40.0
"""Seconds until a test gives up; joining a group on the embedded broker takes five."""


async def say(broker: Any, *states: Published) -> None:
    """What the customers service would say of them."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.kafka_bootstrap)
    await producer.start()
    try:
        for state in states:
            topic = next(topic for topic in TOPICS if topic.state is type(state))
            fields = state.model_dump(mode="json")
            now = clock.now()
            happened = Happened(next(iter(topic.types)), now, now.date())
            event = envelope(topic, fields["id"], 1, happened, fields, Command(actor="somebody"), now)
            await producer.send_and_wait(topic.name, event, key=fields["id"].encode())
    finally:
        await producer.stop()


@asynccontextmanager
async def listening(broker: Any, got: list[Received]) -> AsyncIterator[None]:
    async def take(events: Sequence[Received]) -> None:
        got.extend(events)

    topics = [ORDERS.name, PRODUCTS.name]
    listener = Consumer(f"test-{new_id()}", topics, take, broker, dead_letters="reporting.dlq.v1")
    await listener.start()
    try:
        yield
    finally:
        await listener.stop()


async def post(door: Door, who: Any, path: str, body: dict[str, Any]) -> Any:
    return await door.post(f"/api/v1/{path}", json=body, headers=door.as_(who))


async def until_taken(door: Door, body: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        received = await post(door, LI, "orders", body)
        if received.status_code == 201:
            return received.json()
        assert received.json()["code"] in ("unknown_customer", "person_not_known_yet", "office_not_known_yet")
        await asyncio.sleep(0.02)
    raise AssertionError(f"the copies have not come: {received.text}")


@pytest.fixture
def settings(mongo: str, database: Database, broker: Any) -> Settings:
    return Settings(
        mongodb_uri=mongo,
        mongodb_database=database.name,
        kafka_bootstrap=broker.kafka_bootstrap,
        kafka_idempotence=broker.kafka_idempotence,
        kafka_fetch_wait_ms=broker.kafka_fetch_wait_ms,
    )


async def test_from_a_customer_on_the_bus_to_an_order_on_the_bus(settings: Settings, broker: Any) -> None:
    # Copies are of this test's database, names of this test: others may have used the topics.
    buyer = customer(new_id(), "li", "sha", "east")
    await say(broker, office("sha", "east"), person("li", Role.SALESPERSON, "sha", "east"), buyer)
    got: list[Received] = []
    hand = worker(settings)
    async with opened(app(settings)) as door, hand.running(), listening(broker, got):
        price = {"minor": 1_000, "currency": "CNY"}
        product = (await post(door, ADMIN, "products", {"code": "P", "name": "Pump", "price": price})).json()
        line = {"product": product["id"], "quantity": 2}
        order = await until_taken(door, {"id": new_id(), "customer": buyer.id, "lines": [line]})
        verified = await post(door, CHEN, f"orders/{order['id']}/verification", {})
        assert verified.status_code == 200, verified.text
        now = clock.now()
        promise = {"promised_date": str(now.date() + timedelta(days=9)), "customer_told_at": now.isoformat()}
        confirmed = await post(door, LI, f"orders/{order['id']}/confirmation", {**CONFIRMATION, **promise})
        assert confirmed.status_code == 200, confirmed.text
        deadline = time.monotonic() + PATIENCE
        while not any(event.subject == order["id"] and event.version == 3 for event in got):
            assert time.monotonic() < deadline, f"no confirmation among {[event.type for event in got]}"
            await asyncio.sleep(0.02)
        assert hand.live() is None
    said = [event for event in got if event.subject == order["id"]]
    first_said = list({event.version: event.type for event in said}.items())
    assert first_said == [(1, "sales.order.received"), (2, "sales.order.verified"), (3, "sales.order.confirmed")]
    assert said[-1].data(Order).confirmation is not None
    (of_product,) = {event.payload for event in got if event.subject == product["id"]}
    assert Product.model_validate_json(of_product).price.minor == 1_000


async def test_every_event_is_what_the_contract_says(mongo: str, database: Database) -> None:
    async with opened(app(Settings(mongodb_uri=mongo, mongodb_database=database.name))) as door:
        price = {"minor": 1_000, "currency": "CNY"}
        made = await post(door, ADMIN, "products", {"code": "P", "name": "Pump", "price": price})
        assert made.status_code == 201
    document = await database["products"].find_one({})
    (entry,) = document["outbox"]
    event = Event[Product].model_validate_json(entry["event"])
    assert (event.version, event.source, event.dataschema) == (1, "/orders", "urn:salesbeat:sales.product.v1")
