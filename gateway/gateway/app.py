"""The composition root of the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from chassis.service import Store, http_app
from gateway import board, customer_overview, inner_door, me, openapi, pages, progress, today
from gateway.addresses import Proxies
from gateway.days import Days
from gateway.forward import Forward
from gateway.gate import Gate
from gateway.limits import Limits, Rate
from gateway.parts import pass_refusals_on
from gateway.settings import GatewaySettings
from gateway.upstream import Policy, Pool, Upstream

if TYPE_CHECKING:
    from gateway.accounts.embedded import Embedded

PAGES = (me.router, today.router, board.router, progress.router, customer_overview.router)


def app(settings: GatewaySettings) -> FastAPI:
    pool = Pool()
    upstreams = _upstreams(settings, pool)
    days = Days(upstreams["customers"], settings.timezone)
    proxies = Proxies(settings.trusted_proxies)
    state: dict[str, Any] = {
        "proxies": proxies,
        "upstreams": upstreams,
        "days": days,
        "forward": Forward(upstreams, settings.body_limit, proxies),
        "limits": _limits(settings),
    }
    if settings.identity == "embedded":
        # Only where the gateway is the provider itself.
        from gateway.accounts import api as accounts
        from gateway.accounts.embedded import Embedded

        store = Store("gateway", settings)
        provider = Embedded(settings, store.database, upstreams["customers"], days)
        state |= {"identity": provider.identity, "keys": provider.keys, "ended": provider.ended}
        own = http_app(
            "gateway",
            settings,
            routers=[accounts.router, *PAGES],
            store=store,
            prepare=provider.prepare,
            state=state,
            verifier=provider.verifier,
        )
        own.include_router(accounts.published)
    else:
        provider = None
        own = http_app("gateway", settings, routers=PAGES, state=state)
    _around(own, inner_door.taken_from(own), settings, pool, provider)
    own.include_router(pages.router)
    openapi.install(own, upstreams)
    pass_refusals_on(own)
    own.user_middleware.append(Middleware(Gate))  # innermost: within the chassis's log line, measure and trace
    if settings.origins:
        own.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "PATCH"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "traceparent"],
            expose_headers=["ETag", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"],
            max_age=600,
        )
    return own


def _upstreams(settings: GatewaySettings, pool: Pool) -> dict[str, Upstream]:
    policy = Policy(
        deadline=settings.deadline,
        attempts=settings.attempts,
        failures=settings.breaker_failures,
        open_for=settings.breaker_open,
    )
    addresses = {
        "customers": settings.customers_url,
        "orders": settings.orders_url,
        "visits": settings.visits_url,
        "reporting": settings.reporting_url,
    }
    return {name: Upstream(name, address, pool, policy) for name, address in addresses.items()}


def _limits(settings: GatewaySettings) -> Limits:
    return Limits(
        caller=Rate("caller", settings.rate_per_second, settings.rate_burst),
        importing=Rate("importing", settings.rate_import_per_second, settings.rate_import_burst),
        anonymous=Rate("anonymous", settings.rate_anonymous_per_second, settings.rate_anonymous_burst),
    )


def _around(own: FastAPI, inner: Starlette, settings: GatewaySettings, pool: Pool, provider: Embedded | None) -> None:
    """Open the inner door with the app, and close at the end what this page has opened."""
    within = own.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with within(app) as state, inner_door.open_at(inner, settings):
            yield state
        await pool.close()
        if provider is not None:
            provider.close()

    own.router.lifespan_context = lifespan
