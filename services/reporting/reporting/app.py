"""The api process of reporting."""

from __future__ import annotations

from fastapi import FastAPI

from chassis.service import Store, http_app, resync_router
from reporting import api
from reporting.answers import Answers
from reporting.facts import Facts
from reporting.freshness import Freshness
from reporting.organisation import Organisation
from reporting.settings import Settings
from reporting.target import api as target_api
from reporting.target import queries


def app(settings: Settings) -> FastAPI:
    """Progress and targets over HTTP."""
    store = Store("reporting", settings)
    targets = queries.repository(store.database)
    organisation = Organisation(store.database)
    return http_app(
        "reporting",
        settings,
        routers=[api.router, target_api.router, resync_router("reporting", [targets])],
        store=store,
        prepare=lambda: queries.prepare(targets),
        state={
            "answers": Answers(store.database, organisation, settings.timezone),
            "freshness": Freshness(store.database, Facts(store.database)),
            "organisation": organisation,
            "targets": targets,
        },
    )
