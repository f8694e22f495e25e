"""`salesbeat logs`: the last lines of the processes' logs, and the coming ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from salesbeat.logfile import readable
from salesbeat.plain import plain
from salesbeat.refusals import Refused
from salesbeat.settings import LocalSettings

POLL = 0.3


def logs(settings: LocalSettings, process: str | None, *, follow: bool, lines: int, say: Callable[[str], None]) -> None:
    """Say the last lines of one process, or of all with their names before; follow: and on, until interrupted."""
    known = sorted(file.stem for file in settings.logs.glob("*.log"))
    if process is not None and process not in known:
        there = f"there are {', '.join(known)}" if known else "there is none yet"
        raise Refused(f"There is no log of {process}: {there}.")
    width = max(map(len, known), default=0)
    ends: dict[Path, int] = {}
    for name in [process] if process else known:
        file = settings.logs / f"{name}.log"
        content = file.read_bytes()
        ends[file] = len(content)
        for line in content.decode(errors="replace").splitlines()[-lines:] if lines else []:
            say(_named(line, name, process, width))
    while follow:
        time.sleep(POLL)
        for file, end in ends.items():
            with file.open("rb") as opened:
                size = opened.seek(0, 2)
                opened.seek(end if end <= size else 0)  # shorter than before: it was put aside
                whole, newline, _ = opened.read().rpartition(b"\n")
                ends[file] = (end if end <= size else 0) + len(whole) + len(newline)
            for line in whole.decode(errors="replace").splitlines():
                say(_named(line, file.stem, process, width))


def _named(line: str, name: str, only: str | None, width: int) -> str:
    said = plain(readable(line))
    return said if only else f"{plain(name):{width}} | {said}"
