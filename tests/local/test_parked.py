"""Parked records on a real broker: found, shown, given back."""

from __future__ import annotations

from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.topics import REGIONS
from contracts.topics import parked as parking_topic
from salesbeat import parked
from salesbeat.broker import Broker

KEY, VALUE = b"k-1", b"no event at all"
PARKED_AT = "2026-11-24T08:00:00+00:00"
HEADERS = [
    ("reason", b"not an event"),
    ("topic", REGIONS.name.encode()),
    ("partition", b"0"),
    ("offset", b"41"),
    ("group", b"reporting"),
    ("parkedat", PARKED_AT.encode()),
    ("traceparent", b"00-1-2-3"),
]


async def test_a_parked_record_is_found_and_given_back(broker: Broker, tmp_path: Path) -> None:
    bootstrap, idempotent = broker.kafka_bootstrap, broker.kafka_idempotence
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=idempotent)
    await producer.start()
    await producer.send_and_wait(parking_topic("reporting"), VALUE, KEY, headers=HEADERS)
    await producer.stop()

    mine = [record for record in await parked.read(bootstrap) if record.said("parkedat") == PARKED_AT]
    assert [(record.group, record.key, record.value) for record in mine] == [("reporting", KEY, VALUE)]
    assert mine[0].came_from == f"{REGIONS.name}/0@41"
    assert parked.pick(mine, mine[0].id) == mine[0]

    await parked.redrive(bootstrap, mine, idempotent=idempotent)
    parked.remember(tmp_path, mine, "2026-11-25")
    assert parked.redriven(tmp_path) == {mine[0].mark: "2026-11-25"}

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
