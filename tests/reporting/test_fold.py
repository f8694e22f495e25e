"""The fold: whatever way the events come, the numbers are the same, and they add up."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.consumer import Received
from chassis.ids import new_id
from chassis.mongo import Client, Database, connect
from contracts.envelope import Published
from contracts.money import Money
from reporting.consumers import Learner
from reporting.measures import BY_TOPIC
from reporting.totals import Contribution, Totals, add_up, fold
from tests.reporting.bus import Deadly, Killed, Log, customer, order, target

CREDITS = [
    ("li", "sha", "east"),
    ("li", "hgh", "east"),  # the same person after a move
    ("wang", "sha", "east"),
    ("zhao", "can", "south"),
    ("zhao", "can", "east"),  # the same office after its move to another region
]
DAYS = st.dates(date(2020, 12, 21), date(2021, 1, 10)) | st.just(date(2020, 2, 29))  # ISO week 53, a leap day
NAME = f"test_{new_id().replace('-', '')}"
COLLECTIONS = ("facts", "fact_versions", "totals", "applied")
MONEY = st.builds(Money, minor=st.integers(0, 10**9), currency=st.sampled_from(["CNY", "USD"]))


@st.composite
def order_lives(draw: st.DrawFn, order_id: str) -> list[Published]:
    """Versions of one order: confirmed, re-dated, credited elsewhere, handed over, cancelled, in any combination."""
    return [
        order(
            order_id,
            confirmed=(confirmed := draw(st.none() | DAYS)),
            promised=draw(DAYS),
            cancelled=draw(st.none() | DAYS) if confirmed else None,
            handover=draw(st.none() | DAYS),
            credit=draw(st.sampled_from(CREDITS)),
            total=draw(MONEY),
            margin=draw(st.none() | st.integers(-(10**6), 10**6)),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]


@st.composite
def customer_lives(draw: st.DrawFn, customer_id: str) -> list[Published]:
    return [
        customer(customer_id, activated=draw(st.none() | DAYS), credit=draw(st.sampled_from(CREDITS)))
        for _ in range(draw(st.integers(1, 3)))
    ]


@st.composite
def target_lives(draw: st.DrawFn, target_id: str) -> list[Published]:
    credit = draw(st.sampled_from(CREDITS))
    return [
        target(
            target_id,
            draw(st.sampled_from(["2020-12", "2021-01", "2020-02"])),
            draw(MONEY),
            credit=credit,
            workdays=draw(st.lists(st.integers(1, 31), max_size=23)),
        )
        for _ in range(draw(st.integers(1, 2)))
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Published, int]]:
    """What the services said, in the order in which they said it: states with their versions."""
    lives = [draw(order_lives(f"o{n}")) for n in range(draw(st.integers(1, 6)))]
    lives += [draw(customer_lives(f"c{n}")) for n in range(draw(st.integers(0, 2)))]
    lives += [draw(target_lives(f"t{n}")) for n in range(draw(st.integers(0, 1)))]
    return [(state, version) for life in lives for version, state in enumerate(life, start=1)]


@dataclass
class Deliveries:
    """A history as it reaches the worker: disordered, with duplicates, in batches."""

    batches: list[list[Received]]
    history: list[tuple[Published, int]]


@st.composite
def deliveries(draw: st.DrawFn) -> Deliveries:
    history = draw(histories())
    repeated = draw(st.lists(st.sampled_from(history), max_size=5))
    log = Log()
    events = [log.say(state, version) for state, version in draw(st.permutations(history + repeated))]
    batches: list[list[Received]] = [[]]
    for event in events:
        batches[-1].append(event)
        if draw(st.booleans()):
            batches.append([])
    return Deliveries([batch for batch in batches if batch], history)


def expected(history: list[tuple[Published, int]]) -> dict[str, Any]:
    """The totals computed the plain way: from the last version of each, all at once."""
    last: dict[str, Published] = {}
    for state, _ in history:
        last[state.id] = state  # type: ignore[attr-defined]
    log = Log()
    cells: defaultdict[str, list[Contribution]] = defaultdict(list)
    for state in last.values():
        said = log.say(state, 1)
        for contribution in BY_TOPIC[said.topic].read(said.payload).contributions:
            cells[contribution.cell].append(contribution)
    nodes: defaultdict[str, defaultdict[str, list[Totals]]] = defaultdict(lambda: defaultdict(list))
    for cell, contributions in cells.items():
        day, *path = cell.split("/")
        for depth in range(4):
            nodes["/".join((day[:7], *path[:depth]))][day[8:]].append(fold(contributions))
    return {
        key: {
            "days": {day: add_up(parts) for day, parts in days.items()},
            "total": add_up(part for parts in days.values() for part in parts),
        }
        for key, days in nodes.items()
    }


async def totals(database: Database) -> dict[str, Any]:
    found = await database["totals"].find({"active": {"$ne": []}}).to_list(None)
    for document in found:
        assert document["active"] == sorted(int(day) for day in document["days"])
    return {document["_id"]: {"days": document["days"], "total": document["total"]} for document in found}


@asynccontextmanager
async def a_database(mongo: str) -> AsyncIterator[tuple[Client, Database]]:
    # Its own client: hypothesis runs each example in a loop of its own, the fixtures belong to the test.
    client = connect(mongo)
    database = client.database(NAME)
    try:
        # Emptying costs a tenth of dropping, and there are hundreds of examples.
        await asyncio.gather(*(database[name].delete_many({}) for name in COLLECTIONS))
        yield client, database
    finally:
        await client.close()


def run(coroutine: Any) -> None:
    asyncio.run(coroutine)


slowly = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@given(deliveries())
@slowly
def test_any_permutation_duplication_and_batching_gives_the_same_totals(mongo: str, came: Deliveries) -> None:
    async def check() -> None:
        async with a_database(mongo) as (_, database):
            learner = Learner(database)
            for batch in came.batches:
                await learner.take(batch)
            assert await totals(database) == expected(came.history)

    run(check())


@given(deliveries(), st.integers(2, 3))
@slowly
def test_workers_side_by_side_converge(mongo: str, came: Deliveries, workers: int) -> None:
    """Each takes its own partitions, and all write the same offices, regions and company."""

    async def work(database: Database, worker: int) -> None:
        learner = Learner(database)
        for batch in came.batches:
            mine = [event for event in batch if event.partition % workers == worker]
            if mine:
                await learner.take(mine)

    async def check() -> None:
        async with a_database(mongo) as (_, database):
            await asyncio.gather(*(work(database, worker) for worker in range(workers)))
            assert await totals(database) == expected(came.history)

    run(check())


@given(deliveries(), st.randoms(use_true_random=False))
@slowly
def test_two_workers_that_both_believe_to_own_a_partition_converge(
    mongo: str, came: Deliveries, chance: random.Random
) -> None:
    """As while a group rebalances: the same batches twice, at once, in two orders."""

    async def work(database: Database, batches: list[list[Received]]) -> None:
        learner = Learner(database)
        for batch in batches:
            await learner.take(batch)

    async def check() -> None:
        async with a_database(mongo) as (_, database):
            other = chance.sample(came.batches, len(came.batches))
            await asyncio.gather(work(database, came.batches), work(database, other))
            assert await totals(database) == expected(came.history)

    run(check())


async def test_a_crash_between_any_two_writes_is_mended_by_the_batch_coming_again(
    mongo: str,
) -> None:
    first = [order("o1", confirmed=date(2021, 1, 1), credit=CREDITS[0]), customer("c1", activated=date(2021, 1, 1))]
    second = [order("o1", confirmed=date(2020, 12, 31), credit=CREDITS[3]), order("o2", confirmed=date(2021, 1, 1))]
    third = [order("o1", confirmed=date(2020, 12, 30), cancelled=date(2021, 1, 2)), order("o2")]
    history = [(state, version) for version, said in enumerate((first, second, third), 1) for state in said]
    log = Log()
    batches = [[log.say(state, version) for state, version in history if version == n] for n in (1, 2, 3)]
    survived = False
    dies_at = 0
    while not survived:
        async with a_database(mongo) as (_, database):
            try:
                learner = Learner(Deadly(database, dies_at))
                for batch in batches:
                    await learner.take(batch)
                survived = True
            except Killed:
                # A new process takes everything that was not committed; here nothing was.
                again = Learner(database)
                await again.take([event for batch in batches for event in batch])
            assert await totals(database) == expected(history), f"died at call {dies_at}"
        dies_at += 1
    assert dies_at > 30


async def test_a_crash_then_only_the_uncommitted_batch_comes_again(mongo: str) -> None:
    """The redelivered event is not newer than its fact, and still its old and new cells are added up."""
    log = Log()
    before = log.say(order("o1", confirmed=date(2021, 1, 1), credit=CREDITS[0]), 1)
    moved = log.say(order("o1", confirmed=date(2021, 2, 1), credit=CREDITS[3]), 2)
    for dies_at in range(40):
        async with a_database(mongo) as (_, database):
            await Learner(database).take([before])
            try:
                await Learner(Deadly(database, dies_at)).take([moved])
            except Killed:
                await Learner(database).take([moved])
            found = await totals(database)
            assert found == expected([(order("o1", confirmed=date(2021, 2, 1), credit=CREDITS[3]), 1)]), (
                f"died at call {dies_at}"
            )


async def test_every_version_is_kept_once_with_the_time_it_was_recorded(mongo: str) -> None:
    log = Log()
    states = [order("o1"), order("o1", confirmed=date(2021, 1, 1)), order("o1", confirmed=date(2021, 1, 2))]
    times = [_at(1), _at(2), _at(3)]
    events = [log.say(state, version, time) for version, (state, time) in enumerate(zip(states, times, strict=True), 1)]
    async with a_database(mongo) as (_, database):
        learner = Learner(database)
        await learner.take([events[2], events[0]])
        await learner.take([events[1], events[0], events[2]])
        await learner.take([log.say(states[2], 3, _at(9))])  # a resync says it once more
        kept = {d["_id"]: d["recorded"] async for d in database["fact_versions"].find()}
    assert kept == {f"order:o1@{version}": time for version, time in enumerate(times, 1)}


def _at(day: int) -> Any:
    from tests.reporting.bus import MORNING

    return MORNING + timedelta(days=day)


@pytest.mark.parametrize("minor", [0, 1, 22, 100, 10**12 + 7])
@pytest.mark.parametrize("month", ["2020-02", "2021-02", "2020-12"])
def test_a_spread_target_adds_up_exactly(minor: int, month: str) -> None:
    from contracts.reporting import spread

    for workdays in ([], [1], [1, 2, 3], list(range(1, 29)), [29, 31]):
        shares = spread(minor, month, workdays)
        assert sum(shares.values()) == minor
        assert max(shares.values()) - min(shares.values()) <= 1
        assert all(day.isoformat().startswith(month) for day in shares)


async def test_a_large_batch_is_written_in_parts_that_each_note_progress(mongo: str) -> None:
    """A slow database answers within each part, so liveness sees that the worker gets on."""
    from chassis import turns
    from reporting import facts, progress

    people = 2 * progress.AT_ONCE + 1
    log = Log()
    events = [
        log.say(order(f"o{n}", confirmed=date(2021, 1, 4), credit=(f"p{n}", "sha", "east")), 1) for n in range(people)
    ]
    sizes: dict[str, list[int]] = defaultdict(list)

    class Counting:
        def __init__(self, collection: Any) -> None:
            self._collection = collection

        async def bulk_write(self, writes: Any, **more: Any) -> Any:
            sizes[self._collection.name].append(len(writes))
            return await self._collection.bulk_write(writes, **more)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._collection, name)

    async with a_database(mongo) as (_, database):
        learner = Learner(database)
        await learner.prepare()
        learner.progress.collection = Counting(learner.progress.collection)
        turn = turns.Turn()
        turn.note = lambda: sizes["noted"].append(1)  # type: ignore[method-assign]
        with turn.current():
            await learner.take(events)
        total = await database["totals"].find_one({"level": "company"})
    assert total is not None
    assert total["total"]["orders_confirmed/count"] == people
    assert max(sizes["totals"]) <= progress.AT_ONCE < people
    assert len(sizes["noted"]) >= people // facts.SLICE + 1
