"""What the timers of field work do when one of their records cannot be changed."""

from __future__ import annotations

from datetime import timedelta

from chassis.aggregate import OUTBOX_LIMIT
from tests.visits.forms import policy
from tests.visits.world import TOP, World
from visits.form_duty import commands


async def test_one_duty_that_cannot_be_changed_takes_no_turn_from_the_others(world: World) -> None:
    """The record with the oldest cut-off is full of events that wait: each turn begins with it."""
    await policy(world, "sha", forms_from="2026-11-19")
    await commands.open_begun(world.repositories)
    due = (await world.read(TOP, "form-duties", limit=200, status="due"))["items"]
    first = min(due, key=lambda duty: duty["due_at"])
    world.time.move(timedelta(days=1))  # all of them are past
    await world.repositories.duties.collection.update_one(
        {"_id": first["id"]}, {"$set": {"outbox_bytes": OUTBOX_LIMIT}}
    )
    await commands.mark_missing(world.repositories)
    missing = {duty["id"] for duty in (await world.read(TOP, "form-duties", limit=200, status="missing"))["items"]}
    assert {duty["id"] for duty in due} - missing == {first["id"]}
    await world.repositories.duties.collection.update_one({"_id": first["id"]}, {"$set": {"outbox_bytes": 0}})
    await commands.mark_missing(world.repositories)
    missing = {duty["id"] for duty in (await world.read(TOP, "form-duties", limit=200, status="missing"))["items"]}
    assert first["id"] in missing
