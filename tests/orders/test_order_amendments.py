"""What an amendment or a correction says about lines, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.orders.company import (
    ADMIN,
    HE,
    LI,
    REASON,
    WANG,
    Shop,
    cny,
    codes,
    fields,
    gathered,
    line,
    product_id,
)

HAGGLED = {"unit_price": cny(9_000), "discount": cny(5_000)}
"""10 pumps at 90.00 with 50.00 off: 850.00."""


async def changed(shop: Shop, order: dict[str, Any], lines: list[dict[str, Any]], how: str) -> Any:
    """The answer to other lines for the order: by an amendment, or by a correction before its verification."""
    if how == "amendment":
        return await shop.amend(order, LI, lines=lines)
    return await shop.patch(LI, f"orders/{order['id']}", {"lines": lines}, order["version"])


async def standing(shop: Shop, how: str, **more: Any) -> dict[str, Any]:
    order = await shop.order(until="confirmation" if how == "amendment" else "receipt", **more)
    return (await shop.get(ADMIN, f"orders/{order['id']}")).json()


both = pytest.mark.parametrize("how", ["amendment", "correction"])


async def test_lines_are_numbered_in_the_order_in_which_they_were_given(shop: Shop) -> None:
    order = await shop.order(lines=[line(), line("valve"), line()])
    assert [one["id"] for one in order["lines"]] == ["1", "2", "3"]
    assert [one["product"] for one in order["lines"]] == [product_id(name) for name in ("pump", "valve", "pump")]
    refused = await shop.receive(lines=[{"id": "1", **line()}])
    assert (refused.status_code, fields(refused)) == (422, ["lines.0.id"])


@both
async def test_what_is_not_said_about_a_line_stays(shop: Shop, how: str) -> None:
    order = await standing(shop, how, lines=[line(quantity=10, **HAGGLED), line("valve", 2, discount_percent="10")])
    assert order["total"] == cny(85_000 + 599)
    product = (await shop.get(ADMIN, f"products/{product_id('pump')}")).json()
    renamed = {"name": "Pump II", "price": cny(77_700), "cost": cny(1)}
    assert (await shop.patch(ADMIN, f"products/{product['id']}", renamed, product["version"])).status_code == 200
    first, second = order["lines"]
    # With its product and quantity said again, or with its id alone.
    again = [{"id": "1", "product": first["product"], "quantity": "10"}, {"id": "2"}, line("valve")]
    answered = await changed(shop, order, again, how)
    assert answered.status_code == 200, answered.text
    now = (await shop.get(ADMIN, f"orders/{order['id']}")).json()
    assert now["lines"][:2] == [first, second]
    assert now["total"] == cny(85_000 + 599 + 333)
    assert now["lines"][2]["id"] == "3"


@both
async def test_a_line_changes_in_what_is_said_and_in_nothing_else(shop: Shop, how: str) -> None:
    lines = [line(quantity=10, **HAGGLED), line("valve", 100, discount_percent="5")]
    order = await standing(shop, how, lines=lines)
    first, second = order["lines"]
    assert (second["discount_percent"], second["amount"]) == ("5", cny(31_635))
    changes = [{"id": "1", "quantity": 20}, {"id": "2", "quantity": 200}]
    now = (await changed(shop, order, changes, how)).json()
    now = (await shop.get(ADMIN, f"orders/{order['id']}")).json()
    # The discount of an amount stays that amount, and the percentage stays that percentage.
    assert now["lines"][0] == {**first, "quantity": "20", "amount": cny(175_000)}
    assert now["lines"][1] == {**second, "quantity": "200", "discount": cny(3_330), "amount": cny(63_270)}
    assert now["total"] == cny(175_000 + 63_270)
    if how == "amendment":
        assert [one["unit_cost"] for one in now["lines"]] == [cny(6_000), cny(100)]
        assert now["margin"] == cny(175_000 + 63_270 - 20 * 6_000 - 200 * 100)
    cheaper = [{"id": "1", "unit_price": cny(8_000), "discount": cny(0)}, {"id": "2", "discount_percent": 0}]
    last = (await changed(shop, now, cheaper, how)).json()
    assert [one["amount"] for one in last["lines"]] == [cny(160_000), cny(66_600)]
    assert last["lines"][1]["discount_percent"] is None


@both
async def test_null_is_not_said_either(shop: Shop, how: str) -> None:
    order = await standing(shop, how, lines=[line(quantity=10, **HAGGLED), line("valve")])
    unsaid = dict.fromkeys(("product", "quantity", "unit_price", "discount", "discount_percent"))
    answered = await changed(shop, order, [{"id": "1", **unsaid}], how)
    assert answered.json()["total"] == cny(85_000)


@both
async def test_two_lines_of_one_product_stay_apart(shop: Shop, how: str) -> None:
    free = line(unit_price=cny(0))
    order = await standing(shop, how, lines=[line(quantity=3), free])
    assert order["total"] == cny(30_000)
    ids = [{"id": one["id"], "product": one["product"], "quantity": one["quantity"]} for one in order["lines"]]
    for lines in ([*ids, line("valve")], [ids[1], ids[0]], [{**ids[1], "quantity": 2}, ids[0]]):
        answered = await changed(shop, order, lines, how)
        assert answered.status_code == 200, answered.text
        order = answered.json()
        by_id = {one["id"]: one for one in order["lines"]}
        assert (by_id["1"]["amount"], by_id["2"]["amount"]) == (cny(30_000), cny(0))
        assert [one["id"] for one in order["lines"]][: len(ids)] == [one.get("id", "3") for one in lines][: len(ids)]


@both
async def test_a_line_that_is_left_out_is_removed_and_its_id_is_not_given_again(shop: Shop, how: str) -> None:
    order = await standing(shop, how, lines=[line(), line("valve"), line("valve", 2)])
    order = (await changed(shop, order, [{"id": "1"}, {"id": "2"}], how)).json()
    assert [one["id"] for one in order["lines"]] == ["1", "2"]
    order = (await changed(shop, order, [{"id": "1"}, line("valve", 9)], how)).json()
    assert [one["id"] for one in order["lines"]] == ["1", "4"]


@both
async def test_a_line_without_an_id_does_not_lose_what_was_agreed_for_one_that_is_left_out(
    shop: Shop, how: str
) -> None:
    order = await standing(shop, how, lines=[line(quantity=10, discount=cny(5_000))])
    unsure = await changed(shop, order, [line(quantity=10)], how)
    assert codes(unsure) == (422, "line_id_needed")
    assert fields(unsure) == ["lines.0.id"]
    assert (await shop.get(LI, f"orders/{order['id']}")).json()["total"] == cny(95_000)
    meant = await changed(shop, order, [line(quantity=10, unit_price=cny(10_000), discount=cny(0))], how)
    assert (meant.json()["total"], meant.json()["lines"][0]["id"]) == (cny(100_000), "2")


@both
@pytest.mark.parametrize(
    ("lines", "code", "field"),
    [
        ([{"id": "7", "quantity": 1}], "unknown_line", "lines.0.id"),
        ([{"id": "1"}, {"id": "1", "quantity": 2}], "line_twice", "lines.1.id"),
        ([{"id": "1", "product": product_id("valve")}], "product_of_line", "lines.0.product"),
        ([{"id": "1"}, {"quantity": 1}], "missing", "lines.1.product"),
        ([{"id": "1"}, {"product": product_id("valve")}], "missing", "lines.1.quantity"),
        ([{"id": "1"}, line("old")], "inactive_product", "lines.1.product"),
        ([{"id": "1", "unit_price": {"minor": 1, "currency": "USD"}}], "currency_mixed", "lines.0.unit_price"),
        ([{"id": "1", "quantity": "0.001"}], "discount_beyond_line", "lines.0.discount"),
        ([{"id": "1", "quantity": 0}], "invalid_input", "lines.0.quantity"),
        ([{"id": "", "quantity": 1}], "invalid_input", "lines.0.id"),
        ([{"id": "1", "amount": cny(1)}], "invalid_input", "lines.0.amount"),
        ([], "invalid_input", "lines"),
    ],
)
async def test_lines_that_make_no_sense_are_refused_by_name(
    shop: Shop, how: str, lines: list[dict[str, Any]], code: str, field: str
) -> None:
    order = await standing(shop, how, lines=[line(quantity=10, **HAGGLED)])
    answered = await changed(shop, order, lines, how)
    assert codes(answered) == (422, code)
    assert fields(answered) == [field]
    assert (await shop.get(LI, f"orders/{order['id']}")).json()["version"] == order["version"]


async def test_an_amendment_names_the_version_it_was_decided_on(shop: Shop) -> None:
    order = await shop.order(until="confirmation")
    path = f"orders/{order['id']}/amendment"
    later, more = {**REASON, "promised_date": "2026-12-09"}, {**REASON, "lines": [{"id": "1", "quantity": 2}]}
    assert codes(await shop.post(LI, path, later)) == (428, "if_match_required")
    answered = await gathered(
        shop.post(LI, path, later, version=order["version"]), shop.post(WANG, path, more, version=order["version"])
    )
    assert sorted(a.status_code for a in answered) == [200, 412]
    won = next(a for a in answered if a.status_code == 200).json()
    assert (await shop.get(LI, f"orders/{order['id']}")).json()["version"] == won["version"] == order["version"] + 1
    lost = [later, more][answered.index(next(a for a in answered if a.status_code == 412))]
    assert (await shop.post(HE, path, lost, version=won["version"])).status_code == 200
    now = (await shop.get(LI, f"orders/{order['id']}")).json()
    assert (now["confirmation"]["promised_date"], now["total"]) == ("2026-12-09", cny(20_000))


async def test_a_repeated_amendment_is_answered_again(shop: Shop) -> None:
    order = await shop.order(until="confirmation")
    body = {**REASON, "lines": [{"id": "1"}, line("valve")]}
    path = f"orders/{order['id']}/amendment"
    answers = [await shop.post(LI, path, body, key="k", version=order["version"]) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert len(answers[1].json()["lines"]) == 2


async def test_an_order_from_before_lines_had_ids_is_numbered_when_it_is_read(shop: Shop) -> None:
    order = await shop.order(lines=[line(quantity=10, discount=cny(5_000)), line("valve")])
    orders = shop.repositories.orders.collection
    gone = dict.fromkeys(("last_line", "repeat_of", "keys"), "")
    await orders.update_one({}, {"$unset": {**gone, "lines.$[].id": "", "lines.$[].discount_percent": ""}})
    alone = (await shop.get(LI, f"orders/{order['id']}")).json()
    listed = (await shop.get(LI, "orders")).json()["items"]
    assert [one["id"] for one in alone["lines"]] == [one["id"] for one in listed[0]["lines"]] == ["1", "2"]
    answered = await shop.patch(LI, f"orders/{order['id']}", {"lines": [{"id": "1"}, line("valve", 2)]}, 1)
    assert [one["id"] for one in answered.json()["lines"]] == ["1", "3"]
    assert answered.json()["total"] == cny(95_000 + 666)


async def test_a_percentage_is_taken_off_so_that_the_net_amount_is_rounded_half_up(shop: Shop) -> None:
    made = await shop.receive(lines=[line(quantity=1, unit_price=cny(150), discount_percent="5")])
    (one,) = made.json()["lines"]
    assert (one["amount"], one["discount"], made.json()["total"]) == (cny(143), cny(7), cny(143))


async def test_the_openapi_document_says_that_an_amendment_needs_its_version(shop: Shop) -> None:
    document = (await shop.door.get("/openapi.json")).json()
    assert "428" in document["paths"]["/api/v1/orders/{order_id}/amendment"]["post"]["responses"]
    assert "428" not in document["paths"]["/api/v1/orders/{order_id}/verification"]["post"]["responses"]
