"""How long until a process answers, and what it holds then."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from bench import frame
from bench.frame import Report, Stage, check
from contracts.topics import SERVICES
from salesbeat.ports import free_port

NAME = "start"
WHAT = "import to the first HTTP answer of each process, its memory when it is ready, and the suite's"
BUSY = 300
"""Requests that each process has answered before its memory is read."""
ASKED = {
    "customers api": "/api/v1/customers",
    "orders api": "/api/v1/orders",
    "visits api": "/api/v1/visits",
    "reporting api": "/api/v1/targets",
    "gateway": "/api/v1/today",
}


async def measure(stage: Stage, report: Report) -> None:
    mongodb = await stage.mongodb()
    broker = await stage.kafka()
    common = {
        "PYTHONUNBUFFERED": "1",
        "SALESBEAT_MONGODB_URI": mongodb,
        "SALESBEAT_LOG_FORMAT": "json",
        "SALESBEAT_IDENTITY": "oidc",
        **stage.identity.environment,
        **broker.environment,
    }
    sides = {f"{service} {word}": [service, word] for service in SERVICES for word in ("api", "worker")}
    sides["gateway"] = ["gateway"]
    sides["plain FastAPI"] = ["bench.peers.plain"]

    headers = {"Authorization": f"Bearer {stage.identity.token('salesperson', 'li', office='sha', region='east')}"}

    ready_at: dict[int, int] = {}

    async def started(side: str) -> tuple[subprocess.Popen[bytes], int, float]:
        port, inner = free_port(), free_port()
        began = time.perf_counter()
        ports = {"SALESBEAT_PORT": str(port), "SALESBEAT_HEALTH_PORT": str(inner), "PORT": str(port)}
        ready_at[port] = inner if side == "gateway" else port
        process = stage.start(side.replace(" ", "-"), [sys.executable, "-m", *sides[side]], {**common, **ports})
        path = "/ready" if side == "plain FastAPI" else "/live"
        while (await frame.get(port, path))[0] != 200:
            check(process.poll() is None, f"{side} ended: {stage.said(side.replace(' ', '-'))}")
            await asyncio.sleep(0.005)
        return process, port, time.perf_counter() - began

    def rounds(side: str) -> frame.Round:
        async def round() -> None:
            process, port, took = await started(side)
            until = time.monotonic() + frame.START
            while (await frame.get(ready_at[port], "/ready"))[0] != 200:
                check(time.monotonic() < until, f"{side} is not ready: {stage.said(side.replace(' ', '-'))}")
                await asyncio.sleep(0.05)
            for _ in range(BUSY):  # with a token, so that an api holds what it needs to check one
                await frame.get(port, ASKED.get(side, "/ready"), headers)
            report.add("first answer", side, took, "s")
            report.add("memory", side, frame.memory(process), "MB")
            stage.stop(process)

        return round

    await frame.interleave(stage, *(rounds(side) for side in sides))
    for _ in range(stage.rounds):
        began = time.perf_counter()
        running = await asyncio.gather(*(started(side) for side in sides if side != "plain FastAPI"))
        report.add("whole suite, started at once", "ours", time.perf_counter() - began, "s")
        report.add("whole suite", "ours", sum(frame.memory(process) for process, _, _ in running), "MB")
        for process, _, _ in running:
            stage.stop(process)
    ours = [side for side in sides if side != "plain FastAPI"]
    report.at_most("first answer of the slowest process (s)", 1.5, max(report.median("first answer", s) for s in ours))
    report.at_most("memory of the largest process (MB)", 90, max(report.median("memory", side) for side in ours))


if __name__ == "__main__":
    frame.main(NAME, WHAT, measure)
