"""Writes contracts/schemas and contracts/asyncapi from the models: `python libs/contracts/generate.py`.

Refuses a difference that would break a reader or an old event; such a change is a new major version
(`.v2` beside `.v1`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from contracts.describe import asyncapi, incompatibilities, schema
from contracts.topics import SERVICES, TOPICS

HERE = Path(__file__).parent / "contracts"


def main() -> int:
    refused: list[str] = []
    for topic in TOPICS:
        path = HERE / "schemas" / f"{topic.name}.json"
        new = schema(topic)
        if path.exists():
            refused += [f"{topic.name} {what}" for what in incompatibilities(json.loads(path.read_text()), new)]
        if not refused:
            path.write_text(json.dumps(new, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    for service in SERVICES:
        text = yaml.safe_dump(asyncapi(service), sort_keys=False, allow_unicode=True, width=120)
        (HERE / "asyncapi" / f"{service}.yaml").write_text(text)
    for line in refused:
        sys.stderr.write(f"incompatible: {line}\n")
    return 1 if refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
