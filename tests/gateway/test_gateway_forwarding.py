"""What is passed on, what is kept back, and what happens when a service is slow, broken or away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web

from tests.gateway.conftest import Start, administrator, bearer, measures, sign_in, until
from tests.gateway.standin import StandIn, dropped

ORDERS = "/api/v1/orders"


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("regions", "customers"),
        ("offices/x", "customers"),
        ("people/x/standing", "customers"),
        ("customers/x/contacts", "customers"),
        ("products", "orders"),
        ("orders/x/confirmation", "orders"),
        ("visit-plans/x/signature", "visits"),
        ("visits/x/check-in", "visits"),
        ("daily-reports", "visits"),
        ("resync/visits", "visits"),
        ("targets/x/revision", "reporting"),
        ("progress/month/2017-03/facts", "reporting"),
        ("resync/customers", "customers"),
        ("resync/reporting", "reporting"),
    ],
)
async def test_every_path_reaches_its_service(signed_in: httpx.AsyncClient, path: str, service: str) -> None:
    assert (await signed_in.get(f"/api/v1/{path}")).json()["service"] == service


@pytest.mark.parametrize("path", ["/api/v1/unheard", "/api/v1/resync/unheard", "/api/v1/resync/orders/x", "/api/v1/"])
async def test_an_unknown_path_is_said_to_be_unknown(signed_in: httpx.AsyncClient, path: str) -> None:
    answered = await signed_in.get(path)
    assert (answered.status_code, answered.json()["code"]) == (404, "no_such_route")


async def test_a_request_goes_on_as_it_came(signed_in: httpx.AsyncClient, services: dict[str, StandIn]) -> None:
    target = "/api/v1/customers/%E5%BC%A0%2F1/contacts?name=%E7%8E%8B&limit=5&a=1&a=2"
    answered = await signed_in.post(
        target,
        content=b'{"x": 1}',
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": "k",
            "If-Match": '"3"',
            "Accept-Language": "zh-CN",
            "X-Request-Id": "r-1",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "Cookie": "session=secret",
            "X-Forwarded-For": "9.9.9.9, 1.2.3.4",
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "https",
            "Forwarded": "for=9.9.9.9",
            "X-Real-IP": "9.9.9.9",
            "Connection": "X-Hop",
            "X-Hop": "for the gateway only",
        },
    )
    assert answered.json() == {"service": "customers", "method": "POST", "target": target, "bytes": 8}
    assert answered.headers["etag"] == '"7"'
    assert answered.headers.get_list("x-request-id") == ["r-1"]
    [asked] = services["customers"].asked
    for name in ("Content-Type", "Idempotency-Key", "If-Match", "Accept-Language", "Authorization"):
        assert asked.headers[name] == answered.request.headers[name]
    assert asked.headers["X-Request-Id"] == "r-1"
    assert asked.headers["traceparent"].split("-")[1] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert asked.headers["X-Forwarded-For"] == "127.0.0.1"
    assert not {"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP"} & set(asked.headers)
    assert asked.headers["Host"] == services["customers"].url.removeprefix("http://")
    assert "Cookie" not in asked.headers
    assert "X-Hop" not in asked.headers
    assert asked.body == b'{"x": 1}'


async def test_a_request_without_an_id_gets_one_that_the_service_sees(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    answered = await signed_in.get(ORDERS)
    assert services["orders"].asked[0].headers["X-Request-Id"] == answered.headers["x-request-id"]


async def test_no_record_gets_a_measure_of_its_own(signed_in: httpx.AsyncClient) -> None:
    await signed_in.get(f"{ORDERS}/0192f3a0-5b7c-7def-8123-456789abcdef/x")
    measured = await measures(signed_in)
    assert 'route="/api/v1/orders/…"' in measured
    assert "0192f3a0" not in measured


async def test_without_a_token_no_service_is_asked(gateway: httpx.AsyncClient, services: dict[str, StandIn]) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
        assert (await gateway.get(ORDERS, headers=headers)).status_code == 401
    assert services["orders"].asked == []


async def test_a_refusal_comes_back_as_the_service_worded_it(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    services["orders"].tell(ORDERS, {"code": "unknown_customer"}, status=422)
    answered = await signed_in.post(ORDERS, json={})
    assert (answered.status_code, answered.json()) == (422, {"code": "unknown_customer"})
    assert answered.headers["content-type"] == "application/problem+json"


async def test_a_large_body_is_streamed(signed_in: httpx.AsyncClient, services: dict[str, StandIn]) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for n in range(50):
            yield bytes([n]) * 100_000

    answered = await signed_in.post(ORDERS, content=pieces())
    assert answered.json()["bytes"] == 5_000_000
    assert services["orders"].asked[0].body[::100_000] == bytes(range(50))


async def test_an_answer_is_passed_on_while_it_is_being_made(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    heard = asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"first")
        await heard.wait()  # until the client has the first piece
        await answer.write(b"last")
        return answer

    services["orders"].tell(ORDERS, handler=slowly)
    async with asyncio.timeout(20), signed_in.stream("GET", ORDERS) as answered:
        stream = answered.aiter_raw()
        assert await anext(stream) == b"first"
        heard.set()
        assert await anext(stream) == b"last"


async def test_a_body_over_the_limit_is_refused(start: Start, services: dict[str, StandIn]) -> None:
    gateway = await start(body_limit=200_000)
    gateway.headers.update(await administrator(gateway))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    for content in (b"x" * 200_001, pieces()):
        refused = await gateway.post(ORDERS, content=content)
        assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert services["orders"].asked == []
    assert (await gateway.post(ORDERS, content=b"x" * 200_000)).json()["bytes"] == 200_000


async def test_a_service_that_is_away_is_503_with_when_to_come_back(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    await services["orders"].stop()
    for answered in (await signed_in.get(ORDERS), await signed_in.post(ORDERS, json={})):
        assert (answered.status_code, answered.json()["code"]) == (503, "upstream_unavailable")
        assert answered.headers["content-type"] == "application/problem+json"
        assert answered.json()["upstream"] == "orders"
        assert int(answered.headers["retry-after"]) > 0
    assert (await signed_in.get("/api/v1/customers")).status_code == 200
    chinese = await signed_in.get(ORDERS, headers={"Accept-Language": "zh-CN"})
    assert "暂无响应" in chinese.json()["detail"]


async def test_a_slow_service_is_504_at_the_deadline_and_asked_once(start: Start, services: dict[str, StandIn]) -> None:
    gateway = await start(deadline=0.3)
    gateway.headers.update(await administrator(gateway))
    never = asyncio.Event()

    async def sleeping(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    services["orders"].tell(ORDERS, handler=sleeping)
    answered = await gateway.post(ORDERS, json={}, headers={"Idempotency-Key": "k"})
    assert (answered.status_code, answered.json()["code"]) == (504, "upstream_timeout")
    assert len(services["orders"].asked) == 1
    never.set()


async def test_a_lost_post_is_never_sent_twice_unless_it_carries_a_key(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    services["orders"].tell(ORDERS, handler=dropped)
    for headers in ({}, {"If-Match": '"3"'}):
        services["orders"].asked.clear()
        assert (await signed_in.post(ORDERS, json={"x": 1}, headers=headers)).status_code == 503
        assert len(services["orders"].asked) == 1

    services["orders"].asked.clear()
    assert (await signed_in.post(ORDERS, json={"x": 1}, headers={"Idempotency-Key": "k"})).status_code == 503
    assert [asked.body for asked in services["orders"].asked] == [b'{"x":1}'] * 3


async def test_a_503_to_a_post_without_a_key_is_passed_on_at_once(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    services["orders"].tell(ORDERS, {"code": "unavailable"}, status=503)
    answered = await signed_in.post(ORDERS, json={})
    assert (answered.status_code, answered.json()["code"], len(services["orders"].asked)) == (503, "unavailable", 1)


@pytest.mark.parametrize(
    ("method", "headers"), [("GET", {}), ("POST", {"Idempotency-Key": "k"}), ("PATCH", {"Idempotency-Key": "k"})]
)
async def test_what_can_be_repeated_survives_a_lost_connection(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn], method: str, headers: dict[str, str]
) -> None:
    async def once(request: web.Request) -> web.StreamResponse:
        if len(services["orders"].asked) == 1:
            return await dropped(request)
        return web.json_response({"done": True})

    services["orders"].tell(ORDERS, handler=once)
    answered = await signed_in.request(method, ORDERS, headers=headers)
    assert (answered.status_code, answered.json()) == (200, {"done": True})


async def test_a_body_too_large_to_hold_is_sent_once(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    services["orders"].tell(ORDERS, handler=dropped)
    answered = await signed_in.post(ORDERS, content=b"x" * 500_000, headers={"Idempotency-Key": "k"})
    assert (answered.status_code, len(services["orders"].asked)) == (503, 1)


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(
    signed_in: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    async def breaking_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"half of")
        return await dropped(request)

    services["orders"].tell(ORDERS, handler=breaking_off)
    with pytest.raises(httpx.RemoteProtocolError):
        await signed_in.get(ORDERS)
    assert (await signed_in.get("/api/v1/products")).status_code == 200


async def test_the_breaker_spares_a_broken_service_and_lets_a_mended_one_back(
    start: Start, services: dict[str, StandIn]
) -> None:
    gateway = await start(breaker_failures=3, breaker_open=1, attempts=1)
    gateway.headers.update(await administrator(gateway))
    orders = services["orders"]
    orders.tell(ORDERS, {"code": "unavailable"}, status=503)
    for _ in range(3):
        assert (await gateway.get(ORDERS)).json()["code"] == "unavailable"
    spared = [await gateway.get(ORDERS) for _ in range(5)]
    assert {(answer.status_code, answer.json()["code"]) for answer in spared} == {(503, "upstream_unavailable")}
    assert len(orders.asked) == 3
    assert 'gateway_upstream_breaker_open{upstream="orders"} 1.0' in await measures(gateway)

    orders.tell(ORDERS, {"items": []})
    await until(lambda: gateway.get(ORDERS), 200)
    assert len(orders.asked) == 4
    assert 'gateway_upstream_breaker_open{upstream="orders"} 0.0' in await measures(gateway)


async def test_one_callers_deadlines_leave_the_service_open_for_others(
    start: Start, services: dict[str, StandIn]
) -> None:
    gateway = await start(deadline=0.2, breaker_failures=3, breaker_open=30, attempts=1)
    admin = await administrator(gateway)
    owner = {"login": "owner", "password": "a good password", "role": "owner"}
    await gateway.post("/api/v1/accounts", json=owner, headers=admin)
    other = bearer(await sign_in(gateway, "owner", "a good password"))
    never = asyncio.Event()

    async def sleeping(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    for path in ("/api/v1/visits/batch", "/api/v1/visits/x", "/api/v1/calls"):
        services["visits"].tell(path, handler=sleeping)
    for path in ("/api/v1/visits/batch", "/api/v1/calls", "/api/v1/visits/x") * 3:
        assert (await gateway.post(path, json={}, headers=admin)).status_code == 504
    assert (await gateway.get("/api/v1/visits", headers=other)).status_code == 200
    assert 'breaker_open{upstream="visits"} 0.0' in await measures(gateway)
    never.set()


async def test_a_refusal_that_concerns_one_record_is_passed_on_and_opens_nothing(
    start: Start, services: dict[str, StandIn]
) -> None:
    gateway = await start(breaker_failures=3, breaker_open=30)
    gateway.headers.update(await administrator(gateway))
    services["orders"].tell(f"{ORDERS}/x", {"code": "outbox_full", "detail": "wait for the broker"}, status=503)
    for _ in range(5):
        refused = await gateway.post(f"{ORDERS}/x", json={}, headers={"Idempotency-Key": "k"})
        assert (refused.status_code, refused.json()["code"]) == (503, "outbox_full")
    assert len(services["orders"].asked) == 5
    assert (await gateway.get(ORDERS)).status_code == 200


async def test_one_callers_lost_connections_leave_the_service_open_for_others(
    start: Start, services: dict[str, StandIn]
) -> None:
    gateway = await start(breaker_failures=3, breaker_open=30)
    gateway.headers.update(await administrator(gateway))
    services["orders"].tell(f"{ORDERS}/poison", handler=dropped)
    for _ in range(5):
        assert (await gateway.get(f"{ORDERS}/poison")).status_code == 503
    assert (await gateway.get(ORDERS)).status_code == 200


async def test_a_restarted_service_is_found_again(signed_in: httpx.AsyncClient, services: dict[str, StandIn]) -> None:
    assert (await signed_in.get(ORDERS)).status_code == 200
    await services["orders"].stop()
    assert (await signed_in.get(ORDERS)).status_code == 503
    await services["orders"].start()
    await until(lambda: signed_in.post(ORDERS, json={}), 200)


async def test_an_odd_request_line_harms_nobody(signed_in: httpx.AsyncClient, services: dict[str, StandIn]) -> None:
    host, port = signed_in.base_url.host, signed_in.base_url.port
    for target in (b"/api/v1/orders/\xff", b'/api/v1/orders/a|b"<>', b"/api/v1/orders//..//x", b"/api/v1/orders?%%"):
        reader, writer = await asyncio.open_connection(host, port)
        token = signed_in.headers["Authorization"].encode()
        writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + token)
        writer.write(b"\r\n\r\n")
        status = int((await reader.read()).split(b" ", 2)[1])
        assert status < 500, target
        writer.close()
        await writer.wait_closed()
    assert (await signed_in.get(ORDERS)).status_code == 200
