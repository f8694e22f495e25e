"""The worker process of orders."""

from __future__ import annotations

from chassis.consumer import Consumer
from chassis.relay import Relay
from chassis.service import Store, Worker
from orders.consumers import TOPICS, Learner
from orders.repositories import Repositories
from orders.settings import Settings


def worker(settings: Settings) -> Worker:
    """Publishes products and orders; learns who works where, and which customers and visits there are."""
    store = Store("orders", settings, watched=True)
    repositories = Repositories(store.database)
    return Worker(
        "orders",
        store=store,
        prepare=repositories.prepare,
        relay=Relay(store.database, repositories.all, settings),
        consumer=Consumer("orders", TOPICS, Learner(repositories.known).take, settings),
    )
