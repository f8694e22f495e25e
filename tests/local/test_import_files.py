"""Files of any make: quotes, ragged rows, long cells, encodings. No row is passed over without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salesbeat import cli
from salesbeat.importing import command
from salesbeat.importing.plan import Plan
from salesbeat.refusals import Refused

MAPPING = "mapping: 1\nname: f\nfiles: {p: {file: p.csv%s}}\nproducts: {from: p, key: code, name: name%s}\n"
Read = Callable[..., Plan]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def made(raw: str | bytes, more: str = "", section: str = "") -> Plan:
        (tmp_path / "p.csv").write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        (tmp_path / "f.yaml").write_text(MAPPING % (more, section), encoding="utf-8")
        return command.read(tmp_path / "f.yaml", tmp_path)

    return made


def names(plan: Plan) -> list[str]:
    """The names of the products; of a refused one the reason."""
    return [
        record.requests[0].body["name"] if not record.problems else f"refused: {record.problems[0]}"
        for record in plan.records["products"]
    ]


# --- quotes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('code,name\nA,a\nB,"open\nC,c\nD,d\n', 'p.csv, line 3: a quote is opened and never closed (`"open`)'),
        ('code,name\n"A,a\nB,b\n', "p.csv, line 2: a quote is opened and never closed"),
        ('code,name\r\nA,"x\r\ny"\r\nB,"open\r\n', "p.csv, line 4: a quote is opened and never closed"),
        ('code,name\rA,"x\ry"\rB,"open\r', "p.csv, line 4: a quote is opened and never closed"),
        ('code,name\nA,"call" back\nB,b\n', "p.csv, line 2: text follows a closing quote"),
        ('code,name\nA,"a"\nB,"b"c\n', 'p.csv, line 3: text follows a closing quote (`B,"b"c`)'),
        ('code,name\nA,"open\nB,"b"\n', "the quote was opened in line 2"),
        ('code,name\nA,"a \\"b\\" c"\n', "p.csv, line 2: text follows a closing quote"),
        ('code,na"me\nA,"a"x\n', "p.csv, line 2: text follows a closing quote"),
    ],
)
def test_a_wrong_quote_is_a_mistake_with_file_and_line(read: Read, text: str, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        read(text)
    assert sentence in str(refused.value)


def test_a_wrong_quote_ends_the_command_with_1_and_sends_nothing(read: Read, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        read('code,name\nA,"open\nB,b\n')
    said = CliRunner().invoke(cli.app, ["import", str(tmp_path / "f.yaml"), str(tmp_path), "--dry-run"])
    assert said.exit_code == 1
    assert isinstance(said.exception, Refused)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('code,name\nA,6" pipe\nB,b\n', ['6" pipe', "b"]),
        ('code,name\nA,pipe 6"\nB,b\n', ['pipe 6"', "b"]),
        ('code,name\nA,say "hi" now\n', ['say "hi" now']),
        ('code,name\nA,"say ""hi"""\n', ['say "hi"']),
        ('code,name\nA,""""\n', ['"']),
        ('code,name\nA, "a, b" \nB,b\n', ["a, b", "b"]),
        ('code,name\nA,"two\n\nlines"\nB,b\n', ["two\n\nlines", "b"]),
        ('code,name\nA,="007"\nB,"=""008"""\n', ["007", "008"]),
        ('code,name\nA,="a, b"\n', ["a, b"]),
        ('code,name\nA,="7"&"8"\n', ['="7"&"8"']),
        ("code,name\nA,=1+1\n", ["=1+1"]),
    ],
)
def test_a_quote_is_a_character_within_a_bare_cell_and_frames_a_quoted_one(
    read: Read, text: str, found: list[str]
) -> None:
    assert names(read(text)) == found


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_each_way(read: Read, end: str) -> None:
    plan = read(end.join(["code,name", "A,a", "", '"B","b"', "C,c"]))
    assert names(plan) == ["a", "b", "c"]
    assert [record.row.number for record in plan.records["products"]] == [2, 4, 5]


def test_a_first_line_that_names_the_separator_is_read_as_such(read: Read) -> None:
    plan = read("sep=;\ncode;name\nA;a, b\n")
    assert names(plan) == ["a, b"]
    assert plan.records["products"][0].row.number == 3


# --- rows that are refused alone ------------------------------------------------------------------


def test_a_cell_of_140_000_characters_refuses_its_row_only(read: Read) -> None:
    plan = read(f"code,name,note\nA,a,\nB,b,{'x' * 140_000}\nC,c,\n")
    first, second, third = names(plan)
    assert (first, third) == ("a", "c")
    assert second == "refused: column `note`: the cell has 140,000 characters, and 100,000 are taken at most"


def test_a_quoted_cell_of_140_000_characters_refuses_its_row_only(read: Read) -> None:
    plan = read(f'code,name,note\nA,a,\nB,b,"{"x, " * 70_000}"\nC,c,\n')
    assert [name.startswith("refused: column `note`") for name in names(plan)] == [False, True, False]


def test_a_sentence_shows_the_beginning_of_a_long_cell(read: Read) -> None:
    (reason,) = names(read(f"code,name,price\nA,a,{'9' * 5000}\n", section=", price: price"))
    assert len(reason) < 400
    assert "… (5,000 characters)" not in reason.replace("…` (5,000 characters)", "")


