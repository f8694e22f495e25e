"""`salesbeat progress`: what the route answers, all pages of it, for a program or as a table.

A table is never wider than it is asked to be: measures that do not fit beside each other follow in further blocks, and
long names are wrapped. A number is never cut or wrapped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from salesbeat.plain import plain
from salesbeat.refusals import Refused
from salesbeat.session import Session

PAGE = 200
"""Rows of one request: the most that a page may hold."""

USUAL = (
    ("orders_confirmed", "count"),
    ("orders_confirmed", "amount"),
    ("sales_target", "amount"),
    ("attainment", "value"),
    ("pace", "value"),
    ("visits_done", "count"),
    ("effective_visit_rate", "value"),
)
"""What is shown where no measures are named: the sales of the period against its target, and the visits behind them."""

LABELS: Mapping[tuple[str, str], str] = {
    ("orders_confirmed", "count"): "orders",
    ("orders_confirmed", "amount"): "sales",
    ("orders_confirmed", "margin"): "margin",
    ("orders_confirmed", "without_cost"): "orders without cost",
    ("orders_cancelled", "count"): "cancelled",
    ("orders_cancelled", "amount"): "cancelled sales",
    ("sales_target", "amount"): "target",
    ("attainment", "value"): "attained",
    ("visits_done", "count"): "visits",
    ("effective_visit_rate", "value"): "effective visits",
    ("deal_rate", "planned"): "deals per planned stop",
    ("selling_hours", "minutes"): "selling time h:mm",
    ("selling_hours", "declared_minutes"): "declared time h:mm",
    ("calls", "seconds"): "calls h:mm:ss",
}
"""Headings that say it better than the measure's own name."""

MONEY_RATES = frozenset({"cost_per_visit"})
"""Rates whose value is money, in minor units, and no share of something."""

OF_A_RATE = frozenset({"numerator", "denominator", "currency", "by_currency", "formula"})
"""What stands beside the value of a rate: for a program."""
NOTHING = "–"
GAP = "  "
LEAST_NAME = 14

Cell = list[tuple[str, str | None]]
"""The lines of a cell: a number, and its currency if it has one."""


async def fetch(
    session: Session, cadence: str, start: str | None, end: str | None, level: str | None, unit: str | None
) -> dict[str, Any]:
    """All pages as one answer. `as_of` is the first page's: all the numbers are at least as fresh as it says."""
    whole: dict[str, Any] | None = None
    cursor: str | None = None
    while whole is None or cursor:
        asked = {"from": start, "to": end, "level": level, "id": unit, "limit": PAGE, "cursor": cursor}
        page = await session.get(f"/api/v1/progress/{cadence}", **asked)
        cursor = page["next_cursor"]
        if whole is None:
            whole = {**page, "next_cursor": None}
        else:
            whole["items"] += page["items"]
    return whole


def chosen(answer: Mapping[str, Any], measures: Sequence[str] | None) -> list[tuple[str, str]]:
    """The columns: measures and their parts, in the order in which they are named.

    measures: names such as attainment or orders_confirmed.margin; "all" for every one; None for the usual ones.
    Raises Refused, naming those that there are.
    """
    known = _columns_of(answer)
    if measures is None:
        return [column for column in USUAL if column in known]
    if "all" in measures:
        return known
    found: list[tuple[str, str]] = []
    for name in measures:
        measure, _, part = name.partition(".")
        columns = [column for column in known if column[0] == measure and part in ("", column[1])]
        if not columns:
            there = ", ".join(dict.fromkeys(column[0] for column in known))
            raise Refused(f"There is no measure {name}: use all, or some of {there}.")
        found += [column for column in columns if column not in found]
    return found


