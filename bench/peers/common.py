"""What both peers share: the very same reading of an event as the reporting worker's, with msgspec; and their answer.

They run in the peers' environment, with the sources of contracts and reporting on their path.
"""

from __future__ import annotations

import json
import os
from datetime import date
from functools import cache
from typing import Any

import msgspec

from reporting.measures import BY_TOPIC

Delta = dict[str, int]

ABOVE = os.environ["BENCH_UNITS"] == "all"


class Envelope(msgspec.Struct):
    subject: str
    sequence: str
    data: msgspec.Raw


decode = msgspec.json.Decoder(Envelope).decode


@cache
def periods(day: str) -> tuple[str, str, str]:
    iso = date.fromisoformat(day).isocalendar()
    return day, f"{iso.year}-W{iso.week:02d}", day[:7]


def contributions(topic: str, payload: Any) -> dict[str, Delta]:
    """By person and day ("region/office/person/2025-03-14"), what the state adds."""
    found: dict[str, Delta] = {}
    for measure, cell, values in BY_TOPIC[topic].read(payload).contributions:
        day, _, where = cell.partition("/")
        here = found.setdefault(f"{where}/{day}", {})
        for path, value in values.items():
            name = f"{measure}/{path}"
            here[name] = here.get(name, 0) + value
    return found


@cache
def units(where: str) -> tuple[str, ...]:
    """The units whose totals are kept for what counts there: the person, and where the units above are asked for, too,
    the office, the region and the company."""
    region, office, person = where.split("/")
    return (person, office, region, "company") if ABOVE else (person,)


def difference(before: dict[str, Delta], now: dict[str, Delta]) -> dict[str, Delta]:
    """What must be added where, so that `now` counts and `before` no longer."""
    if before == now:
        return {}
    changed = {place: dict(values) for place, values in now.items()}
    for place, values in before.items():
        here = changed.setdefault(place, {})
        for path, value in values.items():
            here[path] = here.get(path, 0) - value
    return changed


def add(total: Delta | None, delta: Delta) -> Delta:
    total = {} if total is None else total
    for path, value in delta.items():
        total[path] = total.get(path, 0) + value
    return total


def answer(seconds: float, cpu: float, totals: dict[str, Delta]) -> None:
    """Totals by "unit/period"; those that are nought say nothing."""
    with open(os.environ["BENCH_TOTALS"], "w") as file:
        json.dump(totals, file)
    print(json.dumps({"seconds": seconds, "cpu": cpu}), flush=True)
