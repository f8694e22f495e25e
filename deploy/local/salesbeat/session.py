"""Signed in at a gateway: an HTTP client whose token renews itself.

`session.client` is an httpx.AsyncClient whose base URL is the gateway; use the session within one event loop:

    async with Session.local(settings) as session:
        answer = await session.client.get("/api/v1/me")
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from salesbeat import credentials, state
from salesbeat.refusals import Refused
from salesbeat.settings import LocalSettings

PASSWORD = "SALESBEAT_PASSWORD"  # noqa: S105 - the name of a setting
EARLY = 30.0
"""Seconds before its end at which an access token is renewed, so that none ends on its way."""
TIMEOUT = 60.0
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class _Tokens:
    access: str
    refresh: str
    until: float
    """On the monotonic clock."""


class Bearer(httpx.Auth):
    """Signs in at the first request; renews the token before it ends, and when the gateway refuses it."""

    requires_request_body = True

    def __init__(self, url: str, login: str, password: str) -> None:
        self._url, self._login, self._password = url, login, password
        self._tokens: _Tokens | None = None
        self._renewing = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._token(refused=None)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {await self._token(refused=token)}"
            yield request

    async def _token(self, refused: str | None) -> str:
        """A token that counts, and is not the one that was refused. One caller renews it for all."""
        async with self._renewing:
            tokens = self._tokens
            if tokens is None or tokens.access == refused or time.monotonic() > tokens.until - EARLY:
                tokens = self._tokens = await self._renew(tokens)
            return tokens.access

    async def _renew(self, old: _Tokens | None) -> _Tokens:
        async with httpx.AsyncClient(base_url=self._url, timeout=TIMEOUT) as client:
            if old is not None:
                answer = await client.post("/api/v1/accounts/refresh", json={"refresh_token": old.refresh})
                if answer.is_success:
                    return self._read(answer)
            words = {"login": self._login, "password": self._password}
            answer = await client.post("/api/v1/accounts/token", json=words)
        if not answer.is_success:
            raise Refused(f"{self._login} cannot sign in at {self._url}: {why(answer)}")
        return self._read(answer)

    @staticmethod
    def _read(answer: httpx.Response) -> _Tokens:
        pair: dict[str, Any] = answer.json()
        return _Tokens(pair["access_token"], pair["refresh_token"], time.monotonic() + pair["expires_in"])


class Session:
    """A caller signed in at a gateway. Close it, or use it as a context manager."""

    def __init__(self, url: str, login: str, password: str) -> None:
        self.url = url.rstrip("/")
        self.login = login
        self.client = httpx.AsyncClient(
            base_url=self.url,
            auth=Bearer(self.url, login, password),
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )

    @classmethod
    def local(cls, settings: LocalSettings) -> Self:
        """As the administrator of this machine's suite. Raises Refused where there is none."""
        known = credentials.read(settings.credentials)
        if known is None:
            raise Refused(
                f"There is no suite at {settings.state} (it has no credentials.json): `salesbeat up` makes one. "
                "For another gateway, give --url and --login."
            )
        running = state.running(settings.state)
        return cls(running.url if running else settings.url, known.login, known.password)

    @classmethod
    def elsewhere(cls, url: str, login: str, ask: Any = None, environment: Mapping[str, str] = os.environ) -> Self:
        """At another gateway; the password comes from SALESBEAT_PASSWORD, or `ask(prompt)` gives it."""
        if not url.startswith(("http://", "https://")):
            raise Refused(f"--url {url} must begin with http:// or https://, such as https://sales.example.com.")
        password = environment.get(PASSWORD) or (ask and ask(f"Password of {login}"))
        if not password:
            raise Refused(f"The password of {login} is missing: give it in {PASSWORD}.")
        return cls(url, login, password)

    async def get(self, path: str, **parameters: Any) -> Any:
        """What the gateway answers, as JSON. Raises Refused with its reason."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._checked(await self._sent("GET", path, params=given))

    async def post(self, path: str, body: Any = None) -> Any:
        """What the gateway answers, as JSON. Raises Refused with its reason."""
        return self._checked(await self._sent("POST", path, json=body))

    async def _sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return await self.client.request(method, path, **more)
        except httpx.TransportError as error:
            raise Refused(unreachable(self.url, error)) from error

    def _checked(self, answer: httpx.Response) -> Any:
        if not answer.is_success:
            raise Refused(why(answer))
        return answer.json() if answer.content else None

    async def close(self) -> None:
        await self.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def unreachable(url: str, error: Exception) -> str:
    """The sentence for a gateway that does not answer."""
    reason = str(error) or type(error).__name__
    return f"The gateway at {url} does not answer ({reason}): see `salesbeat status`, or start it with `salesbeat up`."


def why(answer: httpx.Response) -> str:
    """What a refusal says (problem+json), in one line."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return f"it answers {answer.status_code}."
    said = str(problem.get("detail") or problem.get("title") or f"it answers {answer.status_code}.")
    faults = "; ".join(f"{each.get('field')}: {each.get('message')}" for each in problem.get("errors") or ())
    return f"{said} ({faults})" if faults else said
