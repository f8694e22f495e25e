"""Order numbers have no gap and no double, per office and year, whatever is refused in between."""

from __future__ import annotations

import asyncio
import random

import pytest

from chassis.ids import new_id
from chassis.mongo import UNAVAILABLE
from chassis.series import Series
from tests.orders.company import ADMIN, BOB, CHEN, IMPORTER, LI, SUN, WANG, ZHAO, Shop, codes, line, new_order


async def numbers(shop: Shop, office: str) -> list[str]:
    found = await shop.get(ADMIN, "orders", office=office, sort="number", limit=200)
    return [order["number"] for order in found.json()["items"]]


def first(count: int, series: str) -> list[str]:
    return [f"{series}-{n:06d}" for n in range(1, count + 1)]


async def test_creations_side_by_side_with_bad_ones_and_repetitions_leave_no_gap(shop: Shop) -> None:
    taken = (await shop.receive()).json()["id"]
    good = [new_order(id=new_id()) for _ in range(20)]
    bad = [
        new_order(customer="nobody"),
        new_order(customer="coast"),
        new_order(lines=[line("nothing")]),
        new_order(lines=[line("old")]),
        new_order(lines=[line(quantity="0.0001")]),
        new_order(lines=[line(discount_percent=50), line("dollar")]),
        new_order(requested_date="2026-01-01"),
        new_order(occurred_at="2026-11-01T00:00:00Z"),
        new_order(id=taken),
        new_order(import_source="somewhere"),
    ]
    requests = [
        *(shop.post(LI, "orders", body, key=f"k{n % 20}") for n, body in enumerate(good * 3)),
        *(shop.post(LI, "orders", body) for body in bad * 2),
        *(shop.post(SUN, "orders", new_order(customer="nanjing")) for _ in range(5)),
    ]
    random.Random(7).shuffle(requests)
    answered = await asyncio.gather(*requests)
    assert sum(a.status_code == 201 for a in answered) == 65
    assert sum(a.status_code in (403, 409, 422) for a in answered) == 20
    assert await numbers(shop, "sha") == first(21, "SHA-2026")
    assert await numbers(shop, "nkg") == first(5, "NKG-2026")
    by_id = {a.json()["id"]: set() for a in answered if a.status_code == 201}
    for a in answered:
        if a.status_code == 201:
            by_id[a.json()["id"]].add(a.json()["number"])
    assert len(by_id) == 25
    assert all(len(said) == 1 for said in by_id.values())


async def test_one_id_for_two_orders_at_the_same_time_takes_one_number(shop: Shop) -> None:
    order_id = new_id()
    answered = await asyncio.gather(
        *(shop.post(LI, "orders", new_order(id=order_id, note=f"note {n}")) for n in range(8)),
        *(shop.receive(ZHAO, customer="zeta") for _ in range(4)),
    )
    assert sorted(a.status_code for a in answered) == [201] * 5 + [409] * 7
    assert {codes(a)[1] for a in answered if a.status_code == 409} == {"id_taken"}
    assert await numbers(shop, "sha") == first(5, "SHA-2026")


async def test_each_year_begins_anew_by_the_business_date(shop: Shop) -> None:
    for at in ("2025-12-31T15:59:59Z", "2025-12-31T16:00:00Z", "2025-06-01T00:00:00Z", "2026-02-01T00:00:00Z"):
        answered = await shop.receive(IMPORTER, occurred_at=at, owner="chen", import_source="old books")
        assert codes(answered) == (422, "not_on_roster") if at < "2025-12-31T16" else answered.status_code == 201
    assert await numbers(shop, "sha") == ["SHA-2026-000001", "SHA-2026-000002"]


async def test_a_creation_that_failed_after_taking_its_number_is_finished_by_its_repetition(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = new_order(id=new_id())

    async def fails(*_: object) -> None:
        raise UNAVAILABLE[0]("the connection was lost before it was written")

    create = shop.repositories.orders.create
    monkeypatch.setattr(shop.repositories.orders, "create", fails)
    assert (await shop.post(LI, "orders", body, key="k")).status_code == 503
    monkeypatch.setattr(shop.repositories.orders, "create", create)
    assert (await shop.receive(ZHAO, customer="zeta")).json()["number"] == "SHA-2026-000002"
    assert (await shop.post(LI, "orders", body, key="k")).json()["number"] == "SHA-2026-000001"


async def test_a_creation_that_died_for_good_leaves_its_number_to_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await shop.repositories.numbers.take("SHA-2026", "died") == 1
    assert (await shop.receive()).json()["number"] == "SHA-2026-000002"
    monkeypatch.setattr("chassis.series.ABANDONED_AFTER", -shop.time.now().resolution)
    assert (await shop.receive()).json()["number"] == "SHA-2026-000001"
    assert (await shop.receive()).json()["number"] == "SHA-2026-000003"


async def test_a_creation_slower_than_its_reservation_takes_another_number(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Series.take
    slow: list[str] = []

    async def overtaken(self: Series, series: str, for_id: str) -> int:
        number = await take(self, series, for_id)
        if not slow:
            slow.append(for_id)
            monkeypatch.setattr("chassis.series.ABANDONED_AFTER", -shop.time.now().resolution)
            assert (await shop.receive(ZHAO, customer="zeta")).json()["number"] == "SHA-2026-000001"
        return number

    monkeypatch.setattr(Series, "take", overtaken)
    assert (await shop.receive()).json()["number"] == "SHA-2026-000002"
    assert await numbers(shop, "sha") == first(2, "SHA-2026")


async def test_a_repeated_creation_is_answered_again_also_when_a_rule_would_refuse_it_now(shop: Shop) -> None:
    body = new_order()
    first_time = await shop.post(LI, "orders", body, key="k")
    await shop.post(CHEN, f"orders/{first_time.json()['id']}/verification", {})
    pump = (await shop.get(ADMIN, "products", q="pump")).json()["items"][0]
    assert (await shop.patch(ADMIN, f"products/{pump['id']}", {"active": False}, 1)).status_code == 200
    assert codes(await shop.post(LI, "orders", body)) == (422, "inactive_product")
    again = await shop.post(LI, "orders", body, key="k")
    assert again.status_code == 201
    assert (again.json()["id"], again.json()["status"]) == (first_time.json()["id"], "verified")
    assert codes(await shop.post(LI, "orders", new_order(note="other"), key="k")) == (409, "idempotency_key_reused")
    assert await numbers(shop, "sha") == first(1, "SHA-2026")


async def test_two_callers_may_choose_the_same_key(shop: Shop) -> None:
    one = await shop.post(WANG, "orders", new_order(), key="1")
    other = await shop.post(LI, "orders", new_order(), key="1")
    assert one.json()["id"] != other.json()["id"]


async def test_offices_number_apart(shop: Shop) -> None:
    assert (await shop.receive(BOB, customer="coast")).json()["number"] == "LAX-2026-000001"
    assert (await shop.receive(SUN, customer="nanjing")).json()["number"] == "NKG-2026-000001"
