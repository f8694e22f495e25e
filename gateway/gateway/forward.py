"""The plain commands and lists, passed on with the caller's token.

A plain ASGI app: bodies are streamed both ways and never parsed. Small ones are read first, so that they
can be sent again (see upstream.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping

from multidict import CIMultiDict
from starlette.types import Receive, Scope, Send

from chassis import telemetry
from chassis.problems import Problem
from gateway.addresses import Proxies
from gateway.upstream import Answer, Body, Upstream

ROUTES: dict[str, str] = {
    "regions": "customers",
    "offices": "customers",
    "people": "customers",
    "customers": "customers",
    "products": "orders",
    "orders": "orders",
    "visit-plans": "visits",
    "visits": "visits",
    "calls": "visits",
    "daily-reports": "visits",
    "sign-offs": "visits",
    "form-duties": "visits",
    "absences": "visits",
    "reminders": "visits",
    "market-reports": "visits",
    "meetings": "visits",
    "tasks": "visits",
    "visit-policies": "visits",
    "targets": "reporting",
    "progress": "reporting",
}
"""First segment after /api/v1 -> the service that answers. /api/v1/resync/{service} names its own."""

REPEATABLE = 64 * 1024
"""Bytes of a body that are held to send it again; larger ones go once."""
UPLOAD_DEADLINE = 120.0
RESYNC_DEADLINE = 600.0
SILENCE = 30.0
"""Seconds between two pieces of a body, from the caller or from the upstream, after which it is given up."""

# RFC 9110 §7.6.1, and what only the gateway may say about where a request came from.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade".split()
)
NOT_PASSED_ON = HOP_BY_HOP | frozenset(
    b"host cookie forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix x-forwarded-proto "
    b"x-real-ip expect".split()
)
NOT_PASSED_BACK = HOP_BY_HOP | frozenset(b"server date set-cookie x-request-id traceparent".split())


class TooLarge(Problem):
    status = 413
    title = ("Too large", "请求体过大")

    def __init__(self, limit: int, size: int, *, advice: tuple[str, str] = ("send it in parts", "请分批发送")) -> None:
        """size: bytes of this one, or how many had come when it was given up."""
        super().__init__(
            "body_too_large",
            f"A request here may carry at most {limit} bytes, and this one has {size} or more: {advice[0]}.",
            f"此处请求体不得超过 {limit} 字节,而本请求至少有 {size} 字节:{advice[1]}。",
            limit=limit,
            size=size,
        )


class TooSlow(Problem):
    status = 408
    title = ("Too slow", "请求过慢")
    default = (
        "body_too_slow",
        f"Nothing of the request's body came for {SILENCE:g} s: send it again.",
        f"{SILENCE:g} 秒内没有收到请求体:请重新发送。",
    )


class CallerLeft(Exception):
    """The caller closed the connection before the request was complete."""


class Forward:
    """body_limit: bytes."""

    def __init__(self, upstreams: Mapping[str, Upstream], body_limit: int, proxies: Proxies) -> None:
        self._upstreams = upstreams
        self._body_limit = body_limit
        self._proxies = proxies

    def upstream(self, path: str) -> Upstream | None:
        """Who answers that path; None where nobody does."""
        parts = path.split("/", 5)
        if len(parts) < 4 or parts[1] != "api" or parts[2] != "v1":
            return None
        if parts[3] == "resync":
            return self._upstreams.get(parts[4]) if len(parts) == 5 else None
        return self._upstreams.get(ROUTES.get(parts[3], ""))

    async def __call__(self, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose caller has been checked. Raises Problem before the answer has begun."""
        length = content_length(scope)
        if length is not None and length > self._body_limit:
            raise TooLarge(self._body_limit, length)
        body = await self._body(receive, length)
        headers = self._passed_on(scope)
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        deadline = None
        if scope["path"].startswith("/api/v1/resync/"):
            deadline = RESYNC_DEADLINE
        elif not body.finished:
            deadline = UPLOAD_DEADLINE
        caller = scope["state"]["caller"].id
        response = await upstream.send(scope["method"], target, headers, body, deadline=deadline, caller=caller)
        try:
            await _pass_back(response, send)
        finally:
            response.release()

    async def _body(self, receive: Receive, length: int | None) -> Body:
        if length == 0:
            return Body()
        head, more = b"", True
        while more and len(head) <= REPEATABLE:
            piece, more = await next_piece(receive)
            head += piece
        if len(head) > self._body_limit:
            raise TooLarge(self._body_limit, len(head))
        return Body(head, self._rest(receive, len(head)) if more else None)

    async def _rest(self, receive: Receive, read: int) -> AsyncIterator[bytes]:
        more = True
        while more:
            piece, more = await next_piece(receive)
            read += len(piece)
            if read > self._body_limit:
                raise TooLarge(self._body_limit, read)
            if piece:
                yield piece

    def _passed_on(self, scope: Scope) -> CIMultiDict[str]:
        incoming = scope["headers"]
        named = _named_by_connection(value for name, value in incoming if name == b"connection")
        headers: CIMultiDict[str] = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in incoming
            if name not in NOT_PASSED_ON and name not in named
        )
        if (address := self._proxies.address(scope)) is not None:
            headers["X-Forwarded-For"] = str(address)
        headers.update(trail(scope))
        return headers


async def next_piece(receive: Receive) -> tuple[bytes, bool]:
    """The next piece of the caller's body, and whether more will come. Raises CallerLeft, TooSlow."""
    try:
        async with asyncio.timeout(SILENCE):
            message = await receive()
    except TimeoutError:
        raise TooSlow() from None
    if message["type"] == "http.disconnect":
        raise CallerLeft
    return message.get("body", b""), message.get("more_body", False)


async def _pass_back(response: Answer, send: Send) -> None:
    named = _named_by_connection(value.encode() for value in response.headers.getall("Connection", ()))
    headers = [
        (lower, value)
        for name, value in response.raw_headers
        if (lower := name.lower()) not in NOT_PASSED_BACK and lower not in named
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.looked_into is not None:
        await send({"type": "http.response.body", "body": response.looked_into})
        return
    more = True
    while more:
        if response.content.is_eof():  # all of it is here
            piece = response.content.read_nowait()
        else:
            async with asyncio.timeout(SILENCE):
                piece = await response.content.readany()
        more = not response.content.at_eof()
        await send({"type": "http.response.body", "body": piece, "more_body": more})


def trail(scope: Scope) -> dict[str, str]:
    """What ties the next hop's log lines and spans to this request."""
    headers = {"X-Request-Id": scope["request_id"]} if "request_id" in scope else {}
    if parent := telemetry.current_traceparent():
        headers["traceparent"] = parent
    return headers


def _named_by_connection(values: Iterable[bytes]) -> frozenset[bytes]:
    """A Connection header names further headers that concern this hop only."""
    return frozenset(name.strip().lower() for value in values for name in value.split(b","))


def content_length(scope: Scope) -> int | None:
    """Bytes of the body; None where only its end will tell."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return None if any(name == b"transfer-encoding" for name, _ in scope["headers"]) else 0
