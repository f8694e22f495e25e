"""What comes through the public door, and what does not: bodies, methods, paths, addresses, names of hosts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.addresses import Proxies
from gateway.gate import OWN_BODY_LIMIT
from tests.gateway.conftest import ADMIN, Start, administrator, bearer, sign_in
from tests.gateway.standin import StandIn

TOKEN = "/api/v1/accounts/token"


async def raw(gateway: httpx.AsyncClient, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and body of what a connection says until it is closed."""
    reader, writer = await asyncio.open_connection(gateway.base_url.host, gateway.base_url.port)
    writer.write(request)
    async with asyncio.timeout(20):
        answered = await reader.read()
    writer.close()
    head, _, body = answered.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    pairs = (field.partition(": ") for field in fields)
    return int(line.split(" ", 2)[1]), {name.lower(): value for name, _, value in pairs}, body


def request(method: str, target: str, *fields: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Connection: close", *fields]
    if not any(field.lower().startswith("host:") for field in fields):
        lines.append("Host: x")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


# --- bodies ---------------------------------------------------------------------------------------

OWN_ROUTES = ["/token", "/refresh", "/logout", "/password", "", "/keys/rotation", "/anything"]


def unknown_fields(count: int) -> bytes:
    return json.dumps({f"field{n}": 1 for n in range(count)}).encode()


@pytest.mark.parametrize("path", OWN_ROUTES)
async def test_eight_megabytes_without_a_token_are_refused_at_once(gateway: httpx.AsyncClient, path: str) -> None:
    content = unknown_fields(600_000)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    for body in (content, chunks()):
        began = time.perf_counter()
        refused = await gateway.post(
            f"/api/v1/accounts{path}", content=body, headers={"Content-Type": "application/json"}
        )
        assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
        assert time.perf_counter() - began < 2
        detail = refused.json()["detail"]
        assert str(OWN_BODY_LIMIT) in detail
        assert str(refused.json()["size"]) in detail
        assert refused.json()["size"] > OWN_BODY_LIMIT
    chinese = await gateway.post(f"/api/v1/accounts{path}", content=content, headers={"Accept-Language": "zh"})
    assert str(OWN_BODY_LIMIT) in chinese.json()["detail"]
    assert "请求体" in chinese.json()["detail"]


async def test_nobody_waits_for_somebodys_large_body(gateway: httpx.AsyncClient) -> None:
    content = unknown_fields(600_000)
    slowest = 0.0

    async def ask() -> None:
        nonlocal slowest
        for _ in range(40):
            began = time.perf_counter()
            assert (await gateway.get("/live")).status_code == 200
            slowest = max(slowest, time.perf_counter() - began)

    async with httpx.AsyncClient(base_url=gateway.base_url, timeout=30, trust_env=False) as other:
        await asyncio.gather(ask(), *(other.post(TOKEN, content=content) for _ in range(4)))
    assert slowest < 1


async def test_a_body_that_fits_is_checked_field_by_field(gateway: httpx.AsyncClient) -> None:
    began = time.perf_counter()
    refused = await gateway.post(TOKEN, content=unknown_fields(1_000), headers={"Content-Type": "application/json"})
    assert refused.status_code == 422
    assert time.perf_counter() - began < 1
    largest = {"login": "w" * 100, "password": "p" * 200}
    assert (await gateway.post(TOKEN, json=largest)).status_code == 401


async def test_who_is_signed_in_has_the_same_limit_at_own_routes_and_more_elsewhere(
    signed_in: httpx.AsyncClient,
) -> None:
    content = unknown_fields(2_000)
    assert len(content) > OWN_BODY_LIMIT
    assert (await signed_in.post("/api/v1/accounts", content=content)).status_code == 413
    assert (await signed_in.request("GET", "/api/v1/me", content=content)).status_code == 413
    assert (await signed_in.post("/api/v1/orders", content=content)).status_code == 200


async def test_a_body_under_a_false_length_is_no_way_around_the_limit(gateway: httpx.AsyncClient) -> None:
    head = request("POST", TOKEN, "Content-Type: application/json", "Content-Length: 99999999999999999999")
    assert (await raw(gateway, head))[0] in (400, 413)
    head = request("POST", TOKEN, "Content-Type: application/json", "Content-Length: 9999999")
    assert (await raw(gateway, head + b"{}"))[0] == 413
    chunked = request("POST", TOKEN, "Content-Type: application/json", "Transfer-Encoding: chunked")
    assert (await raw(gateway, chunked + b"fffffff\r\n" + b"x" * 100_000))[0] == 413


async def test_an_own_body_that_does_not_come_is_given_up(
    gateway: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.gate.OWN_BODY_DEADLINE", 0.3)
    head = request("POST", TOKEN, "Content-Type: application/json", "Content-Length: 50")
    status, _, body = await raw(gateway, head + b"{")
    assert (status, json.loads(body)["code"]) == (408, "body_too_slow")


# --- what is not at the public door ---------------------------------------------------------------


async def test_readiness_and_measures_are_at_the_inner_door_only(gateway: httpx.AsyncClient) -> None:
    inner = gateway.headers["X-Test-Inner-Door"]
    admin = await administrator(gateway)
    for path in ("/ready", "/metrics"):
        assert (await gateway.get(f"{inner}{path}")).status_code == 200
        for asked in (
            path,
            f"{path}/",
            path.upper(),
            f"/.{path}",
            f"{path}?x=1",
            f"/%{ord(path[1]):x}{path[2:]}",
        ):
            for headers in ({}, admin):
                refused = await gateway.get(asked, headers=headers)
                assert refused.status_code == 404, asked
                assert "http_requests" not in refused.text
    assert (await gateway.get("/live")).json() == (await gateway.get(f"{inner}/live")).json() == {"live": True}
    for path in ("/api/v1/me", TOKEN, "/openapi.json", "/api/v1/orders", "/"):
        assert (await gateway.get(f"{inner}{path}", headers=admin)).status_code == 404


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/orders/../../../metrics",
        "/api/v1/orders/..%2f..%2f..%2fmetrics",
        "/api/v1/orders/%2e%2e/%2e%2e/%2e%2e/metrics",
        "/api/v1/orders/%252e%252e/%252e%252e/%252e%252e/metrics",
        "/api/v1/orders/..\\..\\..\\metrics",
        "/api/v1/orders/%2e%2e%5c%2e%2e%5cmetrics",
        "/api/v1/orders/./x",
        "/api/v1/../../metrics",
        "/api/v1/resync/../orders",
        "http://127.0.0.1/metrics",
        "//metrics",
        "/api/v1//metrics",
        "/api/v1/metrics",
        "/api/v1/live/../ready",
    ],
)
async def test_no_steps_lead_to_what_is_inside(
    gateway: httpx.AsyncClient, services: dict[str, StandIn], target: str
) -> None:
    token = (await administrator(gateway))["Authorization"]
    for service in services.values():
        service.asked.clear()
    status, _, body = await raw(gateway, request("GET", target, f"Authorization: {token}"))
    assert status == 404, body
    assert [asked.target for service in services.values() for asked in service.asked] == []


