"""Dates of files: how they may be written, which day and which instant they are, and that none is in the future."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from chassis import clock
from salesbeat.importing import command, dates
from salesbeat.importing.plan import Plan
from salesbeat.importing.rehearsal import rehearse
from salesbeat.refusals import Refused

NOW = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)
"""10:30 in Shanghai, 20:30 of the day before in Chicago."""


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Any:
    def at(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    at(NOW)
    return at


HEAD = """\
mapping: 1
name: d
{head}files:
  o: {{file: o.csv, delimiter: ";"}}
  places: {{rows: [{{zone: {zone}}}]}}
regions: {{from: places, key: {{constant: North}}, name: {{constant: North}}}}
offices: {{from: places, key: zone, name: zone, code: {{constant: AB}}, region: {{constant: North}}, timezone: zone}}
people:
  from: places
  key: {{constant: Bo}}
  name: {{constant: Bo}}
  role: {{constant: salesperson}}
  office: zone
  joined_on: {{constant: "2000-01-01"}}
products: {{from: places, key: {{constant: P}}, name: {{constant: P}}}}
customers:
  from: places
  key: {{constant: C}}
  name: {{constant: Acme}}
  owner: {{constant: Bo}}
  prospect_since: {{constant: "2001-01-01"}}
orders:
  from: o
  {where}
  key: id
  customer: {{constant: C}}
  received: day
  requested_date: wanted
  lines: {{product: {{constant: P}}, unit_price: {{constant: "1"}}}}
  steps:
    confirmed: {{on: won, promised_date: promised, payment_method: {{constant: cash}}, told_at: told}}
    allocated: {{on: planned}}
    delivered: {{on: sent, receiver: {{constant: Zoe}}}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Any:
    def planned(*rows: dict[str, str], head: str = "", zone: str = "Asia/Shanghai", where: str = "") -> Plan:
        columns = ("id", "day", "wanted", "won", "promised", "told", "planned", "sent")
        lines = [";".join(columns)]
        for number, row in enumerate(rows):
            lines.append(";".join({**dict.fromkeys(columns, ""), "id": f"O{number}", **row}.values()))
        (tmp_path / "o.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        where = f"where: {where}" if where else ""
        text = HEAD.format(head=head, zone=zone, where=where)
        (tmp_path / "d.yaml").write_text(text, encoding="utf-8")
        return command.read(tmp_path / "d.yaml", tmp_path)

    return planned


def order(plan: Plan, index: int = 0) -> Any:
    return plan.records["orders"][index]


def times(plan: Plan, index: int = 0) -> dict[str, str]:
    """When each step happened, as the requests say it."""
    record = order(plan, index)
    assert record.problems == []
    return {request.name: request.body["occurred_at"] for request in record.requests}


# --- how dates are written ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "cell", "day"),
    [
        ("D MMMM YYYY", "1 March 2026", "2026-03-01"),
        ("D MMMM YYYY", "1 march 2026", "2026-03-01"),
        ("D MMMM YYYY", "1 Mar 2026", "2026-03-01"),
        ("MMM D, YYYY", "Sept 5, 2025", "2025-09-05"),
        ("MMMM D, YYYY", "September  5, 2025", "2025-09-05"),
        ("YYYY年M月D日", "2026年3月1日", "2026-03-01"),
        ("YYYY年M月D日", "２０２６年３月１日", "2026-03-01"),
        ("YYYY年MMMMD日", "2026年十二月1日", "2026-12-01"),
        ("YYYY年MMMMD日", "2026年三月1日", "2026-03-01"),
        ("Date: D.M.YYYY", "Date: 1.3.2026", "2026-03-01"),
        ("'Day' D.M.YYYY", "Day 1.3.2026", "2026-03-01"),
        ("[D] D.M.YYYY", "D 1.3.2026", "2026-03-01"),
        ("DD.MM.YY", "15.03.98", "1998-03-15"),
        ("DD.MM.YY", "15.03.26", "2026-03-15"),
        ("YYYYMMDD", "20260301", "2026-03-01"),
        ("DDMMMYYYY", "01Mar2026", "2026-03-01"),
        ("MM/DD/YYYY hh:mm A", "03/01/2026 11:30 PM", "2026-03-01"),
        ("YYYY-MM-DDTHH:mm:ss", "2026-03-01T10:00:00", "2026-03-01"),
        ("D MMMM YYYY", "2026-03-01", "2026-03-01"),
        ("D.M.YYYY", "29.2.2024", "2024-02-29"),
    ],
)
def test_dates_with_names_quoted_text_and_either_clock(plan: Any, now: Any, pattern: str, cell: str, day: str) -> None:
    made = plan({"day": "2026-01-01", "wanted": cell}, head=f'defaults: {{dates: ["{pattern}", YYYY-MM-DD]}}\n')
    assert order(made).problems == []
    assert order(made).requests[0].body["requested_date"] == day


@pytest.mark.parametrize(
    ("pattern", "cell", "clock"),
    [
        ("D.M.YYYY hh:mm A", "1.3.2026 12:05 AM", "00:05"),
        ("D.M.YYYY hh:mm A", "1.3.2026 12:05 PM", "12:05"),
        ("D.M.YYYY h:mm a", "1.3.2026 1:05 p.m.", "13:05"),
        ("YYYY/M/D Ah:mm", "2026/3/1 下午1:05", "13:05"),
        ("YYYY/M/D Ah:mm", "2026/3/1 上午9:05", "09:05"),
        ("D.M.YYYY HH:mm:ss", "1.3.2026 09:05:59.123", "09:05"),
        ("YYYY-MM-DD", "2026-03-01T09:05:00", "09:05"),
        ("YYYY-MM-DD", "2026-03-01 09:05:00.1234567", "09:05"),
        ("YYYY-MM-DD", "2026-03-01T09:05:00,5", "09:05"),
        ("YYYY-MM-DD", "2026-03-01T01:05:00Z", "09:05"),
        ("YYYY-MM-DD", "2026-03-01T01:05:00.25+00:00", "09:05"),
        ("YYYY-MM-DD", "2026-03-01 02:05+01", "09:05"),
        ("YYYY-MM-DDTHH:mm:ssZ", "2026-03-01T01:05:00Z", "09:05"),
    ],
)
def test_times_with_fractions_offsets_and_am_or_pm(plan: Any, now: Any, pattern: str, cell: str, clock: str) -> None:
    made = plan({"day": cell}, head=f"defaults: {{dates: '{pattern}'}}\n")
    assert times(made)["creation"].startswith(f"2026-03-01T{clock}:")
    assert times(made)["creation"].endswith("+08:00")


@pytest.mark.parametrize(
    "cell",
    [
        "2025-02-29", "2026-13-01", "2026-03-01T24:00:00", "2026-03-01 25:00", "1772697600", "1772697600000", "46086",
        "46086.5", "March 2026", "2026-W10-4", "today", "0206-03-01", "9999-12-31", "0001-01-01", "1.3.2026",
    ],
)  # fmt: skip
def test_what_is_no_date_is_refused_with_its_cell(plan: Any, now: Any, cell: str) -> None:
    (problem,) = order(plan({"day": cell})).problems
    assert problem.startswith(f"column `day` (`orders.received`): `{cell}`")


def test_a_time_of_24_hours_says_why_it_is_refused(plan: Any, now: Any) -> None:
    (problem,) = order(plan({"day": "2026-03-01 24:00"})).problems
    assert "24:00 may be the end of that day or the beginning of the next" in problem


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("DD.MM.YYYY hh:mm", "12-hour clock `h` without `A`"),
        ("D D M YYYY", "has the day twice"),
        ("yyyy-mm-dd", "must have a year, a month and a day in capitals"),
        ("D MMMM", "must have a year, a month and a day"),
        ("D.M.YYYY A", "has `A` (AM/PM) and no hour"),
        ("D.M.YYYY mm", "minutes without hours"),
        ("D.M.YYYY HH:ss", "seconds without minutes"),
    ],
)
def test_a_date_format_that_cannot_be_understood_names_its_line(
    plan: Any, now: Any, pattern: str, sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        plan({"day": "2026-01-01"}, head=f"defaults:\n  currency: EUR\n  dates: '{pattern}'\n")
    assert str(refused.value).startswith("d.yaml, line 5: ")
    assert sentence in str(refused.value)


def test_years_of_two_digits_lie_in_a_window_that_the_mapping_may_state(plan: Any, now: Any) -> None:
    assert times(plan({"day": "15.03.98"}, head="defaults: {dates: DD.MM.YY}\n"))["creation"].startswith("1998-03-15")
    head = "defaults: {dates: DD.MM.YY, two_digit_years_until: 2030}\n"
    made = plan({"day": "15.03.26", "wanted": "15.03.27"}, head=head)
    assert order(made).requests[0].body["requested_date"] == "2027-03-15"
    assert dates.short_year(31, 2030) == 1931
    assert dates.short_year(0, 2026) == 2000
    assert dates.short_year(26, 2026) == 2026
    assert dates.short_year(27, 2026) == 1927


def test_a_day_to_come_with_two_digits_asks_for_the_century(plan: Any, now: Any) -> None:
    (problem,) = order(plan({"day": "15.03.26", "wanted": "15.03.27"}, head="defaults: {dates: DD.MM.YY}\n")).problems
    assert "`15.03.27` may be 1927 or 2027: say with `two_digit_years_until:`" in problem


# --- which day, which instant ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "cell", "day"),
    [
        ("Asia/Shanghai", "2026-03-05T16:00:00Z", "2026-03-06"),
        ("Asia/Shanghai", "2026-03-05T15:59:59.999Z", "2026-03-05"),
        ("America/Chicago", "2026-03-05T05:59:00Z", "2026-03-04"),
        ("America/Chicago", "2026-03-05T23:30:00", "2026-03-05"),
        ("Pacific/Kiritimati", "2026-03-05T10:00:00+00:00", "2026-03-06"),
        ("Asia/Shanghai", "2026-03-05", "2026-03-05"),
    ],
)
def test_a_time_stamp_in_a_date_column_is_the_day_in_the_office_s_zone(
    plan: Any, now: Any, zone: str, cell: str, day: str
) -> None:
    made = plan({"day": "2026-01-01", "wanted": cell}, zone=zone)
    assert order(made).requests[0].body["requested_date"] == day


