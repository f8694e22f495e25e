"""The worker process of visits."""

from __future__ import annotations

from chassis.consumer import Consumer
from chassis.relay import Relay
from chassis.service import Store, Timer, Worker
from visits.consumers import TOPICS, Learner
from visits.market_report import commands as market_reports
from visits.repositories import Repositories
from visits.settings import Settings


def worker(settings: Settings) -> Worker:
    """Publishes the field work, learns from the others, and watches what is due."""
    store = Store("visits", settings)
    repositories = Repositories(store.database)
    return Worker(
        "visits",
        store=store,
        prepare=repositories.prepare,
        relay=Relay(store.database, repositories.all, settings),
        consumer=Consumer("visits", TOPICS, Learner(repositories).take, settings),
        timers=timers(repositories),
    )


def timers(repositories: Repositories) -> list[Timer]:
    """What comes due without anybody's doing."""
    return [
        Timer("market reports", 20.0, lambda: market_reports.escalate_due(repositories)),
    ]
