"""The visits service over HTTP, with a real MongoDB, two offices and their people."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis import copies
from chassis.ids import new_id
from chassis.mongo import Client, Database
from tests.doors import Door
from tests.visits.world import World, open_service, open_world
from visits.repositories import Repositories


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known is refused at once."""
    monkeypatch.setattr(copies, "PATIENCE", 0.0)


@pytest.fixture(scope="session")
async def service(mongo: str, mongo_client: Client) -> AsyncIterator[tuple[Door, Repositories]]:
    database: Database = mongo_client.database(f"test_visits_{new_id().replace('-', '')}")
    async with open_service(mongo, database) as opened:
        yield opened
    await mongo_client.drop(database.name)


@pytest.fixture
async def world(service: tuple[Door, Repositories]) -> AsyncIterator[World]:
    async with open_world(*service) as opened:
        yield opened


@pytest.fixture
async def door(world: World) -> Door:
    return world.door
