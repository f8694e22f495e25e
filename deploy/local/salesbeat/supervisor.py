"""The background process that `salesbeat up` starts: it keeps the suite running until it is told to stop.

It starts the servers and, when they are ready, the rest; it asks each process how it is, starts a crashed one again
after a pause, ends and starts one again that is not alive, writes all of it into the state file, cuts the logs, and
stops everything in reverse order on SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import psutil

from salesbeat import logfile, state
from salesbeat.broker import Broker, choose, create_topics
from salesbeat.credentials import read_or_make
from salesbeat.kafka_apache import NotHere
from salesbeat.ports import taken_by
from salesbeat.private import UMASK, make_private
from salesbeat.processes import DOOR, SERVERS, SERVICE, Process, environment_of, ports, suite
from salesbeat.refusals import Refused
from salesbeat.settings import BASE_PORT, KAFKA_BOOTSTRAP, STATE, LocalSettings
from salesbeat.state import Condition, ProcessState, SuiteState

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY = 5.0
"""Seconds of being ready that tell a process that something ended from one that cannot run: after the first, the
pause is short again, for people wait for it; only the second is asked less and less often."""
ASK_STARTING = 0.2
ASK_READY = 2.0
"""Seconds between two questions how a process is."""
DEAD_FOR, DEAD_ANSWERS = 6.0, 3
"""Seconds, and answers, of a /live that says no, after which a process is ended and started again. One may be a
moment's."""
SILENT_FOR = 120.0
"""Seconds without any answer at /live, of a process that was ready before, after which it counts as dead, too. A loaded
machine, or one that was held, takes its time."""
CUT_LOGS = 5.0
OWN_REPLICAS = -1
"""On one's own Kafka the broker's default decides."""
NAME = "supervisor"

log = logging.getLogger(NAME)


class Supervisor:
    """Keeps these processes running; `folder` holds its state and its logs."""

    def __init__(self, folder: Path, record: SuiteState) -> None:
        self.record = record
        self.stopping = asyncio.Event()
        self._folder = folder
        self._kept: list[_Kept] = []
        self._changed = asyncio.Event()

    def write(self) -> None:
        try:
            state.write(self._folder, self.record)
        except OSError as error:
            # A full disk or a folder that somebody has removed must not keep the processes from being ended.
            log.error("the state cannot be written: %s", error)

    async def run(self, processes: Sequence[Process]) -> None:
        """Returns when everything has been stopped."""
        self._kept = [_Kept(self, process, self._folder / "logs" / f"{process.name}.log") for process in processes]
        self.record.processes = [kept.state for kept in self._kept]
        self.record.phase, self.record.doing = "running", None
        self.write()
        tasks = [asyncio.create_task(kept.keep()) for kept in self._kept]
        cutting = asyncio.create_task(self._cut_logs())
        await self.stopping.wait()
        log.info("stopping")
        self.record.phase = "stopping"
        self.write()
        for stage in sorted({process.stage for process in processes}, reverse=True):
            await asyncio.gather(
                *(kept.stop(task) for kept, task in zip(self._kept, tasks, strict=True) if kept.process.stage == stage)
            )
        cutting.cancel()
        self.record.phase = "stopped"
        self.write()
        log.info("stopped")

    def note(self, of: ProcessState, condition: Condition, reason: str | None) -> None:
        """Write down how a process is, if that is news, and wake those who wait for it."""
        if (of.condition, of.reason) == (condition, reason):
            return
        if of.condition != condition:
            level = logging.WARNING if condition in ("crashed", "not ready") else logging.INFO
            log.log(level, "%s %s%s", of.name, condition, f": {reason}" if reason else "")
        of.condition, of.reason = condition, reason
        self.write()
        self._changed.set()

    async def ready(self, *stages: int) -> bool:
        """Wait until everything of these stages is ready; False when the suite is stopped meanwhile."""
        while not self.stopping.is_set():
            if all(kept.state.condition == "ready" for kept in self._kept if kept.process.stage in stages):
                return True
            self._changed.clear()
            await _first(self._changed, self.stopping)
        return False

    async def _cut_logs(self) -> None:
        while True:
            for name in (NAME, *(kept.process.name for kept in self._kept)):
                logfile.rotate(self._folder / "logs" / f"{name}.log")
            await asyncio.sleep(CUT_LOGS)


