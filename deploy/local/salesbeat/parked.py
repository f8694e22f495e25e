"""`salesbeat parked`: the records that a consumer group could not handle, and how they get another chance.

They lie in `<group>.parked.v1` for ever, as chassis/consumer.py wrote them: the original key and value, and in the
headers where the record stood and why it was parked. Which of them were given back is remembered in the state folder.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from contracts.topics import SERVICES, parked
from salesbeat.refusals import Refused

REDRIVEN = "redriven.json"
LONGEST = 10.0
"""Seconds to read a topic to its end when the broker does not tell where that is."""
OURS = ("reason", "topic", "partition", "offset", "group", "parkedat", "correlation_id")
"""Headers that came with the parking."""
CONTENT_TYPE = ("content-type", b"application/cloudevents+json")


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked record."""

    group: str
    number: int
    """Its offset in the parking topic."""
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]

    def said(self, header: str) -> str:
        return self.headers.get(header, b"").decode(errors="replace")

    @property
    def id(self) -> str:
        """What the user calls it: orders:12."""
        return f"{self.group}:{self.number}"

    @property
    def came_from(self) -> str:
        return f"{self.said('topic')}/{self.said('partition')}@{self.said('offset')}"

    @property
    def mark(self) -> str:
        """Names it also after the embedded broker has begun to count anew."""
        return f"{self.group} {self.came_from} {self.said('parkedat')}"


async def read(bootstrap: str, groups: Sequence[str] = SERVICES) -> list[Parked]:
    """All parked records of these groups. Raises Refused when the broker is away."""
    topics = {parked(group): group for group in groups}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=10)
    found: list[Parked] = []
    try:
        await consumer.start()
        places = [TopicPartition(topic, 0) for topic in topics]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        deadline = time.monotonic() + LONGEST
        unread = set(places)
        while unread and time.monotonic() < deadline:
            # end_offsets is wrong on the embedded broker: what a fetch says of the end is right on both.
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [
                    Parked(topics[each.topic], each.offset, each.key, each.value, dict(each.headers))
                    for each in records
                ]
            for place in tuple(unread):
                end = consumer.highwater(place)
                if end is not None and await consumer.position(place) >= end:
                    unread.discard(place)
    except (KafkaError, OSError) as error:
        raise Refused(f"The broker at {bootstrap} cannot be read: {error}") from error
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.group, record.number))


def pick(records: Sequence[Parked], id: str) -> Parked:
    """Raises Refused when there is no such record."""
    for record in records:
        if record.id == id:
            return record
    raise Refused(f"No parked record is called {id}: `salesbeat parked list` shows them.")


async def redrive(bootstrap: str, records: Sequence[Parked], *, idempotent: bool) -> None:
    """Publish the original records again, in their order, where they came from. Raises Refused."""
    homeless = [record.id for record in records if not record.said("topic")]
    if homeless:
        raise Refused(f"{', '.join(homeless)}: it does not say which topic it came from, so it cannot be given back.")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=idempotent)
    try:
        await producer.start()
        for record in records:
            async with asyncio.timeout(30):
                await producer.send_and_wait(
                    record.said("topic"),
                    # An empty value was none before it was parked.
                    record.value or None,
                    record.key,
                    headers=_original(record),
                )
    except (KafkaError, OSError, TimeoutError) as error:
        raise Refused(f"The broker at {bootstrap} does not take it: {error or 'no answer'}") from error
    finally:
        await producer.stop()


def _original(record: Parked) -> list[tuple[str, bytes]]:
    """The headers of the original. FastStream names the content type of the parking; every event has the same one."""
    kept = [(name, value) for name, value in record.headers.items() if name not in (*OURS, CONTENT_TYPE[0])]
    return [CONTENT_TYPE, *kept]


def redriven(folder: Path) -> dict[str, str]:
    """When which record was given back, by its mark."""
    try:
        return json.loads((folder / REDRIVEN).read_text())
    except FileNotFoundError:
        return {}


def remember(folder: Path, records: Sequence[Parked], now: str) -> None:
    known = redriven(folder) | {record.mark: now for record in records}
    folder.mkdir(parents=True, exist_ok=True)
    making = folder / f"{REDRIVEN}.new"
    making.write_text(json.dumps(known, indent=1))
    making.replace(folder / REDRIVEN)
