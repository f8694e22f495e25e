"""One client per service: deadline, bounded retry, circuit breaker.

Retries happen here and nowhere else. A request is sent again only when that can do no harm: it reads, or
it carries an Idempotency-Key, or no connection was made, so that nothing of it can have arrived. Reasons to
try again are a failed connection, a 502, and a 503 by which the service says that it cannot work at all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import aiohttp
import orjson
from multidict import CIMultiDict
from prometheus_client import Counter, Gauge, Histogram
from yarl import URL

from chassis.problems import Problem, Unavailable

SECONDS = Histogram(
    "gateway_upstream_seconds",
    "From the first attempt to the upstream's headers, retries included.",
    ["upstream", "outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
RETRIES = Counter("gateway_upstream_retries", "Attempts after the first.", ["upstream"])
OPEN = Gauge("gateway_upstream_breaker_open", "1 while the breaker is open.", ["upstream"])

READING = frozenset({"GET", "HEAD"})
AGAIN = frozenset({502, 503})
NOT_READY = frozenset({"unavailable", "identity_unavailable", "too_many_connections"})
"""Codes by which a service says that it cannot work at all. Others, with 503, speak of one record or one request."""
PROBLEM_BYTES = 16 * 1024
"""A problem document that is longer is not looked into."""

SUSPECTING_CALLERS = 3
SUSPECTING_ROUTES = 2
SUSPICIONS_KEPT = 100


class TimedOut(Problem):
    status = 504
    title = ("No answer in time", "响应超时")


class Refused(Exception):
    """An upstream's own refusal, for whoever asked it on the gateway's behalf."""

    def __init__(self, status: int, body: bytes, content_type: str) -> None:
        super().__init__(f"{status}: {body[:200]!r}")
        self.status = status
        self.body = body
        self.content_type = content_type


@dataclass(frozen=True, slots=True)
class Policy:
    """deadline, pause, open_for: seconds."""

    deadline: float = 15.0
    attempts: int = 3
    pause: float = 0.1
    """Before the first retry; doubled before each further one, and spread between half and whole of it."""
    failures: int = 8
    """In a row, until the breaker opens."""
    open_for: float = 2.0  # a service is up again 2 s after its start


@dataclass(frozen=True, slots=True)
class Source:
    """Where a request comes from: who asks, and for what kind of thing."""

    caller: str = ""
    route: str = ""


class Breaker:
    """Closed: all pass. Open, after `failures` in a row: none. Half-open, `open_for` later: a probe decides.

    It must open when the service is down, and never because of what one caller asks for. So two kinds of failure are
    kept apart. Proofs (nobody listens; the service itself says that it is not ready) count whoever meets them.
    Suspicions (no answer in time, a lost connection) count only where several callers meet them at several routes, with
    no answer between.
    """

    def __init__(self, name: str, policy: Policy, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._policy = policy
        self._now = now
        self._proofs = 0
        self._suspicions: list[Source] = []
        self._open_until: float | None = None
        self._probe_until = float("-inf")
        OPEN.labels(name).set(0)

    @property
    def is_open(self) -> bool:
        return self._open_until is not None

    def enter(self) -> None:
        """Every call is followed by one of succeeded, failed, suspected and left. Raises Unavailable while open."""
        if self._open_until is None:
            return
        now = self._now()
        wait = max(self._open_until, self._probe_until) - now
        if wait > 0:
            raise down(self._name, max(1, round(wait + 0.5)))
        # A probe may be a request that takes long: the next one need not wait for its end.
        self._probe_until = now + self._policy.open_for

    def succeeded(self) -> None:
        if not self._proofs and not self._suspicions and not self.is_open:
            return
        self._proofs, self._suspicions, self._open_until = 0, [], None
        self._probe_until = float("-inf")
        OPEN.labels(self._name).set(0)

    def failed(self) -> None:
        """Proof that the service is down, whatever was asked."""
        self._proofs += 1
        if self.is_open or self._proofs >= self._policy.failures:
            self._open()

    def suspected(self, source: Source) -> None:
        """No answer, which may be the request's own fault."""
        self._suspicions = [*self._suspicions, source][-SUSPICIONS_KEPT:]
        callers = {each.caller for each in self._suspicions}
        routes = {each.route for each in self._suspicions}
        many = len(self._suspicions) + self._proofs >= self._policy.failures
        if self.is_open:
            self.left()
        elif many and len(callers) >= SUSPECTING_CALLERS and len(routes) >= SUSPECTING_ROUTES:
            self._open()

    def left(self) -> None:
        """There was no verdict: the caller went away. Another request may be the probe."""
        self._probe_until = float("-inf")

    def _open(self) -> None:
        self._open_until = self._now() + self._policy.open_for
        self._probe_until = float("-inf")
        OPEN.labels(self._name).set(1)


