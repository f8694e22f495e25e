"""From the answer to a command until its number stands in the day view, through the gateway."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from bench import frame, shop
from bench.frame import Identity, Report, Service, Stage, check
from chassis.aggregate import shard_of
from chassis.ids import new_id
from chassis.mongo import Database, connect
from contracts.money import Money
from contracts.orders import Order, OrderLine, OrderStatus, Verification

NAME = "freshness"
WHAT = "from the answer to an order's confirmation until it counts in GET /api/v1/progress/day, at 100 a second"
A_SECOND = 100
SECONDS = 60
WARMING = 3
LOOKED_AFTER = 5
"""Every fifth command is looked after: a question each would be a load that nobody measures."""
PEOPLE = 50
"""Salespeople, who confirm their own orders."""
HIGHEST = {"SALESBEAT_RATE_PER_SECOND": "1000000", "SALESBEAT_RATE_BURST": "1000000"}
"""The limit is not what is measured."""
NOW = datetime.now(UTC)
TODAY = (NOW + timedelta(hours=8)).date()
"""In Shanghai."""


async def _verified(database: Database, first: int, count: int) -> list[str]:
    """So many orders, numbered from `first`, that wait for their confirmation, as the service would have stored them;
    answers their ids."""
    price = Money(minor=10_000, currency="CNY")
    line = OrderLine(
        product=shop.PRODUCTS[0],
        name="水泵",
        quantity=1,
        unit_price=price,
        discount=Money(minor=0, currency="CNY"),
        amount=price,
    )
    documents: list[dict[str, Any]] = []
    for number in range(first, first + count):
        order = Order(
            id=new_id(),
            number=f"SHA-2026-{number:06d}",
            customer=f"customer-{number % shop.CUSTOMERS}",
            customer_name="客户",
            owner=_person(number),
            office="sha",
            region="east",
            status=OrderStatus.VERIFIED,
            business_date=TODAY,
            received_at=NOW - timedelta(hours=1),
            received_by=_person(number),
            lines=[line],
            total=price,
            verification=Verification(at=NOW - timedelta(hours=1), business_date=TODAY, by=_person(number)),
        )
        fields = order.model_dump(mode="json")
        aggregate_id = fields.pop("id")
        kept = {"version": 2, "shard": shard_of(aggregate_id), "outbox": [], "handled": []}
        documents.append({"_id": aggregate_id, **kept, **fields, "created": {"key": None, "fingerprint": ""}})
    await database["orders"].insert_many(documents)
    return [document["_id"] for document in documents]


def _person(number: int) -> str:
    return f"person-{number % PEOPLE}"


class Field:
    """People who confirm orders through the gateway and look whether they count."""

    def __init__(self, gateway: Service, identity: Identity) -> None:
        self._url = gateway.url
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), json_serialize=json.dumps)
        place = {"office": "sha", "region": "east"}
        tokens = {who: identity.token("salesperson", who, **place) for who in map(_person, range(PEOPLE))}
        tokens["head"] = identity.token("office_head", "head", **place)
        self._headers = {who: {"Authorization": f"Bearer {token}"} for who, token in tokens.items()}
        self.late: list[float] = []
        self.acknowledged: list[float] = []

    async def run(self, orders: list[str]) -> None:
        """One command each hundredth of a second, whatever becomes of the others."""
        began = time.perf_counter()
        tasks: list[asyncio.Task[None]] = []
        for number, order in enumerate(orders):
            due = began + number / A_SECOND
            if (left := due - time.perf_counter()) > 0:
                await asyncio.sleep(left)
            measured = number >= WARMING * A_SECOND and number % LOOKED_AFTER == 0
            tasks.append(asyncio.create_task(self._confirm(_person(number), order, measured)))
        await asyncio.gather(*tasks)

    async def _confirm(self, who: str, order: str, measured: bool) -> None:
        body = {
            "promised_date": (TODAY + timedelta(days=7)).isoformat(),
            "payment_method": "月结30天",
            "customer_told_at": NOW.isoformat(),
        }
        began = time.perf_counter()
        url = f"{self._url}/api/v1/orders/{order}/confirmation"
        async with self._session.post(url, json=body, headers=self._headers[who]) as answer:
            said = await answer.read()
        acknowledged = time.perf_counter()
        check(answer.status == 200, f"a confirmation is answered with {answer.status}: {said[:500]!r}")
        if not measured:
            return
        version = json.loads(said)["version"]
        while (await self.day(who, f"order:{order}@{version}")).get("pending"):
            pass
        self.acknowledged.append((acknowledged - began) * 1_000)
        self.late.append((time.perf_counter() - acknowledged) * 1_000)

    async def day(self, who: str, after: str | None = None) -> dict[str, Any]:
        """Somebody's own day; the head's is the office's."""
        unit = {"level": "office", "id": "sha"} if who == "head" else {"level": "person", "id": who}
        asked = {"from": TODAY.isoformat(), "to": TODAY.isoformat(), **unit}
        if after is not None:
            asked["after"] = after
        url = f"{self._url}/api/v1/progress/day"
        async with self._session.get(url, params=asked, headers=self._headers[who]) as answer:
            said = await answer.read()
        check(answer.status == 200, f"the day is answered with {answer.status}: {said[:500]!r}")
        return json.loads(said)

    async def close(self) -> None:
        await self._session.close()


