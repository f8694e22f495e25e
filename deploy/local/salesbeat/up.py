"""`salesbeat up` and `salesbeat down`: start the supervisor and wait with the user; stop it, or clean up after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from salesbeat import logfile, state
from salesbeat.plain import plain
from salesbeat.private import FOLDER, UMASK, make_private
from salesbeat.refusals import Refused
from salesbeat.settings import BASE_PORT, BROKER, STATE, LocalSettings
from salesbeat.state import ProcessState, SuiteState
from salesbeat.status import table

POLL = 0.2
HOPELESS = 3
"""Crashes after which `up` does not wait for a process any longer; the supervisor goes on trying."""


SUPERVISOR = (sys.executable, "-m", "salesbeat.supervisor")


def up(settings: LocalSettings, console: Console, seconds: float, command: Sequence[str] = SUPERVISOR) -> int:
    """Start the suite, or find it running, and wait until it is ready; answers the exit status.

    seconds: how long to wait for the processes, once they are being started.
    """
    began = time.monotonic()
    found = state.running(settings.state)
    if found and found.phase == "stopping":
        raise Refused("Salesbeat is stopping: wait until `salesbeat status` says so, then start it again.")
    if found:
        make_private(settings.state)
        _say(console, f"Salesbeat is running already (supervisor {found.pid}, {settings.state}).")
        return _wait(settings, console, found.pid, None, seconds)
    for left in state.orphans(settings.state):
        _say(console, f"The supervisor before died; {left.name} ({left.pid}) outlived it and is ended first.")
    supervisor = _start(settings, command)
    status = _wait(settings, console, supervisor.pid, supervisor, seconds)
    if status == 0:
        console.print(f"Started in {time.monotonic() - began:.0f} s. `salesbeat down` stops it.")
    return status


def down(settings: LocalSettings, console: Console) -> int:
    """Stop the suite, in reverse order; answers the exit status."""
    found = state.running(settings.state)
    if found is None:
        left = state.orphans(settings.state)
        for process in left:
            _say(console, f"Its supervisor died: {process.name} ({process.pid}) is ended.")
        state.end(left)
        _say(console, "Salesbeat is stopped." if left else f"Salesbeat is not running ({settings.state}).")
        return 0
    os.kill(found.pid, signal.SIGTERM)
    # Each stage ends by itself within its grace, or is killed.
    deadline = time.monotonic() + 4 * state.GRACE
    with _list(console) as show:
        while (now := state.running(settings.state)) and now.pid == found.pid and time.monotonic() < deadline:
            show(now)
            time.sleep(POLL)
    if now and now.pid == found.pid:
        raise Refused(f"The supervisor ({found.pid}) does not end: see {settings.logs / 'supervisor.log'}.")
    # A supervisor that is killed while it stops leaves the rest behind.
    state.end(state.orphans(settings.state))
    console.print("Salesbeat is stopped; its data stays.")
    return 0


def _start(settings: LocalSettings, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """The supervisor, in a session of its own: the terminal may close."""
    make_private(settings.state)
    settings.logs.mkdir(mode=FOLDER, exist_ok=True)
    environment = {
        **os.environ,
        BASE_PORT: str(settings.base_port),
        STATE: str(settings.state),
        BROKER: settings.broker,
    }
    log = os.open(settings.logs / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(log, "ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=settings.state,
            start_new_session=True,
            umask=UMASK,
        )


def _wait(
    settings: LocalSettings,
    console: Console,
    pid: int,
    supervisor: subprocess.Popen[bytes] | None,
    seconds: float,
) -> int:
    """Show the list until everything is ready or it makes no sense to wait on."""
    deadline: float | None = None
    now: SuiteState | None = None
    with _list(console) as show:
        while True:
            ended = supervisor.poll() is not None if supervisor else state.running(settings.state) is None
            latest = state.read(settings.state)
            if latest and latest.pid == pid:
                now = latest
                show(now)
                if now.ready:
                    break
            if ended:
                break
            if now and now.phase == "running":
                deadline = deadline or time.monotonic() + seconds
                waiting = [each for each in now.processes if each.condition not in ("ready", "waiting")]
                hopeless = waiting and all(each.restarts >= HOPELESS for each in waiting)
                if hopeless or time.monotonic() > deadline:
                    break
            time.sleep(POLL)
    if now is None or now.phase != "running":
        reason = now.failure if now else logfile.last_reason(settings.logs / "supervisor.log", 0)
        raise Refused(f"Salesbeat did not start: {reason or 'it was stopped.'}")
    if now.ready:
        _say_ready(settings, console, now)
        return 0
    _say_wrong(settings, console, now)
    return 1


def _say_ready(settings: LocalSettings, console: Console, now: SuiteState) -> None:
    console.print(f"\n[bold green]Salesbeat is ready:[/] {_shown(now.url)}")
    _say(console, f"  API pages    {now.url}/docs")
    _say(console, f"  broker       {now.broker or ''}")
    _say(console, f"  credentials  {settings.credentials} (administrator)")
    _say(console, f"  logs         {settings.logs}")
    for each in now.processes:
        if each.restarts:
            console.print(
                f"  [yellow]{_shown(each.name)} was restarted {each.restarts} times[/]: {_shown(each.last_crash or '')}"
            )


def _say_wrong(settings: LocalSettings, console: Console, now: SuiteState) -> None:
    console.print(f"\n[bold red]Salesbeat is not ready.[/] Broker: {_shown(now.broker or '')}", soft_wrap=True)
    for each in now.processes:
        if each.condition != "ready":
            console.print(f"  [bold]{_shown(each.name)}[/]: {_shown(wrong_with(each))}", soft_wrap=True)
    console.print("It is tried again in the background: `salesbeat status`, `salesbeat logs`, `salesbeat down`.")


def wrong_with(process: ProcessState) -> str:
    """One line: why it is not ready."""
    if process.condition == "waiting":
        return "it waits for what must be ready before it"
    if process.last_crash and process.condition in ("crashed", "starting"):
        return f"{process.last_crash} (tried {process.restarts + 1} times)"
    return process.reason or process.condition


@contextmanager
def _list(console: Console) -> Iterator[Callable[[SuiteState], None]]:
    """A live list on a terminal; elsewhere a line for each change."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            yield lambda now: live.update(_headed(now))
        return
    said: dict[str, str] = {}

    def lines(now: SuiteState) -> None:
        for name, text in [("", now.doing or ""), *((each.name, each.condition) for each in now.processes)]:
            if text and said.get(name) != text:
                said[name] = text
                _say(console, f"{name:17} {text}".strip())

    yield lines


def _headed(now: SuiteState) -> RenderableType:
    return Text(plain(now.doing)) if now.doing else table(now)


def _say(console: Console, text: str) -> None:
    """As it is: no part of it is markup or moves the cursor."""
    console.print(plain(text), markup=False, soft_wrap=True)


def _shown(text: str) -> str:
    """A text within markup of our own."""
    return escape(plain(text))