class Body:
    """A request's body, passed on as it comes.

    `head` is what has been read already; with `rest` None that is all of it, and it can be sent again.
    """

    def __init__(self, head: bytes = b"", rest: AsyncIterator[bytes] | None = None) -> None:
        self._head = head
        self._rest = rest
        self._spent = False
        self.finished = rest is None
        """All of it has been read from the caller."""
        self.fault: Exception | None = None
        """Why reading from the caller failed: that is not the upstream's fault."""

    @property
    def repeatable(self) -> bool:
        return self._rest is None or not self._spent

    def data(self) -> bytes | AsyncIterator[bytes] | None:
        if self._rest is None:
            return self._head or None
        return self._all(self._rest)

    async def _all(self, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._spent = True
        try:
            yield self._head
            async for chunk in rest:
                yield chunk
            self.finished = True
        except Exception as fault:
            self.fault = fault
            raise


class Upstream:
    """A service as the gateway sees it. `base` is its address, such as http://127.0.0.1:8711."""

    def __init__(self, name: str, base: str, pool: Pool, policy: Policy = Policy()) -> None:
        self.name = name
        self.base = base.rstrip("/")
        self.breaker = Breaker(name, policy)
        self._pool = pool
        self._policy = policy
        self._seconds = {
            outcome: SECONDS.labels(name, outcome) for outcome in ("1xx", "2xx", "3xx", "4xx", "5xx", "down", "late")
        }

    async def send(
        self,
        method: str,
        target: str,
        headers: CIMultiDict[str],
        body: Body | None = None,
        *,
        deadline: float | None = None,
        caller: str = "",
    ) -> Answer:
        """The upstream's answer with its body unread; release it. target: path and query, as they go on the wire.
        caller: in whose name it is asked.

        Raises Unavailable (503), TimedOut (504), or what failed while reading from the caller.
        """
        body = body or Body()
        within = deadline or self._policy.deadline
        started = asyncio.get_running_loop().time()
        outcome = "down"
        try:
            response = await self._attempts(
                method,
                URL(self.base + target, encoded=True),
                headers,
                body,
                started + within,
                Source(caller, f"{method} {_kind(target)}"),
            )
            outcome = f"{response.status // 100}xx"
            return response
        except TimeoutError:
            outcome = "late"
            raise TimedOut(
                "upstream_timeout",
                f"{self.name} did not answer within {within:g} s: try again shortly.",
                f"{self.name} 在 {within:g} 秒内没有响应:请稍后再试。",
                upstream=self.name,
            ) from None
        finally:
            self._seconds[outcome].observe(asyncio.get_running_loop().time() - started)

    async def _attempts(
        self, method: str, url: URL, headers: CIMultiDict[str], body: Body, until: float, source: Source
    ) -> Answer:
        response: Answer | None = None
        repeats = method in READING or "Idempotency-Key" in headers
        for attempt in range(1, self._policy.attempts + 1):
            harmless = repeats
            try:
                response = await self._once(method, url, headers, body, until, source)
            except aiohttp.ClientConnectorError:
                response, harmless = None, True
            if response is not None and not response.not_ready:
                return response
            pause = self._policy.pause * 2 ** (attempt - 1) * random.uniform(0.5, 1)  # noqa: S311 - guards nothing
            in_time = asyncio.get_running_loop().time() + pause < until
            if attempt == self._policy.attempts or not (harmless and body.repeatable and in_time):
                break
            if response is not None:
                response.release()
            RETRIES.labels(self.name).inc()
            await asyncio.sleep(pause)
        if response is None:
            raise down(self.name)
        return response

    async def _once(
        self, method: str, url: URL, headers: CIMultiDict[str], body: Body, until: float, source: Source
    ) -> Answer | None:
        """One attempt; None when the connection was lost. Raises ClientConnectorError when there was none at all,
        TimeoutError at the deadline.
        """
        self.breaker.enter()
        verdict = self.breaker.left  # somebody else's fault, until the upstream has shown its own
        try:
            async with asyncio.timeout_at(until):
                response = cast(
                    "Answer",
                    await self._pool.session.request(
                        method, url, headers=headers, data=body.data(), allow_redirects=False
                    ),
                )
                if response.status in AGAIN:
                    await response.look_into()
            if response.status == 504:
                verdict = partial(self.breaker.suspected, source)
            else:
                verdict = self.breaker.failed if response.not_ready else self.breaker.succeeded
            return response
        except aiohttp.ClientConnectorError:
            verdict = self.breaker.failed
            raise
        except aiohttp.ClientError:
            if body.fault is not None:
                raise body.fault from None
            verdict = partial(self.breaker.suspected, source)
            return None
        except TimeoutError:
            if body.finished:
                verdict = partial(self.breaker.suspected, source)
            raise
        finally:
            verdict()

    async def get(
        self,
        path: str,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        *,
        deadline: float = 5.0,
        caller: str = "/gateway",
    ) -> Any:
        """The JSON at a path. Raises Refused for a refusal, Unavailable, TimedOut."""
        query = {name: str(value) for name, value in (params or {}).items() if value is not None}
        target = str(URL.build(path=path, query=query))
        response = await self.send("GET", target, CIMultiDict(headers), deadline=deadline, caller=caller)
        try:
            async with asyncio.timeout(deadline):  # for the body
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError):
            raise down(self.name) from None
        finally:
            response.release()
        if response.status >= 400:
            raise Refused(response.status, content, response.content_type)
        try:
            return orjson.loads(content)
        except ValueError:
            raise down(self.name) from None  # cut short, or somebody else listens there


