"""POST of an order to the orders service, each acknowledged write durable (w: majority, j: true)."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import frame, shop
from bench.frame import Report, Service, Stage, check
from chassis.ids import new_id
from chassis.mongo import Client, connect
from contracts.topics import ORDERS

NAME = "commands"
WHAT = "POST of an order, with its event, number, scope, idempotency and metrics"
CLIENTS = (64, 8)
SECONDS = 4
SIDES = {
    "ours": ("orders", "api"),
    "transaction": ("bench.peers.orders", "transaction"),
    "bare insert": ("bench.peers.orders", "bare"),
    "no database": ("bench.peers.orders", "nothing"),
}


class Side:
    """One way of saving, with a process and a database of its own."""

    def __init__(self, name: str, client: Client, service: Service, headers: dict[str, str], bootstrap: str) -> None:
        self.name = name
        self.service = service
        self.headers = headers
        self.bootstrap = bootstrap
        self.orders = client.database(_database(name))["orders"]
        self.outbox = client.database(_database(name))["outbox"]
        self.stored = 0
        self.keys = 0

    async def settled(self) -> None:
        """What wrk has cut off comes to its end."""
        before = -1
        for _ in range(60):
            now = await self.orders.estimated_document_count()
            if now == before:
                return
            before = now
            await asyncio.sleep(0.5)

    async def check(self, answered: int, clients: int) -> None:
        """What was answered stands in the database, with one event each; what was cut off may stand there, too."""
        stored, self.stored = self.stored, await self.orders.count_documents({})
        if self.name == "no database":
            check(self.stored == 0, "no database: nothing is kept")
            return
        new = self.stored - stored
        check(answered <= new <= answered + clients, f"{self.name}: {answered} answered, {new} stored")
        if self.name == "ours":
            told = await self._published()
        elif self.name == "transaction":
            told = await self.outbox.count_documents({})
        else:
            return
        check(told == self.stored, f"{self.name}: {self.stored} orders, {told} events")

    async def _published(self) -> int:
        """Events on the bus, once all have left the orders' outboxes."""
        until = time.monotonic() + 30
        while await self.orders.count_documents({"unsent_since": {"$exists": True}}):
            check(time.monotonic() < until, "ours: events do not leave")
            await asyncio.sleep(0.1)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        try:
            ends = await consumer.end_offsets([TopicPartition(ORDERS.name, n) for n in range(ORDERS.partitions)])
        finally:
            await consumer.stop()
        return sum(ends.values())


def _database(side: str) -> str:
    return f"bench_{side.replace(' ', '_')}"


async def measure(stage: Stage, report: Report) -> None:
    broker = await stage.kafka()
    client = connect(await stage.mongodb())
    headers = {"Authorization": f"Bearer {shop.token(stage.identity)}"}
    bodies = stage.folder("bodies") / "orders.jsonl"
    bodies.write_text("".join(json.dumps(shop.new_order(at)) + "\n" for at in range(shop.CUSTOMERS)))
    sides: list[Side] = []
    for name, command in SIDES.items():
        await shop.furnish(client.database(_database(name)))
        service = await stage.service(*command, SALESBEAT_MONGODB_DATABASE=_database(name))
        sides.append(Side(name, client, service, headers, broker.kafka_bootstrap))
    # The relay works beside ours, as it ships; nobody publishes what the others write.
    await stage.service("orders", "worker", SALESBEAT_MONGODB_DATABASE=_database("ours"))

    async def ask(side: Side, clients: int, seconds: float) -> frame.Load:
        side.keys += 1
        arguments = [headers["Authorization"].removeprefix("Bearer "), f"{side.keys}-", str(bodies)]
        url = f"{side.service.url}/api/v1/orders"
        load = await frame.wrk(url, clients, seconds, script=frame.HERE / "order.lua", arguments=arguments)
        check(not load.bad, f"{side.name}: {load.bad} orders were refused")
        await side.settled()
        await side.check(load.requests, clients)
        return load

    def rounds(side: Side, clients: int) -> frame.Round:
        async def round() -> None:
            load = await ask(side, clients, SECONDS)
            report.add(f"{clients} clients", side.name, load.per_second, "orders/s")
            report.add(f"{clients} clients, p99", side.name, load.p99, "ms")

        return round

    for side in sides:
        await ask(side, 8, 1)  # warm
    for clients in CLIENTS:
        await frame.interleave(stage, *(rounds(side, clients) for side in sides))
    failed = await neighbours(sides[0])
    await client.close()
    report.at_least("64 clients: ours / transaction", 3, report.ratio("64 clients", "ours", "transaction"))
    report.at_least("64 clients: ours / bare insert", 1.5, report.ratio("64 clients", "ours", "bare insert"))
    report.at_least("8 clients: ours / transaction", 1.3, report.ratio("8 clients", "ours", "transaction"))
    report.at_most("neighbours of a bad request that failed", 0, failed)


async def neighbours(side: Side, rounds: int = 20) -> int:
    """Good orders beside bad ones, 64 at a time: unknown products, unknown customers, and ids fought over. How many
    good ones failed."""
    failed = 0
    async with aiohttp.ClientSession(headers=side.headers) as session:

        async def post(body: Any) -> int:
            async with session.post(f"{side.service.url}/api/v1/orders", json=body) as response:
                await response.read()
                return response.status

        for turn in range(rounds):
            contested = new_id()
            unknown = {**shop.new_order(), "lines": [{"product": "none", "quantity": 1}]}
            fight = [{**shop.new_order(at), "id": contested, "note": str(at)} for at in range(8)]
            good = [shop.new_order(turn + at) for at in range(48)]
            mixed = [*good[:24], unknown, *fight, {**shop.new_order(), "customer": 1}, *good[24:]]
            before = await side.orders.count_documents({})
            statuses = await asyncio.gather(*map(post, mixed))
            of_good = statuses[:24] + statuses[-24:]
            of_fight = Counter(statuses[25:33])
            failed += sum(status != 201 for status in of_good)
            check(of_fight == {201: 1, 409: 7}, f"an id is won once: {of_fight}")
            check((statuses[24], statuses[33]) == (422, 422), "bad requests are refused")
            stored = await side.orders.count_documents({}) - before
            check(stored == statuses.count(201), f"{statuses.count(201)} answered, {stored} stored")
    return failed


if __name__ == "__main__":
    frame.main(NAME, WHAT, measure)
