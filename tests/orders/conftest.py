"""The orders service over HTTP, with a real MongoDB and a small company."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis import copies
from chassis.ids import new_id
from chassis.mongo import Client, Document
from tests.orders.company import Shop, open_service, open_shop


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known is refused at once; the test of the waiting sets it otherwise."""
    monkeypatch.setattr(copies, "PATIENCE", 0.0)


@pytest.fixture(scope="session")
async def service(mongo: str, mongo_client: Client) -> AsyncIterator[tuple[Shop, list[Document]]]:
    """One app and one database for all tests, and its products: making them takes longer than most tests."""
    database = mongo_client.database(f"test_orders_{new_id().replace('-', '')}")
    async with open_service(mongo, database) as shop:
        yield shop, await shop.repositories.products.collection.find().to_list(None)
    await mongo_client.drop(database.name)


@pytest.fixture
async def shop(service: tuple[Shop, list[Document]]) -> AsyncIterator[Shop]:
    async with open_shop(*service) as opened:
        yield opened
