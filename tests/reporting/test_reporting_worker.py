"""The worker over a real broker, on topics of which most have never carried anything."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from chassis import clock
from chassis.mongo import Database
from reporting.facts import Facts
from reporting.freshness import Freshness
from reporting.settings import Settings
from reporting.worker import worker

PATIENCE = 60.0
"""Seconds until the test gives up; joining a group on the embedded broker takes five."""


async def test_a_topic_that_never_carried_anything_is_known_to_be_complete(
    mongo: str, database: Database, broker: Any
) -> None:
    settings = Settings(
        mongodb_uri=mongo,
        mongodb_database=database.name,
        kafka_bootstrap=broker.kafka_bootstrap,
        kafka_idempotence=broker.kafka_idempotence,
        kafka_fetch_wait_ms=broker.kafka_fetch_wait_ms,
    )
    began = clock.now()
    hand = worker(settings)
    freshness = Freshness(database, Facts(database))
    async with hand.running():
        deadline = time.monotonic() + PATIENCE
        while not all(known := (await freshness.as_of()).values()):
            assert time.monotonic() < deadline, f"still unknown: {await freshness.as_of()}"
            assert hand.live() is None
            await asyncio.sleep(0.1)
        assert all(instant and began - timedelta(seconds=1) <= instant <= clock.now() for instant in known)
