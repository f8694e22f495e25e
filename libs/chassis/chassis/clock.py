"""The time. Everything that wants to know it asks here, so that a test can decide it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SetClock(Clock):
    """A clock that stands still until it is moved. `at` must be aware."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self.set(at)

    def now(self) -> datetime:
        return self._at

    def set(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a clock needs an aware instant: give it a time zone")
        self._at = at.astimezone(UTC)

    def move(self, by: timedelta) -> None:
        self._at += by


_clock = Clock()


def now() -> datetime:
    """The present instant, aware, UTC."""
    return _clock.now()


@contextmanager
def set_to(at: datetime) -> Iterator[SetClock]:
    """For tests: within the block `now()` is `at`, and moves only when the clock is moved."""
    global _clock
    before, clock = _clock, SetClock(at)
    _clock = clock
    try:
        yield clock
    finally:
        _clock = before
