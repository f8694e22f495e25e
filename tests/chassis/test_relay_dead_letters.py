"""What cannot be published is set aside alone, with its reason, and everything else goes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from bson.datetime_ms import DatetimeMS

from chassis import relay as relay_module
from chassis.aggregate import Repository
from chassis.consumer import Consumer
from chassis.dead_letters import COLLECTION
from chassis.ids import new_id
from chassis.mongo import Database
from chassis.relay import Relay
from chassis.scope import everything
from tests.chassis.parcels import Parcel, ParcelTopic, by, moved, sent
from tests.chassis.test_bus import Listener, until

ALL = everything("a test of the chassis")


@pytest.fixture
async def listener(broker: Any) -> AsyncIterator[Listener]:
    heard = Listener()
    consumer = Consumer(f"test-{new_id()}", [ParcelTopic().name], heard, broker, dead_letters="customers.dlq.v1")
    await consumer.start()
    yield heard
    await consumer.stop()


async def made(parcels: Repository[Parcel], count: int = 1) -> list[str]:
    ids = []
    for _ in range(count):
        state, what = sent()
        await parcels.create(state, what, by(), ALL)
        ids.append(state.id)
    return ids


async def drained(parcels: Repository[Parcel]) -> bool:
    return not await parcels.collection.count_documents({"unsent_since": {"$exists": True}})


async def letters(database: Database) -> dict[str, str]:
    return {letter["aggregate"]: letter["reason"] async for letter in database[COLLECTION].find()}


BIG = b'{"of": "' + b"x" * 1_200_000 + b'"}'

POISONS: dict[str, tuple[Any, str]] = {
    "an event larger than the bus takes": (
        {"$set": {"outbox.0.event": BIG}, "$inc": {"outbox_bytes": len(BIG)}},
        "1,200,010 bytes",
    ),
    "a restatement of a record that cannot be decoded": (
        {"$set": {"place": DatetimeMS(2**60), "outbox.0": {"version": 1, "restate": True}}},
        "the record cannot be read",
    ),
    "a restatement of a record that does not suit its model": (
        {"$set": {"place": 17, "outbox.0": {"version": 1, "restate": True}}},
        "Input should be a valid string",
    ),
    "events that cannot be decoded": ({"$set": {"outbox.0.at": DatetimeMS(2**60)}}, "cannot be read"),
    "an outbox that is none": ({"$set": {"outbox": "nonsense"}}, "no event"),
    "no outbox": ({"$unset": {"outbox": ""}}, "no event"),
    "an empty outbox": ({"$set": {"outbox": []}}, "no event"),
    "an entry that is none": ({"$set": {"outbox": [17]}}, "is none"),
    "an entry without a version": ({"$set": {"outbox": [{"event": b"{}"}]}}, "is none"),
    "a version that is no number": ({"$set": {"outbox.0.version": "1"}}, "is none"),
    "an entry without an event": ({"$unset": {"outbox.0.event": ""}}, "no event"),
    "an event that is no text": ({"$set": {"outbox.0.event": {"a": 1}}}, "no event"),
}


@pytest.mark.parametrize(("poison", "reason"), POISONS.values(), ids=list(POISONS))
async def test_a_poisoned_record_is_set_aside_alone(
    parcels: Repository[Parcel],
    both_drivers: Database,
    broker: Any,
    listener: Listener,
    poison: Any,
    reason: str,
) -> None:
    before, bad, after = await made(parcels, 3)
    await parcels.collection.update_one({"_id": bad}, poison)
    relay = Relay(both_drivers, [parcels], broker)
    await relay.start()
    await until(lambda: {before, after} <= listener.of(before, after).keys())
    await until(lambda: drained(parcels))
    assert list(await letters(both_drivers)) == [bad]
    assert reason in (await letters(both_drivers))[bad]
    [later] = await made(parcels)
    await until(lambda: later in listener.of(later))
    assert relay.ready() is None
    assert relay.alive()
    await relay.stop()


async def test_a_later_state_of_a_record_whose_event_was_set_aside_goes_out(
    parcels: Repository[Parcel], both_drivers: Database, broker: Any, listener: Listener
) -> None:
    [bad] = await made(parcels)
    await parcels.change(bad, ALL, moved("there"), by())
    await parcels.collection.update_one({"_id": bad}, {"$set": {"outbox.0.event": BIG}})
    relay = Relay(both_drivers, [parcels], broker)
    await relay.start()
    await until(lambda: listener.of(bad) == {bad: [2]})
    letter = await both_drivers[COLLECTION].find_one({"aggregate": bad})
    assert (letter["_id"], letter["event"], letter["version"]) == (f"parcels/{bad}@1", BIG, 1)
    await relay.stop()


async def test_an_event_that_fails_for_an_unforeseen_reason_is_tried_again_and_then_set_aside(
    parcels: Repository[Parcel],
    both_drivers: Database,
    broker: Any,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = await made(parcels, 2)
    event = Relay._event
    tried = 0

    async def unforeseen(self: Relay, repository: Any, aggregate_id: str, entry: Any) -> bytes:
        nonlocal tried
        if aggregate_id == bad:
            tried += 1
            raise ZeroDivisionError("nobody has foreseen this")
        return await event(self, repository, aggregate_id, entry)

    monkeypatch.setattr(Relay, "_event", unforeseen)
    relay = Relay(both_drivers, [parcels], broker)
    await relay.start()
    await until(lambda: good in listener.of(good))
    await until(lambda: drained(parcels))
    assert await letters(both_drivers) == {bad: "ZeroDivisionError: nobody has foreseen this"}
    assert tried == relay_module.ATTEMPTS
    await relay.stop()


async def test_an_event_that_only_the_broker_refuses_is_set_aside_alone(
    parcels: Repository[Parcel], both_drivers: Database, broker: Any
) -> None:
    """Its neighbours of the same batch are refused with it, and go out alone."""
    if broker.kind != "apache":
        pytest.skip("the embedded broker has no limit of a topic's own")
    topic = ParcelTopic(name=f"test.narrow.{new_id()}")
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic.name, 1, 1, topic_configs={"max.message.bytes": "3000"})])
    repository = Repository(both_drivers, "parcels", topic, Parcel)
    good, bad, also_good = await made(repository, 3)
    await repository.collection.update_one({"_id": bad}, {"$set": {"outbox.0.event": b'"' + b"y" * 5_000 + b'"'}})
    heard = Listener()
    consumer = Consumer(f"test-{new_id()}", [topic.name], heard, broker, dead_letters="customers.dlq.v1")
    await consumer.start()
    relay = Relay(both_drivers, [repository], broker)
    await relay.start()
    await until(lambda: drained(repository))
    await until(lambda: {good, also_good} <= heard.of(good, also_good).keys())
    assert "the broker refuses the record" in (await letters(both_drivers))[bad]
    [later] = await made(repository)
    await until(lambda: later in heard.of(later))
    await relay.stop()
    await consumer.stop()
    await admin.delete_topics([topic.name])
    await admin.close()


async def test_a_topic_that_is_missing_holds_up_no_other(
    parcels: Repository[Parcel], both_drivers: Database, broker: Any, listener: Listener, monkeypatch: Any
) -> None:
    monkeypatch.setattr(relay_module, "ANSWER_WITHIN", 1.0)
    nowhere = Repository(both_drivers, "lost", ParcelTopic(name=f"test.missing.{new_id()}"), Parcel)
    relay = Relay(both_drivers, [nowhere, parcels], broker)
    await relay.start()
    await made(nowhere)
    [good] = await made(parcels)
    await until(lambda: good in listener.of(good))
    [later] = await made(parcels)
    await until(lambda: later in listener.of(later))
    assert nowhere.topic.name in (relay.ready() or "")
    assert await nowhere.collection.count_documents({"unsent_since": {"$exists": True}}) == 1
    assert await letters(both_drivers) == {}
    await relay.stop()


async def test_the_age_of_the_oldest_event_is_read_from_the_index_alone(parcels: Repository[Parcel]) -> None:
    await made(parcels, 3)
    explained = await parcels.collection.database.command(
        {
            "explain": {
                "find": parcels.collection.name,
                "filter": {"unsent_since": {"$gt": relay_module.LONG_AGO}},
                "projection": {"_id": 0, "unsent_since": 1},
                "sort": {"unsent_since": 1},
                "limit": 1,
            },
            "verbosity": "executionStats",
        }
    )
    stats = explained["executionStats"]
    assert (stats["totalDocsExamined"], stats["totalKeysExamined"]) == (0, 1)
    assert "COLLSCAN" not in str(explained["queryPlanner"]["winningPlan"])


async def test_unsent_events_are_found_by_an_index_oldest_first(parcels: Repository[Parcel]) -> None:
    await made(parcels, 3)
    explained = await parcels.collection.database.command(
        {
            "explain": {
                "find": parcels.collection.name,
                "filter": {"shard": {"$in": list(range(16))}, "unsent_since": {"$exists": True}},
                "sort": {"unsent_since": 1},
                "limit": 500,
            }
        }
    )
    plan = str(explained["queryPlanner"]["winningPlan"])
    assert "unsent_oldest_first" in plan
    assert "COLLSCAN" not in plan
    assert "'stage': 'SORT'" not in plan


async def test_after_an_outage_events_go_out_in_passes_of_a_bounded_size(
    parcels: Repository[Parcel], both_drivers: Database, broker: Any, listener: Listener, monkeypatch: Any
) -> None:
    monkeypatch.setattr(relay_module, "AT_ONCE_BYTES", 50_000)
    ids = await made(parcels, 250)
    relay = Relay(both_drivers, [parcels], broker)
    documents = await relay._unsent(parcels, range(relay_module.SHARDS))
    assert relay_module.A_LOOK <= len(documents) < len(ids)
    await relay.start()
    await until(lambda: set(ids) <= listener.of(*ids).keys())
    await until(lambda: drained(parcels))
    await relay.stop()
