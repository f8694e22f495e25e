"""A visit over HTTP: from its plan or without one, to what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contracts.visits import Position, Verdict
from tests.contracts.sampling import held_to_sample
from tests.visits.plans import AREA, FIRST, SECOND, WEDNESDAY, a_plan, stop
from tests.visits.world import (
    ACME_IS_AT,
    ADMIN,
    AMY,
    ANN,
    BOB,
    BOSS,
    CHEN,
    EVERYBODY,
    HE,
    IMPORTER,
    LI,
    NEW_YORK,
    NOBODY,
    SHANGHAI,
    TOP,
    TUESDAY,
    WANG,
    ZHAO,
    World,
    an_id,
    codes,
    fields,
    gathered,
    local,
)
from visits.visit import model, reactions

VISIT = an_id("first")
HERE = {"latitude": ACME_IS_AT[0], "longitude": ACME_IS_AT[1]}
RESULTS = [{"purpose": "order", "outcome": "achieved", "note": "two pumps"}]
COMPLETION: Mapping[str, Any] = {"contact_met": "xu", "results": RESULTS}
STEPS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "check-in": (LI, {}),
    "check-out": (LI, {}),
    "completion": (LI, COMPLETION),
    "not-met": (LI, {"reason": "closed"}),
    "cancellation": (LI, {"reason": "snow"}),
    "move": (LI, {"to": "2026-11-26", "reason": "snow"}),
    "cost": (LI, {"type": "transport", "amount": {"minor": 1_200, "currency": "CNY"}}),
    "evaluation": (WANG, {"grade": 4}),
    "correction": (LI, {"reason": "the door was shut"}),
}
WAY: Mapping[str, tuple[str, ...]] = {
    "planned": (),
    "checked_in": ("check-in",),
    "completed": ("check-in", "completion"),
    "not_met": ("check-in", "not-met"),
    "cancelled": ("cancellation",),
    "moved": ("move",),
}
STATES = (*WAY, "missed", "withdrawn")


async def planned(world: World, **more: Any) -> None:
    await a_plan(world, until="signed", id=an_id("plan"), **more)
    await world.bus()


async def in_state(world: World, state: str) -> dict[str, Any]:
    await planned(world)
    if state == "missed":
        world.time.move(timedelta(hours=16))
        await reactions.mark_missed(world.repositories)
    elif state == "withdrawn":
        plan = (await world.read(LI, "visit-plans"))["items"][0]
        path = f"visit-plans/{plan['id']}"
        await world.made(LI, f"{path}/amendment", {"reason": "x"})
        assert (await world.patch(LI, path, {"stops": [SECOND]}, plan["version"] + 1)).status_code == 200
        await world.made(LI, f"{path}/submission")
        await world.bus()
    else:
        for step in WAY[state]:
            await world.made(STEPS[step][0], f"visits/{VISIT}/{step}", STEPS[step][1])
    visit = await world.read(LI, f"visits/{VISIT}")
    assert visit["status"] == state
    return visit


@pytest.mark.parametrize("state", STATES)
async def test_each_state_takes_its_steps_and_no_other(world: World, state: str) -> None:
    for step, (by, body) in STEPS.items():
        await world.begin_again()
        world.time.set(datetime(2026, 11, 24, 0, 0, tzinfo=UTC))
        visit = await in_state(world, state)
        said = dict(body)
        if state == "missed" and step != "correction":
            said["occurred_at"] = local(SHANGHAI, TUESDAY, "10:00")  # it happened on the day, and comes late
        if step == "correction" and state == "completed":
            said = {"contact_name": "Mr Gu"}
        answered = await world.post(by, f"visits/{VISIT}/{step}", said)
        after = await world.read(LI, f"visits/{VISIT}")
        if state in model.ALLOWED[step.replace("-", "_")]:
            assert answered.status_code == 200, (state, step, answered.text)
            assert after["version"] == visit["version"] + 1
        else:
            assert codes(answered) == (409, "wrong_state"), (state, step, answered.text)
            assert answered.json()["state"] == state
            assert after == visit


async def test_a_visit_comes_of_each_stop_with_the_stops_id(world: World) -> None:
    plan = await a_plan(world, stops=[FIRST, AREA])
    await world.bus()
    assert (await world.read(LI, "visits"))["items"] == []
    await world.made(LI, f"visit-plans/{plan['id']}/submission")
    await world.bus()
    first, area = (await world.read(LI, "visits", sort="business_date"))["items"]
    if first["id"] != VISIT:
        first, area = area, first
    assert (first["status"], first["planned"], first["plan"], first["committed"]) == (
        "planned",
        True,
        plan["id"],
        False,
    )
    assert (first["customer"], first["customer_name"], first["purposes"]) == ("acme", "Acme", ["order"])
    assert (first["owner"], first["office"], first["region"], first["business_date"]) == (
        "li",
        "sha",
        "east",
        "2026-11-24",
    )
    assert (area["area"], area["customer"], area["starts"]) == ("Pudong", None, "14:00")


async def test_a_whole_visit(world: World) -> None:
    await planned(world)
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, "09:35")))
    visit = await world.made(LI, f"visits/{VISIT}/check-in", {"position": HERE})
    assert (visit["check_in"]["verdict"], visit["check_in"]["distance_m"], visit["check_in"]["declared"]) == (
        "verified",
        0,
        False,
    )
    world.time.move(timedelta(minutes=40))
    body = {**COMPLETION, "next_step": {"text": "send the offer", "due": "2026-12-01"}, "position": HERE}
    visit = await world.made(LI, f"visits/{VISIT}/completion", body)
    assert (visit["status"], visit["contact_met"], visit["contact_name"]) == ("completed", "xu", "Ms Xu")
    assert visit["check_out"]["at"] == "2026-11-24T02:15:00Z"
    assert visit["results"][0]["outcome"] == "achieved"
    assert visit["next_step"] == {"text": "send the offer", "due": "2026-12-01"}


async def test_a_check_out_may_come_by_itself_and_the_result_later(world: World) -> None:
    await planned(world)
    world.time.move(timedelta(hours=2))
    await world.made(LI, f"visits/{VISIT}/check-in")
    world.time.move(timedelta(minutes=30))
    visit = await world.made(LI, f"visits/{VISIT}/check-out", {"position": HERE})
    assert (visit["status"], visit["check_out"]["at"]) == ("checked_in", "2026-11-24T02:30:00Z")
    assert codes(await world.post(LI, f"visits/{VISIT}/check-out")) == (409, "wrong_state")
    world.time.move(timedelta(hours=3))
    visit = await world.made(LI, f"visits/{VISIT}/completion", COMPLETION)
    assert (visit["status"], visit["check_out"]["at"]) == ("completed", "2026-11-24T02:30:00Z")
    assert visit["check_out"]["verdict"] == "verified"


async def test_a_check_out_with_results_completes_in_one_go(world: World) -> None:
    await planned(world)
    await world.made(LI, f"visits/{VISIT}/check-in")
    assert (await world.made(LI, f"visits/{VISIT}/check-out", COMPLETION))["status"] == "completed"


@pytest.mark.parametrize("step", ["check-out", "completion", "not-met"])
async def test_nobody_leaves_before_they_have_come(world: World, step: str) -> None:
    await planned(world)
    body = STEPS[step][1]
    before = await world.read(LI, f"visits/{VISIT}")
    assert codes(await world.post(LI, f"visits/{VISIT}/{step}", body)) == (409, "wrong_state")
    assert await world.read(LI, f"visits/{VISIT}") == before
    world.time.move(timedelta(hours=2))
    came = await world.made(LI, f"visits/{VISIT}/check-in", {"occurred_at": local(SHANGHAI, TUESDAY, "09:30")})
    early = {**body, "occurred_at": local(SHANGHAI, TUESDAY, "09:29")}
    answered = await world.post(LI, f"visits/{VISIT}/{step}", early)
    assert codes(answered) == (422, "before_prior_step")
    assert fields(answered) == ["occurred_at"]
    assert await world.read(LI, f"visits/{VISIT}") == came


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"results": RESULTS}, "contact_needed", "contact_name"),
        ({"contact_met": "nobody", "results": RESULTS}, "unknown_contact", "contact_met"),
        ({"contact_name": "Xu", "results": []}, "purpose_unanswered", "results"),
        ({"contact_name": "Xu"}, "invalid_input", "results"),
        (
            {"contact_name": "Xu", "results": [{"purpose": "service", "outcome": "achieved"}]},
            "purpose_unanswered",
            "results",
        ),
        ({"contact_name": "Xu", "results": RESULTS * 2}, "purpose_twice", "results"),
        ({"contact_name": "Xu", "results": [{"purpose": "order"}]}, "invalid_input", "results.0.outcome"),
        (
            {"contact_name": "Xu", "results": [{**RESULTS[0], "amount": {"minor": 0, "currency": "CNY"}}]},
            "invalid_input",
            "results.0.amount",
        ),
    ],
)
async def test_a_visit_is_not_completed_with_a_purpose_unanswered(
    world: World, body: Mapping[str, Any], code: str, field: str
) -> None:
    await planned(world)
    came = await world.made(LI, f"visits/{VISIT}/check-in")
    answered = await world.post(LI, f"visits/{VISIT}/completion", body)
    assert codes(answered) == (422, code)
    assert fields(answered) == [field]
    assert await world.read(LI, f"visits/{VISIT}") == came


async def test_a_result_may_answer_more_than_was_planned(world: World) -> None:
    await planned(world)
    await world.made(LI, f"visits/{VISIT}/check-in")
    collected = {"purpose": "collection", "outcome": "progress", "amount": {"minor": 5_000, "currency": "CNY"}}
    visit = await world.made(LI, f"visits/{VISIT}/completion", {"contact_name": "Xu", "results": [*RESULTS, collected]})
    assert [one["purpose"] for one in visit["results"]] == ["order", "collection"]
    assert (visit["contact_met"], visit["contact_name"]) == (None, "Xu")


@pytest.mark.parametrize(
    ("position", "radius", "said"),
    [
        ((31.2304, 121.4737), 10, (Verdict.VERIFIED, 0)),
        ((31.2349, 121.4737), 501, (Verdict.VERIFIED, 500)),
        ((31.2349, 121.4737), 500, (Verdict.INVALID, 500)),
        ((-31.2304, -58.5263), 100_000, (Verdict.INVALID, 20_015_087)),
        (None, 500, (Verdict.UNVERIFIED, None)),
    ],
)
def test_the_verdict_goes_by_the_distance(position: Any, radius: int, said: Any) -> None:
    where = Position(latitude=position[0], longitude=position[1]) if position else None
    assert model.verdict(where, [(0.0, 0.0), ACME_IS_AT], radius) == said or position == (-31.2304, -58.5263)
    assert model.verdict(where, [ACME_IS_AT], radius) == said
    assert model.verdict(where, [], radius) == (Verdict.UNVERIFIED, None)


async def test_a_verdict_blocks_nothing_even_where_a_position_is_required(world: World) -> None:
    rules = {"position_required": True, "radius_m": 100}
    assert (await world.patch(ADMIN, "visit-policies/sha", rules, 0)).status_code == 200
    await planned(world)
    far = {"latitude": 31.24, "longitude": 121.4737}
    visit = await world.made(LI, f"visits/{VISIT}/check-in", {"position": far})
    assert visit["position_required"] is True
    assert (visit["check_in"]["verdict"], visit["check_in"]["distance_m"]) == ("invalid", 1067)
    plain = await world.made(LI, f"visits/{an_id('second')}/check-in", {"position": HERE})
    assert (plain["check_in"]["verdict"], plain["check_in"]["distance_m"]) == ("unverified", None)
    assert (await world.made(LI, f"visits/{VISIT}/completion", COMPLETION))["check_out"]["verdict"] == "unverified"


async def test_what_is_entered_afterwards_is_declared(world: World) -> None:
    await planned(world)
    world.time.move(timedelta(hours=5))
    late = {"occurred_at": local(SHANGHAI, TUESDAY, "09:30")}
    assert (await world.made(LI, f"visits/{VISIT}/check-in", late))["check_in"]["declared"] is True
    second = f"visits/{an_id('second')}/check-in"
    assert (await world.made(CHEN, second, {"on_behalf_of": "li"}))["check_in"]["declared"] is True


@pytest.mark.parametrize(
    ("who", "signer", "customer_id", "zone", "day"),
    [
        (LI, WANG, "acme", SHANGHAI, date(2028, 2, 29)),
        (BOB, ANN, "coast", NEW_YORK, date(2028, 2, 29)),
        (BOB, ANN, "coast", NEW_YORK, date(2026, 3, 8)),  # the clocks go forward
    ],
)
async def test_a_check_in_near_midnight_belongs_to_the_day_of_its_office(
    world: World, who: Any, signer: Any, customer_id: str, zone: Any, day: date
) -> None:
    world.time.set(datetime.fromisoformat(local(zone, day, "00:00")) - timedelta(hours=2))
    stops = [
        stop("early", customer_id),
        stop("late", customer_id, "23:00", "23:59"),
        stop("never", customer_id, "12:00", "13:00"),
    ]
    await a_plan(world, who, day, stops, until="signed", signer=signer)
    await world.bus()
    world.time.set(datetime.fromisoformat(local(zone, day, "23:59")) + timedelta(minutes=10))

    async def arrives(name: str, at: datetime) -> Any:
        return await world.post(who, f"visits/{an_id(name)}/check-in", {"occurred_at": at.isoformat()})

    begins = datetime.fromisoformat(local(zone, day, "00:00"))
    ends = datetime.fromisoformat(local(zone, day + timedelta(days=1), "00:00"))
    before = await arrives("early", begins.astimezone(UTC) - timedelta(seconds=1))
    assert codes(before) == (422, "another_day")
    assert (await arrives("early", begins)).status_code == 200
    assert codes(await arrives("late", ends)) == (422, "another_day")
    assert (await arrives("late", ends.astimezone(UTC) - timedelta(seconds=1))).status_code == 200
    await reactions.mark_missed(world.repositories)
    found = {visit["id"]: visit["status"] for visit in (await world.read(who, "visits"))["items"]}
    assert found == {an_id("early"): "checked_in", an_id("late"): "checked_in", an_id("never"): "missed"}


async def test_only_planned_visits_of_a_day_that_is_over_are_missed(world: World) -> None:
    await planned(world)
    await a_plan(world, BOB, TUESDAY, [stop("coast", "coast")], until="submitted")
    loose = await world.made(LI, "visits", {"customer": "acme", "purposes": ["service"]})
    await world.bus()
    await world.made(LI, f"visits/{VISIT}/check-in")

    async def statuses() -> dict[str, str]:
        await gathered(reactions.mark_missed(world.repositories), reactions.mark_missed(world.repositories))
        return {visit["id"]: visit["status"] for visit in (await world.read(ADMIN, "visits"))["items"]}

    second, coast = an_id("second"), an_id("coast")
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, "23:59")))
    assert (await statuses())[second] == "planned"
    world.time.move(timedelta(minutes=1))
    assert await statuses() == {VISIT: "checked_in", second: "missed", coast: "planned", loose["id"]: "withdrawn"}
    world.time.set(datetime.fromisoformat(local(NEW_YORK, WEDNESDAY, "00:00")))
    assert (await statuses())[coast] == "missed"
    assert await world.types("visits", second) == ["planned", "missed"]
    late = {"occurred_at": local(SHANGHAI, TUESDAY, "11:05")}
    assert (await world.made(LI, f"visits/{second}/check-in", late))["status"] == "checked_in"
    over = await world.post(BOB, f"visits/{coast}/cancellation", {"reason": "snow"})
    assert codes(over) == (422, "day_is_over")
    assert (await world.made(BOB, f"visits/{coast}/correction", {"reason": "snow"}))["reason"] == "snow"


async def test_a_visit_moves_to_a_later_day(world: World) -> None:
    await planned(world)
    back = await world.post(LI, f"visits/{VISIT}/move", {"to": "2026-11-24", "reason": "x"})
    assert codes(back) == (422, "moved_back")
    visit = await world.made(LI, f"visits/{VISIT}/move", {"to": "2026-11-27", "reason": "asked"})
    assert (visit["status"], visit["moved_to"], visit["reason"]) == ("moved", "2026-11-27", "asked")


async def test_an_unplanned_visit_stands_beside_the_plan(world: World) -> None:
    body = {"customer": "acme", "purposes": ["complaint"], "check_in": {"position": HERE}, "step": "after_sales"}
    visit = await world.made(LI, "visits", body, key="k")
    assert (visit["status"], visit["planned"], visit["plan"]) == ("checked_in", False, None)
    assert (visit["check_in"]["verdict"], visit["step"]) == ("verified", "after_sales")
    assert (await world.post(LI, "visits", body, key="k")).json() == visit
    area = await world.made(LI, "visits", {"area": "Pudong", "purposes": ["market_research"], "id": an_id("area")})
    assert (area["id"], area["status"], area["business_date"]) == (an_id("area"), "planned", "2026-11-24")
    assert codes(await world.post(LI, "visits", {"purposes": ["order"]})) == (422, "visit_without_place")
    assert codes(await world.post(LI, "visits", {"customer": "zeta", "purposes": ["order"]})) == (
        422,
        "unknown_customer",
    )
    twice = {"area": "x", "purposes": ["order", "order"]}
    assert codes(await world.post(LI, "visits", twice)) == (422, "purpose_twice")
    assert codes(await world.post(ADMIN, "visits", {"area": "x", "purposes": ["order"]})) == (403, "person_needed")
    old = {"area": "x", "purposes": ["order"], "occurred_at": local(SHANGHAI, date(2026, 11, 17), "10:00")}
    assert codes(await world.post(LI, "visits", old)) == (422, "too_far_back")
    imported = {**old, "on_behalf_of": "li", "import_source": "row 7"}
    assert (await world.made(IMPORTER, "visits", imported))["business_date"] == "2026-11-17"


async def test_an_unplanned_visit_does_not_take_the_place_of_a_planned_one(world: World) -> None:
    body = {"id": VISIT, "customer": "acme", "purposes": ["order"]}
    plan = await a_plan(world)
    assert codes(await world.post(LI, "visits", body)) == (409, "id_taken")
    # Even if it got there first, the other stops of the plan have their visits.
    await world.made(ZHAO, "visits", {**body, "id": an_id("own"), "customer": "zeta"})
    document = await world.database["visits"].find_one({"_id": an_id("own")})
    await world.database["visits"].insert_one({**document, "_id": VISIT, "outbox": []})
    await world.made(LI, f"visit-plans/{plan['id']}/submission")
    await world.bus()
    assert [visit["id"] for visit in (await world.read(LI, "visits"))["items"]] == [an_id("second")]


async def test_what_is_too_old_changes_no_more(world: World) -> None:
    await planned(world)
    world.time.move(timedelta(days=9))
    answered = await world.post(LI, f"visits/{VISIT}/check-in", {"occurred_at": local(SHANGHAI, TUESDAY, "09:30")})
    assert codes(answered) == (422, "too_far_back")


async def test_a_command_on_a_stop_makes_the_visit_that_is_not_there_yet(world: World) -> None:
    await a_plan(world, day=TUESDAY, until="signed")
    assert (await world.get(LI, f"visits/{VISIT}")).status_code == 404
    first, again = await gathered(*(world.post(LI, f"visits/{VISIT}/check-in", key="k") for _ in range(2)))
    assert (first.status_code, again.status_code) == (200, 200)
    await world.bus()
    visit = await world.read(LI, f"visits/{VISIT}")
    assert (visit["status"], visit["version"], visit["customer"]) == ("checked_in", 2, "acme")
    draft = await a_plan(world, day=WEDNESDAY, stops=[stop("draft")])
    assert (await world.post(LI, f"visits/{an_id('draft')}/check-in")).status_code == 404
    assert draft["in_force"] is None
    assert (await world.post(ZHAO, f"visits/{an_id('second')}/check-in")).status_code == 404


async def test_costs_add_up_and_one_takes_the_place_of_itself(world: World) -> None:
    await planned(world)
    path = f"visits/{VISIT}/cost"
    taxi = {"id": an_id("taxi"), "type": "transport", "amount": {"minor": 4_000, "currency": "CNY"}}
    visit = await world.made(LI, path, taxi)
    assert (await world.made(LI, path, taxi))["version"] == visit["version"]
    other = {**taxi, "amount": {"minor": 4_500, "currency": "CNY"}, "note": "and back"}
    assert codes(await world.post(LI, path, other)) == (428, "if_match_required")
    await world.made(LI, path, other, version=visit["version"])
    meal = {"type": "meal", "amount": {"minor": 100, "currency": "CNY"}}
    await world.made(LI, path, meal, key="meal")
    visit = await world.made(LI, path, meal, key="meal")
    assert [(one["type"], one["amount"]["minor"]) for one in visit["costs"]] == [("transport", 4_500), ("meal", 100)]
    for minor in (0, -1):
        assert (await world.post(LI, path, {**meal, "amount": {"minor": minor, "currency": "CNY"}})).status_code == 422
    assert (await world.post(LI, path, {**meal, "amount": {"minor": 1, "currency": "XQX"}})).status_code == 422


async def test_the_reporting_line_grades_and_nobody_else(world: World) -> None:
    await planned(world)
    await world.made(LI, f"visits/{VISIT}/check-in")
    await world.made(LI, f"visits/{VISIT}/completion", COMPLETION)
    for who in EVERYBODY:
        answered = await world.post(who, f"visits/{VISIT}/evaluation", {"grade": 5, "note": "well done"})
        if who in (WANG, HE, TOP):
            assert answered.status_code == 200
            assert answered.json()["evaluation"]["by"] == who.person
        elif who is LI:
            assert codes(answered) == (403, "own_form")
        else:
            assert answered.status_code in (403, 404, 422), who
    assert (await world.post(WANG, f"visits/{VISIT}/evaluation", {"grade": 6})).status_code == 422


async def test_a_correction_says_what_belongs_to_the_visit(world: World) -> None:
    await planned(world)
    await world.made(LI, f"visits/{VISIT}/check-in")
    visit = await world.made(LI, f"visits/{VISIT}/completion", COMPLETION)
    path = f"visits/{VISIT}/correction"
    assert codes(await world.post(LI, path, {})) == (422, "nothing_said")
    assert codes(await world.post(LI, path, {"reason": "x"})) == (422, "not_of_this_visit")
    assert codes(await world.post(LI, path, {"results": []})) == (422, "purpose_unanswered")
    assert codes(await world.post(LI, path, {"contact_name": None})) == (422, "contact_needed")
    assert (await world.made(LI, path, {"results": RESULTS}))["version"] == visit["version"]
    better = [{"purpose": "order", "outcome": "no_result"}]
    visit = await world.made(LI, path, {"results": better, "contact_name": "Mr Gu", "next_step": {"text": "call"}})
    assert (visit["results"][0]["outcome"], visit["contact_met"], visit["contact_name"]) == ("no_result", None, "Mr Gu")
    assert codes(await world.post(WANG, path, {"contact_name": "x"})) == (403, "not_your_form")


async def test_everybody_sees_and_touches_the_visits_of_their_own_scope(world: World) -> None:
    of = {
        "li": await world.made(LI, "visits", {"customer": "acme", "purposes": ["order"]}),
        "zhao": await world.made(ZHAO, "visits", {"customer": "zeta", "purposes": ["order"]}),
        "bob": await world.made(BOB, "visits", {"customer": "coast", "purposes": ["order"]}),
    }
    seen: Mapping[Any, set[str]] = {
        LI: {"li"},
        ZHAO: {"zhao"},
        WANG: {"li", "zhao"},
        CHEN: {"li", "zhao"},
        HE: {"li", "zhao"},
        AMY: set(),
        ANN: {"bob"},
        TOP: set(of),
        ADMIN: set(of),
        NOBODY: set(),
    }
    for who, whose in seen.items():
        assert {visit["owner"] for visit in (await world.read(who, "visits"))["items"]} == whose
        for owner, visit in of.items():
            path = f"visits/{visit['id']}"
            assert (await world.get(who, path)).status_code == (200 if owner in whose else 404), (who, owner)
            if owner not in whose:
                for step, (_, body) in STEPS.items():
                    assert (await world.post(who, f"{path}/{step}", body)).status_code == 404, (who, owner, step)
            elif who.person != owner and who is not ADMIN:
                for step, (_, body) in STEPS.items():
                    if step != "evaluation":
                        assert codes(await world.post(who, f"{path}/{step}", body)) == (403, "not_your_form")
    assert codes(await world.get(BOSS, "visits")) == (403, "results_only")
    assert codes(await world.get(BOSS, f"visits/{of['li']['id']}")) == (403, "results_only")


async def test_a_list_is_filtered_and_sorted(world: World) -> None:
    await planned(world)
    await world.made(LI, "visits", {"customer": "acme", "purposes": ["order"], "check_in": {}})
    await a_plan(world, ZHAO, WEDNESDAY, [stop("z", "zeta")], until="submitted")
    await world.bus()

    async def count(**query: Any) -> int:
        return len((await world.read(WANG, "visits", **query))["items"])

    assert await count() == 4
    assert await count(planned="true") == 3
    assert await count(planned="false") == 1
    assert await count(customer="acme") == 2
    assert await count(customer="acme", status="checked_in") == 1
    assert await count(**{"from": "2026-11-25"}) == 1
    assert await count(to="2026-11-24") == 3
    assert await count(owner="zhao") == 1
    assert await count(office="nyc") == 0
    assert (await world.read(WANG, "visits", sort="-business_date"))["items"][0]["owner"] == "zhao"


async def test_what_it_says_on_the_bus_is_what_its_readers_expect(world: World) -> None:
    await planned(world)
    second, area, gone = an_id("second"), an_id("area"), an_id("gone")
    taxi = {"id": an_id("taxi"), "type": "transport", "amount": {"minor": 4_000, "currency": "CNY"}, "note": "taxi"}
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, "09:35")))
    await world.made(LI, f"visits/{VISIT}/check-in", {"position": HERE})
    world.time.move(timedelta(minutes=40))
    await world.made(
        LI, f"visits/{VISIT}/completion", {**COMPLETION, "next_step": {"text": "offer", "due": "2026-12-01"}}
    )
    await world.made(LI, f"visits/{VISIT}/cost", taxi)
    await world.made(LI, f"visits/{VISIT}/correction", {"contact_name": "Mr Gu"})
    await world.made(WANG, f"visits/{VISIT}/evaluation", {"grade": 4, "note": "good"})
    await world.made(LI, "visits", {"id": area, "area": "Pudong", "purposes": ["market_research"], "check_in": {}})
    await world.made(LI, f"visits/{area}/not-met", {"reason": "closed"})
    await world.made(LI, "visits", {"id": gone, "customer": "acme", "purposes": ["service"]})
    await world.made(LI, f"visits/{gone}/move", {"to": "2026-11-26", "reason": "asked"})
    other = an_id("other")
    await world.made(LI, "visits", {"id": other, "customer": "acme", "purposes": ["service"]})
    await world.made(LI, f"visits/{other}/cancellation", {"reason": "snow"})
    world.time.move(timedelta(days=1))
    await reactions.mark_missed(world.repositories)
    for visit, name in ((VISIT, "plain"), (second, "second"), (area, "unplanned"), (gone, "moved"), (other, "other")):
        for event in await world.events("visits", visit):
            held_to_sample(event, name)
