"""What a value of the mapping is for a row: texts, numbers, money, dates and instants, and whether a filter holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from zoneinfo import ZoneInfo

from chassis import money
from contracts.money import Money
from salesbeat.importing.mapping import Condition, Filter, Format, Lookup, Value
from salesbeat.importing.tables import Row, Rows


class Refused(Exception):
    """A value of a row cannot be used; the text says why and is shown beside the row."""


class Values:
    """Reads values of the mapping from rows. One for the whole import: it remembers look-ups."""

    def __init__(self, tables: dict[str, Rows]) -> None:
        self._tables = tables
        self._formats: dict[tuple[int, str], Format] = {}
        self._lookups: dict[tuple[int, tuple[str, ...]], Row | None] = {}

    def text(self, value: Value, row: Row, table: Rows) -> str:
        """The text of a value; "" where it is empty. Raises Refused."""
        found = self._origin(value, row, table)
        if value.extract is not None and found:
            match = re.search(value.extract, found)
            if match is None:
                raise Refused(f"`{found}` does not fit the pattern {value.extract}")
            found = (match.group(1) if match.groups() else match.group(0)) or ""
        if value.empty is not None and found in value.empty:
            found = ""
        if value.translate is not None and found:
            if found in value.translate:
                found = value.translate[found]
            elif value.otherwise == "refuse":
                raise Refused(f"`{found}` has no translation in the mapping (line {value.line})")
            elif value.otherwise == "empty":
                found = ""
        if not found and value.default is not None:
            found = value.default
        if value.case is not None:
            found = {"upper": str.upper, "lower": str.lower, "title": str.title}[value.case](found)
        return found.strip()

    def texts(self, value: Value, row: Row, table: Rows) -> list[str]:
        """The parts of a text that `split` divides; without it the one text."""
        found = self.text(value, row, table)
        parts = found.split(value.split) if value.split else [found]
        return [part.strip() for part in parts if part.strip()]

    def number(self, value: Value, row: Row, table: Rows) -> Decimal | None:
        """Raises Refused where the text is no number in the way that the mapping says numbers are written."""
        found = self.text(value, row, table)
        if not found:
            return None
        style = self.format(value, table)
        number = parse_number(found, style.decimal or ".", style.thousands or "")
        return number * Decimal(value.times) if value.times is not None else number

    def money(self, value: Value, row: Row, table: Rows, currency: str) -> Money | None:
        """Raises Refused where the amount has more decimals than its currency."""
        number = self.number(value, row, table)
        return None if number is None else to_money(number, currency)

    def date(self, value: Value, row: Row, table: Rows) -> date | None:
        found = self.text(value, row, table)
        if not found:
            return None
        return self.day(found, value, table) + timedelta(days=value.plus_days)

    def instant(self, value: Value, row: Row, table: Rows, zone: str | None) -> datetime | None:
        """An aware instant. A date alone is that day at the mapping's `time`, in the value's zone or the given one."""
        found = self.text(value, row, table)
        if not found:
            return None
        moment = self._moment(found, value, table)
        style = self.format(value, table)
        tz = ZoneInfo(value.timezone or zone or style.timezone or "UTC")
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time.fromisoformat(style.time or "12:00"), tz)
        elif moment.tzinfo is None:
            moment = moment.replace(tzinfo=tz)
        return moment + timedelta(days=value.plus_days)

    def day(self, text: str, value: Value, table: Rows) -> date:
        """One day of a list that `split` divided."""
        moment = self._moment(text, value, table)
        return moment.date() if isinstance(moment, datetime) else moment

    def holds(self, conditions: Filter, row: Row, table: Rows) -> bool:
        """Whether a row fits any of the filter's alternatives; an empty filter fits all."""
        return not conditions or any(
            all(self._holds(condition, row.get(column), table) for column, condition in each.items())
            for each in conditions
        )

    def format(self, value: Format, table: Rows) -> Format:
        key = (id(value), table.name)
        if key not in self._formats:
            self._formats[key] = value.over(table.format)
        return self._formats[key]

    def _origin(self, value: Value, row: Row, table: Rows) -> str:
        if value.column is not None:
            return next((cell for column in value.column if (cell := row.get(column))), "")
        if value.template is not None:
            return self._template(value.template, row)
        if value.constant is not None:
            return value.constant
        if value.lookup is not None:
            return self._lookup(value.lookup, row)
        for choice in value.choose or []:
            if self.holds(choice.when, row, table):
                return self.text(choice.use, row, table)
        return ""

    def _template(self, template: str, row: Row) -> str:
        cells = [row.get(column) for column in template_columns(template)]
        if cells and not any(cells):
            return ""
        filled = re.sub(r"\{([^{}]+)\}", lambda match: row.get(match.group(1)), template)
        return re.sub(r"\s+", " ", filled)

    def _lookup(self, lookup: Lookup, row: Row) -> str:
        other = self._tables[lookup.source]
        cells = tuple(row.get(column) for column in lookup.on)
        key = (id(lookup), cells)
        if key not in self._lookups:
            self._lookups[key] = self._find(lookup, cells, other)
        found = self._lookups[key]
        return "" if found is None else self.text(lookup.take, found, other)

    def _find(self, lookup: Lookup, cells: tuple[str, ...], other: Rows) -> Row | None:
        fits = [
            row
            for row in (other.matching(tuple(lookup.on.values()), cells) if any(cells) else [])
            if self.holds(lookup.where, row, other)
        ]
        if lookup.sort is None:
            if len(fits) > 1 and len({self.text(lookup.take, row, other) for row in fits}) > 1:
                raise Refused(
                    f"{len(fits)} rows of `{lookup.source}` fit `{' / '.join(cells)}` and differ: "
                    "say with `sort:` which of them counts"
                )
            return fits[0] if fits else None
        read = {"date": self._when, "number": self.number, "text": self.text}[lookup.sort_as]
        ranked = [(rank, row) for row in fits if (rank := read(lookup.sort, row, other)) not in (None, "")]
        if not ranked:
            return None
        best = max if lookup.descending else min
        return best(ranked, key=lambda pair: pair[0])[1]

    def _when(self, value: Value, row: Row, table: Rows) -> datetime | None:
        return self.instant(value, row, table, None)

    def _moment(self, text: str, value: Value, table: Rows) -> date | datetime:
        patterns = self.format(value, table).dates or []
        for pattern in patterns:
            if (moment := parse_date(text, pattern)) is not None:
                return moment
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return moment
        raise Refused(f"`{text}` is no date written as {' or '.join(patterns)}")

    def _holds(self, condition: Condition, cell: str, table: Rows) -> bool:
        style = table.format
        if condition.equals is not None and cell != condition.equals:
            return False
        if condition.in_ is not None and cell not in condition.in_:
            return False
        if condition.not_ is not None and cell in condition.not_:
            return False
        if condition.empty is not None and condition.empty is bool(cell):
            return False
        if condition.matches is not None and not re.search(condition.matches, cell):
            return False
        for bound, fits in (
            (condition.at_least, lambda a, b: a >= b),
            (condition.at_most, lambda a, b: a <= b),
            (condition.above, lambda a, b: a > b),
            (condition.below, lambda a, b: a < b),
        ):
            if bound is not None:
                number = parse_number(cell, style.decimal or ".", style.thousands or "") if cell else None
                if number is None or not fits(number, Decimal(bound)):
                    return False
        for bound, fits in (
            (condition.on_or_after, lambda a, b: a >= b),
            (condition.before, lambda a, b: a < b),
        ):
            if bound is not None:
                day = next((found for p in style.dates or [] if (found := parse_date(cell, p)) is not None), None)
                if day is None or not fits(day.date() if isinstance(day, datetime) else day, date.fromisoformat(bound)):
                    return False
        return True


