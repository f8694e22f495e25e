"""A background task that fails is logged, counted, begun again, and told by the health of its process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from chassis import supervision
from chassis.ids import new_id
from chassis.mongo import UNAVAILABLE
from chassis.supervision import Supervisor, each_alone
from tests.chassis.test_bus import until


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(supervision, "STEADY", 0.3)
    monkeypatch.setattr(supervision, "FAILED_FOR", 0.2)


@pytest.fixture
async def tasks() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    await supervisor.stop()


@pytest.fixture
def name() -> str:
    return f"task-{new_id()}"


def failures(name: str) -> float:
    return REGISTRY.get_sample_value("background_task_failures_total", {"task": name}) or 0


async def unforeseen() -> None:
    raise ZeroDivisionError("nobody has foreseen this")


async def cancelled() -> None:
    raise asyncio.CancelledError


async def returned() -> None:
    return None


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (unforeseen, "ZeroDivisionError: nobody has foreseen this"),
        (cancelled, "cancelled from within"),
        (returned, "ended by itself"),
    ],
    ids=["an exception", "a cancellation from within", "an end without one"],
)
async def test_a_task_that_ends_is_told_and_begun_again(
    tasks: Supervisor, name: str, ending: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = 0

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns <= 3:
            await ending()
            return
        await asyncio.Event().wait()

    tasks.start(name, work)
    await until(lambda: turns == 4)
    assert reason in (tasks.ready() or "")
    assert failures(name) == 3
    written = capsys.readouterr().out
    assert reason in written
    assert ending is not unforeseen or "Traceback" in written
    assert REGISTRY.get_sample_value("background_task_up", {"task": name}) == 0
    await until(lambda: tasks.ready() is None)
    assert REGISTRY.get_sample_value("background_task_up", {"task": name}) == 1
    assert tasks.live() is None


async def test_a_task_that_fails_for_long_fails_the_liveness(tasks: Supervisor, name: str) -> None:
    tasks.start(name, unforeseen)
    assert tasks.live() is None
    await until(lambda: tasks.live() is not None)
    assert "nobody has foreseen this" in (tasks.live() or "")


async def test_a_task_whose_server_is_away_fails_no_liveness(tasks: Supervisor, name: str) -> None:
    async def away() -> None:
        raise UNAVAILABLE[0]("the database is away")

    tasks.start(name, away)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        assert tasks.live() is None
        await asyncio.sleep(0.02)
    assert "the database is away" in (tasks.ready() or "")


async def test_work_that_is_repeated_goes_on_after_a_failure(tasks: Supervisor, name: str) -> None:
    turns = 0

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            await unforeseen()

    tasks.repeat(name, 0.01, work)
    await until(lambda: turns >= 5)
    assert failures(name) == 1
    assert tasks.ready() is None, "a turn that succeeds ends the failure"


async def test_a_task_that_is_to_end_is_begun_again_only_if_it_fails(tasks: Supervisor, name: str) -> None:
    turns = 0

    async def work() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            await unforeseen()

    tasks.start(name, work, endless=False)
    await until(lambda: turns == 2)
    await until(lambda: tasks.ready() is None)
    assert turns == 2


async def test_stop_ends_the_work_and_leaves_nothing_behind(name: str) -> None:
    supervisor = Supervisor()
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    supervisor.start(name, work)
    await asyncio.sleep(0.01)
    await supervisor.stop()
    assert ended
    assert not [task for task in asyncio.all_tasks() if task.get_name() == name]


async def test_one_record_that_fails_takes_no_turn_from_the_others(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = []
    for record in ("a", "b", "c"):
        with each_alone(name, record):
            if record == "b":
                await unforeseen()
            done.append(record)
    assert done == ["a", "c"]
    assert "record=b" in capsys.readouterr().out
    assert REGISTRY.get_sample_value("background_task_record_failures_total", {"task": name}) == 1


async def test_a_server_that_is_away_is_no_fault_of_a_record(name: str) -> None:
    with pytest.raises(UNAVAILABLE[0]), each_alone(name, "a"):
        raise UNAVAILABLE[0]("the database is away")
