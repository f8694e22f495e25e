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
RESPREAD = 0.5
"""Seconds between two looks for targets that the organisation's changes touch."""
AT_ONCE = 30_000
"""Events of a batch while it is behind: it writes a person's month once, however many of the events are in it."""


def worker(settings: Settings) -> Worker:
    """Learns from all topics, publishes targets, and says how fresh the numbers are."""
    # What fails is done again as a whole, by the guard or the relay; to keep a record of each write so that the driver
    # may repeat it alone doubles the work of the database.
    store = Store("reporting", settings, watched=True, retryWrites=False)
    targets = queries.repository(store.database)
    learner = Learner(store.database, targets)
    consumer = Consumer("reporting", TOPICS, learner.take, settings, max_records=AT_ONCE)

    async def prepare() -> None:
        await queries.prepare(targets)
        await learner.prepare()

    async def beat() -> None:
        await learner.freshness.beat(await consumer.positions())

    async def respread() -> None:
        await learner.respread.work()

    return Worker(
        "reporting",
        store=store,
        prepare=prepare,
        relay=Relay(store.database, [targets], settings),
        consumer=consumer,
        timers=[Timer("as_of", BEAT, beat), Timer("target_spread", RESPREAD, respread)],
    )