def _kind(target: str) -> str:
    """The first segments of a target, such as /api/v1/orders: which kind of thing is asked for."""
    return "/".join(target.partition("?")[0].split("/", 4)[:4])


class Answer(aiohttp.ClientResponse):
    """An upstream's answer; a 502 or 503 is looked into before its body is passed on."""

    looked_into: bytes | None = None
    not_ready = False
    """The service says that it cannot work at all."""

    async def look_into(self) -> None:
        self.not_ready = True
        length = self.content_length
        if self.content_type != "application/problem+json" or length is None or length > PROBLEM_BYTES:
            return
        self.looked_into = await self.read()
        try:
            said = orjson.loads(self.looked_into)
        except ValueError:
            return
        self.not_ready = not isinstance(said, dict) or said.get("code") in NOT_READY


def down(name: str, retry_after: int = 2) -> Unavailable:
    return Unavailable(
        "upstream_unavailable",
        f"{name} does not answer: try again in {retry_after} s.",
        f"{name} 暂无响应:请在 {retry_after} 秒后重试。",
        retry_after=retry_after,
        upstream=name,
    )


class Pool:
    """The client that all upstreams share. It follows nothing, keeps no cookies, unpacks nothing."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """Made when first used, because it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,  # the rate limit and the deadline bound it
                    keepalive_timeout=4,  # uvicorn closes idle connections after 5 s: closing first avoids the race
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=None),
                response_class=Answer,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
