"""Quix Streams: versioned de-duplication by aggregate, then day, week and month totals by unit, both in keyed state.

State in RocksDB with changelog topics, at-least-once, commits each five seconds: its defaults. The changes are keyed
by unit through a repartition topic (`group_by`), as its documentation says. Totals can be read from its state only
by the flow itself.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from quixstreams import Application, State

from bench.peers.common import Delta, add, answer, contributions, decode, difference, periods, units

began = cpu = ended = 0.0
totals: dict[str, Delta] = {}


def main(topics: list[str], count: int) -> None:
    app = Application(
        broker_address=os.environ["BENCH_BROKER"],
        consumer_group=os.environ["BENCH_GROUP"],
        auto_offset_reset="earliest",
        state_dir=os.environ["BENCH_FOLDER"],
        loglevel="WARNING",
    )
    seen = 0
    counted: dict[str, int] = {"in": 0, "out": 0}

    def newest(value: bytes, state: State, topic: str) -> dict[str, Any] | None:
        global began, cpu
        if not began:
            began, cpu = time.monotonic(), time.process_time()
        counted["in"] += 1
        event = decode(value)
        version = int(event.sequence)
        before = state.get("newest")
        if before is not None and before[0] >= version:
            return None
        now = contributions(topic, event.data)
        state.set("newest", [version, now])
        return difference(before[1] if before is not None else {}, now) or None

    def spread(changed: dict[str, Delta]) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Delta]] = {}
        for place, delta in changed.items():
            where, _, day = place.rpartition("/")
            for unit in units(where):
                found.setdefault(unit, {})[day] = delta
        counted["out"] += len(found)
        return [{"unit": unit, "days": days} for unit, days in found.items()]

    def summed(value: dict[str, Any], state: State) -> None:
        nonlocal seen
        for day, delta in value["days"].items():
            for period in periods(day):
                total = add(state.get(period), delta)
                state.set(period, total)
                totals[f"{value['unit']}/{period}"] = total
        seen += 1

    frames: list[Any] = []
    for name in topics:
        frame = app.dataframe(app.topic(name, value_deserializer="bytes", key_deserializer="str"))
        frame = frame.apply(lambda value, state, topic=name: newest(value, state, topic), stateful=True)
        frames.append(frame.filter(lambda value: value is not None).apply(spread, expand=True))
    together = frames[0]
    for frame in frames[1:]:
        together = together.concat(frame)
    together.group_by("unit", name="by-unit").update(summed, stateful=True)

    def watch() -> None:
        global ended
        while counted["in"] < count or seen < counted["out"]:
            time.sleep(0.02)
        ended = time.monotonic()
        app.stop()

    threading.Thread(target=watch, daemon=True).start()
    app.run()
    answer(ended - began, time.process_time() - cpu, totals)


if __name__ == "__main__":
    main(sys.argv[1].split(","), int(sys.argv[2]))