def template_columns(template: str) -> list[str]:
    return re.findall(r"\{([^{}]+)\}", template)


@cache
def parse_number(text: str, decimal: str, thousands: str) -> Decimal:
    """A number as people and programs write it: currency signs, spaces and a trailing minus are understood.

    Raises Refused for anything else, also for groups that are not of three digits: `1.5` is not 15.
    """
    bare = re.sub(r"[\s\u00a0\u202f€$£¥¥]|(?:^[A-Z]{3})|(?:[A-Z]{3}$)", "", text.strip())
    negative = bare.startswith(("-", "−", "(")) or bare.endswith("-")
    bare = bare.strip("-−+()")
    whole, point, fraction = bare.partition(decimal)
    if thousands and thousands in whole:
        first, *groups = whole.split(thousands)
        if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
            whole = "?"
        whole = whole.replace(thousands, "")
    if not (whole.isascii() and whole.isdigit()) or (point and not (fraction.isascii() and fraction.isdigit())):
        raise Refused(
            f"`{text}` is no number with decimal sign `{decimal}`"
            + (f" and thousands sign `{thousands}`" if thousands else " and no thousands sign")
            + ": say with `decimal:` and `thousands:` how numbers are written"
        )
    try:
        number = Decimal(f"{whole}.{fraction or 0}")
    except InvalidOperation:
        raise Refused(f"`{text}` is no number") from None
    return -number if negative else number


