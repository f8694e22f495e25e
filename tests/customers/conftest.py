"""The customers service between its two doors, on a real mongod."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from chassis import clock
from chassis.clock import SetClock
from chassis.ids import new_id
from chassis.mongo import Client, Database, Document
from customers.app import app
from customers.consumers import Learner
from customers.repositories import Repositories
from customers.settings import Settings
from tests.customers.company import NOON, found
from tests.doors import Door, opened


@pytest.fixture
def time() -> Iterator[SetClock]:
    """Wednesday noon in Shanghai, standing still."""
    with clock.set_to(NOON) as set_clock:
        yield set_clock


@pytest.fixture(scope="session")
async def service(mongo: str, mongo_client: Client) -> AsyncIterator[tuple[Door, Database]]:
    """One app and one database for all tests: making them takes longer than most tests."""
    name = f"test_customers_{new_id().replace('-', '')}"
    async with opened(app(Settings(mongodb_uri=mongo, mongodb_database=name))) as door:
        yield door, mongo_client.database(name)
    await mongo_client.drop(name)


@pytest.fixture
async def database(service: tuple[Door, Database]) -> Database:
    """The service's database with its indexes, emptied."""
    for repository in Repositories(service[1]).all:
        await repository.collection.delete_many({})
    return service[1]


@pytest.fixture(scope="session")
def founded() -> dict[str, list[Document]]:
    """The documents of the small company, once it has been registered for the first time."""
    return {}


@pytest.fixture
async def door(
    service: tuple[Door, Database], database: Database, founded: dict[str, list[Document]], time: SetClock
) -> Door:
    """The service with the small company of tests/customers/company.py."""
    if not founded:
        await found(service[0])
        for name in ("regions", "offices", "people"):
            founded[name] = await database[name].find().to_list(None)
    else:  # registering it again for every test would take most of the time
        for name, documents in founded.items():
            await database[name].insert_many(documents)
    return service[0]


@pytest.fixture
def repositories(database: Database) -> Repositories:
    return Repositories(database)


@pytest.fixture
def learner(repositories: Repositories) -> Learner:
    return Learner(repositories)
