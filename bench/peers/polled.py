"""The worker of orders with a relay that is told nothing: it looks each `BENCH_POLL` seconds, as outboxes are read."""

from __future__ import annotations

import asyncio
import os

from chassis import relay
from chassis.service import main
from orders.settings import Settings

relay.POLL = float(os.environ["BENCH_POLL"])


def _not_nudged(self: relay.Relay, collection: str) -> None:
    return None


async def _deaf(self: relay.Relay) -> None:
    await asyncio.Event().wait()


relay.Relay.nudge = _not_nudged  # type: ignore[method-assign]
relay.Relay._listen = _deaf  # type: ignore[method-assign]

if __name__ == "__main__":
    main("orders", Settings, "orders.app:app", "orders.worker:worker")