def to_money(number: Decimal, currency: str) -> Money:
    """Raises Refused where the number has more decimals than the currency."""
    try:
        return Money(minor=money.parse(format(number, "f"), currency), currency=currency)
    except ValueError as error:
        raise Refused(f"{number} {currency}: {error}") from None


_TOKENS = {
    "YYYY": ("year", r"\d{4}"),
    "YY": ("year", r"\d{2}"),
    "MMM": ("month", r"[A-Za-z]{3}"),
    "MM": ("month", r"\d{1,2}"),
    "M": ("month", r"\d{1,2}"),
    "DD": ("day", r"\d{1,2}"),
    "D": ("day", r"\d{1,2}"),
    "HH": ("hour", r"\d{1,2}"),
    "H": ("hour", r"\d{1,2}"),
    "mm": ("minute", r"\d{2}"),
    "ss": ("second", r"\d{2}"),
}
_TOKEN = re.compile("YYYY|YY|MMM|MM|M|DD|D|HH|H|mm|ss")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@cache
def _date_regex(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    tokens: list[tuple[int, int]] = [match.span() for match in _TOKEN.finditer(pattern)]
    position = 0
    for start, end in tokens:
        parts.append(re.escape(pattern[position:start]))
        name, digits = _TOKENS[pattern[start:end]]
        touches = any(end == other or start == after for other, after in tokens)
        if touches and digits == r"\d{1,2}":
            digits = r"\d{2}"  # nothing divides it from its neighbour, as in YYYYMMDD
        parts.append(f"(?P<{name}>{digits})")
        position = end
    parts.append(re.escape(pattern[position:]))
    return re.compile("".join(parts))


@cache
def parse_date(text: str, pattern: str) -> date | datetime | None:
    """A date, or a naive date and time where the pattern has hours; None where the text does not fit."""
    match = _date_regex(pattern).fullmatch(text)
    if match is None:
        return None
    found = match.groupdict()
    month = found["month"]
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month.lower()) + 1
        year = int(found["year"])
        day = date(year + 2000 if len(found["year"]) == 2 else year, number, int(found["day"]))
        if "hour" not in found:
            return day
        clock = time(int(found["hour"]), int(found.get("minute") or 0), int(found.get("second") or 0))
        return datetime.combine(day, clock)
    except ValueError:
        return None


def columns_of(value: Value) -> Iterator[str]:
    """The columns of its own row that a value reads (those of a lookup's other file are not among them)."""
    yield from value.column or []
    if value.template is not None:
        yield from template_columns(value.template)
    if value.lookup is not None:
        yield from value.lookup.on
    for choice in value.choose or []:
        for each in choice.when:
            yield from each
        yield from columns_of(choice.use)