# --- methods and tokens ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "LINK", "LOCK", "M-SEARCH", "SEARCH", "PURGE"])
@pytest.mark.parametrize("target", ["/api/v1/orders", TOKEN, "/", "*"])
async def test_a_method_that_nobody_takes_goes_nowhere(
    gateway: httpx.AsyncClient, services: dict[str, StandIn], method: str, target: str
) -> None:
    token = (await administrator(gateway))["Authorization"]
    status, fields, body = await raw(gateway, request(method, target, f"Authorization: {token}", "X-Secret: s"))
    assert status == 405
    assert "GET" in fields["allow"]
    assert b"X-Secret" not in body
    assert services["orders"].asked == []


async def test_head_and_options_are_answered_without_a_body_of_somebody(
    gateway: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    for method in ("HEAD", "OPTIONS"):
        assert (await gateway.request(method, "/api/v1/orders")).status_code == 401
        assert (await gateway.request(method, TOKEN)).status_code == 405
    assert services["orders"].asked == []


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "Authorization", "bearer"])
async def test_a_token_in_the_address_is_none(
    gateway: httpx.AsyncClient, services: dict[str, StandIn], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = (await sign_in(gateway, **ADMIN))["access_token"]
    for path in ("/api/v1/orders", "/api/v1/me"):
        assert (await gateway.get(path, params={name: token})).status_code == 401
        assert (await gateway.get(path, headers={"Cookie": f"{name}={token}"})).status_code == 401
    assert services["orders"].asked == []
    assert token not in "".join(capsys.readouterr())


# --- names of hosts -------------------------------------------------------------------------------

HOSTS = [
    ("Host: evil.example",),
    ("Host: evil.example:1@127.0.0.1",),
    ("Host: x", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /evil.example"),
    ("Host: x", "Forwarded: host=evil.example;proto=https"),
    ("Host: x", "X-Original-URL: /evil.example", "X-Rewrite-URL: /evil.example"),
]


@pytest.mark.parametrize("fields", HOSTS)
async def test_no_answer_names_a_host_that_the_caller_said(start: Start, fields: tuple[str, ...]) -> None:
    gateway = await start(issuer="https://sales.example.com/")
    token = (await administrator(gateway))["Authorization"]
    account = json.dumps({"login": f"u{len(fields[0])}", "password": "a good password", "role": "owner"})
    told = []
    for target in ("/", "/docs", "/docs/", "/openapi.json", "/.well-known/openid-configuration", "/api/v1/me/", "/x"):
        told.append(await raw(gateway, request("GET", target, f"Authorization: {token}", *fields)))
    made = request(
        "POST",
        "/api/v1/accounts",
        f"Authorization: {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(account)}",
        *fields,
    )
    told.append(await raw(gateway, made + account.encode()))
    assert told[-1][0] == 201
    assert told[-1][1]["location"].startswith("/api/v1/accounts/")
    for status, headers, body in told:
        assert status in (200, 201, 404)
        assert "evil.example" not in str(headers)
        assert b"evil.example" not in body
    discovered = json.loads(told[4][2])
    assert discovered["issuer"] == "https://sales.example.com/"
    assert discovered["jwks_uri"] == "https://sales.example.com/.well-known/jwks.json"
    assert discovered["token_endpoint"] == "https://sales.example.com/api/v1/accounts/token"


# --- where a request comes from -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("", "192.0.2.1", [], "192.0.2.1"),
        ("", "127.0.0.1", ["9.9.9.9"], "127.0.0.1"),
        ("10.0.0.5", "192.0.2.1", ["9.9.9.9"], "192.0.2.1"),
        ("10.0.0.5", "10.0.0.5", ["9.9.9.9"], "9.9.9.9"),
        ("10.0.0.5", "10.0.0.5", ["1.1.1.1, 9.9.9.9"], "9.9.9.9"),
        ("10.0.0.5", "10.0.0.5", ["1.1.1.1", "9.9.9.9"], "9.9.9.9"),
        ("10.0.0.0/8", "10.0.0.5", ["1.1.1.1, 9.9.9.9, 10.1.2.3"], "9.9.9.9"),
        ("10.0.0.0/8", "10.0.0.5", ["10.1.1.1, 10.1.2.3"], "10.1.1.1"),
        ("10.0.0.5", "10.0.0.5", [], "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", [""], "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", ["unknown"], "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", ["9.9.9.9, _hidden"], "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", ["x" * 100_000], "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", ["1.1.1.1," * 10_000 + "9.9.9.9"], "9.9.9.9"),
        ("10.0.0.5", "10.0.0.5", ["9.9.9.9:4711"], "9.9.9.9"),
        ("10.0.0.5", "10.0.0.5", ["[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::/64"),
        ("10.0.0.5", "10.0.0.5", ["2001:db8:1:2:ffff::1"], "2001:db8:1:2::/64"),
        ("10.0.0.5", "::ffff:10.0.0.5", ["::ffff:9.9.9.9"], "9.9.9.9"),
        ("10.0.0.5", "10.0.0.5", ["9.9.9.9.9"], "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", ["٩.9.9.9"], "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", ["09.9.9.9"], "10.0.0.5"),
        ("10.0.0.5", "10.0.0.5", ["9.9.9.9\r\nx: y"], "10.0.0.5"),
        ("fd00::/8", "fd00::1", ["2001:db8::1%eth0"], "2001:db8::/64"),
        ("10.0.0.5", None, ["9.9.9.9"], "unknown"),
    ],
)
def test_an_address_counts_as_far_as_named_proxies_say_it(
    trusted: str, peer: str | None, forwarded: list[str], client: str
) -> None:
    scope = {
        "client": (peer, 1) if peer else None,
        "headers": [(b"x-forwarded-for", entry.encode()) for entry in forwarded],
    }
    assert Proxies(trusted).client(scope) == client


async def test_a_made_up_address_avoids_no_limit_and_turns_none_against_others(start: Start) -> None:
    gateway = await start(rate_anonymous_per_second=0.01, rate_anonymous_burst=3)
    headers = [
        {"X-Forwarded-For": "9.9.9.9"},
        {"X-Real-IP": "9.9.9.9"},
        {"Forwarded": "for=9.9.9.9"},
        {"X-Forwarded-For": "x" * 8_000},
        {"CF-Connecting-IP": "9.9.9.9", "True-Client-IP": "9.9.9.9", "X-Client-IP": "9.9.9.9"},
    ]
    answers = [(await gateway.get("/docs", headers=each)).status_code for each in headers]
    assert answers == [200, 200, 200, 429, 429]


async def test_behind_a_named_proxy_each_client_has_its_own_rate(start: Start, services: dict[str, StandIn]) -> None:
    gateway = await start(rate_anonymous_per_second=0.01, rate_anonymous_burst=2, trusted_proxies="127.0.0.0/8, ::1")
    for address in ("192.0.2.1", "192.0.2.2"):
        answers = [(await gateway.get("/docs", headers={"X-Forwarded-For": address})).status_code for _ in range(3)]
        assert answers == [200, 200, 429]
    pair = await sign_in(gateway, **ADMIN)
    await gateway.get("/api/v1/orders", headers={**bearer(pair), "X-Forwarded-For": "1.1.1.1, 192.0.2.3"})
    assert services["orders"].asked[0].headers["X-Forwarded-For"] == "192.0.2.3"
