"""How fast one caller may ask: a token bucket each, and for those not signed in one per address."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from chassis.identity import Caller
from chassis.problems import TooManyRequests

KEPT = 20_000
"""Buckets held; the longest unused go first, and by then they are full again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """per_second on average, `burst` at once."""

    name: str
    per_second: float
    burst: int


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


@dataclass(frozen=True, slots=True)
class Verdict:
    rate: Rate
    left: int
    wait: float
    """Seconds until the next request is taken; 0 when this one is."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """As draft-ietf-httpapi-ratelimit-headers writes them."""
        full = math.ceil(self.rate.burst / self.rate.per_second)
        until = math.ceil(self.wait) if self.wait else full
        return [
            (b"ratelimit-policy", f'"{self.rate.name}";q={self.rate.burst};w={full}'.encode()),
            (b"ratelimit", f'"{self.rate.name}";r={self.left};t={until}'.encode()),
        ]


class Limits:
    """importing: for callers with that right, who send many thousand rows."""

    def __init__(
        self, caller: Rate, importing: Rate, anonymous: Rate, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._caller = caller
        self._importing = importing
        self._anonymous = anonymous
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: Caller | None, address: str) -> Verdict:
        """Count one request."""
        if caller is None:
            return self._take(f"address {address}", self._anonymous)
        return self._take(caller.id, self._importing if caller.may("import") else self._caller)

    def _take(self, who: str, rate: Rate) -> Verdict:
        now = self._now()
        bucket = self._buckets.pop(who, None) or _Bucket(rate.burst, now)
        self._buckets[who] = bucket
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        bucket.left = min(rate.burst, bucket.left + (now - bucket.at) * rate.per_second)
        bucket.at = now
        if bucket.left < 1:
            return Verdict(rate, 0, (1 - bucket.left) / rate.per_second)
        bucket.left -= 1
        return Verdict(rate, int(bucket.left), 0.0)


def refused(verdict: Verdict) -> TooManyRequests:
    wait = max(1, math.ceil(verdict.wait))
    return TooManyRequests(
        "rate_limited",
        f"You ask faster than {verdict.rate.per_second:g} times a second: wait {wait} s.",
        f"请求超过每秒 {verdict.rate.per_second:g} 次:请等待 {wait} 秒。",
        retry_after=wait,
    )
