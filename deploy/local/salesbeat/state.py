"""What the supervisor writes down: which processes it runs, and how they are.

`up`, `down` and `status` read it. Every pid is kept with the start time of its process, so that a pid that
belongs to somebody else by now is never taken for ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal

import psutil

FILE = "state.json"
GRACE = 30.0
"""Seconds a process gets to end by itself: a service's shutdown_seconds (20) and a little more."""
SAME_START = 2.0
"""Seconds: the system's idea of when a process started moves a little when its clock is set."""

Phase = Literal["preparing", "running", "stopping", "stopped", "failed"]
Condition = Literal["waiting", "starting", "ready", "not ready", "crashed", "stopped"]


@dataclass
class ProcessState:
    name: str
    port: int
    stage: int
    """The last stage is stopped first."""
    condition: Condition = "waiting"
    pid: int | None = None
    born: float | None = None
    """Start time of the pid, as the system tells it (seconds since 1970)."""
    restarts: int = 0
    reason: str | None = None
    """What is wrong now."""
    last_crash: str | None = None
    """How it ended the last time it ended by itself, and what it said."""

    def process(self) -> psutil.Process | None:
        """The process itself, if it is still alive."""
        return alive(self.pid, self.born)


@dataclass
class SuiteState:
    pid: int
    """The supervisor."""
    born: float
    url: str
    phase: Phase = "preparing"
    doing: str | None = None
    """What is being done before anything can start."""
    failure: str | None = None
    """Why it ended by itself."""
    broker: str | None = None
    """Which broker it took and why."""
    kafka_bootstrap: str | None = None
    processes: list[ProcessState] = field(default_factory=list)

    def supervisor(self) -> psutil.Process | None:
        """The supervisor, if it is still alive."""
        return alive(self.pid, self.born)

    @property
    def ready(self) -> bool:
        return self.phase == "running" and all(process.condition == "ready" for process in self.processes)


def alive(pid: int | None, born: float | None) -> psutil.Process | None:
    """The process with this pid, unless it has ended or is another one by now."""
    if pid is None or born is None:
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - born) < SAME_START and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def read(folder: Path) -> SuiteState | None:
    """What was written last, whether that supervisor still lives or not; None where there is nothing."""
    try:
        text = (folder / FILE).read_text()
    except FileNotFoundError:
        return None
    values = json.loads(text)
    return SuiteState(**{**values, "processes": [ProcessState(**process) for process in values["processes"]]})


def write(folder: Path, state: SuiteState) -> None:
    """Whole or not at all: a reader never sees half of it."""
    making = folder / f"{FILE}.{os.getpid()}"
    making.write_text(json.dumps(asdict(state), indent=1))
    making.replace(folder / FILE)


def running(folder: Path) -> SuiteState | None:
    """The state of a suite whose supervisor lives."""
    state = read(folder)
    return state if state and state.supervisor() else None


def orphans(folder: Path) -> list[ProcessState]:
    """Processes that outlived their supervisor."""
    state = read(folder)
    if state is None or state.supervisor():
        return []
    return [process for process in state.processes if process.process()]


def end(processes: Iterable[ProcessState], grace: float = GRACE) -> None:
    """End these processes, the last stage first; a process that does not end in time is killed."""
    by_stage = groupby(sorted(processes, key=lambda each: -each.stage), key=lambda each: each.stage)
    for _, stage in by_stage:
        living = [process for each in stage if (process := each.process())]
        for process in living:
            _signal(process, kill=False)
        deadline = time.monotonic() + grace
        while (living := [process for process in living if alive(process.pid, process.create_time())]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.05)
        for process in living:
            _signal(process, kill=True)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
        process.kill() if kill else process.terminate()
