"""A supervisor as `salesbeat up` starts it, with small scripts instead of the suite's processes.

The folder SCRIPTS tells a script what to do: `<name>.not-ready` holds a reason for its /ready, `<name>.dead` one for
its /live, `<name>.broken` holds what it says before it ends with 3, `<name>.stubborn` makes it deaf to SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from salesbeat.processes import DOOR, SERVERS, SERVICE, Process
from salesbeat.settings import LocalSettings
from salesbeat.supervisor import Supervisor, clear_ports, main

STAGES = {"server": SERVERS, "first": SERVICE, "second": SERVICE, "door": DOOR}
SCRIPTS = "SUITE_OF_SCRIPTS"


def script(name: str, port: int) -> None:
    """One process."""
    folder = Path(os.environ[SCRIPTS])
    if (folder / f"{name}.broken").exists():
        sys.exit((folder / f"{name}.broken").read_text() or 3)

    def end(*_: object) -> None:
        with (folder / "ended").open("a") as ended:
            ended.write(f"{name}\n")
        os._exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if (folder / f"{name}.stubborn").exists() else end)

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            what, member = ("dead", "reason") if self.path == "/live" else ("not-ready", "mongodb")
            told = folder / f"{name}.{what}"
            reason = told.read_text() if told.exists() else None
            self.send_response(503 if reason else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"ready": not reason, **({member: reason} if reason else {})}).encode())

        def log_message(self, format: str, *args: object) -> None:
            return

    ThreadingHTTPServer(("127.0.0.1", port), Health).serve_forever()


async def plan(settings: LocalSettings, _: Supervisor) -> list[Process]:
    ports = {name: settings.base_port + number for number, name in enumerate(STAGES)}
    clear_ports(ports)
    return [
        Process(name, [sys.executable, __file__, name, str(port)], port, STAGES[name], http=name != "server")
        for name, port in ports.items()
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        script(sys.argv[1], int(sys.argv[2]))
    else:
        main(plan)
