"""From a save to another service's handler, over a real MongoDB and a real broker."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from chassis import clock
from chassis import relay as relay_module
from chassis.aggregate import Repository, envelope
from chassis.consumer import MAX_RECORDS, Consumer, Received
from chassis.ids import new_id
from chassis.mongo import UNAVAILABLE, Database
from chassis.relay import Leases, Relay
from chassis.scope import everything
from contracts.envelope import CONTENT_TYPE, Event
from tests.chassis.parcels import Parcel, ParcelEvent, ParcelTopic, by, happened, moved, sent

ALL = everything("a test of the chassis")
PATIENCE = 40.0
"""Seconds until a test gives up; joining a group on the embedded broker takes five."""


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = true()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true in time")


class Listener:
    """A handler that keeps what it was given, and fails when it is told to."""

    def __init__(self) -> None:
        self.got: list[Received] = []
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.failures = 0

    async def __call__(self, batch: Sequence[Received]) -> None:
        if self.error is not None:
            self.failures += 1
            raise self.error
        self.batches.append(len(batch))
        self.got += batch

    def of(self, *ids: str) -> dict[str, list[int]]:
        """The versions that came, by aggregate, in the order of their coming."""
        versions: dict[str, list[int]] = defaultdict(list)
        for received in self.got:
            if received.subject in ids:
                versions[received.subject].append(received.version)
        return dict(versions)


@pytest.fixture
async def relay(parcels: Repository[Parcel], both_drivers: Database, broker: Any) -> AsyncIterator[Relay]:
    relay = Relay(both_drivers, [parcels], broker)
    await relay.start()
    yield relay
    await relay.stop()


Listen = Callable[[Listener], Awaitable[Consumer]]


@pytest.fixture
async def listen(broker: Any) -> AsyncIterator[Listen]:
    consumers: list[Consumer] = []

    async def start(listener: Listener, group: str = "") -> Consumer:
        consumer = Consumer(
            group or f"test-{new_id()}", [ParcelTopic().name], listener, broker, dead_letters="customers.dlq.v1"
        )
        consumers.append(consumer)
        await consumer.start()
        return consumer

    yield start
    for consumer in consumers:
        await consumer.stop()


async def test_what_is_saved_arrives_in_order_and_is_drained(
    parcels: Repository[Parcel], relay: Relay, listen: Listen
) -> None:
    ids = []
    for _ in range(5):
        state, what = sent()
        await parcels.create(state, what, by(), ALL)
        ids.append(state.id)
    for place in ("a", "b", "c"):
        await asyncio.gather(*(parcels.change(i, ALL, moved(place), by()) for i in ids))
    listener = Listener()
    await listen(listener)
    await until(lambda: sum(map(len, listener.of(*ids).values())) >= 20)
    for versions in listener.of(*ids).values():
        assert sorted(set(versions)) == [1, 2, 3, 4]
        assert versions == sorted(versions)

    async def drained() -> bool:
        return not await parcels.collection.count_documents({"unsent_since": {"$exists": True}})

    await until(drained)
    assert all(not d["outbox"] for d in await parcels.collection.find().to_list(None))


async def test_on_the_bus_is_a_cloud_event_under_its_aggregates_key(
    parcels: Repository[Parcel], relay: Relay, broker: Any
) -> None:
    state, what = sent(place="Kaufhaus ‚Süd' 南店")
    await parcels.create(state, what, by("ann", on_behalf_of="bob"), ALL)
    consumer = AIOKafkaConsumer(
        ParcelTopic().name, bootstrap_servers=broker.kafka_bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=10
    )
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            async for record in consumer:
                if record.key == state.id.encode():
                    break
    finally:
        await consumer.stop()
    assert dict(record.headers)["content-type"] == CONTENT_TYPE.encode()
    event = Event[Parcel].model_validate(orjson.loads(record.value))
    assert event.data == state
    assert (event.actor, event.onbehalfof, event.version) == ("ann", "bob", 1)


async def test_a_relay_that_died_before_draining_repeats_and_loses_nothing(
    parcels: Repository[Parcel], both_drivers: Database, broker: Any, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    dying = Relay(both_drivers, [parcels], broker)

    def die(*_: Any) -> Any:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(relay_module, "_drain", die)
        await dying.start()
        await until(lambda: dying.ready() is not None)
        await dying.stop()
    await parcels.change(state.id, ALL, moved("there"), by())
    successor = Relay(both_drivers, [parcels], broker)
    await successor.start()
    listener = Listener()
    await listen(listener)
    await until(lambda: 2 in listener.of(state.id).get(state.id, []))
    assert listener.of(state.id) == {state.id: [1, 1, 2]}
    assert [r.id for r in listener.got if r.subject == state.id and r.version == 1][0:2] == [
        next(r.id for r in listener.got if r.subject == state.id)
    ] * 2
    await successor.stop()


async def test_a_restated_aggregate_arrives_with_its_version(
    parcels: Repository[Parcel], relay: Relay, listen: Listen
) -> None:
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    await parcels.change(state.id, ALL, moved("there"), by())
    listener = Listener()
    await listen(listener)
    await until(lambda: listener.of(state.id).get(state.id) == [1, 2])
    await parcels.restate_all()
    await until(lambda: listener.of(state.id).get(state.id) == [1, 2, 2])
    last = listener.got[-1]
    assert (last.type, last.data(Parcel).place) == (ParcelEvent.RESTATED, "there")


async def test_a_batch_that_fails_for_now_comes_again(
    parcels: Repository[Parcel], relay: Relay, listen: Listen
) -> None:
    listener = Listener()
    listener.error = UNAVAILABLE[0]("the database is away")
    consumer = await listen(listener)
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    await until(lambda: listener.failures >= 2)
    assert consumer.ready() is not None
    assert consumer.alive()
    listener.error = None
    await until(lambda: listener.of(state.id) == {state.id: [1]})
    assert consumer.ready() is None


async def test_a_consumer_that_died_unfinished_gets_its_records_again(
    parcels: Repository[Parcel], relay: Relay, listen: Any
) -> None:
    group = f"test-{new_id()}"
    first = Listener()
    first.error = UNAVAILABLE[0]("the database is away")
    consumer = await listen(first, group)
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    await until(lambda: first.failures >= 1)
    await consumer.stop()
    second = Listener()
    await listen(second, group)
    await until(lambda: state.id in second.of(state.id))
    assert second.of(state.id)[state.id] == [1]


async def test_back_pressure_a_slow_handler_is_never_given_more_than_a_batch(
    parcels: Repository[Parcel], relay: Relay, listen: Listen
) -> None:
    at_once = most = 0
    seen: list[Received] = []

    async def slow(batch: Sequence[Received]) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.05)
        seen.extend(batch)
        at_once -= 1

    ids = set()
    for _ in range(60):
        state, what = sent()
        await parcels.create(state, what, by(), ALL)
        ids.add(state.id)
    await listen(slow)  # type: ignore[arg-type]
    await until(lambda: ids <= {received.subject for received in seen})
    assert most == 1


async def test_back_pressure_what_a_slow_handler_has_not_taken_stays_on_the_broker(broker: Any, listen: Listen) -> None:
    """While one batch is handled nothing more is taken in; afterwards everything comes, once and in order."""
    batches = 3
    total = batches * MAX_RECORDS
    mine = f"{new_id()}-"
    go_on = asyncio.Event()
    sizes: list[int] = []
    seen: list[str] = []

    async def slow(batch: Sequence[Received]) -> None:
        sizes.append(len(batch))
        seen.extend(received.subject for received in batch if received.subject.startswith(mine))
        if seen:
            await go_on.wait()

    producer = AIOKafkaProducer(bootstrap_servers=broker.kafka_bootstrap)
    await producer.start()
    sent_all = [await producer.send(ParcelTopic().name, _event(f"{mine}{n}"), key=mine.encode()) for n in range(total)]
    await asyncio.gather(*sent_all)
    await producer.stop()
    consumer = await listen(slow)  # type: ignore[arg-type]
    await until(lambda: bool(seen))
    taken = len(seen)
    for _ in range(20):  # it has time to run ahead, and does not
        await asyncio.sleep(0.01)
    [position] = await consumer.positions()
    assert len(seen) == taken <= MAX_RECORDS
    assert position.end is not None
    assert position.end - position.next_offset >= total - MAX_RECORDS, "the rest still waits on the broker"
    assert consumer.alive()
    go_on.set()
    await until(lambda: len(seen) >= total)
    assert seen == [f"{mine}{n}" for n in range(total)]
    assert max(sizes) <= MAX_RECORDS


def _event(parcel_id: str) -> bytes:
    state = Parcel(id=parcel_id, place="here").model_dump(mode="json")
    return envelope(ParcelTopic(), parcel_id, 1, happened(ParcelEvent.SENT), state, by(), clock.now())


async def test_what_can_never_be_handled_is_set_aside_raw_with_its_reason(
    parcels: Repository[Parcel], relay: Relay, broker: Any
) -> None:
    nonsense = b"\xff nonsense " + new_id().encode()
    producer = AIOKafkaProducer(bootstrap_servers=broker.kafka_bootstrap)
    await producer.start()
    # Headers that are no text must not stop the door either.
    await producer.send_and_wait(ParcelTopic().name, nonsense, key=b"k", headers=[("odd", b"\xff\xfe")])
    await producer.stop()
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    listener = Listener()
    consumer = Consumer("customers", [ParcelTopic().name], listener, broker)
    await consumer.start()
    await until(lambda: state.id in listener.of(state.id))
    await consumer.stop()
    reader = AIOKafkaConsumer(
        "customers.dlq.v1",
        bootstrap_servers=broker.kafka_bootstrap,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=10,
    )
    await reader.start()
    try:
        async with asyncio.timeout(PATIENCE):
            async for record in reader:
                if record.value == nonsense:
                    break
    finally:
        await reader.stop()
    headers = {name: value.decode() for name, value in record.headers}
    assert record.key == b"k"
    assert headers["topic"] == ParcelTopic().name
    assert "not an event" in headers["reason"]
    assert int(headers["offset"]) >= 0


async def test_commands_are_taken_while_the_broker_is_away(parcels: Repository[Parcel], both_drivers: Database) -> None:
    class Nowhere:
        kafka_bootstrap = "127.0.0.1:9"  # discard: nobody listens there
        kafka_idempotence = False
        kafka_fetch_wait_ms = 10

    relay = Relay(both_drivers, [parcels], Nowhere())
    await relay.start()
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    await until(lambda: relay.ready() is not None)
    assert relay.alive()
    document = await parcels.collection.find_one({"_id": state.id})
    assert len(document["outbox"]) == 1
    await relay.stop()


async def test_positions_tell_when_everything_is_handled(
    parcels: Repository[Parcel], relay: Relay, listen: Listen
) -> None:
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    listener = Listener()
    consumer = await listen(listener)
    await until(lambda: bool(listener.of(state.id)))

    async def caught_up() -> bool:
        positions = await consumer.positions()
        return bool(positions) and all(position.caught_up for position in positions)

    await until(caught_up)


async def test_two_relays_share_the_shards_and_a_dead_ones_are_taken_over(
    both_drivers: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Leases(both_drivers["leases"]), Leases(both_drivers["leases"])
    assert len(await first.hold()) == relay_module.SHARDS
    await second.hold()
    first._renew_at = second._renew_at = 0
    await first.hold()
    second._renew_at = 0
    shares = [set(await first.hold()), set(await second.hold())]
    assert not shares[0] & shares[1]
    assert shares[0] | shares[1] == set(range(relay_module.SHARDS))
    await first.release()
    second._renew_at = 0
    assert len(await second.hold()) == relay_module.SHARDS
