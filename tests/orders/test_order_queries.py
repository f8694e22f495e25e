"""No query of this service reads a whole collection, on the way of events or of a command."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.identity import Caller
from chassis.ids import new_id
from chassis.mongo import Database
from chassis.scope import within
from tests.orders.company import (
    ADMIN,
    BOB,
    CHEN,
    COMPANY,
    DESK,
    HE,
    LI,
    REASON,
    TOP,
    WANG,
    Shop,
    customer,
    line,
    visit,
)
from tests.support.explain import assert_uses_index, refuse_scans

SORTS: dict[str, list[tuple[str, int]]] = {
    "-received_at": [("received_at", -1), ("_id", -1)],
    "received_at": [("received_at", 1), ("_id", 1)],
    "-number": [("number", -1), ("_id", -1)],
    "id": [("_id", 1)],
}


async def some_orders(shop: Shop) -> list[dict[str, Any]]:
    return [
        await shop.order(who, customer=buyer, external_ref=f"PO-{n}")
        for n in range(4)
        for who, buyer in ((LI, "acme"), (BOB, "coast"))
    ]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("who", [LI, WANG, HE, CHEN, TOP], ids=lambda who: who.role)
async def test_a_list_is_read_through_an_index_in_every_scope_and_order(shop: Shop, who: Caller, sort: str) -> None:
    await some_orders(shop)
    orders = shop.repositories.orders.collection
    scope = within(who).filter
    for where in (
        {},
        {"customer": "acme"},
        {"status": "received"},
        {"external_ref": "PO-1"},
        {"business_date": {"$gte": "2026-11-01"}},
    ):
        both = {"$and": [scope, where]} if scope and where else scope or where
        # A filter that has an index of its own may be sorted in memory: it has few rows.
        await assert_uses_index(orders, both, SORTS[sort], in_order=where == {} and sort == "-received_at")


async def test_the_open_orders_of_a_salesperson_are_not_looked_for_among_all(shop: Shop) -> None:
    await some_orders(shop)
    orders = shop.repositories.orders.collection
    mine = {"$and": [within(LI).filter, {"status": "received"}]}
    await assert_uses_index(orders, mine, SORTS["-received_at"], in_order=True)


async def test_no_command_reads_a_whole_collection(shop: Shop) -> None:
    await some_orders(shop)
    await shop.hear(visit("v", "li", "acme"))
    async with refuse_scans(shop.database) as seen:
        order = await shop.order(until="confirmation", external_ref="PO-9", visit="v", id=new_id())
        assert (await shop.receive(external_ref="PO-9")).status_code == 409
        assert (await shop.receive(external_ref="PO-9", repeat_of=order["id"])).status_code == 201
        assert (await shop.amend(order, lines=[{"id": "1"}, line("valve")])).status_code == 200
        assert (await shop.post(CHEN, f"orders/{order['id']}/allocation", {"assignee": "chen"})).status_code == 200
        other = await shop.order()
        changed = await shop.patch(LI, f"orders/{other['id']}", {"external_ref": "PO-77", "visit": "v"}, 1)
        assert changed.status_code == 200
        assert (await shop.post(WANG, f"orders/{other['id']}/cancellation", REASON)).status_code == 200
        made = await shop.post(
            ADMIN, "products", {"code": "H", "name": "Hose", "price": {"minor": 1, "currency": "CNY"}}
        )
        path = f"products/{made.json()['id']}"
        assert (await shop.patch(ADMIN, path, {"code": "H-2"}, 1)).status_code == 200
        for who in (LI, DESK, HE):
            assert (await shop.get(who, f"orders/{order['id']}")).status_code == 200
            assert (await shop.get(who, "orders", external_ref="PO-9", status="allocated")).status_code == 200
        assert (await shop.get(LI, "products")).status_code == 200
    assert {said.split()[0] for said in seen} >= {"orders", "products", "series", "copy_visits", "copy_customers"}


async def test_no_batch_of_events_reads_a_whole_collection(shop: Shop, database: Database) -> None:
    await shop.hear(*COMPANY, visit("v", "li", "acme"))
    async with refuse_scans(shop.database) as seen:
        await shop.hear(*COMPANY, visit("v", "li", "acme"), customer("fresh", "li", "sha", "east"), version=2)
    assert {said.split()[0] for said in seen} == {"copy_offices", "copy_people", "copy_customers", "copy_visits"}
