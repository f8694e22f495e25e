"""The visit that an order names is one of its owner to its customer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chassis import copies
from tests.orders.company import CHEN, IMPORTER, LI, WANG, Shop, codes, fields, visit


async def test_an_order_names_a_visit_of_its_owner_to_its_customer(shop: Shop) -> None:
    await shop.hear(
        visit("own", "li", "acme"),
        visit("area", "li", None),
        visit("other customer", "li", "zeta"),
        visit("somebody else's", "zhao", "acme"),
        visit("the head's", "wang", "acme"),
    )
    for who in (LI, WANG, CHEN, IMPORTER):
        for name in ("own", "area"):
            made = await shop.receive(who, visit=name)
            assert (made.status_code, made.json()["visit"]) == (201, name), (who.name, name)
        for name in ("nope", "other customer", "somebody else's", "the head's"):
            refused = await shop.receive(who, visit=name)
            assert codes(refused) == (422, "unknown_visit"), (who.name, name)
            assert fields(refused) == ["visit"]
    # An order that belongs to somebody else was won in a visit of theirs.
    assert (await shop.receive(WANG, owner="zhao", visit="somebody else's")).status_code == 201
    assert codes(await shop.receive(WANG, owner="zhao", visit="own")) == (422, "unknown_visit")


async def test_a_correction_names_such_a_visit_too(shop: Shop) -> None:
    await shop.hear(visit("own", "li", "acme"), visit("somebody else's", "zhao", "acme"))
    order = await shop.order()
    path = f"orders/{order['id']}"
    for name in ("nope", "somebody else's"):
        refused = await shop.patch(LI, path, {"visit": name}, 1)
        assert codes(refused) == (422, "unknown_visit")
    assert (await shop.patch(LI, path, {"visit": "own"}, 1)).json()["visit"] == "own"
    # The visit has changed hands since: what stands is not asked about again.
    await shop.hear(visit("own", "zhao", "acme"), version=2)
    assert (await shop.patch(LI, path, {"visit": "own", "note": "x"}, 2)).status_code == 200
    assert (await shop.patch(LI, path, {"visit": None}, 3)).json()["visit"] is None


async def test_a_visit_that_comes_with_its_order_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PATIENCE", 5.0)
    monkeypatch.setattr(copies, "BETWEEN", 0.0)
    looked = asyncio.Event()
    get = shop.repositories.known.visits.get

    async def look(visit_id: str) -> Any:
        looked.set()
        return await get(visit_id)

    monkeypatch.setattr(shop.repositories.known.visits, "get", look)
    waiting = asyncio.create_task(shop.receive(visit="offline"))
    await looked.wait()
    assert not waiting.done()
    await shop.hear(visit("offline", "li", "acme"))
    assert (await waiting).status_code == 201
