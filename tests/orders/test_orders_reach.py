"""Who may do what with whose orders, by every door: id, filter, cursor, step."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest

from chassis.identity import Caller
from orders import rights
from tests.orders.company import (
    ADMIN,
    ANN,
    BOB,
    BOSS,
    CHEN,
    DESK,
    EVERYBODY,
    HE,
    IMPORTER,
    LI,
    NOBODY,
    STEPS,
    SUN,
    TOP,
    WANG,
    ZHAO,
    Shop,
    codes,
    fields,
    line,
    new_order,
)

SEEN: dict[Caller, set[str]] = {
    LI: {"acme"},
    ZHAO: {"zeta"},
    SUN: {"nanjing"},
    BOB: {"coast"},
    WANG: {"acme", "zeta"},
    ANN: {"coast"},
    HE: {"acme", "zeta", "nanjing"},
    CHEN: {"acme", "zeta", "nanjing"},
    DESK: {"acme", "zeta"},
    TOP: {"acme", "zeta", "nanjing", "coast"},
    ADMIN: {"acme", "zeta", "nanjing", "coast"},
    IMPORTER: set(),
    NOBODY: set(),
}
OWN = {"acme": LI, "zeta": ZHAO, "nanjing": SUN, "coast": BOB}


async def one_of_each(shop: Shop) -> dict[str, dict[str, Any]]:
    return {customer: await shop.order(who, customer=customer) for customer, who in OWN.items()}


async def test_a_list_an_id_a_filter_and_a_cursor_open_the_same_orders(shop: Shop) -> None:
    orders = await one_of_each(shop)
    _, cursor_of_all = [
        (await shop.get(ADMIN, "orders", sort=sort, limit=1)).json()["next_cursor"] for sort in ("id", "-number")
    ]
    for who, customers in SEEN.items():
        listed = (await shop.get(who, "orders")).json()["items"]
        assert {order["customer"] for order in listed} == customers, who.name
        rest = (await shop.get(who, "orders", cursor=cursor_of_all)).json()["items"]
        assert {order["customer"] for order in rest} <= customers
        for customer, order in orders.items():
            answered = await shop.get(who, f"orders/{order['id']}")
            assert answered.status_code == (200 if customer in customers else 404), (who.name, customer)
            for name in ("customer", "owner", "office", "region", "status", "number"):
                found = (await shop.get(who, "orders", **{name: order[name]})).json()["items"]
                assert {one["customer"] for one in found} <= customers
                assert (customer in {one["customer"] for one in found}) == (customer in customers)


async def test_the_owner_reads_no_orders(shop: Shop) -> None:
    order = await shop.order()
    for path in ("orders", f"orders/{order['id']}"):
        assert codes(await shop.get(BOSS, path)) == (403, "results_only")


async def test_an_order_out_of_reach_is_no_order(shop: Shop) -> None:
    order = await shop.order(BOB, customer="coast")
    unknown = await shop.get(LI, "orders/none")
    hidden = await shop.get(LI, f"orders/{order['id']}")
    assert {**hidden.json(), "instance": "", "request_id": ""} == {**unknown.json(), "instance": "", "request_id": ""}
    for step, (by, body) in STEPS.items():
        for path in (f"orders/{order['id']}/{step}", f"orders/none/{step}"):
            assert codes(await shop.post(by, path, body, version=1)) == (404, "not_found"), step
    assert codes(await shop.patch(LI, f"orders/{order['id']}", {"note": "x"}, 1)) == (404, "not_found")
    assert (await shop.get(BOB, f"orders/{order['id']}")).json()["version"] == 1


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
async def test_each_role_takes_its_steps_and_no_other(shop: Shop, who: Caller) -> None:
    order = await shop.order(IMPORTER, customer="acme", on_behalf_of="zhao", import_source="books")
    for step, (_, body) in STEPS.items():
        late = {**body, "occurred_at": "2031-01-01T00:00:00Z"}
        answered = await shop.post(who, f"orders/{order['id']}/{step}", late, version=1)
        # The time is refused before anything is done, and the role before the record is looked at.
        assert answered.status_code == 422
        answered = await shop.post(who, f"orders/none/{step}", body, version=1)
        allowed = who.role in rights.STEPS[step] or who in (ADMIN, IMPORTER)
        assert answered.status_code == (404 if allowed else 403), (who.name, step)
    answered = await shop.receive(who)
    if who in (LI, WANG, HE, CHEN, ADMIN, IMPORTER):
        assert answered.status_code == 201
        assert answered.json()["owner"] == "li"
    elif who in (ZHAO, SUN, BOB, ANN):
        assert codes(answered) == (422, "unknown_customer")
    else:
        assert answered.status_code == 403


async def test_an_unknown_customer_and_one_out_of_reach_look_the_same(shop: Shop) -> None:
    answers = [await shop.receive(LI, customer=name) for name in ("nobody", "zeta", "coast")]
    assert {codes(a) for a in answers} == {(422, "unknown_customer")}
    assert all(fields(a) == ["customer"] for a in answers)
    assert len({a.json()["detail"] for a in answers}) == 1


async def test_whose_order_it_is_is_said_by_supervisors_within_their_scope(shop: Shop) -> None:
    for who, owner, expected in (
        (LI, "li", 201),
        (LI, "zhao", 403),
        (CHEN, "zhao", 403),
        (WANG, "zhao", 201),
        (WANG, "sun", 422),
        (WANG, "nobody", 422),
        (HE, "sun", 201),
        (HE, "bob", 422),
        (ADMIN, "bob", 201),
        (IMPORTER, "bob", 201),
    ):
        answered = await shop.receive(who, owner=owner)
        assert answered.status_code == expected, (who.name, owner, answered.text)
        if expected == 201:
            assert answered.json()["owner"] == owner
        if expected == 422:
            assert codes(answered) == (422, "unknown_person")
            assert fields(answered) == ["owner"]
    order = (await shop.receive(ADMIN, owner="bob")).json()
    assert (order["office"], order["region"], order["number"][:3]) == ("lax", "west", "LAX")


async def test_a_clerk_enters_for_people_of_the_offices_served_and_for_nobody_else(shop: Shop) -> None:
    made = await shop.receive(CHEN, customer="nanjing", on_behalf_of="sun")
    assert (made.status_code, made.json()["received_by"]) == (201, "sun")
    for who, name in ((CHEN, "bob"), (CHEN, "nobody"), (CHEN, "he"), (LI, "zhao"), (WANG, "li"), (HE, "li")):
        refused = await shop.receive(who, on_behalf_of=name)
        assert codes(refused) == (403, "import_right_needed"), (who.name, name)
    order = await shop.order(LI, until="verification")
    body = STEPS["confirmation"][1]
    assert codes(await shop.post(CHEN, f"orders/{order['id']}/confirmation", body)) == (403, "forbidden")
    told = await shop.post(CHEN, f"orders/{order['id']}/confirmation", {**body, "on_behalf_of": "li"})
    assert (told.status_code, told.json()["confirmation"]["told_by"]) == (200, "li")


async def test_nobody_verifies_what_they_received(shop: Shop) -> None:
    order = await shop.order(WANG, customer="acme")
    path = f"orders/{order['id']}/verification"
    assert codes(await shop.post(WANG, path, {})) == (403, "own_order")
    assert codes(await shop.post(CHEN, path, {"on_behalf_of": "wang"})) == (403, "own_order")
    assert (await shop.post(CHEN, path, {})).json()["verification"]["by"] == "chen"
    own = await shop.order(CHEN, customer="acme")
    assert codes(await shop.post(CHEN, f"orders/{own['id']}/verification", {})) == (403, "own_order")
    brought = await shop.order(IMPORTER, customer="acme", on_behalf_of="li", import_source="books")
    answered = await shop.post(IMPORTER, f"orders/{brought['id']}/verification", {"on_behalf_of": "li"})
    assert answered.json()["verification"]["by"] == "li"


async def test_an_assignee_is_somebody_on_the_roster(shop: Shop) -> None:
    order = await shop.order(until="confirmation")
    path = f"orders/{order['id']}/allocation"
    answered = await shop.post(CHEN, path, {"assignee": "nobody"})
    assert codes(answered) == (422, "unknown_person")
    assert fields(answered) == ["assignee"]
    early = await shop.post(CHEN, path, {"assignee": "chen", "due": "2026-11-20"})
    assert codes(early) == (422, "date_too_early")
    assert (await shop.post(CHEN, path, {"assignee": "chen", "due": "2026-11-24"})).status_code == 200


async def test_costs_and_margins_are_shown_to_those_who_lead_and_margins_to_the_salesperson(shop: Shop) -> None:
    order = await shop.order(until="confirmation")
    for who, cost, margin in (
        (LI, False, True),
        (DESK, False, False),
        (CHEN, True, True),
        (WANG, True, True),
        (HE, True, True),
        (TOP, True, True),
        (ADMIN, True, True),
    ):
        alone = (await shop.get(who, f"orders/{order['id']}")).json()
        listed = (await shop.get(who, "orders", number=order["number"])).json()["items"][0]
        for found in (alone, listed):
            assert ("unit_cost" in found["lines"][0]) == cost, who.name
            assert ("margin" in found) == margin, who.name
    confirmed = await shop.order(until="verification")
    said = await shop.post(LI, f"orders/{confirmed['id']}/confirmation", STEPS["confirmation"][1])
    assert "unit_cost" not in said.json()["lines"][0]


async def test_a_list_is_filtered_and_sorted_and_paged(shop: Shop) -> None:
    days = ["2026-11-24T01:00:00Z", "2026-11-23T01:00:00Z", "2026-11-19T01:00:00Z"]
    for n, at in enumerate(days):
        await shop.order(occurred_at=at, external_ref=f"PO-{n}")
    await shop.order(ZHAO, customer="zeta", until="verification")

    async def found(**query: Any) -> list[str]:
        return [order["number"][-1] for order in (await shop.get(WANG, "orders", **query)).json()["items"]]

    assert await found() == ["4", "1", "2", "3"]
    assert await found(sort="received_at") == ["3", "2", "1", "4"]
    assert await found(sort="-number") == ["4", "3", "2", "1"]
    assert await found(**{"from": "2026-11-23", "to": "2026-11-23"}) == ["2"]
    assert await found(to="2026-11-19") == ["3"]
    assert await found(external_ref="PO-1") == ["2"]
    assert await found(status="verified") == ["4"]
    assert await found(customer="acme", status="verified") == []
    assert codes(await shop.get(WANG, "orders", status="lost")) == (422, "invalid_input")
    assert codes(await shop.get(WANG, "orders", sort="note")) == (422, "invalid_input")
    for sort in ("received_at", "-received_at", "number", "-number", "id", "-id"):
        paged: list[str] = []
        query: dict[str, Any] = {"sort": sort, "limit": 1}
        for _ in range(9):
            page = (await shop.get(WANG, "orders", **query)).json()
            paged += [order["number"][-1] for order in page["items"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        assert paged == await found(sort=sort)


async def test_nobody_is_asked_who_they_are_by_anything_but_a_token(shop: Shop) -> None:
    assert (await shop.door.get("/api/v1/orders")).status_code == 401
    assert (await shop.door.post("/api/v1/orders", json=new_order())).status_code == 401


async def test_what_is_misspelt_is_not_lost(shop: Shop) -> None:
    answered = await shop.receive(lines=[line(discuont=1)])
    assert answered.status_code == 422
    assert fields(answered) == ["lines.0.discuont"]
    for field, value in itertools.product(("quantity",), ("0", -1, "1.0001", "NaN", "Infinity", "many", 10**13)):
        bad = await shop.receive(lines=[{**line(), field: value}])
        assert (bad.status_code, fields(bad)) == (422, ["lines.0.quantity"]), value
    for lines in ([], None, [line()] * 501):
        body = {**new_order(), "lines": lines}
        assert fields(await shop.post(LI, "orders", body)) == ["lines"]
    for money in (
        {"minor": -1, "currency": "CNY"},
        {"minor": 2**62, "currency": "CNY"},
        {"minor": 1, "currency": "XXQ"},
    ):
        assert fields(await shop.receive(lines=[line(unit_price=money)])) == ["lines.0.unit_price"]
    assert fields(await shop.receive(currency="XXQ")) == ["currency"]
    both = await shop.receive(lines=[line(discount={"minor": 1, "currency": "CNY"}, discount_percent=1)])
    assert fields(both) == ["lines.0"]


async def test_a_repeated_receipt_is_not_found_after_the_order_has_left_the_callers_scope(shop: Shop) -> None:
    body = new_order()
    made = await shop.post(CHEN, "orders", body, key="k")
    assert made.status_code == 201, made.text
    assert (await shop.post(CHEN, "orders", body, key="k")).json() == made.json()
    moved = dataclasses.replace(CHEN, office="lax", region="west", offices=("lax",))
    assert codes(await shop.post(moved, "orders", body, key="k")) == (404, "not_found")
