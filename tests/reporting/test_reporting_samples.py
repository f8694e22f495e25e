"""Reporting takes every event that any service says: none is set aside or lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chassis.consumer import Guard, Received, decode
from chassis.mongo import Database
from contracts.topics import TOPICS
from reporting.consumers import TOPICS as HEARD
from reporting.consumers import Learner
from reporting.measures import BY_TOPIC
from tests.contracts.sampling import received, samples


def heard() -> list[Path]:
    """The samples on topics that reporting subscribes to."""
    return [path for path in samples() if received(path).topic in HEARD]


def test_reporting_hears_the_organisation_and_every_source_of_a_measure() -> None:
    """Products are left alone: orders carry their prices and costs."""
    assert len(set(HEARD)) == len(HEARD)
    assert set(HEARD) <= {topic.name for topic in TOPICS}
    assert {"sales.region.v1", "sales.office.v1", "sales.person.v1"} == set(HEARD) - set(BY_TOPIC)


class _Record:
    """A sample as it stands on the bus."""

    def __init__(self, path: Path) -> None:
        self.topic = received(path).topic
        self.partition, self.offset, self.key = 0, 0, b"key"
        self.value = path.read_bytes()


async def _taken(learner: Learner, records: Sequence[Any]) -> list[tuple[Any, str]]:
    letters: list[tuple[Any, str]] = []

    async def set_aside(record: Any, reason: str) -> None:
        letters.append((record, reason))

    await Guard("reporting", learner.take, set_aside).take(records)
    return letters


@pytest.mark.parametrize("path", heard(), ids=lambda path: f"{path.parent.name}/{path.stem}")
async def test_a_sample_is_taken_and_kept(database: Database, path: Path) -> None:
    record = _Record(path)
    event = decode(record)
    assert await _taken(Learner(database), [record]) == []
    assert await _kept(database, event) == event.version


async def _kept(database: Database, event: Received) -> int:
    if event.topic in BY_TOPIC:
        found = await database["facts"].find_one({"_id": f"{BY_TOPIC[event.topic].prefix}:{event.subject}"})
    else:
        copies = {"sales.region.v1": "regions", "sales.office.v1": "offices", "sales.person.v1": "people"}
        found = await database[f"copy_{copies[event.topic]}"].find_one({"_id": event.subject})
    return found["version"]


async def test_what_a_later_writer_adds_is_ignored(database: Database) -> None:
    for path in heard():
        record = _Record(path)
        said: dict[str, Any] = json.loads(record.value)
        said["colour"] = said["data"]["colour"] = "red"
        said["type"] = f"{said['type']}_by_telephone"
        record.value = json.dumps(said).encode()
        assert await _taken(Learner(database), [record]) == []


@pytest.mark.parametrize("field", ["month", "person"])
async def test_a_state_that_breaks_its_contract_is_set_aside_and_its_neighbours_count(
    database: Database, field: str
) -> None:
    good, bad = (_Record(path) for path in samples("reporting")[:2])
    said: dict[str, Any] = json.loads(bad.value)
    del said["data"][field]
    bad.value = json.dumps(said).encode()
    [(record, reason)] = await _taken(Learner(database), [bad, good])
    assert record is bad
    assert field in reason
    assert await _kept(database, decode(good)) == decode(good).version
