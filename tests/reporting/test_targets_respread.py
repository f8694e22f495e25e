"""Targets follow the organisation: what is heard later about postings and calendars reaches targets and numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from itertools import permutations
from typing import Any

import httpx
import pytest

from chassis import clock
from chassis.consumer import Received
from contracts.staff import Office, Person, Posting, RegionOfOffice, Role
from reporting.consumers import Learner
from tests.reporting.conftest import (
    ADMINISTRATOR,
    COMPANY,
    HEAD,
    LONG_AGO,
    SUPERVISOR,
    TOP,
    Reporting,
    noon,
    office,
)
from tests.reporting.test_targets import TARGET_ID, publish, read, revise

APRIL_28 = noon(2017, 4, 28)


def posted(*postings: tuple[date, str], joined: date = LONG_AGO, left: date | None = None) -> Person:
    return Person(
        id="li",
        name="Li",
        joined_on=joined,
        left_on=left,
        postings=[Posting(valid_from=day, role=Role.SALESPERSON, office=unit) for day, unit in postings],
    )


async def days(company: Reporting, level: str = "person", who: Any = TOP, unit: str | None = None) -> dict[str, int]:
    """The target's shares in CNY, by day of May 2017, of one unit."""
    rows = await company.items(who, "day", level=level, id=unit, since="2017-05", until="2017-05")
    found = {}
    for row in rows:
        for amount in row["measures"]["sales_target"]["amount"]:
            if amount["minor"]:
                found[row["period"]] = amount["minor"]
    return found


async def target(company: Reporting) -> dict[str, Any]:
    return (await read(company, TOP, f"/{TARGET_ID}")).json()


async def published(company: Reporting, **said: Any) -> httpx.Response:
    with clock.set_to(APRIL_28):
        answered = await publish(company, TOP, id=TARGET_ID, **said)
        await company.settle()
    return answered


async def test_who_joins_on_the_21st_has_a_target_from_then_on(company: Reporting) -> None:
    joins = posted((date(2017, 5, 21), "sha"), joined=date(2017, 5, 21))
    await company.hear(joins, version=2, time=noon(2017, 4, 1))
    assert (await published(company)).status_code == 201
    found = await days(company)
    assert min(found) == "2017-05-22"
    assert sum(found.values()) == 2_100_000


async def test_who_is_known_to_leave_after_the_target_was_set_has_none_from_then_on(company: Reporting) -> None:
    await published(company)
    with clock.set_to(noon(2017, 5, 4)):
        await company.hear(posted((LONG_AGO, "sha"), left=date(2017, 5, 11)), version=2, time=noon(2017, 5, 4))
        await company.settle()
    found = await days(company)
    assert max(found) == "2017-05-10"
    # 2 and 3 May were over when it was known; the other five working days carry the rest.
    assert [found[f"2017-05-0{day}"] for day in (2, 3)] == [100_000, 100_000]
    assert set(list(found.values())[2:]) == {380_000}
    assert sum(found.values()) == 2_100_000
    assert [(change["cause"], change["id"]) for change in (await target(company))["changes"]] == [("person", "li")]


async def test_who_moves_has_each_share_in_the_office_of_that_day(company: Reporting) -> None:
    await published(company)
    with clock.set_to(noon(2017, 5, 4)):
        await company.hear(posted((LONG_AGO, "sha"), (date(2017, 5, 16), "hgh")), version=2, time=noon(2017, 5, 4))
        await company.settle()
    shanghai, hangzhou = [await days(company, "office", unit=unit) for unit in ("sha", "hgh")]
    assert max(shanghai) == "2017-05-15"
    assert min(hangzhou) == "2017-05-16"
    # Hangzhou works on 29 and 30 May, and not on Saturday the 27th.
    assert {"2017-05-29", "2017-05-30"} <= set(hangzhou)
    assert "2017-05-27" not in hangzhou
    assert sum(shanghai.values()) + sum(hangzhou.values()) == 2_100_000
    assert await days(company, "region", unit="east") == {**shanghai, **hangzhou}
    assert sum((await days(company)).values()) == 2_100_000


