"""GET of one order through the gateway, with token, limit and scope checked."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import aiohttp

from bench import frame, shop
from bench.frame import Report, Stage, check
from chassis.mongo import connect
from salesbeat.ports import LOOPBACK, free_port

NAME = "gateway"
WHAT = "GET of one order through the gateway: token, rate limit, then the service with its own token check and scope"
CLIENTS = (32, 1)
SECONDS = 4
HIGHEST = {"SALESBEAT_RATE_PER_SECOND": "1000000", "SALESBEAT_RATE_BURST": "1000000"}
"""One caller stands for all of a company: each request is counted, and none refused."""


def _traefik(stage: Stage, port: int, upstream: str) -> list[str]:
    """One router, one service, the file provider, no access log: nothing is checked."""
    folder = stage.folder("traefik")
    dynamic = {
        "http": {
            "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "orders", "entryPoints": ["web"]}},
            "services": {"orders": {"loadBalancer": {"servers": [{"url": upstream}]}}},
        }
    }
    static: dict[str, Any] = {
        "entryPoints": {"web": {"address": f"{LOOPBACK}:{port}"}},
        "providers": {"file": {"filename": str(folder / "dynamic.yml")}},
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "ERROR"},
    }
    for name, content in (("dynamic", dynamic), ("static", static)):
        (folder / f"{name}.yml").write_text(json.dumps(content))  # JSON is YAML
    return [frame.peer("traefik"), f"--configfile={folder / 'static.yml'}"]


async def _one_order(url: str, headers: dict[str, str]) -> tuple[str, dict[str, Any]]:
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/api/v1/orders", json=shop.new_order()) as response,
    ):
        check(response.status == 201, f"an order was refused: {await response.text()}")
        order = await response.json()
    return f"/api/v1/orders/{order['id']}", order


async def measure(stage: Stage, report: Report) -> None:
    client = connect(await stage.mongodb())
    await shop.furnish(client.database("orders"))
    orders = await stage.service("orders", "api")
    headers = {"Authorization": f"Bearer {shop.token(stage.identity)}"}
    path, order = await _one_order(orders.url, headers)
    gateway = await stage.service("gateway", SALESBEAT_IDENTITY="oidc", SALESBEAT_ORDERS_URL=orders.url, **HIGHEST)
    sides = {"ours": gateway.port}

    traefik = free_port()
    process = stage.start("traefik-peer", _traefik(stage, traefik, orders.url))
    await stage.listening("traefik-peer", traefik, process)
    sides["Traefik, no check"] = traefik

    fastapi = free_port()
    command = [sys.executable, "-m", "bench.peers.forwarder", orders.url]
    process = stage.start("forwarder", command, {**os.environ, "PORT": str(fastapi)})
    await stage.listening("forwarder", fastapi, process)
    sides["FastAPI + httpx"] = fastapi
    sides["the service itself"] = orders.port

    async def right(side: str, port: int) -> None:
        status, body = await frame.get(port, path, headers)
        check(status == 200 and order == json.loads(_plain(body)), f"{side} answers {status} and not the order")

    def rounds(side: str, port: int, clients: int) -> frame.Round:
        async def round() -> None:
            await right(side, port)
            load = await frame.wrk(f"http://{LOOPBACK}:{port}{path}", clients, SECONDS, headers)
            check(not load.bad, f"{side}: {load.bad} bad answers")
            report.add(f"{clients} clients", side, load.per_second, "req/s")
            report.add(f"{clients} clients, p99", side, load.p99, "ms")

        return round

    other = {"Authorization": f"Bearer {stage.identity.token('salesperson', 'zhao', office='sha', region='east')}"}
    check((await frame.get(gateway.port, path))[0] == 401, "the gateway answers without a token")
    check((await frame.get(gateway.port, path, other))[0] == 404, "the gateway shows somebody else's order")
    await asyncio.sleep(3)  # Traefik has read its file
    for clients in CLIENTS:
        await frame.interleave(stage, *(rounds(side, port, clients) for side, port in sides.items()))
    await client.close()
    report.at_least(
        "32 clients: ours / Traefik without any check", 0.6, report.ratio("32 clients", "ours", "Traefik, no check")
    )
    report.at_least("32 clients: ours / FastAPI + httpx", 6, report.ratio("32 clients", "ours", "FastAPI + httpx"))


def _plain(body: bytes) -> bytes:
    """A body without the lengths of its chunks, where it came in chunks."""
    return body[body.index(b"{") : body.rindex(b"}") + 1]


if __name__ == "__main__":
    frame.main(NAME, WHAT, measure)
