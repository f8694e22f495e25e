"""The bus door: a FastStream batch subscriber under a guard.

The guard decodes each record tolerantly, retries a failing batch with back-off, parks the one record that
can never be handled (raw, with its reason, in `<group>.parked.v1`), and stops after too many in a row, since a
bad release must not park everything. A database that is away is waited for: nothing is parked, nothing piles up.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import structlog
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from prometheus_client import Counter as Count
from prometheus_client import Gauge, Histogram

from chassis import clock
from chassis.mongo import unavailable
from chassis.received import Received, Record, Unhandleable, decode

log = structlog.get_logger()

MAX_RECORDS = 500
"""Records of one batch: 45,900/s against 1,500/s with a commit for each message."""
FETCHED = 2**20
"""Bytes of a partition that are fetched ahead: Kafka's own default."""
RECORD_BYTES = 200
"""A sixth of a usual record: as a rule a worker reads six partitions at once."""
ATTEMPTS = 4
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
PARKED_IN_A_ROW = 20
"""After so many the consumer stops: then it is the code that is wrong, not the records."""
STALLED_AFTER = 60.0
"""Seconds without a turn of the loop after which liveness fails; aiokafka can stop consuming silently."""

_handled = Count("consumer_records_total", "Records handled", ["group", "topic"])
_parked = Count("consumer_parked_total", "Records parked", ["group", "topic"])
_retried = Count("consumer_retries_total", "Batches tried again", ["group", "reason"])
_lag = Gauge("consumer_lag_records", "Records not handled yet", ["group", "topic", "partition"])
_seconds = Histogram("consumer_batch_seconds", "Time to handle a batch", ["group"])


class BusSettings(Protocol):
    """What the bus needs of a service's settings."""

    kafka_bootstrap: str
    kafka_idempotence: bool
    kafka_fetch_wait_ms: int


def broker(settings: BusSettings, client_id: str) -> KafkaBroker:
    """A FastStream broker with the suite's settings; it connects when it is started."""
    return KafkaBroker(
        settings.kafka_bootstrap.split(","),
        client_id=client_id,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        # The default makes missing topics, with one partition.
        allow_auto_create_topics=False,
        acks="all",
        enable_idempotence=settings.kafka_idempotence,
        apply_types=False,
        logger=None,
    )


async def reach(settings: BusSettings) -> None:
    """Raises OSError when no bootstrap server takes a connection: a client that fails to start is never closed."""
    refused: OSError | None = None
    for address in settings.kafka_bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            async with asyncio.timeout(3):
                _, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError) as error:
            refused = OSError(f"no Kafka broker at {address}: {error or 'no answer'}")
        else:
            writer.close()
            return
    raise refused or OSError("no Kafka broker is named")


@dataclass(frozen=True, slots=True)
class Position:
    """How far the group has come in a partition: the next offset to read, and the end where it is known."""

    topic: str
    partition: int
    next_offset: int
    end: int | None

    @property
    def caught_up(self) -> bool:
        return self.end is not None and self.next_offset >= self.end


Handler = Callable[[Sequence[Received]], Awaitable[None]]
Park = Callable[[Record, str], Awaitable[None]]


class Stopped(Exception):
    """The consumer has parked too many in a row and takes no more."""


