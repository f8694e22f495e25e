"""The processes' logs: files that do not grow without end, and lines that a person can read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

LARGEST = 10 * 1024 * 1024
"""Bytes of one file before it is put aside."""
KEPT = 3
"""Files put aside for each process."""
TAIL = 64 * 1024
"""Bytes at the end of a log among which a reason is looked for."""

_BAD = re.compile(r"\b(ERROR|FATAL|SEVERE|CRITICAL|error|panicked)\b|^\S*(Error|Exception)\b")
_BAD_LEVELS = ("error", "critical", "E", "F")


def rotate(log: Path, largest: int = LARGEST, kept: int = KEPT) -> None:
    """Put a log that has grown too large aside. Its writer keeps the file open (appending), so it is copied and cut."""
    if not log.exists() or log.stat().st_size <= largest:
        return
    for number in range(kept - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    with log.open("r+b") as file:
        file.truncate(0)


def readable(line: str) -> str:
    """A line as a person reads it: JSON lines become time, level, event and the rest."""
    try:
        values = json.loads(line)
    except ValueError:
        return line
    if not isinstance(values, dict):
        return line
    if "msg" in values and "c" in values:  # mongod's own form
        return " ".join(filter(None, [_time(values.get("t", {}).get("$date")), _said(values)]))
    if "event" not in values:
        return line
    moment, level = values.pop("timestamp", None), values.pop("level", "")
    return " ".join(filter(None, [_time(moment), level.ljust(7) if level else "", _said(values)]))


def last_reason(log: Path, start: int) -> str | None:
    """What the process said last since its log had `start` bytes: its last error, else its last line."""
    lines = [line for line in _tail(log, start) if line.strip()]
    if not lines:
        return None
    bad = [line for line in lines if _is_bad(line)]
    return plain(bad[-1] if bad else lines[-1])


def plain(line: str) -> str:
    """What a line says, without time and level, in one line."""
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    said = _said(values) if isinstance(values, dict) else line
    return " ".join(said.split())[:300]


def _tail(log: Path, start: int) -> list[str]:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            # Shorter than at the start: it was put aside meanwhile.
            file.seek(max(start if start <= size else 0, size - TAIL))
            return file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _is_bad(line: str) -> bool:
    try:
        values = json.loads(line)
    except ValueError:
        return _BAD.search(line) is not None
    return isinstance(values, dict) and (values.get("level") in _BAD_LEVELS or values.get("s") in _BAD_LEVELS)


def _time(moment: Any) -> str:
    return str(moment)[11:23] if moment else ""


def _said(values: dict[str, Any]) -> str:
    if "event" in values:
        rest = {name: value for name, value in values.items() if name not in ("event", "timestamp", "level")}
        trace = rest.pop("exception", None)
        pairs = " ".join(f"{name}={value}" for name, value in rest.items() if value is not None)
        last = str(trace).strip().splitlines()[-1] if trace else ""
        return " ".join(filter(None, [str(values["event"]), pairs, last]))
    attributes = values.get("attr") or {}
    error = attributes.get("error") or attributes.get("reason")
    return " ".join(filter(None, [str(values.get("msg", "")), str(error) if error else ""]))
