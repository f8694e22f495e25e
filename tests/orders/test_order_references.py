"""One customer's reference names one order, unless somebody says that a second one is meant."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chassis.ids import new_id
from orders.order.reference import reference_key
from tests.orders.company import (
    ADMIN,
    CHEN,
    IMPORTER,
    LI,
    REASON,
    STEPS,
    WANG,
    ZHAO,
    Shop,
    codes,
    customer,
    fields,
    gathered,
    new_order,
)


def first_of(answered: Any) -> tuple[str, str]:
    order = answered.json()["order"]
    return order["id"], order["number"]


async def test_a_second_order_with_a_customers_reference_is_refused_with_the_first_one(shop: Shop) -> None:
    order = await shop.order(external_ref="PO-7")
    for who in (LI, WANG, CHEN, ADMIN, IMPORTER):
        answered = await shop.receive(who, external_ref="PO-7")
        assert codes(answered) == (409, "duplicate_reference"), who.name
        assert first_of(answered) == (order["id"], order["number"])
    assert order["id"] in answered.json()["detail"]
    assert order["number"] in answered.json()["detail"]
    assert (await shop.receive(ZHAO, customer="zeta", external_ref="PO-7")).status_code == 201
    assert (await shop.receive(external_ref="PO-8")).status_code == 201
    assert [(await shop.receive()).status_code for _ in range(2)] == [201, 201]
    # What was refused has taken no number.
    assert (await shop.receive()).json()["number"] == "SHA-2026-000006"


@pytest.mark.parametrize("same", ["po-7", " PO-7 ", "ＰＯ－７", "PO-7\u3000", "Po-7"])
def test_references_differ_in_more_than_case_width_and_blanks(same: str) -> None:
    assert reference_key("acme", same) == reference_key("acme", "PO-7")


@pytest.mark.parametrize("other", ["PO-71", "PO7", "PO 7", "PO-07", "P0-7", "PO/7"])
def test_every_other_character_tells_references_apart(other: str) -> None:
    assert reference_key("acme", other) != reference_key("acme", "PO-7")
    assert reference_key("acme", "PO-7") != reference_key("zeta", "PO-7")


@pytest.mark.parametrize("nothing", ["N/A", "n/a", "-", "——", "无", "0", "None", "NULL", "???", None])
async def test_what_stands_for_none_is_no_reference(shop: Shop, nothing: str | None) -> None:
    assert [(await shop.receive(external_ref=nothing)).status_code for _ in range(2)] == [201, 201]


async def test_a_repetition_that_is_meant_says_so(shop: Shop) -> None:
    order = await shop.order(external_ref="PO-7")
    for _ in range(2):
        again = await shop.receive(external_ref="po-7", repeat_of=order["id"])
        assert (again.status_code, again.json()["repeat_of"]) == (201, order["id"])
    other = await shop.order(external_ref="PO-8")
    hidden = await shop.order(ZHAO, customer="zeta", external_ref="PO-7")
    for wrong in (other["id"], hidden["id"], new_id(), "nope"):
        refused = await shop.receive(external_ref="PO-7", repeat_of=wrong)
        assert codes(refused) == (422, "unknown_order")
        assert fields(refused) == ["repeat_of"]
    assert codes(await shop.receive(repeat_of=order["id"])) == (422, "unknown_order")


async def test_who_may_not_see_the_first_order_is_not_told_which_it_is(shop: Shop) -> None:
    order = await shop.order(external_ref="PO-7")
    await shop.hear(customer("acme", "zhao", "sha", "east"), version=2)
    refused = await shop.receive(ZHAO, external_ref="PO-7")
    assert codes(refused) == (409, "duplicate_reference")
    assert "order" not in refused.json()
    assert order["id"] not in refused.text
    assert order["number"] not in refused.text
    assert codes(await shop.receive(ZHAO, external_ref="PO-7", repeat_of=order["id"])) == (422, "unknown_order")
    assert first_of(await shop.receive(WANG, external_ref="PO-7")) == (order["id"], order["number"])


async def test_of_orders_with_one_reference_that_come_at_once_one_is_taken(shop: Shop) -> None:
    for turn in range(5):
        answered = await gathered(*(shop.receive(external_ref=f"PO-{turn}") for _ in range(8)))
        assert sorted(a.status_code for a in answered) == [201] + [409] * 7
        won = next(a.json() for a in answered if a.status_code == 201)
        for lost in answered:
            if lost.status_code == 409:
                assert codes(lost) == (409, "duplicate_reference")
                assert first_of(lost) == (won["id"], won["number"])
    assert len((await shop.get(LI, "orders")).json()["items"]) == 5


async def test_a_retry_is_no_second_order(shop: Shop) -> None:
    body = new_order(external_ref="PO-7")
    answered = await gathered(*(shop.post(LI, "orders", body, key="k") for _ in range(6)))
    assert [a.status_code for a in answered] == [201] * 6
    assert len({a.json()["id"] for a in answered}) == 1
    own = {"id": new_id(), **new_order(external_ref="PO-8")}
    assert [a.status_code for a in await gathered(*(shop.post(LI, "orders", own) for _ in range(4)))] == [201] * 4
    assert codes(await shop.post(LI, "orders", {**own, "note": "x"})) == (409, "id_taken")


async def test_a_cancelled_order_frees_its_reference(shop: Shop) -> None:
    order = await shop.order(external_ref="PO-7")
    assert (await shop.post(WANG, f"orders/{order['id']}/cancellation", REASON)).status_code == 200
    second = await shop.receive(external_ref="PO-7")
    assert second.status_code == 201
    assert first_of(await shop.receive(external_ref="PO-7"))[0] == second.json()["id"]
    # The reference belongs to every order that stands, also to one that repeated the cancelled one.
    repeated = await shop.receive(external_ref="PO-7", repeat_of=second.json()["id"])
    assert (await shop.post(WANG, f"orders/{second.json()['id']}/cancellation", REASON)).status_code == 200
    assert first_of(await shop.receive(external_ref="PO-7"))[0] == repeated.json()["id"]


async def test_a_correction_does_not_take_the_reference_of_another_order(shop: Shop) -> None:
    first, second = [await shop.order(external_ref=ref) for ref in ("PO-7", "PO-8")]
    path = f"orders/{second['id']}"
    refused = await shop.patch(LI, path, {"external_ref": "po-7"}, 1)
    assert codes(refused) == (409, "duplicate_reference")
    assert first_of(refused) == (first["id"], first["number"])
    own = await shop.patch(LI, path, {"external_ref": "po-8", "note": "its own"}, 1)
    assert own.status_code == 200
    meant = await shop.patch(LI, path, {"external_ref": "PO-7", "repeat_of": first["id"]}, 2)
    assert (meant.status_code, meant.json()["repeat_of"]) == (200, first["id"])
    freed = await shop.patch(LI, path, {"external_ref": "PO-9"}, 3)
    assert (freed.status_code, freed.json()["repeat_of"]) == (200, None)
    back = await shop.patch(LI, path, {"external_ref": "PO-7"}, 4)
    assert codes(back) == (409, "duplicate_reference")
    assert (await shop.receive(external_ref="PO-8")).status_code == 201


async def test_of_corrections_to_one_reference_at_once_one_is_taken(shop: Shop) -> None:
    orders = [await shop.order() for _ in range(6)]
    answered = await gathered(
        *(shop.patch(LI, f"orders/{order['id']}", {"external_ref": "PO-7"}, 1) for order in orders)
    )
    assert sorted(a.status_code for a in answered) == [200] + [409] * 5
    assert {codes(a)[1] for a in answered if a.status_code == 409} == {"duplicate_reference"}


async def test_orders_from_before_references_were_compared_go_on_their_way(shop: Shop) -> None:
    first, second = [await shop.order(until="verification", external_ref=ref) for ref in ("PO-7", "PO-8")]
    orders = shop.repositories.orders.collection
    await orders.update_many({}, {"$set": {"external_ref": "PO-7"}, "$unset": {"keys": "", "repeat_of": ""}})
    await shop.repositories.prepare()  # as a process does when it starts
    assert first_of(await shop.receive(external_ref="PO-7"))[0] == first["id"]
    by, body = STEPS["confirmation"]
    for order in (first, second):
        answered = await shop.post(by, f"orders/{order['id']}/confirmation", body)
        assert answered.status_code == 200, answered.text
    assert answered.json()["repeat_of"] == first["id"]
    assert first_of(await shop.receive(external_ref="po-7"))[0] == first["id"]


async def test_a_cancellation_and_a_second_order_at_once_leave_one_that_stands(shop: Shop) -> None:
    for turn in range(5):
        reference = f"PO-{turn}"
        order = await shop.order(external_ref=reference)
        cancelled, second = await asyncio.gather(
            shop.post(WANG, f"orders/{order['id']}/cancellation", REASON), shop.receive(external_ref=reference)
        )
        assert cancelled.status_code == 200
        assert second.status_code in (201, 409)
        standing = [
            each
            for each in (await shop.get(WANG, "orders", external_ref=reference)).json()["items"]
            if each["status"] != "cancelled"
        ]
        assert len(standing) == (1 if second.status_code == 201 else 0)
