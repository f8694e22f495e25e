"""Rows as the bodies of requests: regions, offices, people, products, customers and contacts.

All that is wrong with a row is noted on its record, in words that name the column, the cell and the mapping's key.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chassis import money
from contracts.customers import CustomerKind, DecisionRole
from contracts.money import Money
from contracts.staff import Role
from salesbeat.importing.mapping import (
    CURRENCY,
    Contacts,
    Customers,
    Format,
    Offices,
    People,
    Products,
    Regions,
    Value,
)
from salesbeat.importing.mended import respelt
from salesbeat.importing.records import Body, Origin, Record
from salesbeat.importing.refused import Refused, shown
from salesbeat.importing.sentences import placed
from salesbeat.importing.tables import Row, Rows
from salesbeat.importing.values import Moment, columns_of

if TYPE_CHECKING:
    from salesbeat.importing.plan import Planner

T = TypeVar("T")


class Reader:
    """Reads the values of one row, and notes on the record what is wrong with them instead of raising.

    path: the keys of the mapping above the values that are read, such as orders.steps.
    field: the fields of the request above them, such as lines.0.
    """

    def __init__(
        self, planner: Planner, record: Record, table: Rows, row: Row | None = None, path: str = "", field: str = ""
    ) -> None:
        self.planner = planner
        self.record = record
        self.table = table
        self.row = row or record.row
        self.values = planner.values
        self.path = path or record.kind
        self.field = field

    def at(self, row: Row, table: Rows, path: str, field: str) -> Reader:
        return Reader(self.planner, self.record, table, row, f"{self.record.kind}.{path}", field)

    def problem(self, text: str, name: str | None = None, value: Value | None = None) -> None:
        """Note what is wrong; `name` and `value`: the mapping's key, and where it reads."""
        if value is not None and name is not None:
            self._note(self._origin(name, value), text)
            return
        if self.row is not self.record.row:
            text = f"{self.row.file} line {self.row.number}: {text}"
        if text not in self.record.problems:
            self.record.problems.append(text)

    def _note(self, origin: Origin, why: str) -> None:
        """The same of the same cells is said once, with all the keys that read them."""
        problems, said = self.record.problems, self.record.said
        place = (origin.row.file, origin.row.number, origin.cells or origin.line, why)
        if place not in said:
            said[place] = (len(problems), [])
            problems.append("")
        index, keys = said[place]
        if origin.key not in keys:
            keys.append(origin.key)
        problems[index] = placed(origin, why, self.record, keys)

    def _origin(self, name: str, value: Value) -> Origin:
        columns = dict.fromkeys(columns_of(value))
        cells = tuple((column, source_cell(self.row, column)) for column in columns)
        return Origin(f"{self.path}.{name}", value.line, self.row, cells)

    def _read(
        self,
        name: str,
        value: Value | None,
        read: Callable[[Value], T | None],
        required: bool,
        fields: Iterable[str] = (),
        textual: bool = False,
    ) -> T | None:
        if value is None:
            return None
        origin = self._origin(name, value)
        for field in fields or (name,):
            self.record.origins[f"{self.field}.{field}" if self.field else field] = origin
        try:
            if textual:
                self._check_spelling(value)
            found = read(value)
        except Refused as refusal:
            self.problem(str(refusal), name, value)
            return None
        if required and not found and found != 0:
            emptied = next((cell for _, cell in origin.cells if cell), None)
            why = f"{shown(emptied)} counts as empty" if emptied is not None else "is empty"
            self.problem(f"{why}, and it may not be", name, value)
        return found or (found if found == 0 else None)

    def _check_spelling(self, value: Value) -> None:
        """Raises Refused where a spreadsheet has taken a text of a mended row for a number."""
        if self.row.before is None:
            return
        for column in columns_of(value):
            before, after = source_cell(self.row.before, column), source_cell(self.row, column)
            if respelt(before, after):
                raise Refused(
                    f"{shown(before)} has become {shown(after)}, as a spreadsheet does with numbers: "
                    "format the column as text and write it as it was"
                )

    def text(self, name: str, value: Value | None, required: bool = False, *fields: str) -> str | None:
        read = self.values.text
        return self._read(name, value, lambda v: read(v, self.row, self.table), required, fields, textual=True)

    def texts(self, name: str, value: Value | None, required: bool = False) -> list[str]:
        read = self.values.texts
        return self._read(name, value, lambda v: read(v, self.row, self.table), required, textual=True) or []

    def one_of(self, name: str, value: Value | None, known: Iterable[str], required: bool = False) -> str | None:
        found = self.text(name, value, required)
        if found is not None and found not in set(known):
            self.problem(f"{shown(found)} is none of {', '.join(known)}: use `translate:`", name, value)
            return None
        return found

    def number(self, name: str, value: Value | None, required: bool = False, *fields: str) -> Decimal | None:
        return self._read(name, value, lambda v: self.values.number(v, self.row, self.table), required, fields)

    def percent(self, name: str, value: Value | None) -> Decimal | None:
        return self._read(name, value, lambda v: self.values.percent(v, self.row, self.table), False)

    def money(self, name: str, value: Value | None, currency: Currency, required: bool = False) -> Money | None:
        def read(value: Value) -> Money | None:
            return self.values.money(value, self.row, self.table, currency.code, bare=not currency.of_cells)

        return self._read(name, value, read, required)

    def date(
        self, name: str, value: Value | None, required: bool = False, *fields: str, ahead: bool = False
    ) -> date | None:
        zone = self.record.zone
        return self._read(
            name, value, lambda v: self.values.date(v, self.row, self.table, zone, ahead=ahead), required, fields
        )

    def moment(self, name: str, value: Value | None, required: bool = False, *fields: str) -> Moment | None:
        """When something happened, which cannot be to come."""
        zone = self.record.zone
        found = self._read(name, value, lambda v: self.values.instant(v, self.row, self.table, zone), required, fields)
        if found is not None and found.first > self.values.now:
            now = self.values.now.astimezone(found.zone)
            self.problem(f"{found.text()} has not come yet: today is {now:%Y-%m-%d} ({found.zone})", name, value)
            return None
        return found

    def instant(self, name: str, value: Value | None, required: bool = False, *fields: str) -> datetime | None:
        """The same as one instant: a bare date is its usual time, and today's is not later than now."""
        found = self.moment(name, value, required, *fields)
        return None if found is None else found.within(found.first, self.values.now)

    def reference(
        self, name: str, kind: str, value: Value | None, required: bool = False, *fields: str
    ) -> Record | None:
        def read(value: Value) -> Record | None:
            text = self.values.text(value, self.row, self.table)
            return self.planner.find(kind, text, value.by) if text else None

        found = self._read(name, value, read, required, fields, textual=True)
        if found is not None:
            self.need(found)
        return found

    def need(self, found: Record) -> None:
        if found.rows and found not in self.record.needs:
            self.record.needs.append(found)

    def style(self, value: Format | None = None) -> Format:
        return self.values.format(value, self.table) if value is not None else self.table.format


