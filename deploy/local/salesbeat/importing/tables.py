"""CSV files as rows: encodings, delimiters, replaced spellings, filters and joins."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from salesbeat.importing.mapping import STANDARD, Defaults, Format, Mapping, Table
from salesbeat.importing.marked import Mistake

_NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(slots=True)
class Row:
    """A row of a source file. `number` is the line of the file that it begins on, as an editor counts them."""

    file: str
    number: int
    cells: dict[str, str]
    joined: dict[str, Row | None] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    """Why the row itself cannot be used, such as a join that found nothing."""
    mended: bool = False
    """It was replaced by a row of an error file that is fed again."""
    source: dict[str, str] = field(default_factory=dict)
    """The cells as they stood in the file."""

    def get(self, column: str) -> str:
        """The cell of a column, or of a joined file's as `alias.column`; "" where the join found no row."""
        if (cell := self.cells.get(column)) is not None:
            return cell
        alias, _, rest = column.partition(".")
        other = self.joined[alias]
        return "" if other is None else other.get(rest)

    def rows(self) -> Iterable[Row]:
        """This row and those joined to it."""
        yield self
        for other in self.joined.values():
            if other is not None:
                yield from other.rows()


@dataclass(slots=True)
class Rows:
    """A file of the mapping, read."""

    name: str
    columns: list[str]
    rows: list[Row]
    format: Format
    joins: dict[str, Rows] = field(default_factory=dict)
    _indexes: dict[tuple[str, ...], dict[tuple[str, ...], list[Row]]] = field(default_factory=dict)

    def has(self, column: str) -> bool:
        if column in self.columns:
            return True
        alias, _, rest = column.partition(".")
        return alias in self.joins and self.joins[alias].has(rest)

    def all_columns(self) -> list[str]:
        return [*self.columns, *(f"{a}.{column}" for a, other in self.joins.items() for column in other.columns)]

    def matching(self, columns: tuple[str, ...], cells: tuple[str, ...]) -> list[Row]:
        """The rows in whose columns these cells stand."""
        if columns not in self._indexes:
            index: dict[tuple[str, ...], list[Row]] = {}
            for row in self.rows:
                index.setdefault(tuple(row.get(column) for column in columns), []).append(row)
            self._indexes[columns] = index
        return self._indexes[columns].get(cells, [])


def read(
    mapping: Mapping, folder: Path, mapping_name: str, mended: Dictionary[tuple[str, int], dict[str, str]]
) -> dict[str, Rows]:
    """Read every file of the mapping. `mended` replaces single rows, by file and line.

    Raises Mistake for files that are missing, cannot be decoded, or lack columns that joins need.
    Filters of the files are not applied here: a filtered row still gets its verdict.
    """
    wrong: list[str] = []
    tables: dict[str, Rows] = {}
    for name, table in mapping.files.items():
        try:
            tables[name] = _table(name, table, mapping.defaults, folder, mended)
        except Mistake as mistake:
            wrong += [f"{mapping_name}, line {table.line}: {sentence}" for sentence in mistake.sentences]
    if not wrong:
        wrong = [f"{mapping_name}, line {line}: {sentence}" for line, sentence in _join(mapping, tables)]
    if wrong:
        raise Mistake(wrong)
    return tables


def _table(
    name: str, table: Table, defaults: Defaults, folder: Path, mended: Dictionary[tuple[str, int], dict[str, str]]
) -> Rows:
    style = table.over(defaults.over(STANDARD))
    if table.rows is not None:
        columns = list(dict.fromkeys(column for cells in table.rows for column in cells))
        rows = [
            Row(f"(mapping: {name})", index, {column: cells.get(column, "") for column in columns})
            for index, cells in enumerate(table.rows, 1)
        ]
        return _finish(name, table, columns, rows, style)
    columns: list[str] = []
    rows: list[Row] = []
    for path in _paths(table, folder):
        found, more = _file(path, table, defaults)
        if columns and set(found) != set(columns):
            differ = sorted(set(found) ^ set(columns))
            raise Mistake([f"{path.name} has other columns than the files before it: {', '.join(differ)}."])
        columns = columns or found
        rows += more
    for row in rows:
        if (cells := mended.get((row.file, row.number))) is not None:
            row.cells = {column: cells.get(column, "") for column in columns}
            row.mended = True
            row.trouble.clear()
    return _finish(name, table, columns, rows, style)


def _finish(name: str, table: Table, columns: list[str], rows: list[Row], style: Format) -> Rows:
    if unknown := [column for column in table.translate if column not in columns]:
        raise Mistake([f"`translate` names `{column}`, {_columns(columns)}" for column in unknown])
    empty = set(style.empty or []) | {""}
    for row in rows:
        row.source = dict(row.cells)
        for column, cell in row.cells.items():
            cell = table.translate[column].get(cell, cell) if column in table.translate else cell
            row.cells[column] = "" if cell in empty else cell
    return Rows(name, columns, rows, style)


