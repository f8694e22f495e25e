"""The POST that registered a customer, sent once more: answered as far as the caller's scope reaches now."""

from __future__ import annotations

from tests.customers.company import AS_CLERK, AS_HEAD, AS_IMPORTER, AS_LI, AS_WANG, LI, WANG, refused
from tests.doors import Door

NEW = {"name": "华兴机械", "phone": "021-5555 1234"}


async def test_a_repeated_registration_is_not_found_after_the_customer_has_left_the_callers_scope(door: Door) -> None:
    path = "/api/v1/customers"
    made = await door.post(path, json=NEW, headers=door.as_(AS_LI, "k"))
    assert (await door.post(path, json=NEW, headers=door.as_(AS_LI, "k"))).json() == made.json()
    given = await door.post(
        f"{path}/{made.json()['id']}/owner",
        json={"owner": WANG, "valid_from": "2026-03-11"},
        headers=door.as_(AS_HEAD, version=1),
    )
    assert (given.status_code, given.json()["owner"]) == (200, WANG), given.text
    refused(await door.post(path, json=NEW, headers=door.as_(AS_LI, "k")), 404, "not_found")
    # By the id instead of the key as well.
    chosen = {**NEW, "name": "Other", "phone": None, "id": "0192f3a0-5b7c-7def-8123-456789abcdef", "owner": LI}
    assert (await door.post(path, json=chosen, headers=door.as_(AS_CLERK))).status_code == 201
    moved = await door.post(
        f"{path}/{chosen['id']}/owner",
        json={"owner": WANG, "valid_from": "2026-03-11"},
        headers=door.as_(AS_HEAD, version=1),
    )
    assert moved.status_code == 200
    assert (await door.post(path, json=chosen, headers=door.as_(AS_CLERK))).json()["owner"] == WANG
    # Somebody else's words are no repetition, whoever holds the customer.
    refused(await door.post(path, json=chosen, headers=door.as_(AS_WANG)), 409, "id_taken")


async def test_an_import_is_repeated_wherever_the_customer_is_now(door: Door) -> None:
    body = {**NEW, "owner": LI, "import_source": "customers.csv row 2"}
    made = await door.post("/api/v1/customers", json=body, headers=door.as_(AS_IMPORTER, "k"))
    assert made.status_code == 201, made.text
    assert (await door.post("/api/v1/customers", json=body, headers=door.as_(AS_IMPORTER, "k"))).json() == made.json()
