"""Numbers and amounts of files: what may mean two things is refused, and no currency is put in place of another."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from salesbeat.importing import command
from salesbeat.importing.numbers import parse_number
from salesbeat.importing.plan import Plan
from salesbeat.importing.refused import Refused
from salesbeat.refusals import Refused as CommandRefused


def orders(tmp_path: Path, head: str, lines: str, rows: list[str], more: str = "") -> Plan:
    (tmp_path / "o.csv").write_text("id;pieces;price;off;money\n" + "\n".join(rows) + "\n", encoding="utf-8")
    mapping = (
        f'mapping: 1\nname: n\n{head}files: {{o: {{file: o.csv, delimiter: ";"}}}}\n'
        "orders:\n  from: o\n  key: id\n  customer: {constant: C}\n  owner: {constant: Bo}\n"
        f'  received: {{constant: "2026-01-02"}}\n{more}  lines: {{product: {{constant: P}}, {lines}}}\n'
    )
    (tmp_path / "m.yaml").write_text(mapping, encoding="utf-8")
    return command.read(tmp_path / "m.yaml", tmp_path)


def read(plan: Plan) -> Any:
    """The line of the one order, or what is wrong with it."""
    (record,) = plan.records["orders"]
    return record.problems[0] if record.problems else record.requests[0].body["lines"][0]


@pytest.mark.parametrize(
    ("cell", "decimal", "thousands", "number"),
    [
        ("1.234.567,89", ",", ".", "1234567.89"),
        ("0,500", ",", ".", "0.5"),
        ("1 234,5", ",", " ", "1234.5"),
        ("1\u00a0234,5", ",", " ", "1234.5"),
        ("1\u202f234\u202f567", ",", " ", "1234567"),
        ("1'234.50", ".", "'", "1234.5"),
        ("1’234.50", ".", "'", "1234.5"),
        (".5", ".", "", "0.5"),
        ("007", ".", "", "7"),
        ("+5", ".", "", "5"),
        ("5-", ".", "", "-5"),
        ("−5", ".", "", "-5"),
        ("(1,234)", ".", ",", "-1234"),
        ("- 5", ".", "", "-5"),
        ("１２３．５", ".", "", "123.5"),
    ],
)  # fmt: skip
def test_a_number_as_its_mapping_says_that_it_is_written(cell: str, decimal: str, thousands: str, number: str) -> None:
    assert parse_number(cell, decimal, thousands).number == Decimal(number)


@pytest.mark.parametrize(
    ("cell", "decimal", "thousands"),
    [
        ("0.500", ",", "."),
        ("00.500", ",", "."),
        ("01.234", ",", "."),
        (".500", ",", "."),
        ("1.23,4", ",", "."),
        ("12.34.567", ",", "."),
        ("1.2345", ",", "."),
        ("1234.567", ",", "."),
        ("1,2,3", ".", ","),
        ("0,500", ".", ","),
        ("1,234,56", ".", ","),
        ("1,,234", ".", ","),
        ("1.234,5", ".", ","),
        ("1 234", ".", ""),
        ("1 2", ",", "."),
        ("1 23", ",", " "),
        ("5.", ".", ""),
        ("1.2.3", ".", ""),
        ("--5", ".", ""),
        ("-5-", ".", ""),
        ("(-5)", ".", ""),
        ("(5", ".", ""),
        ("5)", ".", ""),
        ("1.38E+10", ".", ""),
        ("1e3", ".", ""),
        ("NaN", ".", ""),
        ("Infinity", ".", ""),
        ("1_000", ".", ""),
        ("٣", ".", ""),
        ("²", ".", ""),
        ("", ".", ""),
        ("-", ".", ""),
        ("€", ".", ""),
        ("1" * 40, ".", ""),
    ],
)
def test_what_may_be_two_numbers_or_none_is_refused(cell: str, decimal: str, thousands: str) -> None:
    with pytest.raises(Refused, match="is no number"):
        parse_number(cell, decimal, thousands)


@pytest.mark.parametrize(
    ("cell", "currencies"),
    [
        ("USD 100.00", "USD"),
        ("100.00 USD", "USD"),
        ("usd 100", "USD"),
        ("100 €", "EUR"),
        ("€100", "EUR"),
        ("-€100", "EUR"),
        ("€-100", "EUR"),
        ("(£100)", "GBP"),
        ("RMB 100", "CNY"),
        ("100元", "CNY"),
        ("100美元", "USD"),
        ("￥100", "CNY JPY"),
        ("HK$ 100", "HKD"),
        ("JPY100", "JPY"),
    ],
)
def test_the_currency_of_a_cell_is_known_by_its_sign_or_code(cell: str, currencies: str) -> None:
    written = parse_number(cell, ".", "")
    assert " ".join(written.currencies) == currencies
    assert abs(written.number) == 100


@pytest.mark.parametrize(
    ("head", "cell", "wanted"),
    [
        ("defaults: {currency: CNY}\n", "100", (10000, "CNY")),
        ("defaults: {currency: CNY}\n", "CNY 100.00", (10000, "CNY")),
        ("defaults: {currency: CNY}\n", "¥100", (10000, "CNY")),
        ("defaults: {currency: JPY}\n", "¥100", (100, "JPY")),
        ("defaults: {currency: USD}\n", "$100", (10000, "USD")),
        ("defaults: {currency: HKD}\n", "$100", (10000, "HKD")),
        ("", "100", (10000, "CNY")),
        ("", "USD 100.00", (10000, "USD")),
        ("", "100 €", (10000, "EUR")),
        ("", "￥100", (10000, "CNY")),
        ("", "100円", (100, "JPY")),
        ("defaults: {currency: CNY}\n", "USD 100.00", "is in USD, and CNY is wanted here"),
        ("defaults: {currency: CNY}\n", "100 €", "is in EUR, and CNY is wanted here"),
        ("defaults: {currency: CNY}\n", "$100", "is in `$`, which may be USD, CAD"),
        ("defaults: {currency: CNY}\n", "XYZ 7", "`XYZ` is no currency of ISO 4217"),
        ("", "XYZ 7", "`XYZ` is no currency of ISO 4217"),
        ("", "7 PCS", "`PCS` is no currency of ISO 4217"),
        ("", "$100", "`$`, which may be USD, CAD"),
        ("defaults: {currency: JPY}\n", "1.50", "more than the 0 decimals of JPY"),
        ("", "JPY 1.50", "more than the 0 decimals of JPY"),
    ],
)
def test_a_cell_s_currency_is_taken_where_the_mapping_names_none_and_refused_where_they_differ(
    tmp_path: Path, head: str, cell: str, wanted: Any
) -> None:
    found = read(orders(tmp_path, head, "unit_price: price", [f"A;1;{cell};;"]))
    if isinstance(wanted, str):
        assert wanted in found
        assert "column `price`" in found
        assert "(`orders.lines.unit_price`)" in found
    else:
        assert (found["unit_price"]["minor"], found["unit_price"]["currency"]) == wanted


def test_the_order_s_own_currency_counts_before_its_cells(tmp_path: Path) -> None:
    found = read(orders(tmp_path, "", "unit_price: price", ["A;1;USD 5;;EUR"], more="  currency: money\n"))
    assert "`USD 5` is in USD, and EUR is wanted here" in found
    found = read(orders(tmp_path, "", "unit_price: price", ["A;1;5;;XYZ"], more="  currency: money\n"))
    assert "column `money`" in found
    assert "`XYZ` is no ISO 4217 code" in found


def test_amounts_of_one_line_are_in_one_currency(tmp_path: Path) -> None:
    found = read(orders(tmp_path, "", "unit_price: price, discount: off", ["A;1;USD 5;1;"]))
    assert "column `off`" in found
    assert "`1` names no currency, and another amount here does" in found
    found = read(orders(tmp_path, "", "unit_price: price, discount: off", ["A;1;USD 5;EUR 1;"]))
    assert "`EUR 1` is in EUR, and USD is wanted here" in found
    found = read(orders(tmp_path, "", "unit_price: price, discount: off", ["A;1;USD 5;USD 1;"]))
    assert found["discount"] == {"minor": 100, "currency": "USD"}


def test_pieces_have_no_currency(tmp_path: Path) -> None:
    found = read(orders(tmp_path, "", "unit_price: {constant: '1'}, quantity: pieces", ["A;5 EUR;;;"]))
    assert "`5 EUR` has a currency, and a plain number is wanted here" in found


@pytest.mark.parametrize("cell", ["5", "5%", "5 %", "5％"])
def test_a_percentage_may_have_its_sign(tmp_path: Path, cell: str) -> None:
    found = read(orders(tmp_path, "", "unit_price: price, discount_percent: off", [f"A;1;10;{cell};"]))
    assert found["discount_percent"] == "5"


def test_a_mistake_is_said_once_with_file_line_column_cell_and_key(tmp_path: Path) -> None:
    lines = 'unit_price: price, quantity: {column: pieces, thousands: ".", decimal: ","}'
    plan = orders(tmp_path, "", lines, ["A;0.500;1;;"])
    (record,) = plan.records["orders"]
    assert record.place() == "o.csv line 2"
    assert record.problems == [
        "column `pieces` (`orders.lines.quantity`): `0.500` is no number with decimal sign `,` and thousands sign `.`: "
        "say with `decimal:` and `thousands:` how numbers are written"
    ]


def test_one_sign_cannot_be_both_decimal_and_thousands(tmp_path: Path) -> None:
    with pytest.raises(CommandRefused, match=r"m.yaml, line 11: `,` is the decimal sign and the thousands sign"):
        orders(tmp_path, 'defaults: {thousands: ","}\n', 'unit_price: {column: price, decimal: ","}', ["A;1;1;;"])


@pytest.mark.parametrize("word", ["NULL", "null", "\\N", "N/A", "n/a", "#N/A", "NaN", "nan"])
def test_words_for_nothing_are_empty_cells_unless_the_mapping_names_its_own(tmp_path: Path, word: str) -> None:
    found = read(orders(tmp_path, "", "unit_price: price, discount: off", [f"A;1;10;{word};"]))
    assert "discount" not in found
    found = read(orders(tmp_path, "defaults: {empty: ['-']}\n", "unit_price: price, discount: off", [f"A;1;1;{word};"]))
    assert "is no number" in found or "is no amount" in found


def test_a_needed_value_that_is_a_word_for_nothing_says_so(tmp_path: Path) -> None:
    found = read(orders(tmp_path, "", "unit_price: price, quantity: pieces", ["A;NULL;1;;"]))
    assert found == "column `pieces` (`orders.lines.quantity`): `NULL` counts as empty, and it may not be"


def test_one_cell_that_several_keys_read_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("id,day\nA,soon\n")
    (tmp_path / "m.yaml").write_text(
        "mapping: 1\nname: n\nfiles: {o: {file: o.csv}}\norders:\n  from: o\n  key: id\n  customer: {constant: C}\n"
        "  owner: {constant: Bo}\n  received: {constant: '2026-01-01'}\n  requested_date: day\n"
        "  lines: {product: {constant: P}, unit_price: {constant: '1'}}\n  steps:\n"
        "    confirmed: {on: day, promised_date: day, payment_method: {constant: cash}}\n"
    )
    (record,) = command.read(tmp_path / "m.yaml", tmp_path).records["orders"]
    assert record.problems == [
        "column `day` (`orders.steps.confirmed.on`, `orders.requested_date`): `soon` is no date written as YYYY-MM-DD "
        "or YYYY-MM-DD HH:mm or YYYY-MM-DD HH:mm:ss"
    ]
