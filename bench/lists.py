"""A page of 50 of a person's 5,000 orders."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

from bench import frame, shop
from bench.frame import Report, Stage, check
from chassis.aggregate import shard_of
from chassis.ids import new_id
from chassis.mongo import Database, connect
from contracts.money import Money
from contracts.orders import Order, OrderLine, OrderStatus

NAME = "lists"
WHAT = "GET of 50 orders of a person's 5,000, newest first, within the caller's scope"
ORDERS = 5_000
CLIENTS = (8, 1)
SECONDS = 3
PATH = "/api/v1/orders?owner=li&limit=50"


async def _fill(database: Database) -> None:
    """Li's orders among those of nine others."""
    price = Money(minor=10_000, currency="CNY")
    began = datetime(2026, 1, 1, tzinfo=UTC)
    documents = []
    for number in range(2 * ORDERS):
        owner = "li" if number % 2 else f"person-{number % 9}"
        lines = [
            OrderLine(
                product=product,
                name="水泵",
                quantity=1,
                unit_price=price,
                discount=Money(minor=0, currency="CNY"),
                amount=price,
            )
            for product in shop.PRODUCTS[:3]
        ]
        order = Order(
            id=new_id(),
            number=f"SHA-2026-{number:06d}",
            customer="customer-1",
            customer_name="客户",
            owner=owner,
            office="sha",
            region="east",
            status=OrderStatus.RECEIVED,
            business_date=date(2026, 1, 1),
            received_at=began + timedelta(minutes=number),
            received_by=owner,
            lines=lines,
            total=Money(minor=30_000, currency="CNY"),
        )
        fields = order.model_dump(mode="json")
        aggregate_id = fields.pop("id")
        kept = {"version": 1, "shard": shard_of(aggregate_id), "outbox": [], "handled": []}
        documents.append({"_id": aggregate_id, **kept, **fields, "created": {"key": None, "fingerprint": ""}})
    await database["orders"].insert_many(documents)


async def measure(stage: Stage, report: Report) -> None:
    client = connect(await stage.mongodb())
    database = client.database("orders")
    await shop.furnish(database)
    await _fill(database)
    headers = {"Authorization": f"Bearer {shop.token(stage.identity)}"}
    sides = {
        "ours": await stage.service("orders", "api"),
        "response_model": await stage.service("bench.peers.lists", "api", SALESBEAT_MONGODB_DATABASE="orders"),
    }
    pages = {}
    for side, service in sides.items():
        status, body = await frame.get(service.port, PATH, headers)
        check(status == 200, f"{side} answers {status}")
        pages[side] = json.loads(body)
    ours, theirs = pages.values()
    check(len(ours["items"]) == 50 and ours["next_cursor"], "50 rows and a cursor")
    check({row["owner"] for row in ours["items"]} == {"li"}, "own rows only")
    for row in theirs["items"]:
        for line in row["lines"]:
            line.pop("unit_cost")  # ours leaves out what a salesperson does not see
    check(ours == theirs, "both sides answer the same")

    def rounds(side: str, clients: int) -> frame.Round:
        async def round() -> None:
            load = await frame.wrk(f"{sides[side].url}{PATH}", clients, SECONDS, headers)
            check(not load.bad, f"{side}: {load.bad} bad answers")
            report.add(f"{clients} clients", side, load.per_second, "pages/s")

        return round

    for clients in CLIENTS:
        await frame.interleave(stage, *(rounds(side, clients) for side in sides))
    await client.close()
    report.at_least("8 clients: ours / response_model", 2, report.ratio("8 clients", "ours", "response_model"))


if __name__ == "__main__":
    frame.main(NAME, WHAT, measure)
