"""The processes of the suite: what each is called with, in which order they start, and how one asks how they are."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.topics import SERVICES
from salesbeat import mongod
from salesbeat.broker import Broker, create_topics
from salesbeat.credentials import Credentials
from salesbeat.ports import LOOPBACK, answers
from salesbeat.settings import LocalSettings

SERVERS, SERVICE, DOOR = range(3)
"""The stages: the servers are ready before anything else starts; each stage stops before the one before it."""


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Process:
    name: str
    command: Sequence[str]
    port: int
    stage: int = SERVICE
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    health_port: int | None = None
    """Where it says how it is, if not at `port`."""
    http: bool = True
    """It says at /ready whether it is, and why not; else taking connections is enough."""
    prepare: Callable[[], Awaitable[None]] = _nothing
    """Done after each of its starts, as soon as it takes connections; tried again until it succeeds."""
    forgets: bool = False
    """What it keeps is lost when it stops: the others are asked to fill it again."""

    async def wrong(self) -> str | None:
        """None when it is ready, or what is wrong with it."""
        if not self.http:
            return None if await answers(self.port) else f"it does not answer on port {self.port}"
        port = self.health_port or self.port
        for path in ("/ready", "/live"):
            try:
                status, body = await _get(port, path)
            except (OSError, TimeoutError, ValueError):
                return f"it does not answer on port {port}"
            if status != 200:
                return _reasons(body) or f"{path} answers {status}"
        return None

    async def dead(self) -> str | None:
        """None while it says at /live that it is alive; else why not. Raises OSError, TimeoutError, ValueError when it
        does not answer."""
        status, body = await _get(self.health_port or self.port, "/live")
        return None if status < 500 else _reasons(body) or f"/live answers {status}"


def suite(settings: LocalSettings, broker: Broker | None, admin: Credentials) -> list[Process]:
    """All processes, in the order in which they start. broker: none where the settings name one's own."""
    return [*_servers(settings, broker), *_services(settings, broker, admin)]


def ports(settings: LocalSettings) -> dict[str, int]:
    """The ports that this suite will listen on, by process."""
    wanted = ["gateway", "gateway-health", *(f"{service}-{word}" for service in SERVICES for word in ("api", "worker"))]
    if settings.mongodb_uri is None:
        wanted.append("mongod")
    if settings.kafka_bootstrap is None:
        wanted += ["kafka", "kafka-controller"]
    return {name: settings.port(name) for name in wanted}


def _servers(settings: LocalSettings, broker: Broker | None) -> list[Process]:
    servers: list[Process] = []
    if settings.mongodb_uri is None:
        port = settings.port("mongod")
        command = mongod.command(port, settings.state / "mongod")
        servers.append(
            Process("mongod", command, port, SERVERS, http=False, prepare=lambda: mongod.become_primary(port))
        )
    if broker is not None:
        servers.append(
            Process(
                "kafka",
                broker.command,
                broker.port,
                SERVERS,
                http=False,
                prepare=lambda: create_topics(broker.kafka_bootstrap),
                forgets=broker.kind == "embedded",
            )
        )
    return servers


def _services(settings: LocalSettings, broker: Broker | None, admin: Credentials) -> list[Process]:
    url = settings.url
    common = {
        # A log that is written in blocks says too late why a process died.
        "PYTHONUNBUFFERED": "1",
        "SALESBEAT_HOST": LOOPBACK,
        "SALESBEAT_MONGODB_URI": settings.mongodb_uri or mongod.uri(settings.port("mongod")),
        "SALESBEAT_JWKS_URL": f"{url}/.well-known/jwks.json",
        "SALESBEAT_ISSUER": url,
        "SALESBEAT_LOG_FORMAT": "json",
        **(broker.environment if broker else {}),
    }

    def python(
        name: str,
        module: str,
        *words: str,
        stage: int = SERVICE,
        health_port: int | None = None,
        **environment: str,
    ) -> Process:
        port = settings.port(name)
        own = {"SALESBEAT_PORT": str(port), "SALESBEAT_MONGODB_DATABASE": module}
        command = [sys.executable, "-m", module, *words]
        return Process(name, command, port, stage, {**common, **own, **environment}, health_port)

    workers_and_apis = [
        python(f"{service}-{word}", service, word) for service in SERVICES for word in ("api", "worker")
    ]
    upstreams = {
        f"SALESBEAT_{each.upper()}_URL": f"http://{LOOPBACK}:{settings.port(f'{each}-api')}" for each in SERVICES
    }
    gateway = python(
        "gateway",
        "gateway",
        stage=DOOR,
        health_port=settings.port("gateway-health"),
        **upstreams,
        SALESBEAT_HEALTH_HOST=LOOPBACK,
        SALESBEAT_HEALTH_PORT=str(settings.port("gateway-health")),
        SALESBEAT_IDENTITY="embedded",
        SALESBEAT_BOOTSTRAP_ADMIN_LOGIN=admin.login,
        SALESBEAT_BOOTSTRAP_ADMIN_PASSWORD=admin.password,
    )
    return [*workers_and_apis, gateway]


async def _get(port: int, path: str) -> tuple[int, bytes]:
    """A GET without an HTTP library (it would cost 30 MB). Raises OSError, TimeoutError, ValueError."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
    words = head.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError("that is no HTTP")
    return int(words[1]), body


def _reasons(body: bytes) -> str:
    """The reasons in an answer of /ready or /live, in one line."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(said, dict):
        return ""
    reasons = [
        str(reason) if name == "reason" else f"{name}: {reason}"
        for name, reason in said.items()
        if name not in ("ready", "live")
    ]
    return " ".join("; ".join(reasons).split())


def environment_of(process: Process) -> dict[str, str]:
    """This command's environment, with the process's own settings over it."""
    return {**os.environ, **process.environment}
