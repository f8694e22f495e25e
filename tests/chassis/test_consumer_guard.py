"""Around a handler: retry, find the culprit, set it aside, stop after too many. No broker is needed for that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import consumer
from chassis.aggregate import EventsWaiting, envelope
from chassis.consumer import SET_ASIDE_IN_A_ROW, Guard, Received, Stopped, Unhandleable
from chassis.mongo import UNAVAILABLE
from tests.chassis.parcels import Parcel, ParcelEvent, ParcelTopic, by, happened


@dataclass
class Row:
    """A record as aiokafka gives it."""

    value: bytes | None
    offset: int = 0
    topic: str = "t"
    partition: int = 0
    key: bytes | None = b"k"


def event(name: str, offset: int = 0, version: int = 1) -> Row:
    from chassis import clock

    state = Parcel(id=name, place="here").model_dump(mode="json")
    value = envelope(ParcelTopic(), name, version, happened(ParcelEvent.SENT), state, by(), clock.now())
    return Row(value, offset)


class Door:
    """A guard with a handler that fails for some records, and those that it has set aside."""

    def __init__(self, fails: dict[str, list[Exception]] | None = None) -> None:
        self.seen: list[str] = []
        self.letters: list[tuple[Row, str]] = []
        self.fails = fails or {}
        self.guard = Guard("group", self.handle, self.set_aside)

    async def handle(self, batch: Sequence[Received]) -> None:
        for received in batch:
            if errors := self.fails.get(received.subject):
                raise errors.pop(0) if len(errors) > 1 else errors[0]
        self.seen += [received.subject for received in batch]

    async def set_aside(self, record: Any, reason: str) -> None:
        self.letters.append((record, reason))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "FIRST_PAUSE", 0)
    monkeypatch.setattr(consumer, "LONGEST_PAUSE", 0)


async def test_good_records_are_handled_as_one_batch() -> None:
    door = Door()
    await door.guard.take([event("a"), event("b")])
    assert (door.seen, door.letters) == (["a", "b"], [])


async def test_one_bad_record_is_set_aside_and_its_neighbours_are_handled_in_order() -> None:
    door = Door({"c": [ValueError("no such thing")]})
    await door.guard.take([event(name, n) for n, name in enumerate("abcdef")])
    assert door.seen == ["a", "b", "d", "e", "f"]
    [(record, reason)] = door.letters
    assert (record.offset, reason) == (2, "ValueError: no such thing")


async def test_a_passing_failure_is_tried_again() -> None:
    door = Door({"a": [ValueError("once"), ValueError("twice")]})

    async def handle(batch: Sequence[Received]) -> None:
        if errors := door.fails["a"]:
            raise errors.pop(0)
        door.seen += [received.subject for received in batch]

    door.guard = Guard("group", handle, door.set_aside)
    await door.guard.take([event("a"), event("b")])
    assert (door.seen, door.letters) == (["a", "b"], [])


@pytest.mark.parametrize("reason", [UNAVAILABLE[0]("away"), EventsWaiting("events_waiting", "wait", "wait")])
async def test_what_is_away_for_now_is_waited_for_and_nothing_is_set_aside(reason: Exception) -> None:
    away = 50
    door = Door()

    async def handle(batch: Sequence[Received]) -> None:
        nonlocal away
        away -= 1
        if away:
            raise reason
        door.seen += [received.subject for received in batch]

    door.guard = Guard("group", handle, door.set_aside)
    await door.guard.take([event("a")])
    assert (door.seen, door.letters, door.guard.waiting_for) == (["a"], [], None)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"nonsense", b"[]", b'{"id": "x"}', '{"type": "汉"'.encode("gbk"), b"\xff\xfe", b"{}" * 3],
    ids=["no value", "empty", "no JSON", "a list", "no envelope", "another encoding", "no text", "more than one"],
)
async def test_what_is_no_event_is_set_aside_with_its_reason(value: bytes | None) -> None:
    door = Door()
    await door.guard.take([Row(value), event("good")])
    assert door.seen == ["good"]
    assert len(door.letters) == 1
    assert door.letters[0][1]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise_anything_but_its_reason(value: bytes) -> None:
    with contextlib.suppress(Unhandleable):
        consumer.decode(Row(value))


async def test_a_reason_that_no_retry_can_help_is_not_tried_again() -> None:
    calls = 0

    async def handle(batch: Sequence[Received]) -> None:
        nonlocal calls
        calls += 1
        raise Unhandleable("the customer does not exist")

    door = Door()
    door.guard = Guard("group", handle, door.set_aside)
    await door.guard.take([event("a")])
    assert calls == 1
    assert len(door.letters) == 1


async def test_too_many_in_a_row_stop_the_consumer_before_it_sets_everything_aside() -> None:
    door = Door({str(n): [ValueError("the release is bad")] for n in range(100)})
    with pytest.raises(Stopped, match="the release is bad"):
        await door.guard.take([event(str(n), n) for n in range(100)])
    assert len(door.letters) == SET_ASIDE_IN_A_ROW
    assert door.guard.stopped
    with pytest.raises(Stopped):
        await door.guard.take([event("good")])
    assert door.seen == []


async def test_records_that_are_refused_for_a_known_reason_may_come_in_numbers() -> None:
    """Such as all orders of one customer who is not known, or what another program has written into the topic."""
    door = Door({str(n): [Unhandleable("no such customer")] for n in range(100)})
    await door.guard.take([*(event(str(n), n) for n in range(100)), *(Row(b"no event") for _ in range(100))])
    await door.guard.take([event("good")])
    assert (door.seen, len(door.letters), door.guard.stopped) == (["good"], 200, None)


async def test_too_many_that_are_refused_for_a_known_reason_stop_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that misreads everything refuses everything for a known reason."""
    monkeypatch.setattr(consumer, "VERDICTS_IN_A_ROW", 50)
    door = Door({str(n): [Unhandleable("not an order")] for n in range(100)})
    with pytest.raises(Stopped, match="not an order"):
        await door.guard.take([event(str(n), n) for n in range(100)])
    assert len(door.letters) == 50


async def test_a_good_record_in_between_starts_the_count_again() -> None:
    door = Door({f"bad{n}": [ValueError("bad")] for n in range(50)})
    batch = []
    for n in range(50):
        batch += [event(f"bad{n}"), event(f"good{n}")]
    await door.guard.take(batch)
    assert len(door.letters) == 50
    assert len(door.seen) == 50


async def test_a_cancelled_batch_is_neither_handled_nor_set_aside() -> None:
    started = asyncio.Event()

    async def handle(batch: Sequence[Received]) -> None:
        started.set()
        await asyncio.sleep(60)

    door = Door()
    door.guard = Guard("group", handle, door.set_aside)
    task = asyncio.create_task(door.guard.take([event("a")]))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert door.letters == []


async def test_readers_take_unknown_fields() -> None:
    document = orjson.loads(event("a").value or b"")
    document["data"]["colour"] = "red"
    document["extension"] = "unknown"
    received = consumer.decode(Row(orjson.dumps(document)))
    assert received.data(Parcel) == Parcel(id="a", place="here")
