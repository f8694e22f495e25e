"""Background tasks that nobody waits for: each is watched, logged, counted, and begun again after a pause.

An exception that ends an asyncio task is silent, and the process looks well without the task. So every background task
of a process is begun here. What ends, by whatever exception or by itself, is logged with its traceback, counted in
`background_task_failures_total`, and begun again after a pause that doubles. Until it has run steadily again, `/ready`
says which task failed and why. If it fails for longer than FAILED_FOR, `/live` says so, because then a new process is
the better remedy; but not while it fails because a server is away, which a new process would not mend.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import Counter, Gauge

from chassis.mongo import unavailable

__all__ = ["Supervisor", "each_alone"]

log = structlog.get_logger()

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
STEADY = 20.0
"""Seconds without a failure after which a task counts as well again. More than the longest pause."""
FAILED_FOR = 180.0
"""Seconds of failing again and again after which liveness fails. Long enough for a deployment of a server that the
task needs; short enough that a process with a lasting fault does not live on unnoticed."""

_failures = Counter("background_task_failures_total", "Background tasks that failed or ended", ["task"])
_up = Gauge("background_task_up", "1 while the background task is well, 0 while it fails", ["task"])
_records = Counter("background_task_record_failures_total", "Records that failed in a turn over many", ["task"])


@contextmanager
def each_alone(task: str, record: str) -> Iterator[None]:
    """Around the work on one of many records: if it fails, that is logged and counted, and the next one has its turn.

    Without it, one record that cannot be changed keeps all behind it from ever being looked at. A server that is away
    is no fault of the record, and is raised.
    """
    try:
        yield
    except Exception as error:
        if unavailable(error):
            raise
        _records.labels(task).inc()
        log.error("record failed", task=task, record=record, reason=f"{type(error).__name__}: {error}", exc_info=error)


class _Task:
    def __init__(self, name: str) -> None:
        self.name = name
        self.reason: str | None = None
        """The last failure, until it has run steadily since."""
        self.outside = False
        """It was a server that is away."""
        self.failing_since = 0.0
        self.failures = 0
        self.pause = FIRST_PAUSE
        self.last = 0.0

    def failed(self, reason: str, outside: bool) -> None:
        now = time.monotonic()
        if self.reason is None:
            self.failures = 0
        if self.reason is None or self.outside:
            self.failing_since = now
        self.reason, self.last, self.outside = reason, now, outside
        self.failures += 1
        _failures.labels(self.name).inc()
        _up.labels(self.name).set(0)

    def well(self) -> None:
        self.reason, self.pause = None, FIRST_PAUSE
        _up.labels(self.name).set(1)


class Supervisor:
    """The background tasks of one process, or of one part of it."""

    def __init__(self) -> None:
        self._tasks: dict[str, _Task] = {}
        self._running: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Callable[[], Awaitable[None]], *, endless: bool = True) -> None:
        """Run `work` until `stop`; begin it again whenever it fails.

        endless: it is a failure, too, if it ends by itself; otherwise it is done then.
        """
        _up.labels(name).set(1)
        self._running.append(asyncio.create_task(self._keep(self._of(name), work, endless), name=name))

    def repeat(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` again and again, with a pause of `seconds` before each time."""

        async def turns() -> None:
            task = self._of(name)
            while True:
                await asyncio.sleep(seconds)
                await work()
                if task.reason is not None:
                    task.well()

        self.start(name, turns)

    def failed(self, name: str, error: BaseException) -> None:
        """Take note of a failure of a task that somebody else begins again."""
        self._note(self._of(name), error)

    def well(self, name: str) -> None:
        """The task that was said to have failed works again."""
        if (task := self._tasks.get(name)) is not None and task.reason is not None:
            task.well()

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    def ready(self) -> str | None:
        """None, or which tasks fail and why."""
        return "; ".join(f"{t.name} failed {t.failures} times: {t.reason}" for t in self._failing()) or None

    def live(self) -> str | None:
        """None, or which task has failed for so long that the process should be started anew."""
        now = time.monotonic()
        lost = [task for task in self._failing() if not task.outside and now - task.failing_since > FAILED_FOR]
        return "; ".join(f"{t.name} fails for {now - t.failing_since:.0f} s: {t.reason}" for t in lost) or None

    def _of(self, name: str) -> _Task:
        return self._tasks.setdefault(name, _Task(name))

    def _failing(self) -> list[_Task]:
        now = time.monotonic()
        for task in self._tasks.values():
            if task.reason is not None and now - task.last > task.pause + STEADY:
                task.well()
        return [task for task in self._tasks.values() if task.reason is not None]

    async def _keep(self, task: _Task, work: Callable[[], Awaitable[None]], endless: bool) -> None:
        while True:
            # A task of its own: a cancellation from within ends the work, and not its supervision.
            working = asyncio.ensure_future(work())
            try:
                await asyncio.wait({working})
            except asyncio.CancelledError:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
                raise
            error: BaseException | None = (
                asyncio.CancelledError("it was cancelled from within") if working.cancelled() else working.exception()
            )
            if error is None:
                if not endless:
                    task.well()
                    return
                error = RuntimeError("it ended by itself")
            self._note(task, error)
            await asyncio.sleep(task.pause)
            task.pause = min(task.pause * 2, LONGEST_PAUSE)

    def _note(self, task: _Task, error: BaseException) -> None:
        outside = isinstance(error, Exception) and (unavailable(error) or isinstance(error, OSError))
        task.failed(f"{type(error).__name__}: {error}"[:300], outside)
        if outside:
            log.warning("background task waits", task=task.name, reason=task.reason)
        else:
            log.error("background task failed", task=task.name, reason=task.reason, exc_info=error)
