"""Saves that come together go in one round trip, and each meets its own fate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from chassis.aggregate import Repository, Stored
from chassis.gather import MOST, Gathered
from chassis.identity import Caller
from chassis.mongo import UNAVAILABLE, DuplicateKey, Insert, NoMatch, Replace, write_each
from chassis.problems import Invalid, NotFound
from chassis.scope import everything, within
from tests.chassis.parcels import Parcel, by, moved, sent

ALL = everything("a test of the chassis")


async def placed(parcels: Repository[Parcel]) -> dict[str, str]:
    """Where each parcel is; each has as many events as versions, in order."""
    found = await parcels.collection.find().to_list(None)
    for document in found:
        assert [entry["version"] for entry in document["outbox"]] == list(range(1, document["version"] + 1))
    return {document["_id"]: document["place"] for document in found}


class Breaking:
    """A collection whose connection is lost in a bulk, before or after the server has done it."""

    def __init__(self, collection: Any, *, done: bool) -> None:
        self._collection = collection
        self._done = done
        self.bulks: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def bulk_write(self, writes: Sequence[Any], **options: Any) -> Any:
        self.bulks.append(len(writes))
        if self._done:
            await self._collection.bulk_write(writes, **options)
        raise UNAVAILABLE[0]("the connection was lost")


async def test_what_comes_while_a_batch_is_under_way_goes_with_the_next() -> None:
    batches: list[list[int]] = []
    begun, gate = asyncio.Event(), asyncio.Event()

    async def work(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        begun.set()
        await gate.wait()
        return [item * 10 for item in items]

    gathered = Gathered(work)
    first = asyncio.create_task(gathered(1))
    await begun.wait()
    rest = [asyncio.create_task(gathered(item)) for item in range(2, MOST + 4)]
    await asyncio.sleep(0)
    gate.set()
    assert [await first, *await asyncio.gather(*rest)] == [item * 10 for item in range(1, MOST + 4)]
    assert [len(batch) for batch in batches] == [1, MOST, 2]


async def test_an_exception_among_the_answers_is_one_callers_and_one_raised_is_everybodys() -> None:
    async def work(items: Sequence[int]) -> list[int | Exception]:
        if 0 in items:
            raise RuntimeError("all")
        return [ValueError(str(item)) if item % 2 else item for item in items]

    gathered = Gathered(work)
    answers = await asyncio.gather(*(gathered(item) for item in (1, 2, 3)), return_exceptions=True)
    assert [repr(answer) for answer in answers] == ["ValueError('1')", "2", "ValueError('3')"]
    answers = await asyncio.gather(*(gathered(item) for item in (0, 2)), return_exceptions=True)
    assert [repr(answer) for answer in answers] == ["RuntimeError('all')"] * 2
    assert await gathered(4) == 4


async def test_each_write_of_a_bulk_has_its_own_verdict_and_a_replacement_never_inserts(
    parcels: Repository[Parcel],
) -> None:
    rows = parcels.collection
    await rows.insert_many([{"_id": "a", "version": 1}, {"_id": "b", "version": 5}])
    step = {"$set": {"version": 2}}
    writes = [
        Replace({"_id": "a", "version": 1}, step),
        Replace({"_id": "a", "version": 1}, step),
        Replace({"_id": "b", "version": 1}, step),
        Replace({"_id": "nobody", "version": 1}, step),
        Insert({"_id": "b"}),
        Insert({"_id": "c", "version": 1}),
    ]
    verdicts = await write_each(rows, writes)
    assert [type(verdict) for verdict in verdicts] == [type(None), NoMatch, NoMatch, NoMatch, DuplicateKey, type(None)]
    assert {row["_id"]: row["version"] async for row in rows.find()} == {"a": 2, "b": 5, "c": 1}


async def test_one_bad_item_does_not_fail_its_neighbours(parcels: Repository[Parcel]) -> None:
    await parcels.collection.create_index("keys.place", unique=True, name="one_each")
    # 2**70 cannot be put on the wire at all; the second "taken" is refused by the server.
    parcels._keys = lambda parcel: {"place": parcel.place, "weight": 2**70 if parcel.place == "heavy" else 1}
    taken, what = sent(place="taken")
    await parcels.create(taken, what, by(), ALL)
    good = [sent(place=str(n))[0] for n in range(5)]
    bad = [sent(place="heavy")[0], sent(place="taken")[0]]
    answers = await asyncio.gather(
        *(parcels.create(state, what, by(), ALL) for state in [*good[:2], *bad, *good[2:]]), return_exceptions=True
    )
    failed = [type(answer) for answer in answers if isinstance(answer, BaseException)]
    assert failed == [Invalid, DuplicateKey]
    assert set(await placed(parcels)) == {taken.id, *(state.id for state in good)}


async def test_of_many_saves_of_one_version_in_one_turn_each_counts_once(parcels: Repository[Parcel]) -> None:
    states = [sent()[0] for _ in range(4)]
    await asyncio.gather(*(parcels.create(state, sent()[1], by(), ALL) for state in states))
    moves = [(state.id, f"place {n}") for n in range(6) for state in states]
    await asyncio.gather(*(parcels.change(of, ALL, moved(to), by(key=to)) for of, to in moves))
    found = await parcels.find(ALL)
    assert [stored.version for stored in found] == [7] * 4
    await placed(parcels)


@pytest.mark.parametrize("done", [False, True])
async def test_a_connection_lost_in_a_gathered_save_loses_and_doubles_nothing_when_all_repeat(
    parcels: Repository[Parcel], *, done: bool
) -> None:
    old = [sent()[0] for _ in range(10)]
    await asyncio.gather(*(parcels.create(state, sent()[1], by(), ALL) for state in old))
    new = [sent(place="new")[0] for _ in range(10)]
    whole, what = parcels.collection, sent()[1]

    def all_of_them() -> Any:
        return asyncio.gather(
            *(parcels.create(state, what, by(key=state.id, fingerprint="f"), ALL) for state in new),
            *(parcels.change(state.id, ALL, moved("there"), by(key=f"move {state.id}")) for state in old),
            return_exceptions=True,
        )

    parcels.collection = broken = Breaking(whole, done=done)
    lost = await all_of_them()
    assert {type(answer) for answer in lost} == {UNAVAILABLE[0]}
    assert max(broken.bulks) > 1
    parcels.collection = whole
    again = await all_of_them()
    assert [(stored.state.place, stored.version) for stored in again] == [("new", 1)] * 10 + [("there", 2)] * 10
    assert await placed(parcels) == {state.id: "new" for state in new} | {state.id: "there" for state in old}


async def test_a_cancelled_caller_takes_no_neighbour_along_and_its_repetition_doubles_nothing(
    parcels: Repository[Parcel],
) -> None:
    states = [sent()[0] for _ in range(8)]
    what = sent()[1]
    tasks = [
        asyncio.create_task(parcels.create(state, what, by(key=state.id, fingerprint="f"), ALL)) for state in states
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, False] * 4
    again = [await parcels.create(state, what, by(key=state.id, fingerprint="f"), ALL) for state in states]
    assert [stored.version for stored in again] == [1] * 8
    assert set(await placed(parcels)) == {state.id for state in states}


async def test_what_is_read_together_is_read_through_each_callers_own_scope(parcels: Repository[Parcel]) -> None:
    states = [sent(owner=owner)[0] for owner in ("ann", "bob")]
    await asyncio.gather(*(parcels.create(state, sent()[1], by(), ALL) for state in states))
    mine = {who: within(Caller(id=who, name=who, role="salesperson", person=who)) for who in ("ann", "bob", "eve")}
    asked = [(state, who) for state in states for who in mine for _ in range(2)]
    answers = await asyncio.gather(*(parcels.get(state.id, mine[who]) for state, who in asked), return_exceptions=True)
    for (state, who), answer in zip(asked, answers, strict=True):
        assert isinstance(answer, Stored if state.owner == who else NotFound), (state, who)
    assert (await parcels.get(states[0].id, ALL)).state == states[0]
