"""A made-up service with everything that all services share: its door, its health, its worker."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import Request
from fastapi.responses import Response

from chassis.aggregate import Repository
from chassis.consumer import Consumer
from chassis.identity import Caller, CallerDep
from chassis.ids import new_id
from chassis.mongo import UNAVAILABLE, Database
from chassis.paging import PagingDep
from chassis.relay import Relay
from chassis.scope import everything, within
from chassis.service import (
    CommandDep,
    Settings,
    Store,
    Timer,
    VersionedCommandDep,
    Worker,
    answer,
    answer_page,
    http_app,
    resync_router,
    routes,
    worker_app,
)
from tests.chassis.parcels import Parcel, ParcelTopic, by, moved, sent

ALL = everything("a test of the chassis")


class Trusting:
    """Takes the token for the caller's role: signatures are test_identity's business."""

    async def verify(self, token: str) -> Caller:
        return Caller(id=f"account-{token}", name=token, role=token, person="ann", office="north", region="east")


router = routes("parcels")


@router.get("/parcels")
async def parcels_list(request: Request, caller: CallerDep, paging: PagingDep) -> Response:
    parcels: Repository[Parcel] = request.app.state.parcels
    return answer_page(await parcels.page(within(caller), None, paging))


@router.get("/parcels/{parcel_id}")
async def parcel_get(request: Request, parcel_id: str, caller: CallerDep) -> Response:
    return answer(await request.app.state.parcels.get(parcel_id, within(caller)))


@router.post("/parcels", status_code=201)
async def parcel_send(request: Request, body: dict[str, Any], command: CommandDep) -> Response:
    state, what = sent(**body)
    stored = await request.app.state.parcels.create(state, what, command, ALL)
    return answer(stored, 201, f"/api/v1/parcels/{state.id}")


@router.patch("/parcels/{parcel_id}")
async def parcel_move(
    request: Request, parcel_id: str, body: dict[str, str], caller: CallerDep, command: VersionedCommandDep
) -> Response:
    return answer(await request.app.state.parcels.change(parcel_id, within(caller), moved(body["place"]), command))


@router.get("/broken")
async def broken() -> Response:
    raise RuntimeError("a secret detail")


@router.get("/away")
async def away() -> Response:
    raise UNAVAILABLE[0]("no primary")


@pytest.fixture
def settings(mongo: str, both_drivers: Database, request: pytest.FixtureRequest) -> Settings:
    driver = request.node.callspec.params["client"]
    return Settings(mongodb_uri=mongo, mongodb_database=both_drivers.name, mongodb_driver=driver, log_format="json")


@pytest.fixture
async def http(settings: Settings, both_drivers: Database) -> AsyncIterator[httpx.AsyncClient]:
    store = Store("parcels", settings)
    parcels = Repository(store.database, "parcels", ParcelTopic(), Parcel)
    app = http_app(
        "parcels",
        settings,
        routers=[router, resync_router("parcels", [parcels])],
        store=store,
        prepare=parcels.prepare,
        state={"parcels": parcels},
        verifier=Trusting(),  # type: ignore[arg-type]
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://parcels", headers={"Authorization": "Bearer salesperson"}
        ) as client,
    ):
        yield client


async def test_a_creation_is_answered_with_its_version_and_its_place(http: httpx.AsyncClient) -> None:
    parcel_id = new_id()
    answered = await http.post("/api/v1/parcels", json={"id": parcel_id, "place": "here"})
    assert answered.status_code == 201
    assert answered.headers["etag"] == '"1"'
    assert answered.headers["location"] == f"/api/v1/parcels/{parcel_id}"
    assert answered.json() == {**Parcel(id=parcel_id, place="here").model_dump(), "version": 1}
    assert (await http.get(f"/api/v1/parcels/{parcel_id}")).json() == answered.json()


async def test_the_same_key_again_changes_nothing_and_another_body_is_refused(http: httpx.AsyncClient) -> None:
    body = {"id": new_id(), "place": "here"}
    first = await http.post("/api/v1/parcels", json=body, headers={"Idempotency-Key": "k"})
    again = await http.post("/api/v1/parcels", json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()) == (201, first.json())
    other = await http.post("/api/v1/parcels", json={**body, "place": "there"}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    # The key as it was sent, the record that it made, and no advice that would lead to a second one.
    assert "Idempotency-Key k was" in other.json()["detail"]
    assert other.json()["record"] == body["id"]
    assert "new" not in other.json()["detail"]
    spread = b'{ "place" : "here",\n "id": "%s" }' % body["id"].encode()
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert (await http.post("/api/v1/parcels", content=spread, headers=headers)).json() == first.json()


async def test_a_change_must_say_what_it_was_decided_on(http: httpx.AsyncClient) -> None:
    parcel_id = new_id()
    await http.post("/api/v1/parcels", json={"id": parcel_id, "place": "here"})
    address = f"/api/v1/parcels/{parcel_id}"
    assert (await http.patch(address, json={"place": "there"})).json()["code"] == "if_match_required"
    moved = await http.patch(address, json={"place": "there"}, headers={"If-Match": '"1"'})
    assert (moved.status_code, moved.headers["etag"], moved.json()["place"]) == (200, '"2"', "there")
    stale = await http.patch(address, json={"place": "elsewhere"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"2"')
    odd = await http.patch(address, json={"place": "elsewhere"}, headers={"If-Match": "yesterday"})
    assert (odd.status_code, odd.json()["code"]) == (422, "invalid_if_match")


async def test_a_list_comes_in_pages(http: httpx.AsyncClient) -> None:
    ids = sorted([new_id() for _ in range(5)])
    for parcel_id in ids:
        await http.post("/api/v1/parcels", json={"id": parcel_id, "place": "here"})
    seen, cursor = [], None
    for _ in range(3):
        page = (await http.get("/api/v1/parcels", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == (ids, None)


@pytest.mark.parametrize("path", ["/api/v1/parcels", "/api/v1/parcels/x"])
async def test_nobody_without_a_token_gets_in(http: httpx.AsyncClient, path: str) -> None:
    del http.headers["Authorization"]
    answered = await http.get(path)
    assert answered.status_code == 401
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.headers["www-authenticate"].startswith("Bearer")


async def test_a_failure_says_nothing_of_the_inside_and_names_the_request(http: httpx.AsyncClient) -> None:
    answered = await http.get("/api/v1/broken", headers={"X-Request-Id": "r-1"})
    assert (answered.status_code, answered.headers["content-type"]) == (500, "application/problem+json")
    assert answered.json()["request_id"] == answered.headers["x-request-id"] == "r-1"
    assert "secret" not in answered.text


async def test_a_database_that_is_away_is_503_with_when_to_come_back(http: httpx.AsyncClient) -> None:
    answered = await http.get("/api/v1/away")
    assert (answered.status_code, answered.json()["code"]) == (503, "unavailable")
    assert int(answered.headers["retry-after"]) > 0


async def test_every_operation_describes_its_refusals_as_problems(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        assert path.startswith("/api/v1/")
        for operation in methods.values():
            assert {"401", "403", "404", "422", "429", "503"} <= set(operation["responses"])
            assert "application/problem+json" in operation["responses"]["422"]["content"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_the_trace_goes_on_under_its_caller(http: httpx.AsyncClient) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    answered = await http.get("/api/v1/parcels", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    assert answered.headers["traceparent"].split("-")[1] == trace_id


async def test_a_request_is_one_line_of_the_log(http: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        await http.get("/api/v1/parcels?limit=1")
        await http.get("/live")
    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["method"], line["route"], line["status"], line["caller"], line["role"]) == (
        "GET", "/api/v1/parcels", 200, "account-salesperson", "salesperson",
    )  # fmt: skip


async def test_health_is_open_to_the_machine(http: httpx.AsyncClient) -> None:
    del http.headers["Authorization"]
    assert (await http.get("/live")).json() == {"live": True}
    await asyncio.sleep(0.2)
    assert (await http.get("/ready")).json() == {"ready": True}
    assert "http_requests_total" in (await http.get("/metrics")).text


async def test_only_an_administrator_resyncs(http: httpx.AsyncClient) -> None:
    await http.post("/api/v1/parcels", json={"place": "here"})
    assert (await http.post("/api/v1/resync/parcels")).status_code == 403
    answered = await http.post("/api/v1/resync/parcels", headers={"Authorization": "Bearer administrator"})
    assert (answered.status_code, answered.json()) == (200, {"restated": 1})


async def test_a_worker_serves_its_health_and_does_its_work(settings: Settings, broker: Any) -> None:
    settings = settings.model_copy(
        update={name: getattr(broker, name) for name in ("kafka_bootstrap", "kafka_idempotence", "kafka_fetch_wait_ms")}
    )
    store = Store("parcels", settings)
    parcels = Repository(store.database, "parcels", ParcelTopic(), Parcel)
    heard: list[str] = []
    turns = 0

    async def hear(batch: Any) -> None:
        heard.extend(received.subject for received in batch)

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns < 3:
            raise RuntimeError("an error does not end a timer")

    worker = Worker(
        "parcels",
        store=store,
        prepare=parcels.prepare,
        relay=Relay(store.database, [parcels], settings),
        consumer=Consumer(f"test-{new_id()}", [ParcelTopic().name], hear, settings, dead_letters="customers.dlq.v1"),
        timers=[Timer("turn", 0.01, turn)],
    )
    app = worker_app(worker)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as client,
    ):
        assert (await client.get("/live")).status_code == 200
        assert (await client.get("/ready")).status_code == 503
        while turns < 1:  # noqa: ASYNC110 - the timer tells nobody
            await asyncio.sleep(0.01)
        assert "an error does not end a timer" in (await client.get("/ready")).json()["tasks"]
        state, what = sent()
        await parcels.create(state, what, by(), ALL)
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and not (state.id in heard and turns > 2):  # noqa: ASYNC110 - two conditions
            await asyncio.sleep(0.02)
        assert state.id in heard
        assert turns > 2
        assert (await client.get("/ready")).json() == {"ready": True}
    assert worker.live() is None


SERVICE = """
import sys
from chassis.service import Settings, Store, http_app, main
main("parcels", Settings, lambda settings: http_app("parcels", settings, routers=[], store=Store("parcels", settings)))
"""


def started(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVICE],
        env={**os.environ, **{f"SALESBEAT_{name}": value for name, value in environment.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("PORT", "many", "integer"),
        ("PORT", "70000", "65535"),
        ("MONGODB_URI", "localhost", "mongodb://"),
        ("MONGODB_DRIVER", "pigeon", "motor"),
        ("KAFKA_BOOTSTRAP", "somewhere", "host:port"),
        ("LOG_LEVEL", "loud", "info"),
        ("JWKS_URL", "keys", "http"),
    ],
)
def test_a_wrong_setting_stops_the_process_with_a_sentence(name: str, value: str, why: str) -> None:
    with started(**{name: value}) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert f"SALESBEAT_{name}" in said
    assert value in said
    assert why in said


def test_a_process_answers_and_stops_when_it_is_told_to(mongo: str) -> None:
    from salesbeat.ports import free_port

    port = free_port()
    with started(PORT=str(port), MONGODB_URI=mongo, LOG_FORMAT="json") as process:
        deadline = time.monotonic() + 30
        answered = None
        while answered is None and time.monotonic() < deadline:
            try:
                answered = httpx.get(f"http://127.0.0.1:{port}/live")
            except httpx.TransportError:
                time.sleep(0.05)
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert answered is not None
    assert answered.status_code == 200
    assert err == ""
    assert all(json.loads(line)["service"] == "parcels" for line in out.splitlines())
