"""What customers learns from the bus, over a real mongod."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from chassis.aggregate import Command, envelope
from chassis.clock import SetClock
from chassis.consumer import Guard, Received, Unhandleable
from chassis.mongo import Database
from chassis.scope import everything
from contracts import topics
from contracts.customers import Customer, CustomerStatus
from contracts.envelope import Happened
from customers.consumers import Learner
from customers.customer import commands, model
from customers.repositories import Repositories
from tests.customers.company import AS_CHIEF, AS_LI, LI, NOON, TODAY, WANG, a_customer, customer, events
from tests.customers.orders_said import said
from tests.doors import Door

ALL = everything("a test looks at all")


async def stored(repositories: Repositories, *ids: str) -> None:
    """Prospects of those ids."""
    for customer_id in ids:
        fresh = customer(id=customer_id, name=f"Customer {customer_id}")
        await repositories.customers.create(*model.register(fresh, NOON, TODAY), Command("a test"), ALL)


async def state(repositories: Repositories, customer_id: str = "c") -> Customer:
    return (await repositories.customers.get(customer_id, ALL)).state


async def types(database: Database, customer_id: str = "c") -> list[str]:

    return [json.loads(event)["type"] for event in await events(database, "customers", customer_id)]


DAYS = [date(2026, 3, day) for day in (9, 9, 10, 12, 20)]
ORDERS = [said(f"o{n}", "c", day) for n, day in enumerate(DAYS)]


@pytest.mark.parametrize("seed", range(8))
async def test_duplicates_and_disorder_activate_once_for_the_first_order(
    repositories: Repositories, learner: Learner, time: SetClock, database: Database, seed: int
) -> None:
    await stored(repositories, "c")
    mixed = random.Random(seed)
    heard = [*ORDERS, *ORDERS, *(replace(event, version=event.version + 1, id=event.id + "+") for event in ORDERS)]
    mixed.shuffle(heard)
    while heard:
        size = mixed.randint(1, 6)
        await learner.take(heard[:size])
        heard = heard[size:]
    after = await state(repositories)
    assert after.activation is not None
    assert (after.activation.order, after.activation.developed_by) == ("o0", "li")
    assert after.status is CustomerStatus.ACTIVE
    said_types = await types(database)
    assert said_types.count("sales.customer.activated") == 1
    assert set(said_types) <= {
        "sales.customer.registered",
        "sales.customer.activated",
        "sales.customer.activation_corrected",
    }


async def test_what_changes_nothing_writes_nothing(
    repositories: Repositories, learner: Learner, time: SetClock, database: Database
) -> None:
    await stored(repositories, "c")
    await learner.take([said("o", "c", None, version=1), said("other", "nobody", None)])
    assert (await repositories.customers.get("c", ALL)).version == 1
    await learner.take(ORDERS)
    version = (await repositories.customers.get("c", ALL)).version
    await learner.take(ORDERS)
    await learner.take(list(reversed(ORDERS)))
    assert (await repositories.customers.get("c", ALL)).version == version == 2


async def test_the_event_says_what_caused_it(
    repositories: Repositories, learner: Learner, time: SetClock, database: Database
) -> None:

    await stored(repositories, "c")
    await learner.take(ORDERS)
    event = json.loads((await events(database, "customers", "c"))[-1])
    assert (event["actor"], event["causationid"], event["businessdate"]) == ("/customers", "o0@3", "2026-03-09")


async def test_an_order_of_an_unknown_customer_is_set_aside_and_the_others_count(
    repositories: Repositories, learner: Learner, time: SetClock
) -> None:
    await stored(repositories, "c", "d")
    letters: list[tuple[int, str]] = []

    async def set_aside(record: object, reason: str) -> None:
        letters.append((record.offset, reason))  # type: ignore[attr-defined]

    guard = Guard("customers", learner.take, set_aside)
    batch = [said("o1", "c", TODAY), said("o2", "nobody", TODAY), said("o3", "d", TODAY)]
    await guard.take([_Record(event, offset) for offset, event in enumerate(batch)])
    assert letters == [(1, "Unhandleable: no such customer: nobody")]
    assert (await state(repositories, "c")).status is CustomerStatus.ACTIVE
    assert (await state(repositories, "d")).status is CustomerStatus.ACTIVE


async def test_what_is_no_order_is_unhandleable(learner: Learner) -> None:
    with pytest.raises(Unhandleable, match="not an order"):
        await learner.take([replace(said("o", "c", TODAY), payload=b'{"id": 17}')])


class _Record:
    """A record as the bus holds it."""

    def __init__(self, event: Received, offset: int) -> None:

        self.topic, self.partition, self.offset, self.key = event.topic, 0, offset, event.key.encode()
        self.value = envelope(
            topics.ORDERS,
            event.subject,
            event.version,
            Happened(event.type, event.occurred_at, event.business_date),
            json.loads(event.payload),
            Command(event.actor),
            event.time,
        )


async def test_credit_stays_where_the_owner_changes_in_the_middle_of_the_month(
    door: Door, learner: Learner, repositories: Repositories, time: SetClock
) -> None:
    """Li's customer goes to Wang on the 12th; the orders of both days are heard late, and the wrong way round."""
    made = await a_customer(door, AS_LI)
    moved = await door.post(
        f"/api/v1/customers/{made['id']}/owner",
        json={"owner": WANG, "valid_from": "2026-03-12"},
        headers=door.as_(AS_CHIEF),
    )
    assert moved.json()["owner"] == LI
    time.move(timedelta(days=2))
    assert await commands.take_over_due(repositories) == 1
    assert await commands.take_over_due(repositories) == 0
    await learner.take([said("o2", made["id"], date(2026, 3, 12))])
    assert (await state(repositories, made["id"])).activation.developed_by == WANG  # type: ignore[union-attr]
    await learner.take([said("o1", made["id"], date(2026, 3, 11))])
    after = await state(repositories, made["id"])
    assert after.activation is not None
    assert (after.activation.developed_by, after.owner) == (LI, WANG)


