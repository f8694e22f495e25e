"""The error file and what comes back of it: through spreadsheets, encodings and separators, each row stays its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from salesbeat.importing import command
from salesbeat.importing.mended import protected, respelt, unprotected
from salesbeat.importing.plan import Plan
from salesbeat.refusals import Refused

MAPPING = """\
mapping: 1
name: m
files: {c: {file: c.csv}, o: {file: o.csv}}
customers: {from: c, key: id, name: name, owner: owner, phone: phone, prospect_since: since}
orders:
  from: o
  key: id
  customer: client
  received: day
  note: note
  lines: {product: {constant: P}, quantity: pieces, unit_price: {constant: "1"}}
"""
CLIENTS = [["id", "name", "owner", "phone", "since"], ["000123", "Müller Söhne", "Bo", "021-5555 1001", "2026-02-01"]]
ORDERS = [["id", "client", "day", "pieces", "note"], ["000456", "000123", "2026-03-01", "some", "=1+1"]]


class Desk:
    """A folder with the files, and what somebody does with the error file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        (folder / "m.yaml").write_text(MAPPING, encoding="utf-8")
        self.errors = folder / "errors.csv"
        self.write("c", CLIENTS)
        self.write("o", ORDERS)

    def write(self, name: str, rows: list[list[str]]) -> None:
        with (self.folder / f"data/{name}.csv").open("w", encoding="utf-8", newline="") as opened:
            csv.writer(opened).writerows(rows)

    async def dry_run(self, **options: Any) -> tuple[int, str]:
        said = io.StringIO()
        status = await command.run(
            self.folder / "m.yaml",
            self.folder / "data",
            dry_run=True,
            errors=self.errors,
            session=None,
            console=Console(file=said, width=300),
            **options,
        )
        return status, said.getvalue()

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.errors.read_text(encoding="utf-8-sig"))))

    def save(self, mend: Callable[[dict[str, str]], Any], encoding: str = "utf-8-sig", delimiter: str = ",") -> Path:
        """The error file as somebody saves it after mending its rows."""
        rows = self.rows()
        for row in rows:
            mend(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
        mended = self.folder / "mended.csv"
        mended.write_bytes(text.getvalue().encode(encoding))
        return mended

    def plan(self, mended: Path, encoding: str | None = None) -> Plan:
        return command.read(self.folder / "m.yaml", self.folder / "data", mended, encoding)


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    """The one order is refused for its pieces."""
    made = Desk(tmp_path)
    status, _ = await made.dry_run()
    assert status == 1
    assert [(row["(file)"], row["(line)"]) for row in made.rows()] == [("o.csv", "2")]
    return made


def order(plan: Plan) -> Any:
    return plan.records["orders"][0]


def mend(**cells: str) -> Callable[[dict[str, str]], None]:
    return lambda row: row.update({"pieces": "3", **cells})


# --- formulas -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+86 21 5555", "-5", "@SUM(A1)", "\t=1", "\r=1", "'=1+1", "''=x", "＝1+1", "'", "'s-Hertogenbosch", "x=1"],
)  # fmt: skip
def test_a_cell_that_a_spreadsheet_would_compute_is_written_as_text_and_read_back(cell: str) -> None:
    written = protected(cell)
    assert written[:1] not in tuple("=+-@\t\r＝")
    assert unprotected(written) == cell


async def test_formulas_in_the_error_file_are_text_and_come_back_as_they_were(desk: Desk) -> None:
    assert desk.rows()[0]["note"] == "'=1+1"
    plan = desk.plan(desk.save(mend()))
    assert order(plan).problems == []
    assert order(plan).requests[0].body["note"] == "=1+1"


async def test_the_verdict_file_has_no_formulas(desk: Desk) -> None:
    desk.write("o", [ORDERS[0], ["=cmd()", "000123", "2026-03-01", "some", ""]])
    await desk.dry_run(verdicts=desk.folder / "verdicts.csv")
    text = (desk.folder / "verdicts.csv").read_text(encoding="utf-8-sig")
    assert "orders,'=cmd()," in text


# --- encodings and separators ---------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "windows-1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_a_mended_file_is_read_in_whatever_encoding_its_unchanged_cells_prove(
    desk: Desk, encoding: str, delimiter: str
) -> None:
    desk.write("o", [ORDERS[0], ["000456", "000123", "2026-03-01", "some", "für Müller, Söhne"]])
    await desk.dry_run()
    plan = desk.plan(desk.save(mend(), encoding, delimiter))
    assert order(plan).problems == []
    assert order(plan).requests[0].body["note"] == "für Müller, Söhne"


@pytest.mark.parametrize("encoding", ["windows-1252", "gb18030", "big5", "windows-1251"])
async def test_an_encoding_in_doubt_is_asked_for_and_never_another_name(desk: Desk, encoding: str) -> None:
    note = {"windows-1252": "Müller Söhne", "gb18030": "张三公司", "big5": "張三公司", "windows-1251": "Мука"}[encoding]
    mended = desk.save(mend(note=note), encoding)
    with pytest.raises(Refused, match="Which encoding is it\\? Say it with `--mended-encoding`"):
        desk.plan(mended)
    plan = desk.plan(mended, encoding)
    assert order(plan).requests[0].body["note"] == note


async def test_a_wrong_encoding_that_somebody_names_is_refused(desk: Desk) -> None:
    with pytest.raises(Refused, match="is not ascii"):
        desk.plan(desk.save(mend(note="ä"), "utf-8"), "ascii")
    with pytest.raises(Refused, match="`klingon` is no encoding"):
        desk.plan(desk.save(mend(), "utf-8"), "klingon")


