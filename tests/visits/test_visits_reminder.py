"""What somebody has to do now, and the queue of what waits for their signature."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.visits.forms import EVENING, a_report, an_absence, policy
from tests.visits.plans import WEDNESDAY, a_plan, stop
from tests.visits.world import (
    ADMIN,
    AMY,
    ANN,
    BOB,
    BOSS,
    CHEN,
    COMPANY,
    HE,
    LI,
    NOBODY,
    TOP,
    WANG,
    ZHAO,
    World,
    open_service,
)
from visits.absence.commands import watch_trips
from visits.form_duty.commands import mark_missing, open_begun


async def reminders(world: World, who: Any, *kinds: str) -> list[dict[str, Any]]:
    items = (await world.read(who, "reminders"))["items"]
    return [one for one in items if not kinds or one["kind"] in kinds]


async def queue(world: World, who: Any, **query: Any) -> list[dict[str, Any]]:
    return (await world.read(who, "sign-offs", **query))["items"]


def a_zhao_plan(world: World, **more: Any) -> Any:
    return a_plan(world, ZHAO, stops=[stop("zeta", "zeta")], **more)


async def test_nobody_and_who_has_nothing_to_do_have_no_reminders(world: World) -> None:
    for who in (NOBODY, ADMIN, BOSS, LI, WANG, TOP, CHEN):
        assert await reminders(world, who) == []
        assert await queue(world, who) == []


async def test_own_forms_are_due_until_they_are_handed_in_and_missing_for_seven_days(world: World) -> None:
    await policy(world, forms_from="2026-11-11")
    await open_begun(world.repositories)
    await mark_missing(world.repositories)
    found = await reminders(world, LI)
    assert [(one["kind"], one["due"]) for one in found if one["kind"] == "form_due"] == [
        ("form_due", "2026-11-24T01:00:00Z"),
        ("form_due", "2026-11-24T14:00:00Z"),
    ]
    # The missing ones before them, the 20th being a holiday; the oldest is seven days back.
    assert {one["due"][:10] for one in found if one["kind"] == "form_missing"} == {
        "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-23",
    }  # fmt: skip
    assert [one["due"] for one in found] == sorted(one["due"] for one in found)
    await a_report(world, until="submitted")
    await world.bus()
    assert [one["due"] for one in await reminders(world, LI, "form_due")] == ["2026-11-24T01:00:00Z"]
    # Past the cut-off it is missing, even before the timer has come by.
    world.time.set(datetime(2026, 11, 24, 1, 1, tzinfo=UTC))
    assert await reminders(world, LI, "form_due") == []
    assert await reminders(world, ZHAO, "form_due") != []


async def test_what_was_returned_is_to_be_handed_in_again(world: World) -> None:
    plan = await a_plan(world, until="returned")
    report = await a_report(world, until="returned")
    found = {one["kind"]: one for one in await reminders(world, LI)}
    assert {kind: one["id"] for kind, one in found.items()} == {
        "plan_returned": plan["id"],
        "report_returned": report["id"],
    }
    assert found["report_returned"]["title"] == "Your daily report of 2026-11-24 was returned: say more"
    assert found["report_returned"]["since"] == "2026-11-24T00:00:00Z"
    await world.made(LI, f"daily-reports/{report['id']}/submission")
    assert [one["kind"] for one in await reminders(world, LI)] == ["plan_returned"]


async def test_titles_are_in_the_callers_language(world: World) -> None:
    await a_report(world, until="submitted")
    for language, title in {
        "zh-CN": "请核签 Li 2026-11-24 的日报。",
        "en": "Sign the daily report of Li of 2026-11-24.",
    }.items():
        headers = {**world.door.as_(WANG), "Accept-Language": language}
        answered = await world.door.get("/api/v1/reminders", headers=headers)
        assert [one["title"] for one in answered.json()["items"]] == [title]
        assert answered.headers["Content-Language"] == language


async def test_tasks_market_reports_and_absences_are_reminded_of_and_the_most_urgent_is_first(world: World) -> None:
    await world.made(HE, "tasks", {"assignee": "wang", "text": "Some day"})
    await world.made(HE, "tasks", {"assignee": "wang", "text": "On Monday", "due": "2026-11-30"})
    await world.made(
        LI,
        "market-reports",
        {"kind": "competitor", "severity": "serious", "text": "Half price", "sales_impact": "Acme waits"},
    )
    leave = await an_absence(world, first="2026-11-26", last="2026-11-27")
    await a_report(world, ZHAO, until="submitted")
    found = await reminders(world, WANG)
    assert [one["kind"] for one in found] == [
        "market_report_to_acknowledge", "report_to_sign", "absence_to_decide", "task", "task",
    ]  # fmt: skip
    assert [one["title"] for one in found[-2:]] == ["Task: On Monday", "Task: Some day"]
    assert found[2]["id"] == leave["id"]
    assert found[2]["title"] == "Decide on the leave of Li from 2026-11-26 to 2026-11-27."
    # The line goes further up, and to nobody beside it.
    assert [one["kind"] for one in await reminders(world, HE)] == ["report_to_sign", "absence_to_decide"]
    for who in (ANN, CHEN, ZHAO, BOSS):
        assert await reminders(world, who) == []
    await world.made(WANG, f"absences/{leave['id']}/approval")
    assert await reminders(world, WANG, "absence_to_decide") == []


async def test_those_above_are_told_of_a_long_trip_until_its_return(world: World) -> None:
    await policy(world, long_away_days=1)
    trip = await an_absence(world, first="2026-11-23", last="2026-11-27", by=WANG, kind="trip", place="Wuxi")
    await watch_trips(world.repositories)
    assert [one["id"] for one in await reminders(world, WANG, "trip_long_away")] == [trip["id"]]
    assert await reminders(world, ANN) == await reminders(world, LI) == []
    await world.made(LI, f"absences/{trip['id']}/return")
    assert await reminders(world, WANG) == []


async def test_reminders_survive_a_restart(world: World, mongo: str) -> None:
    """They are read from what is stored: another process of the service says the same."""
    await a_report(world, until="submitted")
    before = await reminders(world, WANG)
    assert [one["kind"] for one in before] == ["report_to_sign"]
    async with open_service(mongo, world.database) as (door, _):
        answered = await door.get("/api/v1/reminders", headers=door.as_(WANG))
    assert answered.json()["items"] == before


async def test_the_queue_holds_what_was_submitted_below_the_longest_waiting_first(world: World) -> None:
    tomorrow = await a_plan(world, day=WEDNESDAY, until="submitted")
    world.time.move(timedelta(minutes=90))
    today = await a_zhao_plan(world, until="submitted")
    world.time.set(EVENING + timedelta(hours=5))
    report = await a_report(world, ZHAO, until="submitted")
    await a_report(world, LI)
    world.time.move(timedelta(hours=1))
    rows = await queue(world, WANG)
    assert [(row["id"], row["kind"], row["late"], row["overdue"], row["age_hours"]) for row in rows] == [
        (tomorrow["id"], "plan", False, True, 16),
        (today["id"], "plan", True, True, 14),
        (report["id"], "report", True, False, 1),
    ]
    assert (rows[0]["owner_name"], rows[0]["business_date"], rows[0]["submitted_at"]) == (
        "Li", "2026-11-25", "2026-11-24T00:00:00Z",
    )  # fmt: skip
    world.time.move(timedelta(hours=24))
    assert [row["overdue"] for row in await queue(world, WANG)] == [True, True, True]
    assert await queue(world, HE) == await queue(world, TOP) == await queue(world, WANG)
    for who in (LI, ZHAO, CHEN, ANN, BOB, BOSS, ADMIN):
        assert await queue(world, who) == []
    await world.made(WANG, f"daily-reports/{report['id']}/signature")
    await world.made(WANG, f"visit-plans/{today['id']}/return", {"reason": "x"})
    assert [row["id"] for row in await queue(world, WANG)] == [tomorrow["id"]]


async def test_the_queue_is_paged_and_no_row_is_lost_or_shown_twice(world: World) -> None:
    wanted = []
    for minute, (who, day) in enumerate(
        [(LI, date(2026, 11, 24)), (ZHAO, date(2026, 11, 24)), (LI, date(2026, 11, 23)), (ZHAO, date(2026, 11, 23))]
    ):
        # Two of each are handed in at the same instant.
        world.time.set(EVENING + timedelta(minutes=minute // 2))
        wanted.append((await a_report(world, who, day, until="submitted"))["id"])
        if who is LI:
            stops = [stop(f"s{minute}")]
            wanted.append((await a_plan(world, who, day + timedelta(days=1), stops, until="submitted"))["id"])
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        page = await world.read(WANG, "sign-offs", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [row["id"] for row in page["items"]]
        assert len(page["items"]) <= 2
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(wanted)
    assert seen == [row["id"] for row in await queue(world, WANG)]
    newest_first = await queue(world, WANG, sort="-submission.at")
    assert [row["id"] for row in newest_first] == list(reversed(seen))


async def test_a_deputy_has_the_queue_of_a_superior_who_is_away(world: World) -> None:
    report = await a_report(world, until="submitted")
    await an_absence(world, WANG, "2026-11-24", "2026-11-25", by=HE, deputy="zhao")
    own = await a_report(world, ZHAO, until="submitted")
    rows = await queue(world, ZHAO)
    assert [(row["id"], row["deputy_for"]) for row in rows] == [(report["id"], "wang")]
    assert [one["id"] for one in await reminders(world, ZHAO, "report_to_sign")] == [report["id"]]
    assert {row["id"] for row in await queue(world, WANG)} == {report["id"], own["id"]}
    signed = await world.made(ZHAO, f"daily-reports/{report['id']}/signature")
    assert signed["signature"]["deputy_for"] == "wang"
    world.time.set(datetime(2026, 11, 26, 2, tzinfo=UTC))
    assert await queue(world, ZHAO) == []


async def test_the_queue_follows_the_line_across_offices(world: World) -> None:
    """Bob reports to Wang of Shanghai now: Ann, who heads his office, is not in his line any more."""
    bob = next(person for person in COMPANY if getattr(person, "id", "") == "bob")
    posting = bob.postings[0].model_copy(update={"manager": "wang"})  # type: ignore[attr-defined]
    await world.hear(bob.model_copy(update={"postings": [posting]}), version=2)
    report = await a_report(world, BOB, date(2026, 11, 23), until="submitted")
    assert [row["id"] for row in await queue(world, WANG)] == [report["id"]]
    assert await queue(world, ANN) == []
    amys = await a_report(world, AMY, date(2026, 11, 23), until="submitted")
    assert [row["id"] for row in await queue(world, ANN)] == [amys["id"]]


@pytest.mark.parametrize("query", [{"sort": "owner"}, {"cursor": "x"}, {"limit": 0}])
async def test_a_page_that_is_none_is_refused(world: World, query: dict[str, Any]) -> None:
    assert (await world.get(WANG, "sign-offs", **query)).status_code == 422