def test_a_bare_date_is_noon_of_that_day_in_the_office_s_zone(plan: Any, now: Any) -> None:
    assert times(plan({"day": "2026-03-05"}, zone="America/Chicago"))["creation"] == "2026-03-05T12:00:00-06:00"


async def test_a_bare_date_of_today_is_never_in_the_future(plan: Any, now: Any) -> None:
    made = plan({"day": "2026-11-26", "won": "2026-11-26", "promised": "2026-12-01", "told": "2026-11-26"})
    assert times(made)["creation"] == "2026-11-26T10:30:00+08:00"
    assert order(made).requests[-1].body["customer_told_at"] == "2026-11-26T10:30:00+08:00"
    await rehearse(made)
    assert order(made).problems == []


@pytest.mark.parametrize(
    ("zone", "day", "taken"),
    [
        ("Asia/Shanghai", "2026-11-26", True),
        ("Asia/Shanghai", "2026-11-27", False),
        ("America/Chicago", "2026-11-25", True),
        ("America/Chicago", "2026-11-26", False),
        ("Pacific/Kiritimati", "2026-11-26", True),
        ("Pacific/Kiritimati", "2026-11-27", False),
        ("Pacific/Pago_Pago", "2026-11-25", True),
        ("Pacific/Pago_Pago", "2026-11-26", False),
    ],
)
async def test_today_is_the_office_s_own_day(plan: Any, now: Any, zone: str, day: str, taken: bool) -> None:
    made = plan({"day": day}, zone=zone)
    await rehearse(made)
    if taken:
        assert order(made).problems == []
        assert order(made).requests[0].body["occurred_at"].startswith(day)
    else:
        (problem,) = order(made).problems
        assert f"{day} has not come yet" in problem
        assert zone in problem


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/Chicago", "Pacific/Kiritimati", "America/Santiago"])
@pytest.mark.parametrize(
    ("received", "won"),
    [
        ("2026-09-06 15:00", "2026-09-06"),
        ("2026-09-06", "2026-09-06 09:00"),
        ("2026-09-06", "2026-09-06 03:00:00"),
        ("2026-09-06 23:59:59", "2026-09-06"),
        ("2026-09-06", "2026-09-06"),
    ],
)
async def test_a_bare_date_never_conflicts_with_a_time_of_the_same_day(
    plan: Any, now: Any, zone: str, received: str, won: str
) -> None:
    made = plan({"day": received, "won": won, "promised": "2026-10-01", "told": "2026-09-06"}, zone=zone)
    await rehearse(made)
    assert order(made).problems == []
    first, second = (datetime.fromisoformat(times(made)[name]) for name in ("creation", "confirmed"))
    assert first <= second
    assert {first.date(), second.date()} == {date(2026, 9, 6)}


