"""What a client may send, how slowly, and on how many connections, at every process of the suite."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request

from chassis import connections
from chassis.service import Worker, http_app, worker_app
from chassis.settings import Settings
from salesbeat.ports import free_port


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they belong to pytest


def an_app() -> FastAPI:
    app = http_app("parcels", Settings(), routers=[])

    @app.get("/api/v1/here")
    async def here(request: Request) -> dict[str, Any]:
        return {"address": request.client.host if request.client else None, "base": str(request.base_url)}

    @app.post("/api/v1/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    @app.post("/api/v1/unread")
    async def unread() -> str:
        return "no need to read it"

    @app.get("/api/v1/large")
    async def large() -> str:
        return "x" * 20_000_000

    return app


@asynccontextmanager
async def serving(app: Any = None, **settings: Any) -> AsyncIterator[int]:
    """The port of a server that is set up as every process of the suite sets it up."""
    port = free_port()
    options = connections.server_options(Settings(shutdown_seconds=1, **settings))
    server = _Server(uvicorn.Config(app or an_app(), port=port, **options))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        await task


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def exchanged(port: int, request: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, header fields and body of what a connection says until it is closed."""
    reader, writer = await connect(port)
    writer.write(request)
    async with asyncio.timeout(20):
        answered = await reader.read()
    writer.close()
    return parsed(answered)


