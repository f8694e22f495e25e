"""`salesbeat dead-letters`: what could not be handled or published, and how it gets another chance.

In: a record that a consumer group could not handle lies in `<group>.dlq.v1` for ever, as chassis/consumer.py wrote it:
the original key and value, and in the headers where it stood and why. Redrive publishes the original again where it
came from. Which were given back is remembered in the state folder.

Out: an event that could not be published lies in the collection `dead_letters` of its service's database
(chassis/dead_letters.py). Redrive puts it back into the outbox of its record; the relay tries it again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from chassis import clock
from chassis.dead_letters import COLLECTION, VALUE_LEFT
from chassis.mongo import Client, Document, PyMongoError, connect
from contracts.topics import SERVICES, dead_letters
from salesbeat.refusals import Refused

REDRIVEN = "redriven.json"
LONGEST = 10.0
"""Seconds to read a topic to its end when the broker does not tell where that is."""
OURS = ("reason", "topic", "partition", "offset", "group", "setasideat", "value", "correlation_id")
"""Headers that came with the setting aside."""
CONTENT_TYPE = ("content-type", b"application/cloudevents+json")


@dataclass(frozen=True, slots=True)
class Inbound:
    """A record that a consumer could not handle."""

    group: str
    number: int
    """Its offset in the topic of the dead letters."""
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
    def left_at_its_place(self) -> bool:
        """It was too large to be set aside with its reason: it still stands where it came from."""
        return self.said("value") == VALUE_LEFT

    @property
    def mark(self) -> str:
        """Names it also after the embedded broker has begun to count anew."""
        return f"{self.group} {self.came_from} {self.said('setasideat')}"

    @property
    def row(self) -> dict[str, str]:
        return {
            "id": self.id,
            "direction": "in",
            "set_aside_at": self.said("setasideat"),
            "came_from": self.came_from,
            "key": (self.key or b"").decode(errors="replace"),
            "reason": self.said("reason"),
        }

    @property
    def details(self) -> Mapping[str, str]:
        return {**{name: self.said(name) for name in self.headers}, "key": self.row["key"]}

    @property
    def content(self) -> bytes:
        return self.value or b""


@dataclass(frozen=True, slots=True)
class Outbound:
    """An event that a relay could not publish."""

    service: str
    document: Document

    @property
    def id(self) -> str:
        """Such as visits:daily_reports/0190a3c2-...@7."""
        return f"{self.service}:{self.document['_id']}"

    @property
    def redriven_at(self) -> str | None:
        at: datetime | None = self.document.get("redriven_at")
        return at.isoformat() if at else None

    @property
    def row(self) -> dict[str, str]:
        return {
            "id": self.id,
            "direction": "out",
            "set_aside_at": self.document["at"].isoformat(),
            "came_from": str(self.document["_id"]),
            "key": str(self.document["aggregate"]),
            "reason": str(self.document["reason"]),
        }

    @property
    def details(self) -> Mapping[str, str]:
        shown = {name: value for name, value in self.document.items() if name not in ("event", "found")}
        return {name: str(value) for name, value in shown.items()}

    @property
    def content(self) -> bytes:
        return self.document.get("event") or str(self.document.get("found") or "").encode()


# --- in -------------------------------------------------------------------------------------------


async def read(bootstrap: str, groups: Sequence[str] = SERVICES) -> list[Inbound]:
    """All records that these groups have set aside. Raises Refused when the broker is away."""
    topics = {dead_letters(group): group for group in groups}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=10)
    found: list[Inbound] = []
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
                    Inbound(topics[each.topic], each.offset, each.key, each.value, dict(each.headers))
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


async def redrive(bootstrap: str, records: Sequence[Inbound], *, idempotent: bool) -> None:
    """Publish the original records again, in their order, where they came from. Raises Refused."""
    homeless = [record.id for record in records if not record.said("topic")]
    if homeless:
        raise Refused(f"{', '.join(homeless)}: it does not say which topic it came from, so it cannot be given back.")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=idempotent)
    try:
        await producer.start()
        for record in records:
            async with asyncio.timeout(30):
                key, value = record.key, record.value
                if record.left_at_its_place:
                    key, value = await _left(bootstrap, record)
                await producer.send_and_wait(
                    record.said("topic"),
                    # An empty value was none before it was set aside.
                    value or None,
                    key,
                    headers=_original(record),
                )
    except (KafkaError, OSError, TimeoutError) as error:
        raise Refused(f"The broker at {bootstrap} does not take it: {error or 'no answer'}") from error
    finally:
        await producer.stop()


async def _left(bootstrap: str, record: Inbound) -> tuple[bytes | None, bytes | None]:
    """Key and value of a record that stands where it came from. Raises KafkaError."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=10)
    try:
        await consumer.start()
        place = TopicPartition(record.said("topic"), int(record.said("partition")))
        consumer.assign([place])
        consumer.seek(place, int(record.said("offset")))
        found: Any = await consumer.getone(place)
        return found.key, found.value
    finally:
        await consumer.stop()


