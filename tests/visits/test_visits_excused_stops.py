"""Stops to which nobody is expected: leave, a holiday, or leaving the company excuses them, as it excuses the forms."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.staff import Role
from tests.contracts.sampling import held_to_sample
from tests.visits.forms import an_absence
from tests.visits.plans import WEDNESDAY, a_plan, stop
from tests.visits.world import ADMIN, LI, MORNING, WANG, World, an_id, codes, office, person
from visits.visit.reactions import mark_missed

FIRST, SECOND = an_id("first"), an_id("second")
THURSDAY = datetime(2026, 11, 25, 16, 30, tzinfo=UTC)
"""Half an hour after the end of Wednesday in Shanghai."""
HOLIDAY = [date(2026, 11, 20), WEDNESDAY]


async def signed_day(world: World, **more: Any) -> None:
    await a_plan(world, day=WEDNESDAY, until="signed", id=an_id("plan"), **more)
    await world.bus()


def _without_cause(event: bytes) -> bytes:
    """The event that caused it has an id of its own each time."""
    told = json.loads(event)
    told.pop("causationid", None)
    return json.dumps(told).encode()


async def states(world: World) -> dict[str, tuple[str, str | None]]:
    items = (await world.read(ADMIN, "visits"))["items"]
    return {item["id"]: (item["status"], item["excused"]) for item in items}


async def leave(world: World) -> dict[str, Any]:
    absence = await an_absence(world, first="2026-11-25", last="2026-11-25", by=WANG)
    await world.bus()
    return absence


async def test_approved_leave_excuses_the_stops_of_its_days_and_no_others(world: World) -> None:
    await signed_day(world)
    await a_plan(world, until="signed", stops=[stop("today")])
    applied = await an_absence(world, first="2026-11-25", last="2026-11-25")
    await world.bus()
    assert (await states(world))[FIRST] == ("planned", None)
    await world.made(WANG, f"absences/{applied['id']}/approval")
    await world.bus()
    assert await states(world) == {
        FIRST: ("excused", "leave"),
        SECOND: ("excused", "leave"),
        an_id("today"): ("planned", None),
    }
    world.time.set(THURSDAY)
    await mark_missed(world.repositories)
    assert (await states(world))[FIRST] == ("excused", "leave")
    assert (await world.types("visits", FIRST))[-1] == "excused"
    held_to_sample(_without_cause((await world.events("visits", FIRST))[-1]))


async def test_leave_approved_afterwards_excuses_what_was_missed(world: World) -> None:
    await signed_day(world)
    world.time.set(THURSDAY)
    await mark_missed(world.repositories)
    assert (await states(world))[FIRST] == ("missed", None)
    await leave(world)
    assert (await states(world))[FIRST] == ("excused", "leave")


@pytest.mark.parametrize(("when", "back"), [(MORNING, "planned"), (THURSDAY, "missed")])
async def test_cancelled_leave_has_the_stops_due_again(world: World, when: datetime, back: str) -> None:
    await signed_day(world)
    absence = await leave(world)
    world.time.set(when)
    await world.made(LI, f"absences/{absence['id']}/cancellation")
    await world.bus()
    await mark_missed(world.repositories)
    assert (await states(world))[FIRST] == (back, None)
    if back == "planned":
        assert (await world.types("visits", FIRST))[-1] == "due_again"
        held_to_sample(_without_cause((await world.events("visits", FIRST))[-1]))


async def test_a_day_that_is_planned_although_leave_was_approved_is_excused(world: World) -> None:
    await leave(world)
    await signed_day(world)
    assert (await states(world))[FIRST] == ("excused", "leave")


async def test_a_trip_excuses_no_stop(world: World) -> None:
    await signed_day(world)
    await an_absence(world, first="2026-11-25", last="2026-11-25", by=WANG, kind="trip", place="Wuxi")
    await world.bus()
    world.time.set(THURSDAY)
    await mark_missed(world.repositories)
    assert (await states(world))[FIRST] == ("missed", None)


async def test_a_holiday_declared_later_excuses_and_a_workday_declared_on_it_has_them_due_again(world: World) -> None:
    await signed_day(world)
    await world.hear(office("sha", "east", holidays=HOLIDAY), version=2)
    assert (await states(world))[FIRST] == ("excused", "holiday")
    await world.hear(office("sha", "east", holidays=HOLIDAY, extra_workdays=[WEDNESDAY]), version=3)
    assert (await states(world))[FIRST] == ("planned", None)
    world.time.set(THURSDAY)
    await mark_missed(world.repositories)
    await world.hear(office("sha", "east", holidays=HOLIDAY), version=4)
    assert (await states(world))[FIRST] == ("excused", "holiday")


async def test_stops_after_the_last_working_day_are_excused(world: World) -> None:
    await signed_day(world)
    await world.hear(person("li", Role.SALESPERSON, "sha", "east", "wang", left_on=WEDNESDAY), version=2)
    assert (await states(world))[FIRST] == ("excused", "left")
    await world.hear(person("li", Role.SALESPERSON, "sha", "east", "wang"), version=3)
    assert (await states(world))[FIRST] == ("planned", None)


async def test_who_goes_all_the_same_is_there(world: World) -> None:
    await signed_day(world)
    await leave(world)
    world.time.move(timedelta(days=1, hours=2))
    came = await world.made(LI, f"visits/{FIRST}/check-in")
    assert (came["status"], came["excused"]) == ("checked_in", None)
    assert (await world.made(LI, f"visits/{SECOND}/cancellation", {"reason": "ill"}))["excused"] is None
    await world.bus()
    assert await states(world) == {FIRST: ("checked_in", None), SECOND: ("cancelled", None)}


async def test_an_amended_plan_keeps_its_excused_stops_excused_and_withdraws_those_that_it_drops(world: World) -> None:
    await signed_day(world)
    await leave(world)
    (plan,) = (await world.read(LI, "visit-plans"))["items"]
    path = f"visit-plans/{plan['id']}"
    amended = await world.made(LI, f"{path}/amendment", {"reason": "x"})
    kept = [stop(starts="10:00", ends="10:30")]
    assert (await world.patch(LI, path, {"stops": kept}, amended["version"])).status_code == 200
    await world.made(LI, f"{path}/submission")
    await world.bus()
    assert await states(world) == {FIRST: ("excused", "leave"), SECOND: ("withdrawn", None)}
    assert (await world.read(LI, f"visits/{FIRST}"))["starts"] == "10:00"


async def test_a_report_of_a_day_of_leave_asks_for_no_word_about_its_stops(world: World) -> None:
    await signed_day(world)
    await leave(world)
    world.time.move(timedelta(days=1, hours=10))
    report = await world.made(LI, "daily-reports", {"business_date": "2026-11-25"})
    assert [line["status"] for line in report["sections"]["talks"]] == ["excused", "excused"]
    assert report["sections"]["attendance"]["kind"] == "leave"
    answered = await world.post(LI, f"daily-reports/{report['id']}/submission")
    assert codes(answered) == (422, "sections_missing")


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_in_whatever_order_plan_leave_and_calendar_are_heard_the_stops_end_the_same(
    world: World, data: st.DataObject
) -> None:
    """What is decided last decides: stops are excused exactly while leave or a holiday holds their day."""
    await world.begin_again()
    world.time.set(MORNING)
    absence = await an_absence(world, first="2026-11-25", last="2026-11-25")
    plan = await a_plan(world, day=WEDNESDAY, until="signed")
    assert plan["committed"]
    version, approved, holiday = 2, False, False
    for what in data.draw(st.lists(st.sampled_from(["approval", "holiday", "night", "bus"]), max_size=6)):
        if what == "approval" and not approved:
            approved = True
            await world.made(WANG, f"absences/{absence['id']}/approval")
        if what == "holiday":
            holiday = not holiday
            await world.hear(office("sha", "east", holidays=HOLIDAY if holiday else HOLIDAY[:1]), version=version)
            version += 1
        if what == "night":
            world.time.set(THURSDAY)
            await mark_missed(world.repositories)
        if what == "bus":
            events = data.draw(st.permutations(await world.unheard()))
            await world.take(events)
    if approved and data.draw(st.booleans()):
        approved = False
        await world.made(LI, f"absences/{absence['id']}/cancellation")
    await world.bus()
    world.time.set(THURSDAY)
    await mark_missed(world.repositories)
    wanted = ("excused", "holiday" if holiday else "leave") if approved or holiday else ("missed", None)
    assert set((await states(world)).values()) == {wanted}
