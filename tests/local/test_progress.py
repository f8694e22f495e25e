"""`salesbeat progress`: readable at any width, amounts whole, each value by its kind, texts as they are."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from reporting.answers import MEASURES, shown
from reporting.formulas import FORMULAS, rate
from reporting.measures import SHAPES
from reporting.totals import Totals
from salesbeat import cli, progress
from salesbeat.refusals import Refused

LARGEST = 9_007_199_254_740_991
TOTALS: Totals = {
    "calls/count": 1_234, "calls/seconds": 3_725, "first_pass/denominator": 9, "first_pass/numerator": 8,
    "forms_due/count": 40, "forms_on_time/count": 38, "new_customers/count": 3,
    "orders_cancelled/amount/CNY": 120_000, "orders_cancelled/count": 1,
    "orders_confirmed/amount/CNY": 123_456_789, "orders_confirmed/margin/CNY": 23_456_700,
    "orders_confirmed/count": 1_205, "orders_confirmed/without_cost": 2,
    "on_time_completion/denominator": 3, "on_time_completion/numerator": 2,
    "sales_target/amount/CNY": 130_000_000, "selling_hours/minutes": 2_245, "selling_hours/declared_minutes": 59,
    "signed_visits/actual": 20, "signed_visits/stops": 18, "stops_planned/count": 25, "visit_cost/amount/CNY": 364_762,
    "visits_deal/count": 7, "visits_done/count": 21, "visits_effective/count": 15, "visits_effective/pending": 1,
    "visits_not_met/count": 2, "visits_unplanned/count": 2,
}  # fmt: skip
NAMES = [
    "上海办事处",
    "Ürümqi",
    "广州大客户与经销商管理办事处(含深圳、东莞、佛山)",
    "Office of the United Trading Companies of the North",
]


def row(name: str, totals: Totals = TOTALS, period: str = "2026-11", **more: Any) -> dict[str, Any]:
    measures = shown(totals, totals, "administrator")
    return {"period": period, "level": "office", "id": f"id-{name}", "name": name, "measures": measures, **more}


def answer(*rows: dict[str, Any]) -> dict[str, Any]:
    as_of = {"orders": "2026-11-26T10:00:01.5Z", "visits": "2026-11-26T10:00:00Z"}
    return {"items": list(rows), "as_of": as_of, "next_cursor": None}


OFFICES = answer(*(row(name) for name in NAMES))


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("measures", [None, ["all"]], ids=["usual", "all"])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width: int, measures: list[str] | None) -> None:
    said = progress.text(OFFICES, width, measures)
    assert max(cell_len(line) for line in said.splitlines()) <= width
    assert said.count("1,234,567.89") == said.count("1,300,000.00") == len(NAMES)
    assert "…" not in said


def test_at_a_hundred_columns_the_usual_measures_are_one_block() -> None:
    said = progress.text(OFFICES, 100)
    table = said.split("\n\n")[1].splitlines()
    first = next(line for line in table if line.startswith("上海办事处"))
    assert first.split()[1:] == ["1,205", "1,234,567.89", "1,300,000.00", "94.9%", "94.9%", "21", "75.0%"]
    assert re.sub(r"\s+", " ", " ".join(table[:3])).count("CNY") == 2


def test_columns_stand_under_each_other_whatever_the_names_are_written_in() -> None:
    table = progress.text(OFFICES, 100).split("\n\n")[1].splitlines()
    rule = next(line for line in table if line.startswith("---"))
    ends = [found.end() for found in re.finditer("-+", rule)]
    for line in table[table.index(rule) + 1 :]:
        if "1,234,567.89" in line:
            before = line.index("1,234,567.89")
            assert cell_len(line[:before]) + len("1,234,567.89") == ends[2]


def test_each_value_is_written_by_its_kind() -> None:
    said = {
        column: progress.cell(*column, row("sha")["measures"][column[0]])
        for column in progress.chosen(answer(row("sha")), ["all"])
    }
    assert said["orders_confirmed", "count"] == [("1,205", None)]
    assert said["orders_confirmed", "margin"] == [("234,567.00", "CNY")]
    assert said["cost_per_visit", "value"] == [("158.59", "CNY")]  # 3,647.62 over 23 visits
    assert said["attainment", "value"] == [("94.9%", "CNY")]
    assert said["deal_rate", "value"] == [("35.0%", None)]
    assert said["deal_rate", "planned"] == [("38.9%", None)]
    assert said["selling_hours", "minutes"] == [("37:25", None)]
    assert said["selling_hours", "declared_minutes"] == [("0:59", None)]
    assert said["calls", "seconds"] == [("1:02:05", None)]
    assert said["visits_open", "count"] == [("0", None)]


@pytest.mark.parametrize(
    ("measure", "numerator", "denominator", "written"),
    [
        ("attainment", 5, 16, "31.3%"),  # 31.25 %
        ("attainment", 1, 800, "0.1%"),  # 0.125 %
        ("attainment", 4_999, 40_000, "12.5%"),
        ("attainment", 31_249_999, 100_000_000, "31.2%"),  # not twice rounded, from 0.3125
        ("cost_per_visit", 14_249_999, 100_000, "1.42"),  # 142.49999, whose four places are 142.5
        ("cost_per_visit", 285, 2, "1.43"),
    ],
)
def test_a_rate_is_rounded_half_up_once(measure: str, numerator: int, denominator: int, written: str) -> None:
    parts = {**rate(numerator, denominator), "currency": "CNY"}
    ((number, _),) = progress.cell(measure, "value", parts)
    assert number == written


def test_every_measure_that_there_is_has_a_kind_and_a_column() -> None:
    """A new measure or rate is neither forgotten nor written as a share of something by accident."""
    columns = progress.chosen(answer(row("sha")), ["all"])
    assert {measure for measure, _ in columns} == set(MEASURES)
    money = {name for name in FORMULAS if "cost" in name or "margin" in name or "average" in name}
    assert money == progress.MONEY_RATES
    counts = {part for shape in SHAPES.values() if shape.shown for part in shape.counts}
    assert counts == {"count", "pending", "times", "seconds", "minutes", "declared_minutes", "without_cost"}


def test_several_currencies_stand_below_each_other_each_named() -> None:
    two = {
        **TOTALS,
        "orders_confirmed/amount/JPY": 5_000,
        "sales_target/amount/JPY": 10_000,
        "visit_cost/amount/JPY": 900,
    }
    said = progress.text(
        answer(row("上海", two), row("Kobe")), 100, ["orders_confirmed.amount", "attainment", "cost_per_visit"]
    )
    lines = said.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("上海"))
    assert lines[first].split()[1:] == ["1,234,567.89", "CNY", "94.9%", "CNY", "158.59", "CNY"]
    assert lines[first + 1].split() == ["5,000", "JPY", "50.0%", "JPY", "39", "JPY"]
    assert lines[first + 2].split()[0] == "Kobe"


def test_nothing_to_divide_by_and_nothing_sold_are_a_dash() -> None:
    said = progress.text(
        answer(row("sha", {"visits_done/count": 1})), 100, ["orders_confirmed.amount", "attainment", "cost_per_visit"]
    )
    assert said.splitlines()[-1].split() == ["sha", "–", "–", "–"]


def test_an_amount_longer_than_the_line_stays_whole() -> None:
    huge = row("上海", {"orders_confirmed/amount/CNY": LARGEST})
    said = progress.text(answer(huge), 40, ["orders_confirmed.amount"])
    assert "90,071,992,547,409.91" in said


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("上海 [closed]", "上海 [closed]"),
        ("[/x] [bold]Office[/bold]", "[/x] [bold]Office[/bold]"),
        ("red\x1b[31m", "red\\x1b[31m"),
        ("two\nlines\tand a tab", "two\\nlines\\tand a tab"),
        ("abc\u202edef\u2066", "abc\\u202edef\\u2066"),
        ("half \ud83d", "half \\ud83d"),
        ("\x00nul", "\\x00nul"),
        ("Café", "Café"),
        ("राम स्टोर", "राम स्टोर"),
    ],
)  # fmt: skip
def test_a_name_is_shown_as_it_is_and_what_a_terminal_obeys_as_its_code(name: str, written: str) -> None:
    said = progress.text(answer(row(name)), 140)
    assert written in said
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    assert len(said.encode()) > 0


def test_a_long_name_is_wrapped_and_nothing_of_it_is_lost() -> None:
    lines = progress.text(OFFICES, 60).split("\n\n")[1].splitlines()
    column = [line[:21].strip() if line.isascii() else line for line in lines]
    assert " ".join(column).count("United") == 1
    chinese = "".join(re.findall(r"[广州大客户与经销商管理办事处(含深圳、东莞、佛山)]+", "".join(lines)))
    assert NAMES[2] in chinese


def test_units_of_one_name_are_told_apart() -> None:
    said = progress.text(answer(row("王伟", id="0192-aaaaaa"), row("王伟", id="0192-bbbbbb"), row("李娜")), 100)
    assert "王伟 (aaaaaa)" in said
    assert "王伟 (bbbbbb)" in said
    assert "李娜 (" not in said


def test_the_period_is_a_column_where_there_are_several() -> None:
    one = progress.text(answer(row("sha", period="2026-W48")), 100)
    assert one.startswith("2026-W48, complete up to 2026-11-26 10:00:00 UTC\n")
    assert "period" not in one
    several = progress.text(answer(row("sha", period="2026-W47"), row("sha", period="2026-W48")), 100)
    assert several.startswith("2026-W47 to 2026-W48, ")
    assert [line.split()[0] for line in several.splitlines() if line.startswith("2026-W4")][1:] == [
        "2026-W47",
        "2026-W48",
    ]


def test_numbers_that_are_not_complete_yet_say_so() -> None:
    young = {**answer(row("sha")), "as_of": {"orders": None, "visits": "2026-11-26T10:00:00Z"}}
    assert progress.text(young, 100).startswith("2026-11; not everything has been counted yet")


def test_measures_are_chosen_by_name_in_that_order() -> None:
    said = progress.text(answer(row("sha")), 100, ["visits_done", "orders_confirmed.margin"])
    heading = said.split("\n\n")[1].splitlines()[0].split()
    assert heading == ["office", "visits", "margin", "CNY"]
    assert "More:" not in said
    zero = progress.text(answer(row("sha", {"calls/count": 1})), 100, ["visits_done"])
    assert zero.splitlines()[-1].split() == ["sha", "0"]


def test_a_measure_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    for name in ("sails", "orders_confirmed.costs"):
        with pytest.raises(Refused, match=rf"no measure {name}: .*orders_confirmed, orders_cancelled"):
            progress.text(OFFICES, 100, [name])


def test_the_other_measures_are_named_below_the_usual_ones() -> None:
    said = progress.text(OFFICES, 100)
    assert "--measures all, or some of orders_cancelled, new_customers" in said
    assert said.index("cost_per_visit") > said.index("More:")


# --- the command ----------------------------------------------------------------------------------


class _Session:
    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items
        self.asked: dict[str, Any] = {}

    async def get(self, path: str, **asked: Any) -> dict[str, Any]:
        self.asked = {"path": path, **asked}
        return answer(*self.items)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> _Session:
    """The command signed in at a gateway that knows one office whose name is markup."""
    import asyncio

    made = _Session([row("[/x] 上海 [closed]")])
    monkeypatch.setattr(cli, "_signed_in", lambda url, login, work: asyncio.run(work(made)))
    monkeypatch.setenv("COLUMNS", "100")
    return made


@pytest.mark.parametrize("level", ["person", "office", "region", "company"])
@pytest.mark.parametrize("cadence", ["day", "week", "month"])
def test_the_command_prints_the_table_of_any_level_and_cadence(session: _Session, cadence: str, level: str) -> None:
    done = CliRunner().invoke(cli.app, ["progress", cadence, "--level", level])
    assert done.exit_code == 0, done.output
    assert "[/x] 上海 [closed]" in done.output
    assert max(cell_len(line) for line in done.output.splitlines()) <= 100
    assert (session.asked["path"], session.asked["level"]) == (f"/api/v1/progress/{cadence}", level)


def test_the_command_takes_measures_with_commas_and_again(session: _Session) -> None:
    asked = ["progress", "month", "--measures", "calls,visits_done", "--measures", "pace"]
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 0, done.output
    assert re.search(r"calls .*visits +pace", done.output.replace("\n", " "))


def test_nothing_at_all_is_a_sentence(session: _Session) -> None:
    session.items = []
    done = CliRunner().invoke(cli.app, ["progress", "day", "--measures", "all"])
    assert (done.exit_code, done.output) == (0, "Nothing happened in these periods.\n")


SCRIPT = """
import sys
from salesbeat import cli
print(cli._width())
"""


def _width_said(stdout: int, **environment: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    subprocess.run([sys.executable, "-c", SCRIPT], stdout=stdout, env={**clean, **environment}, check=True)


@pytest.mark.parametrize(("environment", "width"), [({}, "100"), ({"COLUMNS": "72"}, "72"), ({"COLUMNS": "7"}, "40")])
def test_a_pipe_has_a_hundred_columns_unless_told_otherwise(environment: dict[str, str], width: str) -> None:
    reading, writing = os.pipe()
    _width_said(writing, **environment)
    os.close(writing)
    assert os.read(reading, 100).decode().strip() == width
    os.close(reading)


def test_a_terminal_says_how_wide_it_is() -> None:
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 83, 0, 0))
    _width_said(follower)
    assert os.read(leader, 100).decode().strip() == "83"
    os.close(follower)
    os.close(leader)
