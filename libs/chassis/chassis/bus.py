"""The bus: how a process reaches it, and whether it answers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Coroutine
from typing import Any, Protocol

from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    RecordTooLargeError,
)
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from prometheus_client import Gauge

__all__ = ["RECORD_FAULTS", "BusSettings", "BusWatch", "broker", "reach", "whole"]

PATIENCE = 3.0
"""Seconds for an answer of a broker that is asked whether it is there."""
BETWEEN = 2.0
"""Seconds between two such questions: with PATIENCE, `/ready` tells of a broker that is away within 5 s."""

CLOSING = 15.0
"""Seconds that a start or a stop under way is waited for when the process ends."""

RECORD_FAULTS = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    RecordTooLargeError,
    CorruptRecordException,
    InvalidTimestampError,
    PolicyViolationError,
)
"""Errors of a record, not of the bus: no retry helps, and other records may go."""

_reachable = Gauge("bus_reachable", "1 while a bootstrap broker answers, else 0")


class BusSettings(Protocol):
    """What the bus needs of a service's settings."""

    kafka_bootstrap: str
    kafka_idempotence: bool
    kafka_fetch_wait_ms: int


def broker(settings: BusSettings, client_id: str) -> KafkaBroker:
    """A FastStream broker with the suite's settings; it connects when it is started."""
    return KafkaBroker(
        settings.kafka_bootstrap.split(","),
        client_id=client_id,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        # The default makes missing topics, with one partition.
        allow_auto_create_topics=False,
        acks="all",
        enable_idempotence=settings.kafka_idempotence,
        apply_types=False,
        logger=None,
    )


async def whole(work: Coroutine[Any, Any, None]) -> None:
    """Do it to its end, also when whoever waits for it is cancelled.

    A client of the bus that is cancelled while it starts or stops is never closed.
    """
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait({doing}, timeout=CLOSING)
        raise


async def reach(settings: BusSettings) -> None:
    """Raises OSError when no bootstrap broker answers: a client that fails to start is never closed."""
    addresses = [address.strip() for address in settings.kafka_bootstrap.split(",")]
    answers = await asyncio.gather(*map(_ask, addresses), return_exceptions=True)
    refused = [answer for answer in answers if answer is not None]
    if len(refused) == len(answers):
        raise refused[0]


# ApiVersions, version 0: the one request that every broker answers at any time, before authentication, too.
_QUESTION = struct.pack(">hhih", 18, 0, 1, 9) + b"salesbeat"


async def _ask(address: str) -> None:
    """Raises OSError. A process that is held takes connections all the same, so an answer is waited for."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(struct.pack(">i", len(_QUESTION)) + _QUESTION)
                await reader.readexactly(8)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        # TimeoutError is an OSError, but its text is empty.
        raise OSError(f"no Kafka broker at {address}: {str(error) or 'no answer'}") from error


class BusWatch:
    """Asks every few seconds whether the bus is there, however idle the process is."""

    def __init__(self, settings: BusSettings) -> None:
        self.away: str | None = None
        """Why not, while no broker answers."""
        self._settings = settings

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(BETWEEN)

    async def look(self) -> None:
        try:
            await reach(self._settings)
        except OSError as error:
            self.away = str(error)
        else:
            self.away = None
        _reachable.set(self.away is None)
