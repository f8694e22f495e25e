"""Leave and trips over HTTP: applied for, decided by the reporting line, cancelled, back; and trips that last long."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chassis.ids import new_id
from contracts.visits import Absence, AbsenceKind, AbsenceStatus
from tests.contracts.sampling import held_to_sample
from tests.doors import caller
from tests.visits.forms import an_absence, policy
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
    TOP,
    WANG,
    ZHAO,
    World,
    an_id,
    codes,
    fields,
)
from visits.absence import commands, model

TRIP = {"kind": "trip", "first_day": "2026-11-24", "last_day": "2026-11-27", "reason": "fair", "place": "Wuxi"}
LEAVE = {"kind": "leave", "first_day": "2026-11-25", "last_day": "2026-11-26", "reason": "family"}
STEPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "approval": (WANG, {}),
    "refusal": (WANG, {"reason": "the fair needs you"}),
    "cancellation": (LI, {}),
    "return": (LI, {}),
}
STATES: dict[str, tuple[str, ...]] = {
    "applied": (),
    "approved": ("approval",),
    "refused": ("refusal",),
    "cancelled": ("cancellation",),
    "back": ("approval", "return"),
}
KINDS = [*(("trip", state) for state in STATES), *(("leave", state) for state in STATES if state != "back")]
POSSIBLE = {
    ("leave", "applied"): {"approval", "refusal", "cancellation"},
    ("leave", "approved"): {"cancellation"},
    ("trip", "applied"): {"approval", "refusal", "cancellation"},
    ("trip", "approved"): {"cancellation", "return"},
}


async def in_state(world: World, kind: str, state: str) -> dict[str, Any]:
    absence = await world.made(LI, "absences", TRIP if kind == "trip" else LEAVE)
    for step in STATES[state]:
        who, body = STEPS[step]
        absence = await world.made(who, f"absences/{absence['id']}/{step}", body)
    return absence


@pytest.mark.parametrize(("kind", "state"), KINDS)
@pytest.mark.parametrize("step", STEPS)
async def test_each_state_of_an_absence_takes_its_steps_and_no_other(
    world: World, kind: str, state: str, step: str
) -> None:
    absence = await in_state(world, kind, state)
    who, body = STEPS[step]
    answered = await world.post(who, f"absences/{absence['id']}/{step}", body)
    after = await world.read(ADMIN, f"absences/{absence['id']}")
    allowed = POSSIBLE.get((kind, state), set())
    if step in allowed:
        assert answered.status_code == 200, answered.text
        assert after["version"] == absence["version"] + 1
    else:
        assert codes(answered) == (409, "wrong_state")
        assert set(answered.json()["possible"]) == allowed
        assert after == absence


async def test_an_absence_says_whose_it_is_from_when_to_when_and_who_decided(world: World) -> None:
    absence = await world.made(LI, "absences", {**TRIP, "deputy": "zhao"})
    assert {name: absence[name] for name in ("owner", "office", "region", "business_date", "last_day", "deputy")} == {
        "owner": "li",
        "office": "sha",
        "region": "east",
        "business_date": "2026-11-24",
        "last_day": "2026-11-27",
        "deputy": "zhao",
    }
    refused = await world.made(WANG, f"absences/{absence['id']}/refusal", {"reason": "not now"})
    assert (refused["decision"]["by"], refused["decision"]["reason"]) == ("wang", "not now")
    # Refused days are free again.
    again = await world.made(LI, "absences", TRIP)
    back = await world.made(WANG, f"absences/{again['id']}/approval")
    back = await world.made(LI, f"absences/{again['id']}/return")
    assert back["returned_on"] == "2026-11-24"
    await world.made(LI, "absences", LEAVE)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({**LEAVE, "last_day": "2026-11-24"}, "ends_before_it_begins", "last_day"),
        ({**LEAVE, "last_day": "2028-01-01"}, "too_long", "last_day"),
        ({**TRIP, "place": None}, "place_needed", "place"),
        ({**LEAVE, "deputy": "li"}, "own_deputy", "deputy"),
        ({**LEAVE, "deputy": "nemo"}, "unknown_person", "deputy"),
        ({**LEAVE, "first_day": "2026-11-17"}, "too_far_back", "first_day"),
        ({**LEAVE, "kind": "sabbatical"}, "invalid_input", "kind"),
        ({**LEAVE, "reason": " "}, "invalid_input", "reason"),
    ],
)
async def test_what_is_no_absence_is_refused(world: World, body: dict[str, Any], code: str, field: str) -> None:
    answered = await world.post(LI, "absences", body)
    assert codes(answered) == (422, code)
    assert fields(answered)[0].removeprefix("body.") == field
    assert (await world.read(LI, "absences"))["items"] == []


async def test_two_absences_of_a_person_hold_no_day_together(world: World) -> None:
    first = await an_absence(world)
    answered = await world.post(LI, "absences", {**TRIP, "last_day": "2026-11-25"})
    assert (codes(answered), answered.json()["absence"]) == ((409, "absence_overlaps"), first["id"])
    await an_absence(world, ZHAO)
    await world.made(LI, f"absences/{first['id']}/cancellation")
    await world.made(LI, "absences", {**TRIP, "last_day": "2026-11-25"})
    body = {**LEAVE, "id": new_id(), "first_day": "2026-11-30", "last_day": "2026-11-30"}
    assert (await world.made(LI, "absences", body)) == (await world.made(LI, "absences", body))


async def test_an_absence_is_decided_by_the_reporting_line_and_never_by_oneself(world: World) -> None:
    mine, heads = await an_absence(world), await an_absence(world, WANG)
    refusals = {
        (LI, mine["id"]): (403, "own_form"),
        (WANG, heads["id"]): (403, "own_form"),
        (CHEN, mine["id"]): (403, "outside_reporting_line"),
        (ADMIN, mine["id"]): (403, "person_needed"),
        (ZHAO, mine["id"]): (404, "not_found"),
        (ANN, mine["id"]): (404, "not_found"),
        (NOBODY, mine["id"]): (404, "not_found"),
        (BOSS, mine["id"]): (403, "results_only"),
    }
    for step, (_, body) in list(STEPS.items())[:2]:
        for (who, absence), refusal in refusals.items():
            assert codes(await world.post(who, f"absences/{absence}/{step}", body)) == refusal
    for who, step in ((WANG, "cancellation"), (HE, "return")):
        assert codes(await world.post(who, f"absences/{mine['id']}/{step}")) == (403, "not_your_form")
    assert (await world.read(LI, f"absences/{mine['id']}"))["version"] == 1
    assert (await world.made(HE, f"absences/{heads['id']}/approval"))["status"] == "approved"
    assert (await world.made(TOP, f"absences/{mine['id']}/approval"))["decision"]["by"] == "top"


async def test_a_clerk_applies_for_somebody_and_an_import_brings_in_who_decided(world: World) -> None:
    assert (await world.made(CHEN, "absences", {**LEAVE, "on_behalf_of": "li"}))["owner"] == "li"
    old = {**LEAVE, "first_day": "2026-03-02", "last_day": "2026-03-03", "import_source": "old.csv:7"}
    then = "2026-03-01T01:00:00Z"
    absence = await world.made(IMPORTER, "absences", {**old, "on_behalf_of": "li", "occurred_at": then})
    said = {"on_behalf_of": "wang", "import_source": "old.csv:7", "occurred_at": then}
    approved = await world.made(IMPORTER, f"absences/{absence['id']}/approval", said)
    assert (approved["status"], approved["decision"]["by"], approved["decision"]["at"]) == ("approved", "wang", then)
    other = await world.made(IMPORTER, "absences", {**old, "on_behalf_of": "zhao", "occurred_at": then})
    wrong = await world.post(IMPORTER, f"absences/{other['id']}/approval", {**said, "on_behalf_of": "bob"})
    assert codes(wrong) == (403, "outside_reporting_line")


async def test_absences_are_seen_within_the_callers_scope(world: World) -> None:
    await an_absence(world)
    await an_absence(world, BOB, "2026-11-30", "2026-12-04")

    async def seen(who: Any, **query: Any) -> set[str]:
        return {absence["owner"] for absence in (await world.read(who, "absences", **query))["items"]}

    assert await seen(LI) == await seen(WANG) == await seen(HE) == await seen(CHEN) == {"li"}
    assert await seen(ANN) == {"bob"}
    assert await seen(TOP) == {"li", "bob"}
    assert await seen(ZHAO) == await seen(NOBODY) == await seen(LI, owner="bob") == set()
    # Who is away on one of those days.
    assert await seen(TOP, **{"from": "2026-11-26", "to": "2026-11-29"}) == {"li"}
    assert await seen(TOP, **{"from": "2026-12-02", "to": "2026-12-02"}) == {"bob"}
    assert await seen(TOP, **{"from": "2026-12-05"}) == set()
    assert await seen(TOP, kind="trip") == await seen(TOP, status="approved") == set()
    assert codes(await world.get(BOSS, "absences")) == (403, "results_only")


async def test_a_long_trip_is_told_once(world: World) -> None:
    await policy(world, long_away_days=3)
    trip = await world.made(LI, "absences", TRIP)
    await world.made(WANG, f"absences/{trip['id']}/approval")
    unapproved = await world.made(ZHAO, "absences", TRIP)
    leave = await an_absence(world, WANG, "2026-11-24", "2026-12-24", by=HE)
    for day, alerted in ((24, None), (26, None), (27, "2026-11-27"), (30, "2026-11-27")):
        world.time.set(datetime(2026, 11, day, 2, tzinfo=UTC))
        await commands.watch_trips(world.repositories)
        assert (await world.read(LI, f"absences/{trip['id']}"))["long_away_alerted"] == alerted
    assert (await world.types("absences", trip["id"])).count("long_away") == 1
    for other in (unapproved, leave):
        assert (await world.read(TOP, f"absences/{other['id']}"))["long_away_alerted"] is None


async def test_the_days_of_a_trip_are_counted_by_the_offices_own_calendar_until_its_return(world: World) -> None:
    for where in ("sha", "nyc"):
        await policy(world, where, long_away_days=3)
    trips = {}
    for who, head in ((LI, WANG), (BOB, ANN)):
        trips[who.person] = await an_absence(world, who, "2026-11-24", "2026-11-25", by=head, kind="trip", place="Wuxi")
    back = await an_absence(world, ZHAO, "2026-11-24", "2026-11-30", by=WANG, kind="trip", place="Wuxi")
    world.time.set(datetime(2026, 11, 25, 2, tzinfo=UTC))
    await world.made(ZHAO, f"absences/{back['id']}/return")
    # Friday morning in Shanghai, Thursday evening in New York; neither has said that they are back.
    world.time.set(datetime(2026, 11, 27, 1, tzinfo=UTC))
    await commands.watch_trips(world.repositories)
    told = {who: (await world.read(TOP, f"absences/{trip['id']}"))["long_away_alerted"] for who, trip in trips.items()}
    assert told == {"li": "2026-11-27", "bob": None}
    assert (await world.read(TOP, f"absences/{back['id']}"))["long_away_alerted"] is None


def test_a_trip_becomes_long_on_the_day_after_the_allowed_ones() -> None:
    trip = Absence(
        id="t", owner="li", office="sha", region="east", business_date=date(2024, 2, 28), last_day=date(2024, 3, 9),
        kind=AbsenceKind.TRIP, status=AbsenceStatus.APPROVED, reason="x",
    )  # fmt: skip
    at = datetime(2024, 3, 1, tzinfo=UTC)
    # 28 and 29 February and 1 March are three days in a leap year.
    assert model.long_away(trip, date(2024, 3, 1), 3, at) == (trip, None)
    assert model.long_away(trip, date(2024, 3, 1), 2, at)[0].long_away_alerted == date(2024, 3, 1)


async def test_what_an_absence_says_on_the_bus(world: World) -> None:
    await policy(world, long_away_days=1)
    trip = await world.made(LI, "absences", {**TRIP, "id": an_id("trip")})
    await world.made(WANG, f"absences/{trip['id']}/approval")
    world.time.move(timedelta(days=1))
    await commands.watch_trips(world.repositories)
    await world.made(LI, f"absences/{trip['id']}/return")
    for name, step in (("refused", "refusal"), ("cancelled", "cancellation")):
        leave = {**LEAVE, "id": an_id(name), "first_day": "2026-12-01", "last_day": "2026-12-01"}
        await world.made(LI, "absences", leave)
        who, body = STEPS[step]
        await world.made(who, f"absences/{an_id(name)}/{step}", body)
        held_to_sample((await world.events("absences", an_id(name)))[-1])
    for event in await world.events("absences", trip["id"]):
        held_to_sample(event)
    held_to_sample(await world.repositories.absences.restatement(trip["id"]))


async def test_an_importer_does_not_become_a_deputy_by_their_own_import(world: World) -> None:
    zhao_imports = caller("salesperson", "zhao", office="sha", region="east", rights=["import"])
    body = {**TRIP, "on_behalf_of": "wang", "import_source": "hr:1"}
    refused = await world.post(zhao_imports, "absences", {**body, "deputy": "zhao"})
    assert codes(refused) == (403, "administrator_needed")
    assert (await world.post(zhao_imports, "absences", {**body, "deputy": "li"})).status_code == 201
