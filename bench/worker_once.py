"""The reporting worker as it ships, until it has taken so many events; says how long it took, without its start.

`python -m bench.worker_once COUNT`, with the worker's settings in the environment. The time runs from the first
batch that its subscriber hands over until the last one is in the totals.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import sys
import time
from collections.abc import Sequence

import uvloop

from chassis import telemetry
from chassis.received import Received
from reporting.consumers import Learner
from reporting.settings import Settings
from reporting.worker import worker


async def run(count: int) -> None:
    taken, began, cpu, batches = 0, 0.0, 0.0, 0
    done = asyncio.Event()
    take = Learner.take

    async def noted(self: Learner, events: Sequence[Received]) -> None:
        nonlocal taken, began, cpu, batches
        if not began:
            began, cpu = time.monotonic(), time.process_time()
        await take(self, events)
        taken += len(events)
        batches += 1
        if taken >= count:
            done.set()

    Learner.take = noted  # type: ignore[method-assign]
    settings = Settings.load()
    telemetry.configure("reporting-worker", settings)
    hand = worker(settings)
    async with hand.running():
        await done.wait()
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    said = {"seconds": seconds, "cpu": cpu, "taken": taken, "batches": batches}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    if profile := os.environ.get("BENCH_PROFILE"):
        with cProfile.Profile() as profiler:
            asyncio.run(run(int(sys.argv[1])))
        profiler.dump_stats(profile)
    else:
        uvloop.run(run(int(sys.argv[1])))
