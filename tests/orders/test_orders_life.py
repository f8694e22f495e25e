"""An order's life over HTTP: every state meets every step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from contracts.staff import Role
from orders.order.model import ALLOWED
from tests.orders.company import (
    ADMIN,
    CHEN,
    CONFIRMATION,
    HE,
    IMPORTER,
    LI,
    STEPS,
    WANG,
    Shop,
    cny,
    codes,
    fields,
    gathered,
    line,
    person,
)

STATES = {
    "received": "receipt",
    "verified": "verification",
    "confirmed": "confirmation",
    "allocated": "allocation",
    "delivered": "delivery",
    "handover_complete": "handover",
    "closed": "closure",
}
ASIDE = {"returned": "return", "cancelled": "cancellation"}


async def in_state(shop: Shop, state: str) -> dict[str, Any]:
    if state in STATES:
        return await shop.order(until=STATES[state])
    order = await shop.order()
    by, body = STEPS[ASIDE[state]]
    return (await shop.post(by, f"orders/{order['id']}/{ASIDE[state]}", body)).json()


@pytest.mark.parametrize("state", [*STATES, *ASIDE])
async def test_each_state_takes_its_steps_and_no_other(shop: Shop, state: str) -> None:
    for step, (by, body) in STEPS.items():
        order = await in_state(shop, state)
        assert order["status"] == state
        answered = await shop.post(by, f"orders/{order['id']}/{step}", body, version=order["version"])
        after = (await shop.get(ADMIN, f"orders/{order['id']}")).json()
        if state in ALLOWED[step]:
            assert answered.status_code == 200, (state, step, answered.text)
            assert after["version"] == order["version"] + 1
        else:
            assert codes(answered) == (409, "wrong_state"), (state, step)
            assert answered.json()["state"] == state
            assert set(answered.json()["possible"]) == {name for name, states in ALLOWED.items() if state in states}
            assert after == (await shop.get(ADMIN, f"orders/{order['id']}")).json()
            assert after["version"] == order["version"]


@pytest.mark.parametrize("state", [*STATES, *ASIDE])
async def test_an_order_is_corrected_before_it_is_verified_and_not_later(shop: Shop, state: str) -> None:
    order = await in_state(shop, state)
    answered = await shop.patch(LI, f"orders/{order['id']}", {"lines": [line(quantity=3)]}, order["version"])
    if state in ("received", "returned"):
        assert answered.status_code == 200
        assert answered.json()["status"] == "received"
        assert answered.json()["total"] == cny(30_000)
    else:
        assert codes(answered) == (409, "wrong_state")


async def test_the_whole_way_leaves_everything_that_was_said(shop: Shop) -> None:
    order = await shop.order(until="closure", channel="fair", external_ref="PO-7", note="in blue")
    assert order["number"] == "SHA-2026-000001"
    assert (order["owner"], order["office"], order["region"]) == ("li", "sha", "east")
    assert order["business_date"] == "2026-11-24"
    assert order["received_by"] == "li"
    assert order["verification"]["by"] == "chen"
    assert order["confirmation"]["credit"] == {"person": "li", "office": "sha", "region": "east"}
    assert order["confirmation"]["told_by"] == "wang"
    assert order["margin"] == cny(4_000)
    assert order["lines"][0]["unit_cost"] == cny(6_000)
    assert order["handover"]["documents"] == ["receipt"]
    assert (order["channel"], order["external_ref"], order["note"]) == ("fair", "PO-7", "in blue")
    assert (await shop.get(LI, f"orders/{order['id']}")).headers["ETag"] == '"7"'


@pytest.mark.parametrize("missing", ["promised_date", "payment_method", "customer_told_at"])
async def test_a_confirmation_lacks_nothing(shop: Shop, missing: str) -> None:
    order = await shop.order(until="verification")
    body = {name: value for name, value in CONFIRMATION.items() if name != missing}
    answered = await shop.post(LI, f"orders/{order['id']}/confirmation", body)
    assert answered.status_code == 422
    assert fields(answered) == [missing]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"promised_date": "2026-11-23"}, "date_too_early", "promised_date"),
        ({"customer_told_at": "2026-11-24T09:59:59+08:00"}, "before_prior_step", "customer_told_at"),
        ({"customer_told_at": "2026-11-24T10:30:00+08:00"}, "in_the_future", "customer_told_at"),
        ({"told_by": "nobody"}, "unknown_person", "told_by"),
        ({"occurred_at": "2026-11-24T10:30:00+08:00"}, "in_the_future", "occurred_at"),
        ({"occurred_at": "2026-11-24T09:59:00+08:00"}, "before_prior_step", "occurred_at"),
    ],
)
async def test_a_confirmation_makes_sense(shop: Shop, change: Mapping[str, Any], code: str, field: str) -> None:
    order = await shop.order(until="verification", occurred_at="2026-11-24T10:00:00+08:00")
    answered = await shop.post(LI, f"orders/{order['id']}/confirmation", {**CONFIRMATION, **change})
    assert codes(answered) == (422, code)
    assert fields(answered) == [field]


async def test_whoever_told_the_customer_was_there_on_that_day(shop: Shop) -> None:
    await shop.hear(person("gone", Role.SALESPERSON, "sha", "east", left_on=date(2026, 11, 24)))
    order = await shop.order(until="verification", occurred_at="2026-11-23T09:00:00+08:00")
    path = f"orders/{order['id']}/confirmation"
    late = await shop.post(LI, path, {**CONFIRMATION, "told_by": "gone"})
    assert (codes(late), fields(late)) == ((422, "not_on_roster"), ["told_by"])
    in_time = {**CONFIRMATION, "told_by": "gone", "customer_told_at": "2026-11-23T23:59:00+08:00"}
    assert (await shop.post(LI, path, in_time)).json()["confirmation"]["told_by"] == "gone"


async def test_history_is_taken_as_it_was(shop: Shop) -> None:
    """What was promised for a day before the confirmation stays so, and so does what was due before the allocation."""
    books = {"import_source": "books", "occurred_at": "2026-03-02T09:00:00+08:00"}
    order = await shop.order(IMPORTER, customer="acme", **books)
    path, then = f"orders/{order['id']}", {"occurred_at": "2026-03-05T09:00:00+08:00"}
    promise = {**CONFIRMATION, "promised_date": "2026-03-04", "customer_told_at": "2026-03-05T09:00:00+08:00", **then}
    assert (await shop.post(IMPORTER, f"{path}/verification", then)).status_code == 200
    # Only an import tells history.
    today = {name: value for name, value in promise.items() if name != "occurred_at"}
    assert codes(await shop.post(LI, f"{path}/confirmation", today)) == (422, "date_too_early")
    confirmed = await shop.post(IMPORTER, f"{path}/confirmation", promise)
    assert (confirmed.status_code, confirmed.json()["confirmation"]["promised_date"]) == (200, "2026-03-04")
    due = {"assignee": "chen", "due": "2026-03-03", **then}
    assert (await shop.post(IMPORTER, f"{path}/allocation", due)).status_code == 200


async def test_an_amendment_keeps_the_promise_before_and_freezes_the_cost_of_what_is_new(shop: Shop) -> None:
    order = await shop.order(until="confirmation", lines=[line(), line("valve", "1.5")])
    assert order["total"] == cny(10_000 + 500)
    products = {name: (await shop.get(ADMIN, "products", q=name)).json()["items"][0] for name in ("pump", "valve")}
    for name, product in products.items():
        changed = await shop.patch(ADMIN, f"products/{product['id']}", {"cost": cny(1)}, product["version"])
        assert changed.status_code == 200, name
    lines = [{"id": "1"}, {"id": "2", "quantity": 2}, line("valve", 3)]
    amended = await shop.amend(order, HE, promised_date="2026-12-20", lines=lines)
    assert amended.status_code == 200, amended.text
    now = amended.json()
    assert now["confirmation"]["promised_date"] == "2026-12-20"
    assert [(a["promised_date"], a["total"], a["by"]) for a in now["amendments"]] == [("2026-12-01", cny(10_500), "he")]
    assert [one["unit_cost"] for one in now["lines"]] == [cny(6_000), cny(100), cny(1)]
    assert now["total"] == cny(10_000 + 666 + 999)
    assert now["margin"] == cny(now["total"]["minor"] - 6_000 - 200 - 3)
    assert now["confirmation"]["credit"] == order["confirmation"]["credit"]
    same = await shop.amend(now, HE, promised_date="2026-12-20", lines=[{"id": id} for id in "123"])
    assert codes(same) == (422, "nothing_amended")


async def test_the_margin_is_unknown_while_a_cost_is(shop: Shop) -> None:
    order = await shop.order(until="confirmation", currency="USD", lines=[line("dollar", 2)])
    assert order["total"] == {"minor": 1_000, "currency": "USD"}
    assert order["margin"] is None


async def test_of_two_confirmations_at_the_same_time_one_counts(shop: Shop) -> None:
    order = await shop.order(until="verification")
    path = f"orders/{order['id']}/confirmation"
    answered = await gathered(*(shop.post(who, path, CONFIRMATION) for who in (LI, WANG, HE)))
    assert sorted(a.status_code for a in answered) == [200, 409, 409]
    won = next(a for a in answered if a.status_code == 200).json()
    standing = (await shop.get(ADMIN, f"orders/{order['id']}")).json()
    assert (standing["version"], standing["confirmation"]) == (won["version"], won["confirmation"])


async def test_a_repeated_confirmation_is_answered_again_and_another_one_is_not(shop: Shop) -> None:
    order = await shop.order(until="verification")
    path = f"orders/{order['id']}/confirmation"
    first, again = await gathered(*(shop.post(LI, path, CONFIRMATION, key="k") for _ in range(2)))
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    other = await shop.post(LI, path, {**CONFIRMATION, "payment_method": "cash"}, key="k")
    assert codes(other) == (409, "idempotency_key_reused")


async def test_a_change_names_the_version_it_was_decided_on(shop: Shop) -> None:
    order = await shop.order()
    path = f"orders/{order['id']}"
    assert codes(await shop.patch(LI, path, {"note": "x"})) == (428, "if_match_required")
    assert (await shop.patch(LI, path, {"note": "x"}, 1)).json()["version"] == 2
    stale = await shop.patch(LI, path, {"note": "y"}, 1)
    assert codes(stale) == (412, "stale")
    assert stale.headers["ETag"] == '"2"'
    assert codes(await shop.post(CHEN, f"{path}/verification", {}, version=1)) == (412, "stale")
    assert (await shop.post(CHEN, f"{path}/verification", {}, version=2)).status_code == 200
    nothing = await shop.patch(LI, path, {}, 3)
    assert codes(nothing) == (422, "nothing_said")
    assert fields(await shop.patch(LI, path, {"lines": None}, 3)) == ["lines"]


async def test_a_corrected_order_can_lose_what_it_does_not_need(shop: Shop) -> None:
    order = await shop.order(note="in blue", requested_date="2026-12-01")
    changed = await shop.patch(LI, f"orders/{order['id']}", {"note": None, "requested_date": None}, 1)
    assert (changed.json()["note"], changed.json()["requested_date"]) == (None, None)
    early = await shop.patch(LI, f"orders/{order['id']}", {"requested_date": "2026-11-23"}, 2)
    assert codes(early) == (422, "date_too_early")


async def test_many_corrections_side_by_side_lose_none(shop: Shop) -> None:
    order = await shop.order()
    for turn in range(3):
        version = (await shop.get(LI, f"orders/{order['id']}")).json()["version"]
        answered = await asyncio.gather(
            *(shop.patch(LI, f"orders/{order['id']}", {"note": f"{turn}-{n}"}, version) for n in range(4))
        )
        assert sorted(a.status_code for a in answered) == [200, 412, 412, 412]
    assert (await shop.get(WANG, f"orders/{order['id']}")).json()["version"] == 4
