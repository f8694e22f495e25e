"""The worker process of visits."""

from __future__ import annotations

from chassis.consumer import Consumer
from chassis.relay import Relay
from chassis.service import Store, Timer, Worker
from visits import office_moves
from visits.absence import commands as absences
from visits.consumers import TOPICS, Learner
from visits.form_duty import commands as form_duties
from visits.market_report import commands as market_reports
from visits.plan import commands as plans
from visits.repositories import Repositories
from visits.settings import Settings
from visits.visit import reactions as visits


def worker(settings: Settings) -> Worker:
    """Publishes the field work, learns from the others, and watches what is due."""
    store = Store("visits", settings, watched=True)
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
        Timer("missed visits", 30.0, lambda: visits.mark_missed(repositories)),
        Timer("plans executed unsigned", 30.0, lambda: plans.flag_unsigned(repositories)),
        Timer("market reports", 20.0, lambda: market_reports.escalate_due(repositories)),
        Timer("duties of days that have begun", 15.0, lambda: form_duties.open_begun(repositories)),
        Timer("forms past their cut-off", 20.0, lambda: form_duties.mark_missing(repositories)),
        Timer("offices that move", 60.0, lambda: office_moves.follow_all(repositories)),
        Timer("long trips", 60.0, lambda: absences.watch_trips(repositories)),
    ]
