"""An office comes to another region: its open orders follow it, what is done with stays."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from contracts.staff import RegionOfOffice
from orders.consumers import Reactions
from orders.order.regions import follow_offices
from tests.contracts.sampling import held_to_sample
from tests.doors import caller
from tests.orders.company import ADMIN, CHEN, HE, LI, REASON, START, STEPS, WANG, Shop, codes, office, said

NEW = caller("regional_supervisor", "gao", region="north")


def moved(valid_from: date) -> Any:
    regions = [RegionOfOffice(valid_from=START, region="east"), RegionOfOffice(valid_from=valid_from, region="north")]
    return office("sha", "east").model_copy(update={"regions": regions})


async def seen(shop: Shop, who: Any) -> set[str]:
    return {order["id"] for order in (await shop.get(who, "orders")).json()["items"]}


async def test_open_orders_follow_their_office_to_the_new_supervisor(shop: Shop) -> None:
    done = await shop.order(until="closure")
    dropped = await shop.order()
    assert (await shop.post(WANG, f"orders/{dropped['id']}/cancellation", REASON)).status_code == 200
    open_ones = [await shop.order(until=step) for step in ("receipt", "verification", "confirmation", "handover")]
    past, present = {done["id"], dropped["id"]}, {order["id"] for order in open_ones}
    assert (await seen(shop, HE), await seen(shop, NEW)) == (past | present, set())
    reactions = Reactions(shop.repositories)
    for version in (2, 2, 3):  # an event that comes again changes nothing
        await reactions.take([said(moved(date(2026, 11, 24)), version)])
        assert (await seen(shop, HE), await seen(shop, NEW)) == (past, present)
    order = (await shop.get(NEW, f"orders/{open_ones[1]['id']}")).json()
    assert (order["region"], order["version"]) == ("north", open_ones[1]["version"] + 1)
    body = STEPS["confirmation"][1]
    assert codes(await shop.post(HE, f"orders/{order['id']}/confirmation", body)) == (404, "not_found")
    confirmed = await shop.post(NEW, f"orders/{order['id']}/confirmation", body)
    assert confirmed.json()["confirmation"]["credit"] == {"person": "li", "office": "sha", "region": "north"}
    # Past credit stays with the region of its day.
    standing = (await shop.get(ADMIN, f"orders/{open_ones[2]['id']}")).json()
    assert standing["confirmation"]["credit"]["region"] == "east"
    for who in (LI, WANG, CHEN):
        assert await seen(shop, who) == past | present


async def test_a_move_that_is_entered_ahead_is_followed_on_its_day(shop: Shop) -> None:
    order = await shop.order()
    await Reactions(shop.repositories).take([said(moved(date(2026, 11, 26)), 2)])
    assert await seen(shop, NEW) == set()
    shop.time.move(timedelta(days=1, hours=13, minutes=59))  # 23:59 of the 25th in Shanghai
    assert await follow_offices(shop.repositories) == 0
    shop.time.move(timedelta(minutes=1))
    assert await follow_offices(shop.repositories) == 1
    assert (await seen(shop, HE), await seen(shop, NEW)) == (set(), {order["id"]})
    assert await follow_offices(shop.repositories) == 0


async def test_more_orders_than_one_turn_takes_follow_too(shop: Shop, monkeypatch: Any) -> None:
    monkeypatch.setattr("orders.order.regions.AT_ONCE", 2)
    for _ in range(5):
        await shop.order()
    await Reactions(shop.repositories).take([said(moved(date(2026, 11, 1)), 2)])
    assert len(await seen(shop, NEW)) == 5


async def test_a_move_is_said_as_its_sample_says_it(shop: Shop) -> None:
    order = await shop.order(id="0c8d3a52-9e0f-5a53-8a52-6b1f4f0f7d11")
    await Reactions(shop.repositories).take([said(moved(date(2026, 11, 24)), 2)])
    document = await shop.repositories.orders.collection.find_one({"_id": order["id"]})
    held_to_sample(document["outbox"][-1]["event"])