@pytest.mark.parametrize("cell", ["a\0b", "\0"])
def test_a_cell_with_a_nul_refuses_its_row_only(read: Read, cell: str) -> None:
    first, second = names(read(f"code,name\nA,{cell}\nB,b\n"))
    assert "holds a NUL character" in first
    assert second == "b"


@pytest.mark.parametrize("row", ["A", "A,a,", "A,a,b,c", "A,a;b,c"])
def test_a_ragged_row_is_refused_whatever_a_filter_would_say_of_it(read: Read, row: str) -> None:
    first, second = names(read(f"code,name\n{row}\nB,b\n", section=", where: {name: b}"))
    assert "cells where the header has 2" in first
    assert second == "b"


def test_a_ragged_line_refuses_its_order(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("id,day\nO,2026-01-01\nP,2026-01-01\n")
    (tmp_path / "l.csv").write_text("order,n,void\nO,1,\nO,2,,,\nP,1,\n")
    (tmp_path / "f.yaml").write_text(
        "mapping: 1\nname: f\nfiles: {o: {file: o.csv}, l: {file: l.csv}}\n"
        "orders:\n  from: o\n  key: id\n  customer: {constant: C}\n  owner: {constant: B}\n  received: day\n"
        "  lines: {from: l, where: {void: {empty: true}}, order: order, product: {constant: P}, quantity: n,"
        " unit_price: {constant: '1'}}\n"
    )
    first, second = command.read(tmp_path / "f.yaml", tmp_path).records["orders"]
    assert first.problems == [
        "l.csv line 3: has 5 cells where the header has 3: put quotes around a cell that contains the delimiter "
        "(beyond the last column: ``, ``)"
    ]
    assert second.problems == []


def test_empty_lines_are_no_rows(read: Read) -> None:
    plan = read("\ncode,name\n\n \t\n,\nA,a\n\n")
    assert names(plan) == ["a"]
    assert plan.records["products"][0].row.number == 6


# --- encodings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "more"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16", ", encoding: gbk"),
        ("utf-16-le", ", encoding: utf-16-le"),
        ("utf-16-be", ", encoding: utf-16-be"),
        ("utf-8-sig", ", encoding: gbk"),
        ("gb18030", ", encoding: gbk"),
        ("gb18030", ", encoding: GB2312"),
        ("gb18030", ", encoding: gb18030"),
    ],
)
def test_a_mark_decides_and_else_the_mapping(read: Read, encoding: str, more: str) -> None:
    assert names(read("code,name\nA,张三公司\n".encode(encoding), more)) == ["张三公司"]


@pytest.mark.parametrize(
    ("text", "encoding"), [("Müller Söhne", "windows-1252"), ("張三公司", "big5"), ("Мука", "windows-1251")]
)
def test_another_encoding_is_asked_for_and_read_as_the_mapping_says(read: Read, text: str, encoding: str) -> None:
    raw = f"code,name\nA,a\nB,{text}\n".encode(encoding)
    with pytest.raises(Refused) as refused:
        read(raw)
    said = str(refused.value)
    assert "p.csv is not utf-8 (its line 3 shows it). Which encoding is it? Say it with `encoding:`" in said
    assert names(read(raw, f", encoding: {encoding}")) == ["a", text]


def test_the_question_offers_readings(read: Read) -> None:
    with pytest.raises(Refused, match="as windows-1252 that line reads `B,Müller Söhne`"):
        read("code,name\nB,Müller Söhne\n".encode("windows-1252"))


def test_a_file_in_two_encodings_says_so(read: Read) -> None:
    with pytest.raises(Refused, match=r"its line 3 shows it\), and mixes encodings \(its line 2 is UTF-8\)"):
        read("code,name\nA,Müller\n".encode() + "B,Söhne\n".encode("windows-1252"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_seen(read: Read, encoding: str) -> None:
    with pytest.raises(Refused, match=f"looks like UTF-16 without a mark: say `encoding: {encoding}`"):
        read("code,name\nA,Müller\n".encode(encoding))


def test_bytes_that_the_named_encoding_does_not_have_are_asked_about(read: Read) -> None:
    with pytest.raises(Refused, match=r"p\.csv is not ascii"):
        read("code,name\nA,ä\n".encode(), ", encoding: ascii")
    with pytest.raises(Refused, match=r"p\.csv is not iso-8859-1"):
        read(b"code,name\nA,\x93quoted\x94\n", ", encoding: iso-8859-1")


# --- what the command prints ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["[closed]", "[/x]", "[bold red]x", "a\\", ":smile:"])
def test_texts_of_files_are_printed_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text(f"code,name\n{name},a\n{name},b\n", encoding="utf-8")
    (tmp_path / "f.yaml").write_text(MAPPING % ("", ""), encoding="utf-8")
    said = CliRunner().invoke(cli.app, ["import", str(tmp_path / "f.yaml"), str(tmp_path), "--dry-run"])
    assert said.exit_code == 1
    assert f"products `{name}`: column `code`" in said.output


def test_what_a_terminal_obeys_is_printed_as_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text("code,name\n\x1b[31mA\u202eB,a\n\x1b[31mA\u202eB,b\n", encoding="utf-8")
    (tmp_path / "f.yaml").write_text(MAPPING % ("", ""), encoding="utf-8")
    said = CliRunner().invoke(cli.app, ["import", str(tmp_path / "f.yaml"), str(tmp_path), "--dry-run"])
    assert "\x1b" not in said.output
    assert "\u202e" not in said.output
    assert "\\x1b[31mA\\u202eB" in said.output
