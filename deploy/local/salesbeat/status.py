"""`salesbeat status`: how every process is."""

from __future__ import annotations

import json
import time
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from rich.text import Text

from salesbeat import state
from salesbeat.plain import plain
from salesbeat.settings import LocalSettings
from salesbeat.state import ProcessState, SuiteState

COLOURS = {"ready": "green", "crashed": "red", "not ready": "red", "starting": "yellow"}


def status(settings: LocalSettings, console: Console, *, as_json: bool) -> int:
    """Print it; answers 0 when everything is ready, else 1."""
    known = state.read(settings.state)
    runs = bool(known and known.supervisor())
    left = state.orphans(settings.state)
    if as_json:
        body: dict[str, Any] = {"running": runs, "phase": None, "processes": []}
        if known and (runs or left):
            shown = known.processes if runs else left
            body |= {
                "phase": known.phase if runs else "supervisor died",
                "supervisor": known.pid,
                "url": known.url,
                "broker": known.broker,
                "processes": [_row(process) for process in shown],
            }
        print(json.dumps(body, ensure_ascii=False, indent=1))  # noqa: T201 - exactly this, for a program
    elif known and runs:
        console.print(Text(plain(known.doing)) if known.doing else table(known))
        console.print(plain(f"{known.url}   broker: {known.broker or ''}"), markup=False, soft_wrap=True)
    elif known and left:
        known.processes = left
        console.print(table(known))
        console.print("[red]Their supervisor died.[/] `salesbeat up` starts anew, `salesbeat down` ends them.")
    else:
        text = f"Salesbeat is not running ({settings.state}): `salesbeat up` starts it."
        console.print(plain(text), markup=False, soft_wrap=True)
        if known and known.failure:
            console.print(plain(f"The last start failed: {known.failure}"), markup=False, soft_wrap=True)
    return 0 if known and runs and known.ready else 1


def table(now: SuiteState) -> Table:
    """The processes and how they are."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("process", "pid", "port", "state", "uptime", "restarts", "memory"):
        made.add_column(column, justify="left" if column in ("process", "state") else "right", no_wrap=True)
    # The text is kept in one line, not its column: else a long reason would be made room for at the cost of the others.
    made.add_column("reason", ratio=1)
    for process in now.processes:
        row = _row(process)
        colour = COLOURS.get(process.condition, "dim")
        made.add_row(
            process.name,
            str(row["pid"] or ""),
            str(process.port),
            f"[{colour}]{process.condition}[/]",
            _span(row["uptime"]),
            str(process.restarts or ""),
            f"{row['memory'] / 2**20:.0f} MB" if row["memory"] else "",
            Text(plain(_reason(process)), no_wrap=True, overflow="ellipsis"),
        )
    return made


def _reason(process: ProcessState) -> str:
    if process.reason:
        return process.reason
    return f"before: {process.last_crash}" if process.last_crash else ""


def _row(process: ProcessState) -> dict[str, Any]:
    """uptime in seconds, memory in bytes; none where it does not run."""
    memory: int | None = None
    if living := process.process():
        try:
            memory = living.memory_info().rss
        except psutil.Error:
            living = None
    return {
        "process": process.name,
        "pid": process.pid if living else None,
        "port": process.port,
        "state": process.condition,
        "uptime": round(time.time() - process.born) if living and process.born else None,
        "restarts": process.restarts,
        "memory": memory,
        "reason": process.reason,
        "last_crash": process.last_crash,
    }


def _span(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"
