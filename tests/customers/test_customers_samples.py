"""What this service says on the bus, type by type, held to the committed samples that all consumers take."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from chassis import clock
from chassis.aggregate import Command
from chassis.clock import SetClock
from chassis.mongo import Database
from chassis.scope import everything
from contracts.envelope import Event
from contracts.topics import CUSTOMERS, OFFICES, PEOPLE, REGIONS
from customers.consumers import Learner
from customers.customer import commands, model
from customers.repositories import Repositories
from tests.contracts.sampling import held_to_sample, received, samples
from tests.customers.company import (
    AS_ADMINISTRATOR,
    AS_CHEN,
    AS_CHIEF,
    AS_IMPORTER,
    AS_LI,
    EAST,
    HEAD,
    HGH,
    LI,
    SHA,
    SOUTH,
    WANG,
    an_id,
    customer,
    events,
)
from tests.customers.orders_said import said
from tests.doors import Door

ACME, IMPORTED, LOST, FOLLOWING = an_id("acme"), an_id("imported"), an_id("lost"), an_id("following")


async def story(door: Door, repositories: Repositories, learner: Learner, time: SetClock) -> None:
    """Something of everything happens, in an order that makes sense."""

    async def do(method: str, path: str, who: Any, body: dict[str, Any], version: int | None = None) -> None:
        time.move(timedelta(minutes=1))
        headers = {**door.as_(who, version=version), "X-Request-Id": "the-request"}
        answer = await door.request(method, f"/api/v1/{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.text

    root, li, chief = AS_ADMINISTRATOR, AS_LI, AS_CHIEF
    await do("PATCH", f"regions/{SOUTH}", root, {"name": "South and West"}, 1)
    await do("PATCH", f"offices/{SHA}", root, {"holidays": ["2026-05-01"], "extra_workdays": ["2026-05-09"]}, 1)
    await do("POST", f"offices/{HGH}/region", root, {"region": SOUTH, "valid_from": "2026-07-01"})
    await do("PATCH", f"people/{LI}", root, {"email": "lilei@example.com", "phone": "13900001111"}, 1)
    posting = {"role": "office_head", "office": HGH, "manager": an_id("chief"), "valid_from": "2026-04-01"}
    await do("POST", f"people/{WANG}/posting", root, posting)
    await do("POST", f"people/{HEAD}/departure", root, {"left_on": "2026-06-01"})

    acme = {
        "id": ACME,
        "name": "华兴机械有限公司",
        "phone": "021-5555 1234",
        "tax_id": "91310000MA1FL0AA0X",
        "addresses": [{"text": "江宁路 1 号", "city": "上海", "country": "CN", "latitude": 31.2, "longitude": 121.4}],
        "source": "exhibition",
        "channel": "direct",
        "attributes": {"sector": "machines"},
        "prospect_since": "2026-01-05",
    }
    await do("POST", "customers", li, acme)
    await do("PATCH", f"customers/{ACME}", li, {"kind": "dealer"}, 1)
    boss = {"id": an_id("boss"), "name": "何总", "title": "总经理", "phone": "13900002222"}
    await do("POST", f"customers/{ACME}/contacts", li, boss | {"decision_role": "decision_maker"})
    buyer = {"id": an_id("buyer"), "name": "吴经理", "referred_by": an_id("boss")}
    await do("POST", f"customers/{ACME}/contacts", li, buyer)
    buying = {"decision_role": "buyer"}
    await do("PATCH", f"customers/{ACME}/contacts/{an_id('buyer')}", li, buying, 4)
    await do("POST", f"customers/{ACME}/contacts/{an_id('boss')}/departure", li, {"left_on": "2026-03-10"})
    await do("POST", f"customers/{ACME}/qualification", li, {})
    await do("POST", f"customers/{ACME}/owner", chief, {"owner": WANG, "valid_from": "2026-03-12"})
    time.move(timedelta(days=1))
    assert await commands.take_over_due(repositories) == 1
    await learner.take([said(an_id("order 2"), ACME, date(2026, 3, 12))])
    await learner.take([said(an_id("order 1"), ACME, date(2026, 3, 11))])
    why = {"reason": "没有新订单"}
    await do("POST", f"customers/{ACME}/dormancy", chief, why)
    time.move(timedelta(days=1))
    await learner.take([said(an_id("order 3"), ACME, date(2026, 3, 13))])

    old = {
        "id": IMPORTED,
        "name": "大成纺织",
        "owner": LI,
        "prospect_since": "2021-05-06",
        "occurred_at": "2021-05-06T12:00:00+08:00",
        "on_behalf_of": LI,
        "import_source": "crm:customers:17",
    }
    await do("POST", "customers", AS_IMPORTER, old)
    by_hand = {"reason": "年度框架协议", "occurred_at": "2021-06-07T12:00:00+08:00", "on_behalf_of": LI}
    await do("POST", f"customers/{IMPORTED}/activation", AS_IMPORTER, by_hand)
    await do("POST", "customers", li, {"id": LOST, "name": "远方贸易", "kind": "person"})
    await do("POST", f"customers/{LOST}/loss", li, {"reason": "选择了竞争对手"})

    await do("POST", "customers", AS_CHEN, {"id": FOLLOWING, "name": "钱塘织造"})
    now = clock.now()
    time.set(datetime(2026, 7, 1, 4, tzinfo=UTC))  # the day on which its office comes to another region
    assert await commands.follow_offices(repositories) == 1
    time.set(now)


NAMED = {
    ("sales.customer.registered", IMPORTED): "imported",
    ("sales.customer.activated", IMPORTED): "by_hand",
    ("sales.customer.registered", LOST): "person",
    ("sales.office.updated", HGH): "moved",
}
"""What is not the plain case of its type."""
PLAIN = {
    "sales.region.registered": {EAST},
    "sales.office.registered": {SHA},
    "sales.person.registered": {LI},
    "sales.customer.registered": {ACME},
}
"""Which of several alike is the sample."""


def sample_of(event: dict[str, Any]) -> str | None:
    """The name of the sample that the event is; None for one like another."""
    kind, subject = event["type"], event["subject"]
    if (kind, subject) in NAMED:
        return NAMED[kind, subject]
    if kind.endswith(".restated"):
        return "plain" if subject in {EAST, SHA, LI, ACME} else None
    if kind == "sales.customer.owner_changed" and event["data"]["owner"] != event["data"]["ownership"][-1]["owner"]:
        return "planned"
    if kind == "sales.customer.contact_added" and len(event["data"]["contacts"]) > 1:
        return "referred"
    return "plain" if subject in PLAIN.get(kind, {subject}) else None


async def test_every_event_is_its_sample(
    door: Door, database: Database, repositories: Repositories, learner: Learner, time: SetClock
) -> None:
    await story(door, repositories, learner, time)
    seen: set[str] = set()
    for repository in repositories.all:
        name = repository.collection.name
        async for document in database[name].find().sort("_id"):
            restated = await repository.restatement(document["_id"])
            for event in [*await events(database, name, document["_id"]), restated]:
                Event[repository.topic.state].model_validate_json(event)  # type: ignore[name-defined]
                if (sample := sample_of(json.loads(event))) is not None:
                    held_to_sample(event, sample)
                    seen.add(f"{json.loads(event)['type']}/{sample}")
    topics = (REGIONS, OFFICES, PEOPLE, CUSTOMERS)
    kinds = {kind.value for kind in chain.from_iterable(topic.types for topic in topics)}
    assert {name.partition("/")[0] for name in seen} == kinds
    committed = {f"{path.parent.name}/{path.stem}" for path in samples("customers")}
    assert committed == seen, "a sample that nobody emits"


ORDER_SAMPLES = [path for path in samples("orders") if path.parent.name.startswith("sales.order.")]


@pytest.mark.parametrize("path", ORDER_SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_every_event_of_an_order_is_taken(
    repositories: Repositories, learner: Learner, time: SetClock, path: Path
) -> None:
    event = received(path)
    order = json.loads(event.payload)
    buyer = customer(id=order["customer"])
    await repositories.customers.create(
        *model.register(buyer, event.time, event.business_date), Command("a test"), everything("a test")
    )
    await learner.take([event])
    stored = await repositories.customers.get(buyer.id, everything("a test looks at all"))
    assert (stored.state.activation is not None) == (order["confirmation"] is not None)
