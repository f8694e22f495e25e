"""What the numbers are: by day, ISO week and month, in each currency, against the target, and down to the facts."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import clock
from chassis.ids import new_id
from chassis.mongo import Database, connect
from contracts.envelope import Published
from contracts.money import Money
from reporting import periods
from reporting.answers import Answers
from reporting.consumers import Learner
from reporting.organisation import Organisation
from reporting.totals import LEVELS
from tests.reporting.bus import Log, customer, order, target
from tests.reporting.conftest import HEAD, LI, TOP, Reporting, cny, noon, office, person

LI_SHA = ("li", "sha", "east")
ZHAO = ("zhao", "can", "south")
MARCH = {"since": "2017-03", "until": "2017-03"}


def usd(minor: int) -> Money:
    return Money(minor=minor, currency="USD")


async def test_an_order_counts_on_its_confirmation_and_cancelled_on_its_cancellation(company: Reporting) -> None:
    day = date(2017, 3, 14)
    await company.hear(
        order("o1", confirmed=day, total=cny(5_000), margin=1_000, promised=date(2017, 3, 20), handover=day),
        order("o2", confirmed=day, total=cny(700), margin=-50, promised=date(2017, 3, 20), cancelled=date(2017, 4, 2)),
        order("o3"),
        customer("c1", activated=day),
    )
    months = {
        row["period"]: row["measures"] for row in await company.items(TOP, "month", since="2017-03", until="2017-04")
    }
    assert months["2017-03"]["orders_confirmed"] == {
        "count": 2,
        "without_cost": 0,
        "amount": [{"minor": 5_700, "currency": "CNY"}],
        "margin": [{"minor": 950, "currency": "CNY"}],
    }
    assert months["2017-03"]["orders_cancelled"] == {"count": 0, "amount": []}
    assert months["2017-03"]["new_customers"] == {"count": 1}
    assert months["2017-04"]["orders_cancelled"] == {"count": 1, "amount": [{"minor": 700, "currency": "CNY"}]}
    # A cancelled order is late for nobody: only the other one was to be handed over in March.
    assert months["2017-03"]["on_time_completion"] == {
        "value": 1.0, "numerator": 1, "denominator": 1, "formula": "on_time_completion.v1",
    }  # fmt: skip
    assert months["2017-04"]["on_time_completion"]["value"] is None


async def test_on_time_is_by_the_promised_day_the_handover_may_come_on_it(company: Reporting) -> None:
    promised = date(2017, 3, 20)
    await company.hear(
        order("early", confirmed=date(2017, 3, 1), promised=promised, handover=date(2017, 3, 2)),
        order("just", confirmed=date(2017, 3, 1), promised=promised, handover=promised),
        order("late", confirmed=date(2017, 3, 1), promised=promised, handover=date(2017, 3, 21)),
        order("open", confirmed=date(2017, 3, 1), promised=promised),
    )
    day = await company.one(TOP, "day", since="2017-03-20", until="2017-03-20")
    assert (day["on_time_completion"]["numerator"], day["on_time_completion"]["denominator"]) == (2, 4)
    facts = await company.items(TOP, "day/2017-03-20/facts", measure="on_time_completion")
    assert {fact["id"]: fact["numerator"] for fact in facts} == {"early": 1, "just": 1, "late": 0, "open": 0}


async def test_a_margin_that_is_not_known_is_counted_and_left_out_of_the_sum(company: Reporting) -> None:
    day = date(2017, 3, 14)
    await company.hear(
        order("known", confirmed=day, total=cny(1_000), margin=300), order("unknown", confirmed=day, total=cny(2_000))
    )
    confirmed = (await company.one(TOP, "month", **MARCH))["orders_confirmed"]
    assert (confirmed["count"], confirmed["without_cost"]) == (2, 1)
    assert confirmed["amount"] == [{"minor": 3_000, "currency": "CNY"}]
    assert confirmed["margin"] == [{"minor": 300, "currency": "CNY"}]


async def test_two_currencies_are_never_added(company: Reporting) -> None:
    day = date(2017, 3, 14)
    await company.hear(
        order("o1", confirmed=day, total=usd(100), margin=10),
        order("o2", confirmed=day, total=cny(1_000), margin=20),
        order("o3", confirmed=day, total=usd(300)),
        target("t1", "2017-03", cny(2_000)),
        target("t2", "2017-03", usd(400)),
    )
    with clock.set_to(noon(2017, 4, 1)):
        measures = await company.one(TOP, "month", **MARCH)
    assert measures["orders_confirmed"]["amount"] == [
        {"minor": 1_000, "currency": "CNY"},
        {"minor": 400, "currency": "USD"},
    ]
    assert measures["orders_confirmed"]["margin"] == [
        {"minor": 20, "currency": "CNY"},
        {"minor": 10, "currency": "USD"},
    ]
    attainment = measures["attainment"]
    assert (attainment["value"], attainment["numerator"], attainment["denominator"]) == (None, None, None)
    assert attainment["by_currency"] == [
        {"currency": "CNY", "value": 0.5, "numerator": 1_000, "denominator": 2_000},
        {"currency": "USD", "value": 1.0, "numerator": 400, "denominator": 400},
    ]


async def test_sales_in_a_currency_without_a_target_do_not_help_the_target(company: Reporting) -> None:
    await company.hear(
        order("o1", confirmed=date(2017, 3, 14), total=usd(900)), target("t1", "2017-03", cny(1_000))
    )  # fmt: skip
    with clock.set_to(noon(2017, 4, 1)):
        attainment = (await company.one(TOP, "month", **MARCH))["attainment"]
    assert attainment == {
        "value": 0.0, "numerator": 0, "denominator": 1_000, "currency": "CNY", "formula": "attainment.v1",
    }  # fmt: skip


# May 2017 in the office sha: 23 weekdays, less May 1, 29 and 30, and Saturday the 27th besides: 21 working days.
MAY = [2, 3, 4, 5, 8, 9, 10, 11, 12, 15, 16, 17, 18, 19, 22, 23, 24, 25, 26, 27, 31]


@pytest.fixture
async def may(company: Reporting) -> Reporting:
    """A target of 21,000.00 published over HTTP, and net sales of 5,600.00 until May 10."""
    body = {"person": "li", "month": "2017-05", "amount": {"minor": 2_100_000, "currency": "CNY"}}
    with clock.set_to(noon(2017, 4, 28)):
        published = await company.door.post("/api/v1/targets", json=body, headers=company.door.as_(HEAD))
    assert published.json()["workdays"] == MAY
    await company.deliver_targets()
    await company.hear(
        order("o1", confirmed=date(2017, 5, 3), total=cny(350_000)),
        order("o2", confirmed=date(2017, 5, 9), total=cny(210_000)),
        order("o3", confirmed=date(2017, 5, 4), total=cny(70_000), cancelled=date(2017, 5, 10)),
    )
    return company


async def test_pace_is_attainment_by_the_share_of_working_days_elapsed(may: Reporting) -> None:
    with clock.set_to(noon(2017, 5, 10)):
        measures = await may.one(LI, "month", since="2017-05", until="2017-05")
    elapsed = len([day for day in MAY if day <= 10])
    assert elapsed == 7
    assert measures["sales_target"] == {"amount": [{"minor": 2_100_000, "currency": "CNY"}]}
    assert measures["attainment"] == {
        "value": 0.2667, "numerator": 560_000, "denominator": 2_100_000, "currency": "CNY", "formula": "attainment.v1",
    }  # fmt: skip
    assert measures["pace"] == {
        "value": 0.8, "numerator": 560_000, "denominator": 700_000, "currency": "CNY", "formula": "pace.v1",
    }  # fmt: skip
    assert measures["pace"]["value"] == round(560_000 / 2_100_000 / (elapsed / len(MAY)), 4)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param(datetime(2017, 5, 10, 15, 59, tzinfo=UTC), 700_000, id="a minute before midnight in Shanghai"),
        pytest.param(datetime(2017, 5, 10, 16, 1, tzinfo=UTC), 800_000, id="a minute after it"),
        pytest.param(noon(2017, 5, 1), 0, id="May Day: nothing is due yet"),
        pytest.param(noon(2017, 5, 28), 2_000_000, id="the Saturday was worked, the Sunday not"),
        pytest.param(noon(2017, 6, 5), 2_100_000, id="when the month is over, pace is attainment"),
    ],
)
async def test_what_is_due_follows_the_offices_calendar_and_clock(may: Reporting, now: datetime, due: int) -> None:
    with clock.set_to(now):
        for who, level in ((LI, "person"), (HEAD, "office"), (TOP, "company")):
            pace = (await may.one(who, "month", since="2017-05", until="2017-05", level=level))["pace"]
            assert pace["denominator"] == due
            assert pace["value"] == (round(560_000 / due, 4) if due else None)


async def test_days_and_weeks_have_their_share_of_the_target(may: Reporting) -> None:
    with clock.set_to(noon(2017, 6, 30)):
        days = await may.items(LI, "day", since="2017-05-01", until="2017-05-31")
        targets = {row["period"]: row["measures"]["sales_target"]["amount"] for row in days}
        assert {int(day[8:]) for day, amount in targets.items() if amount} == set(MAY)
        assert {amount[0]["minor"] for amount in targets.values() if amount} == {100_000}
        weeks = await may.items(LI, "week", since="2017-W18", until="2017-W22")
        shares = {row["period"]: row["measures"]["sales_target"]["amount"][0]["minor"] for row in weeks}
    assert shares == {
        "2017-W18": 400_000, "2017-W19": 500_000, "2017-W20": 500_000, "2017-W21": 600_000, "2017-W22": 100_000,
    }  # fmt: skip


async def test_each_office_is_measured_by_its_own_clock(company: Reporting) -> None:
    await company.hear(
        office("nyc", "east", timezone="America/New_York"),
        person("joe", "nyc", "east"),
        target("t1", "2017-05", cny(2_100), credit=("joe", "nyc", "east"), workdays=MAY),
        target("t2", "2017-05", cny(2_100), credit=LI_SHA, workdays=MAY),
    )
    # Wednesday evening in New York, Thursday morning in Shanghai.
    with clock.set_to(datetime(2017, 5, 11, 1, tzinfo=UTC)):
        rows = await company.items(TOP, "month", since="2017-05", until="2017-05", level="person")
    assert {row["id"]: row["measures"]["pace"]["denominator"] for row in rows} == {"joe": 700, "li": 800}


# --- periods --------------------------------------------------------------------------------------


async def test_iso_weeks_at_the_turn_of_a_year_and_a_leap_day(company: Reporting) -> None:
    days = [date(2020, 2, 29), date(2020, 12, 27), date(2020, 12, 28), date(2020, 12, 31), date(2021, 1, 3),
            date(2021, 1, 4)]  # fmt: skip
    await company.hear(*(order(f"o{n}", confirmed=day, promised=date(2019, 1, 1)) for n, day in enumerate(days)))
    counts = await _counts(company, "week", since="2020-02-01", until="2021-01-31")
    assert counts == {"2020-W09": 1, "2020-W52": 1, "2020-W53": 3, "2021-W01": 1}
    assert await _counts(company, "month", since="2020-01", until="2021-01") == {
        "2020-02": 1,
        "2020-12": 3,
        "2021-01": 2,
    }
    assert await _counts(company, "day", since="2020-02", until="2020-02") == {"2020-02-29": 1}
    assert await _counts(company, "week", since="2020-W53", until="2020-W53") == {"2020-W53": 3}
    facts = await company.items(TOP, "week/2020-W53/facts", measure="orders_confirmed")
    assert [fact["date"] for fact in facts] == ["2020-12-28", "2020-12-31", "2021-01-03"]


async def _counts(company: Reporting, cadence: str, **asked: Any) -> dict[str, int]:
    rows = await company.items(TOP, cadence, **asked)
    counts = {row["period"]: row["measures"]["orders_confirmed"]["count"] for row in rows}
    return {period: count for period, count in counts.items() if count}


async def test_a_span_may_be_written_in_another_cadence(company: Reporting) -> None:
    await company.hear(*(order(f"o{n}", confirmed=date(2017, 2, 20) + timedelta(n)) for n in range(20)))
    by_month = await _counts(company, "day", since="2017-02", until="2017-W09")
    assert min(by_month) == "2017-02-20"
    assert max(by_month) == "2017-03-05"
    assert list(await _counts(company, "week", since="2017-03", until="2017-03")) == ["2017-W09", "2017-W10"]


async def test_without_a_span_it_is_the_present_period(company: Reporting) -> None:
    await company.hear(*(order(f"o{n}", confirmed=date(2017, 3, n)) for n in (1, 14, 15)))
    with clock.set_to(noon(2017, 3, 15)):
        assert await _counts(company, "day") == {"2017-03-15": 1}
        assert await _counts(company, "week") == {"2017-W11": 2}
        assert await _counts(company, "month") == {"2017-03": 3}
        assert await _counts(company, "day", since="2017-03-14") == {"2017-03-14": 1, "2017-03-15": 1}


BAD = [
    pytest.param("month", {"since": "2017-13"}, "from", "2017-W11", "2017-W11", id="a month that is none"),
    pytest.param("week", {"until": "2021-W53"}, "to", "2021-W53", "2021-W53", id="a year without a week 53"),
    pytest.param("day", {"since": "2017-02-29"}, "from", "no period", "不是有效期间", id="a year without a leap day"),
    pytest.param("day", {"since": "14.3.2017"}, "from", "no period", "不是有效期间", id="another way to write"),
    pytest.param("day", {"since": "0000-01-01"}, "from", "1900 to 2200", "1900 至 2200", id="the year nought"),
    pytest.param(
        "month", {"since": "2017-03", "until": "2017-02"}, "from", "exchange them", "请对调", id="from after to"
    ),
    pytest.param("day", {"since": "2010", "until": "2017"}, "to", "no period", "不是有效期间", id="a year"),
    pytest.param("day", {"since": "2010-01", "until": "2017-01"}, "from", "At most 400", "400", id="too long a span"),
    pytest.param("month", {"after": "order:17"}, "after", "order:17@7", "order:17@7", id="a version without number"),
    pytest.param("month", {"after": "boat:17@1"}, "after", "kinds are", "kind 可为", id="a version of no known kind"),
    pytest.param("month", {"cursor": "nonsense"}, "cursor", "no cursor of ours", "游标无效", id="a made-up cursor"),
    pytest.param("month", {"limit": 0}, "limit", "greater", "应不小于 1", id="an empty page"),
    pytest.param("month", {"limit": 201}, "limit", "less", "应不大于 200", id="too large a page"),
    pytest.param("month", {"level": "planet"}, "level", "company", "应为以下之一", id="an unknown level"),
    pytest.param("year", {}, "cadence", "month", "应为以下之一", id="an unknown cadence"),
    pytest.param("month/2017-03-14/facts", {}, "period", "no month", "与所选周期不符", id="a day for a month"),
    pytest.param("day/yesterday/facts", {}, "period", "no period", "不是有效期间", id="no period for facts"),
    pytest.param("month/2017-03/facts", {"measure": "smiles"}, "measure", "orders_confirmed", "measure 可为",
                 id="an unknown measure"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "asked", "field", "en", "zh"), BAD)
async def test_a_question_that_cannot_be_answered_says_why_in_the_callers_language(
    reporting: Reporting, path: str, asked: dict[str, Any], field: str, en: str, zh: str
) -> None:
    for language, text in (("en", en), ("zh-CN", zh)):
        refused = await reporting.ask(TOP, path, language=language, **asked)
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
        [error] = refused.json()["errors"]
        assert error["field"] == field
        assert text in error["message"]


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_small_pages_are_the_one_big_page(company: Reporting, limit: int) -> None:
    credits_ = [LI_SHA, ("wang", "sha", "east"), ("ma", "hgh", "east"), ZHAO, ("unnamed", "can", "south")]
    await company.hear(
        *(
            order(f"o{n:02}", confirmed=date(2017, 1, 30) + timedelta(n * 5), credit=credits_[n % 5], cancelled=
                  date(2017, 3, 1) if n % 4 == 0 else None)
            for n in range(20)
        )
    )  # fmt: skip
    for path, asked in [
        ("day", {"level": "person", "since": "2017-01", "until": "2017-05"}),
        ("week", {"level": "person", "since": "2017-01", "until": "2017-05"}),
        ("month", {"level": "office", "since": "2017-01", "until": "2017-05"}),
        ("month/2017-03/facts", {}),
        ("week/2017-W09/facts", {"level": "region", "id": "east"}),
    ]:
        whole = await company.told(TOP, path, limit=200, **asked)
        assert whole["next_cursor"] is None
        assert len(whole["items"]) > limit or "region" in asked.values()
        assert await company.items(TOP, path, limit=limit, **asked) == whole["items"]
        keys = [(row["period"], row["name"]) for row in whole["items"] if "period" in row]
        assert len(set(keys)) == len(keys)


async def test_a_cursor_of_another_question_is_refused(company: Reporting) -> None:
    await company.hear(*(order(f"o{n}", confirmed=date(2017, 3, 14 + n)) for n in range(3)))
    cursor = (await company.told(TOP, "day", since="2017-03", until="2017-03", limit=1))["next_cursor"]
    refused = await company.ask(TOP, "week", since="2017-03", until="2017-03", cursor=cursor)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


# --- down to the facts ----------------------------------------------------------------------------


async def test_facts_name_the_record_and_what_it_adds(company: Reporting) -> None:
    await company.hear(order("o1", confirmed=date(2017, 3, 14), total=cny(5_000), margin=1_000), version=7)
    [fact] = await company.items(TOP, "day/2017-03-14/facts")
    assert fact == {
        "kind": "order",
        "id": "o1",
        "version": 7,
        "measure": "orders_confirmed",
        "date": "2017-03-14",
        "person": "li",
        "person_name": "Li",
        "office": "sha",
        "region": "east",
        "number": "SHA-2017-o1",
        "customer": "acme",
        "customer_name": "Acme",
        "count": 1,
        "without_cost": 0,
        "amount": [{"minor": 5_000, "currency": "CNY"}],
        "margin": [{"minor": 1_000, "currency": "CNY"}],
    }


async def test_behind_a_rate_are_the_facts_of_its_parts(may: Reporting) -> None:
    facts = await may.items(LI, "month/2017-05/facts", measure="attainment")
    assert {fact["measure"] for fact in facts} == {"orders_confirmed", "orders_cancelled", "sales_target"}
    assert len([fact for fact in facts if fact["measure"] == "sales_target"]) == len(MAY)


# --- everything adds up ---------------------------------------------------------------------------

DAYS = st.dates(date(2020, 12, 21), date(2021, 1, 10)) | st.just(date(2020, 2, 29))
CREDITS = st.sampled_from([LI_SHA, ("li", "hgh", "east"), ("wang", "sha", "east"), ZHAO, ("zhao", "can", "east")])


@st.composite
def some_records(draw: st.DrawFn) -> list[Published]:
    records: list[Published] = []
    for n in range(draw(st.integers(1, 12))):
        confirmed = draw(st.none() | DAYS)
        records.append(
            order(
                f"o{n}",
                confirmed=confirmed,
                promised=draw(DAYS),
                cancelled=draw(st.none() | DAYS) if confirmed else None,
                handover=draw(st.none() | DAYS),
                credit=draw(CREDITS),
                total=draw(st.builds(Money, minor=st.integers(0, 10**9), currency=st.sampled_from(["CNY", "USD"]))),
                margin=draw(st.none() | st.integers(-(10**6), 10**6)),
            )
        )
    for n in range(draw(st.integers(0, 3))):
        records.append(customer(f"c{n}", activated=draw(DAYS), credit=draw(CREDITS)))
    for month in draw(st.sets(st.sampled_from(["2020-02", "2020-12", "2021-01"]))):
        minor, workdays = draw(st.integers(1, 10**9)), draw(st.lists(st.integers(1, 31), max_size=23))
        records.append(target(f"t{month}", month, cny(minor), credit=draw(CREDITS), workdays=workdays))
    return records


Sums = dict[tuple[str, str, str], int]


def _plus(sums: Sums, measures: dict[str, Any]) -> None:
    for name, parts in measures.items():
        if "formula" in parts and name != "on_time_completion":
            continue
        for part, value in parts.items():
            if isinstance(value, list):
                for amount in value:
                    sums[name, part, amount["currency"]] = (
                        sums.get((name, part, amount["currency"]), 0) + amount["minor"]
                    )
            elif part in ("count", "without_cost", "numerator", "denominator"):
                sums[name, part, ""] = sums.get((name, part, ""), 0) + value


def _expected(records: list[Published]) -> dict[str, int]:
    """A few totals by hand."""
    orders = [r for r in records if hasattr(r, "confirmation") and r.confirmation]
    return {
        "confirmed": len(orders),
        "usd": sum(r.total.minor for r in orders if r.total.currency == "USD"),
        "cancelled": sum(r.cancellation is not None for r in orders),
        "promised": sum(r.cancellation is None for r in orders),
        "customers": sum(hasattr(r, "activation") and r.activation is not None for r in records),
        "target": sum(r.amount.minor for r in records if hasattr(r, "month")),
    }


@given(some_records())
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_days_weeks_and_months_of_people_offices_regions_and_the_company_add_up(
    mongo: str, records: list[Published]
) -> None:
    async def check() -> None:
        client = connect(mongo)
        name = f"test_{new_id().replace('-', '')}"
        try:
            await _check(client.database(name), records)
        finally:
            await client.drop(name)
            await client.close()

    asyncio.run(check())


async def _check(database: Database, records: list[Published]) -> None:
    log = Log()
    await Learner(database).take([log.say(record, 1) for record in records])
    answers = Answers(database, Organisation(database), "Asia/Shanghai")
    whole: list[Sums] = []
    for cadence in ("day", "week", "month"):
        span = periods.span(cadence, "2020-02-01", "2021-01-31", date(2021, 1, 31))
        by_level: list[dict[str, Sums]] = []
        for level in LEVELS:
            page = await answers.page(TOP, cadence, span, level, None, 5_000, None)
            by_period: defaultdict[str, Sums] = defaultdict(dict)
            for row in page.items:
                _plus(by_period[row["period"]], row["measures"])
            by_level.append({period: _nonzero(sums) for period, sums in by_period.items()})
        assert all(found == by_level[0] for found in by_level[1:])
        total: Sums = {}
        for sums in by_level[0].values():
            for key, value in sums.items():
                total[key] = total.get(key, 0) + value
        whole.append(_nonzero(total))
    assert whole[0] == whole[1] == whole[2]
    expected = _expected(records)
    assert {
        "confirmed": whole[0].get(("orders_confirmed", "count", ""), 0),
        "usd": whole[0].get(("orders_confirmed", "amount", "USD"), 0),
        "cancelled": whole[0].get(("orders_cancelled", "count", ""), 0),
        "promised": whole[0].get(("on_time_completion", "denominator", ""), 0),
        "customers": whole[0].get(("new_customers", "count", ""), 0),
        "target": whole[0].get(("sales_target", "amount", "CNY"), 0),
    } == expected
    facts: Sums = {}
    for month in ("2020-02", "2020-12", "2021-01"):
        page = await answers.facts(TOP, periods.read_one("month", month), "company", None, None, 5_000, None)
        for row in page.items:
            _plus(facts, {row["measure"]: row})
    assert _nonzero(facts) == whole[0]


def _nonzero(sums: Sums) -> Sums:
    return {key: value for key, value in sums.items() if value}
