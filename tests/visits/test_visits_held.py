"""What batches hold is bounded for each caller, costs a later batch nothing, and is tried when its visit has moved."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.support.explain import refuse_scans
from tests.visits.plans import a_plan
from tests.visits.test_visits_batch import COME, DONE, NEW, VISIT, evening, said, sent, verdicts
from tests.visits.world import BOB, CHEN, LI, World, an_id, codes
from visits.batch import commands

LEAVE = {"position": {"latitude": 31.2304, "longitude": 121.4737}}


def unknown(number: int, first: int = 0) -> list[dict[str, Any]]:
    """Commands for visits that do not exist."""
    return [
        said(f"lost {n}", "check_in", "09:30", an_id(f"no visit {n}"), **LEAVE) for n in range(first, first + number)
    ]


async def held(world: World, who: Any = LI) -> list[dict[str, Any]]:
    return (await world.read(who, "visits/batch/held"))["items"]


async def round_trips(world: World, *batch: Mapping[str, Any], who: Any = LI) -> int:
    """How many questions the database gets for one batch; what it writes goes in one bulk."""
    await world.database.command({"profile": 2})
    await sent(world, *batch, who=who)
    await world.database.command({"profile": 0})
    number = await world.database["system.profile"].count_documents(
        {"ns": {"$not": {"$regex": "system"}}, "op": {"$nin": ["update", "remove"]}}
    )
    await world.database.drop_collection("system.profile")
    return number


async def test_what_is_held_is_bounded_for_each_caller_and_the_refusal_says_the_bound(world: World) -> None:
    await evening(world)
    found: list[dict[str, Any]] = []
    for first in range(0, 2_000, 500):
        found += await sent(world, *unknown(500, first))
    assert verdicts(found) == ["held"] * 500 + ["refused"] * 1_500
    problem = found[-1]["problem"]
    assert (problem["code"], problem["limit"], problem["status"]) == ("too_many_held", 500, 409)
    assert "500" in problem["detail"]
    assert len(await held(world)) == 500
    # Nobody else's are bounded by that, and what waits for nothing is done.
    assert verdicts(await sent(world, *unknown(2), who=BOB)) == ["held", "held"]
    assert verdicts(await sent(world, COME)) == ["done"]
    # What was refused may come again when there is room.
    await world.database["batch_commands"].delete_many({"id": {"$in": [one["id"] for one in unknown(10)]}})
    assert verdicts(await sent(world, *unknown(1, 1_999))) == ["held"]


async def test_batches_at_the_same_time_hold_no_more_together(world: World) -> None:
    await evening(world)
    await asyncio.gather(*(sent(world, *unknown(300, first)) for first in range(0, 1_200, 300)))
    assert len(await held(world)) <= 500
    assert await world.database["batch_commands"].count_documents({"verdict": "held"}) <= 500


async def test_a_batch_costs_what_it_brings_and_not_what_is_held(world: World) -> None:
    await evening(world)
    call = said("rang", "call", "12:00", None, direction="incoming", seconds=5, started_at=COME["occurred_at"])
    alone = await round_trips(world, call)
    await sent(world, *unknown(500))
    again = {**call, "id": an_id("rang again"), "body": {**call["body"], "seconds": 6}}
    assert await round_trips(world, again) <= alone + 1


async def test_commands_for_visits_that_do_not_exist_cost_no_round_trip_each(world: World) -> None:
    await evening(world)
    few = await round_trips(world, *unknown(5))
    many = await round_trips(world, *unknown(300, 100))
    assert many <= few + 2


async def test_what_was_held_is_tried_when_its_visit_has_come_by_its_plan(world: World) -> None:
    await evening(world)
    early = [
        said("come early", "check_in", "17:10", an_id("late stop")),
        said("gone early", "check_out", "17:20", an_id("late stop")),
    ]
    assert verdicts(await sent(world, *early)) == ["held", "held"]
    loose = said("loose", "unplanned", "11:00", an_id("loose one"), customer="acme", purposes=["order"])
    assert verdicts(await sent(world, loose)) == ["done"]
    stop = {"id": an_id("late stop"), "area": "Pudong", "starts": "17:00", "ends": "17:30", "purposes": ["order"]}
    (plan,) = (await world.read(LI, "visit-plans"))["items"]
    path = f"visit-plans/{plan['id']}"
    amended = await world.made(LI, f"{path}/amendment", {"reason": "one more"})
    answered = await world.patch(LI, path, {"stops": [stop]}, amended["version"])
    assert answered.status_code == 200, answered.text
    await world.made(LI, f"{path}/submission")
    await world.bus()
    results = await sent(world, said("other", "cost", "17:30", an_id("loose one"), type="meal",
                                     amount={"minor": 1, "currency": "CNY"}))  # fmt: skip
    assert verdicts(results) == ["done", "done", "done"]
    assert [one["id"] for one in results[1:]] == [one["id"] for one in early]
    assert await held(world) == []


async def test_a_check_in_by_another_door_lets_the_held_completion_go_on_with_the_next_batch(world: World) -> None:
    await evening(world)
    assert verdicts(await sent(world, DONE)) == ["held"]
    await world.made(LI, f"visits/{VISIT}/check-in", {"occurred_at": COME["occurred_at"]})
    await world.bus()
    assert verdicts(await sent(world, *unknown(1))) == ["held", "done"]


async def test_costs_that_do_not_move_a_visit_try_nothing_again(world: World, monkeypatch: Any) -> None:
    await evening(world)
    tried: list[str] = []
    attempt = commands._Batch._do

    async def counting(self: Any, kind: Any, one: Any, body: Any, expected: Any) -> Any:
        tried.append(one.command)
        return await attempt(self, kind, one, body, expected)

    monkeypatch.setattr(commands._Batch, "_do", counting)
    amount = {"minor": 1, "currency": "CNY"}
    costs = [said(f"cost {n}", "cost", "09:31", type="meal", amount=amount) for n in range(20)]
    waiting = [said(f"done {n}", "completion", "10:20", **DONE["body"]) for n in range(20)]
    results = await sent(world, *costs, *waiting)
    assert verdicts(results) == ["done"] * 20 + ["held"] * 20
    assert len(tried) == 40


async def test_a_command_that_has_expired_is_told_once_and_then_gone(world: World) -> None:
    await evening(world)
    await sent(world, DONE)
    world.time.move(timedelta(days=15))
    assert await held(world) == []
    results = await sent(world, said("other", "cost", "09:00", type="meal", amount={"minor": 1, "currency": "CNY"}))
    assert [(one["id"], one["verdict"]) for one in results[1:]] == [(DONE["id"], "refused")]
    assert results[1]["problem"]["code"] == "held_too_long"
    assert len(await sent(world, *unknown(1))) == 1
    (document,) = await world.database["batch_commands"].find({"verdict": "held"}).to_list(None)
    assert document["forget_at"] > document["since"]
    indexes = await world.database["batch_commands"].index_information()
    assert indexes["forgotten"]["expireAfterSeconds"] == 0


async def test_a_correction_in_a_batch_says_what_it_was_decided_on(world: World) -> None:
    await evening(world)
    better = said("better", "correction", "10:30", contact_name="Mr Gu")
    results = await sent(world, COME, DONE, better)
    assert (verdicts(results)[2], results[2]["problem"]["code"]) == ("refused", "if_match_required")
    stale = {**better, "id": an_id("stale"), "if_match": 1}
    (result,) = await sent(world, stale)
    assert (result["verdict"], result["problem"]["status"]) == ("refused", 412)
    after = {**better, "id": an_id("after"), "after": DONE["id"]}
    assert verdicts(await sent(world, after)) == ["done"]
    again = said("again", "correction", "10:40", contact_name="Mr Hu")
    late = {**again, "after": DONE["id"]}
    (result,) = await sent(world, late)
    assert (result["verdict"], result["problem"]["status"]) == ("refused", 412)
    version = (await world.read(LI, f"visits/{VISIT}"))["version"]
    assert verdicts(await sent(world, {**again, "id": an_id("third"), "if_match": version})) == ["done"]
    other = {**again, "id": an_id("fourth"), "after": NEW["id"]}
    assert verdicts(await sent(world, NEW)) == ["done"]
    (result,) = await sent(world, other)
    assert (result["verdict"], result["problem"]["code"]) == ("refused", "after_another_record")
    both = {**again, "id": an_id("fifth"), "after": NEW["id"], "if_match": 1}
    assert codes(await world.post(LI, "visits/batch", {"commands": [both]}))[0] == 422


async def test_no_query_of_a_batch_reads_a_whole_collection(world: World) -> None:
    await evening(world)
    await sent(world, *unknown(200), DONE)
    async with refuse_scans(world.database) as seen:
        await sent(world, *unknown(3, 500), COME)
        await held(world)
        await sent(world, *unknown(2), who=CHEN)
        await world.bus()
    assert any(plan.startswith("batch_commands ") for plan in seen)


async def test_the_same_batch_twice_at_once_does_everything_once(world: World) -> None:
    await a_plan(world, until="signed", id=an_id("plan"))
    await world.bus()
    world.time.move(timedelta(hours=10))
    batch = [COME, DONE, NEW]
    first, second = await asyncio.gather(sent(world, *batch), sent(world, *batch))
    assert {*verdicts(first), *verdicts(second)} <= {"done", "already_done", "held"}
    assert verdicts(await sent(world, *batch)) == ["already_done"] * 3
    stored = await world.repositories.visits.collection.find_one({"_id": VISIT})
    assert (stored["status"], stored["version"]) == ("completed", 3)
