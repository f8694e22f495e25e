"""What a value of the mapping is for a row: texts, numbers, money, dates and instants, and whether a filter holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from zoneinfo import ZoneInfo

from contracts.money import Money
from salesbeat.importing import dates
from salesbeat.importing.mapping import CURRENCY, Condition, Filter, Format, Lookup, Value
from salesbeat.importing.numbers import currency_of, parse_number, plain_number, to_money
from salesbeat.importing.refused import Refused, shown
from salesbeat.importing.tables import Row, Rows

UNCLEAR_BACK = 50
"""Years back from which on a year of two digits may as well be meant of the century to come."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, as a cell says it: an instant, or a day of which any time may be meant.

    first and last: UTC; they are the same for an instant. usual: the time that the mapping gives to a bare date.
    """

    first: datetime
    last: datetime
    usual: datetime
    zone: ZoneInfo

    @property
    def exact(self) -> bool:
        return self.first == self.last

    def text(self) -> str:
        """As people write it, in its zone: the day, or the day and the time."""
        there = self.first.astimezone(self.zone)
        return f"{there:%Y-%m-%d %H:%M}" if self.exact else f"{self.usual.astimezone(self.zone):%Y-%m-%d}"

    def within(self, earliest: datetime, latest: datetime) -> datetime | None:
        """The instant in its zone: the usual one, moved between the two as far as its day allows. None beyond that."""
        low, high = max(self.first, earliest), min(self.last, latest)
        return None if low > high else min(max(self.usual, low), high).astimezone(self.zone)


class Values:
    """Reads values of the mapping from rows. One for the whole import: it remembers look-ups.

    now: what a day may not lie beyond, and the year up to which a year of two digits is read.
    """

    def __init__(self, tables: dict[str, Rows], now: datetime) -> None:
        self.now = now
        self._tables = tables
        self._formats: dict[tuple[int, str], Format] = {}
        self._lookups: dict[tuple[int, tuple[str, ...]], Row | None] = {}

    def text(self, value: Value, row: Row, table: Rows) -> str:
        """The text of a value; "" where it is empty. Raises Refused."""
        found = self._origin(value, row, table)
        if value.extract is not None and found:
            match = re.search(value.extract, found)
            if match is None:
                raise Refused(f"{shown(found)} does not fit the pattern {value.extract}")
            found = (match.group(1) if match.groups() else match.group(0)) or ""
        if value.empty is not None and found in value.empty:
            found = ""
        if value.translate is not None and found:
            if found in value.translate:
                found = value.translate[found]
            elif value.otherwise == "refuse":
                raise Refused(f"{shown(found)} has no translation in the mapping (line {value.line})")
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
        return _times(plain_number(parse_number(found, style.decimal or ".", style.thousands or ""), found), value)

    def percent(self, value: Value, row: Row, table: Rows) -> Decimal | None:
        """A number that may have a % behind it."""
        found = self.text(value, row, table)
        if not found:
            return None
        style = self.format(value, table)
        bare = found.removesuffix("%").removesuffix("％").strip()
        return _times(plain_number(parse_number(bare, style.decimal or ".", style.thousands or ""), found), value)

    def currency(self, value: Value, row: Row, table: Rows) -> str | None:
        """The currency of an amount: the one that the formats name, else its cell. None where neither does.

        Raises Refused where the cell may mean several, or none.
        """
        style = self.format(value, table)
        if style.currency is not None:
            return style.currency
        found = self.text(value, row, table)
        if not found:
            return None
        written = parse_number(found, style.decimal or ".", style.thousands or "")
        return currency_of(written, found, CURRENCY) if written.currencies else None

    def money(self, value: Value, row: Row, table: Rows, currency: str, *, bare: bool = True) -> Money | None:
        """Raises Refused where the cell names another currency, or the amount has more decimals than its currency.

        bare: whether an amount may do without a currency of its own.
        """
        found = self.text(value, row, table)
        if not found:
            return None
        style = self.format(value, table)
        written = parse_number(found, style.decimal or ".", style.thousands or "")
        if written.currencies and currency not in written.currencies:
            several = f"`{written.mark}`, which may be {', '.join(written.currencies[:4])} …"
            its = written.currencies[0] if len(written.currencies) == 1 else several
            raise Refused(
                f"{shown(found)} is in {its}, and {currency} is wanted here: "
                "mend one, or say with `currency:` what it is"
            )
        if not bare and not written.currencies and written.number:
            raise Refused(f"{shown(found)} names no currency, and another amount here does: say it with `currency:`")
        return to_money(_times(written.number, value), currency)

    def date(self, value: Value, row: Row, table: Rows, zone: str | None, *, ahead: bool = False) -> date | None:
        """A day. A time with an offset is the day that it is in the value's zone, or in the given one.

        ahead: it may lie in the future, so that a year of two digits may mean one to come.
        """
        found = self.text(value, row, table)
        if not found:
            return None
        return self.day(found, value, table, zone, before=self._before(value, row, table), ahead=ahead)

    def instant(self, value: Value, row: Row, table: Rows, zone: str | None) -> Moment | None:
        """When something happened; a date alone is any time of that day in the value's zone or the given one."""
        found = self.text(value, row, table)
        if not found:
            return None
        moment = self._moment(found, value, table, self._before(value, row, table))
        style = self.format(value, table)
        tz = ZoneInfo(value.timezone or zone or style.timezone or "UTC")
        if isinstance(moment, datetime):
            # A time with an offset is moved on in the office's zone, so that a day more is the next day there.
            moment = moment.astimezone(tz) if moment.tzinfo else moment.replace(tzinfo=tz)
            at = dates.later(moment, value.plus_days, found)
            assert isinstance(at, datetime)  # noqa: S101 - what went in comes out
            at = at.astimezone(UTC)
            return Moment(at, at, at, tz)
        day = dates.later(moment, value.plus_days, found)
        first, last = dates.bounds(day, tz)
        usual = datetime.combine(day, time.fromisoformat(style.time or "12:00"), tz).astimezone(UTC)
        return Moment(first, last, usual, tz)

    def day(
        self, text: str, value: Value, table: Rows, zone: str | None, *, before: str | None = None, ahead: bool = False
    ) -> date:
        """One day: of a value, or of a list that `split` divided. before: see `_moment`."""
        moment = self._moment(text, value, table, before, ahead=ahead)
        if isinstance(moment, datetime):
            tz = ZoneInfo(value.timezone or zone or self.format(value, table).timezone or "UTC")
            moment = (moment.astimezone(tz) if moment.tzinfo else moment).date()
        return _as_day(dates.later(moment, value.plus_days, text))

    def holds(self, conditions: Filter, row: Row, table: Rows) -> bool:
        """Whether a row fits any of the filter's alternatives; an empty filter fits all."""
        return not conditions or any(
            all(self._holds(condition, row, column, table) for column, condition in each.items()) for each in conditions
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
        read = {"date": self._when, "number": self._size, "text": self.text}[lookup.sort_as]
        ranked = [(rank, row) for row in fits if (rank := read(lookup.sort, row, other)) not in (None, "")]
        if not ranked:
            return None
        best = max if lookup.descending else min
        return best(ranked, key=lambda pair: pair[0])[1]

    def _when(self, value: Value, row: Row, table: Rows) -> datetime | None:
        moment = self.instant(value, row, table, None)
        return None if moment is None else moment.usual

    def _size(self, value: Value, row: Row, table: Rows) -> Decimal | None:
        found = self.text(value, row, table)
        style = self.format(value, table)
        return parse_number(found, style.decimal or ".", style.thousands or "").number if found else None

    def _before(self, value: Value, row: Row, table: Rows) -> str | None:
        """What the value was before the row was mended; None where it was not."""
        try:
            return None if row.before is None else self.text(value, row.before, table)
        except Refused:
            return ""

    def _moment(
        self, text: str, value: Format, table: Rows, before: str | None = None, *, ahead: bool = False
    ) -> date | datetime:
        """A date, a naive time, or a time with its offset. before: for a mended row, the text that it had before."""
        style = self.format(value, table)
        patterns = style.dates or []
        latest = style.two_digit_years_until or self.now.year
        if (moment := _read(text, patterns, latest)) is None and before is not None:
            moment = dates.of_spreadsheet(text, latest, _read(before, patterns, latest) if before else None)
        if moment is None:
            hint = ": a spreadsheet's number of a day is no date: format its column as a date" if _serial(text) else ""
            raise Refused(f"{shown(text)} is no date written as {' or '.join(patterns)}{hint}")
        unclear = style.two_digit_years_until is None and moment.year < self.now.year - UNCLEAR_BACK
        if ahead and unclear and not re.search(r"\d{4}", text):
            raise Refused(
                f"{shown(text)} may be {moment.year} or {moment.year + 100}: say with `two_digit_years_until:` "
                "which is the latest year that two digits mean"
            )
        return dates.checked(moment, text)

    def _holds(self, condition: Condition, row: Row, column: str, table: Rows) -> bool:
        try:
            return self._fits(condition, row.get(column), table)
        except Refused as refusal:
            raise Refused(f"a filter cannot read the column `{column}`: {refusal}") from None

    def _fits(self, condition: Condition, cell: str, table: Rows) -> bool:
        style = table.format
        empty = style.empty or []

        def meant(words: Sequence[str]) -> list[str]:
            """A word that means nothing in this file is the empty cell."""
            return ["" if word in empty else word for word in words]

        if condition.equals is not None and cell not in meant([condition.equals]):
            return False
        if condition.in_ is not None and cell not in meant(condition.in_):
            return False
        if condition.not_ is not None and cell in meant(condition.not_):
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
                if not cell:
                    return False
                written = parse_number(cell, style.decimal or ".", style.thousands or "")
                if style.currency and written.currencies and style.currency not in written.currencies:
                    raise Refused(f"{shown(cell)} is not in {style.currency}")
                if not fits(written.number, Decimal(bound)):
                    return False
        for bound, fits in (
            (condition.on_or_after, lambda a, b: a >= b),
            (condition.before, lambda a, b: a < b),
        ):
            if bound is not None:
                if not cell:
                    return False
                moment = self._moment(cell, table.format, table)
                if isinstance(moment, datetime) and moment.tzinfo is not None:
                    moment = moment.astimezone(ZoneInfo(style.timezone or "UTC"))
                if not fits(_as_day(moment), date.fromisoformat(bound)):
                    return False
        return True


def _read(text: str, patterns: Sequence[str], latest: int) -> date | datetime | None:
    """A date by the first pattern that fits, or as ISO 8601 writes it."""
    for pattern in patterns:
        if (moment := dates.parse(text, pattern, latest)) is not None:
            return moment
    return dates.parse_iso(text)


def _serial(text: str) -> bool:
    return bool(re.fullmatch(r"\d{4,6}(?:[.,]\d+)?|\d{9,13}", text))


def _times(number: Decimal, value: Value) -> Decimal:
    with localcontext() as exact:
        exact.prec = 100
        return number * Decimal(value.times) if value.times is not None else number


def _as_day(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def template_columns(template: str) -> list[str]:
    return re.findall(r"\{([^{}]+)\}", template)


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