async def test_an_office_takes_its_targets_into_its_new_region(company: Reporting) -> None:
    await published(company)
    moved = Office(
        id="sha",
        code="SHA",
        name="Office sha",
        regions=[
            RegionOfOffice(valid_from=LONG_AGO, region="east"),
            RegionOfOffice(valid_from=date(2017, 5, 16), region="south"),
        ],
        holidays=[date(2017, 5, 1), date(2017, 5, 29), date(2017, 5, 30)],
        extra_workdays=[date(2017, 5, 27)],
    )  # fmt: skip
    with clock.set_to(noon(2017, 5, 4)):
        await company.hear(moved, version=2, time=noon(2017, 5, 4))
        await company.settle()
    east, south = [await days(company, "region", unit=unit) for unit in ("east", "south")]
    assert max(east) == "2017-05-15"
    assert min(south) == "2017-05-16"
    assert set(east.values()) | set(south.values()) == {100_000}
    assert sum(east.values()) + sum(south.values()) == 2_100_000


async def test_a_holiday_declared_later_moves_what_is_still_to_come_and_the_target_says_so(company: Reporting) -> None:
    await published(company)
    before = await days(company)
    with clock.set_to(noon(2017, 5, 15)):
        declared = office(
            "sha",
            "east",
            holidays=[date(2017, 5, 1), date(2017, 5, 18), date(2017, 5, 29), date(2017, 5, 30)],
            extra_workdays=[date(2017, 5, 20)],
        )
        [heard] = await company.hear(declared, version=2, time=noon(2017, 5, 15))
        await company.settle()
    after = await days(company)
    assert {day: share for day, share in after.items() if day < "2017-05-15"} == {
        day: share for day, share in before.items() if day < "2017-05-15"
    }
    assert {"2017-05-18", "2017-05-27"}.isdisjoint(after)
    assert "2017-05-20" in after
    assert sum(after.values()) == sum(before.values()) == 2_100_000
    said = await target(company)
    assert said["changes"] == [{"at": "2017-05-15T04:00:00Z", "cause": "office", "id": "sha", "version": 2}]
    assert (await read(company, TOP, f"/{TARGET_ID}")).headers["etag"] == '"2"'
    assert heard.version == 2
    # What was known before it stays what was known.
    as_of = await company.one(TOP, "day", since="2017-05-18", until="2017-05-18", as_of="2017-05-10T00:00:00Z")
    assert as_of["sales_target"]["amount"] == [{"minor": 100_000, "currency": "CNY"}]


async def test_a_holiday_of_another_month_or_office_moves_nothing(company: Reporting) -> None:
    await published(company)
    before = await target(company)
    with clock.set_to(noon(2017, 5, 4)):
        await company.hear(office("hgh", "east", holidays=[date(2017, 5, 18)]), version=2, time=noon(2017, 5, 4))
        await company.settle()
    assert await target(company) == before


async def test_who_has_left_before_the_month_leaves_the_amount_unspread_and_it_is_shown(company: Reporting) -> None:
    await published(company)
    with clock.set_to(noon(2017, 4, 29)):
        await company.hear(posted((LONG_AGO, "sha"), left=date(2017, 5, 1)), version=2, time=noon(2017, 4, 29))
        await company.settle()
    said = await target(company)
    assert said["unspread"] == {"minor": 2_100_000, "currency": "CNY"}
    assert said["spans"] == []
    assert await days(company) == {}
    refused = await revise(company, TARGET_ID, 5, TOP, version=2)
    assert (refused.status_code, refused.json()["code"]) == (422, "no_working_day")


