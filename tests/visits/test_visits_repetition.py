"""The POST that made a record, sent once more: answered as far as the caller's scope reaches now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chassis.identity import Caller
from contracts.staff import Role
from tests.visits.plans import FIRST
from tests.visits.world import LI, SHANGHAI, TUESDAY, WANG, World, codes, local, person

MOVED = replace(WANG, office="nyc", region="west", offices=("nyc",))
"""The office head of Shanghai, who leads New York now."""

CALL = {"direction": "incoming", "seconds": 5, "started_at": local(SHANGHAI, TUESDAY, "07:30")}
FORMS: dict[str, dict[str, Any]] = {
    "visit-plans": {"business_date": "2026-11-24", "stops": [FIRST]},
    "visits": {"customer": "acme", "purposes": ["order"]},
    "daily-reports": {"business_date": "2026-11-24"},
    "market-reports": {"kind": "competitor", "severity": "serious", "text": "A price war begins."},
    "meetings": {"kind": "morning", "participants": ["li"]},
    "absences": {"kind": "leave", "first_day": "2026-11-25", "last_day": "2026-11-25", "reason": "family"},
    "tasks": {"assignee": "li", "text": "Bring Acme the samples"},
    "calls": CALL,
}


async def repeated(world: World, who: Caller, path: str, body: dict[str, Any]) -> Any:
    return await world.post(who, path, body, key="k")


@pytest.mark.parametrize("path", FORMS)
async def test_a_repeated_creation_is_not_found_after_the_form_has_left_the_callers_scope(
    world: World, path: str
) -> None:
    made = await repeated(world, WANG, path, FORMS[path])
    assert made.status_code == 201, made.text
    again = await repeated(world, WANG, path, FORMS[path])
    assert (again.status_code, again.json()) == (201, made.json())
    await world.hear(
        person("wang", Role.OFFICE_HEAD, "nyc", "west"),
        person("li", Role.SALESPERSON, "sha", "east", manager="he"),
        version=2,
    )
    assert codes(await repeated(world, MOVED, path, FORMS[path])) == (404, "not_found")


async def test_a_repeated_call_of_the_telephone_system_is_not_found_out_of_reach(world: World) -> None:
    body = {**CALL, "external_id": "pbx-1"}
    assert (await repeated(world, WANG, "calls", body)).status_code == 201
    assert codes(await repeated(world, MOVED, "calls", body)) == (404, "not_found")


async def test_a_repeated_step_is_not_found_after_the_form_has_left_the_callers_scope(world: World) -> None:
    task = await world.made(WANG, "tasks", FORMS["tasks"])
    path, body = f"tasks/{task['id']}/cancellation", {"reason": "the fair is off"}
    assert (await repeated(world, WANG, path, body)).status_code == 200
    assert (await repeated(world, WANG, path, body)).status_code == 200
    assert codes(await repeated(world, MOVED, path, body)) == (404, "not_found")


async def test_a_batch_sent_again_tells_what_became_of_it_and_shows_no_record(world: World) -> None:
    command = {
        "id": "0192f3a0-5b7c-7def-8123-456789abcdef",
        "command": "call",
        "occurred_at": CALL["started_at"],
        "body": CALL,
    }
    [done] = (await world.post(LI, "visits/batch", {"commands": [command]})).json()["results"]
    elsewhere = replace(LI, person="zhao")
    [again] = (await world.post(elsewhere, "visits/batch", {"commands": [command]})).json()["results"]
    assert (done["verdict"], again["verdict"]) == ("done", "already_done")
    assert again == {**done, "verdict": "already_done"}