async def test_a_day_whose_midnight_the_clock_leaves_out_is_a_day_all_the_same(plan: Any, now: Any) -> None:
    # In Santiago the sixth of September 2026 begins at 01:00.
    made = plan(
        {"day": "2026-09-06", "won": "2026-09-06 01:00", "promised": "2026-09-06", "told": ""}, zone="America/Santiago"
    )
    record = order(made)
    assert [problem for problem in record.problems if "told" not in problem] == []
    first, last = dates.bounds(date(2026, 9, 6), clock_zone("America/Santiago"))
    assert (first, last) == (
        datetime(2026, 9, 6, 4, tzinfo=UTC),
        datetime(2026, 9, 7, 2, 59, 59, tzinfo=UTC),
    )


def clock_zone(name: str) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


async def test_several_steps_of_one_day_stand_in_their_order(plan: Any, now: Any) -> None:
    made = plan(
        {
            "day": "2026-03-05", "won": "2026-03-05", "promised": "2026-03-05", "told": "2026-03-05",
            "planned": "2026-03-05 08:00", "sent": "2026-03-05",
        }
    )  # fmt: skip
    await rehearse(made)
    assert order(made).problems == []
    assert list(times(made).values()) == [f"2026-03-05T{clock}:00+08:00" for clock in ("08:00",) * 4 + ("12:00",)]


