"""How fast one may ask, and how the breaker turns."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.identity import Caller
from chassis.problems import Unavailable
from gateway.limits import KEPT, Limits, Rate
from gateway.upstream import Breaker, Policy, Source
from tests.gateway.conftest import Start, administrator, bearer, sign_in

ANN = Caller(id="ann", name="Ann", role="salesperson")
BOB = Caller(id="bob", name="Bob", role="salesperson", rights=frozenset({"import"}))


class Watch:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(watch: Watch) -> Limits:
    return Limits(Rate("caller", 2, 5), Rate("importing", 50, 100), Rate("anonymous", 1, 1), watch)


@given(st.lists(st.floats(0, 2), max_size=100))
def test_nobody_gets_more_than_the_burst_and_what_the_time_gives(pauses: list[float]) -> None:
    watch = Watch()
    bucket, taken = limits(watch), 0
    for pause in pauses:
        watch.now += pause
        taken += bucket.take(ANN, "").wait == 0
        assert taken <= 5 + 2 * (watch.now - 1000) + 1e-6


def test_who_waits_as_long_as_told_is_taken() -> None:
    watch = Watch()
    bucket = limits(watch)
    assert [bucket.take(ANN, "").left for _ in range(5)] == [4, 3, 2, 1, 0]
    refused = bucket.take(ANN, "")
    assert 0 < refused.wait <= 0.5
    watch.now += refused.wait
    assert bucket.take(ANN, "").wait == 0


def test_each_has_a_bucket_of_their_own() -> None:
    bucket = limits(Watch())
    assert bucket.take(None, "10.0.0.1").wait == 0
    assert bucket.take(None, "10.0.0.1").wait > 0
    assert bucket.take(None, "10.0.0.2").wait == 0
    assert [bucket.take(BOB, "10.0.0.1").wait for _ in range(100)] == [0] * 100
    assert bucket.take(ANN, "10.0.0.1").wait == 0


def test_a_flood_of_addresses_does_not_fill_the_memory() -> None:
    bucket = limits(Watch())
    for n in range(KEPT + 100):
        bucket.take(None, str(n))
    assert len(bucket._buckets) == KEPT


async def test_too_fast_is_429_with_when_to_come_back(start: Start) -> None:
    gateway = await start(rate_per_second=0.01, rate_burst=3, rate_import_per_second=50, rate_import_burst=50)
    admin = await administrator(gateway)
    body = {"login": "owner", "password": "a good password", "role": "owner"}
    await gateway.post("/api/v1/accounts", json=body, headers=admin)
    owner = bearer(await sign_in(gateway, "owner", "a good password"))
    seen = [await gateway.get("/api/v1/orders", headers=owner) for _ in range(4)]
    assert [answer.status_code for answer in seen] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in seen] == ["r=2", "r=1", "r=0", "r=0"]
    assert seen[-1].json()["code"] == "rate_limited"
    assert 0 < int(seen[-1].headers["retry-after"]) <= 100
    assert (await gateway.get("/api/v1/orders", headers=admin)).status_code == 200
    assert (await gateway.get("/live", headers=owner)).status_code == 200


async def test_those_not_signed_in_share_their_addresss_rate(start: Start) -> None:
    gateway = await start(rate_anonymous_per_second=0.01, rate_anonymous_burst=2)
    answers: list[httpx.Response] = [await gateway.get("/docs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    # Every service fetches the key set from the same address.
    assert (await gateway.get("/.well-known/jwks.json")).status_code == 200


def test_the_breaker_opens_probes_and_closes() -> None:
    watch = Watch()
    breaker = Breaker("a service", Policy(failures=2, open_for=5), watch)
    for _ in range(2):
        breaker.enter()
        breaker.failed()
    with pytest.raises(Unavailable) as refused:
        breaker.enter()
    assert 5 <= int(refused.value.headers["Retry-After"]) <= 6

    watch.now += 5
    breaker.enter()  # the probe
    with pytest.raises(Unavailable):
        breaker.enter()
    breaker.failed()
    with pytest.raises(Unavailable):
        breaker.enter()

    watch.now += 5
    breaker.enter()
    breaker.left()  # a probe that was given up decides nothing
    breaker.enter()
    breaker.succeeded()
    assert not breaker.is_open
    breaker.enter()


def suspected(breaker: Breaker, *sources: tuple[str, str]) -> None:
    for caller, route in sources:
        breaker.enter()
        breaker.suspected(Source(caller, route))


def test_what_one_caller_waits_for_in_vain_opens_the_breaker_for_nobody() -> None:
    breaker = Breaker("a service", Policy(failures=2))
    suspected(breaker, *[("ann", f"GET /api/v1/{n}") for n in range(50)])
    assert not breaker.is_open
    suspected(breaker, *[("bob", "GET /api/v1/1")] * 50)
    assert not breaker.is_open


def test_one_route_that_answers_nobody_opens_the_breaker_for_no_other_route() -> None:
    breaker = Breaker("a service", Policy(failures=2))
    suspected(breaker, *[(f"caller {n}", "GET /api/v1/progress") for n in range(50)])
    assert not breaker.is_open


def test_a_service_that_answers_nobody_anywhere_opens_the_breaker() -> None:
    breaker = Breaker("a service", Policy(failures=8))
    sources = [(f"caller {n % 4}", f"GET /api/v1/{n % 3}") for n in range(8)]
    suspected(breaker, *sources[:7])
    assert not breaker.is_open
    suspected(breaker, sources[7])
    assert breaker.is_open


def test_an_answer_between_clears_a_service_of_suspicion() -> None:
    breaker = Breaker("a service", Policy(failures=8))
    for n in range(100):
        suspected(breaker, (f"caller {n % 7}", f"GET /api/v1/{n % 5}"))
        if n % 6 == 5:
            breaker.enter()
            breaker.succeeded()
    assert not breaker.is_open


def test_a_probe_that_takes_long_keeps_nobody_waiting() -> None:
    watch = Watch()
    breaker = Breaker("a service", Policy(failures=1, open_for=2), watch)
    breaker.enter()
    breaker.failed()
    watch.now += 2
    breaker.enter()  # the probe: a request that takes fifteen seconds
    watch.now += 2
    breaker.enter()  # the next one
    breaker.succeeded()
    assert not breaker.is_open
    breaker.suspected(Source("ann", "GET /api/v1/orders"))  # the first probe was late
    assert not breaker.is_open


def test_a_probe_without_an_answer_in_time_decides_nothing() -> None:
    watch = Watch()
    breaker = Breaker("a service", Policy(failures=1, open_for=2), watch)
    breaker.enter()
    breaker.failed()
    watch.now += 2
    breaker.enter()
    breaker.suspected(Source("ann", "GET /api/v1/orders"))
    breaker.enter()  # at once, because nothing is known yet
    breaker.succeeded()
    assert not breaker.is_open


def test_a_success_forgets_the_failures_before() -> None:
    breaker = Breaker("a service", Policy(failures=2))
    for _ in range(5):
        breaker.enter()
        breaker.failed()
        breaker.enter()
        breaker.succeeded()
    assert not breaker.is_open
