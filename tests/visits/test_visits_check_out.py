"""Check-outs that nobody made by the end of the office's day: proposed, flagged, declared, and never measured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.sampling import held_to_sample
from tests.visits.plans import a_plan
from tests.visits.world import BOB, CHEN, LI, MORNING, NEW_YORK, SHANGHAI, TUESDAY, World, an_id, codes, fields, local
from visits.visit.reactions import mark_missed

VISIT = an_id("first")
DONE: Mapping[str, Any] = {"contact_name": "Xu", "results": [{"purpose": "order", "outcome": "achieved"}]}
STEPS: Mapping[str, Mapping[str, Any]] = {
    "check-out": {},
    "completion": DONE,
    "not-met": {"reason": "closed"},
}


async def checked_in(world: World, at: str = "09:30") -> None:
    await a_plan(world, until="signed", id=an_id("plan"))
    await world.bus()
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, at)))
    await world.made(LI, f"visits/{VISIT}/check-in")


def measured(visit: Mapping[str, Any]) -> float | None:
    """Minutes that count as measured."""
    came, left = visit["check_in"], visit["check_out"]
    if came is None or left is None or came["declared"] or left["declared"] or left["proposed"]:
        return None
    return (datetime.fromisoformat(left["at"]) - datetime.fromisoformat(came["at"])) / timedelta(minutes=1)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("hours", [15, 23, 47])
async def test_a_check_out_after_the_end_of_the_day_is_proposed_at_the_end_of_the_slot(
    world: World, step: str, hours: int
) -> None:
    await checked_in(world)
    world.time.move(timedelta(hours=hours))
    visit = await world.made(LI, f"visits/{VISIT}/{step}", STEPS[step])
    left = visit["check_out"]
    assert (left["proposed"], left["declared"]) == (True, True)
    assert left["at"] == "2026-11-24T02:30:00Z"  # the slot ends at half past ten in Shanghai
    assert measured(visit) is None


async def test_without_a_slot_no_time_is_invented(world: World) -> None:
    world.time.set(datetime.fromisoformat(local(NEW_YORK, TUESDAY, "14:00")))
    visit = await world.made(BOB, "visits", {"area": "Pier", "purposes": ["order"], "check_in": {}})
    world.time.move(timedelta(hours=23))
    visit = await world.made(BOB, f"visits/{visit['id']}/completion", DONE)
    assert (visit["check_out"]["at"], visit["check_out"]["proposed"]) == (visit["check_in"]["at"], True)


async def test_an_arrival_after_its_slot_is_left_at_once(world: World) -> None:
    await checked_in(world, "16:00")
    world.time.move(timedelta(hours=20))
    visit = await world.made(LI, f"visits/{VISIT}/completion", DONE)
    assert (visit["check_out"]["at"], visit["check_out"]["proposed"]) == (visit["check_in"]["at"], True)


@pytest.mark.parametrize(("at", "proposed"), [("23:59", False), ("00:00", True), ("00:10", True)])
async def test_the_day_ends_at_midnight_of_the_office(world: World, at: str, proposed: bool) -> None:
    await checked_in(world, "23:40")
    leaving = datetime.fromisoformat(local(SHANGHAI, TUESDAY, at))
    world.time.set(leaving if at > "12" else leaving + timedelta(days=1))
    visit = await world.made(LI, f"visits/{VISIT}/completion", DONE)
    assert visit["check_out"]["proposed"] is proposed
    assert measured(visit) == (None if proposed else 19)


async def test_who_says_the_next_morning_when_they_left_is_believed_and_declared(world: World) -> None:
    await checked_in(world)
    world.time.move(timedelta(hours=23))
    said = {**DONE, "occurred_at": local(SHANGHAI, TUESDAY, "10:10"), "declared": False}
    left = (await world.made(LI, f"visits/{VISIT}/completion", said))["check_out"]
    assert (left["at"], left["declared"], left["proposed"]) == ("2026-11-24T02:10:00Z", True, False)
    assert left["recorded_at"] == "2026-11-25T00:30:00Z"


async def test_the_night_proposes_what_nobody_made_and_the_telephone_that_comes_back_puts_it_right(
    world: World,
) -> None:
    await checked_in(world)
    world.time.move(timedelta(hours=14, minutes=29))
    await mark_missed(world.repositories)
    assert (await world.read(LI, f"visits/{VISIT}"))["check_out"] is None
    world.time.move(timedelta(minutes=2))
    await mark_missed(world.repositories)
    await mark_missed(world.repositories)
    visit = await world.read(LI, f"visits/{VISIT}")
    assert (visit["status"], visit["check_out"]["proposed"]) == ("checked_in", True)
    assert (await world.types("visits", VISIT))[-2:] == ["checked_in", "check_out_proposed"]
    held_to_sample((await world.events("visits", VISIT))[-1])
    command = {
        "id": an_id("left"), "command": "completion", "visit": VISIT, "body": DONE,
        "occurred_at": local(SHANGHAI, TUESDAY, "10:12"),
    }  # fmt: skip
    results = (await world.made(LI, "visits/batch", {"commands": [command]}))["results"]
    assert [one["verdict"] for one in results] == ["done"]
    visit = await world.read(LI, f"visits/{VISIT}")
    assert (visit["check_out"]["proposed"], measured(visit)) == (False, 42)


async def test_a_report_says_which_check_outs_are_proposed(world: World) -> None:
    await checked_in(world)
    world.time.move(timedelta(hours=23))
    await world.made(LI, f"visits/{VISIT}/completion", DONE)
    report = await world.made(LI, "daily-reports", {"business_date": "2026-11-24"})
    flags = {line["visit"]: line["check_out_proposed"] for line in report["sections"]["talks"]}
    assert flags == {VISIT: True, an_id("second"): False}


async def test_a_proposed_check_out_is_corrected_once_and_stays_declared(world: World) -> None:
    await checked_in(world)
    world.time.move(timedelta(hours=23))
    await world.made(LI, f"visits/{VISIT}/completion", DONE)
    path = f"visits/{VISIT}/correction"
    for wrong in ("09:29", "00:30"):
        day = TUESDAY if wrong == "09:29" else TUESDAY + timedelta(days=1)
        answered = await world.post(LI, path, {"check_out_at": local(SHANGHAI, day, wrong)})
        assert (codes(answered), fields(answered)) == ((422, "not_of_the_day"), ["check_out_at"])
    visit = await world.made(LI, path, {"check_out_at": local(SHANGHAI, TUESDAY, "10:05")})
    left = visit["check_out"]
    assert (left["at"], left["declared"], left["proposed"]) == ("2026-11-24T02:05:00Z", True, False)
    again = await world.post(LI, path, {"check_out_at": local(SHANGHAI, TUESDAY, "10:06")})
    assert codes(again) == (422, "check_out_made")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_selling_minutes_are_measured_only_within_the_day_and_as_they_happened(
    world: World, data: st.DataObject
) -> None:
    await world.begin_again()
    world.time.set(MORNING)
    await checked_in(world, data.draw(st.sampled_from(["09:30", "17:00", "23:50"]), label="arrival"))
    came = world.time.now()
    world.time.move(timedelta(minutes=data.draw(st.integers(0, 4_000), label="until it is said")))
    if data.draw(st.booleans(), label="a night passes first"):
        await mark_missed(world.repositories)
    back = data.draw(st.integers(0, 3_000), label="minutes back")
    at = max(came, world.time.now() - timedelta(minutes=back))
    who, whose = data.draw(st.sampled_from([(LI, {}), (CHEN, {"on_behalf_of": "li"})]), label="who")
    step = data.draw(st.sampled_from(sorted(STEPS)))
    claim = data.draw(st.sampled_from([{}, {"declared": False}]), label="claim")
    said = {**STEPS[step], **whose, **claim, "occurred_at": at.isoformat()}
    answered = await world.post(who, f"visits/{VISIT}/{step}", said)
    if answered.status_code != 200:
        return
    visit = answered.json()
    minutes = measured(visit)
    same_day = at.astimezone(SHANGHAI).date() == TUESDAY
    at_once = world.time.now() - at <= timedelta(minutes=10) and not whose
    if same_day and at_once:
        assert minutes == (at - came) // timedelta(seconds=1) / 60
    else:
        assert minutes is None
        assert visit["check_out"]["declared"] is True
    assert visit["check_out"]["proposed"] is not same_day
