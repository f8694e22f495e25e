"""A service's HTTP app with callers who are taken at their word: signatures are the chassis tests' business."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import httpx
from fastapi import FastAPI

from chassis.identity import Caller
from tests.support.eventually import eventually_true


class Trusting:
    """Takes a token that `token` has made for the caller it names."""

    async def verify(self, token: str) -> Caller:
        said: dict[str, Any] = json.loads(bytes.fromhex(token))
        return Caller(**{**said, "offices": tuple(said["offices"]), "rights": frozenset(said["rights"])})


def caller(role: str, person: str | None = None, **more: Any) -> Caller:
    """A caller of that role; `office`, `region`, `offices` and `rights` as needed."""
    office = more.get("office")
    offices = tuple(dict.fromkeys([*([office] if office else []), *more.pop("offices", ())]))
    rights = frozenset(more.pop("rights", ()))
    who = person or role
    return Caller(id=f"account-{who}", name=who, role=role, person=person, offices=offices, rights=rights, **more)


def token(who: Caller) -> str:
    return json.dumps({**asdict(who), "rights": sorted(who.rights)}).encode().hex()


class Door(httpx.AsyncClient):
    """An HTTP client of an app; `as_(caller)` gives the headers that sign a request as that caller."""

    @staticmethod
    def as_(who: Caller, key: str | None = None, version: int | None = None) -> dict[str, str]:
        """key: the Idempotency-Key; version: for If-Match."""
        return {
            "Authorization": f"Bearer {token(who)}",
            **({"Idempotency-Key": key} if key else {}),
            **({"If-Match": f'"{version}"'} if version is not None else {}),
        }


@asynccontextmanager
async def opened(app: FastAPI) -> AsyncIterator[Door]:
    """The app, started, with its indexes made, its callers taken at their word."""
    app.state.verifier = Trusting()
    async with (
        app.router.lifespan_context(app),
        Door(transport=httpx.ASGITransport(app), base_url="http://service") as door,
    ):
        await eventually_true(lambda: _is_ready(door), "the service is ready")
        yield door


async def _is_ready(door: Door) -> bool:
    return (await door.get("/ready")).status_code == 200
