"""The two processes are put together right: what they serve, and what they publish and hear."""

from __future__ import annotations

import re

from contracts.topics import CUSTOMERS, OFFICES, ORDERS, PEOPLE, REGIONS
from customers.app import app
from customers.consumers import TOPICS
from customers.repositories import Repositories
from customers.settings import Settings
from customers.worker import worker
from tests.doors import Door


async def test_the_worker_relays_everything_and_hears_of_orders() -> None:
    made = worker(Settings(mongodb_database="never_opened"))
    assert made.live() is None
    assert set(made.checks) == {"mongodb", "relay", "consumer", "tasks"}
    assert set(TOPICS) == {ORDERS.name}
    repositories = Repositories(_Nowhere())
    assert [repository.topic for repository in repositories.all] == [REGIONS, OFFICES, PEOPLE, CUSTOMERS]


async def test_every_route_asks_who_is_there(door: Door) -> None:
    paths = app(Settings(mongodb_database="never_opened")).openapi()["paths"]
    asked = 0
    for path, methods in paths.items():
        for method in methods:
            answer = await door.request(method, re.sub(r"\{\w+\}", "x", path), json={})
            assert (answer.status_code, answer.json()["code"]) == (401, "token_missing"), path
            asked += 1
    assert asked >= 28


class _Nowhere:
    """A database that nobody asks."""

    def __getitem__(self, name: str) -> object:
        return object()