@pytest.mark.parametrize(
    "nobody",
    [
        posted((LONG_AGO, "sha"), left=date(2017, 5, 2)),
        posted((date(2017, 5, 29), "sha"), joined=date(2017, 5, 29), left=date(2017, 5, 31)),
    ],
    ids=["is there on a holiday only", "is there between two working days only"],
)
async def test_a_target_for_somebody_without_a_working_day_is_refused(company: Reporting, nobody: Person) -> None:
    await company.hear(nobody, version=2, time=noon(2017, 4, 1))
    for language, text in (("en", "no working day"), ("zh-CN", "没有任何办事处工作日")):
        with clock.set_to(APRIL_28):
            refused = await publish(company, TOP, language=language)
        assert (refused.status_code, refused.json()["code"]) == (422, "no_working_day")
        assert text in refused.json()["detail"]


async def test_a_revision_holds_for_the_whole_month_by_what_is_known_now(company: Reporting) -> None:
    await published(company)
    with clock.set_to(noon(2017, 5, 15)):
        await company.hear(posted((LONG_AGO, "sha"), left=date(2017, 5, 20)), version=2, time=noon(2017, 5, 15))
        await company.settle()
        revised = await revise(company, TARGET_ID, 1_400_000, TOP, version=2)
        await company.settle()
    assert revised.json()["changes"] == []
    assert set((await days(company)).values()) == {100_000}


async def test_the_office_and_region_of_a_target_are_those_of_its_first_day(company: Reporting) -> None:
    """So those see it who lead the office in which the person begins the month, also where that is known later."""
    await published(company)
    with clock.set_to(noon(2017, 4, 29)):
        await company.hear(posted((LONG_AGO, "sha"), (date(2017, 5, 1), "hgh")), version=2, time=noon(2017, 4, 29))
        await company.settle()
    said = await target(company)
    assert (said["office"], said["region"]) == ("hgh", "east")
    assert (await read(company, HEAD, f"/{TARGET_ID}")).status_code == 404
    assert (await read(company, SUPERVISOR, f"/{TARGET_ID}")).status_code == 200


async def test_a_region_adds_up_offices_of_different_calendars_and_currencies_apart(company: Reporting) -> None:
    with clock.set_to(APRIL_28):
        for who, amount in (("li", "CNY"), ("ma", "CNY"), ("ma", "USD")):
            await publish(company, TOP, person=who, amount={"minor": 2_100, "currency": amount})
        await company.settle()
    row = await company.one(TOP, "month", level="region", id="east", since="2017-05", until="2017-05")
    assert row["sales_target"]["amount"] == [{"minor": 4_200, "currency": "CNY"}, {"minor": 2_100, "currency": "USD"}]
    # Shanghai keeps May Day, Hangzhou does not.
    first = await company.one(TOP, "day", level="region", id="east", since="2017-05-01", until="2017-05-01")
    assert first["sales_target"]["amount"] == [{"minor": 92, "currency": "CNY"}, {"minor": 92, "currency": "USD"}]


async def test_a_week_that_spans_two_months_has_the_shares_of_both(company: Reporting) -> None:
    with clock.set_to(APRIL_28):
        await publish(company, TOP, month="2017-05", amount={"minor": 2_100, "currency": "CNY"})
        await publish(company, TOP, month="2017-06", amount={"minor": 4_400, "currency": "CNY"})
        await company.settle()
    # 29 and 30 May are holidays in Shanghai; 31 May is of May, 1 and 2 June of June with its 22 working days.
    week = await company.one(TOP, "week", level="person", id="li", since="2017-W22", until="2017-W22")
    assert week["sales_target"]["amount"] == [{"minor": 100 + 2 * 200, "currency": "CNY"}]


# --- several at once ------------------------------------------------------------------------------


async def test_of_eight_targets_at_once_for_one_month_one_is_taken(company: Reporting) -> None:
    answered = await asyncio.gather(*(publish(company, key=f"k{n}") for n in range(8)))
    assert sorted(answer.status_code for answer in answered) == [201] + [409] * 7
    assert {a.json()["code"] for a in answered if a.status_code == 409} == {"target_exists"}
    assert len((await read(company, HEAD, person="li")).json()["items"]) == 1


