"""A gateway as the tutorials write it: FastAPI, one pooled httpx client, the answer given back whole."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

PASSED_ON = ("authorization", "content-type", "accept", "idempotency-key", "if-match")


def app(upstream: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # One client for all, as httpx's documentation advises; no limit, so that 32 callers need not queue.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(base_url=upstream, limits=limits, timeout=15) as client:
            app.state.client = client
            yield

    made = FastAPI(lifespan=lifespan)

    @made.api_route("/{path:path}", methods=["GET", "POST", "PATCH"])
    async def forward(request: Request, path: str) -> Response:
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        target = httpx.URL(path=f"/{path}", query=request.url.query.encode())
        answer = await request.app.state.client.request(
            request.method, target, headers=headers, content=await request.body()
        )
        kept = {name: answer.headers[name] for name in ("content-type", "etag") if name in answer.headers}
        return Response(answer.content, answer.status_code, kept)

    return made


if __name__ == "__main__":
    uvicorn.run(
        app(sys.argv[1]),
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