class Guard:
    """Retry, bisect, park, stop: what happens around a handler, apart from where the records come from."""

    def __init__(self, group: str, handle: Handler, park: Park) -> None:
        self.group = group
        self.waiting_for: str | None = None
        """Why the batch at hand is being tried again, for /ready."""
        self.stopped: str | None = None
        """Why it takes no more records, for /live."""
        self._handle = handle
        self._park = park
        self._in_a_row = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Give up what is being tried again; it comes again to whoever takes over."""
        self._closing.set()

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        if self._closing.is_set():
            raise Stopped("the consumer is stopping")

    async def take(self, records: Sequence[Record]) -> None:
        """Handle or park every record; returns when all of them are done with. Raises Stopped."""
        if self.stopped:
            raise Stopped(self.stopped)
        batch: list[tuple[Record, Received]] = []
        for record in records:
            try:
                batch.append((record, decode(record)))
            except Unhandleable as error:
                await self._park_one(record, str(error))
        if batch:
            with _seconds.labels(self.group).time():
                await self._deliver(batch, ATTEMPTS)
        for topic, count in Counter(record.topic for record, _ in batch).items():
            _handled.labels(self.group, topic).inc(count)

    async def _deliver(self, batch: Sequence[tuple[Record, Received]], attempts: int) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._handle([received for _, received in batch])
            except Exception as error:
                away = unavailable(error)
                hopeless = isinstance(error, Unhandleable)
                attempts -= not away
                _retried.labels(self.group, type(error).__name__).inc()
                if hopeless or attempts <= 0:
                    await self._divide(batch, error)
                    return
                self.waiting_for = f"{type(error).__name__}: {error}"
                log.warning("batch tried again", group=self.group, records=len(batch), reason=self.waiting_for)
                await self._rest(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self.waiting_for = None
                self._in_a_row = 0
                return

    async def _divide(self, batch: Sequence[tuple[Record, Received]], error: Exception) -> None:
        """Find the culprit by halves, in order, so that the order per key holds."""
        if len(batch) == 1:
            await self._park_one(batch[0][0], f"{type(error).__name__}: {error}")
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            await self._deliver(half, 1)

    async def _park_one(self, record: Record, reason: str) -> None:
        if self._in_a_row >= PARKED_IN_A_ROW:
            self.stopped = (
                f"{self._in_a_row} records in a row could not be handled, the last one because: {reason}. "
                "Look at the parked ones before you start it again."
            )
            log.error("consumer stopped", group=self.group, reason=self.stopped)
            raise Stopped(self.stopped)
        while True:
            try:
                await self._park(record, reason)
                break
            except KafkaError as error:  # going on without it would lose it
                self.waiting_for = f"a record cannot be parked: {type(error).__name__}: {error}"
                log.warning("record cannot be parked", group=self.group, reason=str(error))
                await self._rest(LONGEST_PAUSE)
        self.waiting_for = None
        self._in_a_row += 1
        _parked.labels(self.group, record.topic).inc()
        log.error("record parked", group=self.group, topic=record.topic, offset=record.offset, reason=reason)


class Consumer:
    """One batch subscriber over all topics that a worker needs, in one group named after the service.

    Two subscribers in one group misbehave, and each joins its group in turn.
    """

    def __init__(
        self,
        group: str,
        topics: Sequence[str],
        handle: Handler,
        settings: BusSettings,
        parked: str | None = None,
        max_records: int = MAX_RECORDS,
    ) -> None:
        """max_records: of one batch; a handler whose work is by what a batch touches, not by its records, takes
        more at once while it is behind."""
        self.group = group
        self._parked = parked or f"{group}.parked.v1"
        self._topics = tuple(topics)
        self._settings = settings
        self._broker = broker(settings, client_id=f"{group}-worker")
        self.guard = Guard(group, handle, self._park)
        self._last_turn = time.monotonic()
        self._joined = False
        self._subscriber = self._broker.subscriber(
            *self._topics,
            batch=True,
            max_records=max_records,
            # A fetch brings enough of each partition for a batch.
            max_partition_fetch_bytes=max(FETCHED, max_records * RECORD_BYTES),
            group_id=group,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
            batch_timeout_ms=settings.kafka_fetch_wait_ms,
            # A batch that waits for its database must not lose its partitions meanwhile.
            max_poll_interval_ms=30 * 60 * 1000,
            parser=self._parse,
            decoder=_undecoded,
        )
        self._subscriber(self._take)

    async def start(self) -> None:
        """Connect and join the group; waits for a broker that is away. Serve HTTP before you call it."""
        # A batch makes some hundred thousand objects, none of them in a cycle: to look through them after each 700, and
        # through all that a handler remembers now and then, took half of its time.
        gc.set_threshold(100_000, 20, 20)
        while True:
            self._last_turn = time.monotonic()
            try:
                await reach(self._settings)
                await self._broker.start()
                break
            except (KafkaError, OSError) as error:
                log.warning("bus not reached", group=self.group, reason=str(error))
                with contextlib.suppress(Exception):
                    await self._broker.stop()
                await asyncio.sleep(1)
        self._watch_turns()
        self._joined = True
        log.info("consuming", group=self.group, topics=self._topics)

    async def stop(self) -> None:
        self._joined = False
        self.guard.close()
        await self._broker.stop()

    def alive(self) -> bool:
        """Progress, not a ping: the last turn of the loop is recent and the guard has not stopped."""
        if self.guard.stopped:
            return False
        busy = self.guard.waiting_for is not None
        return busy or time.monotonic() - self._last_turn < STALLED_AFTER

    def ready(self) -> str | None:
        """None, or why it is not consuming."""
        if self.guard.stopped or self.guard.waiting_for:
            return self.guard.stopped or self.guard.waiting_for
        return None if self._joined else "it has not joined its consumer group yet"

    async def positions(self) -> list[Position]:
        """How far it is in each partition assigned to it, handled batches only."""
        consumer = self._subscriber.consumer
        if consumer is None:
            return []
        found: list[Position] = []
        for partition in consumer.assignment():
            try:
                next_offset = await consumer.position(partition)
            except (KafkaError, AssertionError):
                continue  # taken away in this very moment
            position = Position(partition.topic, partition.partition, next_offset, consumer.highwater(partition))
            if position.end is not None:
                _lag.labels(self.group, position.topic, str(position.partition)).set(position.end - next_offset)
            found.append(position)
        return found

    async def _take(self, message: Any) -> None:
        await self.guard.take(message)
        self._last_turn = time.monotonic()

    async def _parse(self, records: tuple[Record, ...]) -> KafkaAckableMessage:
        """FastStream's own parser decodes headers and would fail on a foreign one; this one never raises."""
        return KafkaAckableMessage(
            raw_message=cast(Any, records),
            body=b"",
            headers={},
            consumer=cast(Any, self._subscriber.consumer),
        )

    def _watch_turns(self) -> None:
        """Note each turn of FastStream's loop, also the empty ones, by the call that it makes in each."""
        consumer: Any = self._subscriber.consumer
        getmany = consumer.getmany

        async def noted(*args: Any, **kwargs: Any) -> Any:
            self._last_turn = time.monotonic()
            return await getmany(*args, **kwargs)

        consumer.getmany = noted

    async def _park(self, record: Record, reason: str) -> None:
        await self._broker.publish(
            record.value or b"",
            topic=self._parked,
            key=record.key,
            headers={
                "reason": reason[:2_000],
                "topic": record.topic,
                "partition": str(record.partition),
                "offset": str(record.offset),
                "group": self.group,
                "parkedat": clock.now().isoformat(),
            },
        )


async def _undecoded(message: Any) -> Any:
    return message.raw_message
