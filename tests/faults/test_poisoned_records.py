"""Records that nobody can read, publish or handle, in every service at once: all others arrive, and each is listed."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from bson.datetime_ms import DatetimeMS
from pymongo import MongoClient

from chassis.aggregate import shard_of
from contracts.topics import CUSTOMERS, ORDERS, SERVICES, TARGETS, TOPICS, VISIT_POLICIES, Topic
from salesbeat import mongod, state
from salesbeat.settings import OFFSETS
from tests.conftest import WISH
from tests.faults.test_broker_away import confirmed_order
from tests.flows.company import Company, write
from tests.flows.suite import Suite
from tests.flows.test_import_flow import eventually_right

pytestmark = pytest.mark.flow

OF_SERVICE: dict[str, tuple[str, Topic]] = {
    "customers": ("customers", CUSTOMERS),
    "orders": ("orders", ORDERS),
    "visits": ("policies", VISIT_POLICIES),
    "reporting": ("targets", TARGETS),
}
"""Where each service is poisoned: a collection that the traffic writes to, and its topic."""
OUT = {
    "oversized": "bytes, and the bus takes",
    "undecodable": "cannot be read",
    "unforeseen": "is none",
    "unreadable": "the record cannot be read",
}
"""The poisons of an outbox and what is said of each."""
BEYOND = DatetimeMS(2**60)
"""A time for which Python has no type."""


def poisoned(kind: str, service: str) -> dict[str, Any]:
    """A document with an outbox that cannot be published."""
    record, now = f"poison-{kind}", datetime.now(UTC)
    entry: dict[str, Any] = {"version": 1, "at": now, "event": b'{"data": "' + b"x" * 100 + b'"}'}
    document = {"_id": record, "version": 1, "shard": shard_of(record), "outbox": [entry], "unsent_since": now}
    if kind == "oversized":
        entry["event"] = b'{"data": "' + b"x" * 1_200_000 + b'"}'
    elif kind == "undecodable":
        entry["at"] = BEYOND
    elif kind == "unforeseen":
        entry["version"] = {"an": "object"}
    else:
        document |= {"name": BEYOND, "outbox": [{"version": 1, "restate": True, "at": now}]}
    # Different where an index of the service wants it so.
    unique = f"{service} {record}"
    return {**document, "number": unique, "person": unique, "keys": {"claims": [unique], "absences": [unique]}}


class Traffic(threading.Thread):
    """Commands in all four services, one after the other, until it is stopped; what is refused is told."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.done: dict[str, int] = dict.fromkeys(SERVICES, 0)
        self._client = client
        self._ended = threading.Event()

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        some = self._client.get("/api/v1/customers", params={"limit": 50}).json()["items"][0]
        office = self._client.get("/api/v1/offices", params={"limit": 1}).json()["items"][0]["id"]
        turn = 0
        while not self._ended.wait(0.2):
            turn += 1
            try:
                self._one_of_each(some, office, turn)
            except (httpx.HTTPError, AssertionError) as error:
                self.refused.append(str(error)[:500])

    def _one_of_each(self, some: dict[str, Any], office: str, turn: int) -> None:
        said = self._client.post("/api/v1/customers", json={"name": f"Traffic {turn}", "owner": some["owner"]})
        assert said.status_code == 201, said.text
        self.done["customers"] += 1
        confirmed_order(self._client)
        self.done["orders"] += 1
        policy = self._client.get(f"/api/v1/visit-policies/{office}")
        said = self._client.patch(
            f"/api/v1/visit-policies/{office}",
            json={"radius_m": 100 + turn},
            headers={"If-Match": policy.headers["ETag"]},
        )
        assert said.status_code == 200, said.text
        self.done["visits"] += 1
        month = f"{2030 + turn // 12}-{turn % 12 + 1:02}"
        target = {"person": some["owner"], "month": month, "amount": {"minor": 100 * turn, "currency": "CNY"}}
        said = self._client.post("/api/v1/targets", json=target)
        assert said.status_code == 201, said.text
        self.done["reporting"] += 1


@pytest.fixture
def suite(folder: Path) -> Iterator[tuple[Suite, Company]]:
    company = write(folder / "company", orders=20, seed=3)
    suite = Suite(folder / "suite", {"SALESBEAT_BROKER": WISH})
    with suite.running():
        suite.salesbeat("import", company.mapping, company.folder)
        yield suite, company