async def measure(stage: Stage, report: Report) -> None:
    await stage.kafka()
    client = connect(await stage.mongodb())
    database = client.database("orders")
    await shop.furnish(database, map(_person, range(PEOPLE)))
    orders = await stage.service("orders", "api")
    await stage.service("reporting", "worker")
    reporting = await stage.service("reporting", "api")
    upstreams = {"SALESBEAT_ORDERS_URL": orders.url, "SALESBEAT_REPORTING_URL": reporting.url}
    gateway = await stage.service("gateway", SALESBEAT_IDENTITY="oidc", **upstreams, **HIGHEST)
    confirmed = 0

    def rounds(side: str, module: str, **environment: str) -> frame.Round:
        async def round() -> None:
            nonlocal confirmed
            ids = await _verified(database, confirmed, A_SECOND * (SECONDS + WARMING))
            worker = await stage.service(module, "worker", **environment)
            field = Field(gateway, stage.identity)
            try:
                await field.run(ids)
                confirmed += len(ids)
                until = time.monotonic() + 10
                count = 0
                while count != confirmed and time.monotonic() < until:
                    [row] = (await field.day("head"))["items"]
                    count = row["measures"]["orders_confirmed"]["count"]
                check(count == confirmed, f"{count} of {confirmed} confirmations count")
                asked = []
                for _ in range(50):
                    began = time.perf_counter()
                    await field.day(_person(len(ids) - 1), f"order:{ids[-1]}@3")
                    asked.append((time.perf_counter() - began) * 1_000)
            finally:
                await field.close()
                stage.stop(worker.process)
            late = sorted(field.late)
            report.add("visible after, p50", side, statistics.median(late), "ms")
            report.add("visible after, p99", side, late[int(len(late) * 0.99) - 1], "ms")
            report.add("of it the question itself, p50", side, statistics.median(asked), "ms")
            report.add("the command itself, p50", side, statistics.median(field.acknowledged), "ms")

        return round

    await frame.interleave(
        stage,
        rounds("nudged", "orders"),
        rounds("polled each 0.1 s", "bench.peers.polled", BENCH_POLL="0.1", SALESBEAT_MONGODB_DATABASE="orders"),
        rounds("polled each 1 s", "bench.peers.polled", BENCH_POLL="1", SALESBEAT_MONGODB_DATABASE="orders"),
    )
    await client.close()
    report.note(
        f"{A_SECOND} confirmations a second by {PEOPLE} people for {SECONDS} s through the gateway; every "
        f"{LOOKED_AFTER}th is followed by GET progress/day with after= its version, which waits for it. The time runs "
        "from the command's answer to the day's answer, so it holds one whole question through the gateway."
    )
    report.at_most("p50 in ms", 15, report.median("visible after, p50", "nudged"))
    report.at_most("p99 in ms", 60, report.median("visible after, p99", "nudged"))


if __name__ == "__main__":
    frame.main(NAME, WHAT, measure)
