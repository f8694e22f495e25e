"""The worker process of reporting."""

from __future__ import annotations

from chassis.consumer import Consumer
from chassis.relay import Relay
from chassis.service import Store, Timer, Worker
from reporting.consumers import TOPICS, Learner
from reporting.settings import Settings
from reporting.target import queries

BEAT = 1.0
"""Seconds between two heartbeats of `as_of`."""


def worker(settings: Settings) -> Worker:
    """Learns from all topics, publishes targets, and says how fresh the numbers are."""
    store = Store("reporting", settings)
    targets = queries.repository(store.database)
    learner = Learner(store.database)
    consumer = Consumer("reporting", TOPICS, learner.take, settings)

    async def prepare() -> None:
        await queries.prepare(targets)
        await learner.prepare()

    async def beat() -> None:
        await learner.freshness.beat(await consumer.positions())

    return Worker(
        "reporting",
        store=store,
        prepare=prepare,
        relay=Relay(store.database, [targets], settings),
        consumer=consumer,
        timers=[Timer("as_of", BEAT, beat)],
    )