class _Kept:
    """One process that is kept running."""

    def __init__(self, supervisor: Supervisor, process: Process, log_file: Path) -> None:
        self.process = process
        self.state = ProcessState(process.name, process.port, process.stage)
        self._supervisor = supervisor
        self._log_file = log_file
        self._log_start = 0
        self._running: asyncio.subprocess.Process | None = None
        self._fills: set[asyncio.Task[None]] = set()
        self._ready_since: float | None = None
        self._condemned: str | None = None
        """Why it was ended by us, to be started again."""

    async def keep(self) -> None:
        stopping = self._supervisor.stopping
        pause = FIRST_PAUSE
        # A service that is not well keeps neither the others nor the gateway from starting.
        if self.process.stage != SERVERS and not await self._supervisor.ready(SERVERS):
            self._supervisor.note(self.state, "stopped", None)
            return
        while not stopping.is_set():
            self._ready_since = None
            reason = await self._once()
            if stopping.is_set():
                break
            if self._ready_since is not None and time.monotonic() - self._ready_since > STEADY:
                pause = FIRST_PAUSE
            self.state.restarts += 1
            self.state.last_crash = reason
            self._supervisor.note(self.state, "crashed", reason)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        self.state.pid = self.state.born = None
        self._supervisor.note(self.state, "stopped", None)

    async def stop(self, keeping: asyncio.Task[None]) -> None:
        """Ask it to end, and kill it when it does not."""
        for end in (_terminate, _kill):
            if self._running is not None:
                end(self._running)
            done, _ = await asyncio.wait({keeping}, timeout=state.GRACE)
            if done:
                return
            log.warning("%s does not end: it is killed", self.process.name)

    async def _once(self) -> str:
        """Run it until it ends; answers how it ended and what it said last."""
        self._log_start = self._log_file.stat().st_size if self._log_file.exists() else 0
        try:
            with self._log_file.open("ab") as output:
                self._running = await asyncio.create_subprocess_exec(
                    *self.process.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    env=environment_of(self.process),
                    # Not the caller's: modules are found by name, not by where somebody stands.
                    cwd=self._log_file.parent,
                    start_new_session=True,
                )
        except OSError as error:
            return f"it cannot be started: {error}"
        self.state.pid = self._running.pid
        with contextlib.suppress(psutil.NoSuchProcess):
            self.state.born = psutil.Process(self.state.pid).create_time()
        self._supervisor.write()  # at once: whoever cleans up after this supervisor must know of it
        self._supervisor.note(self.state, "starting", None)
        if self._supervisor.stopping.is_set():
            _terminate(self._running)
        self._condemned = None
        attending = [asyncio.create_task(self._attend()), asyncio.create_task(self._watch_life(self._running))]
        code = await self._running.wait()
        for task in attending:
            task.cancel()
        await asyncio.gather(*attending, return_exceptions=True)
        self._running = None
        self.state.pid = self.state.born = None
        if self._condemned is not None:
            return f"it was restarted, because it was not alive: {self._condemned}"
        ended = f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with {code}"
        said = logfile.last_reason(self._log_file, self._log_start)
        return f"{ended}: {said}" if said else ended

    async def _attend(self) -> None:
        """Prepare it, then ask it again and again how it is."""
        prepared = False
        while True:
            wrong = await self.process.wrong()
            if wrong is None and not prepared:
                try:
                    await self.process.prepare()
                    prepared = True
                except Exception as error:
                    wrong = f"it cannot be prepared: {type(error).__name__}: {error}"
                else:
                    self._fill()
            if wrong is None:
                self._ready_since = self._ready_since or time.monotonic()
                self._supervisor.note(self.state, "ready", None)
            else:
                condition: Condition = "not ready" if self.state.condition in ("ready", "not ready") else "starting"
                self._supervisor.note(self.state, condition, wrong)
            await asyncio.sleep(ASK_READY if wrong is None else ASK_STARTING)

    async def _watch_life(self, running: asyncio.subprocess.Process) -> None:
        """End a process that says for some time that it is not alive, or says nothing for long."""
        if not self.process.http:
            return
        answers, since, heard = 0, 0.0, time.monotonic()
        while True:
            await asyncio.sleep(ASK_READY)
            now = time.monotonic()
            try:
                reason = await self.process.dead()
            except (OSError, TimeoutError, ValueError):
                if self._ready_since is None or now - heard < SILENT_FOR:
                    continue
                reason = f"it has not answered for {now - heard:.0f} s"
                break
            heard = now
            if reason is None:
                answers = 0
                continue
            answers += 1
            since = now if answers == 1 else since
            if answers >= DEAD_ANSWERS and now - since >= DEAD_FOR - ASK_READY:
                break
        self._condemned = reason
        log.warning("%s is not alive and is started again: %s", self.process.name, reason)
        _terminate(running)
        await asyncio.sleep(state.GRACE)
        log.warning("%s does not end: it is killed", self.process.name)
        _kill(running)

    def _fill(self) -> None:
        if self.process.forgets:
            task = asyncio.create_task(self._refill())
            self._fills.add(task)
            task.add_done_callback(self._fills.discard)

    async def _refill(self) -> None:
        """Have every service publish its state again: what was on the way when the broker stopped is lost."""
        if not await self._supervisor.ready(SERVERS, SERVICE, DOOR):
            return
        resync = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "salesbeat", "resync"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await resync.communicate()
        log.info("the embedded broker is filled again: %s", " ".join(said.decode(errors="replace").split()))


