"""Waiting in a test, always with a deadline, and with a message that says what did not come.

A test must not wait by sleeping, and must not wait for ever. `eventually_true` waits for a condition, `eventually` for
a value.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds: far more than anything takes on a busy machine."""
BETWEEN = 0.02
"""Seconds between two looks."""


async def eventually_true(
    look: Callable[[], Awaitable[bool]], what: str, *, within: float = PATIENCE, between: float = BETWEEN
) -> None:
    """Return as soon as `look` says True. Raises AssertionError naming `what` after `within` seconds."""
    await eventually(look, True, what, within=within, between=between)


async def eventually(
    look: Callable[[], Awaitable[T]], wanted: T, what: str, *, within: float = PATIENCE, between: float = BETWEEN
) -> T:
    """Return as soon as `look` finds `wanted`. Raises AssertionError with what it found last after `within` seconds."""
    deadline = time.monotonic() + within
    while (found := await look()) != wanted:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within:g} s; found {found!r}, wanted {wanted!r}")
        await asyncio.sleep(between)
    return found
