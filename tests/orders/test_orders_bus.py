"""The bus door of orders: copies whatever the order of events, all samples of the others, and what it says itself."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from chassis import copies
from chassis.ids import derived_id
from chassis.mongo import Database
from contracts.orders import OrderEvent, ProductEvent
from contracts.staff import Posting, Role
from orders.consumers import TOPICS, Learner
from orders.known import Known
from tests.contracts.sampling import held_to_sample, received, samples
from tests.orders.company import (
    ADMIN,
    CHEN,
    CONFIRMATION,
    IMPORTER,
    LI,
    STEPS,
    WANG,
    Shop,
    codes,
    customer,
    line,
    office,
    person,
    product_id,
    said,
    visit,
)

THEIRS = samples("customers", "visits")


async def test_copies_are_the_newest_state_in_whatever_order_events_come(database: Database) -> None:
    learner, known = Learner(Known(database)), Known(database)
    names = ["first", "second", "third"]
    events = [said(customer("c", "li", "sha", "east", name=name), n) for n, name in enumerate(names, 1)]
    events += [said(person("p", Role.CLERK, "sha", "east", name=name), n) for n, name in enumerate(names, 1)]
    events += [said(office("sha", "east").model_copy(update={"name": name}), n) for n, name in enumerate(names, 1)]
    dice = random.Random(3)
    for _ in range(10):
        shuffled = [*events, *dice.sample(events, 4)]
        dice.shuffle(shuffled)
        cut = dice.randrange(1, len(shuffled))
        for batch in (shuffled[:cut], shuffled[cut:], shuffled[:2]):
            await learner.take(batch)
        for copy, subject in ((known.customers, "c"), (known.people, "p"), (known.offices, "sha")):
            found = await copy.get(subject)
            assert found is not None
            assert found.name == "third"
            await copy.collection.delete_many({})


async def test_what_happens_meanwhile_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PATIENCE", 5.0)
    monkeypatch.setattr(copies, "BETWEEN", 0.0)
    looked = asyncio.Event()
    get = shop.repositories.known.customers.get

    async def look(customer_id: str) -> Any:
        looked.set()
        return await get(customer_id)

    monkeypatch.setattr(shop.repositories.known.customers, "get", look)
    waiting = asyncio.create_task(shop.receive(LI, customer="newcomer"))
    await looked.wait()
    assert not waiting.done()
    await shop.hear(customer("newcomer", "li", "sha", "east"))
    assert (await waiting).status_code == 201
    # Somebody to whom a customer has just been given need not try twice either.
    looked.clear()
    waiting = asyncio.create_task(shop.receive(LI, customer="zeta"))
    await looked.wait()
    await shop.hear(customer("zeta", "li", "sha", "east"), version=2)
    assert (await waiting).json()["owner"] == "li"


async def test_a_copy_that_lags_behind_another_is_asked_for_again_later(shop: Shop) -> None:
    await shop.hear(customer("early", "late", "sha", "east"))
    answered = await shop.receive(WANG, customer="early")
    assert codes(answered) == (503, "person_not_known_yet")
    assert answered.headers["Retry-After"]
    posting = Posting(valid_from=date(2026, 1, 1), role=Role.SALESPERSON, office="new", region="east")
    await shop.hear(person("late", Role.SALESPERSON, None, "", postings=[posting]))
    assert codes(await shop.receive(WANG, customer="early")) == (503, "office_not_known_yet")
    await shop.hear(office("new", "east"))
    assert (await shop.receive(WANG, customer="early")).json()["number"] == "NEW-2026-000001"


@pytest.mark.parametrize("path", THEIRS, ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_every_sample_of_the_other_services_is_taken(database: Database, path: Path) -> None:
    known = Known(database)
    event = received(path)
    await Learner(known).take([event, event])
    if event.topic not in TOPICS:
        return
    copies = {
        "sales.office.v1": known.offices,
        "sales.person.v1": known.people,
        "sales.customer.v1": known.customers,
        "sales.visit.v1": known.visits,
    }
    (found,) = await copies[event.topic].find()
    assert found.id == event.subject


def test_all_that_orders_must_know_has_samples_of_its_topics() -> None:
    told = {received(path).topic for path in THEIRS}
    assert not told or set(TOPICS) <= told


# --- what it says -----------------------------------------------------------------------------------------


async def outbox(shop: Shop) -> dict[str, list[bytes]]:
    """Everything that waits for the relay, by aggregate."""
    found: dict[str, list[bytes]] = {}
    for repository in shop.repositories.all:
        async for document in repository.collection.find({}):
            found[document["_id"]] = [entry["event"] for entry in document["outbox"]]
    return found


def tell(step: str, minutes: int) -> Mapping[str, Any]:
    return {**STEPS[step][1], "occurred_at": datetime(2026, 11, 24, 1, minutes, tzinfo=UTC).isoformat()}


async def test_each_thing_that_happens_is_said_as_its_sample_says_it(shop: Shop) -> None:
    changed = await shop.patch(
        ADMIN, f"products/{product_id('pump')}", {"price": {"minor": 11_000, "currency": "CNY"}}, 1
    )
    assert changed.status_code == 200
    kept, gone, brought = [derived_id("test orders", name) for name in ("kept", "gone", "brought")]
    half = line(quantity="1.5", discount_percent="10")
    morning = derived_id("test visits", "morning")
    await shop.hear(visit(morning, "li", "acme"))
    await shop.order(
        LI,
        id=kept,
        lines=[half],
        channel="fair",
        external_ref="PO-7",
        note="蓝色",
        visit=morning,
        requested_date="2026-12-01",
        occurred_at="2026-11-24T09:00:00+08:00",
    )
    assert (await shop.post(CHEN, f"orders/{kept}/return", tell("return", 1))).status_code == 200
    fixed = await shop.patch(LI, f"orders/{kept}", {"note": "blue", "occurred_at": "2026-11-24T01:02:00Z"}, 2)
    assert fixed.status_code == 200
    for minute, step in enumerate(("verification", "confirmation", "amendment"), 3):
        body = {
            **tell(step, minute),
            **({"customer_told_at": "2026-11-24T01:03:30Z"} if step == "confirmation" else {}),
        }
        answered = await shop.post(STEPS[step][0], f"orders/{kept}/{step}", body, version=minute)
        assert answered.status_code == 200, answered.text
    for minute, step in enumerate(("allocation", "delivery", "handover", "closure"), 6):
        assert (await shop.post(CHEN, f"orders/{kept}/{step}", tell(step, minute))).status_code == 200
    await shop.order(WANG, id=gone)
    assert (await shop.post(CHEN, f"orders/{gone}/verification", {})).status_code == 200
    assert (
        await shop.post(CHEN, f"orders/{gone}/confirmation", {**CONFIRMATION, "on_behalf_of": "li"})
    ).status_code == 200
    assert (await shop.post(WANG, f"orders/{gone}/cancellation", STEPS["cancellation"][1])).status_code == 200
    await shop.order(
        IMPORTER,
        id=brought,
        customer="coast",
        on_behalf_of="bob",
        import_source="books",
        occurred_at="2026-01-05T20:00:00Z",
    )
    said_by = await outbox(shop)
    for event in said_by[product_id("pump")]:
        held_to_sample(event)
    for event in said_by[kept]:
        held_to_sample(event)
    *_, confirmed, cancelled = said_by[gone]
    held_to_sample(confirmed, "on_behalf")
    held_to_sample(cancelled)
    held_to_sample(said_by[brought][0], "imported")


def test_every_type_that_orders_says_has_a_sample() -> None:
    told = {path.parent.name for path in samples("orders")}
    spoken = {*OrderEvent, *ProductEvent} - {OrderEvent.RESTATED, ProductEvent.RESTATED}
    assert told == {str(event) for event in spoken}


async def test_a_resync_says_everything_again_and_changes_nothing(shop: Shop) -> None:
    order = await shop.order(until="confirmation")
    before = {subject: len(events) for subject, events in (await outbox_sizes(shop)).items()}
    assert (await shop.post(LI, "resync/orders", {})).status_code == 403
    assert (await shop.post(ADMIN, "resync/orders", {})).json() == {"restated": 5}
    after = {subject: len(entries) for subject, entries in (await outbox_sizes(shop)).items()}
    assert after == {subject: count + 1 for subject, count in before.items()}
    assert (await shop.get(ADMIN, f"orders/{order['id']}")).json() == (
        await shop.get(ADMIN, f"orders/{order['id']}")
    ).json()


async def outbox_sizes(shop: Shop) -> dict[str, list[Any]]:
    collections = [repository.collection for repository in shop.repositories.all]
    documents = itertools.chain.from_iterable([await c.find({}, {"outbox": 1}).to_list(None) for c in collections])
    return {document["_id"]: document["outbox"] for document in documents}
