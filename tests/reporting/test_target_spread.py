"""How a target falls on the days of its month (decision 0025)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import Money
from contracts.reporting import SpreadCause, Target, TargetSpan, days_of, shares_of
from contracts.staff import Office, Person, Posting, RegionOfOffice, Role
from reporting.target.spread import History, Recorded, Spread, spread, works

LONG_AGO = date(2000, 1, 1)
MAY = "2017-05"
"""Begins on a Monday; 23 days from Monday to Friday."""
APRIL_28 = datetime(2017, 4, 28, 4, tzinfo=UTC)


def at(day: int, hour: int = 4) -> datetime:
    """Of May 2017; noon in Shanghai without an hour (UTC)."""
    return datetime(2017, 5, day, hour, tzinfo=UTC)


def person(*offices: tuple[date, str | None], joined: date = LONG_AGO, left: date | None = None) -> Person:
    postings = [Posting(valid_from=day, role=Role.SALESPERSON, office=office) for day, office in offices]
    return Person(id="li", name="Li", joined_on=joined, left_on=left, postings=postings)


def office(unit: str = "sha", region: str = "east", **more: Any) -> Office:
    regions = more.pop("regions", [RegionOfOffice(valid_from=LONG_AGO, region=region)])
    return Office(id=unit, code=unit.upper(), name=unit, regions=regions, **more)


def history(*people: tuple[datetime, Person], **offices: Sequence[tuple[datetime, Office]]) -> History:
    def recorded(versions: Any) -> Any:
        return [Recorded(version, when, state) for version, (when, state) in enumerate(versions, 1)]

    return History(recorded(people), {unit: recorded(versions) for unit, versions in offices.items()})


def long_ago(state: Any) -> Any:
    return datetime(2016, 1, 1, tzinfo=UTC), state


def by_day(found: Spread) -> dict[int, int]:
    """The shares that are not nothing, by day of the month."""
    return {span.first + position: share for span in found.spans for position, share in enumerate(span.shares) if share}


def places(found: Spread) -> dict[int, str]:
    return {
        span.first + position: f"{span.region}/{span.office}"
        for span in found.spans
        for position in range(len(span.shares))
    }


LI = person((LONG_AGO, "sha"))


def test_a_whole_month_is_spread_over_the_offices_working_days() -> None:
    found = spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=[long_ago(office())]))
    assert set(by_day(found).values()) == {100}
    assert list(by_day(found)) == found.workdays
    assert len(found.workdays) == 23
    assert found.spans == [TargetSpan(office="sha", region="east", first=1, shares=found.spans[0].shares)]


def test_the_remainder_falls_on_the_first_days() -> None:
    found = spread(25, MAY, APRIL_28, history(long_ago(LI), sha=[long_ago(office())]))
    assert by_day(found) == {day: 2 if day in (1, 2) else 1 for day in found.workdays}


def test_who_joins_on_the_21st_has_shares_from_then_on() -> None:
    joiner = person((date(2017, 5, 21), "sha"), joined=date(2017, 5, 21))
    found = spread(900, MAY, APRIL_28, history(long_ago(joiner), sha=[long_ago(office())]))
    assert by_day(found) == dict.fromkeys((22, 23, 24, 25, 26, 29, 30, 31), 112) | {22: 113, 23: 113, 24: 113, 25: 113}


def test_who_leaves_on_the_11th_has_shares_until_the_day_before() -> None:
    leaver = person((LONG_AGO, "sha"), left=date(2017, 5, 11))
    found = spread(800, MAY, APRIL_28, history(long_ago(leaver), sha=[long_ago(office())]))
    assert by_day(found) == dict.fromkeys((1, 2, 3, 4, 5, 8, 9, 10), 100)


def test_who_moves_on_the_16th_has_each_share_in_the_office_of_that_day_by_its_calendar() -> None:
    mover = person((LONG_AGO, "sha"), (date(2017, 5, 16), "can"))
    works_saturdays = office("can", "south", workdays=[1, 2, 3, 4, 5, 6])
    found = spread(
        2_500, MAY, APRIL_28, history(long_ago(mover), sha=[long_ago(office())], can=[long_ago(works_saturdays)])
    )
    assert set(by_day(found).values()) == {100}
    shares = dict.fromkeys(places(found).values(), 0)
    for day, share in by_day(found).items():
        shares[places(found)[day]] += share
    assert shares == {"east/sha": 1_100, "south/can": 1_400}
    assert {6, 13}.isdisjoint(by_day(found))
    assert {20, 27} <= set(by_day(found))


def test_an_office_that_moves_to_another_region_takes_the_shares_from_then_on_with_it() -> None:
    regions = [
        RegionOfOffice(valid_from=LONG_AGO, region="east"),
        RegionOfOffice(valid_from=date(2017, 5, 16), region="west"),
    ]
    moved = [long_ago(office()), (at(10), office(regions=regions))]
    found = spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=moved))
    assert [(span.first, span.region, sum(span.shares)) for span in found.spans] == [
        (1, "east", 1_100),
        (16, "west", 1_200),
    ]
    assert set(by_day(found).values()) == {100}
    assert [(change.cause, change.id, change.version) for change in found.changes] == [(SpreadCause.OFFICE, "sha", 2)]


def test_a_holiday_declared_later_spreads_again_what_is_still_to_come() -> None:
    before = spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=[long_ago(office())]))
    declared = [long_ago(office()), (at(15), office(holidays=[date(2017, 5, 3), date(2017, 5, 18)]))]
    after = spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=declared))
    # What is past stays as it was known, also on a day that is declared a holiday afterwards.
    assert {day: share for day, share in by_day(after).items() if day < 15} == {
        day: share for day, share in by_day(before).items() if day < 15
    }
    assert 18 not in by_day(after)
    assert sum(by_day(after).values()) == 2_300
    coming = [share for day, share in by_day(after).items() if day >= 15]
    assert (len(coming), min(coming), max(coming)) == (12, 108, 109)
    assert [(change.at, change.version) for change in after.changes] == [(at(15), 2)]


def test_a_working_day_declared_in_exchange_gets_its_share() -> None:
    in_exchange = office(holidays=[date(2017, 5, 29)], extra_workdays=[date(2017, 5, 27)])
    found = spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=[long_ago(office()), (at(15), in_exchange)]))
    assert 29 not in by_day(found)
    assert by_day(found)[27] == 100
    assert sum(by_day(found).values()) == 2_300


def test_a_holiday_declared_on_the_very_day_frees_it() -> None:
    typhoon = [long_ago(office()), (at(15), office(holidays=[date(2017, 5, 15)]))]
    assert 15 not in by_day(spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=typhoon)))


def test_the_day_is_that_of_the_office() -> None:
    # 04:00 UTC on the 15th is still the 14th in Hawaii: the 15th is to come there.
    honolulu = {"timezone": "Pacific/Honolulu"}
    declared = [long_ago(office(**honolulu)), (at(15, 4), office(**honolulu, holidays=[date(2017, 5, 15)]))]
    assert 15 not in by_day(spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=declared)))
    late = [long_ago(office(**honolulu)), (at(16, 11), office(**honolulu, holidays=[date(2017, 5, 15)]))]
    assert 15 in by_day(spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=late)))


def test_who_is_known_to_leave_only_afterwards_has_no_share_on_days_on_which_they_were_gone() -> None:
    left = person((LONG_AGO, "sha"), left=date(2017, 5, 11))
    found = spread(2_300, MAY, APRIL_28, history(long_ago(LI), (at(15), left), sha=[long_ago(office())]))
    assert max(by_day(found)) == 10
    assert sum(by_day(found).values()) == 2_300


def test_who_is_known_to_have_moved_only_afterwards_has_the_shares_where_they_were() -> None:
    mover = person((LONG_AGO, "sha"), (date(2017, 5, 16), "hgh"))
    offices = {"sha": [long_ago(office())], "hgh": [long_ago(office("hgh"))]}
    found = spread(2_300, MAY, APRIL_28, history(long_ago(LI), (at(20), mover), **offices))
    assert set(by_day(found).values()) == {100}
    assert {day: place for day, place in places(found).items() if day in (15, 16)} == {15: "east/sha", 16: "east/hgh"}


def test_where_no_working_day_is_left_to_come_the_whole_month_carries_the_rest() -> None:
    closed = office(holidays=[date(2017, 5, day) for day in range(20, 32)])
    found = spread(1_500, MAY, APRIL_28, history(long_ago(LI), sha=[long_ago(office()), (at(22), closed)]))
    assert max(by_day(found)) == 19
    assert sum(by_day(found).values()) == 1_500


@pytest.mark.parametrize(
    "nobody",
    [
        person((LONG_AGO, "sha"), left=date(2017, 5, 1)),
        person((LONG_AGO, "sha"), joined=date(2017, 6, 1)),
        person((LONG_AGO, None)),
    ],
    ids=["left before", "joins after", "in no office"],
)
def test_without_any_working_day_all_of_it_is_unspread_and_comes_back(nobody: Person) -> None:
    gone = history(long_ago(LI), (at(2), nobody), sha=[long_ago(office())])
    found = spread(2_300, MAY, APRIL_28, gone)
    assert (found.spans, found.workdays, found.unspread) == ([], [], 2_300)
    back = history(long_ago(LI), (at(2), nobody), (at(3), LI), sha=[long_ago(office())])
    assert sum(by_day(spread(2_300, MAY, APRIL_28, back)).values()) == 2_300


def test_an_office_that_closes_works_no_more() -> None:
    closing = [long_ago(office()), (at(2), office(closed_on=date(2017, 5, 16)))]
    assert max(by_day(spread(2_300, MAY, APRIL_28, history(long_ago(LI), sha=closing)))) == 15


def test_a_change_that_moves_no_share_is_none() -> None:
    renamed = LI.model_copy(update={"name": "Li Ming", "phone": "+86 21 1234 5678"})
    calendar = office(holidays=[date(2017, 10, 2)])
    found = spread(
        2_305, MAY, APRIL_28, history(long_ago(LI), (at(9), renamed), sha=[long_ago(office()), (at(15), calendar)])
    )
    assert found == spread(2_305, MAY, APRIL_28, history(long_ago(LI), sha=[long_ago(office())]))


# --- for any organisation and order ---------------------------------------------------------------

MONTHS = st.sampled_from(["2016-02", "2017-02", MAY, "2017-12"])
UNITS = ("sha", "can", "hgh")
ZONES = ("Asia/Shanghai", "Pacific/Honolulu", "Pacific/Kiritimati", "Europe/Berlin")


@st.composite
def organisations(draw: st.DrawFn, month: str) -> History:
    days = st.dates(days_of(month)[0] - timedelta(days=20), days_of(month)[-1] + timedelta(days=20))
    instants = st.datetimes(
        datetime(2016, 1, 1), datetime(2018, 1, 31), timezones=st.just(UTC)  # noqa: DTZ001 - Hypothesis adds the zone
    )  # fmt: skip

    def a_person() -> Person:
        joined = draw(st.just(LONG_AGO) | days)
        starts = sorted({joined, *draw(st.lists(days, max_size=2))})
        offices = [(start, draw(st.sampled_from([*UNITS, None]))) for start in starts]
        return person(*offices, joined=joined, left=draw(st.none() | days))

    def an_office(unit: str) -> Office:
        return office(
            unit,
            regions=[
                RegionOfOffice(valid_from=LONG_AGO, region="east"),
                *[RegionOfOffice(valid_from=day, region="west") for day in draw(st.lists(days, max_size=1))],
            ],
            timezone=draw(st.sampled_from(ZONES)),
            workdays=sorted(draw(st.sets(st.integers(1, 7), min_size=1))),
            holidays=draw(st.lists(days, max_size=4)),
            extra_workdays=draw(st.lists(days, max_size=2)),
            closed_on=draw(st.none() | days),
        )

    def versions(make: Any) -> Any:
        times = sorted(draw(st.lists(instants, min_size=1, max_size=4)))
        return [(when, make()) for when in times]

    return history(*versions(a_person), **{unit: versions(lambda unit=unit: an_office(unit)) for unit in UNITS})


def newest(versions: Sequence[Recorded[Any]]) -> Any:
    return max(versions, key=lambda recorded: recorded.version).state


@given(data=st.data(), month=MONTHS, minor=st.integers(1, 10**13))
def test_shares_add_up_to_the_target_and_fall_where_the_person_is(data: st.DataObject, month: str, minor: int) -> None:
    known = data.draw(organisations(month))
    set_at = data.draw(st.datetimes(datetime(2016, 1, 1), datetime(2018, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    found = spread(minor, month, set_at, known)
    shares, where = by_day(found), places(found)
    assert sum(shares.values()) + found.unspread == minor
    assert found.unspread in (0, minor)
    assert all(share > 0 for share in shares.values())
    who = newest(known.person)
    for day in days_of(month):
        posting = who.posting_on(day)
        if posting is None or posting.office is None:
            assert day.day not in where
        else:
            unit = newest(known.offices[posting.office])
            assert where[day.day] == f"{unit.region_on(day)}/{unit.id}"
            # By the calendar of the office, as it was known at some time.
            if day.day in shares:
                assert any(works(version.state, day) for version in known.offices[posting.office])
    assert set(shares) <= set(found.workdays)


@given(data=st.data(), month=MONTHS, minor=st.integers(1, 10**6), chance=st.randoms())
def test_events_in_any_order_give_the_same_shares(
    data: st.DataObject, month: str, minor: int, chance: random.Random
) -> None:
    known = data.draw(organisations(month))
    set_at = data.draw(st.datetimes(datetime(2016, 1, 1), datetime(2018, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001

    def shuffled(versions: Sequence[Any]) -> list[Any]:
        return chance.sample(versions, len(versions))

    units: Mapping[str, Any] = {unit: shuffled(known.offices[unit]) for unit in shuffled(UNITS)}
    assert spread(minor, month, set_at, History(shuffled(known.person), units)) == spread(minor, month, set_at, known)


@given(data=st.data(), month=MONTHS, minor=st.integers(1, 10**6))
def test_the_past_days_of_whoever_stays_where_they_are_keep_their_shares(
    data: st.DataObject, month: str, minor: int
) -> None:
    """Whatever calendars are declared later, unless nothing at all is left to come that could carry the rest."""
    unit = office()
    first, last = days_of(month)[0], days_of(month)[-1]
    declared = data.draw(st.lists(st.dates(first, last), max_size=6))
    day = data.draw(st.dates(first, last))
    when = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    before = history(long_ago(LI), sha=[long_ago(unit)])
    after = history(long_ago(LI), sha=[long_ago(unit), (when, office(holidays=declared))])
    set_at = datetime(2016, 1, 1, 1, tzinfo=UTC)
    then, now = spread(minor, month, set_at, before), spread(minor, month, set_at, after)
    changed = office(holidays=declared)
    if any(works(changed, coming) for coming in days_of(month) if coming >= day):
        assert {d: s for d, s in by_day(then).items() if d < day.day} == {
            d: s for d, s in by_day(now).items() if d < day.day
        }
    assert sum(by_day(now).values()) + now.unspread == minor


# --- for readers of the published target ----------------------------------------------------------


def target(**more: Any) -> Target:
    names = {"id": "t", "person": "li", "owner": "li", "office": "sha", "region": "east", "month": MAY}
    return Target(**names, amount=Money(minor=700, currency="CNY"), **more)


def test_a_reader_adds_up_the_spans() -> None:
    spans = [
        TargetSpan(office="sha", region="east", first=4, shares=[100, 100, 0]),
        TargetSpan(office="can", region="south", first=30, shares=[250, 250]),
    ]
    shares = shares_of(target(spans=spans, workdays=[1, 2, 3]))
    assert {day.day: share for day, share in shares.items()} == {4: 100, 5: 100, 6: 0, 30: 250, 31: 250}


def test_what_is_unspread_falls_on_no_day() -> None:
    assert shares_of(target(unspread=Money(minor=700, currency="CNY"), workdays=[1])) == {}


def test_a_target_of_before_spans_were_kept_falls_on_its_working_days() -> None:
    assert shares_of(target(workdays=[2, 3, 9])) == {
        date(2017, 5, 2): 234, date(2017, 5, 3): 233, date(2017, 5, 9): 233,
    }  # fmt: skip
