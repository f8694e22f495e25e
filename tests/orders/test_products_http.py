"""Products over HTTP: who prices, who sees costs, one code each, lists."""

from __future__ import annotations

import pytest

from chassis.identity import Caller
from chassis.ids import new_id
from tests.orders.company import (
    ADMIN,
    BOSS,
    CHEN,
    DESK,
    EVERYBODY,
    HE,
    IMPORTER,
    LI,
    NOBODY,
    TOP,
    WANG,
    Shop,
    cny,
    codes,
    fields,
    gathered,
    product_id,
)

HOSE = {"code": "H-1", "name": "Hose", "price": cny(700), "cost": cny(400)}


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
async def test_products_are_priced_by_those_who_may_and_read_by_all(shop: Shop, who: Caller) -> None:
    made = await shop.post(who, "products", HOSE)
    changed = await shop.patch(who, f"products/{product_id('pump')}", {"price": cny(1)}, 1)
    allowed = who in (ADMIN, TOP, IMPORTER)
    assert (made.status_code, changed.status_code) == ((201, 200) if allowed else (403, 403))
    assert (await shop.get(who, f"products/{product_id('pump')}")).json()["price"] == cny(1 if allowed else 10_000)
    assert len((await shop.get(who, "products")).json()["items"]) == 4 + allowed


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
async def test_costs_are_shown_to_those_who_lead_or_keep_the_books(shop: Shop, who: Caller) -> None:
    one = (await shop.get(who, f"products/{product_id('pump')}")).json()
    listed = (await shop.get(who, "products", q="pump")).json()["items"][0]
    shown = who.role in ("top_manager", "administrator", "regional_supervisor", "office_head", "clerk")
    assert ("cost" in one) == ("cost" in listed) == shown
    assert (who in (LI, DESK, BOSS, IMPORTER, NOBODY) and not shown) or who not in (LI, DESK, BOSS, IMPORTER, NOBODY)


async def test_a_code_belongs_to_one_product(shop: Shop) -> None:
    taken = await shop.post(ADMIN, "products", {**HOSE, "code": "P-1"})
    assert codes(taken) == (409, "code_taken")
    answered = await gathered(*(shop.post(ADMIN, "products", HOSE) for _ in range(4)))
    assert sorted(a.status_code for a in answered) == [201, 409, 409, 409]
    other = await shop.patch(ADMIN, f"products/{product_id('pump')}", {"code": "V-1"}, 1)
    assert codes(other) == (409, "code_taken")
    assert (await shop.get(ADMIN, f"products/{product_id('pump')}")).json()["version"] == 1


async def test_a_repeated_registration_changes_nothing(shop: Shop) -> None:
    body = {"id": new_id(), **HOSE}
    first, again = [await shop.post(ADMIN, "products", body, key="k") for _ in range(2)]
    assert first.json() == again.json()
    assert first.headers["Location"] == f"/api/v1/products/{body['id']}"
    assert codes(await shop.post(ADMIN, "products", {**body, "name": "Other", "code": "X"})) == (409, "id_taken")
    assert codes(await shop.post(ADMIN, "products", {**HOSE, "id": "7"})) == (422, "invalid_input")


