"""The api process of visits."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from chassis.service import Store, http_app, resync_router
from visits.market_report.api import router as market_reports
from visits.policy.api import router as policies
from visits.repositories import Repositories
from visits.settings import Settings
from visits.task.api import router as tasks

ROUTERS: tuple[APIRouter, ...] = (tasks, policies, market_reports)


def app(settings: Settings) -> FastAPI:
    """The field work over HTTP."""
    store = Store("visits", settings)
    repositories = Repositories(store.database)
    return http_app(
        "visits",
        settings,
        routers=[*ROUTERS, resync_router("visits", repositories.all)],
        store=store,
        prepare=repositories.prepare,
        state={"repositories": repositories},
    )
