"""Bytewax: versioned de-duplication by aggregate, then day, week and month totals by unit, both as stateful maps.

One worker, recovery into SQLite with the default epoch of ten seconds, as its documentation sets up a flow that may
be resumed. What comes out is kept in memory: nobody could query it, nor what it was at some instant, nor the records
behind a number.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax._bytewax import cli_main
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir

from bench.peers.common import Delta, add, answer, contributions, decode, difference, periods, units

began = cpu = 0.0
totals: dict[str, Delta] = {}


def read(messages: list[Any]) -> Iterable[tuple[str, tuple[int, dict[str, Delta]]]]:
    global began, cpu
    if not began:
        began, cpu = time.monotonic(), time.process_time()
    for message in messages:
        event = decode(message.value)
        yield event.subject, (int(event.sequence), contributions(message.topic, event.data))


def newest(state: Any, event: tuple[int, dict[str, Delta]]) -> tuple[Any, Iterable[dict[str, Delta]]]:
    version, counted = event
    if state is not None and state[0] >= version:
        return state, ()
    changed = difference(state[1] if state is not None else {}, counted)
    return event, ((changed,) if changed else ())


def spread(changes: list[tuple[str, dict[str, Delta]]]) -> Iterable[tuple[str, Delta]]:
    for _, changed in changes:
        for place, delta in changed.items():
            where, _, day = place.rpartition("/")
            for period in periods(day):
                for unit in units(where):
                    yield f"{unit}/{period}", delta


def summed(state: Delta | None, delta: Delta) -> tuple[Delta, Delta]:
    total = add(state, delta)
    return total, total


class Kept(StatelessSinkPartition[Any]):
    def write_batch(self, items: list[Any]) -> None:
        totals.update(items)


class Keep(DynamicSink[Any]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> Kept:
        return Kept()


flow = Dataflow("totals")
source = KafkaSource([os.environ["BENCH_BROKER"]], sys.argv[1].split(","), tail=False)
messages = op.input("kafka", flow, source)
events = op.flat_map_batch("read", messages, read)
changes = op.stateful_flat_map("newest", events, newest)
deltas = op.flat_map_batch("spread", changes, spread)
op.output("keep", op.stateful_map("sum", deltas, summed), Keep())

if __name__ == "__main__":
    recovery = Path(os.environ["BENCH_FOLDER"])
    init_db_dir(recovery, 1)
    cli_main(flow, workers_per_process=1, recovery_config=RecoveryConfig(recovery))
    answer(time.monotonic() - began, time.process_time() - cpu, totals)
