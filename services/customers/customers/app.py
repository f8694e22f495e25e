"""The api process of customers."""

from __future__ import annotations

from fastapi import FastAPI

from chassis.service import Store, http_app, resync_router
from customers.customer import api as customer_api
from customers.office import api as office_api
from customers.person import api as person_api
from customers.region import api as region_api
from customers.repositories import Repositories
from customers.settings import Settings


def app(settings: Settings) -> FastAPI:
    """The organisation and the customer files over HTTP."""
    store = Store("customers", settings)
    repositories = Repositories(store.database, settings.phone_region)
    return http_app(
        "customers",
        settings,
        routers=[
            region_api.router,
            office_api.router,
            person_api.router,
            customer_api.router,
            resync_router("customers", repositories.all),
        ],
        store=store,
        prepare=repositories.prepare,
        state={"repositories": repositories},
    )
