"""Settings of the suite on this machine: which ports, which folder, which servers.

Read without pydantic: `salesbeat --help` and `salesbeat logs` should not wait for what they do not need.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from salesbeat.refusals import Refused

if TYPE_CHECKING:
    from salesbeat.broker import Wish

BASE_PORT = "SALESBEAT_BASE_PORT"
STATE = "SALESBEAT_STATE"
BROKER = "SALESBEAT_BROKER"
MONGODB_URI = "SALESBEAT_MONGODB_URI"
KAFKA_BOOTSTRAP = "SALESBEAT_KAFKA_BOOTSTRAP"

DEFAULT_BASE = 8700

BROKERS = ("auto", "apache", "embedded")

OFFSETS = {
    "gateway": 0,
    "gateway-health": 1,
    "customers-api": 11,
    "customers-worker": 12,
    "orders-api": 21,
    "orders-worker": 22,
    "visits-api": 31,
    "visits-worker": 32,
    "reporting-api": 51,
    "reporting-worker": 52,
    "mongod": 77,
    "kafka": 92,
    "kafka-controller": 93,
}
"""Where each process listens, counted from the base port."""

HIGHEST_BASE = 65_535 - max(OFFSETS.values())


@dataclass(frozen=True, slots=True)
class LocalSettings:
    base_port: int = DEFAULT_BASE
    state: Path = Path(".salesbeat")
    broker: Wish = "auto"
    mongodb_uri: str | None = None
    """Your own MongoDB; without it a mongod is started."""
    kafka_bootstrap: str | None = None
    """Your own Kafka; without it a broker is started."""

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> LocalSettings:
        """The settings of this command, from the environment. Raises Refused with which and why."""
        base = environment.get(BASE_PORT, "") or str(DEFAULT_BASE)
        if not base.isdecimal() or not 1 <= int(base) <= HIGHEST_BASE:
            raise Refused(f"The setting {BASE_PORT} is {base!r}: it must be a port from 1 to {HIGHEST_BASE}.")
        wish = environment.get(BROKER, "") or "auto"
        if wish not in BROKERS:
            raise Refused(f"The setting {BROKER} is {wish!r}: it must be one of {', '.join(BROKERS)}.")
        return cls(
            base_port=int(base),
            state=Path(environment.get(STATE, "") or ".salesbeat").expanduser().absolute(),
            broker=cast("Wish", wish),
            mongodb_uri=environment.get(MONGODB_URI) or None,
            kafka_bootstrap=environment.get(KAFKA_BOOTSTRAP) or None,
        )

    def port(self, process: str) -> int:
        return self.base_port + OFFSETS[process]

    @property
    def url(self) -> str:
        """Where the gateway of this suite is."""
        return f"http://127.0.0.1:{self.port('gateway')}"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def credentials(self) -> Path:
        return self.state / "credentials.json"
