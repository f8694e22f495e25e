"""The made-up aggregate, stored through both drivers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis.aggregate import Repository
from chassis.ids import new_id
from chassis.mongo import Client, Database, connect
from tests.chassis.parcels import Parcel, ParcelTopic


@pytest.fixture(scope="session", params=["motor", "pymongo"])
async def client(request: pytest.FixtureRequest, mongo: str) -> AsyncIterator[Client]:
    client = connect(mongo, request.param)
    yield client
    await client.close()


@pytest.fixture
async def both_drivers(client: Client) -> AsyncIterator[Database]:
    """A fresh database, once through motor and once through PyMongo's own async API."""
    name = f"test_{new_id().replace('-', '')}"
    yield client.database(name)
    await client.drop(name)


@pytest.fixture
async def parcels(both_drivers: Database) -> Repository[Parcel]:
    repository = Repository(
        both_drivers, "parcels", ParcelTopic(), Parcel, keys=lambda p: {"place": p.place.casefold()}
    )
    await repository.prepare({"keys": [("keys.place", 1)]})
    return repository
