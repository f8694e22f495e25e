"""Phone calls over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

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
    NOBODY,
    SHANGHAI,
    TUESDAY,
    WANG,
    ZHAO,
    World,
    codes,
    fields,
    gathered,
    local,
)

CALL: Mapping[str, Any] = {
    "direction": "outgoing",
    "customer": "acme",
    "contact_name": "Ms Xu",
    "started_at": local(SHANGHAI, TUESDAY, "07:30"),
    "seconds": 90,
    "result": "asked for an offer",
}


async def test_a_call_counts_for_the_day_on_which_it_began(world: World) -> None:
    call = await world.made(LI, "calls", CALL)
    assert (call["owner"], call["office"], call["region"], call["business_date"]) == ("li", "sha", "east", "2026-11-24")
    assert (call["customer_name"], call["seconds"], call["started_at"]) == ("Acme", 90, "2026-11-23T23:30:00Z")
    bob = await world.made(BOB, "calls", {"direction": "incoming", "started_at": CALL["started_at"], "seconds": 0})
    assert bob["business_date"] == "2026-11-23"  # it is still Monday in New York
    midnight = {**CALL, "started_at": local(SHANGHAI, TUESDAY, "00:00")}
    assert (await world.made(LI, "calls", midnight))["business_date"] == "2026-11-24"


async def test_a_call_of_the_telephone_system_is_logged_once(world: World) -> None:
    body = {**CALL, "external_id": "pbx-1"}
    answered = await gathered(*(world.post(LI, "calls", body, key=f"k{n}") for n in range(3)))
    assert {a.status_code for a in answered} == {201}
    assert len({a.json()["id"] for a in answered}) == 1
    call = answered[0].json()
    imported = {**body, "seconds": 99, "on_behalf_of": "li", "import_source": "row 1"}
    assert await world.made(IMPORTER, "calls", imported) == call
    assert codes(await world.post(ZHAO, "calls", {**body, "customer": None})) == (409, "call_of_another")
    abroad = {"direction": "incoming", "started_at": CALL["started_at"], "seconds": 1, "external_id": "pbx-1"}
    assert (await world.made(BOB, "calls", abroad))["id"] != call["id"]
    assert len((await world.read(ADMIN, "calls"))["items"]) == 2


async def test_the_same_request_again_logs_no_second_call(world: World) -> None:
    first, again = await gathered(*(world.post(LI, "calls", CALL, key="k") for _ in range(2)))
    assert first.json() == again.json()
    assert (await world.made(LI, "calls", CALL))["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"customer": "zeta"}, "unknown_customer", "customer"),
        ({"seconds": -1}, "invalid_input", "seconds"),
        ({"started_at": local(SHANGHAI, TUESDAY, "08:06")}, "in_the_future", "started_at"),
        ({"started_at": "2026-11-17T10:00:00+08:00"}, "too_far_back", "occurred_at"),
        ({"started_at": "2026-11-24T10:00:00"}, "invalid_input", "started_at"),
        ({"direction": "sideways"}, "invalid_input", "direction"),
    ],
)
async def test_a_call_makes_sense(world: World, change: Mapping[str, Any], code: str, field: str) -> None:
    answered = await world.post(LI, "calls", {**CALL, **change})
    assert codes(answered) == (422, code)
    assert fields(answered) == [field]


async def test_a_call_is_corrected_by_whose_it_is(world: World) -> None:
    call = await world.made(LI, "calls", CALL)
    path = f"calls/{call['id']}"
    assert codes(await world.patch(LI, path, {"seconds": 60})) == (428, "if_match_required")
    assert codes(await world.patch(WANG, path, {"seconds": 60}, 1)) == (403, "not_your_form")
    changed = (await world.patch(LI, path, {"seconds": 60, "customer": None}, 1)).json()
    assert (changed["seconds"], changed["customer"], changed["customer_name"], changed["version"]) == (
        60,
        None,
        None,
        2,
    )
    assert (await world.patch(LI, path, {"seconds": 60}, 2)).json()["version"] == 2
    assert codes(await world.patch(LI, path, {"seconds": 61}, 1)) == (412, "stale")
    assert fields(await world.patch(LI, path, {"seconds": None}, 2)) == ["seconds"]
    clerk = await world.patch(CHEN, path, {"result": "busy", "on_behalf_of": "li"}, 2)
    assert clerk.json()["result"] == "busy"


async def test_everybody_sees_the_calls_of_their_own_scope(world: World) -> None:
    li = await world.made(LI, "calls", CALL)
    bob = await world.made(BOB, "calls", {"direction": "incoming", "started_at": CALL["started_at"], "seconds": 1})
    seen = {LI: [li], ZHAO: [], WANG: [li], CHEN: [li], HE: [li], BOB: [bob], ANN: [bob], NOBODY: []}
    for who, calls in seen.items():
        assert (await world.read(who, "calls"))["items"] == calls
        for call in (li, bob):
            assert (await world.get(who, f"calls/{call['id']}")).status_code == (200 if call in calls else 404)
            if call not in calls:
                assert (await world.patch(who, f"calls/{call['id']}", {"seconds": 1}, 1)).status_code == 404
    assert codes(await world.get(BOSS, "calls")) == (403, "results_only")
    assert len((await world.read(ADMIN, "calls", direction="incoming"))["items"]) == 1
    assert len((await world.read(ADMIN, "calls", **{"from": "2026-11-24"}))["items"]) == 1
    assert len((await world.read(ADMIN, "calls", customer="acme", sort="-started_at"))["items"]) == 1


async def test_what_it_says_on_the_bus_is_what_its_readers_expect(world: World) -> None:
    call = await world.made(LI, "calls", {**CALL, "external_id": "pbx-1"})
    assert (await world.patch(LI, f"calls/{call['id']}", {"seconds": 60}, 1)).status_code == 200
    for event in await world.events("calls", call["id"]):
        held_to_sample(event)
