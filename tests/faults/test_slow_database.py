"""A worker whose database has a few hundredths of a core gets on, slowly, and is taken for alive all the while."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis import clock, consumer
from chassis.aggregate import Command, envelope
from chassis.consumer import Consumer
from chassis.mongo import connect
from contracts.envelope import Happened
from contracts.orders import OrderEvent
from contracts.topics import ORDERS
from reporting.consumers import TOPICS, Learner
from salesbeat import mongod
from salesbeat.ports import free_port
from tests.conftest import START, running
from tests.reporting.bus import MORNING, order

pytestmark = pytest.mark.flow

EVENTS = 4_000
RUNS, STANDS = 0.01, 0.24
"""Seconds in turn: a mongod with a twenty-fifth of a core at most."""
LONGEST = 240.0


@dataclass
class Row:
    """A record as aiokafka gives it."""

    value: bytes
    offset: int
    topic: str = ORDERS.name
    partition: int = 0
    key: bytes = b"k"


def records() -> list[Row]:
    """Orders of many people and days: each writes documents of its own."""
    made = []
    for number in range(EVENTS):
        day = date(2017, 1, 1) + timedelta(days=number % 300)
        state = order(f"o{number}", confirmed=day, credit=(f"p{number % 40}", f"office{number % 8}", "east"))
        said = Happened(OrderEvent.CONFIRMED, MORNING, day)
        value = envelope(ORDERS, state.id, 1, said, state.model_dump(mode="json"), Command(actor="li"), clock.now())
        made.append(Row(value, number))
    return made


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """Within, that process stands still for most of the time."""
    ended = threading.Event()

    def hold() -> None:
        while not ended.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STANDS)
            os.kill(pid, signal.SIGCONT)
            ended.wait(RUNS)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield
    finally:
        ended.set()
        holding.join()


async def watch(hand: Consumer) -> None:
    while True:
        assert hand.alive(), "it was taken for dead"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_a_worker_with_a_slow_database_lives_and_gets_on(
    folder: Path, broker: Any, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STALLED_AFTER", 2.0)
    for name, seconds in (("SLOW", 3.0), ("AIM", 1.5), ("QUICK", 0.6)):
        monkeypatch.setattr(consumer, name, seconds)
    port = free_port()
    for process in running(mongod.command(port, folder / "mongod"), folder / "mongod.log"):
        await mongod.become_primary(port, START)
        client = connect(mongod.uri(port), driver, watched=True, retryWrites=False)
        learner = Learner(client.database("reporting"))
        await learner.prepare()
        hand = Consumer("reporting", TOPICS, learner.take, broker, max_records=30_000)
        waiting = records()
        sizes: list[int] = []
        longest = 0.0

        watching = asyncio.create_task(watch(hand))
        with slowed(process.pid):
            deadline = time.monotonic() + LONGEST
            while waiting:
                assert time.monotonic() < deadline, f"{len(waiting)} are left after batches of {sizes}"
                assert not watching.done(), watching.exception()
                batch, waiting = waiting[: hand._at_once], waiting[hand._at_once :]
                sizes.append(len(batch))
                began = time.monotonic()
                await hand._take(batch)
                longest = max(longest, time.monotonic() - began)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert await learner.facts.collection.count_documents({}) == EVENTS
        assert sizes[0] <= 500
        assert longest < LONGEST / 4, sizes
        await client.close()
