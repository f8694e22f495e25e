"""What reporting asks of its database goes by an index: in the event path, in progress and in targets."""

from __future__ import annotations

from datetime import date

import pytest

from chassis import clock
from chassis.identity import Caller
from reporting.consumers import TOPICS as HEARD
from tests.contracts.sampling import received, samples
from tests.reporting.bus import customer, order
from tests.reporting.conftest import HEAD, LI, SUPERVISOR, TOP, Reporting, noon, office
from tests.reporting.test_targets import publish, read, revise
from tests.support.explain import assert_uses_index, refuse_scans

SMALL = ("applied",)
"""One document for each partition, some thirty: `as_of` is made of all of them."""


@pytest.fixture
async def full(company: Reporting) -> Reporting:
    """Some hundred facts of two months, targets, and every index that the worker makes."""
    await company.learner.prepare()
    for month in (3, 4):
        await company.hear(
            *(order(f"o{month}-{n}", confirmed=date(2017, month, 1 + n % 28)) for n in range(60)),
            *(customer(f"c{month}-{n}", activated=date(2017, month, 1 + n % 28)) for n in range(60)),
            time=noon(2017, month, 28),
        )
    with clock.set_to(noon(2017, 4, 28)):
        for who in ("li", "wang", "ma"):
            await publish(company, TOP, person=who)
        await company.settle()
    return company


async def test_a_batch_of_every_kind_of_event_goes_by_an_index(full: Reporting) -> None:
    events = [received(path, offset) for offset, path in enumerate(samples()) if received(path).topic in HEARD]
    assert {event.topic for event in events} == set(HEARD)
    async with refuse_scans(full.database) as seen:
        await full.learner.take(events)
        # Once more, and with another worker's memory: what is known is met, and read.
        full.learner.facts.forget()
        full.learner.progress.forget()
        await full.learner.take(events)
    for name in ("facts", "totals", "organisation_versions", "spread_checks"):
        assert any(plan.startswith(f"{name} ") for plan in seen), f"{name} was not watched"


async def test_spreading_targets_again_goes_by_an_index(full: Reporting) -> None:
    with clock.set_to(noon(2017, 5, 4)):
        await full.hear(office("sha", "east", holidays=[date(2017, 5, 9)]), version=2, time=noon(2017, 5, 4))
        async with refuse_scans(full.database) as seen:
            assert await full.learner.respread.work() == 2
    assert any(plan.startswith("targets ") for plan in seen)
    await assert_uses_index(full.database["spread_checks"], {"due": {"$lte": clock.now()}}, [("due", 1)], in_order=True)
    await assert_uses_index(full.database["organisation_versions"], {"offices": "sha"})


@pytest.mark.parametrize("who", [LI, HEAD, SUPERVISOR, TOP], ids=lambda who: who.role)
async def test_progress_and_its_facts_go_by_an_index(full: Reporting, who: Caller) -> None:
    levels = {LI: ("person",), HEAD: ("office", "person"), SUPERVISOR: ("region", "office", "person")}
    async with refuse_scans(full.database, but=SMALL) as seen:
        for level in levels.get(who, ("company", "region", "office", "person")):
            for cadence, period in (("day", "2017-03-14"), ("week", "2017-W11"), ("month", "2017-03")):
                for at in (None, "2017-04-01T00:00:00Z"):
                    await full.items(who, cadence, level=level, since=period, until=period, as_of=at, limit=2)
                    await full.items(who, f"{cadence}/{period}/facts", level=level, as_of=at, limit=30)
        await full.told(who, "month", since="2017-03", until="2017-03", after="order:o3-1@1")
    assert any(plan.startswith("totals ") for plan in seen)
    assert any(plan.startswith("facts ") for plan in seen)


@pytest.mark.parametrize("who", [LI, HEAD, SUPERVISOR, TOP], ids=lambda who: who.role)
async def test_targets_go_by_an_index(full: Reporting, who: Caller) -> None:
    async with refuse_scans(full.database) as seen:
        for asked in (
            {},
            {"person": "li"},
            {"office": "sha"},
            {"region": "east"},
            {"month": "2017-05"},
            {"sort": "-month"},
        ):
            listed = (await read(full, who, **asked)).json()["items"]
        if who is not LI:
            await revise(full, listed[0]["id"], 5, who)
            assert (await publish(full, who, month="2017-06")).status_code in (201, 409)
    assert any(plan.startswith("targets ") for plan in seen)
