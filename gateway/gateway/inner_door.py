"""Readiness and measures, on an address of their own: they are for whoever runs the gateway, not for its callers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Route

from chassis.connections import server_options
from gateway.settings import GatewaySettings

INNER = ("/ready", "/metrics")
PUBLIC = "/live"
"""Says only that the process answers; a load balancer asks for it at either door."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the public door takes them, and ends this one


def taken_from(app: FastAPI) -> Starlette:
    """An app with the routes of the inner door, which the public one has no more."""
    routes = [route for route in app.router.routes if isinstance(route, Route) and route.path in (*INNER, PUBLIC)]
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) not in INNER]
    inner = Starlette(routes=routes)
    inner.router.redirect_slashes = False
    return inner


@asynccontextmanager
async def open_at(inner: Starlette, settings: GatewaySettings) -> AsyncIterator[None]:
    """Serve it within the block. Raises SystemExit with a sentence where the address cannot be had."""
    listening = _listen(settings.health_host, settings.health_port)
    server = _Server(uvicorn.Config(inner, lifespan="off", **server_options(settings)))
    serving = asyncio.create_task(server.serve([listening]), name="inner door")
    try:
        yield
    finally:
        server.should_exit = True
        await serving
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SystemExit(
            f"The settings SALESBEAT_HEALTH_HOST and SALESBEAT_HEALTH_PORT: {host}:{port} cannot be had: {error}."
        ) from None
    listening.set_inheritable(False)
    return listening