def _original(record: Inbound) -> list[tuple[str, bytes]]:
    """The headers of the original. FastStream names the content type of the dead letter; every event has the same
    one."""
    kept = [(name, value) for name, value in record.headers.items() if name not in (*OURS, CONTENT_TYPE[0])]
    return [CONTENT_TYPE, *kept]


def redriven(folder: Path) -> dict[str, str]:
    """When which record was given back, by its mark."""
    try:
        return json.loads((folder / REDRIVEN).read_text())
    except FileNotFoundError:
        return {}


def remember(folder: Path, records: Sequence[Inbound], now: str) -> None:
    known = redriven(folder) | {record.mark: now for record in records}
    folder.mkdir(parents=True, exist_ok=True)
    making = folder / f"{REDRIVEN}.new"
    making.write_text(json.dumps(known, indent=1))
    making.replace(folder / REDRIVEN)


# --- out ------------------------------------------------------------------------------------------


async def read_outbound(mongodb_uri: str, services: Sequence[str] = SERVICES) -> list[Outbound]:
    """All events that the relays of these services have set aside. Raises Refused when the database is away."""
    client = _connect(mongodb_uri)
    try:
        found: list[Outbound] = []
        for service in services:
            cursor = client.database(service)[COLLECTION].find().sort([("at", 1), ("_id", 1)])
            found += [Outbound(service, document) for document in await cursor.to_list(None)]
        return found
    except PyMongoError as error:
        raise Refused(f"The database cannot be read: {error}") from error
    finally:
        await client.close()


async def redrive_outbound(mongodb_uri: str, letters: Sequence[Outbound]) -> None:
    """Put these events back into the outboxes of their records, before newer ones. Raises Refused."""
    client = _connect(mongodb_uri)
    try:
        for letter in letters:
            database, document = client.database(letter.service), letter.document
            result = await database[document["collection"]].update_one(
                {"_id": document["aggregate"]}, _again(document, clock.now())
            )
            if not result.matched_count:
                raise Refused(f"{letter.id}: its record is no longer there, so there is nothing to publish.")
            await database[COLLECTION].update_one({"_id": document["_id"]}, {"$set": {"redriven_at": clock.now()}})
    except PyMongoError as error:
        raise Refused(f"The database does not take it: {error}") from error
    finally:
        await client.close()


def _again(letter: Document, now: datetime) -> Any:
    """The event itself, with its version; where there was none that could be read, the record's present state."""
    event = letter.get("event")
    entry: Document = (
        {"version": letter["version"], "at": now, "event": event}
        if event is not None
        else {"version": "$version", "restate": True, "at": now}
    )
    outbox: Document = {"$cond": [{"$isArray": "$outbox"}, "$outbox", []]}
    return [
        {
            "$set": {
                "outbox": {"$concatArrays": [[entry], outbox]},
                "outbox_bytes": {"$add": [{"$ifNull": ["$outbox_bytes", 0]}, len(event or b"")]},
                "unsent_since": {"$ifNull": ["$unsent_since", now]},
            }
        }
    ]


def _connect(mongodb_uri: str) -> Client:
    try:
        return connect(mongodb_uri)
    except ValueError as error:
        raise Refused(str(error)) from None
