"""How every process takes connections: what a client may send, how slowly, and how many connections there are.

uvicorn's protocol bounds neither the head of a request nor the time in which it comes, so a client that sends one byte
a minute holds a connection for ever. The limits of this module are the same for all processes:

    head        at most `HEAD_BYTES` and `HEAD_FIELDS`, complete within `HEAD_DEADLINE`: 431, 408
    body        a piece at least every `BODY_SILENCE`, complete within `BODY_DEADLINE`: 408
    answer      the client takes some of it at least every `ANSWER_SILENCE`
    connections at most `Settings.connections`; one more closes the one that has waited longest for its request

How large a body may be is decided by the application, because that depends on the route.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chassis import problems
from chassis.problems import Problem

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from chassis.settings import Settings

HEAD_BYTES = 32 * 1024
"""Request line and header fields together; a token of a large provider takes 4 kB."""
HEAD_FIELDS = 100
HEAD_DEADLINE = 10.0
"""Seconds from the connection, or from the first byte of a further request, to the end of its head."""
BODY_SILENCE = 30.0
"""Seconds without a piece of the body while the application waits for one."""
BODY_DEADLINE = 600.0
"""Seconds for a whole body. A body of 10 MB over a poor mobile connection takes a minute."""
UNREAD_BODY = 15.0
"""Seconds in which the rest of a body is still read and thrown away after the answer: a connection that is closed at
once may take the answer away from a client that is still sending."""
LINGER = 2.0
"""Seconds in which more of a refused request is read and thrown away, for the same reason."""
ANSWER_SILENCE = 60.0
"""Seconds in which the client takes nothing of its answer."""
LOOK_AGAIN = 1.0


class HeadTooLarge(Problem):
    status = 431
    title = ("Header fields too large", "请求头过大")

    def __init__(self, size: int, fields: int) -> None:
        super().__init__(
            "head_too_large",
            f"The request line and the header fields may have at most {HEAD_BYTES} bytes and {HEAD_FIELDS} fields; "
            f"these have at least {size} bytes and {fields} fields. Send fewer or shorter ones.",
            f"请求行与请求头最多 {HEAD_BYTES} 字节、{HEAD_FIELDS} 个字段;当前至少 {size} 字节、{fields} 个字段。"
            "请减少或缩短请求头。",
            limit=HEAD_BYTES,
            size=size,
        )


class RequestTooSlow(Problem):
    status = 408
    title = ("Too slow", "请求过慢")
    default = (
        "request_too_slow",
        "The request did not arrive in time: send it again.",
        "请求未能及时到达:请重新发送。",
    )


class Malformed(Problem):
    status = 400
    title = ("Malformed request", "请求格式错误")
    default = ("malformed_request", "This is not a valid HTTP/1.1 request.", "这不是有效的 HTTP/1.1 请求。")


class Full(problems.Unavailable):
    default = (
        "too_many_connections",
        "This process has as many connections as it takes: try again in a few seconds.",
        "本进程的连接数已满:请几秒后重试。",
    )


class Phase(IntEnum):
    """What the next byte of a connection belongs to."""

    HEAD = 0
    BODY = 1
    IDLE = 2


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on size, time and number. `most`: connections of one server."""

    most = 1000

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._phase = Phase.HEAD
        self._head = 0
        self._head_done = False
        self._refused = False
        self._fault: Problem | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._since = self._heard = self.loop.time()
        super().connection_made(transport)
        if len(self.connections) > self.most and not self._make_room():
            self._refuse(Full())
            return
        self._timer = self.loop.call_later(HEAD_DEADLINE, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self._cancel_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused or self.transport.is_closing():
            return
        if self._phase is Phase.IDLE:  # also where these bytes are blank lines, which begin no message
            self._begin_head()
        self._head_done = False
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if self._phase is Phase.HEAD:
            if not self._head_done:  # else an unknown part of this piece belonged to the request before
                self._head += len(data)
            if self._head > HEAD_BYTES:
                self._refuse(HeadTooLarge(self._head, len(self.headers or ())))
            elif self._timer is None:
                self._timer = self.loop.call_later(HEAD_DEADLINE, self._head_is_late)
        elif self._phase is Phase.BODY:
            self._heard = self.loop.time()
            if self._timer is None:
                self._timer = self.loop.call_later(LOOK_AGAIN, self._look_at_body)
        else:
            self._cancel_timer()

    # --- the parser's callbacks ---

    def on_message_begin(self) -> None:
        self._begin_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > HEAD_FIELDS:
            self._fault = HeadTooLarge(size, len(self.headers))
            raise ValueError("the head is too large")  # ends the parsing; send_400_response tells the client
        super().on_headers_complete()
        self._phase = Phase.BODY
        self._head_done = True
        self._since = self._heard = self.loop.time()
        self._cancel_timer()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._phase = Phase.IDLE
        self._since = self.loop.time()
        self._cancel_timer()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._fault or Malformed())

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked (RFC 9110 section 7.8), and is the last of its connection."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    # --- the client that does not read ---

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(ANSWER_SILENCE, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_writing()

    # --- what is too late ---

    def _begin_head(self) -> None:
        self._phase = Phase.HEAD
        self._head = 0
        self._since = self.loop.time()

    def _head_is_late(self) -> None:
        self._timer = None
        if self._head or self.cycle is not None:
            self._refuse(RequestTooSlow())
        else:
            self.transport.close()  # nothing was sent, so nobody waits for an answer

    def _look_at_body(self) -> None:
        self._timer = None
        now = self.loop.time()
        cycle: RequestResponseCycle = self.cycle
        if cycle.response_complete:
            if now - self._since > UNREAD_BODY:
                self.transport.close()
                return
        elif self.flow.read_paused:
            self._heard = now  # the application is not ready for more: the client is not to blame
        elif now - self._heard > BODY_SILENCE or now - self._since > BODY_DEADLINE:
            self._refuse(RequestTooSlow())
            return
        self._timer = self.loop.call_later(LOOK_AGAIN, self._look_at_body)

    def _refuse(self, refusal: Problem) -> None:
        """Say why, unless an answer is under way, and end the connection."""
        if self._refused:
            return
        self._cancel_timer()
        self._unset_keepalive_if_required()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_answer(refusal, self.headers))
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER, self.transport.abort)

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for its request; False where all are being answered."""
        waiting = [
            other
            for other in self.connections
            if other is not self and isinstance(other, BoundedProtocol) and other._waits
        ]
        if not waiting:
            return False
        # A client that has not finished its first head holds the place of others; a kept connection was useful before.
        oldest = min(waiting, key=lambda other: (other._phase is Phase.IDLE, other._since))
        self.connections.discard(oldest)
        oldest.transport.close()
        return True

    @property
    def _waits(self) -> bool:
        """Nothing of this connection is being answered."""
        return self._refused or (self._phase is not Phase.BODY and (self.cycle is None or self.cycle.response_complete))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cancel_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None


def server_options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told in every process, beside the app, its address and its port."""
    return {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # uvicorn believes X-Forwarded-For of whatever runs on this machine unless it is told not to.
        "proxy_headers": False,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
        "ws": "none",
        "http": type("Bounded", (BoundedProtocol,), {"most": settings.connections}),
    }


def _answer(refusal: Problem, headers: list[tuple[bytes, bytes]] | None) -> bytes:
    """A whole HTTP answer, for requests that never become one of the application."""
    accepted = next((value.decode("latin-1") for name, value in headers or () if name == b"accept-language"), None)
    body = orjson.dumps(refusal.body(problems.language(accepted)))
    fields = {
        **refusal.headers,
        "content-type": problems.CONTENT_TYPE,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "connection": "close",
    }
    lines = [f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in fields.items()]
    return b"".join([STATUS_LINE[refusal.status], *lines, b"\r\n", body])
