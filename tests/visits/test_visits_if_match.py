"""Every command that replaces content says which version it was decided on: 428 without, 412 for another one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.visits.forms import a_report
from tests.visits.plans import a_plan
from tests.visits.world import ADMIN, LI, WANG, World, an_id, codes

Made = Callable[[World], Awaitable[tuple[Any, str, str, dict[str, Any], int]]]
"""Who, how, where, with what, and the version that was read."""


async def a_visit(world: World) -> dict[str, Any]:
    visit = await world.made(LI, "visits", {"customer": "acme", "purposes": ["order"], "check_in": {}})
    done = {"contact_name": "Xu", "results": [{"purpose": "order", "outcome": "achieved"}]}
    return await world.made(LI, f"visits/{visit['id']}/completion", done)


async def plan_change(world: World) -> Any:
    plan = await a_plan(world)
    return LI, "PATCH", f"visit-plans/{plan['id']}", {"note": "x"}, plan["version"]


async def plan_amendment(world: World) -> Any:
    plan = await a_plan(world, until="signed")
    return LI, "POST", f"visit-plans/{plan['id']}/amendment", {"reason": "x"}, plan["version"]


async def report_change(world: World) -> Any:
    report = await a_report(world)
    return LI, "PATCH", f"daily-reports/{report['id']}", {"other": "x"}, report["version"]


async def report_correction(world: World) -> Any:
    report = await a_report(world, until="signed")
    return LI, "POST", f"daily-reports/{report['id']}/correction", {"reason": "x"}, report["version"]


async def visit_correction(world: World) -> Any:
    visit = await a_visit(world)
    return LI, "POST", f"visits/{visit['id']}/correction", {"contact_name": "Gu"}, visit["version"]


async def another_cost(world: World) -> Any:
    visit = await a_visit(world)
    cost = {"id": an_id("taxi"), "type": "transport", "amount": {"minor": 1, "currency": "CNY"}}
    visit = await world.made(LI, f"visits/{visit['id']}/cost", cost)
    other = {**cost, "amount": {"minor": 2, "currency": "CNY"}}
    return LI, "POST", f"visits/{visit['id']}/cost", other, visit["version"]


async def another_grade(world: World) -> Any:
    visit = await a_visit(world)
    visit = await world.made(WANG, f"visits/{visit['id']}/evaluation", {"grade": 3}, version=None)
    return WANG, "POST", f"visits/{visit['id']}/evaluation", {"grade": 5}, visit["version"]


async def call_change(world: World) -> Any:
    call = await world.made(LI, "calls", {"direction": "incoming", "seconds": 5, "started_at": "2026-11-24T00:00:00Z"})
    return LI, "PATCH", f"calls/{call['id']}", {"seconds": 6}, call["version"]


async def policy_change(world: World) -> Any:
    return ADMIN, "PATCH", "visit-policies/sha", {"radius_m": 99}, 0


REPLACING: tuple[Made, ...] = (
    plan_change, plan_amendment, report_change, report_correction, visit_correction, another_cost, another_grade,
    call_change, policy_change,
)  # fmt: skip


@pytest.mark.parametrize("made", REPLACING, ids=lambda made: made.__name__)
async def test_what_replaces_content_needs_the_version_that_was_read(world: World, made: Made) -> None:
    who, method, path, body, version = await made(world)

    async def ask(tag: str | None) -> tuple[int, str]:
        headers = {**world.door.as_(who), **({"If-Match": tag} if tag else {})}
        return codes(await world.door.request(method, f"/api/v1/{path}", json=body, headers=headers))

    assert await ask(None) == (428, "if_match_required")
    assert await ask("*") == (428, "if_match_required")
    assert await ask(f'"{version + 7}"') == (412, "stale")
    assert (await ask(f'"{version}"'))[0] == 200
    assert (await ask(f'"{version}"'))[0] in (409, 412)


@pytest.mark.parametrize("made", REPLACING, ids=lambda made: made.__name__)
async def test_of_two_at_the_same_moment_one_is_told_that_it_is_stale(world: World, made: Made) -> None:
    who, method, path, body, version = await made(world)

    async def ask(key: str) -> int:
        headers = world.door.as_(who, key, version)
        # The same words with the same version are a repetition where they make the record.
        said = {**body, "sync_grace": 10} if key == "two" and made is policy_change else body
        return (await world.door.request(method, f"/api/v1/{path}", json=said, headers=headers)).status_code

    assert sorted(await asyncio.gather(ask("one"), ask("two"))) in ([200, 409], [200, 412])


async def test_a_repetition_with_the_version_of_then_is_answered_and_not_stale(world: World) -> None:
    visit = await a_visit(world)
    path, body = f"visits/{visit['id']}/correction", {"contact_name": "Gu"}
    first = await world.post(LI, path, body, key="k", version=visit["version"])
    again = await world.post(LI, path, body, key="k", version=visit["version"])
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
