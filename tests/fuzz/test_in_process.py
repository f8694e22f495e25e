"""The four services in this process, without a broker: no input of any route brings about an error of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import customers.app
import customers.settings
import orders.app
import orders.consumers
import orders.settings
import reporting.app
import reporting.settings
import visits.app
import visits.consumers
import visits.settings
from chassis import copies
from chassis.ids import new_id
from chassis.mongo import Client, Database
from tests.doors import Door, caller, opened
from tests.fuzz.edges import Input, Records, Requests
from tests.fuzz.schemas import Generated
from tests.orders import company
from tests.visits import world

EACH = 6
"""Inputs of each operation and kind; `make fuzz` sends many more."""
SERVICES: dict[str, tuple[Callable[[Any], FastAPI], type[Any]]] = {
    "customers": (customers.app.app, customers.settings.Settings),
    "orders": (orders.app.app, orders.settings.Settings),
    "visits": (visits.app.app, visits.settings.Settings),
    "reporting": (reporting.app.app, reporting.settings.Settings),
}
WHO = [
    caller("administrator"),
    caller("salesperson", "li", office="sha", region="east"),
    caller("clerk", "chen", office="sha", region="east"),
    caller("owner"),
]


KNOWN = {
    "people": ["li", "zhao", "wang", "chen"],
    "customers": ["acme", "zeta"],
    "offices": ["sha"],
    "regions": ["east"],
}
"""What tests.visits.world and tests.orders.company both have."""


@pytest.fixture(params=SERVICES)
async def service(
    request: pytest.FixtureRequest, mongo: str, mongo_client: Client, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Door, Any]]:
    """With the people, offices and customers that orders and visits know from the bus."""
    monkeypatch.setattr(copies, "PATIENCE", 0.01)  # nothing further comes over the bus
    make, settings = SERVICES[request.param]
    database: Database = mongo_client.database(f"test_fuzz_{new_id().replace('-', '')}")
    app = make(settings(mongodb_uri=mongo, mongodb_database=database.name))
    async with opened(app) as door:
        if request.param == "visits":
            await visits.consumers.Learner(app.state.repositories).take([world.said(each) for each in world.COMPANY])
        if request.param == "orders":
            known = app.state.repositories.known
            await orders.consumers.Learner(known).take([company.said(each) for each in company.COMPANY])
        yield door, app.openapi()
    await mongo_client.drop(database.name)


async def test_no_input_of_any_route_brings_about_an_error_of_the_server(service: tuple[Door, Any]) -> None:
    door, document = service
    requests, generated = Requests(document, Records({**KNOWN}), seed=3), Generated(document, 3)
    faults: list[str] = []
    sent = 0
    for path, method, operation in requests.operations:
        made = [*generated.of(path, method, EACH), *requests.of(path, method, operation, EACH * 2)]
        for who in WHO:
            share = made[WHO.index(who) :: len(WHO)]
            answers = await asyncio.gather(*(_answer(door, each, who) for each in share))
            sent += len([answer for answer in answers if answer is not None])
            faults += [
                f"{each.method} {each.target} {each.headers} {(each.body or b'')[:500]!r}: {answer.text[:300]}"
                for each, answer in zip(share, answers, strict=True)
                if answer is not None and answer.status_code >= 500
            ]
    assert faults == []
    assert sent > 5 * len(requests.operations)


async def _answer(door: Door, said: Input, who: Any) -> httpx.Response | None:
    headers = [(name.encode(), value.encode("utf-8")) for name, value in said.headers.items()]
    headers += [(name.encode(), value.encode()) for name, value in door.as_(who).items()]
    try:
        return await door.request(said.method, said.target, content=said.body, headers=headers)
    except httpx.InvalidURL:
        return None  # no HTTP client sends it
