"""Samples: what a producer emits, as files that every consumer's tests take (tests/contracts/samples).

A producer's test runs under a clock that stands still, with ids of its own choosing, and hands each event here.
SALESBEAT_WRITE_SAMPLES=1 writes the files; without it, a difference from the file fails the test.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from chassis.consumer import Received, decode
from chassis.ids import derived_id

SAMPLES = Path(__file__).parent / "samples"


def held_to_sample(event: bytes, name: str = "plain") -> None:
    """The event is the sample `<type>/<name>.json`, all but its own random id and what it was traced under."""
    said: dict[str, Any] = json.loads(event)
    for traced in ("traceparent", "correlationid"):
        said.pop(traced, None)
    said["id"] = derived_id(said["type"], f"{said['subject']}@{said['sequence']}")
    path = SAMPLES / said["type"] / f"{name}.json"
    if os.environ.get("SALESBEAT_WRITE_SAMPLES"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n")
    assert path.exists(), f"no sample {path.name} of {said['type']}: write it with SALESBEAT_WRITE_SAMPLES=1"
    assert said == json.loads(path.read_text())


def samples(*sources: str) -> list[Path]:
    """The samples that the services emit; those of the named ones only (`customers`, `orders`, …), or all."""
    found = sorted(SAMPLES.glob("*/*.json"))
    return [path for path in found if not sources or json.loads(path.read_text())["source"].strip("/") in sources]


class _Record:
    def __init__(self, topic: str, value: bytes, offset: int) -> None:
        self.topic, self.partition, self.offset = topic, 0, offset
        self.key, self.value = b"key", value


def received(path: Path, offset: int = 0) -> Received:
    """A sample as a consumer receives it."""
    value = path.read_bytes()
    topic = str(json.loads(value)["dataschema"]).removeprefix("urn:salesbeat:")
    return decode(_Record(topic, value, offset))
