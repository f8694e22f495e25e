"""CSV files as rows: encodings, delimiters, replaced spellings, filters and joins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from salesbeat.importing import csv_reader, encodings
from salesbeat.importing.mapping import STANDARD, Defaults, Format, Mapping, Table
from salesbeat.importing.marked import Mistake
from salesbeat.importing.refused import shown

NUL = "\0"
_NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(slots=True)
class Row:
    """A row of a source file. `number` is the line of the file that it begins on, as an editor counts them."""

    file: str
    number: int
    cells: dict[str, str]
    joined: dict[str, Row | None] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    """Why the row cannot be used although its cells can be read, such as a join that found nothing."""
    broken: list[str] = field(default_factory=list)
    """Why its cells cannot be trusted, such as one too many: no filter may look at them."""
    before: Row | None = None
    """The row as it stands in its file, where a row of a mended error file stands for it."""
    source: dict[str, str] = field(default_factory=dict)
    """The cells as they stood in the file."""

    def get(self, column: str) -> str:
        """The cell of a column, or of a joined file's as `alias.column`; "" where the join found no row."""
        if (cell := self.cells.get(column)) is not None:
            return cell
        alias, _, rest = column.partition(".")
        other = self.joined[alias]
        return "" if other is None else other.get(rest)

    @property
    def mended(self) -> bool:
        return self.before is not None

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


Mended = Callable[[Dictionary[tuple[str, int], dict[str, str]]], Dictionary[tuple[str, int], dict[str, str]]]
"""Given the cells of all rows by file and line, those of the rows that were mended."""


def read(mapping: Mapping, folder: Path, mapping_name: str, mended: Mended | None = None) -> dict[str, Rows]:
    """Read every file of the mapping. `mended` replaces single rows.

    Raises Mistake for files that are missing, cannot be decoded, have a wrong quote, or lack columns that joins need.
    Filters of the files are not applied here: a filtered row still gets its verdict.
    """
    wrong: list[str] = []
    raw: dict[str, tuple[list[str], list[Row]]] = {}
    for name, table in mapping.files.items():
        try:
            raw[name] = _table(name, table, mapping.defaults, folder)
        except Mistake as mistake:
            wrong += [f"{mapping_name}, line {table.line}: {sentence}" for sentence in mistake.sentences]
    if wrong:
        raise Mistake(wrong)
    if mended is not None:
        _replace(raw, mended)
    tables: dict[str, Rows] = {}
    for name, table in mapping.files.items():
        try:
            columns, rows = raw[name]
            tables[name] = _finish(name, table, columns, rows, table.over(mapping.defaults.over(STANDARD)))
        except Mistake as mistake:
            wrong += [f"{mapping_name}, line {table.line}: {sentence}" for sentence in mistake.sentences]
    if not wrong:
        wrong = [f"{mapping_name}, line {line}: {sentence}" for line, sentence in _join(mapping, tables)]
    if wrong:
        raise Mistake(wrong)
    return tables


def _replace(raw: Dictionary[str, tuple[list[str], list[Row]]], mended: Mended) -> None:
    """Let the mended rows stand for theirs. A file that the mapping reads twice has its rows twice."""
    originals = {(row.file, row.number): row.cells for _, rows in raw.values() for row in rows if row.file[0] != "("}
    replaced = mended(originals)
    for columns, rows in raw.values():
        for row in rows:
            if (cells := replaced.get((row.file, row.number))) is not None:
                row.before = Row(row.file, row.number, row.cells, broken=row.broken)
                row.cells = {column: cells[column] for column in columns}
                row.broken = _too_long(row.cells)


def _table(name: str, table: Table, defaults: Defaults, folder: Path) -> tuple[list[str], list[Row]]:
    """The columns and rows of a file as they stand in it."""
    if table.rows is not None:
        columns = list(dict.fromkeys(column for cells in table.rows for column in cells))
        return columns, [
            Row(f"(mapping: {name})", index, {column: cells.get(column, "") for column in columns})
            for index, cells in enumerate(table.rows, 1)
        ]
    columns: list[str] = []
    rows: list[Row] = []
    for path in _paths(table, folder):
        found, more = _file(path, table, defaults)
        if columns and set(found) != set(columns):
            differ = sorted(set(found) ^ set(columns))
            raise Mistake([f"{path.name} has other columns than the files before it: {', '.join(differ)}."])
        columns = columns or found
        rows += more
    return columns, rows


def _finish(name: str, table: Table, columns: list[str], rows: list[Row], style: Format) -> Rows:
    if unknown := [column for column in table.translate if column not in columns]:
        raise Mistake([f"`translate` names `{column}`, {_columns(columns)}" for column in unknown])
    empty = set(style.empty or []) | {""}
    for row in [*rows, *(row.before for row in rows if row.before is not None)]:
        row.source = row.cells
        row.cells = dict(row.cells)
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
    text = encodings.decode(path.read_bytes(), path.name, table.encoding or defaults.encoding)
    skip_lines = table.skip_lines
    delimiter = table.delimiter or defaults.delimiter
    if skip_lines == 0 and (said := csv_reader.separator_line(text)) is not None:
        skip_lines, delimiter = 1, delimiter or said
    delimiter = _NAMED_DELIMITERS.get(delimiter or ",", delimiter or ",")
    quote = table.quote or defaults.quote or '"'
    if len(delimiter) != 1 or len(quote) != 1 or delimiter == quote or delimiter in "\r\n":
        raise Mistake(["`delimiter` and `quote` are one character each (or the word tab), and differ."])
    columns = [column.strip() for column in table.header] if table.header else None
    rows: list[Row] = []
    for number, cells in csv_reader.rows(text, path.name, delimiter, quote, skip_lines):
        if columns is None:
            columns = _header(path, cells, delimiter)
            continue
        row = Row(path.name, number, dict(zip(columns, cells, strict=False)))
        row.broken = _too_long(row.cells)
        if len(cells) != len(columns):
            beyond = ", ".join(shown(cell) for cell in cells[len(columns) :][:5])
            row.broken.append(
                f"has {len(cells)} cells where the header has {len(columns)}: put quotes around a cell "
                "that contains the delimiter" + (f" (beyond the last column: {beyond})" if beyond else "")
            )
            for column in columns[len(cells) :]:
                row.cells[column] = ""
        rows.append(row)
    if columns is None:
        raise Mistake([f"{path.name} is empty: it needs a header line."])
    return columns, rows


def _too_long(cells: Dictionary[str, str]) -> list[str]:
    """Why cells are none that a person has written."""
    return [
        f"column `{column}`: the cell has {len(cell):,} characters, and {csv_reader.LONGEST_CELL:,} are taken at most"
        for column, cell in cells.items()
        if len(cell) > csv_reader.LONGEST_CELL
    ] + [
        f"column `{column}`, cell {shown(cell.replace(NUL, '␀'))}: it holds a NUL character: take it out"
        for column, cell in cells.items()
        if NUL in cell
    ]


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
            for row in [*rows.rows, *(row.before for row in rows.rows if row.before is not None)]:
                key = tuple(row.get(column) for column in join.on)
                found = other.matching(tuple(join.on.values()), key) if any(key) else []
                if len(found) > 1 and join.several == "refuse":
                    row.trouble.append(f"{len(found)} rows of `{join.to}` fit `{' / '.join(key)}`")
                if not found and join.missing == "refuse":
                    row.trouble.append(f"no row of `{join.to}` fits `{' / '.join(key)}`")
                row.joined[alias] = found[0] if found else None
