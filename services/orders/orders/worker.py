"""The worker process of orders."""

from __future__ import annotations

from chassis.consumer import Consumer
from chassis.relay import Relay
from chassis.service import Store, Timer, Worker
from orders.consumers import TOPICS, Reactions
from orders.order.regions import follow_offices
from orders.repositories import Repositories
from orders.settings import Settings

REGIONS = 60.0
"""Seconds between two looks for offices that come to another region today."""


def worker(settings: Settings) -> Worker:
    """Publishes products and orders; learns who works where, and which customers and visits there are.

    Open orders follow their office into another region, when it is said and, where it was said ahead, on its day.
    """
    store = Store("orders", settings, watched=True)
    repositories = Repositories(store.database)

    async def days_of_moves() -> None:
        await follow_offices(repositories)

    return Worker(
        "orders",
        store=store,
        prepare=repositories.prepare,
        relay=Relay(store.database, repositories.all, settings),
        consumer=Consumer("orders", TOPICS, Reactions(repositories).take, settings),
        timers=[Timer("regions of open orders", REGIONS, days_of_moves)],
    )
