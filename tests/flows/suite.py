"""The whole suite in processes of its own, driven by the `salesbeat` command as a user drives it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from salesbeat import state
from salesbeat.credentials import Credentials
from salesbeat.settings import OFFSETS

START = 240
"""Seconds for all processes on two busy cores."""


def free_base() -> int:
    """A base port from which all ports of a suite are free at this moment."""
    for base in range(21_000, 60_000, 150):
        with _Probes() as probes:
            if all(probes.free(base + offset) for offset in OFFSETS.values()):
                return base
    raise AssertionError("no range of ports is free")


class _Probes:
    def __enter__(self) -> _Probes:
        self._held: list[socket.socket] = []
        return self

    def __exit__(self, *_: object) -> None:
        for probe in self._held:
            probe.close()

    def free(self, port: int) -> bool:
        probe = socket.socket()
        self._held.append(probe)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Suite:
    """environment: settings beside the ports and the folder, such as SALESBEAT_BROKER."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self.base = free_base()
        self.url = f"http://127.0.0.1:{self.base}"
        self.environment = {
            **os.environ,
            "SALESBEAT_STATE": str(folder),
            "SALESBEAT_BASE_PORT": str(self.base),
            **environment,
        }

    def salesbeat(self, *words: str | Path, wanted: int | None = 0) -> str:
        """What the command prints; `wanted` is the exit status it must end with (None: any)."""
        done = subprocess.run(
            self._command(*words), env=self.environment, capture_output=True, text=True, timeout=600, check=False
        )
        said = done.stdout + done.stderr
        assert wanted is None or done.returncode == wanted, f"salesbeat {words}: {done.returncode}\n{said[-6000:]}"
        return said

    def begin(self, *words: str | Path) -> subprocess.Popen[str]:
        """The command under way."""
        return subprocess.Popen(
            self._command(*words), env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    @staticmethod
    def _command(*words: str | Path) -> list[str]:
        return [sys.executable, "-m", "salesbeat", *map(str, words)]

    @contextmanager
    def running(self) -> Iterator[str]:
        """The suite, up; what `salesbeat up` printed."""
        try:
            yield self.salesbeat("up", "--wait", str(START))
        finally:
            self.salesbeat("down")

    def pid(self, process: str) -> int:
        """The process, once it runs: one that has crashed comes back after a pause that grows with each crash."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            suite = state.running(self.folder)
            assert suite is not None
            found = next(each for each in suite.processes if each.name == process)
            if found.pid is not None and found.process() is not None:
                return found.pid
            time.sleep(0.1)
        raise AssertionError(f"{process} does not run")

    def kill(self, process: str) -> None:
        """kill -9. The supervisor starts it again."""
        os.kill(self.pid(process), signal.SIGKILL)

    def progress(self, *words: str) -> list[dict[str, Any]]:
        """The items that `salesbeat progress ... --json` prints; a killed service is given time to come back."""
        deadline = time.monotonic() + 60
        while True:
            said = self.salesbeat("progress", *words, "--json", wanted=None)
            if said.startswith("{"):
                return json.loads(said)["items"]
            assert "does not answer" in said, said
            assert time.monotonic() < deadline, said
            time.sleep(1)

    @property
    def administrator(self) -> Credentials:
        return Credentials(**json.loads((self.folder / "credentials.json").read_text()))

    def sign_in(self, login: str, password: str) -> httpx.Client:
        """A client whose requests carry that account's token."""
        asked = {"login": login, "password": password}
        answered = httpx.post(f"{self.url}/api/v1/accounts/token", json=asked, timeout=30, trust_env=False)
        assert answered.status_code == 200, answered.text
        headers = {"Authorization": f"Bearer {answered.json()['access_token']}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def as_administrator(self) -> httpx.Client:
        return self.sign_in(self.administrator.login, self.administrator.password)
