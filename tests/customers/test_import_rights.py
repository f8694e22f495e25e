"""Importing never grants more than the importer has (domain.md A1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chassis.identity import Caller
from chassis.mongo import Database
from tests.customers.company import (
    AS_ADMINISTRATOR,
    AS_IMPORTER,
    CHIEF,
    CLERK,
    EAST,
    HEAD,
    HGH,
    LI,
    SHA,
    SMITH,
    SOUTH,
    WANG,
    an_id,
    events,
    refused,
)
from tests.doors import Door, caller

MAY_IMPORT = {"rights": ["import"]}
LI_IMPORTS = caller("salesperson", LI, office=SHA, region=EAST, **MAY_IMPORT)
HEAD_IMPORTS = caller("office_head", HEAD, office=SHA, region=EAST, **MAY_IMPORT)
CLERK_IMPORTS = caller("clerk", CLERK, office=SHA, region=EAST, **MAY_IMPORT)
CHIEF_IMPORTS = caller("regional_supervisor", CHIEF, region=EAST, **MAY_IMPORT)
NEW = {"name": "新人", "role": "salesperson", "office": SHA, "joined_on": "2026-03-01", "import_source": "hr:1"}
ABOVE: list[dict[str, Any]] = [
    {"role": "office_head", "office": SHA},
    {"role": "regional_supervisor", "region": EAST},
    {"role": "top_manager"},
    {"role": "owner"},
    {"role": "administrator"},
    {"role": "administrator", "office": SHA},
]


async def post(door: Door, who: Caller, path: str, body: dict[str, Any]) -> Any:
    return await door.post(f"/api/v1/{path}", json=body, headers=door.as_(who))


@pytest.mark.parametrize("place", [*ABOVE, {"role": "salesperson", "office": SHA}, {"role": "clerk", "office": SHA}])
@pytest.mark.parametrize("who", [LI_IMPORTS, HEAD_IMPORTS], ids=lambda who: who.role)
async def test_an_importer_cannot_post_themselves(door: Door, who: Caller, place: dict[str, Any]) -> None:
    answer = await post(door, who, f"people/{who.person}/posting", {**place, "valid_from": "2026-03-11"})
    refused(answer, 403, "administrator_needed")
    person = await door.get(f"/api/v1/people/{who.person}", headers=door.as_(AS_ADMINISTRATOR))
    assert len(person.json()["postings"]) == 1


@pytest.mark.parametrize("place", ABOVE, ids=lambda place: place["role"])
@pytest.mark.parametrize("who", [LI_IMPORTS, CHIEF_IMPORTS, AS_IMPORTER], ids=lambda who: who.role)
async def test_roles_above_salesperson_need_an_administrator(door: Door, who: Caller, place: dict[str, Any]) -> None:
    answer = await post(door, who, f"people/{WANG}/posting", {**place, "valid_from": "2026-05-01"})
    refused(answer, 403, "administrator_needed")
    body = {"name": "新人", "joined_on": "2026-03-01", "office": None, **place}
    refused(await post(door, who, "people", body), 403, "administrator_needed")
    assert (await post(door, AS_ADMINISTRATOR, "people", body)).status_code == 201


@pytest.mark.parametrize("who", [LI_IMPORTS, CHIEF_IMPORTS, AS_IMPORTER], ids=lambda who: who.role)
async def test_an_importer_neither_posts_nor_lets_go_whoever_is_above_salesperson(door: Door, who: Caller) -> None:
    down = {"role": "salesperson", "office": SHA, "valid_from": "2026-05-01"}
    refused(await post(door, who, f"people/{HEAD}/posting", down), 403, "administrator_needed")
    refused(await post(door, who, f"people/{HEAD}/departure", {"left_on": "2026-05-01"}), 403, "administrator_needed")


async def test_whoever_will_have_a_higher_role_is_posted_by_an_administrator_only(door: Door) -> None:
    rises = {"role": "office_head", "office": HGH, "valid_from": "2026-05-01"}
    assert (await post(door, AS_ADMINISTRATOR, f"people/{WANG}/posting", rises)).status_code == 200
    down = {"role": "salesperson", "office": SHA, "valid_from": "2026-06-01"}
    refused(await post(door, AS_IMPORTER, f"people/{WANG}/posting", down), 403, "administrator_needed")


async def test_an_importer_does_not_become_a_superior(door: Door) -> None:
    body = {**NEW, "manager": HEAD}
    refused(await post(door, HEAD_IMPORTS, "people", body), 403, "administrator_needed")
    moved = {"role": "salesperson", "office": SHA, "manager": LI, "valid_from": "2026-05-01"}
    refused(await post(door, LI_IMPORTS, f"people/{WANG}/posting", moved), 403, "administrator_needed")
    assert (await post(door, LI_IMPORTS, "people", body)).status_code == 201


@pytest.mark.parametrize(
    ("who", "place", "status"),
    [
        (LI_IMPORTS, {"role": "clerk", "office": SHA}, 403),
        (LI_IMPORTS, {"role": "service_desk", "office": SHA}, 403),
        (LI_IMPORTS, {"role": "salesperson", "office": HGH}, 201),
        (LI_IMPORTS, {"role": "salesperson", "office": SHA, "offices_served": [HGH]}, 403),
        (CLERK_IMPORTS, {"role": "clerk", "office": SHA}, 201),
        (CLERK_IMPORTS, {"role": "clerk", "office": SHA, "offices_served": [HGH]}, 403),
        (CLERK_IMPORTS, {"role": "clerk", "office": HGH}, 403),
        (CLERK_IMPORTS, {"role": "service_desk", "office": SHA}, 403),
        (AS_IMPORTER, {"role": "clerk", "office": SHA, "offices_served": [HGH]}, 201),
    ],
)
async def test_an_importer_opens_no_office_that_they_do_not_see(
    door: Door, who: Caller, place: dict[str, Any], status: int
) -> None:
    assert (await post(door, who, "people", {**NEW, **place})).status_code == status


async def test_an_office_is_moved_by_an_administrator_or_by_whoever_sees_every_office(door: Door) -> None:
    move = {"region": SOUTH, "valid_from": "2026-05-01"}
    for who in (LI_IMPORTS, HEAD_IMPORTS, CHIEF_IMPORTS):
        refused(await post(door, who, f"offices/{HGH}/region", move), 403, "administrator_needed")
    assert (await post(door, AS_IMPORTER, f"offices/{HGH}/region", move)).status_code == 200


async def test_an_import_is_for_somebody_who_exists(door: Door) -> None:
    body = {"name": "华兴", "owner": SMITH, "on_behalf_of": an_id("nobody")}
    refused(await post(door, AS_IMPORTER, "customers", body), 422, "unknown_person", "on_behalf_of")
    for path, said in (("regions", {"code": "NORTH", "name": "x"}), ("people", NEW)):
        said = {**said, "on_behalf_of": an_id("nobody")}
        refused(await post(door, AS_ADMINISTRATOR, path, said), 422, "unknown_person", "on_behalf_of")


async def test_a_change_of_the_organisation_keeps_for_whom_it_was_entered(door: Door, database: Database) -> None:
    body = {"name": "华东区", "on_behalf_of": HEAD}
    changed = await door.patch(f"/api/v1/regions/{EAST}", json=body, headers=door.as_(AS_ADMINISTRATOR, version=1))
    assert changed.status_code == 200
    assert json.loads((await events(database, "regions", EAST))[-1])["onbehalfof"] == HEAD
