"""What a worker remembers between batches never stands in the way of what the database says."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from chassis.mongo import Database, unavailable
from contracts.staff import Person
from reporting.consumers import Learner
from reporting.organisation import FEW, Organisation
from reporting.reign import Deposed, Reign
from tests.reporting.bus import Log, order
from tests.reporting.conftest import TOP, Reporting, cny, person

DAY = date(2021, 1, 4)
MOVED = ("li", "hgh", "east")


async def _confirmed(database: Database, key: str = "2021-01/east/sha/li") -> dict[str, int]:
    found = await database["totals"].find_one({"_id": key})
    return {path: n for path, n in found["total"].items() if path.startswith("orders_confirmed/")} if found else {}


async def test_two_changes_that_leave_the_sums_alone_are_seen_by_the_other_worker(database: Database) -> None:
    """One order leaves a person's month and another of the same amount comes: equal sums of other facts."""
    log, mine, other = Log(), Learner(database), Learner(database)
    await mine.take([log.say(order("o1", confirmed=DAY, total=cny(5)), 1)])
    await other.take(
        [
            log.say(order("o1", confirmed=DAY, total=cny(5), credit=MOVED), 2),
            log.say(order("o2", confirmed=DAY, total=cny(5)), 1),
        ]
    )
    await mine.take([log.say(order("o1", confirmed=DAY, total=cny(7), credit=MOVED), 3)])
    await mine.take([log.say(order("o3", confirmed=DAY, total=cny(1)), 1)])
    assert await _confirmed(database) == {
        "orders_confirmed/count": 2,
        "orders_confirmed/amount/CNY": 6,
        "orders_confirmed/without_cost": 2,
    }
    assert (await _confirmed(database, "2021-01/east/hgh/li"))["orders_confirmed/amount/CNY"] == 7


async def test_an_older_version_after_a_newer_one_goes_into_the_history_only(database: Database) -> None:
    log, learner = Log(), Learner(database)
    for version, minor in ((3, 30), (1, 10), (2, 20), (3, 30)):
        await learner.take([log.say(order("o1", confirmed=DAY, total=cny(minor)), version)])
    assert (await _confirmed(database))["orders_confirmed/amount/CNY"] == 30
    assert await database["fact_versions"].count_documents({"fact": "order:o1"}) == 3


async def test_a_primary_that_changes_within_a_batch_has_the_batch_repeated(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the old one took may be gone: it is not committed, and nothing of it is remembered."""
    log, learner = Log(), Learner(database)
    await learner.prepare()
    event = log.say(order("o1", confirmed=DAY, total=cny(5)), 1)
    now = Reign._now

    async def another(self: Reign) -> Any:
        return (*(await now(self)), "another")

    with monkeypatch.context() as patched:
        patched.setattr(Reign, "_now", another)
        with pytest.raises(Deposed) as deposed:
            await learner.take([event])
    assert unavailable(deposed.value), "the guard waits and repeats; it sets nothing aside"
    # As after a roll-back.
    for name in ("facts", "fact_versions", "totals"):
        await database[name].delete_many({})
    with pytest.raises(Deposed):  # the term is another one than it was, once more
        await learner.take([event])
    await learner.take([event])
    assert (await _confirmed(database))["orders_confirmed/count"] == 1
    assert await database["fact_versions"].count_documents({}) == 1


async def test_gathered_writes_are_durable_when_the_batch_is_through(database: Database) -> None:
    learner = Learner(database)
    await learner.prepare()
    assert learner.facts.collection.write_concern.document == {"w": 1, "j": False}
    assert learner.progress.collection.write_concern.document == {"w": 1, "j": False}
    assert learner.freshness.collection.write_concern.document.get("w") == "majority", "the last write waits for all"


async def test_a_new_name_among_many_is_shown_as_soon_as_it_was_heard(reporting: Reporting) -> None:
    staff: list[Person] = [person(f"p{number:03d}", "sha", "east") for number in range(FEW + 1)]
    await reporting.hear(*staff)
    await reporting.hear(
        *(order(f"o{one.id}", confirmed=DAY, credit=(one.id, "sha", "east")) for one in staff),
    )
    january = {"level": "person", "since": "2021-01", "until": "2021-01"}
    before = await reporting.items(TOP, "month", **january)
    assert [row["id"] for row in before] == [one.id for one in staff]
    await reporting.hear(staff[0].model_copy(update={"name": "Zz"}), version=2)
    after = await reporting.items(TOP, "month", **january)
    assert (after[-1]["name"], after[-1]["id"]) == ("Zz", staff[0].id)
    assert len(after) == len(staff)
    organisation = Organisation(reporting.database)
    assert len(await organisation.names("person", [one.id for one in staff])) == len(staff)
