"""Tasks over HTTP: given, done, cancelled; and made once each because a form asks for them."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from chassis.aggregate import Command
from chassis.ids import new_id
from contracts.visits import TaskSource
from tests.contracts.sampling import held_to_sample
from tests.visits.world import (
    ADMIN,
    ANN,
    BOB,
    BOSS,
    CHEN,
    HE,
    IMPORTER,
    LI,
    MORNING,
    NOBODY,
    TOP,
    TUESDAY,
    WANG,
    ZHAO,
    World,
    an_id,
    codes,
    fields,
    gathered,
)
from visits.task import commands, model
from visits.task.commands import Errand

STEPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "completion": (LI, {"result": "Ms Xu has the samples"}),
    "cancellation": (WANG, {"reason": "the fair is off"}),
}
STATES = {"open": None, "done": "completion", "cancelled": "cancellation"}


async def a_task(world: World, who: Any = WANG, **more: Any) -> dict[str, Any]:
    return await world.made(who, "tasks", {"assignee": "li", "text": "Bring Acme the samples", **more})


async def in_state(world: World, state: str) -> dict[str, Any]:
    task = await a_task(world)
    if (step := STATES[state]) is None:
        return task
    who, body = STEPS[step]
    return await world.made(who, f"tasks/{task['id']}/{step}", body)


@pytest.mark.parametrize("state", STATES)
async def test_each_state_of_a_task_takes_its_steps_and_no_other(world: World, state: str) -> None:
    for step, (who, body) in STEPS.items():
        task = await in_state(world, state)
        assert task["status"] == state
        answered = await world.post(who, f"tasks/{task['id']}/{step}", body)
        after = await world.read(ADMIN, f"tasks/{task['id']}")
        if state in model.ALLOWED[step]:
            assert answered.status_code == 200, answered.text
            assert after["version"] == task["version"] + 1
        else:
            assert codes(answered) == (409, "wrong_state")
            assert answered.json()["possible"] == []
            assert after == task


async def test_a_task_says_who_gave_it_to_whom_and_where_they_work(world: World) -> None:
    task = await a_task(world, due="2026-11-30")
    assert {name: task[name] for name in ("owner", "office", "region", "business_date", "due", "assigned_by")} == {
        "owner": "li",
        "office": "sha",
        "region": "east",
        "business_date": "2026-11-24",
        "due": "2026-11-30",
        "assigned_by": "wang",
    }
    assert (task["source"], task["source_id"], task["status"]) == ("ad_hoc", None, "open")
    done = await world.made(LI, f"tasks/{task['id']}/completion", {"result": "done"})
    assert (done["result"], done["completion"]["by"], done["completion"]["business_date"]) == (
        "done",
        "li",
        "2026-11-24",
    )


async def test_a_task_belongs_to_the_day_of_its_owners_own_office(world: World) -> None:
    """It is Tuesday in Shanghai, where the top manager sits, and still Monday in New York."""
    task = await a_task(world, TOP, assignee="bob")
    assert (task["office"], task["business_date"]) == ("nyc", "2026-11-23")


@pytest.mark.parametrize("who", [WANG, HE, TOP], ids=lambda who: who.person)
async def test_everybody_above_gives_tasks(world: World, who: Any) -> None:
    assert (await a_task(world, who))["assigned_by"] == who.person


async def test_a_task_may_be_ones_own(world: World) -> None:
    task = await a_task(world, LI)
    cancelled = await world.made(LI, f"tasks/{task['id']}/cancellation", {"reason": "somebody else does it"})
    assert cancelled["cancellation"]["reason"] == "somebody else does it"


@pytest.mark.parametrize("who", [ZHAO, ANN, BOB, CHEN], ids=lambda who: who.person)
async def test_nobody_outside_the_reporting_line_gives_tasks(world: World, who: Any) -> None:
    answered = await world.post(who, "tasks", {"assignee": "li", "text": "for me"})
    assert codes(answered) == (403, "outside_reporting_line")
    assert await world.database["tasks"].count_documents({}) == 0


async def test_a_salesperson_gives_no_task_to_a_superior(world: World) -> None:
    assert codes(await world.post(LI, "tasks", {"assignee": "wang", "text": "up"})) == (403, "outside_reporting_line")


async def test_a_clerk_enters_somebodys_own_task_and_both_names_are_kept(world: World) -> None:
    task = await a_task(world, CHEN, on_behalf_of="li")
    [event] = await world.events("tasks", task["id"])
    assert b'"actor":"chen"' in event
    assert b'"onbehalfof":"li"' in event
    assert task["assigned_by"] == "li"
    done = await world.made(CHEN, f"tasks/{task['id']}/completion", {"result": "by telephone", "on_behalf_of": "li"})
    assert done["completion"]["by"] == "li"


async def test_only_whoever_has_to_do_it_says_that_it_is_done(world: World) -> None:
    task = await a_task(world)
    for who in (WANG, CHEN):
        answered = await world.post(who, f"tasks/{task['id']}/completion", {"result": "surely"})
        assert codes(answered) == (403, "not_your_form")


async def test_whoever_has_to_do_it_does_not_cancel_it(world: World) -> None:
    task = await a_task(world)
    answered = await world.post(LI, f"tasks/{task['id']}/cancellation", {"reason": "no time"})
    assert codes(answered) == (403, "own_form")
    assert (await world.read(LI, f"tasks/{task['id']}"))["status"] == "open"


async def test_somebody_above_whoever_gave_it_cancels_it_too(world: World) -> None:
    task = await a_task(world)
    assert (await world.made(HE, f"tasks/{task['id']}/cancellation", {"reason": "too late"}))["status"] == "cancelled"


async def test_an_unknown_assignee_a_due_day_gone_by_and_an_empty_text_are_named(world: World) -> None:
    for body, field in (
        ({"assignee": "nobody"}, "assignee"),
        ({"due": "2026-11-23"}, "due"),
        ({"text": "  "}, "text"),
        ({"assignee": "he"}, "assignee"),  # a supervisor of no office
    ):
        answered = await world.post(TOP, "tasks", {"assignee": "li", "text": "Do it", **body})
        assert answered.status_code == 422
        assert fields(answered) == [field]


async def test_a_task_is_not_done_before_it_was_given_and_not_in_the_future(world: World) -> None:
    task = await a_task(world)
    for at, code in (
        (MORNING - timedelta(hours=1), "before_prior_step"),
        (MORNING + timedelta(hours=1), "in_the_future"),
    ):
        body = {"result": "done", "occurred_at": at.isoformat()}
        assert codes(await world.post(LI, f"tasks/{task['id']}/completion", body)) == (422, code)


async def test_the_same_request_again_gives_the_same_task(world: World) -> None:
    body = {"assignee": "li", "text": "Bring Acme the samples"}
    first = await world.made(WANG, "tasks", body, key="one")
    assert await world.made(WANG, "tasks", body, key="one") == first
    other = {"assignee": "zhao", "text": "something else"}
    assert codes(await world.post(WANG, "tasks", other, key="one")) == (409, "idempotency_key_reused")
    assert await world.database["tasks"].count_documents({}) == 1


async def test_tasks_are_seen_within_the_scope(world: World) -> None:
    li, bob = await a_task(world), await a_task(world, ANN, assignee="bob")
    for who, seen in (
        (LI, {li["id"]}),
        (ZHAO, set()),
        (WANG, {li["id"]}),
        (HE, {li["id"]}),
        (BOB, {bob["id"]}),
        (ANN, {bob["id"]}),
        (TOP, {li["id"], bob["id"]}),
        (NOBODY, set()),
    ):
        items = (await world.read(who, "tasks"))["items"]
        assert {task["id"] for task in items} == seen
        for task in (li, bob):
            assert (await world.get(who, f"tasks/{task['id']}")).status_code == (200 if task["id"] in seen else 404)
            if task["id"] not in seen:
                body = {"reason": "none"}
                assert (await world.post(who, f"tasks/{task['id']}/cancellation", body)).status_code == 404
    assert codes(await world.get(BOSS, "tasks")) == (403, "results_only")


async def test_tasks_are_found_by_what_they_say(world: World) -> None:
    open_one, done = await a_task(world, due="2026-12-01"), await in_state(world, "done")
    await a_task(world, WANG, assignee="zhao")
    for asked, found in (
        ({"owner": "li", "status": "open"}, [open_one["id"]]),
        ({"status": "done"}, [done["id"]]),
        ({"source": "meeting"}, []),
        ({"office": "nyc"}, []),
        ({"to": "2026-11-23"}, []),
    ):
        assert [task["id"] for task in (await world.read(WANG, "tasks", **asked))["items"]] == found
    assert len((await world.read(WANG, "tasks", **{"from": "2026-11-24", "source": "ad_hoc"}))["items"]) == 3


def errand(**more: Any) -> Errand:
    return Errand(
        **{
            "source": TaskSource.REPORT,
            "source_id": "line-1",
            "text": "Ask Acme again",
            "assignee": "li",
            "assigned_by": "wang",
            "at": MORNING,
            "business_date": TUESDAY,
            "office": "sha",
            **more,
        }
    )


async def test_a_form_makes_its_task_once_whoever_asks_and_however_often(world: World) -> None:
    asked = [
        commands.follow(world.repositories, Command(actor=actor, key=new_id(), fingerprint=new_id()), errand())
        for actor in ("wang", "/visits", "/visits", "wang", "/visits")
    ]
    made = await asyncio.gather(*asked)
    assert {stored.state.id for stored in made} == {errand().task}
    assert [stored.version for stored in made] == [1] * 5
    assert await world.types("tasks", errand().task) == ["assigned"]
    other = await commands.follow(world.repositories, Command(actor="wang"), errand(source=TaskSource.MEETING))
    assert other.state.id != errand().task


async def test_a_task_that_was_done_stays_done_when_its_form_asks_again(world: World) -> None:
    await commands.follow(world.repositories, Command(actor="/visits"), errand())
    await world.made(LI, f"tasks/{errand().task}/completion", {"result": "done"})
    again = await commands.follow(world.repositories, Command(actor="/visits"), errand())
    assert (again.state.status, again.version) == ("done", 2)


async def test_somebody_of_no_office_has_the_task_in_the_office_of_the_form(world: World) -> None:
    stored = await commands.follow(world.repositories, Command(actor="/visits"), errand(assignee="he"))
    assert (stored.state.owner, stored.state.office, stored.state.region) == ("he", "sha", "east")
    assert (await world.read(HE, "tasks", owner="he"))["items"][0]["id"] == stored.state.id


async def test_two_steps_at_once_leave_one_end(world: World) -> None:
    task = await a_task(world)
    answers = await gathered(
        *(world.post(who, f"tasks/{task['id']}/{step}", body) for step, (who, body) in STEPS.items())
    )
    assert sorted(answered.status_code for answered in answers) == [200, 409]


async def test_an_import_brings_in_a_task_of_any_day_for_anybody(world: World) -> None:
    body = {"occurred_at": "2026-03-02T10:00:00+08:00", "on_behalf_of": "wang", "import_source": "old tasks row 7"}
    task = await a_task(world, IMPORTER, **body, due="2026-03-01")
    assert (task["business_date"], task["imported"]["source"]) == ("2026-03-02", "old tasks row 7")
    assert date.fromisoformat(task["due"]) < date.fromisoformat(task["business_date"])


async def test_task_samples(world: World) -> None:
    """One request after the other, under one id, so that the events are the same each time."""
    world.door.headers["X-Request-Id"] = "request-1"
    try:
        await task_samples(world)
    finally:
        del world.door.headers["X-Request-Id"]


async def task_samples(world: World) -> None:
    task = await a_task(world, id=an_id("task"), due="2026-11-30")
    await world.made(LI, f"tasks/{task['id']}/completion", STEPS["completion"][1])
    other = await a_task(world, LI, id=an_id("own task"))
    await world.made(LI, f"tasks/{other['id']}/cancellation", {"reason": "somebody else does it"})
    for task_id in (task["id"], other["id"]):
        for event in (await world.events("tasks", task_id))[-1:]:
            held_to_sample(event)
    held_to_sample((await world.events("tasks", task["id"]))[0])
    await commands.follow(world.repositories, Command(actor="wang"), errand())
    held_to_sample((await world.events("tasks", errand().task))[0], "from_report")
    held_to_sample(await world.repositories.tasks.restatement(task["id"]))
