"""Meetings, interviews and coachings: who holds them with whom, and what becomes of what was agreed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.contracts.sampling import held_to_sample
from tests.visits.world import (
    ADMIN,
    ANN,
    BOB,
    BOSS,
    CARL,
    CHEN,
    HE,
    LI,
    MORNING,
    NOBODY,
    TOP,
    WANG,
    World,
    an_id,
    codes,
    fields,
    gathered,
)
from visits.meeting import commands, model
from visits.task.commands import follow as make_task

CAME = [{"person": "li", "attended": True}, {"person": "zhao", "attended": False}]
ACTIONS = [
    {"text": "Visit Acme first", "assignee": "li", "due": "2026-11-25"},
    {"text": "Order samples", "assignee": "wang"},
]
HOLDING = {"attendance": CAME, "decisions": ["Pumps before valves"], "actions": ACTIONS}
STEPS: dict[str, dict[str, Any]] = {
    "holding": HOLDING,
    "closure": {},
    "cancellation": {"reason": "everybody is at the fair"},
}
WAY = {"planned": [], "held": ["holding"], "closed": ["holding", "closure"], "cancelled": ["cancellation"]}


async def a_meeting(world: World, who: Any = WANG, **more: Any) -> dict[str, Any]:
    return await world.made(who, "meetings", {"kind": "morning", "participants": ["li", "zhao"], **more})


async def in_state(world: World, state: str) -> dict[str, Any]:
    meeting = await a_meeting(world)
    for step in WAY[state]:
        meeting = await world.made(WANG, f"meetings/{meeting['id']}/{step}", STEPS[step])
    return meeting


@pytest.mark.parametrize("state", WAY)
async def test_each_state_of_a_meeting_takes_its_steps_and_no_other(world: World, state: str) -> None:
    for step, body in STEPS.items():
        meeting = await in_state(world, state)
        assert meeting["status"] == state
        answered = await world.post(WANG, f"meetings/{meeting['id']}/{step}", body)
        after = await world.read(ADMIN, f"meetings/{meeting['id']}")
        if state in model.ALLOWED[step]:
            assert answered.status_code == 200, answered.text
            assert after["version"] == meeting["version"] + 1
        else:
            assert codes(answered) == (409, "wrong_state")
            assert set(answered.json()["possible"]) == {
                name for name, states in model.ALLOWED.items() if state in states
            }
            assert after == meeting


async def test_a_meeting_keeps_who_came_what_was_decided_and_who_does_what(world: World) -> None:
    meeting = await a_meeting(world)
    assert (meeting["owner"], meeting["office"], meeting["business_date"]) == ("wang", "sha", "2026-11-24")
    extra = [*CAME, {"person": "chen", "attended": True}]
    held = await world.made(WANG, f"meetings/{meeting['id']}/holding", {**HOLDING, "attendance": extra})
    assert held["participants"] == extra
    assert held["decisions"] == ["Pumps before valves"]
    assert [(action["text"], action["assignee"], action["due"]) for action in held["actions"]] == [
        ("Visit Acme first", "li", "2026-11-25"),
        ("Order samples", "wang", None),
    ]
    assert held["holding"]["by"] == "wang"


async def test_what_was_agreed_becomes_tasks_exactly_once(world: World) -> None:
    meeting = await a_meeting(world)
    path = f"meetings/{meeting['id']}/holding"
    held = await world.made(WANG, path, HOLDING, key="one")
    assert await world.made(WANG, path, HOLDING, key="one") == held
    for _ in range(2):
        await world.bus()
    tasks = (await world.read(WANG, "tasks", source="meeting"))["items"]
    assert {(task["id"], task["owner"], task["source_id"], task["assigned_by"], task["version"]) for task in tasks} == {
        (action["task"], action["assignee"], action["id"], "wang", 1) for action in held["actions"]
    }
    assert len(tasks) == 2


async def test_the_tasks_of_a_meeting_are_made_by_its_event_where_the_process_ended_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = await a_meeting(world)

    async def dies(*_: Any) -> None:
        raise RuntimeError("the process ended")

    monkeypatch.setattr(commands.tasks, "follow", dies)
    assert (await world.post(WANG, f"meetings/{meeting['id']}/holding", HOLDING)).status_code == 500
    assert await world.database["tasks"].count_documents({}) == 0
    monkeypatch.setattr(commands.tasks, "follow", make_task)
    await world.bus()
    assert {task["text"] for task in (await world.read(WANG, "tasks"))["items"]} == {
        "Visit Acme first",
        "Order samples",
    }


async def test_supervisors_hold_meetings_with_people_of_their_region(world: World) -> None:
    weekly = await a_meeting(world, HE, kind="weekly", participants=["wang", "li"])
    assert (weekly["owner"], weekly["office"], weekly["region"]) == ("he", "sha", "east")
    company = await a_meeting(world, TOP, kind="weekly", participants=["he", "ann"])
    assert (company["owner"], company["office"], company["region"]) == ("top", "nyc", "west")
    assert company["business_date"] == "2026-11-23"
    answered = await world.post(TOP, "meetings", {"kind": "weekly", "participants": ["he"]})
    assert (codes(answered), fields(answered)) == ((422, "no_office"), ["participants"])


async def test_only_those_who_lead_hold_meetings_and_only_with_those_they_lead(world: World) -> None:
    for who in (LI, CHEN):
        answered = await world.post(who, "meetings", {"kind": "morning", "participants": ["zhao"]})
        assert codes(answered) == (403, "not_a_supervisor")
    for who, person in ((WANG, "bob"), (WANG, "he"), (HE, "ann"), (WANG, "wang"), (TOP, "top")):
        answered = await world.post(who, "meetings", {"kind": "interview", "participants": ["li", person]})
        assert (codes(answered), fields(answered)) == ((422, "not_in_your_reach"), ["participants.1"]), person
    answered = await world.post(WANG, "meetings", {"kind": "morning", "participants": ["li", "nobody"]})
    assert (codes(answered), fields(answered)) == ((422, "unknown_person"), ["participants.1"])
    assert await world.database["meetings"].count_documents({}) == 0


async def test_only_whoever_holds_it_takes_its_steps(world: World) -> None:
    meeting = await a_meeting(world)
    for step, body in STEPS.items():
        path = f"meetings/{meeting['id']}/{step}"
        for who, refused in ((CHEN, (403, "not_your_form")), (HE, (403, "not_your_form")), (ANN, (404, "not_found"))):
            assert codes(await world.post(who, path, body)) == refused
    assert await world.read(WANG, f"meetings/{meeting['id']}") == meeting


async def test_a_clerk_writes_the_minutes_in_the_holders_name(world: World) -> None:
    meeting = await a_meeting(world, CHEN, on_behalf_of="wang")
    assert meeting["owner"] == "wang"
    held = await world.made(CHEN, f"meetings/{meeting['id']}/holding", {**HOLDING, "on_behalf_of": "wang"})
    assert held["holding"]["by"] == "wang"
    assert {task["assigned_by"] for task in (await world.read(WANG, "tasks"))["items"]} == {"wang"}
    assert b'"actor":"chen"' in (await world.events("meetings", meeting["id"]))[-1]
    answered = await world.post(CARL, "meetings", {"kind": "morning", "participants": ["li"], "on_behalf_of": "wang"})
    assert codes(answered) == (403, "import_right_needed")


async def test_everybody_who_was_asked_is_accounted_for(world: World) -> None:
    meeting = await a_meeting(world)
    for attendance, code in (
        ([CAME[0]], "attendance_missing"),
        ([{"person": "li", "attended": False}, CAME[1]], "nobody_came"),
        ([*CAME, {"person": "bob", "attended": True}], "not_in_your_reach"),
        ([*CAME, CAME[0]], "invalid_input"),
        ([], "invalid_input"),
    ):
        answered = await world.post(WANG, f"meetings/{meeting['id']}/holding", {**HOLDING, "attendance": attendance})
        assert codes(answered) == (422, code)
        assert fields(answered)[0].startswith("attendance")
    assert await world.read(WANG, f"meetings/{meeting['id']}") == meeting


async def test_an_action_of_a_meeting_is_for_somebody_below_and_not_overdue(world: World) -> None:
    meeting = await a_meeting(world)
    for action, code in (
        ({"assignee": "he"}, (403, "outside_reporting_line")),
        ({"assignee": "bob"}, (403, "outside_reporting_line")),
        ({"assignee": "nobody"}, (422, "unknown_person")),
        ({"due": "2026-11-23"}, (422, "before_the_day")),
    ):
        body = {**HOLDING, "actions": [ACTIONS[1], {**ACTIONS[0], **action}]}
        answered = await world.post(WANG, f"meetings/{meeting['id']}/holding", body)
        assert codes(answered) == code
        if code[0] == 422:
            assert fields(answered)[0].startswith("actions.1.")
    assert await world.database["tasks"].count_documents({}) == 0


async def test_a_coaching_says_why_what_was_found_and_what_came_of_it(world: World) -> None:
    body = {"kind": "coaching", "participants": ["li"]}
    answered = await world.post(WANG, "meetings", body)
    assert (codes(answered), fields(answered)) == ((422, "trigger_missing"), ["trigger"])
    coaching = await world.made(WANG, "meetings", {**body, "trigger": "three weeks below half of the pace"})
    path = f"meetings/{coaching['id']}"
    held = {"attendance": [CAME[0]]}
    answered = await world.post(WANG, f"{path}/holding", held)
    assert (codes(answered), fields(answered)) == ((422, "findings_missing"), ["findings"])
    await world.made(WANG, f"{path}/holding", {**held, "findings": "Afraid to ask for the order"})
    answered = await world.post(WANG, f"{path}/closure")
    assert (codes(answered), fields(answered)) == ((422, "review_missing"), ["review"])
    closed = await world.made(WANG, f"{path}/closure", {"review": "Two orders in the week after"})
    assert (closed["status"], closed["review"]) == ("closed", "Two orders in the week after")


async def test_a_meeting_is_planned_ahead_and_not_held_before_its_day(world: World) -> None:
    meeting = await a_meeting(world, business_date="2026-11-26")
    assert codes(await world.post(WANG, f"meetings/{meeting['id']}/holding", HOLDING)) == (422, "before_its_day")
    world.time.move(timedelta(days=2))
    body = {**HOLDING, "actions": []}
    held = await world.made(WANG, f"meetings/{meeting['id']}/holding", body)
    assert held["holding"]["business_date"] == "2026-11-26"
    early = {"occurred_at": MORNING.isoformat()}
    assert codes(await world.post(WANG, f"meetings/{meeting['id']}/closure", early)) == (422, "before_prior_step")


@pytest.mark.parametrize(
    ("day", "taken"),
    [("2026-11-18", True), ("2026-11-17", False), ("2027-11-25", True), ("2027-11-26", False)],
)
async def test_a_meeting_is_entered_three_working_days_back_and_a_year_ahead(
    world: World, day: str, taken: bool
) -> None:
    """Friday 20 November is a holiday of the Shanghai office."""
    answered = await world.post(WANG, "meetings", {"kind": "weekly", "participants": ["li"], "business_date": day})
    if taken:
        assert answered.status_code == 201, answered.text
    else:
        assert (codes(answered), fields(answered)) == ((422, "day_out_of_reach"), ["business_date"])


async def test_meetings_are_seen_within_the_scope_and_found_by_what_they_say(world: World) -> None:
    sha = await a_meeting(world)
    nyc = await a_meeting(world, ANN, kind="weekly", participants=["bob"])
    both = {sha["id"], nyc["id"]}
    for who, seen in (
        (WANG, {sha["id"]}),
        (CHEN, {sha["id"]}),
        (HE, {sha["id"]}),
        (ANN, {nyc["id"]}),
        (TOP, both),
        (LI, set()),
        (BOB, set()),
        (NOBODY, set()),
    ):
        assert {meeting["id"] for meeting in (await world.read(who, "meetings"))["items"]} == seen
        for meeting in (sha, nyc):
            answered = await world.get(who, f"meetings/{meeting['id']}")
            assert answered.status_code == (200 if meeting["id"] in seen else 404)
    assert codes(await world.get(BOSS, "meetings")) == (403, "results_only")
    for asked, found in (
        ({"kind": "weekly"}, [nyc["id"]]),
        ({"participant": "li"}, [sha["id"]]),
        ({"status": "held"}, []),
        ({"to": "2026-11-23"}, [nyc["id"]]),
        ({"owner": "wang", "office": "sha", "region": "east", "from": "2026-11-24"}, [sha["id"]]),
    ):
        assert [meeting["id"] for meeting in (await world.read(TOP, "meetings", **asked))["items"]] == found


async def test_the_same_plan_again_gives_the_same_meeting_and_two_steps_at_once_one_end(world: World) -> None:
    body = {"kind": "morning", "participants": ["li", "zhao"], "id": an_id("meeting")}
    meeting = await world.made(WANG, "meetings", body)
    assert await world.made(WANG, "meetings", body) == meeting
    path = f"meetings/{meeting['id']}"
    answers = await gathered(*(world.post(WANG, f"{path}/{step}", STEPS[step]) for step in ("holding", "cancellation")))
    assert sorted(answered.status_code for answered in answers) == [200, 409]


async def test_meeting_samples(world: World) -> None:
    world.door.headers["X-Request-Id"] = "request-1"
    try:
        await samples(world)
    finally:
        del world.door.headers["X-Request-Id"]


async def samples(world: World) -> None:
    meeting = await a_meeting(world, id=an_id("meeting"))
    coaching = await a_meeting(
        world, id=an_id("coaching"), kind="coaching", participants=["li"], trigger="a new joiner"
    )
    off = await a_meeting(world, id=an_id("meeting that is off"), kind="evening")
    await world.made(WANG, f"meetings/{meeting['id']}/holding", HOLDING)
    await world.made(WANG, f"meetings/{off['id']}/cancellation", STEPS["cancellation"])
    path = f"meetings/{coaching['id']}"
    await world.made(WANG, f"{path}/holding", {"attendance": [CAME[0]], "findings": "Knows the products"})
    await world.made(WANG, f"{path}/closure", {"review": "Sells alone now"})
    for event in await world.events("meetings", meeting["id"]):
        held_to_sample(event)
    for event in await world.events("meetings", coaching["id"]):
        held_to_sample(event, "coaching")
    held_to_sample((await world.events("meetings", off["id"]))[-1])
    held_to_sample(await world.repositories.meetings.restatement(coaching["id"]))
    held = await world.read(WANG, f"meetings/{meeting['id']}")
    held_to_sample((await world.events("tasks", held["actions"][0]["task"]))[0], "from_meeting")
