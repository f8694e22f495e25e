"""A service on a loopback port that does as it is told, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from salesbeat.ports import free_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    target: str
    """Path and query as they came over the wire."""
    headers: Mapping[str, str]
    body: bytes


class StandIn:
    """Echoes every request, unless a path was told something else."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.asked: list[Asked] = []
        self._told: dict[str, Handler] = {}
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tell(self, path: str, answer: Any = None, *, status: int = 200, handler: Handler | None = None) -> None:
        async def say(_: web.Request) -> web.Response:
            content_type = "application/json" if status < 400 else "application/problem+json"
            return web.Response(body=orjson.dumps(answer), status=status, content_type=content_type)

        self._told[path] = handler or say

    def asked_for(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.target.partition("?")[0] == path]

    async def start(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(request.method, request.path_qs, request.headers, body)
        self.asked.append(asked)
        if handler := self._told.get(request.path):
            return await handler(request)
        said = {"service": self.name, "method": asked.method, "target": asked.target, "bytes": len(body)}
        return web.json_response(said, headers={"ETag": '"7"', "X-Request-Id": "the service's"})


async def dropped(request: web.Request) -> web.StreamResponse:
    """The connection is lost after the request has been read."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
