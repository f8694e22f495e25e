"""A session at a small real gateway: tokens renew themselves, once for all callers, and pages are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from salesbeat import progress
from salesbeat.ports import free_port, wait_for
from salesbeat.refusals import Refused
from salesbeat.session import EARLY, Session


class Gateway:
    """Gives out tokens, and answers progress in pages."""

    def __init__(self) -> None:
        self.url = ""
        self.sign_ins = 0
        self.refreshes = 0
        self.valid: str | None = None
        self.lasts = 600.0
        self.app = FastAPI()
        self.app.post("/api/v1/accounts/token")(self._sign_in)
        self.app.post("/api/v1/accounts/refresh")(self._refresh)
        self.app.get("/api/v1/progress/month")(self._progress)

    async def _sign_in(self, request: Request) -> Any:
        if await request.json() != {"login": "admin", "password": "right"}:
            return JSONResponse({"detail": "Wrong login or password."}, 401)
        self.sign_ins += 1
        return self._pair(f"a{self.sign_ins}.{self.refreshes}")

    async def _refresh(self) -> Any:
        self.refreshes += 1
        return self._pair(f"a{self.sign_ins}.{self.refreshes}")

    def _pair(self, token: str) -> dict[str, Any]:
        self.valid = token
        return {"access_token": token, "refresh_token": "r", "expires_in": self.lasts, "token_type": "Bearer"}

    async def _progress(self, request: Request, cursor: int = 0) -> Any:
        if request.headers.get("authorization") != f"Bearer {self.valid}":
            return JSONResponse({"detail": "Sign in."}, 401)
        items = [{"period": f"2017-0{cursor + 1}"}]
        return {"items": items, "as_of": {"page": cursor}, "next_cursor": cursor + 1 if cursor < 2 else None}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    port = free_port()
    made.url = f"http://127.0.0.1:{port}"
    server = uvicorn.Server(uvicorn.Config(made.app, port=port, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    assert await wait_for(port, 20)
    yield made
    server.should_exit = True
    await serving


async def months(session: Session) -> dict[str, Any]:
    return await progress.fetch(session, "month", None, None, None, None)


async def test_all_pages_are_one_answer(gateway: Gateway) -> None:
    async with Session(gateway.url, "admin", "right") as session:
        assert await months(session) == {
            "items": [{"period": "2017-01"}, {"period": "2017-02"}, {"period": "2017-03"}],
            "as_of": {"page": 0},
            "next_cursor": None,
        }


async def test_a_refused_token_is_renewed_once_for_all(gateway: Gateway) -> None:
    async with Session(gateway.url, "admin", "right") as session:
        await months(session)
        gateway.valid = "another"
        await asyncio.gather(*(months(session) for _ in range(10)))
    assert (gateway.sign_ins, gateway.refreshes) == (1, 1)


async def test_a_token_about_to_end_is_renewed_before(gateway: Gateway) -> None:
    gateway.lasts = EARLY / 2
    async with Session(gateway.url, "admin", "right") as session:
        await months(session)
    assert gateway.sign_ins == 1
    assert gateway.refreshes == 2


async def test_a_wrong_password_is_said(gateway: Gateway) -> None:
    async with Session(gateway.url, "admin", "wrong") as session:
        with pytest.raises(Refused, match=r"admin cannot sign in at .*: Wrong login or password"):
            await months(session)


async def test_a_gateway_that_is_away_is_said() -> None:
    async with Session(f"http://127.0.0.1:{free_port()}", "admin", "right") as session:
        with pytest.raises(Refused, match=r"does not answer .* `salesbeat up`"):
            await months(session)
