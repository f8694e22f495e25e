"""The orders service over HTTP, with a real MongoDB and a small company."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis.mongo import Database
from orders import known
from tests.orders.company import Shop, open_shop


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known is refused at once; the test of the waiting sets it otherwise."""
    monkeypatch.setattr(known, "PATIENCE", 0.0)


@pytest.fixture
async def shop(mongo: str, database: Database) -> AsyncIterator[Shop]:
    async with open_shop(mongo, database) as opened:
        yield opened
