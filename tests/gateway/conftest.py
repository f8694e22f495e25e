"""The gateway under uvicorn on a loopback port, before stand-ins of the services, with a real MongoDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from chassis.connections import server_options
from chassis.mongo import Database
from gateway.app import app
from gateway.settings import GatewaySettings
from salesbeat.ports import free_port
from tests.gateway.standin import StandIn

ADMIN = {"login": "admin", "password": "correct horse"}
Start = Callable[..., Awaitable[httpx.AsyncClient]]


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they belong to pytest


@asynccontextmanager
async def serving(settings: GatewaySettings) -> AsyncIterator[httpx.AsyncClient]:
    server = _Server(
        # As every process of the suite is set up, but for the time that a stop may take.
        uvicorn.Config(
            app(settings),
            port=settings.port,
            lifespan="on",
            **{**server_options(settings), "timeout_graceful_shutdown": 1},
        )
    )
    task = asyncio.create_task(server.serve())
    url, inner = f"http://127.0.0.1:{settings.port}", f"http://127.0.0.1:{settings.health_port}"
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        client.headers["X-Test-Inner-Door"] = inner
        async with asyncio.timeout(30):
            while not server.started or (await client.get(f"{inner}/ready")).status_code != 200:
                assert not task.done()
                await asyncio.sleep(0.02)
        yield client
    server.should_exit = True
    await task


@pytest.fixture
async def services() -> AsyncIterator[dict[str, StandIn]]:
    standins = {name: StandIn(name) for name in ("customers", "orders", "visits", "reporting")}
    for standin in standins.values():
        await standin.start()
    yield standins
    for standin in standins.values():
        await standin.stop()


@pytest.fixture
async def start(mongo: str, database: Database, services: dict[str, StandIn]) -> AsyncIterator[Start]:
    """Starts a gateway with those settings; its address is free to be asked by nobody yet."""
    async with AsyncExitStack() as stack:

        async def started(**settings: Any) -> httpx.AsyncClient:
            port = free_port()
            given = {
                "port": port,
                "health_port": free_port(),
                "mongodb_uri": mongo,
                "mongodb_database": database.name,
                "jwks_url": f"http://127.0.0.1:{port}/.well-known/jwks.json",
                **{f"{name}_url": standin.url for name, standin in services.items()},
            }
            if settings.get("identity") != "oidc":
                given |= {"bootstrap_admin_login": ADMIN["login"], "bootstrap_admin_password": ADMIN["password"]}
            return await stack.enter_async_context(serving(GatewaySettings(**(given | settings))))

        yield started


@pytest.fixture
async def gateway(start: Start) -> httpx.AsyncClient:
    """Nobody is signed in."""
    return await start()


async def measures(gateway: httpx.AsyncClient) -> str:
    """What the gateway's inner door tells of its measures."""
    return (await gateway.get(f"{gateway.headers['X-Test-Inner-Door']}/metrics")).text


async def until(ask: Callable[[], Awaitable[httpx.Response]], *statuses: int) -> httpx.Response:
    """The first answer with one of those statuses."""
    async with asyncio.timeout(20):
        while True:
            answered = await ask()
            if answered.status_code in statuses:
                return answered
            await asyncio.sleep(0.05)


async def sign_in(gateway: httpx.AsyncClient, login: str, password: str) -> dict[str, Any]:
    answered = await gateway.post("/api/v1/accounts/token", json={"login": login, "password": password})
    assert answered.status_code == 200, answered.text
    return answered.json()


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


async def administrator(gateway: httpx.AsyncClient) -> dict[str, str]:
    """The first administrator's headers."""
    return bearer(await sign_in(gateway, **ADMIN))


@pytest.fixture
async def signed_in(gateway: httpx.AsyncClient) -> httpx.AsyncClient:
    """The administrator is signed in."""
    gateway.headers.update(await administrator(gateway))
    return gateway
