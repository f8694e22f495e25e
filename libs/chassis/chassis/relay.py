"""The relay: publishes unsent events in order per key, then drains them from their documents.

It learns of new ones at once (a nudge in the same process, a change stream elsewhere) and sweeps as a
safety net. It leases shards, so that two replicas do not publish the same aggregate; a lapsed lease
causes at worst a duplicate, which every consumer refuses by its version.

One event that cannot be published is set aside alone (chassis/dead_letters.py): it is too large, or its record cannot
be read. Later events of the same aggregate may go, because each carries the whole state. One topic that takes nothing
rests alone, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from chassis import clock, ids
from chassis.aggregate import SHARDS, Repository
from chassis.bus import RECORD_FAULTS, BusSettings, BusWatch, broker, reach, whole
from chassis.dead_letters import Outbound
from chassis.mongo import (
    ASCENDING,
    BulkWriteError,
    Collection,
    Database,
    Document,
    DuplicateKey,
    PyMongoError,
    Unreadable,
    UpdateOne,
    changes,
    read_each,
    relaxed,
)
from chassis.problems import NotFound, UnreadableRecord
from chassis.supervision import Supervisor
from chassis.turns import Turn
from contracts.envelope import CONTENT_TYPE

log = structlog.get_logger()

AT_ONCE = 500
"""Documents of one pass: large enough to fill the producer's batches, small enough to drain soon."""
AT_ONCE_BYTES = 32 * 2**20
"""Bytes of events of one pass, reached after an outage, when documents hold many large events."""
A_LOOK = 100
"""Documents that are taken out of the server's answer before their size is looked at: its first one has 101."""
SWEEP = 1.0
"""Seconds between sweeps where a change stream nudges; a lost nudge costs at most this."""
POLL = 0.05
"""Seconds between sweeps where the server has no change streams (a standalone)."""
REST = 4.0
"""After a pass that has published, the relay rests so many times as long as it took: it works a fifth of the time at
most. A lone event leaves at once; where many come, a pass takes several. With a pass for each, 8 clients got 250
orders/s and not 400, and at 100 commands/s a number was seen after 68 ms and not 40."""
LONGEST_REST = 0.05
LEASE = timedelta(seconds=10)
STALLED_AFTER = 60.0
LARGEST = 1_040_000
"""Bytes of an event that are tried: the bus takes 1,048,576 with key, headers and the frame around it."""
ATTEMPTS = 4
"""How often an event is tried that fails for a reason that nobody has foreseen, before it is set aside."""
ANSWER_WITHIN = 10.0
"""Seconds for the bus to take events in. Without a bound, a topic that is missing holds the others up for 40 s."""
SLOWEST = 2**20
"""Bytes a second that the bus takes in at least."""
CONFIRM_WITHIN = 60.0
"""Seconds for the bus to confirm; its client gives up after 40."""
TOPIC_PAUSE = 30.0
"""Seconds, at most, between two attempts at a topic that takes nothing while the bus answers."""
LOOK_AT_AGE = 2.0
"""Seconds between two looks for the oldest unsent event."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_published = Counter("relay_published_total", "Events published", ["topic"])
_oldest = Gauge("relay_oldest_unsent_seconds", "Age of the oldest unsent event; the objective is below 2", ["topic"])


class _Unpublishable(Exception):
    """The text is the reason. found: what stands where an event should be."""

    def __init__(self, reason: str, found: Any = None) -> None:
        super().__init__(reason)
        self.found = found


@dataclass(slots=True)
class _Entry:
    """One entry of an outbox on its way. fault: why it cannot be published, ever; doubt: an error of unknown kind."""

    version: int | None
    event: bytes | None = None
    sending: Any = None
    sent: bool = False
    fault: str | None = None
    found: Any = None
    doubt: Exception | None = None


@dataclass(slots=True)
class _Aggregate:
    """A document with its entries. whole: why not even its outbox can be read."""

    document: Document
    id: str
    entries: list[_Entry] = field(default_factory=list[_Entry])
    whole: _Unpublishable | None = None

    @property
    def done(self) -> int | None:
        """The version up to which each entry was published or set aside."""
        version: int | None = None
        for entry in self.entries:
            if not entry.sent and entry.fault is None:
                break
            if entry.version is not None:
                version = max(entry.version, version or 0)
        return version


@dataclass(slots=True)
class _Topic:
    """A topic that takes nothing at present."""

    reason: str
    pause: float
    until: float


class Relay:
    """Publishes for all repositories of one service."""

    def __init__(self, database: Database, repositories: Sequence[Repository[Any]], settings: BusSettings) -> None:
        self._database = database
        self._repositories = tuple(repositories)
        self._settings = settings
        self._broker = broker(settings, client_id="relay")
        self._leases = Leases(database["relay_leases"])
        self.letters = Outbound(database)
        self.bus = BusWatch(settings)
        self._nudged = asyncio.Event()
        self._heeded = asyncio.Event()
        """The last nudge is being looked after."""
        self._dirty: set[str] = set()
        """Collections in which something was saved since the last look at them."""
        self._swept = float("-inf")
        self._tasks = Supervisor()
        self._wait = POLL
        self._turn = Turn()
        self._failing: str | None = None
        self._resting: dict[str, _Topic] = {}
        self._tried: dict[tuple[str, str, int | None], int] = {}
        for repository in self._repositories:
            repository.on_save = partial(self.nudge, repository.collection.name)

    def nudge(self, collection: str) -> None:
        """Something was saved there: look at once."""
        self._dirty.add(collection)
        self._nudged.set()

    async def start(self) -> None:
        self._tasks.start("relay", self._run)
        self._tasks.start("relay changes", self._listen)
        self._tasks.start("relay bus", self.bus.run)
        self._tasks.start("dead letters", self.letters.prepare, endless=False)
        self._tasks.repeat("relay age", LOOK_AT_AGE, self.measure)

    async def stop(self) -> None:
        """End after the pass at hand and give the leases back."""
        await self._tasks.stop()
        with contextlib.suppress(PyMongoError):
            await self._leases.release()
        await whole(self._broker.stop())

    @property
    def dead(self) -> str | None:
        """Which of its tasks fails for so long that the process should be started anew."""
        return self._tasks.live()

    def alive(self) -> bool:
        if self.dead:
            return False
        waits = self._failing is not None or self.bus.away is not None
        return waits or not self._turn.stalled(STALLED_AFTER)

    def ready(self) -> str | None:
        """None, or why events are not leaving. Commands are taken all the same."""
        topics = "; ".join(f"{name}: {topic.reason}" for name, topic in self._resting.items())
        return self.bus.away or self._failing or topics or self._tasks.ready()

    async def _run(self) -> None:
        with self._turn.current():
            await self._look_and_rest()

    async def _look_and_rest(self) -> None:
        pause = 0.1
        while True:
            self._turn.note()
            try:
                if not self._broker_started():
                    await reach(self._settings)
                    await whole(self._broker.start())
                self._nudged.clear()
                self._heeded.set()
                began = time.monotonic()
                published = await self._look()
                self._failing = None
                pause = 0.1
                if published:
                    await asyncio.sleep(min(REST * (time.monotonic() - began), LONGEST_REST))
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._nudged.wait(), self._wait)
            except (KafkaError, PyMongoError, OSError) as error:
                self._failing = _reason(error)
                log.warning("events wait", reason=self._failing)
                if not isinstance(error, PyMongoError):
                    await self._restart_producer()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    def _broker_started(self) -> bool:
        return bool(self._broker.config.broker_config.producer)

    async def _restart_producer(self) -> None:
        """An idempotent producer counts what it sends, so after a refused batch the broker refuses its further ones."""
        with contextlib.suppress(Exception):
            await whole(self._broker.stop())

    async def sweep(self) -> int:
        """One pass over everything unsent in the leased shards; how many events were published."""
        return sum([await self._pass(repository) for repository in self._repositories])

    async def _look(self) -> int:
        """A sweep when it is due, else a pass over where something was saved or something may be left."""
        if time.monotonic() - self._swept >= self._wait:
            began = time.monotonic()
            published = await self.sweep()
            self._swept = began
            return published
        published = 0
        for repository in self._repositories:
            name = repository.collection.name
            if name in self._dirty:
                self._dirty.discard(name)
                published += await self._pass(repository)
        return published

    async def _pass(self, repository: Repository[Any]) -> int:
        """Publish what one collection has. Raises what stands in the way of all topics alike."""
        topic = repository.topic.name
        rests = self._resting.get(topic)
        if rests is not None and time.monotonic() < rests.until:
            return 0
        if not (shards := await self._leases.hold()):
            return 0
        documents = await self._unsent(repository, shards)
        if not documents:
            self._resting.pop(topic, None)
            return 0
        aggregates = [_Aggregate(document, str(document.get("_id"))) for document in documents]
        refused = await self._publish(repository, aggregates)
        await self._set_aside(repository, aggregates)
        await self._drain(repository, aggregates)
        sent = sum(entry.sent for aggregate in aggregates for entry in aggregate.entries)
        _published.labels(topic).inc(sent)
        if refused is None:
            self._resting.pop(topic, None)
            return sent
        await self.bus.look()
        if self.bus.away or not isinstance(refused, KafkaError | TimeoutError):
            raise refused
        # The bus answers, so it is this topic alone: the others go on.
        await self._restart_producer()
        await whole(self._broker.start())
        pause = min(rests.pause * 2, TOPIC_PAUSE) if rests else 0.5
        self._resting[topic] = _Topic(_reason(refused), pause, time.monotonic() + pause)
        log.warning("events of a topic wait", topic=topic, reason=_reason(refused))
        return sent

    async def _unsent(self, repository: Repository[Any], shards: Sequence[int]) -> list[Document]:
        """Documents with unsent events, the oldest first, up to a number and a size."""
        where = {"shard": {"$in": list(shards)}, "unsent_since": {"$exists": True}}
        shown = {"version": 1, "outbox": 1, "outbox_bytes": 1, "unsent_since": 1}
        order = [("unsent_since", ASCENDING)]
        cursor = repository.collection.find(where, shown).sort(order).limit(AT_ONCE)
        found: list[Document] = []
        size = 0
        try:
            while size <= AT_ONCE_BYTES:
                some: list[Document] = await cursor.to_list(A_LOOK)
                found += some
                size += sum(map(_size, some))
                if len(some) < A_LOOK:
                    break
        except (PyMongoError, OSError):
            raise
        except Exception:  # a document that the driver cannot decode holds up no other
            return await read_each(repository.collection, where, shown, sort=order, limit=AT_ONCE)
        finally:
            await cursor.close()
        if len(found) == AT_ONCE or size > AT_ONCE_BYTES:
            self.nudge(repository.collection.name)  # there may be more; whatever comes later nudges by itself
        return found

    async def _publish(self, repository: Repository[Any], aggregates: Sequence[_Aggregate]) -> Exception | None:
        """All events, pipelined: 34,500/s against 2,500/s one by one. Returns when the broker has answered for each.

        Answers an error that stands in the way of the whole topic, if there is one.
        """
        for aggregate in aggregates:
            await self._read(repository, aggregate)
        refused = await self._begin_all(repository, aggregates)
        sending = [entry for aggregate in aggregates for entry in aggregate.entries if entry.sending is not None]
        try:
            async with asyncio.timeout(CONFIRM_WITHIN):
                answers = await asyncio.gather(*(entry.sending for entry in sending), return_exceptions=True)
        except TimeoutError:
            return TimeoutError(f"the bus has not confirmed within {CONFIRM_WITHIN:.0f} s")
        alone: list[_Entry] = []
        for entry, answer in zip(sending, answers, strict=True):
            if not isinstance(answer, BaseException):
                entry.sent = True
            elif isinstance(answer, RECORD_FAULTS):
                alone.append(entry)
            else:  # CancelledError, too: the producer has ended
                refused = refused or (answer if isinstance(answer, Exception) else OSError("the producer has ended"))
        of = {id(entry): aggregate.id for aggregate in aggregates for entry in aggregate.entries}
        for entry in alone:
            # The broker refuses a batch as a whole: alone, each meets its own fate.
            refused = await self._once_alone(repository, of[id(entry)], entry) or refused
        return refused

    async def _read(self, repository: Repository[Any], aggregate: _Aggregate) -> None:
        """Find the entries of a document; what is no entry has its fault noted."""
        document = aggregate.document
        outbox = document.get("outbox")
        if isinstance(document, Unreadable) and not isinstance(outbox, list):
            aggregate.whole = _Unpublishable(f"the record's events cannot be read: {document.reason}")
            return
        if not isinstance(outbox, list) or not outbox:
            aggregate.whole = _Unpublishable("the record is marked as unsent, but has no event", outbox)
            return
        for found in outbox:
            version = found.get("version") if isinstance(found, dict) else None
            entry = _Entry(version if isinstance(version, int) else None)
            aggregate.entries.append(entry)
            try:
                entry.event = await self._event(repository, aggregate.id, found)
                if len(entry.event) > LARGEST:
                    raise _Unpublishable(f"the event has {len(entry.event):,} bytes, and the bus takes {LARGEST:,}")
            except NotFound:
                entry.sent = True  # the record is gone, and with it what it had to say
            except UnreadableRecord as error:
                entry.fault = f"the record cannot be read: {error.reason}"
            except _Unpublishable as error:
                entry.fault, entry.found = str(error), error.found
            except (PyMongoError, OSError):
                raise
            except Exception as error:
                entry.doubt = error

    async def _event(self, repository: Repository[Any], aggregate_id: str, entry: Any) -> bytes:
        if not isinstance(entry, dict) or not isinstance(entry.get("version"), int):
            raise _Unpublishable("an entry of the record's outbox is none", entry)
        event = entry.get("event")
        if event is None and entry.get("restate"):
            return await repository.restatement(aggregate_id)
        if not isinstance(event, bytes) or not event:
            raise _Unpublishable("an entry of the record's outbox has no event", entry)
        return event

    async def _begin_all(self, repository: Repository[Any], aggregates: Sequence[_Aggregate]) -> Exception | None:
        size = sum(_size(aggregate.document) for aggregate in aggregates)
        patience = ANSWER_WITHIN + size / SLOWEST
        try:
            async with asyncio.timeout(patience):
                for aggregate in aggregates:
                    for entry in aggregate.entries:
                        if entry.event is None or entry.fault is not None:
                            continue
                        if (refused := await self._begin(repository, aggregate.id, entry)) is not None:
                            return refused
        except TimeoutError:
            return TimeoutError(f"the topic takes nothing within {patience:.0f} s")
        return None

    async def _begin(self, repository: Repository[Any], aggregate_id: str, entry: _Entry) -> Exception | None:
        """Hand an event to the producer. Answers an error that stands in the way of the whole topic."""
        try:
            entry.sending = await self._broker.publish(
                entry.event,
                topic=repository.topic.name,
                key=aggregate_id.encode(),
                headers={"content-type": CONTENT_TYPE},
                no_confirm=True,
            )
        except RECORD_FAULTS as error:
            entry.fault = _reason(error)
        except (KafkaError, OSError) as error:
            return error
        except Exception as error:
            entry.doubt = error
        return None

    async def _once_alone(self, repository: Repository[Any], aggregate_id: str, entry: _Entry) -> Exception | None:
        await self._restart_producer()
        await whole(self._broker.start())
        entry.sending = None
        try:
            async with asyncio.timeout(CONFIRM_WITHIN):
                if (refused := await self._begin(repository, aggregate_id, entry)) is not None or entry.sending is None:
                    return refused
                await entry.sending
        except RECORD_FAULTS as error:
            entry.fault = f"the broker refuses the record: {_reason(error)}"
            await self._restart_producer()
            await whole(self._broker.start())
        except (KafkaError, OSError) as error:
            return error
        else:
            entry.sent = True
        return None

    async def _set_aside(self, repository: Repository[Any], aggregates: Sequence[_Aggregate]) -> None:
        """Keep what cannot be published, before it is taken out of its document."""
        name, topic = repository.collection.name, repository.topic.name
        for aggregate in aggregates:
            document = aggregate.document
            version = document.get("version")
            if aggregate.whole is not None:
                await self.letters.keep(
                    name,
                    topic,
                    aggregate.id,
                    version if isinstance(version, int) else None,
                    str(aggregate.whole),
                    found=aggregate.whole.found,
                )
            for entry in aggregate.entries:
                if entry.doubt is not None:
                    self._doubt(name, aggregate.id, entry)
                if entry.fault is not None:
                    await self.letters.keep(
                        name, topic, aggregate.id, entry.version, entry.fault, event=entry.event, found=entry.found
                    )

    def _doubt(self, collection: str, aggregate_id: str, entry: _Entry) -> None:
        """Try an event again that failed for an unforeseen reason, and give it up after some attempts."""
        key, error = (collection, aggregate_id, entry.version), entry.doubt
        self._tried[key] = self._tried.get(key, 0) + 1
        log.error("event failed", record=aggregate_id, attempt=self._tried[key], exc_info=error)
        if self._tried[key] >= ATTEMPTS:
            del self._tried[key]
            entry.fault = f"{type(error).__name__}: {error}"

    async def _drain(self, repository: Repository[Any], aggregates: Sequence[_Aggregate]) -> None:
        drained: list[_Aggregate] = []
        writes: list[UpdateOne] = []
        for aggregate in aggregates:
            if aggregate.whole is not None or all(entry.version is None for entry in aggregate.entries):
                writes.append(_emptied(aggregate.document))
            elif (version := aggregate.done) is not None:
                writes.append(_drain(aggregate.document["_id"], version))
            else:
                continue
            drained.append(aggregate)
        if not writes:
            return
        collection = relaxed(repository.collection)
        try:
            await collection.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            details: Any = error.details
            if details["writeConcernErrors"]:
                raise
            for failed in details["writeErrors"]:
                # What cannot be taken out would be published again and again.
                await collection.bulk_write([_emptied(drained[failed["index"]].document)])

    async def measure(self) -> None:
        """The age of the oldest unsent event, by topic: asked of the index, whoever holds the leases, with or without
        a bus."""
        for repository in self._repositories:
            # By a comparison and not by `$exists`, so that the index alone answers.
            cursor = (
                repository.collection.find({"unsent_since": {"$gt": LONG_AGO}}, {"_id": 0, "unsent_since": 1})
                .sort([("unsent_since", ASCENDING)])
                .limit(1)
            )
            oldest = await cursor.to_list(None)
            age = (clock.now() - oldest[0]["unsent_since"]).total_seconds() if oldest else 0.0
            _oldest.labels(repository.topic.name).set(max(age, 0.0))

    async def _listen(self) -> None:
        """Nudge on every document that has become unsent, while the server can tell."""
        pipeline = [
            {
                "$match": {
                    "$or": [
                        {"fullDocument.unsent_since": {"$exists": True}},
                        {"updateDescription.updatedFields.unsent_since": {"$exists": True}},
                    ]
                }
            },
            {"$project": {"ns": 1}},
        ]
        while True:
            try:
                async with contextlib.aclosing(changes(self._database, pipeline)) as batches:
                    async for found in batches:
                        self._wait = SWEEP
                        self._heeded.clear()
                        for change in found:
                            self.nudge(change["ns"]["coll"])
                        # Until then there is nothing to add, and each look at the changes costs the server.
                        await self._heeded.wait()
            except PyMongoError as error:
                self._wait = POLL
                log.info("no change stream, the relay polls", reason=str(error)[:200])
                await asyncio.sleep(10)


def _size(document: Document) -> int:
    """Bytes of the events in a document, as it says itself."""
    size = document.get("outbox_bytes")
    return size if isinstance(size, int) else 0


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


_OUTBOX: Document = {"$cond": [{"$isArray": "$outbox"}, "$outbox", []]}
_IS_TEXT: Document = {"$in": [{"$type": "$$this.event"}, ["binData", "string"]]}


def _drain(aggregate_id: Any, published: int) -> UpdateOne:
    """Keep the events above the published version; unset `unsent_since` when none is left."""
    newer = {"$and": [{"$isNumber": "$$this.version"}, {"$gt": ["$$this.version", published]}]}
    size = {"$cond": [_IS_TEXT, {"$binarySize": "$$this.event"}, 0]}
    return UpdateOne(
        {"_id": aggregate_id},
        [
            {"$set": {"outbox": {"$filter": {"input": _OUTBOX, "cond": newer}}}},
            {
                "$set": {
                    "unsent_since": {"$ifNull": [{"$first": "$outbox.at"}, "$$REMOVE"]},
                    "outbox_bytes": {"$sum": {"$map": {"input": "$outbox", "in": size}}},
                }
            },
        ],
    )


def _emptied(document: Document) -> UpdateOne:
    """Take everything out of a damaged outbox, unless the record has gone on meanwhile."""
    version = document.get("version")
    return UpdateOne(
        {"_id": document.get("_id"), **({"version": version} if isinstance(version, int) else {})},
        {"$set": {"outbox": [], "outbox_bytes": 0}, "$unset": {"unsent_since": ""}},
    )


class Leases:
    """Which of the shards this process may publish: a fair share of them, for a limited time."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._me = ids.new_id()
        self._held: list[int] = []
        self._renew_at = 0.0

    async def hold(self) -> list[int]:
        """The shards held now; renews and takes when due."""
        if time.monotonic() < self._renew_at:
            return self._held
        now = clock.now()
        until = now + LEASE
        await self._collection.update_one({"_id": f"relay:{self._me}"}, {"$set": {"until": until}}, upsert=True)
        await self._collection.delete_many({"_id": {"$regex": "^relay:"}, "until": {"$lt": now}})
        relays = await self._collection.count_documents({"_id": {"$regex": "^relay:"}})
        share = math.ceil(SHARDS / max(relays, 1))
        mine = [d["shard"] async for d in self._collection.find({"holder": self._me, "until": {"$gt": now}})]
        for shard in mine[share:]:
            await self._collection.update_one({"_id": f"shard:{shard}", "holder": self._me}, {"$set": {"until": now}})
        mine = mine[:share]
        await self._collection.update_many(
            {"_id": {"$in": [f"shard:{shard}" for shard in mine]}, "holder": self._me}, {"$set": {"until": until}}
        )
        for shard in range(SHARDS):
            if len(mine) >= share:
                break
            if shard not in mine and await self._take(shard, now, until):
                mine.append(shard)
        self._held = mine
        self._renew_at = time.monotonic() + LEASE.total_seconds() / 3
        return mine

    async def release(self) -> None:
        now = clock.now()
        await self._collection.update_many({"holder": self._me}, {"$set": {"until": now}})
        await self._collection.delete_one({"_id": f"relay:{self._me}"})
        self._held, self._renew_at = [], 0.0

    async def _take(self, shard: int, now: Any, until: Any) -> bool:
        lease = {"shard": shard, "holder": self._me, "until": until}
        try:
            result = await self._collection.update_one(
                {"_id": f"shard:{shard}", "until": {"$lte": now}}, {"$set": lease}, upsert=True
            )
        except DuplicateKey:
            return False  # somebody else holds it
        return bool(result.matched_count or result.upserted_id)
