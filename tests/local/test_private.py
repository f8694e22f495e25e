"""What the suite keeps on this machine is for its own user, and what it prints moves no cursor."""

from __future__ import annotations

import asyncio
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from salesbeat import credentials, logs, state, status, up
from salesbeat.private import FOLDER, make_private
from salesbeat.processes import Process
from salesbeat.refusals import Refused
from salesbeat.settings import LocalSettings
from salesbeat.state import ProcessState, SuiteState

EVIL = "a \x1b[2J\x1b]0;title\x07 \x9b31m \u202egnp.exe [/x] [red]b"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_loose_state_folder_is_tightened_with_what_lies_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    for each in (folder, folder / "logs", folder / "kafka", folder / "mongod", folder / "somebodys"):
        each.mkdir()
        each.chmod(0o755)
    make_private(folder)
    assert [mode(each) for each in (folder, folder / "logs", folder / "kafka", folder / "mongod")] == [FOLDER] * 4
    assert mode(folder / "somebodys") == 0o755
    make_private(folder / "new" / "one")
    assert mode(folder / "new" / "one") == FOLDER


def test_a_folder_that_many_share_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(Refused, match="SALESBEAT_STATE"):
        make_private(shared)
    assert mode(shared) == 0o1777


def test_the_credentials_and_their_folder_are_for_their_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "credentials.json"
    made = credentials.read_or_make(file)
    assert credentials.read(file) == made
    assert (mode(file), mode(file.parent)) == (0o600, FOLDER)


def test_up_tightens_the_folder_before_it_starts_anything(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    (folder / "logs").mkdir(parents=True)
    for each in (folder, folder / "logs"):
        each.chmod(0o777)
    say = "import os; open('made', 'w').close(); os.mkdir('folder')"
    with pytest.raises(Refused):
        up.up(LocalSettings(state=folder), Console(quiet=True), 5, [sys.executable, "-c", say])
    assert (mode(folder), mode(folder / "logs")) == (FOLDER, FOLDER)
    assert (mode(folder / "made"), mode(folder / "folder")) == (0o600, 0o700)
    assert mode(folder / "logs" / "supervisor.log") == 0o600


def test_what_the_supervisor_starts_makes_private_files(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from salesbeat import supervisor\n"
        "from salesbeat.processes import Process\n"
        "async def plan(settings, keeper):\n"
        '    say = \'open("made", "w").close(); import os; os.kill(os.getppid(), 15); import time; time.sleep(60)\'\n'
        "    return [Process('script', [sys.executable, '-c', say], 1, 0, http=False)]\n"
        "supervisor.main(plan)\n"
    )
    folder = tmp_path / "state"
    (folder / "logs").mkdir(parents=True)
    environment = {**os.environ, "SALESBEAT_STATE": str(folder)}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=60, check=True, capture_output=True)
    found = [path for path in folder.rglob("*") if path.exists()]
    assert folder / "logs" / "made" in found
    assert {path.name: mode(path) & 0o077 for path in [folder, *found]} == {path.name: 0 for path in [folder, *found]}


def recording() -> Console:
    return Console(highlight=False, width=300, record=True, file=io.StringIO())


def the_state(folder: Path, **given: object) -> None:
    me = os.getpid()
    born = psutil.Process(me).create_time()
    suite = SuiteState(me, born, "http://127.0.0.1:8700", phase="running", broker=EVIL)
    suite.processes = [ProcessState("orders-api", 1, 1, "not ready", reason=EVIL, last_crash=EVIL)]
    for name, value in given.items():
        setattr(suite, name, value)
    folder.mkdir(parents=True, exist_ok=True)
    state.write(folder, suite)


@pytest.mark.parametrize("given", [{}, {"doing": EVIL}, {"pid": 1, "born": 1.0, "failure": EVIL, "processes": []}])
def test_status_shows_reasons_as_they_are(tmp_path: Path, given: dict[str, object]) -> None:
    folder = tmp_path / "state [red] [/x]"
    the_state(folder, **given)
    console = recording()
    status.status(LocalSettings(state=folder), console, as_json=False)
    text = console.export_text(styles=True)
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "\x9b" not in text
    assert "\\u202e" in text
    assert "[/x]" in text


def test_up_and_down_show_reasons_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "state [red] [/x]"
    the_state(folder)
    now = state.read(folder)
    assert now is not None
    console = recording()
    up._say_ready(LocalSettings(state=folder), console, now)
    up._say_wrong(LocalSettings(state=folder), console, now)
    up._say(console, EVIL)
    text = console.export_text(styles=True)
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert text.count("[/x]") >= 3


def test_logs_show_lines_as_they_are(tmp_path: Path) -> None:
    settings = LocalSettings(state=tmp_path)
    settings.logs.mkdir()
    lines = [EVIL, json.dumps({"event": "request", "path": EVIL, "level": "info"})]
    (settings.logs / "orders-api.log").write_text("\n".join(lines))
    said: list[str] = []
    logs.logs(settings, None, follow=False, lines=5, say=said.append)
    assert len(said) == 2
    for line in said:
        assert line.isprintable()
        assert "\\x1b[2J" in line


def test_a_refusal_is_printed_as_it_is(tmp_path: Path) -> None:
    environment = {**os.environ, "SALESBEAT_STATE": str(tmp_path), "SALESBEAT_BASE_PORT": EVIL.replace("\x00", "")}
    ended = subprocess.run(
        [sys.executable, "-m", "salesbeat", "status"], env=environment, timeout=60, capture_output=True, check=False
    )
    assert ended.returncode == 1
    assert b"\x1b[2J" not in ended.stderr
    assert "\u202e".encode() not in ended.stderr


async def test_a_process_that_says_elsewhere_how_it_is_is_asked_there() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"ready": true}')
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await Process("gateway", [], 1, health_port=port).wrong() is None
        assert "does not answer" in str(await Process("gateway", [], port, health_port=1).wrong())