def _terminate(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


# --- the process ----------------------------------------------------------------------------------


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one supervisor at a time has the folder; the lock ends with its process. Raises Refused."""
    make_private(folder)
    with (folder / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"Another supervisor has {folder} already.") from None
        yield


def clear_ports(wanted: dict[str, int]) -> None:
    """Raises Refused when somebody else listens where this suite wants to."""
    for name, port in wanted.items():
        if (who := taken_by(port)) is not None:
            raise Refused(
                f"Port {port}, wanted for {name}, is in use by {who}: end that, "
                f"or choose other ports with {BASE_PORT} (and another folder with {STATE} for a second suite)."
            )


Plan = Callable[[LocalSettings, Supervisor], Awaitable[list[Process]]]
"""Says what is to be run, once the ground is clear. Raises Refused."""


async def _the_suite(settings: LocalSettings, supervisor: Supervisor) -> list[Process]:
    """See that the ports are free, choose the broker, and answer all processes."""
    record = supervisor.record
    record.doing = "looking for a broker (the first time, Maven fetches Apache Kafka: up to a minute)"
    supervisor.write()
    clear_ports(ports(settings))
    broker: Broker | None = None
    if settings.kafka_bootstrap is None:
        port, controller = settings.port("kafka"), settings.port("kafka-controller")
        try:
            broker = await asyncio.to_thread(choose, settings.broker, settings.state / "kafka", port, controller)
        except (NotHere, FileNotFoundError) as error:
            raise Refused(f"No broker can run here: {error}") from None
        record.broker = f"{broker.kind}, {broker.why}"
        record.kafka_bootstrap = broker.kafka_bootstrap
    else:
        record.broker, record.kafka_bootstrap = f"your own, {settings.kafka_bootstrap}", settings.kafka_bootstrap
        record.doing = f"making the topics on {settings.kafka_bootstrap}"
        supervisor.write()
        try:
            await create_topics(settings.kafka_bootstrap, OWN_REPLICAS)
        except Exception as error:
            raise Refused(f"The topics cannot be made on the Kafka of {KAFKA_BOOTSTRAP}: {error}") from None
    log.info("broker: %s", record.broker)
    try:
        return suite(settings, broker, read_or_make(settings.credentials))
    except FileNotFoundError as error:
        raise Refused(str(error)) from None


async def _end_orphans(settings: LocalSettings, supervisor: Supervisor) -> None:
    left = state.orphans(settings.state)
    if not left:
        return
    log.warning("ending what outlived its supervisor: %s", ", ".join(f"{each.name} ({each.pid})" for each in left))
    # Until they are gone they stay written down: this supervisor may die, too.
    supervisor.record.processes = left
    supervisor.record.doing = "ending the processes that outlived their supervisor"
    supervisor.write()
    await asyncio.to_thread(state.end, left)
    supervisor.record.processes = []


async def supervise(settings: LocalSettings, plan: Plan = _the_suite) -> int:
    """The supervisor's life; answers its exit status."""
    loop = asyncio.get_running_loop()
    born = psutil.Process().create_time()
    supervisor = Supervisor(settings.state, SuiteState(os.getpid(), born, settings.url))

    async def prepare() -> list[Process]:
        await _end_orphans(settings, supervisor)
        return await plan(settings, supervisor)

    preparing = asyncio.create_task(prepare())

    def stop() -> None:
        supervisor.stopping.set()
        preparing.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await supervisor.run(await preparing)
    except asyncio.CancelledError:
        supervisor.record.phase = "stopped"
    except Refused as refusal:
        log.error("%s", refusal)
        supervisor.record.phase, supervisor.record.failure = "failed", str(refusal)
    supervisor.write()
    return 0 if supervisor.record.phase == "stopped" else 1


def main(plan: Plan = _the_suite) -> None:
    """`python -m salesbeat.supervisor`, with the settings of the suite in the environment."""
    os.umask(UMASK)  # of this process and of all that it starts
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stdout)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # while a broker starts, it complains of every attempt
    try:
        settings = LocalSettings.load()
        with alone(settings.state):
            raise SystemExit(asyncio.run(supervise(settings, plan)))
    except Refused as refusal:
        raise SystemExit(str(refusal)) from None


if __name__ == "__main__":
    main()