async def test_of_two_revisions_at_the_same_moment_the_second_is_told_that_its_version_is_stale(
    company: Reporting,
) -> None:
    target_id = (await publish(company)).json()["id"]
    both = await asyncio.gather(revise(company, target_id, 1_000), revise(company, target_id, 2_000))
    assert sorted(answer.status_code for answer in both) == [200, 412]
    [won] = [answer.json()["amount"]["minor"] for answer in both if answer.status_code == 200]
    said = (await read(company, HEAD, f"/{target_id}")).json()
    assert said["amount"]["minor"] == won


async def test_a_revision_must_say_which_version_it_was_decided_on(company: Reporting) -> None:
    target_id = (await publish(company)).json()["id"]
    missing = await revise(company, target_id, 1_000, version=None)
    assert (missing.status_code, missing.json()["code"]) == (428, "if_match_required")
    assert (await read(company, HEAD, f"/{target_id}")).json()["amount"]["minor"] == 2_100_000


async def test_a_revision_decided_before_the_target_was_spread_again_is_stale(company: Reporting) -> None:
    await published(company)
    with clock.set_to(noon(2017, 5, 4)):
        await company.hear(posted((LONG_AGO, "sha"), left=date(2017, 5, 11)), version=2, time=noon(2017, 5, 4))
        await company.settle()
        stale = await revise(company, TARGET_ID, 1_000, TOP, version=1)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")


# --- in any order, after any crash, built again ---------------------------------------------------


LATER: list[tuple[Any, int, datetime]] = [
    (posted((LONG_AGO, "sha"), (date(2017, 5, 16), "hgh")), 2, noon(2017, 5, 4)),
    (posted((LONG_AGO, "sha"), (date(2017, 5, 16), "hgh"), left=date(2017, 5, 26)), 3, noon(2017, 5, 12)),
    (office("sha", "east", holidays=[date(2017, 5, 9)]), 2, noon(2017, 5, 3)),
    (office("hgh", "east", holidays=[date(2017, 5, 18)], extra_workdays=[date(2017, 5, 20)]), 2, noon(2017, 5, 17)),
]


async def _final(company: Reporting) -> tuple[Any, Any]:
    said = await target(company)
    rows = await company.items(TOP, "day", level="office", since="2017-05", until="2017-05")
    return said, [(row["period"], row["id"], row["measures"]["sales_target"]) for row in rows]


@pytest.mark.parametrize("order", list(permutations(range(len(LATER))))[::5])
async def test_organisation_events_in_any_order_give_the_same_spread(company: Reporting, order: Sequence[int]) -> None:
    await published(company)
    events: list[Received] = [company.log.say(*each) for each in LATER]
    with clock.set_to(noon(2017, 6, 1)):
        for position in order:
            await company.learner.take([events[position]])
            await company.settle()
        await company.learner.take([events[order[0]], events[order[-1]]])  # a duplicate of a relay
        await company.settle()
    said, rows = await _final(company)
    assert [(change["cause"], change["version"]) for change in said["changes"]] == [
        ("office", 2), ("person", 2), ("person", 3), ("office", 2),
    ]  # fmt: skip
    shares = {span["office"]: sum(span["shares"]) for span in said["spans"]}
    assert shares == EXPECTED
    assert sum(shares.values()) == 2_100_000
    assert sum(amount["minor"] for _, _, measure in rows for amount in measure["amount"]) == 2_100_000


EXPECTED = {"sha": 980_000, "hgh": 1_120_000}
"""By hand: 100,000 a day until the 11th (7 days). The 10 days to come from the 12th to the 25th carry 1,400,000, which
is 140,000 a day; from the 17th on 980,000 are left for 17, 19, 20 and 22 to 25, so it stays at 140,000."""