def parsed(answered: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    head, _, body = answered.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    pairs = (field.partition(b": ") for field in fields)
    return int(line.split(b" ", 2)[1]), {name.lower(): value for name, _, value in pairs}, body


def get(path: str, *fields: str, close: bool = True) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: x", *fields, *(["Connection: close"] if close else [])]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


@pytest.mark.parametrize(
    "request_head",
    [
        get("/api/v1/here", f"Cookie: {'x' * 40_000}"),
        get("/api/v1/here", *(f"X-{n}: {'y' * 100}" for n in range(99)), f"Cookie: {'x' * 25_000}"),
        get("/api/v1/here", *(f"X-{n}: y" for n in range(101))),
        get("/api/v1/here?" + "a=1&" * 10_000),
        get("/api/v1/" + "a" * 40_000),
        b"GET /api/v1/here HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"z" * 2_000_000,
        b"GET /" + b"a" * 2_000_000,
    ],
    ids=["one large field", "many fields", "too many fields", "query", "path", "endless field", "endless line"],
)
async def test_a_head_that_is_too_large_is_refused_with_both_numbers(request_head: bytes) -> None:
    async with serving() as port:
        status, fields, body = await exchanged(port, request_head)
        assert (status, fields[b"content-type"], fields[b"connection"]) == (431, b"application/problem+json", b"close")
        problem = json.loads(body)
        assert (problem["code"], problem["limit"]) == ("head_too_large", connections.HEAD_BYTES)
        assert str(connections.HEAD_BYTES) in problem["detail"]
        assert str(problem["size"]) in problem["detail"]
        assert (await exchanged(port, get("/api/v1/here")))[0] == 200


async def test_a_large_token_and_many_usual_fields_are_taken() -> None:
    fields = [f"Authorization: Bearer {'t' * 16_000}", *(f"X-{n}: y" for n in range(60))]
    async with serving() as port:
        assert (await exchanged(port, get("/api/v1/here", *fields)))[0] == 200


async def test_a_large_body_in_the_same_packet_is_no_large_head() -> None:
    body = b"x" * 1_000_000
    head = b"POST /api/v1/size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n"
    async with serving() as port:
        status, _, answered = await exchanged(port, head + body)
    assert (status, answered) == (200, b"1000000")


async def test_a_head_that_comes_too_slowly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_DEADLINE", 0.3)
    async with serving() as port:
        reader, writer = await connect(port)

        async def trickle() -> None:
            for byte in get("/api/v1/here"):
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(10):
            status, _, body = parsed(await reader.read())
        trickling.cancel()
        writer.close()
        assert (status, json.loads(body)["code"]) == (408, "request_too_slow")


@pytest.mark.parametrize("sent", [b"", b"\r\n", get("/api/v1/here", close=False), b"GET /api"])
async def test_a_connection_that_says_nothing_more_is_closed(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_DEADLINE", 0.3)
    async with serving() as port:
        reader, writer = await connect(port)
        writer.write(sent)
        async with asyncio.timeout(10):
            await reader.read()  # until it is closed
        writer.close()


async def test_blank_lines_do_not_keep_a_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_DEADLINE", 0.3)
    async with serving() as port:
        reader, writer = await connect(port)
        writer.write(get("/api/v1/here", close=False))
        await reader.readuntil(b"}")

        async def blank() -> None:
            while True:
                writer.write(b"\r\n")
                await asyncio.sleep(0.05)

        sending = asyncio.create_task(blank())
        async with asyncio.timeout(10):
            await reader.read()
        sending.cancel()
        writer.close()


@pytest.mark.parametrize("path", ["size", "unread"])
async def test_a_body_that_stops_is_given_up(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(connections, "BODY_SILENCE", 0.2)
    monkeypatch.setattr(connections, "UNREAD_BODY", 0.2)
    monkeypatch.setattr(connections, "LOOK_AGAIN", 0.05)
    async with serving() as port:
        head = f"POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nonly this".encode()
        status, _, body = await exchanged(port, head)
        assert status == (408 if path == "size" else 200)
        if path == "size":
            assert json.loads(body)["code"] == "request_too_slow"
        assert (await exchanged(port, get("/api/v1/here")))[0] == 200


async def test_a_body_that_comes_a_byte_at_a_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_DEADLINE", 0.4)
    monkeypatch.setattr(connections, "LOOK_AGAIN", 0.05)
    async with serving() as port:
        reader, writer = await connect(port)
        writer.write(b"POST /api/v1/size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b"1\r\nx\r\n")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(10):
            status, *_ = parsed(await reader.read())
        trickling.cancel()
        writer.close()
        assert status == 408


async def test_a_client_that_does_not_read_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SILENCE", 0.3)
    async with serving() as port:
        reader, writer = await connect(port)
        writer.write(get("/api/v1/large"))
        await asyncio.sleep(1.5)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(10):
                await reader.readexactly(20_000_000)
        writer.close()


async def test_silent_connections_make_room_for_one_that_asks() -> None:
    async with serving(connections=20) as port:
        silent = [await connect(port) for _ in range(60)]
        for _, writer in silent:
            writer.write(b"GET / HTT")
        for _ in range(5):
            assert (await exchanged(port, get("/api/v1/here")))[0] == 200
        for _, writer in silent:
            writer.close()


async def test_no_connection_is_taken_while_all_are_being_answered() -> None:
    app, go_on = an_app(), asyncio.Event()

    @app.get("/api/v1/slow")
    async def slow() -> str:
        await go_on.wait()
        return "at last"

    async with serving(app, connections=10) as port:
        busy = [asyncio.create_task(exchanged(port, get("/api/v1/slow"))) for _ in range(10)]
        await asyncio.sleep(0.5)
        status, fields, body = await exchanged(port, get("/api/v1/here"))
        assert (status, json.loads(body)["code"]) == (503, "too_many_connections")
        assert int(fields[b"retry-after"]) > 0
        go_on.set()
        assert {status for status, *_ in await asyncio.gather(*busy)} == {200}
        assert (await exchanged(port, get("/api/v1/here")))[0] == 200


@pytest.mark.parametrize(
    "request_head",
    [
        get("/api/v1/here", "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"),
        get("/api/v1/here", "Forwarded: for=9.9.9.9;proto=https", "X-Real-IP: 9.9.9.9"),
    ],
)
async def test_nobody_says_where_a_request_came_from(request_head: bytes) -> None:
    async with serving() as port:
        _, _, body = await exchanged(port, request_head)
    assert json.loads(body) == {"address": "127.0.0.1", "base": "http://x/"}


@pytest.mark.parametrize("path", ["/api/v1/here/", "/live/", "//evil.example/", "//evil.example/.."])
@pytest.mark.parametrize("process", ["api", "worker"])
async def test_no_process_answers_with_a_redirect(process: str, path: str) -> None:
    class NoStore:
        prepared = True
        client = type("Client", (), {"close": staticmethod(lambda: asyncio.sleep(0))})

        async def prepare(self, make: Any) -> None:
            return None

        async def ready(self) -> None:
            return None

    app = an_app() if process == "api" else worker_app(Worker("parcels", store=NoStore()))  # type: ignore[arg-type]
    async with serving(app) as port:
        status, fields, _ = await exchanged(port, get(path))
    assert status == 404
    assert b"location" not in fields


@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "TLS/1.0"])
async def test_an_upgrade_is_not_made_and_the_connection_ends(upgrade: str) -> None:
    request = get("/api/v1/here", "Connection: Upgrade", f"Upgrade: {upgrade}", "Sec-WebSocket-Key: x", close=False)
    async with serving() as port:
        status, fields, _ = await exchanged(port, request)
    assert (status, fields[b"connection"]) == (200, b"close")


@pytest.mark.parametrize(
    "request_head",
    [
        b"nonsense\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/v1/size HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/size HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        b"POST /api/v1/size HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"GET /api/v1/here HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\nX : y\r\n\r\n",
        b"GET /api/v1/here HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\x00b\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_said_to_be_none(request_head: bytes) -> None:
    async with serving() as port:
        status, fields, body = await exchanged(port, request_head)
    assert (status, fields[b"connection"]) == (400, b"close")
    assert json.loads(body)["code"] == "malformed_request"


@pytest.mark.parametrize("said", ["a b", "<script>", "x" * 101, "é", '"'])
async def test_a_request_id_that_is_none_is_replaced(said: str) -> None:
    async with serving() as port:
        _, fields, _ = await exchanged(port, get("/api/v1/here", f"X-Request-Id: {said}"))
    assert fields[b"x-request-id"] != said.encode("latin-1")


async def test_the_refusal_of_a_head_is_said_in_chinese_too() -> None:
    request_head = get("/api/v1/here", "Accept-Language: zh-CN", f"Cookie: {'x' * 40_000}")
    async with serving() as port:
        _, _, body = await exchanged(port, request_head)
    assert "请求头" in json.loads(body)["detail"]
