"""A worker lives as long as it gets on, however slowly; and it says within seconds that the bus is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import ConsumerStoppedError
from prometheus_client import REGISTRY

from chassis import bus, consumer, relay
from chassis.aggregate import Repository
from chassis.bus import BusWatch
from chassis.consumer import Consumer, Received
from chassis.gather import Gathered
from chassis.ids import new_id
from chassis.mongo import Database, connect
from chassis.relay import Relay
from chassis.scope import everything
from chassis.telemetry import TELL_AGAIN, Repeated
from chassis.turns import Turn
from tests.chassis.parcels import Parcel, ParcelTopic, by, sent
from tests.chassis.test_bus import Listener, until

ALL = everything("a test of the chassis")


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
@pytest.mark.parametrize("together", [False, True], ids=["of its own", "together with others"])
async def test_each_answer_of_the_database_is_progress(mongo: str, driver: Any, together: bool) -> None:
    client = connect(mongo, driver, watched=True)
    collection = client.database("test_progress")["any"]

    async def look(ids: Sequence[int]) -> list[int]:
        await collection.find_one({"_id": {"$in": list(ids)}})
        return list(ids)

    gathered = Gathered(look)

    async def handle() -> None:
        for _ in range(10):
            await (gathered(1) if together else look([1]))
            await asyncio.sleep(0.05)

    turn = Turn()
    with turn.current():
        doing = asyncio.create_task(handle())
    began = time.monotonic()
    while not doing.done():
        assert not turn.stalled(0.4)
        await asyncio.sleep(0.01)
    assert time.monotonic() - began > 0.4
    await asyncio.sleep(0.5)
    assert turn.stalled(0.4), "it does nothing now"
    await client.close()


async def test_waiting_for_the_database_is_no_standstill(mongo: str) -> None:
    client = connect(mongo, watched=True)
    turn = Turn()
    sleeping = {"$where": "sleep(400) || true"}
    await client.database("test_progress")["one"].update_one({"_id": 1}, {"$set": {"a": 1}}, upsert=True)
    with turn.current():
        asking = asyncio.create_task(client.database("test_progress")["one"].find(sleeping).to_list(None))
    await asyncio.sleep(0.2)
    assert not asking.done()
    assert not turn.stalled(0.05)
    await asking
    await asyncio.sleep(0.1)
    assert turn.stalled(0.05)
    await client.drop("test_progress")
    await client.close()


async def test_batches_are_sized_by_the_time_that_they_take(broker: Any) -> None:
    async def nothing(_: Sequence[Received]) -> None:
        return None

    made = Consumer(f"test-{new_id()}", [ParcelTopic().name], nothing, broker, max_records=30_000)
    sizes = [made._at_once]
    for seconds in (0.5, 0.5, 0.5, 0.5, 60.0, 30.0, 8.0, 1.0, 1.0):
        made._pace(made._at_once, seconds)
        sizes.append(made._at_once)
    assert sizes == [500, 2_000, 8_000, 30_000, 30_000, 2_500, 416, 416, 1_664, 6_656]
    made._pace(6_656, 100_000.0)
    assert made._at_once == consumer.FEWEST


async def test_a_slow_handler_that_gets_on_keeps_its_worker_alive(
    parcels: Repository[Parcel], both_drivers: Database, broker: Any, mongo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STALLED_AFTER", 3.0)
    slow = connect(mongo, watched=True)
    handled = asyncio.Event()
    stand_still = False

    async def handle(batch: Sequence[Received]) -> None:
        if not any(received.subject in ids for received in batch):
            return
        for _ in range(25):
            await slow.ping()
            await asyncio.sleep(0.2)
        if stand_still:
            await asyncio.sleep(30)
        handled.set()

    state, what = sent()
    ids = {state.id}
    await parcels.create(state, what, by(), ALL)
    publishing = Relay(both_drivers, [parcels], broker)
    await publishing.start()
    listening = Consumer(f"test-{new_id()}", [ParcelTopic().name], handle, broker, dead_letters="customers.dlq.v1")
    await listening.start()
    while not handled.is_set():
        assert listening.alive()
        await asyncio.sleep(0.05)
    stand_still = True
    another, what = sent()
    ids.add(another.id)
    await parcels.create(another, what, by(), ALL)
    await until(lambda: not listening.alive())
    listening.guard.close()
    await publishing.stop()
    await listening.stop()
    await slow.close()


@pytest.mark.parametrize("error", [ConsumerStoppedError(), asyncio.CancelledError()], ids=["stopped", "cancelled"])
async def test_a_consuming_task_that_dies_silently_is_begun_again(
    parcels: Repository[Parcel], both_drivers: Database, broker: Any, error: BaseException
) -> None:
    heard = Listener()
    listening = Consumer(f"test-{new_id()}", [ParcelTopic().name], heard, broker, dead_letters="customers.dlq.v1")
    await listening.start()
    first: Any = listening._subscriber.consumer

    async def dies(*_: Any, **__: Any) -> Any:
        raise error

    first.getmany = dies
    await until(lambda: listening._subscriber.consumer not in (first, None))
    publishing = Relay(both_drivers, [parcels], broker)
    await publishing.start()
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    await until(lambda: state.id in heard.of(state.id))
    assert "has ended" in (listening.ready() or "")
    assert listening.alive()
    await publishing.stop()
    await listening.stop()


async def test_an_unforeseen_error_of_a_fetch_is_told(broker: Any, capsys: pytest.CaptureFixture[str]) -> None:
    listening = Consumer(f"test-{new_id()}", [ParcelTopic().name], Listener(), broker, dead_letters="customers.dlq.v1")
    await listening.start()
    real: Any = listening._subscriber.consumer
    fetch = type(real).getmany

    async def fails(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("nobody has foreseen this")

    real.getmany = fails
    listening._watch_turns()
    await until(lambda: "nobody has foreseen this" in (listening.ready() or ""))
    assert "Traceback" in capsys.readouterr().out
    real.getmany = fetch.__get__(real)
    listening._watch_turns()
    await until(lambda: listening.ready() is None)
    await listening.stop()


class Nowhere:
    kafka_bootstrap = "127.0.0.1:9"  # discard: nobody listens there
    kafka_idempotence = False
    kafka_fetch_wait_ms = 10


async def test_a_broker_that_takes_connections_and_says_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "PATIENCE", 0.2)
    taken: list[asyncio.StreamWriter] = []
    held = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)

    class Held(Nowhere):
        kafka_bootstrap = f"127.0.0.1:{held.sockets[0].getsockname()[1]}"

    watch = BusWatch(Held())
    await watch.look()
    assert "no answer" in (watch.away or "")
    for writer in taken:
        writer.close()
    held.close()


async def test_an_idle_worker_says_within_ten_seconds_that_the_bus_is_away(
    parcels: Repository[Parcel], both_drivers: Database, broker: Any
) -> None:
    class Settings(Nowhere):
        kafka_bootstrap = broker.kafka_bootstrap
        kafka_idempotence = broker.kafka_idempotence

    publishing = Relay(both_drivers, [parcels], Settings())
    listening = Consumer(f"test-{new_id()}", [ParcelTopic().name], Listener(), Settings(), "customers.dlq.v1")
    await publishing.start()
    await listening.start()
    await until(lambda: publishing.ready() is None and listening.ready() is None)
    Settings.kafka_bootstrap = Nowhere.kafka_bootstrap  # as if it had died: nothing answers where it was
    began = time.monotonic()
    await until(lambda: bool(publishing.bus.away and listening.bus.away))
    assert time.monotonic() - began < 10
    for each in (publishing, listening):
        assert "no Kafka broker at 127.0.0.1:9" in (each.ready() or "")
        assert each.alive()
    await publishing.stop()
    await listening.stop()


async def test_the_age_of_the_oldest_event_is_told_without_a_bus_and_without_a_lease(
    parcels: Repository[Parcel], both_drivers: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LOOK_AT_AGE", 0.1)
    holder = relay.Leases(both_drivers["relay_leases"])
    await holder.hold()
    state, what = sent()
    await parcels.create(state, what, by(), ALL)
    publishing = Relay(both_drivers, [parcels], Nowhere())
    await publishing.start()

    def age() -> float:
        return REGISTRY.get_sample_value("relay_oldest_unsent_seconds", {"topic": ParcelTopic().name}) or 0

    await until(lambda: age() > 1)
    await publishing.stop()


def test_a_warning_that_repeats_is_written_once_a_minute_with_its_number() -> None:
    now = 0.0
    repeated = Repeated(lambda: now)
    written: list[int] = []
    said = [
        repeated.count(("warning", f"cannot connect to node {n} at 0x7f{n:06x}"), written.append) for n in range(500)
    ]
    assert said == [0, *[None] * 499]
    assert repeated.count(("warning", "something else"), written.append) == 0
    repeated.tell()
    assert written == []
    now = TELL_AGAIN + 1
    repeated.tell()
    assert written == [499]
    assert repeated.count(("warning", "cannot connect to node 7 at 0x7f"), written.append) is None
    now = 3 * TELL_AGAIN
    assert repeated.count(("warning", "cannot connect to node 7 at 0x7f"), written.append) == 1
