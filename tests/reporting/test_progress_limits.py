"""Questions at the edges of the calendar and of what a question may be: a 4xx with a sentence, never more."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.problems import Invalid
from reporting import periods
from reporting.freshness import After
from tests.reporting.conftest import TOP, Reporting
from tests.reporting.test_targets import publish, revise

YEARS = "1900 to 2200"
SPANS = [
    ("week", {"since": "9999-W52"}, "from", YEARS),
    ("week", {"until": "9999-W52"}, "to", YEARS),
    ("day", {"until": "9999-12-31"}, "to", YEARS),
    ("month", {"since": "0001-01"}, "from", YEARS),
    ("day", {"since": "0000-00-00"}, "from", YEARS),
    ("week", {"since": "0001-W01"}, "from", YEARS),
    ("week", {"since": "2017-W54"}, "from", "no period"),
    ("week", {"since": "2017-W00"}, "from", "no period"),
    ("month", {"since": "2017-13"}, "from", "no period"),
    ("day", {"since": "２０１７-03-14"}, "from", "no period"),
    ("day", {"since": "2017-03-14\x00"}, "from", "U+0000"),
    ("day", {"since": "2017-03-14\n"}, "from", "U+000A"),
    ("day", {"since": "2017-03-15", "until": "2017-03-14"}, "from", "lies after"),
    ("month", {"since": "2200-12", "until": "1900-01"}, "from", "lies after"),
    ("day", {"since": "1900-01-01", "until": "2200-12-31"}, "from", "At most 400"),
    ("week", {"since": "2009-W01", "until": "2017-W01"}, "from", "At most 400"),
    ("week/9999-W52/facts", {}, "period", YEARS),
    ("day/0001-01-01/facts", {}, "period", YEARS),
    ("month/2017-W11/facts", {}, "period", "is no month"),
]


@pytest.mark.parametrize(("path", "asked", "field", "says"), SPANS)
async def test_a_period_that_cannot_be_answered_is_refused_with_a_sentence(
    reporting: Reporting, path: str, asked: dict[str, str], field: str, says: str
) -> None:
    for language in ("en", "zh-CN"):
        refused = await reporting.ask(TOP, path, language=language, **asked)
        assert refused.status_code == 422, refused.text
        [error] = refused.json()["errors"]
        assert error["field"] == field
        assert language != "en" or says in error["message"]


@pytest.mark.parametrize(
    ("as_of", "code"),
    [
        ("9999-12-31T23:59:59Z", "invalid_input"),
        ("9999-12-31T23:59:59-14:00", "invalid_input"),
        ("2150-01-01T00:00:00+08:00", "in_the_future"),
        ("0001-01-01T00:00:00Z", "invalid_input"),
        ("0001-01-01T00:00:00+14:00", "invalid_input"),
        ("2017-04-01T00:00:00", "invalid_input"),
        ("yesterday", "invalid_input"),
        ("1e308", "invalid_input"),
    ],
)
@pytest.mark.parametrize("path", ["day", "week", "month", "month/2017-03/facts"])
async def test_an_instant_that_has_no_answer_is_refused(reporting: Reporting, path: str, as_of: str, code: str) -> None:
    refused = await reporting.ask(TOP, path, as_of=as_of)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert refused.json()["errors"][0]["field"] == "as_of"


@pytest.mark.parametrize("edge", ["1969-12-31T23:59:59Z", "1901-01-01T00:00:01-14:00"])
async def test_an_instant_before_anything_was_known_has_no_rows(reporting: Reporting, edge: str) -> None:
    answered = await reporting.ask(TOP, "month", since="2017-03", until="2017-03", as_of=edge)
    assert (answered.status_code, answered.json()["items"]) == (200, [])


@pytest.mark.parametrize("week", ["1900-W01", "2200-W52", "2020-W53"])
async def test_the_first_and_the_last_week_are_answered(reporting: Reporting, week: str) -> None:
    assert (await reporting.told(TOP, "week", since=week, until=week))["items"] == []
    assert (await reporting.told(TOP, f"week/{week}/facts"))["items"] == []


@pytest.mark.parametrize("after", ["order:17@", "order:17@1²", "order:17@-1", "@1", "17@1", "sale:17@1", "order:17"])
async def test_a_version_that_is_none_is_refused(reporting: Reporting, after: str) -> None:
    refused = await reporting.ask(TOP, "day", after=after)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "after"


@given(text=st.text(max_size=40))
def test_any_text_is_a_period_or_is_refused(text: str) -> None:
    try:
        period = periods.read(text, "from")
    except Invalid:
        return
    assert period.first <= period.last


@given(
    year=st.integers(0, 9999), rest=st.sampled_from(["-W01", "-W52", "-W53", "-01-01", "-12-31", "-01", "-12"]),
    cadence=st.sampled_from(["day", "week", "month"]), today=st.dates(date(1901, 1, 1), date(2199, 1, 1)),
)  # fmt: skip
def test_the_first_and_last_period_of_any_year_are_a_span_or_are_refused(
    year: int, rest: str, cadence: Any, today: date
) -> None:
    text = f"{year:04}{rest}"
    for start, end in ((text, None), (None, text), (text, text)):
        try:
            spanned = periods.span(cadence, start, end, today)
        except Invalid:
            continue
        assert 1 <= len(spanned) <= periods.MOST


@given(text=st.text(max_size=60))
def test_any_text_is_a_version_or_is_refused(text: str) -> None:
    try:
        assert After.read(text).version >= 0
    except Invalid:
        return


TIMES = [
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
    "2017-04-28T09:00:00", "10000-01-01T00:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize("occurred_at", TIMES)
async def test_a_target_set_at_an_impossible_time_is_refused(company: Reporting, occurred_at: str) -> None:
    refused = await publish(company, TOP, occurred_at=occurred_at)
    assert refused.status_code == 422, refused.text
    target_id = (await publish(company, TOP)).json()["id"]
    refused = await revise(company, target_id, 5, TOP, occurred_at=occurred_at)
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == "occurred_at"


@pytest.mark.parametrize(
    "month", ["0001-01", "0000-12", "1899-12", "2201-01", "9999-12", "2017-00", "２０１７-05", "2017-05\n"]
)
async def test_a_target_for_an_impossible_month_is_refused(company: Reporting, month: str) -> None:
    refused = await publish(company, TOP, month=month)
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == "month"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(asked=st.dictionaries(
    st.sampled_from(["since", "until", "level", "id", "after", "as_of", "limit", "cursor", "measure"]),
    st.text(max_size=30) | st.sampled_from(["9999-W52", "0001-01", "order:17@1", "person", "\x00", "-1", "1e999"]),
    max_size=4,
))  # fmt: skip
async def test_no_question_makes_an_error_of_ours(reporting: Reporting, asked: dict[str, str]) -> None:
    said = {name: value.encode("utf-8", "surrogatepass").decode("utf-8", "replace") for name, value in asked.items()}
    for path in ("day", "week/2017-W11/facts"):
        assert (await reporting.ask(TOP, path, **said)).status_code < 500