async def test_a_change_names_its_version_and_only_what_changes(shop: Shop) -> None:
    path = f"products/{product_id('pump')}"
    assert codes(await shop.patch(ADMIN, path, {"name": "x"})) == (428, "if_match_required")
    assert codes(await shop.patch(ADMIN, path, {"name": "x"}, 9)) == (412, "stale")
    assert codes(await shop.patch(ADMIN, path, {}, 1)) == (422, "nothing_said")
    assert fields(await shop.patch(ADMIN, path, {"price": None}, 1)) == ["price"]
    same = await shop.patch(ADMIN, path, {"name": "Pump 水泵"}, 1)
    assert (same.status_code, same.json()["version"]) == (200, 1)
    changed = (await shop.patch(ADMIN, path, {"cost": None, "family": None}, 1)).json()
    assert (changed["cost"], changed["family"], changed["price"], changed["version"]) == (None, None, cny(10_000), 2)
    assert codes(await shop.patch(ADMIN, "products/none", {"name": "x"}, 1)) == (404, "not_found")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cost": {"minor": 1, "currency": "USD"}}, "cost"),
        ({"price": {"minor": -1, "currency": "CNY"}}, "price"),
        ({"price": {"minor": 1, "currency": "XXQ"}}, "price"),
        ({"price": {"minor": 2**53, "currency": "CNY"}}, "price"),
        ({"price": 7}, "price"),
        ({"name": " "}, "name"),
        ({"colour": "red"}, "colour"),
        ({"occurred_at": "2030-01-01T00:00:00Z"}, "occurred_at"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(shop: Shop, change: dict[str, object], field: str) -> None:
    refused = await shop.post(ADMIN, "products", {**HOSE, **change})
    assert (refused.status_code, fields(refused)) == (422, [field])
    again = await shop.patch(ADMIN, f"products/{product_id('pump')}", change, 1)
    assert (again.status_code, fields(again)) == (422, [field])


async def test_the_list_is_filtered_searched_sorted_and_paged(shop: Shop) -> None:
    async def found(**query: object) -> list[str]:
        return [product["code"] for product in (await shop.get(LI, "products", **query)).json()["items"]]

    assert await found() == ["D-1", "O-1", "P-1", "V-1"]
    assert await found(sort="-name") == ["V-1", "P-1", "O-1", "D-1"]
    assert await found(active="false") == ["O-1"]
    assert await found(active="true", q="L") == ["D-1", "V-1"]
    assert await found(family="water") == ["P-1"]
    assert await found(q="水") == ["P-1"]
    assert await found(q="p-1") == ["P-1"]
    assert await found(q=".*") == []
    page = (await shop.get(LI, "products", limit=3)).json()
    assert [product["code"] for product in page["items"]] == ["D-1", "O-1", "P-1"]
    assert await found(limit=3, cursor=page["next_cursor"]) == ["V-1"]


async def test_a_product_is_found_in_every_form_in_which_its_name_is_typed(shop: Shop) -> None:
    for code, name in (("A-1", "ＡＢＣ泵"), ("C-1", "Cafe\u0301 filter"), ("T-1", "ร้านดี"), ("X-1", "C++ kit 1-23")):
        made = await shop.post(ADMIN, "products", {**HOSE, "code": code, "name": name})
        assert made.status_code == 201

    async def found(q: str) -> list[str]:
        return [product["code"] for product in (await shop.get(LI, "products", q=q)).json()["items"]]

    for code, typed in (
        ("A-1", ("ABC", "abc泵", "ＡＢＣ", "ａ-１")),
        ("C-1", ("café", "CAFÉ", "cafe\u0301 f", "cafe")),
        ("T-1", ("ร้านดี",)),
        ("X-1", ("c++", "1-23", "KIT")),
    ):
        for q in typed:
            assert await found(q) == [code], q
    assert await found("ร้านดู") == []
    assert await found("12-3") == []


async def test_products_from_before_this_search_are_found_after_the_next_start(shop: Shop) -> None:
    made = await shop.post(ADMIN, "products", {**HOSE, "name": "Cafe\u0301 filter"})
    products = shop.repositories.products.collection
    await products.update_one({"_id": made.json()["id"]}, {"$set": {"keys": {"search": "h-1\ncaf\u00e9 filter"}}})
    assert (await shop.get(LI, "products", q="cafe")).json()["items"] == []
    await shop.repositories.prepare()
    assert len((await shop.get(LI, "products", q="cafe")).json()["items"]) == 1
    assert (await shop.get(LI, f"products/{made.json()['id']}")).json()["version"] == 1


async def test_an_import_keeps_where_a_product_came_from(shop: Shop) -> None:
    made = await shop.post(IMPORTER, "products", {**HOSE, "import_source": "maven:products:GTX"})
    assert made.json()["imported"]["source"] == "maven:products:GTX"
    for who in (TOP, CHEN, WANG, HE):
        refused = await shop.post(who, "products", {**HOSE, "code": "Z", "import_source": "x"})
        assert refused.status_code == 403
