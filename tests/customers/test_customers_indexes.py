"""Queries of every day read an index, and records of an earlier version get the keys of today."""

from __future__ import annotations

from typing import Any

from chassis.mongo import Database
from contracts.customers import Likeness
from customers.customer import commands
from customers.repositories import Repositories
from tests.customers.company import AS_ADMINISTRATOR, AS_LI, EAST, HGH, LI, SHA, a_customer, refused
from tests.doors import Door
from tests.support.explain import refuse_scans

CUSTOMERS = "/api/v1/customers"


async def test_registering_changing_and_timers_read_no_whole_collection(
    door: Door, database: Database, repositories: Repositories
) -> None:
    made = await a_customer(door, AS_LI, "华兴", phone="13900001111")
    move = {"region": EAST, "valid_from": "2026-04-01"}
    async with refuse_scans(database):
        await a_customer(door, AS_LI, "大成", phone="13900002222", tax_id="91310000MA1FL0AA0X")
        said = {"phone": "13900003333"}
        changed = await door.patch(f"{CUSTOMERS}/{made['id']}", json=said, headers=door.as_(AS_LI, version=1))
        assert changed.status_code == 200
        moved = await door.post(f"/api/v1/offices/{HGH}/region", json=move, headers=door.as_(AS_ADMINISTRATOR))
        assert moved.status_code == 200
        await commands.take_over_due(repositories)
        await commands.follow_offices(repositories)
        for query in ({"office": SHA}, {"office": SHA, "role": "salesperson"}):
            listed = await door.get("/api/v1/people", params=query, headers=door.as_(AS_LI))
            assert listed.status_code == 200


async def before_the_keys(database: Database, customer_id: str, **more: Any) -> None:
    """Make the document what an earlier version would have stored."""
    await database["customers"].update_one(
        {"_id": customer_id},
        {"$set": {"keys": {"claims": [f"old:{customer_id}"], "name": "x"}, **more}, "$unset": {"phone_numbers": ""}},
    )


async def test_records_of_an_earlier_version_are_found_and_recognised_after_a_start(
    door: Door, database: Database, repositories: Repositories
) -> None:
    made = await a_customer(door, AS_LI, "ＡＢＣ商店", phone="(021) 5555-1234")
    await before_the_keys(database, made["id"])
    await database["people"].update_one({"_id": LI}, {"$set": {"keys": {"office": SHA}}})
    await repositories.prepare()
    found = await door.get(CUSTOMERS, params={"q": "abc"}, headers=door.as_(AS_LI))
    assert [each["id"] for each in found.json()["items"]] == [made["id"]]
    again = await door.post(CUSTOMERS, json={"name": "D", "phone": "+862155551234"}, headers=door.as_(AS_LI))
    refused(again, 409, "duplicate_customer")
    people = await door.get("/api/v1/people", params={"office": SHA}, headers=door.as_(AS_LI))
    assert LI in {person["id"] for person in people.json()["items"]}


async def test_two_that_are_alike_only_by_the_keys_of_today_can_both_be_changed(
    door: Door, database: Database, repositories: Repositories
) -> None:
    made = [await a_customer(door, AS_LI, name, phone=f"1390000111{n}") for n, name in enumerate("AB")]
    for each in made:
        await before_the_keys(database, each["id"], phone="13900001111")
    await repositories.prepare()
    shared = [(await door.get(f"{CUSTOMERS}/{each['id']}", headers=door.as_(AS_LI))).json() for each in made]
    assert sorted(each["may_share"] for each in shared) == [[], list(Likeness)]
    for each in made:
        said = {"source": "fair", "name": each["id"]}
        changed = await door.patch(f"{CUSTOMERS}/{each['id']}", json=said, headers=door.as_(AS_LI, version=1))
        assert changed.status_code == 200, changed.text
