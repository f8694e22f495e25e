"""Ports of loopback: which are free, which answer."""

from __future__ import annotations

import asyncio
import socket
import time

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


async def answers(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def wait_for(port: int, seconds: float) -> bool:
    """Whether somebody takes connections there before the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await answers(port):
            return True
        await asyncio.sleep(0.05)
    return False