def test_poisoned_records_in_every_service_are_set_aside_and_all_others_arrive(suite: tuple[Suite, Company]) -> None:
    running, company = suite
    known = state.running(running.folder)
    assert known
    assert known.kafka_bootstrap
    database: MongoClient[dict[str, Any]] = MongoClient(mongod.uri(running.base + OFFSETS["mongod"]), tz_aware=True)
    client = running.as_administrator()
    traffic = Traffic(client)
    traffic.start()
    for service, (collection, _) in OF_SERVICE.items():
        database[service][collection].insert_many([poisoned(kind, service) for kind in OUT])
    asyncio.run(poison_topics(known.kafka_bootstrap, idempotent="embedded" not in (known.broker or "")))
    time.sleep(2)
    for service in SERVICES:
        running.kill(f"{service}-worker")
    time.sleep(4)
    traffic.stop()
    assert traffic.refused == []
    assert min(traffic.done.values()) > 0

    letters = listed(running)
    for service, (collection, _) in OF_SERVICE.items():
        for kind, reason in OUT.items():
            [letter] = [each for each in letters if each["id"].startswith(f"{service}:{collection}/poison-{kind}@")]
            assert letter["direction"] == "out"
            assert reason in letter["reason"]
        inbound = [each["reason"] for each in letters if each["direction"] == "in" and each["id"].startswith(service)]
        assert any("not an event" in reason for reason in inbound), service
        assert len(inbound) >= 3, (service, inbound)

    everything_arrives(database, known.kafka_bootstrap)
    eventually_right(running, company)
    orders = client.get("/api/v1/orders", params={"limit": 200}).json()
    assert orders["unreadable"] == len(OUT)
    assert len(orders["items"]) == company.orders + traffic.done["orders"]
    assert client.get("/api/v1/orders/poison-unreadable").status_code == 409
    everybody_is_well(running)
    seen_by_reporting(client, confirmed_order(client))
    client.close()
    database.close()


def everybody_is_well(suite: Suite) -> None:
    """Every process is ready again; a worker that was killed is replaced in its group after some seconds."""
    deadline = time.monotonic() + 90
    while True:
        status = json.loads(suite.salesbeat("status", "--json", wanted=None))
        unwell = [process for process in status["processes"] if process["state"] != "ready"]
        if not unwell:
            return
        assert time.monotonic() < deadline, unwell
        time.sleep(1)


def seen_by_reporting(client: httpx.Client, order: dict[str, Any]) -> None:
    """The worker that has come back handles what comes after the poison."""
    asked = {"after": f"order:{order['id']}@{order['version']}", "level": "person", "id": order["owner"]}
    deadline = time.monotonic() + 60
    while client.get("/api/v1/progress/day", params=asked).json().get("pending"):
        assert time.monotonic() < deadline, "the event has not arrived"


async def poison_topics(bootstrap: str, *, idempotent: bool) -> None:
    """Bytes that are no event, a record that just fits, and events whose handling fails in a way nobody foresees."""
    topics = [CUSTOMERS.name, ORDERS.name]
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=10
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=idempotent)
    await consumer.start()
    await producer.start()
    some: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(60):
        while len(some) < len(topics):
            record = await consumer.getone()
            event = orjson.loads(record.value or b"")
            if record.topic == CUSTOMERS.name or event["data"].get("confirmation"):
                some[record.topic] = event
    await consumer.stop()
    for topic, event in some.items():
        # Beyond 64 bits: no database takes that version.
        beyond = {**event, "subject": "poison", "sequence": "9" * 30}
        beyond["data"] = (
            {**event["data"], "id": "poison", "customer": "poison"} if topic == ORDERS.name else event["data"]
        )
        for value in (b"\xff no event", b"\xff" * 1_048_400, orjson.dumps(beyond)):
            await producer.send_and_wait(topic, value, b"poison")
    await producer.stop()


def listed(suite: Suite) -> list[dict[str, Any]]:
    """The dead letters, as soon as all of them are there."""
    wanted = len(SERVICES) * (len(OUT) + 3)
    deadline = time.monotonic() + 60
    while True:
        letters = json.loads(suite.salesbeat("dead-letters", "list", "--json"))
        if len(letters) >= wanted or time.monotonic() > deadline:
            return letters
        time.sleep(1)


def everything_arrives(database: MongoClient[dict[str, Any]], bootstrap: str) -> None:
    """Nothing waits in any outbox, and the last version of every record is on the bus."""
    deadline = time.monotonic() + 60
    while True:
        last, unsent = {}, 0
        for service in SERVICES:
            for name in database[service].list_collection_names():
                for document in database[service][name].find(
                    {"outbox": {"$exists": True}}, {"version": 1, "outbox": 1}
                ):
                    unsent += bool(document["outbox"])
                    if not document["_id"].startswith("poison"):
                        last[document["_id"]] = document["version"]
        missing = last.items() - asyncio.run(published(bootstrap)).items()
        if not unsent and not missing:
            return
        assert time.monotonic() < deadline, (unsent, missing)
        time.sleep(1)


async def published(bootstrap: str) -> dict[str, int]:
    """The newest version of each aggregate on the bus."""
    consumer = AIOKafkaConsumer(
        *(topic.name for topic in TOPICS),
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=10,
    )
    await consumer.start()
    newest: dict[str, int] = {}
    quiet = 0
    while quiet < 3:
        found = await consumer.getmany(timeout_ms=500, max_records=5_000)
        quiet = 0 if found else quiet + 1
        for records in found.values():
            for record in records:
                if record.key and not record.key.startswith(b"poison"):
                    version = int(orjson.loads(record.value or b"")["sequence"])
                    newest[record.key.decode()] = max(version, newest.get(record.key.decode(), 0))
    await consumer.stop()
    return newest