async def test_two_encodings_in_one_mended_file_are_a_doubt(desk: Desk) -> None:
    mended = desk.save(mend(note="ABC"), "utf-8")
    mended.write_bytes(mended.read_bytes().replace(b"ABC", "Müller ".encode() + "Söhne".encode("windows-1252")))
    with pytest.raises(Refused, match=r"Which encoding|mixes encodings"):
        desk.plan(mended)


async def test_a_first_line_that_names_the_separator_is_passed_over(desk: Desk) -> None:
    mended = desk.save(mend(), "utf-8", ";")
    mended.write_bytes(b"sep=;\r\n" + mended.read_bytes())
    assert order(desk.plan(mended)).problems == []


# --- what a spreadsheet makes of cells ------------------------------------------------------------


@pytest.mark.parametrize("key", ["456", "4.56E+02", "456.0", "000457", "DEF"])
async def test_a_mended_row_whose_key_has_become_another_is_refused(desk: Desk, key: str) -> None:
    plan = desk.plan(desk.save(mend(id=key)))
    (record,) = plan.records["orders"]
    assert record.problems == [
        f"column `id` (`orders.key`): this is the row of the key `000456`, and `{key}` would be another record: "
        "write the key as it was (in a spreadsheet, format its column as text)"
    ]


@pytest.mark.parametrize("client", ["123", "1.23E+02"])
async def test_a_reference_that_lost_its_zeros_is_refused(desk: Desk, client: str) -> None:
    problems = order(desk.plan(desk.save(mend(client=client)))).problems
    assert problems == [
        f"column `client` (`orders.customer`): `000123` has become `{client}`, as a spreadsheet does with numbers: "
        "format the column as text and write it as it was"
    ]


async def test_a_reference_that_lost_its_zeros_never_meets_another_record(desk: Desk) -> None:
    desk.write("c", [*CLIENTS, ["123", "Somebody else", "Bo", "", "2026-02-01"]])
    assert order(desk.plan(desk.save(mend(client="123")))).problems != []


async def test_a_key_may_be_mended_where_it_was_the_mistake(desk: Desk) -> None:
    desk.write("o", [ORDERS[0], ["1", "000123", "2026-03-01", "3", ""], ["1", "000123", "2026-03-02", "4", ""]])
    await desk.dry_run()
    plan = desk.plan(desk.save(lambda row: row.update(id="2")))
    assert [record.problems for record in plan.records["orders"]] == [[], []]
    desk.write("o", [ORDERS[0], ["", "000123", "2026-03-01", "3", ""]])
    await desk.dry_run()
    assert order(desk.plan(desk.save(lambda row: row.update(id="7")))).problems == []


@pytest.mark.parametrize(
    "cell",
    ["2026/3/1", "2026-3-1", "01.03.2026", "1.3.2026", "3/1/2026", "1/3/2026", "3/1/26", "2026年3月1日", "1-Mar-2026",
     "1-Mar-26", "2026/3/1 0:00"],
)  # fmt: skip
async def test_a_date_as_a_spreadsheet_writes_it_back_is_the_day_that_it_was(desk: Desk, cell: str) -> None:
    plan = desk.plan(desk.save(mend(day=cell)))
    assert order(plan).problems == []
    assert order(plan).requests[0].body["occurred_at"].startswith("2026-03-01")


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("2026/3/4", "2026-03-04"),
        ("13/4/2026", "2026-04-13"),
        ("04.03.2026 9:30", "2026-03-04T09:30"),
        ("5/4/2026", ""),
    ],
)
async def test_another_date_is_read_unless_day_and_month_may_be_either(desk: Desk, cell: str, wanted: str) -> None:
    record = order(desk.plan(desk.save(mend(day=cell))))
    if wanted:
        assert record.problems == []
        assert record.requests[0].body["occurred_at"].startswith(wanted)
    else:
        assert "may have the day or the month first" in record.problems[0]


def test_what_a_spreadsheet_takes_for_a_number_is_known() -> None:
    assert respelt("000123", "123")
    assert respelt("123456789012", "1.23457E+11")
    assert respelt("13812345678", "1.38E+10")
    assert not respelt("000123", "000124")
    assert not respelt("A", "B")
    assert not respelt("12", "12")


async def test_numbers_may_lose_their_zeros(desk: Desk) -> None:
    desk.write("o", [ORDERS[0], ["000456", "000123", "soon", "3.00", ""]])
    await desk.dry_run()
    plan = desk.plan(desk.save(lambda row: row.update(day="2026-03-01", pieces="3")))
    assert order(plan).problems == []


# --- what is no error file ------------------------------------------------------------------------


async def test_a_column_that_was_taken_out_empties_nothing(desk: Desk) -> None:
    mended = desk.save(mend())
    rows = list(csv.reader(io.StringIO(mended.read_text(encoding="utf-8-sig"))))
    note = rows[0].index("note")
    text = "\n".join(",".join(cell for index, cell in enumerate(row) if index != note and index != 2) for row in rows)
    mended.write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=r"lacks the column `note` of `o\.csv`"):
        desk.plan(mended)


async def test_a_row_that_stands_twice_is_refused(desk: Desk) -> None:
    mended = desk.save(mend())
    lines = mended.read_text(encoding="utf-8-sig").splitlines()
    mended.write_text("\n".join([*lines, lines[-1]]), encoding="utf-8")
    with pytest.raises(Refused, match=r"line 3: the row of `o\.csv` line 2 stands here a second time"):
        desk.plan(mended)
