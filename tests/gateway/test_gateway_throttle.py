"""Guessing passwords is slow, and nobody locks somebody else out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chassis import clock
from chassis.clock import SetClock
from chassis.mongo import Database
from chassis.problems import TooManyRequests
from gateway.accounts import throttle as module
from gateway.accounts.devices import Devices
from gateway.accounts.model import Account
from gateway.accounts.throttle import PATIENCE, Allowance, Throttle
from tests.gateway.conftest import ADMIN, Start, administrator, sign_in

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


class Watch:
    """Waits by moving the clock, and remembers for how long."""

    def __init__(self, now: SetClock) -> None:
        self.now = now
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now.move(timedelta(seconds=seconds))


@pytest.fixture
def watch() -> Iterator[Watch]:
    with clock.set_to(clock.now()) as now:
        yield Watch(now)


@pytest.fixture
async def throttle(database: Database, watch: Watch) -> Throttle:
    made = Throttle(database, Allowance(per_login=5, per_address=50), watch)
    await made.prepare()
    return made


async def guess(throttle: Throttle, watch: Watch, login: str, address: str, times: int) -> tuple[int, float]:
    """How many attempts came to their turn, and how long all of them took; who is told to come back does."""
    began, tried = watch.now.now(), 0
    while tried < times:
        try:
            await throttle.attempt(login, address)
            tried += 1
        except TooManyRequests as refusal:
            await watch(float(refusal.headers["Retry-After"]))
    return tried, (watch.now.now() - began).total_seconds()


async def test_the_first_wrong_passwords_cost_no_time_and_each_further_one_more(
    throttle: Throttle, watch: Watch
) -> None:
    for _ in range(5):
        await throttle.attempt("ann", HOME)
    assert watch.waits == []
    for _ in range(10):
        await throttle.attempt("ann", HOME)
    assert watch.waits == sorted(watch.waits)
    assert 0 < watch.waits[0] <= 0.5
    assert watch.waits[-1] <= PATIENCE


async def test_who_waits_gets_in_however_many_wrong_ones_were_before(throttle: Throttle, watch: Watch) -> None:
    await guess(throttle, watch, "ann", HOME, 200)
    _, seconds = await guess(throttle, watch, "ann", HOME, 1)
    assert seconds <= 30


async def test_a_stranger_elsewhere_does_not_slow_down_who_has_signed_in_before(
    throttle: Throttle, watch: Watch
) -> None:
    await throttle.attempt("ann", HOME)
    await throttle.succeeded("ann", HOME)
    await guess(throttle, watch, "ann", ELSEWHERE, 100)
    for n in range(100):
        await guess(throttle, watch, "ann", f"203.0.113.{n}", 1)
    watch.waits.clear()
    await throttle.attempt("ann", HOME)
    assert watch.waits == []


async def test_a_stranger_at_the_same_address_slows_down_who_has_signed_in_there_by_seconds_at_most(
    throttle: Throttle, watch: Watch
) -> None:
    await throttle.attempt("ann", HOME)
    await throttle.succeeded("ann", HOME)
    for n in range(100):
        await guess(throttle, watch, f"other{n}", HOME, 1)
    watch.waits.clear()
    await throttle.attempt("ann", HOME)
    assert watch.waits == []
    await guess(throttle, watch, "ann", HOME, 200)
    watch.waits.clear()
    await throttle.attempt("ann", HOME)  # never refused
    assert watch.waits[0] <= module.KNOWN_PAUSE


async def test_guessing_from_many_addresses_is_slow_too(throttle: Throttle, watch: Watch) -> None:
    began = watch.now.now()
    for n in range(300):
        await guess(throttle, watch, "ann", f"2001:db8:{n:x}::/64", 1)
    assert (watch.now.now() - began) > timedelta(minutes=60)


async def test_guessing_at_many_logins_from_one_address_is_slow_too(throttle: Throttle, watch: Watch) -> None:
    began = watch.now.now()
    for n in range(300):
        await guess(throttle, watch, f"user{n}", HOME, 1)
    assert (watch.now.now() - began) > timedelta(minutes=60)


async def test_many_at_once_have_one_turn_after_another_and_the_rest_take_none(
    throttle: Throttle, watch: Watch
) -> None:
    began = watch.now.now()
    answers = await asyncio.gather(*(throttle.attempt("ann", HOME) for _ in range(100)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, TooManyRequests)]
    # Whoever waits moves the clock, so how many have a turn depends on their order; the shortest pause bounds it.
    waited = (watch.now.now() - began).total_seconds()
    assert 100 - len(refused) <= 5 + 1 + (waited + PATIENCE) / 0.5
    assert len(refused) > 50
    assert all(0 < int(refusal.headers["Retry-After"]) <= 30 for refusal in refused)
    _, seconds = await guess(throttle, watch, "ann", HOME, 1)
    assert seconds <= 10


async def test_failures_are_forgotten_after_a_quiet_while(throttle: Throttle, watch: Watch) -> None:
    await guess(throttle, watch, "ann", HOME, 60)
    watch.now.move(timedelta(minutes=5, seconds=31))
    watch.waits.clear()
    for _ in range(5):
        await throttle.attempt("ann", HOME)
    assert watch.waits == []


async def test_a_right_password_is_no_failure(throttle: Throttle, watch: Watch) -> None:
    for _ in range(200):
        await throttle.attempt("ann", HOME)
        await throttle.succeeded("ann", HOME)
    assert watch.waits == []


async def test_a_success_with_one_login_does_not_open_the_way_for_others(throttle: Throttle, watch: Watch) -> None:
    for n in range(120):
        await guess(throttle, watch, f"user{n}", HOME, 1)
        await throttle.attempt("ann", HOME)
        await throttle.succeeded("ann", HOME)
    assert sum(watch.waits) > 300


async def test_a_changed_password_makes_every_address_unknown(throttle: Throttle, watch: Watch) -> None:
    await throttle.succeeded("ann", HOME)
    await throttle.forget("ann")
    await guess(throttle, watch, "ann", ELSEWHERE, 100)
    watch.waits.clear()
    await guess(throttle, watch, "ann", HOME, 1)
    assert watch.waits


async def test_what_is_kept_tells_nothing_and_goes_by_itself(
    throttle: Throttle, watch: Watch, database: Database
) -> None:
    await throttle.attempt("a password in the wrong field", HOME)
    await throttle.attempt("\ud800" * 100, HOME)
    await throttle.succeeded("ann", HOME)
    kept = await database["throttle"].find({}).to_list(None)
    assert "password" not in str(kept)
    assert HOME not in str(kept)
    latest = clock.now() + module.KNOWN_FOR
    assert all(each["until"] <= latest for each in kept)
    indexes = await database["throttle"].index_information()
    assert any(index.get("expireAfterSeconds") == 0 for index in indexes.values())


# --- over HTTP ------------------------------------------------------------------------------------


async def post(gateway: httpx.AsyncClient, login: str, password: str, **headers: str) -> httpx.Response:
    body = {"login": login, "password": password}
    return await gateway.post("/api/v1/accounts/token", json=body, headers=headers)


async def test_the_right_password_counts_after_many_wrong_ones(gateway: httpx.AsyncClient) -> None:
    body = {"login": "wang.fang", "password": "a good password", "role": "owner"}
    await gateway.post("/api/v1/accounts", json=body, headers=await administrator(gateway))
    for _ in range(7):
        assert (await post(gateway, "wang.fang", "guess")).status_code == 401
    began = time.monotonic()
    assert (await post(gateway, "wang.fang", "a good password")).status_code == 200
    assert time.monotonic() - began < 4


async def test_a_device_that_has_signed_in_is_slowed_down_by_nobody(start: Start) -> None:
    gateway = await start()
    body = {"login": "wang.fang", "password": "a good password", "role": "owner"}
    await gateway.post("/api/v1/accounts", json=body, headers=await administrator(gateway))
    gateway.cookies.clear()
    signed_in = await post(gateway, "wang.fang", "a good password")
    [said] = signed_in.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=strict", "Path=/api/v1/accounts/token"} <= set(said.split("; "))
    assert "device" not in signed_in.json()
    cookie = said.partition(";")[0]
    gateway.cookies.clear()

    async def strangers() -> None:
        await asyncio.gather(*(post(gateway, "wang.fang", "guess") for _ in range(30)))

    guessing = asyncio.create_task(strangers())
    await asyncio.sleep(1)
    began = time.monotonic()
    known = await post(gateway, "wang.fang", "a good password", Cookie=cookie)
    assert known.status_code == 200
    assert time.monotonic() - began < 1
    gateway.cookies.clear()
    await guessing

    for forged in (
        cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        "salesbeat-device=",
        "salesbeat-device=a.b.c",
        f"salesbeat-device={'x' * 5_000}",
        'salesbeat-device="\\303\\251"',
    ):
        answered = await post(gateway, "wang.fang", "guess", Cookie=forged)
        assert answered.status_code in (401, 429), forged


async def test_the_cookie_of_one_login_is_none_of_another_and_ends_with_the_password(
    database: Database, watch: Watch
) -> None:
    devices = Devices(database)
    await devices.prepare()
    await Devices(database).prepare()  # a second gateway
    now = clock.now()
    ann, bob = (Account(id=id, login=id, name=id, created_at=now, password_changed_at=now) for id in ("ann", "bob"))
    cookie = await devices.cookie(ann, None)
    device = await devices.known(cookie, ann)
    assert device is not None
    assert await Devices(database).known(cookie, ann) == device
    assert await devices.known(await devices.cookie(ann, device), ann) == device
    assert await devices.known(cookie, bob) is None
    assert await devices.known(cookie, None) is None
    later = ann.model_copy(update={"password_changed_at": now + timedelta(seconds=1)})
    assert await devices.known(cookie, later) is None
    watch.now.move(timedelta(days=31))
    assert await devices.known(cookie, ann) is None


async def test_a_stranger_at_the_same_address_does_not_slow_down_a_known_device(
    throttle: Throttle, watch: Watch
) -> None:
    await throttle.succeeded("ann", HOME)
    await guess(throttle, watch, "ann", HOME, 100)
    watch.waits.clear()
    await throttle.attempt("ann", HOME, "her telephone")
    assert watch.waits == []
    for _ in range(30):
        await throttle.attempt("ann", HOME, "her telephone")
    assert max(watch.waits) <= module.KNOWN_PAUSE
    await throttle.succeeded("ann", HOME, "her telephone")
    watch.waits.clear()
    await throttle.attempt("ann", HOME, "her telephone")
    assert watch.waits == []


async def test_every_spelling_of_a_login_is_counted_as_one(gateway: httpx.AsyncClient) -> None:
    spellings = ["nobody", "Nobody", " NOBODY ", "ｎｏｂｏｄｙ", "noBody\u00a0"]
    for spelling in spellings:
        assert (await post(gateway, spelling, "guess")).status_code == 401
    began = time.monotonic()
    for spelling in spellings[:3]:
        assert (await post(gateway, spelling, "guess")).status_code == 401
    assert time.monotonic() - began > 1.4


async def test_an_unknown_login_is_slowed_down_as_a_known_one(gateway: httpx.AsyncClient) -> None:
    await gateway.post(
        "/api/v1/accounts",
        json={"login": "wang.fang", "password": "a good password", "role": "owner"},
        headers=await administrator(gateway),
    )
    seen: dict[str, list[Any]] = {}
    for login in ("wang.fang", "nobody"):
        answers = await asyncio.gather(*(post(gateway, login, "guess") for _ in range(12)))
        seen[login] = sorted(answer.status_code for answer in answers)
    assert seen["wang.fang"] == seen["nobody"]
    assert 429 in seen["nobody"]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "too_many_attempts"
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert refused.headers["content-type"] == "application/problem+json"


async def test_who_is_signed_in_slows_down_nobody_by_guessing_at_the_present_password(start: Start) -> None:
    gateway = await start(login_failures=1)
    headers = await administrator(gateway)
    wrong = {"current_password": "guess", "new_password": "a new password"}
    for _ in range(3):
        assert (await gateway.post("/api/v1/accounts/password", json=wrong, headers=headers)).status_code == 422
    await sign_in(gateway, **ADMIN)


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\ud83d", "a\\udfff"])
async def test_characters_that_are_none_are_refused_or_wrong(gateway: httpx.AsyncClient, text: str) -> None:
    for body in (f'{{"login": "{text}", "password": "guess"}}', f'{{"login": "admin", "password": "{text}"}}'):
        answered = await gateway.post(
            "/api/v1/accounts/token", content=body, headers={"Content-Type": "application/json"}
        )
        assert answered.status_code in (401, 422), answered.text
