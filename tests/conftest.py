"""A real mongod and a real broker for the whole run, by the code that `salesbeat up` uses."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import pytest

from chassis.ids import new_id
from chassis.mongo import Client, Database, connect
from salesbeat import mongod
from salesbeat.broker import Broker, Wish, choose, create_topics
from salesbeat.ports import free_port, wait_for

WISH = cast(Wish, os.environ.get("SALESBEAT_TEST_BROKER", "auto"))
START = 60.0
"""Seconds for a server to take connections: a cold JVM on two busy cores."""

_started: list[str] = []


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for the servers' data."""
    folder = Path(tempfile.mkdtemp(prefix="salesbeat-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for the state of a suite, or of whatever else writes files."""
    made = Path(tempfile.mkdtemp(prefix="salesbeat-test-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, until the fixture that starts it ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def mongod_port(scratch: Path) -> Iterator[int]:
    port = free_port()
    for _ in running(mongod.command(port, scratch / "mongod"), scratch / "mongod.log"):
        yield port


@pytest.fixture(scope="session")
async def mongo(mongod_port: int) -> str:
    """The address of a real mongod, a one-node replica set."""
    await mongod.become_primary(mongod_port, START)
    return mongod.uri(mongod_port)


@pytest.fixture(scope="session")
async def mongo_client(mongo: str) -> AsyncIterator[Client]:
    client = connect(mongo)
    yield client
    await client.close()


@pytest.fixture
async def database(mongo_client: Client) -> AsyncIterator[Database]:
    """A fresh database, dropped after the test."""
    name = f"test_{new_id().replace('-', '')}"
    yield mongo_client.database(name)
    await mongo_client.drop(name)


@pytest.fixture(scope="session")
def broker_process(scratch: Path) -> Iterator[Broker]:
    broker = choose(WISH, scratch / "kafka", free_port(), free_port())
    _started.append(f"broker: {broker.kind} ({broker.why})")
    for _ in running(broker.command, scratch / "broker.log"):
        yield broker


@pytest.fixture(scope="session")
async def broker(broker_process: Broker) -> Broker:
    """A real broker with the topics of the contracts; it is one of a service's settings, too."""
    if not await wait_for(broker_process.port, START):
        raise AssertionError(f"the {broker_process.kind} broker did not start")
    async with asyncio.timeout(START):
        # What the chassis says in its tests must reach no service's worker.
        await create_topics(broker_process.kafka_bootstrap, others=["test.parcel.v1"])
    return broker_process


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _started:
        terminalreporter.write_line(line)
