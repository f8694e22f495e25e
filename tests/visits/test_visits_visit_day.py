"""A whole day through the doors: planned, signed, visited, reported, signed, corrected, signed again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.visits.plans import FIRST, SECOND, a_plan
from tests.visits.world import LI, SHANGHAI, TUESDAY, WANG, World, an_id, codes, local
from visits.visit import reactions

VISIT, SECOND_VISIT = an_id("first"), an_id("second")
EMPTY = ["complaints", "market", "opinions", "news", "other", "orders_and_collections"]


async def test_a_report_misses_no_stop_that_the_bus_has_not_brought_yet(world: World) -> None:
    plan = await a_plan(world, stops=[FIRST, SECOND], until="signed")
    report = await world.made(LI, "daily-reports", {"business_date": "2026-11-24"})
    assert {line["visit"]: line["status"] for line in report["sections"]["talks"]} == {
        VISIT: "planned",
        SECOND_VISIT: "planned",
    }
    typed = {"attendance": {"kind": "present"}, "none": [*EMPTY, "reflections"]}
    path = f"daily-reports/{report['id']}"
    assert (await world.patch(LI, path, typed, report["version"])).status_code == 200
    assert codes(await world.post(LI, f"{path}/submission")) == (422, "visits_open")
    before = {visit["id"]: visit["version"] for visit in (await world.read(LI, "visits"))["items"]}
    await world.bus()
    assert {visit["id"]: visit["version"] for visit in (await world.read(LI, "visits"))["items"]} == before
    assert (await world.read(LI, f"visit-plans/{plan['id']}"))["status"] == "signed"


async def test_a_day_with_a_late_visit_and_a_correction(world: World) -> None:
    plan = await a_plan(world, stops=[FIRST, SECOND], until="submitted")
    await world.made(WANG, f"visit-plans/{plan['id']}/return", {"reason": "when is lunch?"})
    await world.made(LI, f"visit-plans/{plan['id']}/submission")
    await world.made(WANG, f"visit-plans/{plan['id']}/signature")
    await world.bus()
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, "09:35")))
    await world.made(LI, f"visits/{VISIT}/check-in")
    world.time.move(timedelta(minutes=50))
    done = {"contact_met": "xu", "results": [{"purpose": "order", "outcome": "progress"}]}
    await world.made(LI, f"visits/{VISIT}/completion", done)
    world.time.set(datetime.fromisoformat(local(SHANGHAI, TUESDAY, "20:00")))
    await world.made(LI, f"visits/{SECOND_VISIT}/cancellation", {"reason": "snow"})

    report = await world.made(LI, "daily-reports", {"business_date": "2026-11-24"})
    path = f"daily-reports/{report['id']}"
    typed = {"attendance": {"kind": "present"}, "reflections": "a cold day", "none": EMPTY[:-1]}
    changed = await world.patch(LI, path, typed, report["version"])
    assert changed.status_code == 200, changed.text
    await world.made(LI, f"{path}/submission")
    await world.bus()

    async def visits() -> dict[str, Any]:
        await world.bus()
        return {visit["id"]: visit for visit in (await world.read(LI, "visits"))["items"]}

    found = await visits()
    assert [(found[one]["report"], found[one]["signed"]) for one in (VISIT, SECOND_VISIT)] == [(report["id"], None)] * 2
    await world.made(WANG, f"{path}/signature", {"instructions": "go on"})
    found = await visits()
    assert [found[one]["signed"]["revision"] for one in (VISIT, SECOND_VISIT)] == [1, 1]
    assert (await world.read(LI, f"visit-plans/{plan['id']}"))["status"] == "closed"
    better = {"results": [{"purpose": "order", "outcome": "achieved"}]}
    assert codes(await world.post(LI, f"visits/{VISIT}/correction", better)) == (409, "visit_locked")

    await world.made(LI, f"{path}/correction", {"reason": "they have ordered after all"})
    await world.made(LI, f"visits/{VISIT}/correction", better)
    found = await visits()
    assert (found[VISIT]["signed"], found[SECOND_VISIT]["signed"]["revision"]) == (None, 1)
    await world.made(LI, f"{path}/submission")
    await world.made(WANG, f"{path}/signature")
    found = await visits()
    assert [found[one]["signed"]["revision"] for one in (VISIT, SECOND_VISIT)] == [2, 2]
    first = await world.read(LI, f"{path}/revisions/1")
    second = await world.read(LI, f"{path}/revisions/2")
    outcomes = [
        next(line for line in revision["sections"]["talks"] if line["visit"] == VISIT)["results"][0]["outcome"]
        for revision in (first, second)
    ]
    assert outcomes == ["progress", "achieved"]
    assert first["hash"] != second["hash"]
    world.time.move(timedelta(days=1))
    await reactions.mark_missed(world.repositories)
    assert {visit["status"] for visit in (await visits()).values()} == {"completed", "cancelled"}