def text(answer: Mapping[str, Any], width: int, measures: Sequence[str] | None = None) -> str:
    """The rows as lines of at most `width` cells. Raises Refused for a measure that there is not.

    Measures of which nothing is known anywhere have no column, unless they are named. Only a single number that is
    longer than the line makes it longer.
    """
    items: Sequence[Mapping[str, Any]] = answer["items"]
    columns = chosen(answer, measures)
    named = measures is not None and "all" not in measures
    filled = [_Column.of(column, items) for column in columns]
    filled = [column for column in filled if named or column.says_something]
    lines = _wrapped(_title(answer), width)
    lead = _leading(items, width, sum(column.width + len(GAP) for column in filled))
    for block in _blocks(filled, width - sum(part.width + len(GAP) for part in lead)):
        lines += ["", *_printed([*lead, *block], len(items))]
    if measures is None:
        rest = dict.fromkeys(name for name, _ in _columns_of(answer) if name not in {column[0] for column in columns})
        lines += ["", *_wrapped(f"More: --measures all, or some of {', '.join(rest)}.", width)]
    return "\n".join(lines)


def _columns_of(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every measure and part that some row has."""
    found: dict[tuple[str, str], None] = {}
    for item in answer["items"]:
        for measure, parts in item["measures"].items():
            for part in parts:
                if part not in OF_A_RATE:
                    found[measure, part] = None
    return list(found)


# --- what stands in a cell ------------------------------------------------------------------------


def cell(measure: str, part: str, parts: Mapping[str, Any]) -> Cell:
    """A part of a measure by its kind: a count, money, a share, money for each of something, a time."""
    from chassis.money import show

    value = parts.get(part)
    if isinstance(value, list):
        return [_split(show(amount["minor"], amount["currency"])) for amount in value] or [(NOTHING, None)]
    if isinstance(value, Mapping):
        return cell(measure, "value", value)
    if part == "value":
        each = parts.get("by_currency") or [parts]
        return [_rate(measure, one, show) for one in each]
    if value is None:
        return [(NOTHING, None)]
    if part.endswith("minutes"):
        return [(f"{value // 60:,}:{value % 60:02}", None)]
    if part == "seconds":
        return [(f"{value // 3600:,}:{value // 60 % 60:02}:{value % 60:02}", None)]
    return [(f"{value:,}" if isinstance(value, int) else plain(str(value)), None)]


def _rate(measure: str, rate: Mapping[str, Any], show: Callable[[int, str], str]) -> tuple[str, str | None]:
    value, currency = rate.get("value"), rate.get("currency")
    if measure in MONEY_RATES:
        if value is None or currency is None:
            return NOTHING, None
        return _split(show(int(_exact(rate).quantize(Decimal(1), ROUND_HALF_UP)), currency))
    if value is None:
        return NOTHING, currency
    return f"{(_exact(rate) * 100).quantize(Decimal('0.1'), ROUND_HALF_UP):,}%", currency


def _exact(rate: Mapping[str, Any]) -> Decimal:
    """From its parts: to round the four places of `value` again would round twice."""
    if rate.get("denominator"):
        return Decimal(rate["numerator"]) / Decimal(rate["denominator"])
    return Decimal(str(rate["value"]))


def _split(amount: str) -> tuple[str, str | None]:
    number, _, currency = amount.rpartition(" ")
    return number, currency


# --- columns --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    """A heading and its cells, each of several lines."""

    heading: list[str]
    rows: list[list[str]]
    width: int
    right: bool = True
    says_something: bool = True

    @classmethod
    def of(cls, column: tuple[str, str], items: Iterable[Mapping[str, Any]]) -> _Column:
        """A currency that all numbers share stands in the heading."""
        measure, part = column
        cells = [cell(measure, part, item["measures"].get(measure, {})) for item in items]
        currencies = {currency for lines in cells for _, currency in lines if currency is not None}
        several = len(currencies) > 1
        label = LABELS.get(column) or _label(measure, part)
        money = measure in MONEY_RATES or part in ("amount", "margin")
        if money and len(currencies) == 1:
            label += f" {next(iter(currencies))}"
        rows = [
            [f"{number} {currency}" if several and currency else number for number, currency in lines]
            for lines in cells
        ]
        least = max((_width(line) for lines in rows for line in lines), default=0)
        width = max(least, *(_width(word) for word in label.split(" ")))
        known = any(line not in (NOTHING, "0", "0:00", "0:00:00") for lines in rows for line in lines)
        return cls(_wrapped(label, width), rows, width, says_something=known)

    @classmethod
    def texts(cls, heading: str, texts: Sequence[str], most: int) -> _Column:
        """A column of texts, wrapped where they are longer."""
        width = max(_width(heading), min(most, max(map(_width, texts), default=0)))
        return cls([heading], [_wrapped(text, width) for text in texts], width, right=False)


def _label(measure: str, part: str) -> str:
    name = plain(measure).replace("_", " ")
    return name if part in ("count", "amount", "value") else f"{name} {plain(part).replace('_', ' ')}"


def _leading(items: Sequence[Mapping[str, Any]], width: int, others: int) -> list[_Column]:
    """The columns that every block begins with: the period, where there are several, and the unit's name.

    A name has what the other columns leave of the line, if that is enough to read it; else a third of the line, and
    the other columns stand in several blocks.
    """
    names = [_one_line(str(item["name"])) for item in items]
    alike = Counter((item["period"], name) for item, name in zip(items, names, strict=True))
    names = [
        f"{name} ({str(item['id'])[-6:]})" if alike[item["period"], name] > 1 else name
        for item, name in zip(items, names, strict=True)
    ]
    periods = [str(item["period"]) for item in items]
    lead = [] if len(set(periods)) == 1 else [_Column.texts("period", periods, width)]
    left = width - others - sum(column.width + len(GAP) for column in lead)
    most = left if left >= LEAST_NAME else width // 3
    return [*lead, _Column.texts(_one_line(str(items[0].get("level", "name"))), names, most)]


def _blocks(columns: Sequence[_Column], room: int) -> list[list[_Column]]:
    """Columns side by side as far as there is room; at least one."""
    blocks: list[list[_Column]] = []
    left = -1
    for column in columns:
        needed = column.width + len(GAP)
        if not blocks or left < needed:
            blocks.append([])
            left = room + len(GAP)
        blocks[-1].append(column)
        left -= needed
    return blocks


def _printed(columns: Sequence[_Column], rows: int) -> list[str]:
    height = max(len(column.heading) for column in columns)
    headings = [[*[""] * (height - len(column.heading)), *column.heading] for column in columns]
    lines = _side_by_side(columns, headings)
    lines.append(GAP.join("-" * column.width for column in columns))
    for row in range(rows):
        lines += _side_by_side(columns, [column.rows[row] for column in columns])
    return lines


def _side_by_side(columns: Sequence[_Column], cells: Sequence[Sequence[str]]) -> list[str]:
    found: list[str] = []
    for line in range(max(map(len, cells))):
        parts = [
            _padded(lines[line] if line < len(lines) else "", column.width, right=column.right)
            for column, lines in zip(columns, cells, strict=True)
        ]
        found.append(GAP.join(parts).rstrip())
    return found


def _title(answer: Mapping[str, Any]) -> str:
    periods = [str(item["period"]) for item in answer["items"]]
    span = periods[0] if periods[0] == periods[-1] else f"{periods[0]} to {periods[-1]}"
    instants = list((answer.get("as_of") or {}).values())
    if not instants or None in instants:
        return f"{span}; not everything has been counted yet"
    return f"{span}, complete up to {str(min(instants))[:19].replace('T', ' ')} UTC"


# --- texts as wide as a terminal shows them -------------------------------------------------------


def _one_line(text: str) -> str:
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def _width(text: str) -> int:
    """Cells of a terminal: Chinese characters take two, combining marks none."""
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, width: int, *, right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most that width, broken at blanks where there are any."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if _width(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and _width(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines
