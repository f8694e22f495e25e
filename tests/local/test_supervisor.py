"""`up`, `down` and `status` around a real supervisor with real processes, which are small scripts."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from salesbeat import state
from salesbeat.ports import LOOPBACK
from salesbeat.refusals import Refused
from salesbeat.settings import LocalSettings
from salesbeat.state import ProcessState, SuiteState
from salesbeat.status import status
from salesbeat.up import down, up

SCRIPT = Path(__file__).with_name("suite_of_scripts.py")
# The supervisor is meant to outlive the `up` that started it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

LONGEST = 30.0
PORTS = 4


class Local:
    """A suite of scripts in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.scripts = folder
        self.settings = LocalSettings(base_port=_free_ports(PORTS), state=folder / "state")

    def tell(self, name: str, what: str, text: str = "") -> None:
        (self.scripts / f"{name}.{what}").write_text(text)

    def untell(self, name: str, what: str) -> None:
        (self.scripts / f"{name}.{what}").unlink()

    def up(self, seconds: float = LONGEST) -> tuple[int, str]:
        console = _console()
        code = up(self.settings, console, seconds, [sys.executable, str(SCRIPT)])
        return code, _said(console)

    def down(self) -> str:
        console = _console()
        assert down(self.settings, console) == 0
        return _said(console)

    def state(self) -> SuiteState:
        found = state.read(self.settings.state)
        assert found
        return found

    def process(self, name: str) -> ProcessState:
        return next(each for each in self.state().processes if each.name == name)

    def log(self) -> str:
        return (self.settings.logs / "supervisor.log").read_text()


def _free_ports(count: int) -> int:
    """The first of so many free ports in a row, below those that the system gives to connections."""
    while True:
        base = random.randrange(12_000, 20_000)
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind((LOOPBACK, port))
        except OSError:
            continue
        return base


def _console() -> Console:
    return Console(file=io.StringIO(), width=200)


def _said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONGEST
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    monkeypatch.setenv("SUITE_OF_SCRIPTS", str(tmp_path))
    suite = Local(tmp_path)
    yield suite
    suite.down()


def test_up_waits_until_everything_is_ready_and_down_ends_it_in_reverse_order(local: Local) -> None:
    code, said = local.up()
    assert code == 0
    assert local.settings.url in said
    pids = [process.pid for process in local.state().processes]
    assert all(pids)

    assert "stopped" in local.down()
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    ended = (local.scripts / "ended").read_text().split()
    assert ended[0] == "door"
    assert ended[-1] == "server"
    assert set(ended[1:3]) == {"first", "second"}


def test_a_second_up_finds_it_running(local: Local) -> None:
    local.up()
    before = [process.pid for process in local.state().processes]
    code, said = local.up()
    assert code == 0
    assert "running already" in said
    assert [process.pid for process in local.state().processes] == before


def test_a_crashed_process_is_started_again_and_reported(local: Local) -> None:
    local.up()
    pid = local.process("first").pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: local.process("first").restarts == 1 and local.process("first").condition == "ready")
    assert local.process("first").pid != pid
    assert "first crashed: it was ended by SIGKILL" in local.log()
    console = _console()
    assert status(local.settings, console, as_json=False) == 0
    assert "before: it was ended by SIGKILL" in _said(console)


def test_a_process_that_ends_at_once_is_said_with_its_last_words(local: Local) -> None:
    local.tell("second", "broken", "The setting SALESBEAT_PORT is 'x': it must be a number.")
    code, said = local.up()
    assert code == 1
    assert "second: it ended with 1: The setting SALESBEAT_PORT is 'x': it must be a number." in said
    assert "first:" not in said
    assert "door:" not in said

    local.untell("second", "broken")
    eventually(lambda: local.state().ready)


def test_nothing_starts_before_the_servers_are_ready(local: Local) -> None:
    local.tell("server", "broken", "Data folder in use.")
    code, said = local.up()
    assert code == 1
    assert "server: it ended with 1: Data folder in use." in said
    assert "first: it waits for what must be ready before it" in said


def test_a_process_that_never_is_ready_is_said_with_its_reason(local: Local) -> None:
    local.tell("door", "not-ready", "MongoDB does not answer")
    code, said = local.up(seconds=3)
    assert code == 1
    assert "door: mongodb: MongoDB does not answer" in said
    assert status(local.settings, _console(), as_json=False) == 1


def test_a_process_that_stops_being_ready_is_seen(local: Local) -> None:
    local.up()
    local.tell("first", "not-ready", "the database is away")
    eventually(lambda: local.process("first").condition == "not ready")
    local.untell("first", "not-ready")
    eventually(lambda: local.process("first").condition == "ready")
    assert local.process("first").restarts == 0


def test_a_process_that_is_not_alive_is_started_again_and_status_says_why(local: Local) -> None:
    local.up()
    pid = local.process("first").pid
    local.tell("first", "dead", "the consumer makes no progress")
    eventually(lambda: local.process("first").restarts == 1)
    local.untell("first", "dead")
    eventually(lambda: local.process("first").condition == "ready")
    assert local.process("first").pid != pid
    assert local.process("second").restarts == 0
    console = _console()
    assert status(local.settings, console, as_json=False) == 0
    assert "before: it was restarted, because it was not alive: the consumer makes no progress" in _said(console)


def test_a_process_that_is_not_alive_for_a_moment_goes_on(local: Local) -> None:
    local.up()
    local.tell("first", "dead", "the consumer makes no progress")
    eventually(lambda: local.process("first").condition == "not ready")
    local.untell("first", "dead")
    eventually(lambda: local.process("first").condition == "ready")
    assert local.process("first").restarts == 0


def test_what_outlived_a_killed_supervisor_is_ended_by_the_next_up(local: Local) -> None:
    local.up()
    before = local.state()
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: before.supervisor() is None)
    assert all(process.process() for process in before.processes)
    console = _console()
    assert status(local.settings, console, as_json=False) == 1
    assert "supervisor died" in _said(console)

    code, said = local.up()
    assert code == 0
    assert "outlived it" in said
    assert not any(process.process() for process in before.processes)
    assert all(process.process() for process in local.state().processes)


def test_what_outlived_a_killed_supervisor_is_ended_by_down(local: Local) -> None:
    local.up()
    before = local.state()
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: before.supervisor() is None)
    assert "stopped" in local.down()
    assert not any(process.process() for process in before.processes)


def test_a_state_file_whose_pids_belong_to_others_harms_nobody(local: Local) -> None:
    mine = os.getpid()
    local.settings.state.mkdir(parents=True)
    stale = SuiteState(pid=mine, born=1.0, url="", phase="running")
    stale.processes = [ProcessState("first", 1, 1, "ready", pid=mine, born=1.0)]
    state.write(local.settings.state, stale)
    assert "not running" in local.down()
    assert local.up()[0] == 0


def test_a_port_in_use_is_said_with_the_setting_that_changes_it(local: Local) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, local.settings.base_port + 1))
        other.listen()
        with pytest.raises(Refused) as refused:
            local.up()
    assert f"Port {local.settings.base_port + 1}, wanted for first, is in use by" in str(refused.value)
    assert f"(pid {os.getpid()})" in str(refused.value)
    assert "SALESBEAT_BASE_PORT" in str(refused.value)
    assert state.running(local.settings.state) is None


def test_two_at_once_start_one_suite(local: Local) -> None:
    outcomes: list[object] = []

    def one() -> None:
        try:
            outcomes.append(local.up()[0])
        except Refused as refused:
            outcomes.append(refused)

    both = [threading.Thread(target=one) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert 0 in outcomes
    assert local.state().ready
    named = [p for p in psutil.process_iter(["cmdline"]) if str(SCRIPT) in (p.info["cmdline"] or [])]
    on_ports = [p for p in named if str(local.settings.base_port) in p.info["cmdline"]]
    assert len(on_ports) == 1


def test_status_for_a_program(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(local.settings, _console(), as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {"running": False, "phase": None, "processes": []}
    local.up()
    assert status(local.settings, _console(), as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["running"] is True
    assert [process["process"] for process in said["processes"]] == ["server", "first", "second", "door"]
    assert all(process["pid"] and process["memory"] > 0 for process in said["processes"])


def test_a_state_folder_that_is_gone_keeps_no_process_from_being_ended(local: Local) -> None:
    local.up()
    suite = local.state()
    pids = [process.pid for process in suite.processes if process.pid]
    shutil.rmtree(local.settings.state)
    os.kill(suite.pid, signal.SIGTERM)
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids))
