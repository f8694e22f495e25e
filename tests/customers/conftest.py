"""The customers service between its two doors, on a real mongod."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from chassis import clock
from chassis.clock import SetClock
from chassis.mongo import Database
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


@pytest.fixture
async def empty(mongo: str, database: Database, time: SetClock) -> AsyncIterator[Door]:
    """The service without anything in it."""
    async with opened(app(Settings(mongodb_uri=mongo, mongodb_database=database.name))) as door:
        yield door


@pytest.fixture
async def door(empty: Door) -> Door:
    """The service with the small company of tests/customers/company.py."""
    await found(empty)
    return empty


@pytest.fixture
def repositories(database: Database) -> Repositories:
    return Repositories(database)


@pytest.fixture
def learner(repositories: Repositories) -> Learner:
    return Learner(repositories)
