"""An office's rules of field work."""

from __future__ import annotations

import pytest

from tests.contracts.sampling import held_to_sample
from tests.visits.world import ADMIN, BOB, EVERYBODY, LI, World, codes, fields, gathered
from visits.policy import queries


async def test_without_a_setting_the_defaults_are_in_force(world: World) -> None:
    answered = await world.get(LI, "visit-policies/sha")
    assert answered.headers["ETag"] == '"0"'
    policy = answered.json()
    assert (policy["plan_due"], policy["report_due"], policy["radius_m"]) == ("09:00", "22:00", 500)
    assert (policy["owner"], policy["office"], policy["region"]) == ("sha", "sha", "east")
    assert (await queries.of(world.repositories, "nyc")).region == "west"


async def test_what_is_set_is_in_force_and_the_rest_stays(world: World) -> None:
    first = await world.patch(ADMIN, "visit-policies/sha", {"plan_due": "08:30", "forms_from": "2026-11-01"}, 0)
    assert (first.status_code, first.json()["version"]) == (200, 1)
    second = await world.patch(ADMIN, "visit-policies/sha", {"radius_m": 200, "forms_from": None}, 1)
    assert second.json()["version"] == 2
    policy = await queries.of(world.repositories, "sha")
    assert (policy.plan_due, policy.radius_m, policy.forms_from) == ("08:30", 200, None)
    assert (await queries.of(world.repositories, "nyc")).plan_due == "09:00"
    assert await world.types("policies", "sha") == ["set", "set"]
    held_to_sample((await world.events("policies", "sha"))[-1])


async def test_only_an_administrator_sets_and_everybody_reads(world: World) -> None:
    for who in EVERYBODY:
        assert (await world.get(who, "visit-policies/nyc")).status_code == 200
        if who is not ADMIN:
            assert codes(await world.patch(who, "visit-policies/nyc", {"radius_m": 99}, 0)) == (403, "forbidden")
    assert (await world.read(BOB, "visit-policies/nyc"))["version"] == 0


async def test_a_setting_names_the_version_it_was_decided_on(world: World) -> None:
    path = "visit-policies/sha"
    assert codes(await world.patch(ADMIN, path, {"radius_m": 99})) == (428, "if_match_required")
    assert codes(await world.patch(ADMIN, path, {"radius_m": 99}, 1)) == (412, "stale")
    answered = await gathered(*(world.patch(ADMIN, path, {"radius_m": 100 + n}, 0) for n in range(3)))
    assert sorted(answer.status_code for answer in answered) == [200, 412, 412]
    assert codes(await world.patch(ADMIN, path, {"radius_m": 98}, 0)) == (412, "stale")
    assert (await world.read(ADMIN, path))["version"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"plan_due": "24:00"}, "plan_due"),
        ({"plan_due": None}, "plan_due"),
        ({"radius_m": 9}, "radius_m"),
        ({"long_away_days": 0}, "long_away_days"),
        ({"radius": 10}, "radius"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_refused(world: World, body: dict[str, object], field: str) -> None:
    answered = await world.patch(ADMIN, "visit-policies/sha", body, 0)
    assert answered.status_code == 422
    assert fields(answered) == [field]


async def test_there_are_no_rules_of_an_unknown_office(world: World) -> None:
    assert (await world.get(LI, "visit-policies/nowhere")).status_code == 404
    assert (await world.patch(ADMIN, "visit-policies/nowhere", {"radius_m": 99}, 0)).status_code == 404