async def test_a_target_set_before_an_older_event_was_heard_is_spread_as_if_it_had_been_heard_in_time(
    company: Reporting,
) -> None:
    """The target's own event asks for the look: the office's may have been heard between its decision and its save."""
    leaves = posted((LONG_AGO, "sha"), left=date(2017, 5, 11))
    event = company.log.say(leaves, 2, noon(2017, 4, 1))
    with clock.set_to(APRIL_28):
        await publish(company, TOP, id=TARGET_ID)
        # Heard by a worker that looks before the target is saved.
        await company.database["spread_checks"].delete_many({})
        await company.learner.organisation.learn({event.topic: [event]})
        await company.settle()
    said = await target(company)
    assert [span["shares"][-1] for span in said["spans"]] == [300_000]
    assert said["changes"] == []


async def test_a_check_that_fails_is_tried_again_alone(company: Reporting, monkeypatch: pytest.MonkeyPatch) -> None:
    await published(company)
    with clock.set_to(noon(2017, 4, 29)):
        other = (await publish(company, TOP, person="wang")).json()["id"]
        await company.settle()
    respread = company.learner.respread
    real = respread._spread

    async def fails(state: Any, *more: Any) -> bool:
        if state.id == TARGET_ID:
            raise RuntimeError("unforeseen")
        return await real(state, *more)

    closed = office("sha", "east", holidays=[date(2017, 5, 9)])
    with clock.set_to(noon(2017, 5, 2)):
        await company.hear(closed, version=2, time=noon(2017, 5, 2))
        monkeypatch.setattr(respread, "_spread", fails)
        await respread.work()
        check = await company.database["spread_checks"].find_one({"_id": "office/sha"})
        assert check["failures"] == 1
        assert (await read(company, TOP, f"/{other}")).json()["changes"] != []
        monkeypatch.undo()
        assert await respread.work() == 0  # its pause is not over
    with clock.set_to(noon(2017, 5, 3)):
        await respread.work()
        assert (await target(company))["changes"] != []
        assert await company.database["spread_checks"].find_one({"_id": "office/sha"}) is None


async def test_a_worker_that_dies_after_hearing_an_event_looks_when_it_is_back(company: Reporting) -> None:
    await published(company)
    with clock.set_to(noon(2017, 5, 4)):
        await company.hear(posted((LONG_AGO, "sha"), left=date(2017, 5, 11)), version=2, time=noon(2017, 5, 4))
        company.learner = Learner(company.database)
        await company.settle()
    assert max(await days(company)) == "2017-05-10"


async def test_a_rebuild_gives_what_is_live(company: Reporting) -> None:
    await published(company)
    heard: list[Received] = [company.log.say(*each) for each in LATER]
    with clock.set_to(noon(2017, 6, 1)):
        await company.learner.take(heard)
        await company.settle()
        live = await _final(company)
        history = await company.database["targets"].find({}, {"outbox": 0}).to_list(None)
        for name in ("facts", "fact_versions", "totals", "applied", "copy_people", "copy_offices", "copy_regions"):
            await company.database.drop_collection(name)
        company.learner = Learner(company.database)
        await company.learner.prepare()
        # The log from its beginning, or what resync says: the present states once more.
        await company.hear(*COMPANY, time=noon(2017, 6, 1))
        await company.learner.take(heard)
        await company.door.post("/api/v1/resync/reporting", headers=company.door.as_(ADMINISTRATOR))
        await _restated(company)
        await company.settle()
        assert await _final(company) == live
        assert await company.database["targets"].find({}, {"outbox": 0}).to_list(None) == history


async def _restated(company: Reporting) -> None:
    """The outboxes hold restatements, as the relay prints them."""
    targets = company.learner.respread._targets
    async for document in company.database["targets"].find():
        event = await targets.restatement(document["_id"])
        await company.database["targets"].update_one({"_id": document["_id"]}, {"$set": {"outbox": [{"event": event}]}})