@pytest.mark.parametrize(("hours", "due"), [(11, 0), (12, 1)])
async def test_a_planned_change_of_owner_waits_for_midnight_in_its_office(
    door: Door, repositories: Repositories, time: SetClock, hours: int, due: int
) -> None:
    made = await a_customer(door, AS_LI)
    await door.post(
        f"/api/v1/customers/{made['id']}/owner",
        json={"owner": WANG, "valid_from": "2026-03-12"},
        headers=door.as_(AS_CHIEF),
    )
    time.move(timedelta(hours=hours))  # from noon
    assert await commands.take_over_due(repositories) == due
    seen = await door.get(f"/api/v1/customers/{made['id']}", headers=door.as_(AS_LI))
    assert seen.status_code == (404 if due else 200)


async def test_a_dormant_customer_that_orders_is_active_again(
    door: Door, learner: Learner, repositories: Repositories, time: SetClock, database: Database
) -> None:
    made = await a_customer(door, AS_LI)
    order = said("o1", made["id"], TODAY, at=NOON - timedelta(hours=1))
    await learner.take([order])
    silent = await door.post(
        f"/api/v1/customers/{made['id']}/dormancy", json={"reason": "silence"}, headers=door.as_(AS_LI)
    )
    assert silent.json()["status"] == "dormant"
    # Later news of the old order wakes nobody.
    await learner.take([replace(order, version=9, id="o1@9")])
    assert (await state(repositories, made["id"])).status is CustomerStatus.DORMANT
    await learner.take([said("o2", made["id"], TODAY, at=NOON + timedelta(minutes=1))])
    assert (await state(repositories, made["id"])).status is CustomerStatus.ACTIVE
    assert (await types(database, made["id"]))[-1] == "sales.customer.reactivated"


async def test_an_imports_events_cost_a_reading_a_batch_and_a_writing_a_change(
    repositories: Repositories, learner: Learner, time: SetClock
) -> None:
    """13,000 events of 85 customers in batches of 500: most change nothing."""
    ids = [f"c{n}" for n in range(85)]
    await stored(repositories, *ids)
    log: list[Received] = []
    for n in range(4_333):
        day = date(2026, 1, 5) + timedelta(days=n // 15)
        order, buyer = f"o{n:05}", ids[n % 85]
        log += [said(order, buyer, None, version=1), said(order, buyer, None, version=2), said(order, buyer, day)]
    counting = _Counting(repositories.customers.collection)
    repositories.customers.collection = counting
    batches = _batches(log, 500)
    for batch in batches:
        await learner.take(batch)
    changes = sum(found.version - 1 for found in await repositories.customers.find(ALL))
    assert changes == 85
    # A reading for each batch, one for the sum above, and one for each change.
    assert counting.calls == {"find": len(batches) + 1 + changes, "update_one": changes}


class _Counting:
    """A collection that counts what it is asked."""

    def __init__(self, collection: Any) -> None:
        self.calls: Counter[str] = Counter()
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._collection, name)


def _batches(log: Sequence[Received], size: int) -> list[Sequence[Received]]:
    return [log[start : start + size] for start in range(0, len(log), size)]
