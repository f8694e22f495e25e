"""Dead letters on a real broker and in a real database: found, shown, given back."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from chassis.aggregate import Repository
from chassis.consumer import Consumer
from chassis.ids import new_id
from chassis.mongo import Client
from chassis.relay import Relay
from chassis.scope import everything
from contracts.topics import REGIONS
from contracts.topics import dead_letters as topic_of
from salesbeat import dead_letters
from salesbeat.broker import Broker
from tests.chassis.parcels import Parcel, ParcelTopic, by, sent
from tests.chassis.test_bus import until

ALL = everything("a test of dead letters")

KEY, VALUE = b"k-1", b"no event at all"
SET_ASIDE_AT = "2026-11-24T08:00:00+00:00"
HEADERS = [
    ("reason", b"not an event"),
    ("topic", REGIONS.name.encode()),
    ("partition", b"0"),
    ("offset", b"41"),
    ("group", b"reporting"),
    ("setasideat", SET_ASIDE_AT.encode()),
    ("traceparent", b"00-1-2-3"),
]


async def test_a_record_that_was_set_aside_is_found_and_given_back(broker: Broker, tmp_path: Path) -> None:
    bootstrap, idempotent = broker.kafka_bootstrap, broker.kafka_idempotence
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=idempotent)
    await producer.start()
    await producer.send_and_wait(topic_of("reporting"), VALUE, KEY, headers=HEADERS)
    await producer.stop()

    mine = [record for record in await dead_letters.read(bootstrap) if record.said("setasideat") == SET_ASIDE_AT]
    assert [(record.group, record.key, record.value) for record in mine] == [("reporting", KEY, VALUE)]
    assert mine[0].came_from == f"{REGIONS.name}/0@41"

    await dead_letters.redrive(bootstrap, mine, idempotent=idempotent)
    dead_letters.remember(tmp_path, mine, "2026-11-25")
    assert dead_letters.redriven(tmp_path) == {mine[0].mark: "2026-11-25"}

    again = await _last_of(bootstrap, REGIONS.name)
    assert (again.key, again.value) == (KEY, VALUE)
    assert dict(again.headers) == {"content-type": b"application/cloudevents+json", "traceparent": b"00-1-2-3"}


async def _last_of(bootstrap: str, topic: str):
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=10)
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        last = None
        while last is None or await consumer.position(place) < (consumer.highwater(place) or 0):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                last = records[-1]
        return last
    finally:
        await consumer.stop()


async def test_an_event_that_could_not_be_published_is_found_and_put_back(
    mongo: str, mongo_client: Client, broker: Broker
) -> None:
    name = f"test_{new_id().replace('-', '')}"
    database = mongo_client.database(name)
    parcels = Repository(database, "parcels", ParcelTopic(), Parcel)
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    stored = await parcels.collection.find_one({"_id": state.id})
    event = stored["outbox"][0]["event"]
    await parcels.collection.update_one({"_id": state.id}, {"$set": {"outbox.0.event": b"x" * 1_200_000}})
    relay = Relay(database, [parcels], broker)
    await relay.start()

    async def set_aside() -> bool:
        return bool(await dead_letters.read_outbound(mongo, [name]))

    await until(set_aside)
    [letter] = await dead_letters.read_outbound(mongo, [name])
    assert letter.id == f"{name}:parcels/{state.id}@1"
    assert "1,200,000 bytes" in letter.row["reason"]
    assert letter.content == b"x" * 1_200_000

    # The cause is gone: redriven, it is published, and stays known as redriven.
    await database["dead_letters"].update_one({}, {"$set": {"event": event}})
    await dead_letters.redrive_outbound(mongo, await dead_letters.read_outbound(mongo, [name]))

    async def drained() -> bool:
        return not await parcels.collection.count_documents({"unsent_since": {"$exists": True}})

    await until(drained)
    assert (await _last_of(broker.kafka_bootstrap, ParcelTopic().name)).value == event
    [letter] = await dead_letters.read_outbound(mongo, [name])
    assert letter.redriven_at is not None
    await relay.stop()
    await mongo_client.drop(name)


@pytest.mark.parametrize(
    ("key", "value"),
    # Each just fits into a record, but not with a reason.
    [(KEY, b"\xff" * 1_048_400), (b"k" * 1_048_400, b"\xff")],
    ids=["a large value", "a large key"],
)
async def test_a_record_too_large_to_be_set_aside_is_redriven_from_where_it_stands(
    broker: Broker, key: bytes, value: bytes
) -> None:
    bootstrap, idempotent = broker.kafka_bootstrap, broker.kafka_idempotence
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=idempotent)
    await producer.start()
    where = await producer.send_and_wait(ParcelTopic().name, value, key)
    await producer.stop()

    async def nothing(_: object) -> None:
        return None

    consumer = Consumer("orders", [ParcelTopic().name], nothing, broker)
    await consumer.start()

    async def mine() -> list[dead_letters.Inbound]:
        return [
            each for each in await dead_letters.read(bootstrap, ["orders"]) if each.said("offset") == str(where.offset)
        ]

    async def set_aside() -> bool:
        return bool(await mine())

    await until(set_aside)
    await consumer.stop()
    [letter] = await mine()
    assert letter.left_at_its_place
    await dead_letters.redrive(bootstrap, [letter], idempotent=idempotent)
    again = await _last_of(bootstrap, ParcelTopic().name)
    assert (again.key, again.value) == (key, value)
