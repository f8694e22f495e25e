"""Ports of loopback: which are free, which answer."""

from __future__ import annotations

import asyncio
import socket
import time

import psutil

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


def taken_by(port: int) -> str | None:
    """Who listens there, as far as this user may know; None when it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what only waits to be forgotten is free
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            pass
        else:
            return None
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # not told to everybody on every system
    return "another process"
