"""The gate: who asks and how often is settled here; then an own route answers, or the request is passed on.

Plain ASGI, between the chassis's door (log line, metrics, trace) and FastAPI's router, so that a forwarded
request meets no router and no validation on its way.
"""

from __future__ import annotations

import re

import aiohttp
import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.problems import NotFound, Problem, Unauthenticated, respond
from gateway.forward import CallerLeft
from gateway.limits import Verdict, refused

log = structlog.get_logger()

LIMITED = Counter("gateway_rate_limited", "Requests refused because their caller asks too fast.", ["who"])

_OWN = re.compile(r"/api/v1/(accounts(/.*)?|me|today|board|progress|customers/[^/]+/overview)")
# The services fetch the key set here: nobody's flood may keep them from it.
_UNCOUNTED = frozenset({"/live", "/ready", "/metrics", "/.well-known/jwks.json"})

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
IF_NOT_SAID = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),  # answers are somebody's own
]


class Gate:
    """Finds `verifier`, `limits` and `forward` on the app's state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNCOUNTED:
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._answer(scope, receive, answer)
        except CallerLeft:
            pass
        except Problem as refusal:
            await answer.refuse(refusal, scope, receive)
        except (aiohttp.ClientError, TimeoutError) as error:
            if not answer.begun:
                raise
            # Only the closed connection can still say that the rest is missing.
            log.warning("answer_cut", path=scope["path"], error=repr(error))

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        state, path = scope["app"].state, scope["path"]
        refusal = await _recognise(scope)
        client = scope.get("client")
        verdict = state.limits.take(scope["state"].get("caller"), client[0] if client else "unknown")
        answer.verdict = verdict
        if verdict.wait:
            LIMITED.labels(verdict.rate.name).inc()
            raise refused(verdict)
        if not path.startswith("/api/v1/") or _OWN.fullmatch(path):
            await self._app(scope, receive, answer.send)  # own routes say themselves whether they want a token
            return
        if refusal is not None:
            raise refusal
        upstream = state.forward.upstream(path)
        if upstream is None:
            raise NotFound(
                "no_such_route", "There is nothing at this address: see /docs.", "此地址不存在:请参阅 /docs。"
            )
        scope["template"] = "/".join([*path.split("/", 4)[:4], "…"])  # ids would make a measure of every record
        await state.forward(upstream, scope, receive, answer.send)


async def _recognise(scope: Scope) -> Problem | None:
    """Notes the caller in the request's state; else says why the token does not do."""
    state = scope.setdefault("state", {})
    token = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")
    scheme, _, credentials = token.partition(" ")
    if scheme.lower() != "bearer" or not credentials.strip():
        return Unauthenticated()
    try:
        state["caller"] = await scope["app"].state.verifier.verify(credentials.strip())
    except Problem as refusal:
        return refusal
    return None


class _Answer:
    """Adds to every answer what browsers and callers should know."""

    def __init__(self, send: Send) -> None:
        self.verdict: Verdict | None = None
        self._send = send
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            said = {name for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *HEADERS,
                *(header for header in IF_NOT_SAID if header[0] not in said),
                *(self.verdict.headers if self.verdict else ()),
            ]
        await self._send(message)

    async def refuse(self, refusal: Problem, scope: Scope, receive: Receive) -> None:
        if not self.begun:
            await respond(refusal, Request(scope))(scope, receive, self.send)
