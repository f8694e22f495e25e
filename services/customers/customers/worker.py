"""The worker process of customers."""

from __future__ import annotations

from chassis.consumer import Consumer
from chassis.relay import Relay
from chassis.service import Store, Timer, Worker
from customers.consumers import TOPICS, Learner
from customers.customer import commands
from customers.repositories import Repositories
from customers.settings import Settings

HANDOVERS = 60.0
"""Seconds between two looks for ownerships, and moves of offices, whose day has come."""


def worker(settings: Settings) -> Worker:
    """Publishes everything, learns from orders who buys; on their day hands customers over and moves them."""
    store = Store("customers", settings, watched=True)
    repositories = Repositories(store.database, settings.phone_region)

    async def hand_over() -> None:
        await commands.take_over_due(repositories)
        await commands.follow_offices(repositories)

    return Worker(
        "customers",
        store=store,
        prepare=repositories.prepare,
        relay=Relay(store.database, repositories.all, settings),
        consumer=Consumer("customers", TOPICS, Learner(repositories).take, settings),
        timers=[Timer("handovers", HANDOVERS, hand_over)],
    )
