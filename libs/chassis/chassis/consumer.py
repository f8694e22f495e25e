"""The bus door: a FastStream batch subscriber under a guard.

The guard decodes each record tolerantly, retries a failing batch with back-off, sets the one record aside that
can never be handled (raw, with its reason, in `<group>.dlq.v1`), and stops after too many in a row, since a
bad release must not set everything aside. A database that is away is waited for: nothing is set aside, nothing piles
up. A database that is slow gets smaller batches, and each of its answers counts as progress (chassis/turns.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faststream.kafka.message import KafkaAckableMessage
from prometheus_client import Counter as Count
from prometheus_client import Gauge, Histogram

from chassis import clock
from chassis.aggregate import EventsWaiting
from chassis.bus import RECORD_FAULTS, BusSettings, BusWatch, broker, reach, whole
from chassis.dead_letters import VALUE_LEFT
from chassis.mongo import unavailable
from chassis.problems import UnreadableRecord
from chassis.received import Received, Record, Unhandleable, decode
from chassis.supervision import Supervisor
from chassis.turns import Turn

__all__ = [
    "MAX_RECORDS",
    "BusSettings",
    "Consumer",
    "Guard",
    "Handler",
    "Position",
    "Received",
    "Record",
    "Stopped",
    "Unhandleable",
    "broker",
    "decode",
    "reach",
]

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
SET_ASIDE_IN_A_ROW = 20
"""After so many the consumer stops: then it is the code that is wrong, not the records."""
VERDICTS_IN_A_ROW = 500
"""The same for records that the handler or the decoder refuses for a known reason, such as orders of an unknown
customer: they may come in numbers."""
STALLED_AFTER = 60.0
"""Seconds without progress after which liveness fails; aiokafka can stop consuming silently. An answer of the database
is progress, and so is an empty turn of the loop."""
SLOW, QUICK, AIM = 10.0, 2.0, 5.0
"""Seconds. A batch that took longer than SLOW is followed by one that should take AIM; after one that took less than
QUICK the next may have four times as many records."""
FEWEST = 20
"""Records of a batch, however slow the database is."""
SESSION, REBALANCE = 20_000, 60_000
"""Milliseconds without a heartbeat after which the group gives a member up, and for its members to join again. A turn
that keeps the loop busy on a loaded machine fits in; a worker that was killed is replaced after SESSION."""
JOINED_WITHIN = 180.0
"""Seconds to connect and to join the group, which waits for members that were killed; then it begins anew."""
BROKEN_FOR = 60.0
"""Seconds of failing fetches, while the bus answers, after which the consumer is made anew."""
LONGEST_REASON = 2_000
LONGEST_KEY = 1_000
"""Bytes of the key of a dead letter whose original stays where it is."""

_handled = Count("consumer_records_total", "Records handled", ["group", "topic"])
_dead_letters = Count("consumer_dead_letters_total", "Records set aside as dead letters", ["group", "topic"])
_retried = Count("consumer_retries_total", "Batches tried again", ["group", "reason"])
_lag = Gauge("consumer_lag_records", "Records not handled yet", ["group", "topic", "partition"])
_seconds = Histogram("consumer_batch_seconds", "Time to handle a batch", ["group"])


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
SetAside = Callable[[Record, str], Awaitable[None]]


class Stopped(Exception):
    """The consumer has set too many aside in a row and takes no more."""


class Guard:
    """Retry, bisect, set aside, stop: what happens around a handler, apart from where the records come from."""

    def __init__(self, group: str, handle: Handler, set_aside: SetAside) -> None:
        self.group = group
        self.waiting_for: str | None = None
        """Why the batch at hand is being tried again, for /ready."""
        self.stopped: str | None = None
        """Why it takes no more records, for /live."""
        self._handle = handle
        self._set_aside = set_aside
        self._in_a_row = 0
        self._unforeseen = 0
        """Those of them that failed for a reason that nobody has foreseen."""
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
        """Handle every record or set it aside; returns when all of them are done with. Raises Stopped."""
        if self.stopped:
            raise Stopped(self.stopped)
        batch: list[tuple[Record, Received]] = []
        for record in records:
            try:
                batch.append((record, decode(record)))
            except Unhandleable as error:
                await self._set_one_aside(record, str(error))
            except Exception as error:  # of the decoder, for a record that nobody has foreseen
                await self._set_one_aside(record, f"not an event: {type(error).__name__}: {error}", True)
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
                away = unavailable(error) or isinstance(error, EventsWaiting)
                hopeless = isinstance(error, Unhandleable)
                attempts -= not away
                _retried.labels(self.group, type(error).__name__).inc()
                if hopeless or attempts <= 0:
                    await self._divide(batch, error)
                    return
                self.waiting_for = f"{type(error).__name__}: {error}"
                log.warning(
                    "batch tried again",
                    group=self.group,
                    records=len(batch),
                    reason=self.waiting_for,
                    **({} if away else {"exc_info": error}),
                )
                await self._rest(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self.waiting_for = None
                self._in_a_row = self._unforeseen = 0
                return

    async def _divide(self, batch: Sequence[tuple[Record, Received]], error: Exception) -> None:
        """Find the culprit by halves, in order, so that the order per key holds."""
        if len(batch) == 1:
            unforeseen = not isinstance(error, Unhandleable | UnreadableRecord)
            await self._set_one_aside(batch[0][0], f"{type(error).__name__}: {error}", unforeseen)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            await self._deliver(half, 1)

    async def _set_one_aside(self, record: Record, reason: str, unforeseen: bool = False) -> None:
        if self._unforeseen >= SET_ASIDE_IN_A_ROW or self._in_a_row >= VERDICTS_IN_A_ROW:
            self.stopped = (
                f"{self._in_a_row} records in a row could not be handled, the last one because: {reason}. "
                "Look at the dead letters before you start it again."
            )
            log.error("consumer stopped", group=self.group, reason=self.stopped)
            raise Stopped(self.stopped)
        while True:
            try:
                await self._set_aside(record, reason)
                break
            except Exception as error:  # going on without it would lose it
                self.waiting_for = f"a record cannot be set aside: {type(error).__name__}: {error}"
                log.warning(
                    "record cannot be set aside",
                    group=self.group,
                    reason=self.waiting_for,
                    **({} if isinstance(error, KafkaError) else {"exc_info": error}),
                )
                await self._rest(LONGEST_PAUSE)
        self.waiting_for = None
        self._in_a_row += 1
        self._unforeseen += unforeseen
        _dead_letters.labels(self.group, record.topic).inc()
        log.error(
            "record set aside",
            group=self.group,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
        )


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
        dead_letters: str | None = None,
        max_records: int = MAX_RECORDS,
    ) -> None:
        """max_records: of one batch at most; a handler whose work is by what a batch touches, not by its records, takes
        more at once while it is behind. dead_letters: the topic; `<group>.dlq.v1` where nothing is said."""
        self.group = group
        self._dead_letters = dead_letters or f"{group}.dlq.v1"
        self._topics = tuple(topics)
        self._settings = settings
        self._broker = broker(settings, client_id=f"{group}-worker")
        self.guard = Guard(group, handle, self._set_aside)
        self.bus = BusWatch(settings)
        self._turn = Turn()
        self._tasks = Supervisor()
        self._joined = asyncio.Event()
        self._most = max_records
        self._at_once = min(max_records, MAX_RECORDS)
        """Records of the next batch: it begins with what a slow database can do, and grows."""
        self._failing: str | None = None
        self._failing_since = 0.0
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
            session_timeout_ms=SESSION,
            rebalance_timeout_ms=REBALANCE,
            parser=self._parse,
            decoder=_undecoded,
        )
        self._subscriber(self._take)

    async def start(self) -> None:
        """Connect and join the group; waits for a broker that is away. Serve HTTP before you call it."""
        # A batch makes some hundred thousand objects, none of them in a cycle: to look through them after each 700, and
        # through all that a handler remembers now and then, took half of its time.
        gc.set_threshold(100_000, 20, 20)
        self._tasks.start("consumer bus", self.bus.run)
        self._tasks.start("consumer", self._run)
        await self._joined.wait()

    async def _run(self) -> None:
        """Consume until something goes wrong; whoever calls it again makes the consumer anew."""
        try:
            while True:
                self._turn.note()
                try:
                    await reach(self._settings)
                    async with asyncio.timeout(JOINED_WITHIN):
                        await whole(self._broker.start())
                    break
                except (KafkaError, OSError) as error:
                    self._failing = f"{type(error).__name__}: {error}"
                    log.warning("bus not reached", group=self.group, reason=str(error))
                    with contextlib.suppress(Exception):
                        await whole(self._broker.stop())
                    await asyncio.sleep(1)
            self._failing = None
            self._watch_turns()
            self._joined.set()
            log.info("consuming", group=self.group, topics=self._topics)
            while True:
                await asyncio.sleep(1)
                # FastStream begins a task that has raised again, but not one that was cancelled or has returned.
                if not any(not task.done() for task in self._subscriber.tasks):
                    raise RuntimeError("the task that consumes has ended")
                broken = time.monotonic() - self._failing_since
                if self._failing is not None and not self.bus.away and broken > BROKEN_FOR:
                    raise RuntimeError(f"nothing can be fetched for {broken:.0f} s: {self._failing}")
        finally:
            self._joined.clear()
            with contextlib.suppress(Exception):
                await whole(self._broker.stop())

    async def stop(self) -> None:
        self.guard.close()
        await self._tasks.stop()
        await whole(self._broker.stop())

    @property
    def dead(self) -> str | None:
        """Which of its tasks fails for so long that the process should be started anew."""
        return self._tasks.live()

    def alive(self) -> bool:
        """Progress, not a ping: it has got on of late, or waits for somebody else, and the guard has not stopped."""
        if self.guard.stopped or self.dead:
            return False
        waits = self.guard.waiting_for is not None or self.bus.away is not None or not self._joined.is_set()
        return waits or not self._turn.stalled(STALLED_AFTER)

    def ready(self) -> str | None:
        """None, or why it is not consuming."""
        if reason := self.guard.stopped or self.guard.waiting_for or self.bus.away or self._failing:
            return reason
        if not self._joined.is_set():
            return self._tasks.ready() or "it has not joined its consumer group yet"
        return self._tasks.ready()

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
        began = time.monotonic()
        try:
            with self._turn.current():
                await self.guard.take(message)
        except Stopped:
            await asyncio.sleep(1)  # what is not taken comes again at once
            raise
        self._pace(len(message), time.monotonic() - began)

    def _pace(self, records: int, seconds: float) -> None:
        """Size the next batch by the time that this one took."""
        if seconds > SLOW:
            self._at_once = max(FEWEST, min(self._most, int(records * AIM / seconds)))
            log.info("smaller batches", group=self.group, records=records, seconds=round(seconds), next=self._at_once)
        elif seconds < QUICK and records >= self._at_once:
            self._at_once = min(self._most, self._at_once * 4)

    async def _parse(self, records: tuple[Record, ...]) -> KafkaAckableMessage:
        """FastStream's own parser decodes headers and would fail on a foreign one; this one never raises."""
        return KafkaAckableMessage(
            raw_message=cast(Any, records),
            body=b"",
            headers={},
            consumer=cast(Any, self._subscriber.consumer),
        )

    def _watch_turns(self) -> None:
        """Note each turn of FastStream's loop, also the empty ones, by the call that it makes in each; and what fails
        there, since FastStream keeps it to itself."""
        consumer: Any = self._subscriber.consumer
        getmany = consumer.getmany

        async def noted(*args: Any, **kwargs: Any) -> Any:
            self._turn.note()
            try:
                fetched = await getmany(*args, **{**kwargs, "max_records": self._at_once})
            except KafkaError as error:
                self._fails(error)
                log.warning("nothing can be fetched", group=self.group, reason=self._failing)
                raise
            except ConsumerStoppedError:
                raise
            except Exception as error:
                self._fails(error)
                self._tasks.failed("consumer fetch", error)
                await asyncio.sleep(1)  # FastStream begins it again at once
                raise
            self._turn.note()
            self._failing = None
            self._tasks.well("consumer fetch")
            return fetched

        consumer.getmany = noted

    def _fails(self, error: Exception) -> None:
        if self._failing is None:
            self._failing_since = time.monotonic()
        self._failing = f"{type(error).__name__}: {error}"

    async def _set_aside(self, record: Record, reason: str) -> None:
        headers = {
            # What cannot be encoded must not keep the record from being set aside.
            "reason": reason[:LONGEST_REASON].encode(errors="replace").decode(),
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "group": self.group,
            "setasideat": clock.now().isoformat(),
        }
        try:
            await self._broker.publish(record.value or b"", topic=self._dead_letters, key=record.key, headers=headers)
        except RECORD_FAULTS:
            # With its reason it is larger than the bus takes. The original stays where it is, and the headers name it.
            headers["value"] = VALUE_LEFT
            key = record.key[:LONGEST_KEY] if record.key else None
            await self._broker.publish(b"", topic=self._dead_letters, key=key, headers=headers)


async def _undecoded(message: Any) -> Any:
    return message.raw_message
