"""What a telephone did without a network, sent later: in any order, whole or in part, once or twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.visits.plans import a_plan
from tests.visits.world import BOB, CHEN, LI, MORNING, SHANGHAI, TUESDAY, WANG, World, an_id, local

VISIT, SECOND, LOOSE = an_id("first"), an_id("second"), an_id("loose")
COMPLETION = {"contact_name": "Xu", "results": [{"purpose": "order", "outcome": "achieved"}]}


def said(name: str, command: str, at: str, visit: str | None = VISIT, **body: Any) -> dict[str, Any]:
    return {
        "id": an_id(name),
        "command": command,
        "occurred_at": local(SHANGHAI, TUESDAY, at),
        "body": body,
        **({"visit": visit} if visit else {}),
    }


COME = said("come", "check_in", "09:30", position={"latitude": 31.2304, "longitude": 121.4737})
TAXI = said("taxi", "cost", "09:31", type="transport", amount={"minor": 4_000, "currency": "CNY"})
DONE = said("done", "completion", "10:20", **COMPLETION)
NEW = said("new", "unplanned", "11:00", LOOSE, customer="acme", purposes=["complaint"], check_in={})
NOBODY_THERE = said("nobody there", "not_met", "11:10", LOOSE, reason="closed")
RANG = said(
    "rang", "call", "12:00", None, direction="incoming", seconds=5, started_at=local(SHANGHAI, TUESDAY, "12:00")
)
SNOW = said("snow", "cancellation", "12:30", SECOND, reason="snow")
DAY = (COME, TAXI, DONE, NEW, NOBODY_THERE, RANG, SNOW)


async def sent(world: World, *commands: Mapping[str, Any], who: Any = LI) -> list[dict[str, Any]]:
    answered = await world.post(who, "visits/batch", {"commands": list(commands)})
    assert answered.status_code == 200, answered.text
    return answered.json()["results"]


def verdicts(results: Sequence[Mapping[str, Any]]) -> list[str]:
    return [one["verdict"] for one in results]


async def state(world: World) -> dict[str, Any]:
    """Everything that the batches have made, with how often it was written."""
    return {record["id"]: record for kind in ("visits", "calls") for record in (await world.read(LI, kind))["items"]}


async def evening(world: World) -> None:
    world.time.set(MORNING)
    await a_plan(world, until="signed", id=an_id("plan"))
    await world.bus()
    world.time.move(timedelta(hours=10))


async def test_a_day_is_sent_in_the_evening_and_sent_again(world: World) -> None:
    await evening(world)
    results = await sent(world, *reversed(DAY))
    assert verdicts(results) == ["done"] * len(DAY)
    assert [one["id"] for one in results] == [one["id"] for one in reversed(DAY)]
    first = await state(world)
    visit, loose = first[VISIT], first[LOOSE]
    assert (visit["status"], visit["check_in"]["at"], visit["check_out"]["at"]) == (
        "completed",
        "2026-11-24T01:30:00Z",
        "2026-11-24T02:20:00Z",
    )
    assert (visit["check_in"]["verdict"], visit["check_in"]["declared"], len(visit["costs"])) == ("verified", False, 1)
    assert (loose["status"], loose["planned"], loose["reason"], loose["check_in"]["declared"]) == (
        "not_met",
        False,
        "closed",
        False,
    )
    assert first[SECOND]["status"] == "cancelled"
    again = await sent(world, *DAY)
    assert verdicts(again) == ["already_done"] * len(DAY)
    assert {one["id"]: one["record"] for one in again} == {one["id"]: one["record"] for one in results}
    assert await state(world) == first


async def test_what_was_done_and_not_noted_before_a_crash_is_not_done_twice(world: World) -> None:
    await evening(world)
    meal = said("meal", "cost", "12:10", type="meal", amount={"minor": 100, "currency": "CNY"})
    unnamed = {**NEW, "visit": None, "id": an_id("unnamed")}
    await sent(world, *DAY, meal, unnamed)
    first = await state(world)
    await world.database["batch_commands"].delete_many({})
    assert verdicts(await sent(world, *DAY, meal, unnamed)) == ["done"] * 9
    assert await state(world) == first


async def test_a_command_that_comes_before_what_it_builds_on_is_held(world: World) -> None:
    await evening(world)
    assert verdicts(await sent(world, DONE, NOBODY_THERE)) == ["held", "held"]
    items = (await world.read(LI, "visits/batch/held"))["items"]
    assert [(one["id"], one["command"], one["code"]) for one in items] == [
        (DONE["id"], "completion", "wrong_state"),
        (NOBODY_THERE["id"], "not_met", "not_found"),
    ]
    assert (await world.read(BOB, "visits/batch/held"))["items"] == []
    assert verdicts(await sent(world, DONE)) == ["held"]
    results = await sent(world, COME)
    assert [(one["id"], one["verdict"]) for one in results] == [(COME["id"], "done"), (DONE["id"], "done")]
    assert [one["id"] for one in (await world.read(LI, "visits/batch/held"))["items"]] == [NOBODY_THERE["id"]]
    assert verdicts(await sent(world, NEW)) == ["done", "done"]
    assert (await world.read(LI, "visits/batch/held"))["items"] == []
    assert verdicts(await sent(world, *DAY)) == [
        "already_done",
        "done",
        "already_done",
        "already_done",
        "already_done",
        "done",
        "done",
    ]


async def test_a_correction_waits_for_what_it_corrects(world: World) -> None:
    await evening(world)
    better = {**said("better", "correction", "10:30", contact_name="Mr Gu"), "after": DONE["id"]}
    assert verdicts(await sent(world, better)) == ["held"]
    assert verdicts(await sent(world, COME)) == ["done"]
    assert verdicts(await sent(world, DONE)) == ["done", "done"]
    assert (await world.read(LI, f"visits/{VISIT}"))["contact_name"] == "Mr Gu"
    second = said("second come", "check_in", "12:00", SECOND)
    late = said("too late", "cancellation", "12:30", SECOND, reason="snow")
    assert verdicts(await sent(world, second, late)) == ["done", "refused"]


async def test_what_waits_for_ever_is_refused_in_the_end(world: World) -> None:
    await evening(world)
    await sent(world, DONE)
    world.time.move(timedelta(days=15))
    results = await sent(world, said("other", "cost", "09:00", **TAXI["body"]))
    assert {one["id"]: one["verdict"] for one in results}[DONE["id"]] == "refused"
    assert [one["id"] for one in (await world.read(LI, "visits/batch/held"))["items"]] == []


async def test_a_refused_command_says_why_and_hinders_no_other(world: World) -> None:
    await evening(world)
    wrong = said("wrong", "completion", "10:20", contact_name="Xu", results=[])
    unknown = said("unknown", "unplanned", "11:00", LOOSE, customer="zeta", purposes=["order"])
    shapeless = said("shapeless", "cost", "09:31", type="gold", amount={"minor": 1, "currency": "CNY"})
    twice = said("come again", "check_in", "09:40")
    results = await sent(world, COME, wrong, unknown, shapeless, twice, TAXI)
    assert verdicts(results) == ["done", "refused", "refused", "refused", "refused", "done"]
    problems = [one["problem"]["code"] for one in results if one["verdict"] == "refused"]
    assert problems == ["purpose_unanswered", "unknown_customer", "invalid_input", "wrong_state"]
    assert results[3]["problem"]["errors"][0]["field"] == "type"
    assert verdicts(await sent(world, DONE)) == ["done"]


async def test_an_id_means_one_command(world: World) -> None:
    await evening(world)
    assert verdicts(await sent(world, COME, COME)) == ["done", "done"]
    results = await sent(world, {**COME, "occurred_at": local(SHANGHAI, TUESDAY, "09:31")})
    assert (verdicts(results), results[0]["problem"]["code"]) == (["refused"], "idempotency_key_reused")
    assert (await world.read(LI, f"visits/{VISIT}"))["version"] == 2


async def test_nobody_acts_for_another_by_a_batch(world: World) -> None:
    await evening(world)
    for who in (BOB, WANG):
        results = await sent(world, COME, who=who)
        assert verdicts(results) == (["held"] if who is BOB else ["refused"])
    assert (await world.read(LI, f"visits/{VISIT}"))["status"] == "planned"
    clerks = {**COME, "body": {"on_behalf_of": "li"}}
    assert verdicts(await sent(world, clerks, who=CHEN)) == ["done"]
    assert (await world.read(LI, f"visits/{VISIT}"))["check_in"]["declared"] is True


@pytest.mark.parametrize(
    "bad",
    [
        {"commands": []},
        {"commands": [{**COME, "id": "1"}]},
        {"commands": [{**COME, "command": "golf"}]},
        {"commands": [{**COME, "visit": None}]},
        {"commands": [{**COME, "occurred_at": "yesterday"}]},
        {"commands": [{**NEW, "visit": "x"}]},
        {"commands": [COME] * 501},
        {},
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused_whole(world: World, bad: Mapping[str, Any]) -> None:
    assert (await world.post(LI, "visits/batch", bad)).status_code == 422
    assert await state(world) == {}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_however_a_day_is_cut_and_repeated_it_ends_the_same(world: World, data: st.DataObject) -> None:
    await world.begin_again()
    await evening(world)
    again = data.draw(st.lists(st.sampled_from(DAY), max_size=5))
    commands = list(data.draw(st.permutations([*DAY, *again])))
    while commands:
        size = data.draw(st.integers(1, len(commands)))
        for result in await sent(world, *commands[:size]):
            assert result["verdict"] in ("done", "already_done", "held"), result
        commands = commands[size:]
    ended = await state(world)
    assert {record: one.get("status") for record, one in ended.items() if "status" in one} == {
        VISIT: "completed",
        SECOND: "cancelled",
        LOOSE: "not_met",
    }
    assert len(ended) == 4
    assert len(ended[VISIT]["costs"]) == 1
    assert ended[VISIT]["version"] == 4
    assert (await world.read(LI, "visits/batch/held"))["items"] == []
    assert verdicts(await sent(world, *DAY)) == ["already_done"] * len(DAY)
    assert await state(world) == ended


async def test_the_same_command_written_in_another_way_is_a_repetition(world: World) -> None:
    await evening(world)
    position = {"latitude": 31, "longitude": 121.5}
    first = said("come", "check_in", "09:30", position=position)
    [done] = await sent(world, first)
    spread = {name: first[name] for name in reversed(list(first))}
    spread["body"] = {"position": {"longitude": 121.50, "latitude": 31.0}}
    spread["occurred_at"] = "2026-11-24T01:30:00Z"
    [again] = await sent(world, spread)
    assert again["verdict"] == "already_done", again
    spread["body"] = {"position": {"longitude": 121.5, "latitude": 31.1}}
    [refused] = await sent(world, spread)
    assert (done["verdict"], refused["verdict"], refused["problem"]["code"]) == (
        "done", "refused", "idempotency_key_reused",
    )  # fmt: skip
    assert "new one" not in refused["problem"]["detail"]
