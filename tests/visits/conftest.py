"""The visits service over HTTP, with a real MongoDB, two offices and their people."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis import copies
from chassis.mongo import Database
from tests.doors import Door
from tests.visits.world import World, open_world


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known is refused at once."""
    monkeypatch.setattr(copies, "PATIENCE", 0.0)


@pytest.fixture
async def world(mongo: str, database: Database) -> AsyncIterator[World]:
    async with open_world(mongo, database) as opened:
        yield opened


@pytest.fixture
async def door(world: World) -> Door:
    return world.door