def test_a_step_of_a_day_before_the_step_before_it_is_refused_in_the_office_s_zone(plan: Any, now: Any) -> None:
    made = plan({"day": "2026-03-05T20:00:00Z", "won": "2026-03-05", "promised": "2026-04-01", "told": "2026-03-06"})
    (problem,) = [problem for problem in order(made).problems if "before the step" in problem]
    assert problem == (
        "column `won`, cell `2026-03-05` (`orders.steps.confirmed.on`): "
        "2026-03-05 is before the step before it (2026-03-06 04:00)"
    )


async def test_history_is_taken_as_it_was(plan: Any, now: Any) -> None:
    made = plan(
        {
            "day": "2026-03-05",
            "wanted": "2026-01-01",
            "won": "2026-03-06",
            "promised": "2026-02-01",
            "told": "2026-03-06",
        }
    )
    await rehearse(made)
    assert order(made).problems == []


async def test_a_service_s_refusal_speaks_of_the_file_and_its_zone(plan: Any, now: Any) -> None:
    made = plan({"day": "1999-03-05"}, zone="America/Chicago")
    await rehearse(made)
    (problem,) = order(made).problems
    assert "is not on the roster on 1999-03-05" in problem


# --- filters --------------------------------------------------------------------------------------


def test_a_date_filter_reads_time_stamps_and_refuses_what_it_cannot_read(plan: Any, now: Any) -> None:
    made = plan(
        {"day": "2026-02-28T16:00:00Z"},
        {"day": "2026-02-28 15:00:00"},
        {"day": "2026-03-01T00:00:00.123"},
        {"day": "soon"},
        {"day": ""},
        where='{day: {on_or_after: "2026-03-01"}}',
    )
    kept = {record.key: record.problems for record in made.records["orders"]}
    assert kept == {
        "O0": [],
        "O2": [],
        "": ["a filter cannot read the column `day`: `soon` is no date written as YYYY-MM-DD or YYYY-MM-DD HH:mm "
             "or YYYY-MM-DD HH:mm:ss"],
    }  # fmt: skip
    assert [row.number for _, row in made.skipped] == [3, 6]


def test_a_filter_with_a_word_for_nothing_means_the_empty_cell(plan: Any, now: Any) -> None:
    made = plan({"day": "NULL"}, {"day": "2026-03-01"}, where="{day: {not: NULL}}")
    assert [record.key for record in made.records["orders"]] == ["O1"]
