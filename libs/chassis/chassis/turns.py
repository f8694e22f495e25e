"""Progress of long work: whatever it has waited for and got is a sign of life.

A background task has a `Turn`. Each answer of the database notes progress in the turn of the task that asked, however
small a part of its work that was, so a slow database makes a task slow but not dead. While a task waits for the
database it is not stalled either: whether the database answers is a question of readiness, not of liveness.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Turn", "current", "noted", "waiting"]

LONGEST_WAIT = 30 * 60.0
"""Seconds. Whoever has waited so long for one answer waits for a connection that nobody serves any more."""


class Turn:
    """When a task has last got on, and whether it waits for the database."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._waits = 0

    def note(self) -> None:
        """It got on."""
        self._last = time.monotonic()

    def stalled(self, seconds: float) -> bool:
        """Whether it has not got on for so long, though it waits for nothing."""
        return time.monotonic() - self._last > (LONGEST_WAIT if self._waits else seconds)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Within, what is answered to this task and to the tasks that it starts is noted here."""
        before = _turn.set(self)
        try:
            yield
        finally:
            _turn.reset(before)

    def begin(self) -> None:
        """It waits for the database from now on."""
        self._waits += 1
        self._last = time.monotonic()

    def end(self) -> None:
        """It has its answer."""
        self._waits -= 1
        self._last = time.monotonic()


_turn: ContextVar[Turn | None] = ContextVar("turn", default=None)


def current() -> Turn | None:
    """The turn of the task at hand, if it has one."""
    return _turn.get()


def noted() -> None:
    """The task at hand got on."""
    if (turn := _turn.get()) is not None:
        turn.note()


@contextmanager
def waiting() -> Iterator[None]:
    """Within, the task at hand waits for the database."""
    turn = _turn.get()
    if turn is None:
        yield
        return
    turn.begin()
    try:
        yield
    finally:
        turn.end()
