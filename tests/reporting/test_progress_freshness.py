"""What the numbers hold: `as_of` by source, and `after=` for somebody who has just changed something."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from chassis import clock
from chassis.consumer import Position
from contracts.topics import CUSTOMERS, ORDERS, Topic
from reporting import freshness
from reporting.measures import SOURCES
from tests.reporting.bus import MORNING, order, target
from tests.reporting.conftest import LI, OWNER, TOP, Reporting, cny

MARCH = {"since": "2017-03", "until": "2017-03"}
DAY = date(2017, 3, 14)


def at_end(*topics: Topic, end: int = 0) -> list[Position]:
    """Every partition of these topics read to its end."""
    return [Position(topic.name, n, end, end) for topic in topics for n in range(topic.partitions)]


async def beats(reporting: Reporting, positions: Sequence[Position], *instants: datetime) -> None:
    for instant in instants:
        with clock.set_to(instant):
            await reporting.learner.freshness.beat(positions)


async def as_of(reporting: Reporting) -> dict[str, Any]:
    said = (await reporting.told(TOP, "month", **MARCH))["as_of"]
    assert (await reporting.told(TOP, "month/2017-03/facts"))["as_of"] == said
    return said


async def test_as_of_is_unknown_until_every_partition_of_a_source_is_known(reporting: Reporting) -> None:
    unknown = {source.name: None for source in SOURCES}
    assert await as_of(reporting) == unknown
    await reporting.hear(order("o1", confirmed=DAY), target("t1", "2017-03", cny(1)))
    assert await as_of(reporting) == {**unknown, "targets": "2017-01-01T01:00:00Z"}


async def test_as_of_moves_with_the_clock_while_the_worker_is_caught_up(reporting: Reporting) -> None:
    first, second, third = (MORNING + timedelta(seconds=n) for n in (1, 2, 3))
    everything = at_end(*(source.topic for source in SOURCES))
    await beats(reporting, everything, first, second)
    assert await as_of(reporting) == dict.fromkeys([source.name for source in SOURCES], "2017-01-01T01:00:01Z")
    await beats(reporting, everything, third)
    assert await as_of(reporting) == dict.fromkeys([source.name for source in SOURCES], "2017-01-01T01:00:02Z")


async def test_as_of_stands_still_where_a_partition_is_behind_or_the_worker_is_dead(reporting: Reporting) -> None:
    await beats(reporting, at_end(ORDERS, CUSTOMERS), MORNING, MORNING + timedelta(seconds=1))
    behind = [*at_end(CUSTOMERS), *at_end(ORDERS)[1:], Position(ORDERS.name, 0, 0, 9)]
    await beats(reporting, behind, *(MORNING + timedelta(minutes=n) for n in (1, 2)))
    said = await as_of(reporting)
    assert said["customers"] == "2017-01-01T01:01:00Z"
    assert said["orders"] == "2017-01-01T01:00:00Z"


async def test_as_of_does_not_run_ahead_of_what_is_still_being_added_up(reporting: Reporting) -> None:
    """A beat sees the position of records that were fetched and are not in the totals yet."""
    await beats(reporting, at_end(ORDERS), MORNING, MORNING + timedelta(seconds=1))
    fetched = at_end(ORDERS, end=5)
    await beats(reporting, fetched, MORNING + timedelta(minutes=1))
    assert (await as_of(reporting))["orders"] == "2017-01-01T01:00:00Z"


async def test_after_what_is_in_the_numbers_answers_at_once(company: Reporting) -> None:
    await company.hear(order("o1", confirmed=DAY), version=3)
    for after in ("order:o1@3", "order:o1@1"):
        for path in ("month", "month/2017-03/facts"):
            told = await company.told(LI, path, after=after, **({} if "facts" in path else MARCH))
            assert "pending" not in told
            assert told["items"]


async def test_after_what_is_not_there_in_time_is_pending_with_what_is(
    company: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "WAIT", 0.03)
    await company.hear(order("o1", confirmed=DAY), version=3)
    for after in ("order:o1@4", "order:unknown@1", "target:t1@1"):
        told = await company.told(LI, "month", after=after, **MARCH)
        assert told["pending"] is True
        assert told["items"][0]["measures"]["orders_confirmed"]["count"] == 1
        assert (await company.told(LI, "month/2017-03/facts", after=after))["pending"] is True


async def test_after_waits_for_what_is_on_its_way(company: Reporting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "WAIT", 30.0)
    question = asyncio.create_task(company.told(LI, "month", after="order:o1@2", **MARCH))
    await company.hear(order("o1", confirmed=DAY))
    await company.hear(order("o1", confirmed=DAY, total=cny(77)), version=2)
    told = await question
    assert "pending" not in told
    assert told["items"][0]["measures"]["orders_confirmed"]["amount"] == [{"minor": 77, "currency": "CNY"}]


async def test_after_counts_only_when_the_totals_are_written_too(
    company: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that died between the fact and the totals leaves the version pending."""
    monkeypatch.setattr(freshness, "WAIT", 0.03)
    event = company.log.say(order("o1", confirmed=DAY), 1)
    await company.learner.facts.take([event])
    assert (await company.told(LI, "month", after="order:o1@1", **MARCH))["pending"] is True
    await company.learner.take([event])
    assert "pending" not in await company.told(LI, "month", after="order:o1@1", **MARCH)


async def test_a_refused_question_does_not_wait(company: Reporting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "WAIT", 3_600.0)
    refused = await company.ask(OWNER, "month/2017-03/facts", after="order:o1@9")
    assert refused.status_code == 403
    refused = await company.ask(LI, "month", level="company", after="order:o1@9")
    assert refused.status_code == 403
