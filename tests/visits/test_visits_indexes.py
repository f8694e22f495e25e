"""No query of the event path, of the timers, of the sign-off and of the reminders reads a whole collection."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from contracts.staff import Role
from tests.support.explain import assert_uses_index, refuse_scans
from tests.visits.forms import COMPLAINT, a_report, an_absence, order, policy
from tests.visits.plans import WEDNESDAY, a_plan, stop
from tests.visits.world import ADMIN, ANN, HE, LI, TUESDAY, WANG, ZHAO, World, an_id, office, person
from visits.absence import commands as absences
from visits.form_duty import commands as form_duties
from visits.market_report import commands as market_reports
from visits.office_moves import follow_all
from visits.plan import commands as plans
from visits.visit.reactions import mark_missed

OFFICES = ("copy_offices",)
"""Timers go through the offices: some dozens."""
LISTS = ("visit-plans", "visits", "daily-reports", "form-duties", "absences", "tasks", "meetings", "market-reports",
         "calls")  # fmt: skip


async def a_busy_day(world: World) -> None:
    """Something of every kind, so that no collection is empty and everything follows from something."""
    await policy(world, forms_from="2026-11-23")
    await an_absence(world, WANG, "2026-11-24", "2026-11-25", by=HE, deputy="zhao")
    await an_absence(world, first="2026-11-27", last="2026-11-27")
    await an_absence(world, ZHAO, "2026-11-26", "2026-11-27", by=WANG, kind="trip", place="Wuxi")
    await a_plan(world, until="signed")
    await a_plan(world, ZHAO, TUESDAY, [stop("z", "zeta")], until="submitted")
    await a_plan(world, ZHAO, WEDNESDAY, [stop("later", "zeta")], until="returned")
    await world.made(WANG, "tasks", {"assignee": "li", "text": "call", "due": "2026-11-25"})
    situation = {"kind": "competitor", "severity": "serious", "text": "a price war"}
    await world.made(LI, "market-reports", situation)
    await world.made(WANG, "meetings", {"kind": "morning", "participants": ["li"]})
    visit = await world.made(LI, "visits", {"customer": "acme", "purposes": ["order"], "check_in": {}})
    done = {"contact_name": "Xu", "results": [{"purpose": "order", "outcome": "achieved"}]}
    await world.made(LI, f"visits/{visit['id']}/completion", done)
    await world.made(LI, "calls", {"direction": "incoming", "seconds": 5, "started_at": "2026-11-24T00:00:00Z"})
    await a_report(world, until="signed", typed={"complaints": [COMPLAINT], **_reported()})
    await world.hear(order("o", 100, visit=visit["id"]), order("p", 100))


def _reported() -> dict[str, Any]:
    none = ["talks", "market", "opinions", "news", "reflections", "other"]
    return {"attendance": {"kind": "present"}, "none": none}


async def test_the_event_path_reads_no_whole_collection(world: World) -> None:
    await a_busy_day(world)
    async with refuse_scans(world.database, but=OFFICES) as seen:
        await world.bus()
        await world.hear(office("sha", "east", holidays=[date(2026, 11, 20), WEDNESDAY]), version=2)
        await world.hear(person("li", Role.SALESPERSON, "sha", "east", "wang", left_on=date(2026, 12, 24)), version=2)
        await world.hear(order("o", 200), version=2)
        await world.bus()
    assert {plan.split()[0] for plan in seen} >= {
        "plans", "visits", "daily_reports", "absences", "form_duties", "copy_orders", "copy_people", "batch_commands",
    }  # fmt: skip


async def test_no_timer_reads_a_whole_collection(world: World) -> None:
    await a_busy_day(world)
    await world.bus()
    world.time.move(timedelta(days=20))
    async with refuse_scans(world.database, but=OFFICES) as seen:
        for _ in range(2):
            await mark_missed(world.repositories)
            await plans.flag_unsigned(world.repositories)
            await market_reports.escalate_due(world.repositories)
            await form_duties.open_begun(world.repositories)
            await form_duties.mark_missing(world.repositories)
            await absences.watch_trips(world.repositories)
            await follow_all(world.repositories)
    assert {plan.split()[0] for plan in seen} >= {"plans", "visits", "market_reports", "form_duties", "absences"}


@pytest.mark.parametrize("who", [LI, ZHAO, WANG, HE, ANN], ids=lambda who: who.person)
async def test_sign_off_and_reminders_read_no_whole_collection(world: World, who: Any) -> None:
    await a_busy_day(world)
    await world.bus()
    async with refuse_scans(world.database) as seen:
        await world.read(who, "sign-offs")
        await world.read(who, "reminders")
    assert seen


@pytest.mark.parametrize("who", [LI, WANG, HE, ADMIN], ids=lambda who: who.role)
async def test_lists_read_no_whole_collection(world: World, who: Any) -> None:
    await a_busy_day(world)
    await world.bus()
    async with refuse_scans(world.database) as seen:
        for path in LISTS:
            await world.read(who, path)
        await world.read(who, "meetings", participant="li")
        await world.read(who, "visits", customer="acme")
    assert len(seen) >= len(LISTS)


async def test_the_queries_that_are_asked_most_have_an_index_of_their_own(world: World) -> None:
    await a_busy_day(world)
    repositories = world.repositories
    visit, day = an_id("first"), TUESDAY.isoformat()
    either = [
        {"visit": visit},
        {"_id": {"$in": [visit]}},
        {"owner": "li", "business_date": day, "customer": "acme"},
    ]
    await assert_uses_index(repositories.known.orders.collection, {"$or": either})
    await assert_uses_index(repositories.visits.collection, {"orders.order": an_id("o")})
    await assert_uses_index(repositories.visits.collection, {"$or": [{"_id": {"$in": [visit]}}, {"report": "r"}]})
    await assert_uses_index(repositories.plans.collection, {"in_force.id": visit})
    await assert_uses_index(repositories.plans.collection, {"stops.id": {"$in": [visit]}})
    await assert_uses_index(repositories.absences.collection, {"keys.days": {"$in": [f"li/{day}"]}})
    deputy = {"deputy": "zhao", "status": "approved", "business_date": {"$lte": day}, "last_day": {"$gte": day}}
    await assert_uses_index(repositories.absences.collection, deputy)
    await assert_uses_index(
        repositories.market_reports.collection,
        {"recipient": "wang", "status": "submitted"},
        [("acknowledge_by", 1), ("_id", 1)],
        in_order=True,
    )
    await assert_uses_index(
        repositories.tasks.collection,
        {"owner": "li", "status": "open", "due": {"$ne": None}},
        [("due", 1), ("_id", 1)],
        in_order=True,
    )
    await assert_uses_index(
        repositories.plans.collection, {"status": "submitted"}, [("submission.at", 1), ("_id", 1)], in_order=True
    )
