"""A mended error file: what of it stands for which row, whatever a spreadsheet has made of its form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from salesbeat.importing import csv_reader, encodings
from salesbeat.importing.marked import Mistake

FILE, LINE, REASON = "(file)", "(line)", "(reason)"
"""The error file's own columns; those of the source files follow."""

Place = tuple[str, int]
"""A row's file and line."""

_FORMULA = "=+\\-@＝＋－＠\t\r\n"
_COMPUTED = re.compile(rf"^'*[{_FORMULA}]")
_PROTECTED = re.compile(rf"^'+[{_FORMULA}]")
_EXPONENT = re.compile(r"[+-]?\d(?:[.,]\d+)?E[+-]?\d+", re.IGNORECASE)


def protected(cell: str) -> str:
    """A cell that a spreadsheet shows as text and does not compute: ' before what begins as a formula."""
    return f"'{cell}" if _COMPUTED.match(cell) else cell


def unprotected(cell: str) -> str:
    """The cell that `protected` was given."""
    return cell[1:] if _PROTECTED.match(cell) else cell


def respelt(before: str, after: str) -> bool:
    """Whether a cell is another text only because a spreadsheet took it for a number: 123 for 000123, 1.23E+05."""
    if before == after or not re.fullmatch(r"[+-]?\d[\d.,]*", before):
        return False
    if _EXPONENT.fullmatch(after):
        return True
    try:
        return Decimal(before.replace(",", ".")) == Decimal(after.replace(",", "."))
    except InvalidOperation:
        return False


def read(path: Path, encoding: str | None, originals: Mapping[Place, dict[str, str]]) -> dict[Place, dict[str, str]]:
    """The cells of each mended row, by its place. originals: all rows as they stand in their files.

    encoding: what the user says it is; without it a mark, UTF-8, or cells that nobody changed prove it.
    Raises Mistake where it stays in doubt, and for what is no error file of these rows.
    """
    raw = path.read_bytes()

    def fits(text: str) -> int:
        try:
            rows = _rows(text, path.name)
        except Mistake:
            return 0
        return sum(
            not original.isascii() and cells.get(column) == original
            for place, (_, cells) in rows.items()
            for column, original in originals.get(place, {}).items()
        ) + sum(not column.isascii() and column in cells for _, cells in rows.values() for column in known)

    known = {column for cells in originals.values() for column in cells}
    if encoding is not None or encodings.marked(raw):
        text = encodings.decode(raw, path.name, encoding)
    else:
        proven = encodings.proven(raw, fits)
        if proven is None:
            at = next(index for index, byte in enumerate(raw) if byte > 127)
            said = encodings.question(raw, path.name, "surely UTF-8", at, "with `--mended-encoding`")
            raise Mistake([said])
        text = proven
    mended: dict[Place, dict[str, str]] = {}
    for place, (line, cells) in _rows(text, path.name).items():
        file, number = place
        original = originals.get(place)
        if original is None:
            raise Mistake(
                [
                    f"{path.name}, line {line} names line {number} of `{file}`, "
                    "but the folder has no such row for this mapping."
                ]
            )
        if missing := [column for column in original if column not in cells]:
            raise Mistake(
                [f"{path.name} lacks the column `{missing[0]}` of `{file}`: leave its columns as they were written."]
            )
        mended[place] = cells
    if not mended:
        raise Mistake([f"{path.name} has no rows."])
    return mended


def _rows(text: str, name: str) -> dict[Place, tuple[int, dict[str, str]]]:
    """Line and cells of each row, by the place that it names. Raises Mistake where it is no error file."""
    text = text.removeprefix("\ufeff")
    skipped = 0
    if (delimiter := csv_reader.separator_line(text)) is None:
        first = text.partition("\n")[0]
        delimiter = max(",;\t|", key=lambda sign: (first.startswith(f"{FILE}{sign}"), first.count(sign)))
    else:
        skipped = 1
    columns: list[str] | None = None
    found: dict[Place, tuple[int, dict[str, str]]] = {}
    for line, cells in csv_reader.rows(text, name, delimiter, '"', skipped):
        cells = [unprotected(cell) for cell in cells]
        if columns is None:
            columns = cells
            if not {FILE, LINE} <= set(columns):
                raise Mistake([f"{name} is no error file of an import: it lacks the columns {FILE} and {LINE}."])
            continue
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            raise Mistake([f"{name}, line {line} has {len(cells)} cells where its header has {len(columns)}."])
        row = dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=False))
        number = row[LINE]
        if not (number.isascii() and number.isdigit()):
            raise Mistake([f"{name}, line {line}: {LINE} must be the row's line in its file."])
        place = (row[FILE], int(number))
        if place in found:
            raise Mistake([f"{name}, line {line}: the row of `{place[0]}` line {place[1]} stands here a second time."])
        found[place] = (line, {column: cell for column, cell in row.items() if column not in (FILE, LINE, REASON)})
    return found
