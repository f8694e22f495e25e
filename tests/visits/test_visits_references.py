"""A form names only what there is and what is the person's own; numbers lie within their bounds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.visits.forms import a_report
from tests.visits.plans import a_plan, stop
from tests.visits.world import CHEN, IMPORTER, LI, SHANGHAI, TUESDAY, WANG, ZHAO, World, an_id, codes, fields, local

CALL: dict[str, Any] = {"direction": "incoming", "seconds": 5, "started_at": local(SHANGHAI, TUESDAY, "07:30")}
SITUATION: dict[str, Any] = {"kind": "competitor", "severity": "serious", "text": "a price war"}


def naming(customer: str) -> dict[str, tuple[dict[str, Any], str]]:
    """Bodies that name a customer, and the field in which they do."""
    return {
        "visit-plans": ({"business_date": "2026-11-24", "stops": [stop(customer=customer)]}, "stops.0.customer"),
        "visits": ({"customer": customer, "purposes": ["order"]}, "customer"),
        "calls": ({**CALL, "customer": customer}, "customer"),
        "market-reports": ({**SITUATION, "customer": customer}, "customer"),
    }


@pytest.mark.parametrize("path", naming(""))
@pytest.mark.parametrize("customer", ["nope", "zeta", "coast"])
@pytest.mark.parametrize(("who", "whose"), [(LI, {}), (CHEN, {"on_behalf_of": "li"})])
async def test_a_customer_that_is_not_the_persons_is_refused(
    world: World, path: str, customer: str, who: Any, whose: dict[str, str]
) -> None:
    body, field = naming(customer)[path]
    answered = await world.post(who, path, {**body, **whose})
    assert (codes(answered), fields(answered)) == ((422, "unknown_customer"), [field])
    body, _ = naming("acme")[path]
    assert (await world.post(who, path, {**body, **whose})).status_code == 201


@pytest.mark.parametrize("section", ["complaints", "opinions", "news"])
async def test_a_report_names_the_persons_own_customers(world: World, section: str) -> None:
    report = await a_report(world, typed={})
    more = {"severity": "serious"} if section == "complaints" else {}
    for who, whose in ((LI, {}), (CHEN, {"on_behalf_of": "li"})):
        body = {section: [{"customer": "zeta", "text": "x", **more}], **whose}
        answered = await world.patch(who, f"daily-reports/{report['id']}", body, report["version"])
        assert (codes(answered), fields(answered)) == ((422, "unknown_customer"), [f"{section}.0.customer"])


async def test_an_office_head_may_name_every_customer_of_the_office_and_no_other(world: World) -> None:
    for customer, status in (("zeta", 201), ("acme", 201), ("coast", 422)):
        answered = await world.post(WANG, "visits", {"customer": customer, "purposes": ["order"]})
        assert answered.status_code == status


async def test_an_import_may_name_any_customer_that_there_is(world: World) -> None:
    whose = {"on_behalf_of": "li", "import_source": "paper", "occurred_at": local(SHANGHAI, TUESDAY, "07:00")}
    for customer, status in (("zeta", 201), ("nope", 422)):
        answered = await world.post(IMPORTER, "visits", {"customer": customer, "purposes": ["order"], **whose})
        assert answered.status_code == status


async def test_a_plan_is_changed_and_a_call_corrected_to_own_customers_only(world: World) -> None:
    plan = await a_plan(world)
    answered = await world.patch(LI, f"visit-plans/{plan['id']}", {"stops": [stop("x", "zeta")]}, plan["version"])
    assert codes(answered) == (422, "unknown_customer")
    call = await world.made(LI, "calls", CALL)
    answered = await world.patch(LI, f"calls/{call['id']}", {"customer": "zeta"}, call["version"])
    assert codes(answered) == (422, "unknown_customer")


async def test_other_references_are_looked_up(world: World) -> None:
    theirs = await world.made(ZHAO, "visits", {"customer": "zeta", "purposes": ["order"], "check_in": {}})
    mine = await world.made(LI, "visits", {"customer": "acme", "purposes": ["order"], "check_in": {}})
    report = await a_report(world, typed={})
    line = {"competitor": "Bolt", "text": "x"}
    for visit in ("nope", theirs["id"]):
        assert codes(await world.post(LI, "market-reports", {**SITUATION, "visit": visit})) == (422, "unknown_visit")
        for body in (
            {"market": [{**line, "visit": visit}]},
            {"talks": [{"visit": visit, "comment": "x"}]},
            {"complaints": [{"customer": "acme", "severity": "serious", "text": "x", "visit": visit}]},
        ):
            answered = await world.patch(LI, f"daily-reports/{report['id']}", body, report["version"])
            assert codes(answered) == (422, "unknown_visit"), body
    path = f"visits/{mine['id']}/completion"
    done = {"contact_met": "nope", "results": [{"purpose": "order", "outcome": "achieved"}]}
    assert codes(await world.post(LI, path, done)) == (422, "unknown_contact")
    assert codes(await world.post(WANG, "tasks", {"assignee": "nope", "text": "x"})) == (422, "unknown_person")
    meeting = {"kind": "morning", "participants": ["nope"]}
    assert codes(await world.post(WANG, "meetings", meeting)) == (422, "unknown_person")
    meeting = {"kind": "morning", "participants": ["bob"]}
    assert codes(await world.post(WANG, "meetings", meeting)) == (422, "not_in_your_reach")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ('{"latitude": 31.2, "longitude": 121.4, "accuracy_m": 1e999}', "accuracy_m"),
        ('{"latitude": 31.2, "longitude": 121.4, "accuracy_m": 3e7}', "accuracy_m"),
        ('{"latitude": 31.2, "longitude": 121.4, "accuracy_m": -1}', "accuracy_m"),
        ('{"latitude": 1e999, "longitude": 121.4}', "latitude"),
        ('{"latitude": 31.2, "longitude": -1e999}', "longitude"),
        ('{"latitude": 91, "longitude": 121.4}', "latitude"),
    ],
)
async def test_a_position_is_a_place_on_earth(world: World, raw: str, field: str) -> None:
    visit = await world.made(LI, "visits", {"customer": "acme", "purposes": ["order"]})
    headers = {**world.door.as_(LI), "Content-Type": "application/json"}
    path = f"/api/v1/visits/{visit['id']}/check-in"
    answered = await world.door.post(path, content=f'{{"position": {raw}}}', headers=headers)
    # What is no finite number at all is refused with the whole body.
    assert answered.status_code == 422
    assert fields(answered) in ([f"position.{field}"], ["body"])
    assert (await world.read(LI, f"visits/{visit['id']}"))["check_in"] is None


async def test_a_visit_has_a_bounded_number_of_costs_and_is_moved_within_a_year(world: World) -> None:
    visit = await world.made(LI, "visits", {"customer": "acme", "purposes": ["order"]})
    path = f"visits/{visit['id']}"
    far = await world.post(LI, f"{path}/move", {"to": "2028-01-01", "reason": "x"})
    assert (codes(far), fields(far)) == ((422, "moved_too_far"), ["to"])
    for n in range(50):
        cost = {"id": an_id(f"cost {n}"), "type": "meal", "amount": {"minor": 1, "currency": "CNY"}}
        await world.made(LI, f"{path}/cost", cost)
    more = await world.post(LI, f"{path}/cost", {"type": "meal", "amount": {"minor": 1, "currency": "CNY"}})
    assert codes(more) == (422, "too_many_costs")
