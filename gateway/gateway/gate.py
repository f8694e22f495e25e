"""The gate: who asks and how often is settled here; then an own route answers, or the request is passed on.

Plain ASGI, between the chassis's door (log line, metrics, trace) and FastAPI's router, so that a forwarded
request meets no router and no validation on its way.
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import unquote

import aiohttp
import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.problems import NotFound, Problem, Unauthenticated, respond
from gateway.forward import CallerLeft, TooLarge, TooSlow, content_length, next_piece
from gateway.limits import Verdict, refused

log = structlog.get_logger()

LIMITED = Counter("gateway_rate_limited", "Requests refused because their caller asks too fast.", ["who"])

_OWN = re.compile(r"/api/v1/(accounts(/.*)?|me|today|board|progress|customers/[^/]+/overview)")
# The services fetch the key set here: nobody's flood may keep them from it.
_UNCOUNTED = frozenset({"/live", "/.well-known/jwks.json", "/.well-known/ended-sessions.json"})
METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS")

OWN_BODY_LIMIT = 16 * 1024
"""Bytes of a request that the gateway answers itself: the largest, a new account, takes 5 kB."""
OWN_BODY_DEADLINE = 10.0
"""Seconds for such a body."""

LESS = ("send only the fields that this route knows", "请只发送此路由所需的字段")
"""What to do about a body that is too large here."""

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
        if scope["method"] not in METHODS:
            raise NotAMethod()
        refusal = await _recognise(scope)
        verdict = state.limits.take(scope["state"].get("caller"), state.proxies.client(scope))
        answer.verdict = verdict
        if verdict.wait:
            LIMITED.labels(verdict.rate.name).inc()
            raise refused(verdict)
        if not path.startswith("/api/v1/") or _OWN.fullmatch(path):
            # Own routes say themselves whether they want a token.
            await self._app(scope, await _small_body(scope, receive), answer.send)
            return
        if refusal is not None:
            raise refusal
        # A service's other addresses are not reached by steps upwards, whoever takes such steps for what they say.
        upstream = None if _steps(path) or _steps(scope["raw_path"]) else state.forward.upstream(path)
        if upstream is None:
            raise NotFound(
                "no_such_route", "There is nothing at this address: see /docs.", "此地址不存在:请参阅 /docs。"
            )
        scope["template"] = "/".join([*path.split("/", 4)[:4], "…"])  # ids would make a measure of every record
        await state.forward(upstream, scope, receive, answer.send)


class NotAMethod(Problem):
    status = 405
    title = ("Method not allowed", "不支持该方法")

    def __init__(self) -> None:
        allowed = ", ".join(METHODS)
        super().__init__(
            "method_not_allowed",
            f"This method is not taken here: use one of {allowed}.",
            f"不支持该方法:请使用 {allowed}。",
            headers={"Allow": allowed},
        )


def _steps(path: str | bytes) -> bool:
    """Whether a path says `.` or `..`, which one program resolves and another does not."""
    text = unquote(path if isinstance(path, str) else path.decode("latin-1")).replace("\\", "/")
    return any(part in (".", "..") for part in text.split("/"))


async def _small_body(scope: Scope, receive: Receive) -> Receive:
    """Read the body of a request to an own route before anything else looks at it. Raises TooLarge, TooSlow."""
    length = content_length(scope)
    if length == 0:
        return receive
    if length is not None and length > OWN_BODY_LIMIT:
        raise TooLarge(OWN_BODY_LIMIT, length, advice=LESS)
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(OWN_BODY_DEADLINE):
            while more:
                piece, more = await next_piece(receive)
                body += piece
                if len(body) > OWN_BODY_LIMIT:
                    raise TooLarge(OWN_BODY_LIMIT, len(body), advice=LESS)
    except TimeoutError:
        raise TooSlow() from None
    read = False

    async def again() -> Message:
        nonlocal read
        if read:
            return await receive()  # that the caller has left
        read = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return again


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