def source_cell(row: Row, column: str) -> str:
    """A cell as it stands in its file."""
    if column in row.source:
        return row.source[column]
    alias, _, rest = column.partition(".")
    other = row.joined.get(alias)
    return source_cell(other, rest) if other is not None else ""


def region_body(section: Regions, reader: Reader) -> Body:
    return filled(code=_code(section.code, reader, section.key), name=reader.text("name", section.name, True))


def office_body(section: Offices, reader: Reader) -> Body:
    region = reader.reference("region", "regions", section.region, True)
    zone = reader.text("timezone", section.timezone) or reader.style().timezone
    try:
        ZoneInfo(zone or "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reader.problem(f"`{zone}` is no IANA time zone", "timezone", section.timezone)
        zone = None
    reader.record.zone = zone
    return filled(
        code=_code(section.code, reader, section.key),
        name=reader.text("name", section.name, True),
        region=region and region.id,
        timezone=zone,
        workdays=section.workdays,
        holidays=_days("holidays", section.holidays, reader) or None,
        extra_workdays=_days("extra_workdays", section.extra_workdays, reader) or None,
        opened_on=iso(reader.date("opened_on", section.opened_on, ahead=True)),
    )


def _days(name: str, value: Value | None, reader: Reader) -> list[str]:
    """A list of days, each written in ISO or as the file writes dates."""
    if value is None:
        return []
    days = []
    for text in reader.texts(name, value):
        try:
            days.append(reader.values.day(text, value, reader.table, reader.record.zone, ahead=True).isoformat())
        except Refused as refusal:
            reader.problem(str(refusal), name, value)
    return days


def _code(value: Value | None, reader: Reader, key: Value) -> str | None:
    """A short code; where the mapping gives none, the letters and digits of the key."""
    code = reader.text("code", value, True)
    if value is None:
        code = re.sub(r"[^A-Z0-9]", "", unicodedata.normalize("NFKD", reader.record.key).upper())[:8]
    if code is not None and not re.fullmatch(r"[A-Z0-9]{2,8}", code):
        made = "" if value is not None else " (the code, made from the key)"
        why = f"{shown(code)}{made} must be 2 to 8 letters A-Z or digits: give one with `code:`"
        reader.problem(why, "key" if value is None else "code", value or key)
    return code


def person_body(section: People, reader: Reader) -> Body:
    office = reader.reference("office", "offices", section.office)
    region = reader.reference("region", "regions", section.region)
    manager = reader.reference("manager", "people", section.manager)
    reader.record.zone = office.zone if office else None
    served = [
        found.id
        for text in reader.texts("offices_served", section.offices_served)
        if (found := _find(reader, "offices_served", "offices", text, section.offices_served)) is not None
    ]
    return filled(
        name=reader.text("name", section.name, True),
        number=reader.text("number", section.number),
        email=reader.text("email", section.email),
        phone=reader.text("phone", section.phone),
        role=reader.one_of("role", section.role, list(Role), True),
        office=office and office.id,
        region=region and region.id,
        manager=manager and manager.id,
        offices_served=served or None,
        joined_on=iso(reader.date("joined_on", section.joined_on, True)),
        left_on=iso(reader.date("left_on", section.left_on, ahead=True)),
    )


def _find(reader: Reader, name: str, kind: str, text: str, value: Value | None) -> Record | None:
    try:
        found = reader.planner.find(kind, text, value.by if value else None)
    except Refused as refusal:
        reader.problem(str(refusal), name, value)
        return None
    if found is not None:
        reader.need(found)
    return found


def product_body(section: Products, reader: Reader) -> Body:
    amounts = {"price": section.price, "cost": section.cost}
    currency = currency_for(section.currency, [(reader, name, value) for name, value in amounts.items()], reader)
    price = reader.money("price", section.price, currency)
    cost = reader.money("cost", section.cost, currency)
    for name, amount in (("price", price), ("cost", cost)):
        if amount is not None and amount.minor < 0:
            reader.problem("must not be negative", name, amounts[name])
    active = reader.one_of("active", section.active, ("true", "false"))
    return filled(
        code=reader.text("code", section.code, True) or reader.record.key,
        name=reader.text("name", section.name, True),
        family=reader.text("family", section.family),
        unit=reader.text("unit", section.unit),
        price=(price or Money(minor=0, currency=currency.code)).model_dump(),
        cost=cost and cost.model_dump(),
        active=False if active == "false" else None,
    )


def customer_body(section: Customers, reader: Reader) -> Body:
    owner = reader.reference("owner", "people", section.owner, True, "owner", "on_behalf_of")
    reader.record.zone = owner.zone if owner else None
    since = reader.date("prospect_since", section.prospect_since)
    entered = "registered" if section.registered else "prospect_since"
    registered = reader.instant(entered, section.registered or section.prospect_since, False, "occurred_at")
    reader.record.at = registered
    attributes = {
        name: reader.text(f"attributes.{name}", value, False, f"attributes.{name}")
        for name, value in section.attributes.items()
    }
    alike = list(dict.fromkeys([*(["name"] if section.same_name == "allow" else []), *section.allow_alike]))
    return filled(
        name=reader.text("name", section.name, True),
        kind=reader.one_of("kind", section.kind, list(CustomerKind)),
        owner=owner and owner.id,
        phone=reader.text("phone", section.phone),
        tax_id=reader.text("tax_id", section.tax_id),
        addresses=_addresses(section, reader),
        source=reader.text("source", section.source_),
        channel=reader.text("channel", section.channel),
        attributes={name: text for name, text in attributes.items() if text} or None,
        prospect_since=iso(since),
        occurred_at=iso(registered),
        on_behalf_of=owner and owner.id,
        allow_alike=alike or None,
    )


def _addresses(section: Customers, reader: Reader) -> list[Body] | None:
    """The one address, with whatever of it the row says: coordinates without a text are kept too."""
    address = section.address
    if address is None:
        return None
    latitude = reader.number("address.latitude", address.latitude, False, "addresses.0.latitude", "addresses.0")
    longitude = reader.number("address.longitude", address.longitude, False, "addresses.0.longitude")
    found = filled(
        text=reader.text("address.text", address.text, False, "addresses.0.text"),
        city=reader.text("address.city", address.city, False, "addresses.0.city"),
        country=reader.text("address.country", address.country, False, "addresses.0.country"),
        latitude=None if latitude is None else float(latitude),
        longitude=None if longitude is None else float(longitude),
    )
    return [found] if found else None


def contact_body(section: Contacts, reader: Reader) -> Body:
    customer = reader.reference("customer", "customers", section.customer, True)
    reader.record.within = customer
    return filled(
        name=reader.text("name", section.name, True),
        title=reader.text("title", section.title),
        phone=reader.text("phone", section.phone),
        email=reader.text("email", section.email),
        decision_role=reader.one_of("decision_role", section.decision_role, list(DecisionRole)),
    )


class Currency(NamedTuple):
    code: str
    of_cells: bool
    """The mapping names none: the cells do."""


def currency_for(value: Value | None, amounts: Iterable[tuple[Reader, str, Value | None]], reader: Reader) -> Currency:
    """The currency of a record: that of its own key, else of the formats, else the one that its first amount names.

    What is wrong with an amount is noted where it is read.
    """
    named = reader.text("currency", value)
    if named is not None:
        if wrong := _not_a_currency(named):
            reader.problem(wrong, "currency", value)
            return Currency(CURRENCY, False)
        return Currency(named, False)
    for each, _, amount in amounts:
        if amount is None:
            continue
        try:
            found = each.values.currency(amount, each.row, each.table)
        except Refused:
            continue
        if found is not None:
            return Currency(found, each.style(amount).currency is None)
    return Currency(reader.style().currency or CURRENCY, False)


def _not_a_currency(code: str) -> str | None:
    try:
        if not re.fullmatch(r"[A-Z]{3}", code):
            raise ValueError
        money.decimals(code)
    except ValueError:
        return f"{shown(code)} is no ISO 4217 code such as EUR: use `translate:`"
    return None


def iso(moment: date | datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def filled(**fields: Any) -> Body:
    return {name: found for name, found in fields.items() if found is not None}
