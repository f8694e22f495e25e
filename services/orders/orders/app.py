"""The api process of orders."""

from __future__ import annotations

from fastapi import FastAPI

from chassis.service import Store, http_app, resync_router
from orders.order import api as order_api
from orders.product import api as product_api
from orders.repositories import Repositories
from orders.settings import Settings


def app(settings: Settings) -> FastAPI:
    """Products and orders over HTTP."""
    store = Store("orders", settings)
    repositories = Repositories(store.database)
    return http_app(
        "orders",
        settings,
        routers=[product_api.router, order_api.router, resync_router("orders", repositories.all)],
        store=store,
        prepare=repositories.prepare,
        state={"repositories": repositories},
    )
