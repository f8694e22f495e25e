"""A value is held by one command at a time, through both drivers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chassis.locks import Locks
from chassis.mongo import Database
from chassis.problems import Conflict


async def test_commands_on_a_shared_value_follow_each_other(both_drivers: Database) -> None:
    locks = Locks(both_drivers)
    inside, most = 0, 0

    async def command(*values: str) -> None:
        nonlocal inside, most
        async with locks.hold(values):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.002)
            inside -= 1

    await asyncio.gather(*(command("a", f"b{number}") for number in range(8)), command("b1", "a"), command("a", "a"))
    assert most == 1
    assert await both_drivers["locks"].count_documents({}) == 0


async def test_different_values_do_not_wait_for_each_other(both_drivers: Database) -> None:
    locks = Locks(both_drivers)
    async with locks.hold(["a"]), locks.hold(["b"], patience=0):
        assert await both_drivers["locks"].count_documents({}) == 2


async def test_whoever_cannot_get_all_values_holds_none_and_is_told_to_come_back(both_drivers: Database) -> None:
    locks = Locks(both_drivers)
    async with locks.hold(["b"]):
        with pytest.raises(Conflict) as refusal:
            async with locks.hold(["a", "b"], patience=0):
                pass
        assert refusal.value.code == "busy"
        async with locks.hold(["a"], patience=0):
            pass


async def test_a_failing_command_frees_what_it_held(both_drivers: Database) -> None:
    locks = Locks(both_drivers)
    with pytest.raises(LookupError):
        async with locks.hold(["a"]):
            raise LookupError
    async with locks.hold(["a"], patience=0):
        pass


async def test_the_lock_of_a_killed_process_is_free_after_its_lease(both_drivers: Database) -> None:
    locks = Locks(both_drivers)
    await locks.prepare()
    past = datetime.now(UTC) - timedelta(seconds=1)
    await both_drivers["locks"].insert_one({"_id": "a", "holder": "killed", "until": past})
    async with locks.hold(["a"]):
        assert (await both_drivers["locks"].find_one({"_id": "a"}))["holder"] != "killed"
