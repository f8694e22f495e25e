"""CSV text as rows, with the line on which each begins. A wrong quote is a mistake that names its line.

The standard library's reader takes a quote that is never closed for a cell that holds the rest of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from salesbeat.importing.marked import Mistake
from salesbeat.importing.refused import shown

LONGEST_CELL = 100_000
"""Characters of one cell; a row with a longer one is refused."""

_LINE_END = re.compile(r"\r\n|\n|\r")
_FORMULA_TEXT = re.compile(r'="((?:[^"]|"")*)"')
"""How people keep a spreadsheet from computing with a text: ="007" is the text 007."""
_SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)


def rows(text: str, file: str, delimiter: str, quote: str, skip_lines: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The line and the cells of each row that is not empty. Raises Mistake naming file and line for a wrong quote."""
    at, line = 0, 1
    for _ in range(skip_lines):
        end = _LINE_END.search(text, at)
        if end is None:
            return
        at, line = end.end(), line + 1
    while at < len(text):
        end = _LINE_END.search(text, at)
        stop, following = (end.start(), end.end()) if end else (len(text), len(text))
        if text.find(quote, at, stop) < 0:
            cells, lines = text[at:stop].split(delimiter), 1
        else:
            cells, following = _quoted(text, at, line, file, delimiter, quote)
            lines = len(_LINE_END.findall(text, at, following)) or 1
        if any(cell.strip() for cell in cells):
            yield line, [_plain(cell.strip()) for cell in cells]
        at, line = following, line + lines


def separator_line(text: str) -> str | None:
    """The delimiter that a first line such as `sep=;` names, which spreadsheets write and read; None without one."""
    found = _SEPARATOR_LINE.fullmatch(_LINE_END.split(text, 1)[0])
    return found.group(1) if found else None


def line_of(text: str, at: int) -> int:
    """The line of a position, as an editor counts them."""
    return len(_LINE_END.findall(text, 0, at)) + 1


def _plain(cell: str) -> str:
    found = _FORMULA_TEXT.fullmatch(cell)
    return found.group(1).replace('""', '"').strip() if found else cell


def _quoted(text: str, at: int, line: int, file: str, delimiter: str, quote: str) -> tuple[list[str], int]:
    """The cells of the row that begins at `at`, and where the next one begins."""
    cells: list[str] = []
    begin = at
    while True:
        cell, at = _cell(text, at, begin, line, file, delimiter, quote)
        cells.append(cell)
        if at >= len(text):
            return cells, at
        if text.startswith(delimiter, at):
            at += len(delimiter)
            continue
        end = _LINE_END.match(text, at)
        assert end is not None  # noqa: S101 - a cell ends at a delimiter, a line's end or the text's end
        return cells, end.end()


def _cell(text: str, at: int, begin: int, line: int, file: str, delimiter: str, quote: str) -> tuple[str, int]:
    """One cell, and where it ends. `begin` and `line`: of its row."""
    first = _past_blanks(text, at, delimiter)
    formula = text.startswith(f"={quote}", first)
    if not formula and not text.startswith(quote, first):
        return _bare(text, at, delimiter)
    opened = here = first + formula + 1
    while True:
        closed = text.find(quote, here)
        if closed < 0:
            if formula:
                return _bare(text, at, delimiter)
            raise Mistake(
                [
                    f"{file}, line {line + line_of(text[begin:opened], opened) - 1}: a quote is opened and never closed"
                    f" ({shown(_LINE_END.split(text[opened - 1 : opened + 60], 1)[0])}): close it, or write a quote "
                    f"within quotes twice ({quote * 2})."
                ]
            )
        if text.startswith(quote, closed + 1):
            here = closed + 2
            continue
        after = _past_blanks(text, closed + 1, delimiter)
        if after >= len(text) or text.startswith(delimiter, after) or text[after] in "\r\n":
            return text[opened:closed].replace(quote * 2, quote), after
        if formula:
            return _bare(text, at, delimiter)
        there = line + line_of(text[begin:closed], closed) - 1
        since = line + line_of(text[begin:opened], opened) - 1
        raise Mistake(
            [
                f"{file}, line {there}: text follows a closing quote "
                f"({shown(_around(text, closed))}"
                + (f"; the quote was opened in line {since}" if since != there else "")
                + f"): write a quote within quotes twice ({quote * 2}), and quotes around the whole cell."
            ]
        )


def _around(text: str, at: int) -> str:
    """The part of its line around a position."""
    return _LINE_END.split(text[max(0, at - 30) : at])[-1] + _LINE_END.split(text[at : at + 30], 1)[0]


def _bare(text: str, at: int, delimiter: str) -> tuple[str, int]:
    """A cell without quotes around it: a quote in its middle, as in 6\" pipe, is one of its characters."""
    stop = text.find(delimiter, at)
    end = _LINE_END.search(text, at, stop if stop >= 0 else len(text))
    if end is not None:
        stop = end.start()
    elif stop < 0:
        stop = len(text)
    return text[at:stop], stop


def _past_blanks(text: str, at: int, delimiter: str) -> int:
    while at < len(text) and text[at] in " \t" and text[at] != delimiter:
        at += 1
    return at
