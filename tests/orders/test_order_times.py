"""Which day an order's steps count for: zones, holidays, back-dating, imports, reassignments."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chassis.identity import Caller
from contracts.customers import Ownership
from contracts.staff import Posting, RegionOfOffice, Role
from tests.orders.company import (
    ADMIN,
    BOB,
    CHEN,
    CONFIRMATION,
    HE,
    IMPORTER,
    LI,
    START,
    SUN,
    WANG,
    Shop,
    codes,
    customer,
    fields,
    line,
    office,
    person,
)


@pytest.mark.parametrize(
    ("who", "customer", "at", "day"),
    [
        (LI, "acme", "2026-11-23T15:59:59Z", "2026-11-23"),
        (LI, "acme", "2026-11-23T16:00:00Z", "2026-11-24"),
        (LI, "acme", "2026-11-24T00:00:00+08:00", "2026-11-24"),
        (BOB, "coast", "2026-11-23T07:59:59Z", "2026-11-22"),
        (BOB, "coast", "2026-11-23T08:00:00Z", "2026-11-23"),
        (BOB, "coast", "2026-11-24T01:59:59Z", "2026-11-23"),
    ],
)
async def test_an_order_counts_for_the_day_of_its_owners_office(
    shop: Shop, who: Caller, customer: str, at: str, day: str
) -> None:
    order = await shop.order(who, customer=customer, occurred_at=at)
    assert order["business_date"] == day
    assert order["received_at"] == datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_entries_are_taken_three_working_days_back_and_not_further(shop: Shop) -> None:
    # Tuesday 24: Monday 23 is one day back, Friday 20 a holiday in Shanghai, Thursday 19 two, Wednesday 18 three.
    assert (await shop.receive(occurred_at="2026-11-18T00:00:00+08:00")).json()["business_date"] == "2026-11-18"
    late = await shop.receive(occurred_at="2026-11-17T23:59:59+08:00")
    assert codes(late) == (422, "too_far_back")
    assert (fields(late), late.json()["earliest"]) == (["occurred_at"], "2026-11-18")
    # Nanjing has no holiday.
    assert (await shop.receive(SUN, customer="nanjing", occurred_at="2026-11-19T00:00:00+08:00")).status_code == 201
    late = await shop.receive(SUN, customer="nanjing", occurred_at="2026-11-18T23:59:59+08:00")
    assert codes(late) == (422, "too_far_back")
    # In Los Angeles it is still Monday.
    assert (await shop.receive(BOB, customer="coast", occurred_at="2026-11-18T00:00:00-08:00")).status_code == 201
    late = await shop.receive(BOB, customer="coast", occurred_at="2026-11-17T23:59:59-08:00")
    assert codes(late) == (422, "too_far_back")


async def test_a_step_is_back_dated_like_an_order(shop: Shop) -> None:
    order = await shop.order(IMPORTER, customer="acme", occurred_at="2026-03-01T09:00:00+08:00")
    path = f"orders/{order['id']}/verification"
    assert codes(await shop.post(CHEN, path, {"occurred_at": "2026-11-17T09:00:00+08:00"})) == (422, "too_far_back")
    done = await shop.post(CHEN, path, {"occurred_at": "2026-11-18T09:00:00+08:00"})
    assert done.json()["verification"]["business_date"] == "2026-11-18"


@pytest.mark.parametrize("step", ["receipt", "verification"])
async def test_nothing_has_happened_in_the_future(shop: Shop, step: str) -> None:
    ahead = "2026-11-24T02:05:01Z"
    within_slack = "2026-11-24T02:05:00Z"
    if step == "receipt":
        assert codes(await shop.receive(occurred_at=ahead)) == (422, "in_the_future")
        assert (await shop.receive(occurred_at=within_slack)).status_code == 201
        return
    order = await shop.order()
    path = f"orders/{order['id']}/{step}"
    assert codes(await shop.post(CHEN, path, {"occurred_at": ahead})) == (422, "in_the_future")
    assert (await shop.post(CHEN, path, {"occurred_at": within_slack})).status_code == 200


async def test_a_time_without_its_zone_is_no_time(shop: Shop) -> None:
    answered = await shop.receive(occurred_at="2026-11-24T09:00:00")
    assert (answered.status_code, fields(answered)) == (422, ["occurred_at"])


async def test_no_step_is_earlier_than_the_one_before_it(shop: Shop) -> None:
    order = await shop.order(occurred_at="2026-11-23T09:00:00+08:00")
    path = f"orders/{order['id']}"
    early = await shop.post(CHEN, f"{path}/verification", {"occurred_at": "2026-11-23T08:59:59+08:00"})
    assert codes(early) == (422, "before_prior_step")
    same = await shop.post(CHEN, f"{path}/verification", {"occurred_at": "2026-11-23T09:00:00+08:00"})
    assert same.status_code == 200
    confirmed = {**CONFIRMATION, "occurred_at": "2026-11-23T10:00:00+08:00"}
    assert (await shop.post(LI, f"{path}/confirmation", confirmed)).status_code == 200
    early = await shop.post(LI, f"{path}/cancellation", {"reason": "no", "occurred_at": "2026-11-23T09:30:00+08:00"})
    assert codes(early) == (422, "before_prior_step")


async def test_an_import_reaches_any_day_and_keeps_who_brought_it(shop: Shop) -> None:
    brought = await shop.receive(
        IMPORTER,
        customer="acme",
        owner="bob",
        on_behalf_of="bob",
        occurred_at="2026-01-05T12:00:00-08:00",
        requested_date="2026-01-01",
        import_source="maven-crm:orders:1",
        lines=[line("old")],
    )
    assert brought.status_code == 201, brought.text
    order = brought.json()
    assert order["imported"] == {
        "by": "account-robot",
        "at": "2026-11-24T02:00:00Z",
        "source": "maven-crm:orders:1",
    }
    assert (order["received_by"], order["office"], order["business_date"]) == ("bob", "lax", "2026-01-05")
    assert order["number"] == "LAX-2026-000001"
    path = f"orders/{order['id']}"
    step = {"occurred_at": "2026-02-01T12:00:00-08:00", "on_behalf_of": "bob"}
    assert (await shop.post(IMPORTER, f"{path}/verification", step)).status_code == 200
    confirmed = await shop.post(
        IMPORTER,
        f"{path}/confirmation",
        {
            **step,
            "promised_date": "2026-03-03",
            "payment_method": "net 30",
            "customer_told_at": "2026-02-01T12:00:00-08:00",
            "told_by": "bob",
        },
    )
    assert confirmed.status_code == 200, confirmed.text
    assert confirmed.json()["confirmation"]["business_date"] == "2026-02-01"
    assert confirmed.json()["confirmation"]["credit"] == {"person": "bob", "office": "lax", "region": "west"}
    assert confirmed.json()["imported"] == order["imported"]


@pytest.mark.parametrize("who", [LI, WANG, HE, CHEN], ids=lambda who: who.role)
async def test_only_an_import_says_where_it_came_from(shop: Shop, who: Caller) -> None:
    assert codes(await shop.receive(who, import_source="books")) == (403, "import_right_needed")


async def test_an_order_belongs_to_whoever_held_the_customer_on_its_day(shop: Shop) -> None:
    moved = customer(
        "acme",
        "zhao",
        "sha",
        "east",
        ownership=[
            Ownership(valid_from=START, owner="li", office="sha", region="east"),
            Ownership(valid_from=date(2026, 11, 23), owner="zhao", office="sha", region="east"),
        ],
    )
    await shop.hear(moved, version=2)
    before = await shop.order(WANG, occurred_at="2026-11-22T23:59:59+08:00")
    after = await shop.order(WANG, occurred_at="2026-11-23T00:00:00+08:00")
    assert (before["owner"], after["owner"]) == ("li", "zhao")


async def test_credit_goes_by_the_zone_of_the_office_that_the_owner_moves_to(shop: Shop) -> None:
    first, second = [await shop.order(until="verification", occurred_at="2026-11-19T09:00:00+08:00") for _ in "ab"]
    postings = [
        Posting(valid_from=START, role=Role.SALESPERSON, office="sha", region="east"),
        Posting(valid_from=date(2026, 11, 24), role=Role.SALESPERSON, office="lax", region="west"),
    ]
    await shop.hear(person("li", Role.SALESPERSON, None, "", postings=postings), version=2)
    # In Los Angeles it is still the 23rd, and Li not there yet.
    confirmed = await shop.post(WANG, f"orders/{first['id']}/confirmation", CONFIRMATION)
    assert confirmed.json()["confirmation"]["credit"] == {"person": "li", "office": "sha", "region": "east"}
    shop.time.move(timedelta(hours=6))
    confirmed = await shop.post(WANG, f"orders/{second['id']}/confirmation", CONFIRMATION)
    assert confirmed.json()["confirmation"]["credit"] == {"person": "li", "office": "lax", "region": "west"}
    assert confirmed.json()["confirmation"]["business_date"] == "2026-11-24"
    assert confirmed.json()["owner"] == "li"


async def test_an_owner_who_has_moved_or_left_keeps_the_credit(shop: Shop) -> None:
    first, second, third = [
        await shop.order(until="verification", occurred_at="2026-11-19T09:00:00+08:00") for _ in range(3)
    ]

    async def credit(order: dict[str, Any]) -> dict[str, Any]:
        confirmed = await shop.post(HE, f"orders/{order['id']}/confirmation", CONFIRMATION)
        assert confirmed.status_code == 200, confirmed.text
        return confirmed.json()["confirmation"]["credit"]

    start = Posting(valid_from=START, role=Role.SALESPERSON, office="sha", region="east")
    moved = Posting(valid_from=date(2026, 11, 20), role=Role.SALESPERSON, office="nkg", region="east")
    await shop.hear(person("li", Role.SALESPERSON, None, "", postings=[start, moved]), version=2)
    assert await credit(first) == {"person": "li", "office": "nkg", "region": "east"}
    promoted = Posting(valid_from=date(2026, 11, 20), role=Role.REGIONAL_SUPERVISOR, region="west")
    await shop.hear(person("li", Role.SALESPERSON, None, "", postings=[start, promoted]), version=3)
    assert await credit(second) == {"person": "li", "office": "sha", "region": "east"}
    await shop.hear(person("li", Role.SALESPERSON, "sha", "east", left_on=date(2026, 11, 20)), version=4)
    assert await credit(third) == {"person": "li", "office": "sha", "region": "east"}


async def test_nobody_gets_orders_who_is_not_there(shop: Shop) -> None:
    await shop.hear(person("li", Role.SALESPERSON, "sha", "east", left_on=date(2026, 11, 24)), version=2)
    gone = await shop.receive(WANG)
    assert codes(gone) == (422, "not_on_roster")
    assert fields(gone) == ["customer"]
    assert codes(await shop.receive(ADMIN, owner="li")) == (422, "not_on_roster")
    assert codes(await shop.receive(ADMIN, owner="he")) == (422, "no_office")
    assert (await shop.receive(WANG, occurred_at="2026-11-23T12:00:00+08:00")).status_code == 201
    assert (await shop.receive(WANG, owner="zhao")).status_code == 201


async def test_the_region_is_that_of_the_office_on_the_day(shop: Shop) -> None:
    regions = [
        RegionOfOffice(valid_from=START, region="east"),
        RegionOfOffice(valid_from=date(2026, 11, 23), region="west"),
    ]
    moved = office("sha", "east").model_copy(update={"regions": regions})
    await shop.hear(moved, version=2)
    before = await shop.order(WANG, occurred_at="2026-11-22T12:00:00+08:00")
    after = await shop.order(WANG, occurred_at="2026-11-23T12:00:00+08:00")
    assert (before["region"], after["region"]) == ("east", "west")