def _columns(columns: list[str]) -> str:
    return f"but the columns are: {', '.join(columns)}."


def _paths(table: Table, folder: Path) -> list[Path]:
    there = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    paths: list[Path] = []
    for pattern in table.file or []:
        fits = [path for path in there if path.name == pattern] or [
            path for path in there if fnmatchcase(path.name, pattern)
        ]
        if not fits:
            names = ", ".join(path.name for path in there) or "no file at all"
            raise Mistake([f"the folder {folder} has no file `{pattern}`; it has {names}."])
        paths += fits
    return list(dict.fromkeys(paths))


def _file(path: Path, table: Table, defaults: Defaults) -> tuple[list[str], list[Row]]:
    encoding = table.encoding or defaults.encoding or "utf-8"
    if encoding.lower().replace("_", "-") in {"utf-8", "utf8"}:
        encoding = "utf-8-sig"
    elif encoding.lower() in {"gbk", "gb2312", "cp936"}:
        encoding = "gb18030"  # holds both, and the characters that programs write beyond them
    raw = path.read_bytes()
    try:
        text = raw.decode(encoding)
    except LookupError:
        raise Mistake([f"`{encoding}` is no encoding: write one such as utf-8, gbk, windows-1252 or utf-16."]) from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Mistake(
            [
                f"{path.name} is not {encoding.removesuffix('-sig')} (its line {line} shows it): "
                "say which it is with `encoding:`, such as gbk or windows-1252."
            ]
        ) from None
    delimiter = table.delimiter or defaults.delimiter or ","
    delimiter = _NAMED_DELIMITERS.get(delimiter, delimiter)
    quote = table.quote or defaults.quote or '"'
    if len(delimiter) != 1 or len(quote) != 1:
        raise Mistake(["`delimiter` and `quote` are one character each (or the word tab)."])
    lines = io.StringIO(text, newline="")
    for _ in range(table.skip_lines):
        lines.readline()
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    columns = [column.strip() for column in table.header] if table.header else None
    rows: list[Row] = []
    last = 0
    try:
        for cells in reader:
            number, last = last + 1 + table.skip_lines, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _header(path, cells, delimiter)
                continue
            row = Row(path.name, number, dict(zip(columns, (cell.strip() for cell in cells), strict=False)))
            if len(cells) != len(columns):
                row.trouble.append(
                    f"has {len(cells)} cells where the header has {len(columns)}: put quotes around a cell "
                    "that contains the delimiter"
                    + (
                        f" (beyond the last column: {', '.join(cells[len(columns) :])})"
                        if cells[len(columns) :]
                        else ""
                    )
                )
                for column in columns[len(cells) :]:
                    row.cells[column] = ""
            rows.append(row)
    except csv.Error as error:
        raise Mistake([f"{path.name}, line {last + 1}: cannot be read as CSV: {error}."]) from None
    if columns is None:
        raise Mistake([f"{path.name} is empty: it needs a header line."])
    return columns, rows


def _header(path: Path, cells: list[str], delimiter: str) -> list[str]:
    columns = [cell.strip() for cell in cells]
    if len(columns) == 1:
        other = next((sign for sign in ";\t|," if sign != delimiter and sign in columns[0]), None)
        if other is not None:
            shown = "tab" if other == "\t" else other
            raise Mistake([f'{path.name} has one column only, `{columns[0]}`: say `delimiter: "{shown}"`.'])
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise Mistake([f"{path.name} has the column `{twice[0]}` twice: rename one, or name all with `header:`."])
    return columns


def _join(mapping: Mapping, tables: dict[str, Rows]) -> Iterable[tuple[int, str]]:
    for name, table in mapping.files.items():
        rows = tables[name]
        for join in table.joins:
            alias = join.as_ or join.to
            other = tables[join.to]
            missing = [(column, rows) for column in join.on if not rows.has(column)]
            missing += [(column, other) for column in join.on.values() if not other.has(column)]
            if missing:
                column, wrong = missing[0]
                yield join.line, f"`{column}` is no column of `{wrong.name}`, {_columns(wrong.all_columns())}"
                continue
            rows.joins[alias] = other
            for row in rows.rows:
                key = tuple(row.get(column) for column in join.on)
                found = other.matching(tuple(join.on.values()), key) if any(key) else []
                if len(found) > 1 and join.several == "refuse":
                    row.trouble.append(f"{len(found)} rows of `{join.to}` fit `{' / '.join(key)}`")
                if not found and join.missing == "refuse":
                    row.trouble.append(f"no row of `{join.to}` fits `{' / '.join(key)}`")
                row.joined[alias] = found[0] if found else None
