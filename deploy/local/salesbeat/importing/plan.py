"""The plan of an import: which records the rows give, and the requests that write them. It writes nothing.

Ids derive from the mapping's namespace, the kind and the record's key; idempotency keys from what is said.
So the same files give the same requests for ever, and sending them again changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from chassis.ids import derived_id
from contracts.customers import CustomerKind, DecisionRole
from contracts.money import Money
from contracts.staff import Role
from salesbeat.importing.mapping import (
    KINDS,
    Contacts,
    Customers,
    Format,
    Lines,
    Mapping,
    Offices,
    Orders,
    OrderStep,
    People,
    Products,
    Regions,
    Section,
    Value,
    values,
)
from salesbeat.importing.marked import Mistake
from salesbeat.importing.tables import Row, Rows
from salesbeat.importing.values import Refused, Values, columns_of

Body = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A POST to the gateway. `skip` says, from the record as it stands, that this was done before.

    method: PATCH changes the version of the record that the request before it left.
    """

    path: str
    body: Body
    skip: Callable[[Body], bool] | None = None
    name: str = "creation"
    method: str = "POST"

    @property
    def key(self) -> str:
        """The Idempotency-Key: the same words to the same place have the same one."""
        said = orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS).decode()
        return derived_id("salesbeat import", f"{self.path}\x1f{said}")


@dataclass(slots=True)
class Record:
    """One record of one kind, with the rows that it was read from and the requests that write it, in order."""

    kind: str
    key: str
    id: str
    rows: list[Row]
    requests: list[Request] = field(default_factory=list)
    needs: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    within: Record | None = None
    """The record that this one is a part of, such as a contact's customer."""
    zone: str | None = None
    """The time zone in which its dates are days."""
    at: datetime | None = None
    """When it began; records are written in this order, so that numbers rise with the dates."""

    @property
    def row(self) -> Row:
        return self.rows[0]

    @property
    def mended(self) -> bool:
        return any(row.mended for one in self.rows for row in one.rows())

    def place(self) -> str:
        return f"{self.row.file} line {self.row.number}"


@dataclass(slots=True)
class Plan:
    mapping: Mapping
    records: dict[str, list[Record]]
    skipped: list[tuple[str, Row]]
    """Rows that the filters leave out, by kind."""

    def layers(self, kind: str) -> Iterator[list[Record]]:
        """The records of a kind, in layers of which each needs those before it only: managers before their people."""
        yield from layers(record for record in self.records[kind] if not record.problems)


def layers(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records of one kind, in layers of which each needs those before it only; what needs itself is left out."""
    waiting = list(records)
    done: set[str] = set()
    while waiting:
        ready = [r for r in waiting if all(need.kind != r.kind or need.id in done for need in r.needs)]
        if not ready:
            return
        done |= {record.id for record in ready}
        waiting = [record for record in waiting if record.id not in done]
        yield ready


def build(mapping: Mapping, tables: dict[str, Rows], mapping_name: str) -> Plan:
    """Raises Mistake where the mapping does not fit the files' columns."""
    if wrong := sorted(set(_unknown_columns(mapping, tables))):
        raise Mistake([f"{mapping_name}, line {line}: {sentence}" for line, sentence in wrong])
    return _Planner(mapping, tables).plan()


class _Planner:
    def __init__(self, mapping: Mapping, tables: dict[str, Rows]) -> None:
        self.mapping = mapping
        self.tables = tables
        self.values = Values(tables)
        self.namespace = mapping.namespace or mapping.name
        self.records: dict[str, dict[str, Record]] = {kind: {} for kind in KINDS}
        self.refused: list[Record] = []
        """Rows that have no key of their own: an empty one, or one that another row has."""
        self.skipped: list[tuple[str, Row]] = []
        self.sections: dict[str, Section] = {}
        self._indexes: dict[tuple[str, str], dict[str, list[Record]]] = {}
        self._lines: dict[int, dict[str, list[Row]]] = {}
        self._left_out: set[str] = set()
        """Keys of orders that a filter leaves out."""

    def plan(self) -> Plan:
        for kind in KINDS:
            for section in self.mapping.sections(kind):
                self._collect(kind, section)
        for kind in KINDS:
            for record in self.records[kind].values():
                if not record.problems:
                    self._describe(record)
            self._check(kind)
        for section in self.mapping.orders:
            if section.lines.source is not None:
                self._strays(section.lines)
        records = {kind: list(self.records[kind].values()) for kind in KINDS}
        for record in self.refused:
            records[record.kind].append(record)
        records["orders"].sort(key=lambda record: (record.at is None, record.at))
        return Plan(self.mapping, records, self.skipped)

    def _collect(self, kind: str, section: Section) -> None:
        """Give each row its record. Nothing but the key is read yet, so that records can refer to each other."""
        table = self.tables[section.source]
        filters = self.mapping.files[section.source].where
        for row in table.rows:
            problems: list[str] = []
            key = ""
            try:
                if not self.values.holds(filters, row, table) or not self.values.holds(section.where, row, table):
                    self.skipped.append((kind, row))
                    if isinstance(section, Orders) and section.lines.source is not None:
                        self._left_out.add(self.values.text(section.key, row, table))
                    continue
                if section.key is None:
                    assert isinstance(section, Contacts)  # noqa: S101 the mapping's model asks all others for a key
                    customer = self.values.text(section.customer, row, table)
                    key = f"{customer} / {self.values.text(section.name, row, table)}"
                else:
                    key = self.values.text(section.key, row, table)
            except Refused as refusal:
                problems.append(f"key: {refusal}")
            if not key and not problems:
                problems.append("its key is empty: every record needs one (a `where:` filter can leave the row out)")
            first = self.records[kind].get(key)
            if first is not None and section.distinct and self.sections[first.id] is section:
                first.rows.append(row)
                continue
            if first is not None:
                problems.append(
                    f"the key `{key}` was used by {first.place()}: "
                    "mend one, or say `distinct: true` if they are the same"
                )
            record = Record(kind, key, derived_id(self.namespace, f"{kind}:{key}"), [row])
            record.problems = [*row.trouble, *problems]
            if key and first is None:
                self.records[kind][key] = record
                self.sections[record.id] = section
            else:
                self.refused.append(record)

    def _describe(self, record: Record) -> None:
        section = self.sections[record.id]
        reader = _Reader(self, record, self.tables[section.source])
        describe: dict[type[Section], Callable[[Any, _Reader], Body]] = {
            Regions: _region,
            Offices: _office,
            People: _person,
            Products: _product,
            Customers: _customer,
            Contacts: _contact,
            Orders: _order,
        }
        body = describe[type(section)](section, reader)
        path = f"/api/v1/{record.kind}"
        skip: Callable[[Body], bool] | None = None
        if record.within is not None:
            path = f"/api/v1/customers/{record.within.id}/contacts"

            def already_there(customer: Body, contact: str = record.id) -> bool:
                return any(there["id"] == contact for there in customer.get("contacts", []))

            skip = already_there

        source = f"{self.mapping.name}:{record.kind}:{record.key}"
        record.requests.insert(0, Request(path, {"id": record.id, **body, "import_source": source}, skip))

    def _check(self, kind: str) -> None:
        """Refuse what needs a refused record, and what needs itself."""
        waiting = [record for record in self.records[kind].values() if not record.problems]
        while True:
            found = [(record, need) for record in waiting for need in record.needs if need.problems]
            if not found:
                break
            for record, need in found:
                if not record.problems:
                    record.problems.append(
                        f"needs {SINGULAR[need.kind]} `{need.key}`, which is refused ({need.place()})"
                    )
            waiting = [record for record in waiting if not record.problems]
        plan = Plan(self.mapping, {kind: waiting}, [])
        good = {record.id for layer in plan.layers(kind) for record in layer}
        for record in waiting:
            if record.id not in good:
                record.problems.append("the reporting lines lead back to where they begin: no one can be written first")
        if kind == "customers":
            self._same_names(waiting)

    def _same_names(self, customers: list[Record]) -> None:
        """Customers of one name are one customer twice, unless the mapping says that they differ."""
        first: dict[str, list[Record]] = {}
        for record in customers:
            section = self.sections[record.id]
            name = _same(record.requests[0].body["name"])
            others = first.setdefault(name, [])
            if others and isinstance(section, Customers) and section.same_name == "refuse":
                record.problems.append(
                    f"has the name of {others[0].place()}: "
                    "mend one, or say `same_name: allow` if they are two customers"
                )
                continue
            if others:
                record.requests[0].body["not_duplicate_of"] = [other.id for other in others]
                record.needs += others
            others.append(record)

    def find(self, kind: str, text: str, by: str | None) -> Record | None:
        """The record of a kind with this key, or with this text in the field that `by` names. Raises Refused."""
        if not self.mapping.sections(kind):
            return Record(kind, text, derived_id(self.namespace, f"{kind}:{text}"), [])
        if by in (None, "key"):
            if (found := self.records[kind].get(text)) is None:
                raise Refused(f"there is no {SINGULAR[kind]} with the key `{text}`")
            return found
        fits = self._index(kind, by).get(_same(text), [])
        if len(fits) != 1:
            count = "no" if not fits else str(len(fits))
            raise Refused(f"there are {count} {kind} whose {by} is `{text}`: one is needed")
        return fits[0]

    def lines_of(self, lines: Lines, order: Record) -> list[Row]:
        """The rows that hold an order's lines, from the lines' own file."""
        return self._by_order(lines).get(order.key, [])

    def _by_order(self, lines: Lines) -> dict[str, list[Row]]:
        assert lines.source is not None  # noqa: S101 the mapping's model holds both together
        assert lines.order is not None  # noqa: S101 the same
        if id(lines) not in self._lines:
            index: dict[str, list[Row]] = {}
            table = self.tables[lines.source]
            filters = self.mapping.files[lines.source].where
            for row in table.rows:
                try:
                    if self.values.holds(filters, row, table) and self.values.holds(lines.where, row, table):
                        index.setdefault(self.values.text(lines.order, row, table), []).append(row)
                    else:
                        self.skipped.append(("orders", row))
                except Refused as refusal:
                    self._refuse_line(row, "", f"order: {refusal}")
            self._lines[id(lines)] = index
        return self._lines[id(lines)]

    def _strays(self, lines: Lines) -> None:
        """Lines of orders that there are not, or that the filters leave out."""
        for key, rows in self._by_order(lines).items():
            if key in self.records["orders"]:
                continue
            for row in rows:
                if key in self._left_out:
                    self.skipped.append(("orders", row))
                else:
                    self._refuse_line(row, key, f"there is no order with the key `{key}`" if key else "order: is empty")

    def _refuse_line(self, row: Row, key: str, problem: str) -> None:
        record = Record("orders", key, derived_id(self.namespace, f"order lines:{row.file}:{row.number}"), [row])
        record.problems.append(problem)
        self.refused.append(record)

    def _index(self, kind: str, by: str) -> dict[str, list[Record]]:
        if (kind, by) not in self._indexes:
            index: dict[str, list[Record]] = {}
            for record in self.records[kind].values():
                section = self.sections[record.id]
                value = getattr(section, by)
                if value is not None:
                    text = self.values.text(value, record.row, self.tables[section.source])
                    index.setdefault(_same(text), []).append(record)
            self._indexes[kind, by] = index
        return self._indexes[kind, by]


class _Reader:
    """Reads the values of one row, and notes on the record what is wrong with them instead of raising."""

    def __init__(self, planner: _Planner, record: Record, table: Rows, row: Row | None = None) -> None:
        self.planner = planner
        self.record = record
        self.table = table
        self.row = row or record.row
        self.values = planner.values

    def at(self, row: Row, table: Rows) -> _Reader:
        return _Reader(self.planner, self.record, table, row)

    def problem(self, text: str) -> None:
        if self.row is not self.record.row:
            text = f"{self.row.file} line {self.row.number}: {text}"
        self.record.problems.append(text)

    def _read(self, name: str, value: Value | None, read: Callable[[Value], T | None], required: bool) -> T | None:
        if value is None:
            return None
        try:
            found = read(value)
        except Refused as refusal:
            self.problem(f"{name}: {refusal}")
            return None
        if required and not found and found != 0:
            self.problem(f"{name}: is empty, and may not be")
        return found or (found if found == 0 else None)

    def text(self, name: str, value: Value | None, required: bool = False) -> str | None:
        return self._read(name, value, lambda v: self.values.text(v, self.row, self.table), required)

    def texts(self, name: str, value: Value | None, required: bool = False) -> list[str]:
        return self._read(name, value, lambda v: self.values.texts(v, self.row, self.table), required) or []

    def one_of(self, name: str, value: Value | None, known: Iterable[str], required: bool = False) -> str | None:
        found = self.text(name, value, required)
        if found is not None and found not in set(known):
            self.problem(f"{name}: `{found}` is none of {', '.join(known)}: use `translate:`")
            return None
        return found

    def number(self, name: str, value: Value | None, required: bool = False) -> Decimal | None:
        return self._read(name, value, lambda v: self.values.number(v, self.row, self.table), required)

    def money(self, name: str, value: Value | None, currency: str, required: bool = False) -> Money | None:
        return self._read(name, value, lambda v: self.values.money(v, self.row, self.table, currency), required)

    def date(self, name: str, value: Value | None, required: bool = False) -> date | None:
        return self._read(name, value, lambda v: self.values.date(v, self.row, self.table), required)

    def instant(self, name: str, value: Value | None, required: bool = False) -> datetime | None:
        zone = self.record.zone
        return self._read(name, value, lambda v: self.values.instant(v, self.row, self.table, zone), required)

    def reference(self, name: str, kind: str, value: Value | None, required: bool = False) -> Record | None:
        def read(value: Value) -> Record | None:
            text = self.values.text(value, self.row, self.table)
            return self.planner.find(kind, text, value.by) if text else None

        found = self._read(name, value, read, required)
        if found is not None and found.rows and found not in self.record.needs:
            self.record.needs.append(found)
        return found

    def style(self, value: Format | None = None) -> Format:
        return self.values.format(value, self.table) if value is not None else self.table.format


SINGULAR = {
    "regions": "region",
    "offices": "office",
    "people": "person",
    "products": "product",
    "customers": "customer",
    "contacts": "contact",
    "orders": "order",
    "visits": "visit",
    "visit-plans": "visit plan",
}
"""One of each kind, as refusals and the codes of problems call it."""


def _region(section: Regions, reader: _Reader) -> Body:
    return _filled(code=_code(section.code, reader), name=reader.text("name", section.name, True))


def _office(section: Offices, reader: _Reader) -> Body:
    region = reader.reference("region", "regions", section.region, True)
    zone = reader.text("timezone", section.timezone) or reader.style().timezone
    try:
        ZoneInfo(zone or "")
    except (ZoneInfoNotFoundError, ValueError):
        reader.problem(f"timezone: `{zone}` is no IANA time zone")
    reader.record.zone = zone
    return _filled(
        code=_code(section.code, reader),
        name=reader.text("name", section.name, True),
        region=region and region.id,
        timezone=zone,
        workdays=section.workdays,
        holidays=_days("holidays", section.holidays, reader) or None,
        extra_workdays=_days("extra_workdays", section.extra_workdays, reader) or None,
        opened_on=_iso(reader.date("opened_on", section.opened_on)),
    )


def _days(name: str, value: Value | None, reader: _Reader) -> list[str]:
    """A list of days, each written in ISO or as the file writes dates."""
    if value is None:
        return []
    days = []
    for text in reader.texts(name, value):
        try:
            days.append(reader.values.day(text, value, reader.table).isoformat())
        except Refused as refusal:
            reader.problem(f"{name}: {refusal}")
    return days


def _code(value: Value | None, reader: _Reader) -> str | None:
    """A short code; where the mapping gives none, the letters and digits of the key."""
    code = reader.text("code", value, True)
    if value is None:
        code = re.sub(r"[^A-Z0-9]", "", unicodedata.normalize("NFKD", reader.record.key).upper())[:8]
    if code is not None and not re.fullmatch(r"[A-Z0-9]{2,8}", code):
        reader.problem(f"code: `{code}` must be 2 to 8 letters A-Z or digits: give one with `code:`")
    return code


def _person(section: People, reader: _Reader) -> Body:
    office = reader.reference("office", "offices", section.office)
    region = reader.reference("region", "regions", section.region)
    manager = reader.reference("manager", "people", section.manager)
    reader.record.zone = office.zone if office else None
    served = [
        found.id
        for text in reader.texts("offices_served", section.offices_served)
        if (found := _find(reader, "offices_served", "offices", text, section.offices_served)) is not None
    ]
    return _filled(
        name=reader.text("name", section.name, True),
        number=reader.text("number", section.number),
        email=reader.text("email", section.email),
        phone=reader.text("phone", section.phone),
        role=reader.one_of("role", section.role, list(Role), True),
        office=office and office.id,
        region=region and region.id,
        manager=manager and manager.id,
        offices_served=served or None,
        joined_on=_iso(reader.date("joined_on", section.joined_on, True)),
        left_on=_iso(reader.date("left_on", section.left_on)),
    )


def _find(reader: _Reader, name: str, kind: str, text: str, value: Value | None) -> Record | None:
    try:
        found = reader.planner.find(kind, text, value.by if value else None)
    except Refused as refusal:
        reader.problem(f"{name}: {refusal}")
        return None
    if found is not None and found.rows:
        reader.record.needs.append(found)
    return found


def _product(section: Products, reader: _Reader) -> Body:
    currency = _currency(section.currency, reader)
    price = reader.money("price", section.price, currency)
    cost = reader.money("cost", section.cost, currency)
    for name, amount in (("price", price), ("cost", cost)):
        if amount is not None and amount.minor < 0:
            reader.problem(f"{name}: must not be negative")
    active = reader.one_of("active", section.active, ("true", "false"))
    return _filled(
        code=reader.text("code", section.code, True) or reader.record.key,
        name=reader.text("name", section.name, True),
        family=reader.text("family", section.family),
        unit=reader.text("unit", section.unit),
        price=(price or Money(minor=0, currency=currency)).model_dump(),
        cost=cost and cost.model_dump(),
        active=False if active == "false" else None,
    )


def _customer(section: Customers, reader: _Reader) -> Body:
    owner = reader.reference("owner", "people", section.owner, True)
    reader.record.zone = owner.zone if owner else None
    since = reader.date("prospect_since", section.prospect_since)
    registered = reader.instant("registered", section.registered or section.prospect_since)
    reader.record.at = registered
    attributes = {name: reader.text(name, value) for name, value in section.attributes.items()}
    return _filled(
        name=reader.text("name", section.name, True),
        kind=reader.one_of("kind", section.kind, list(CustomerKind)),
        owner=owner and owner.id,
        phone=reader.text("phone", section.phone),
        tax_id=reader.text("tax_id", section.tax_id),
        addresses=_addresses(section, reader),
        source=reader.text("source", section.source_),
        channel=reader.text("channel", section.channel),
        attributes={name: text for name, text in attributes.items() if text} or None,
        prospect_since=_iso(since),
        occurred_at=_iso(registered),
        on_behalf_of=owner and owner.id,
    )


def _addresses(section: Customers, reader: _Reader) -> list[Body] | None:
    if section.address is None or (text := reader.text("address", section.address.text)) is None:
        return None
    latitude = reader.number("latitude", section.address.latitude)
    longitude = reader.number("longitude", section.address.longitude)
    return [
        _filled(
            text=text,
            city=reader.text("city", section.address.city),
            country=reader.text("country", section.address.country),
            latitude=None if latitude is None else float(latitude),
            longitude=None if longitude is None else float(longitude),
        )
    ]


def _contact(section: Contacts, reader: _Reader) -> Body:
    customer = reader.reference("customer", "customers", section.customer, True)
    reader.record.within = customer
    return _filled(
        name=reader.text("name", section.name, True),
        title=reader.text("title", section.title),
        phone=reader.text("phone", section.phone),
        email=reader.text("email", section.email),
        decision_role=reader.one_of("decision_role", section.decision_role, list(DecisionRole)),
    )


def _order(section: Orders, reader: _Reader) -> Body:
    record = reader.record
    customer = reader.reference("customer", "customers", section.customer, True)
    owner = reader.reference("owner", "people", section.owner)
    if section.owner is None and customer is not None:
        owner = next((need for need in customer.needs if need.kind == "people"), None)
    record.zone = owner.zone if owner else customer.zone if customer else None
    received = reader.instant("received", section.received, True)
    record.at = received
    currency = _currency(section.currency, reader)
    lines = _lines(section, reader, currency)
    if received is not None:
        _steps(section, reader, received, owner)
    return _filled(
        customer=customer and customer.id,
        owner=owner.id if owner and section.owner else None,
        currency=currency,
        channel=reader.text("channel", section.channel),
        external_ref=reader.text("external_ref", section.external_ref),
        requested_date=_iso(reader.date("requested_date", section.requested_date)),
        note=reader.text("note", section.note),
        lines=lines,
        occurred_at=_iso(received),
        on_behalf_of=owner and owner.id,
    )


def _lines(section: Orders, reader: _Reader, currency: str) -> list[Body]:
    lines, record = section.lines, reader.record
    if lines.source is None:
        rows, table = [record.row], reader.table
        if len(record.rows) > 1:
            reader.problem(
                "several rows have its key, but its lines are read from its first row only: "
                "give `lines:` the keys `from:` and `order:`"
            )
    else:
        rows, table = reader.planner.lines_of(lines, record), reader.planner.tables[lines.source]
        record.rows += [row for row in rows if row not in record.rows]
    if not rows:
        reader.problem(f"has no lines: no row of `{lines.source}` names it")
    return [_line(lines, reader.at(row, table), currency) for row in rows]


def _line(lines: Lines, reader: _Reader, currency: str) -> Body:
    for text in reader.row.trouble if reader.row is not reader.record.row else []:
        reader.problem(text)
    product = reader.reference("product", "products", lines.product, True)
    quantity = reader.number("quantity", lines.quantity, True) if lines.quantity is not None else Decimal(1)
    unit_price = reader.money("unit_price", lines.unit_price, currency)
    discount = reader.money("discount", lines.discount, currency)
    percent = reader.number("discount_percent", lines.discount_percent)
    if quantity is not None and (quantity <= 0 or quantity != round(quantity, 3)):
        reader.problem(f"quantity: {quantity} must be above 0 and have at most 3 decimals")
        quantity = None
    amount = reader.money("amount", lines.amount, currency, True)
    if amount is not None and quantity is not None:
        unit_price, discount = _spread(amount, quantity)
    for name, money in (("unit_price", unit_price), ("discount", discount)):
        if money is not None and money.minor < 0:
            reader.problem(f"{name}: must not be negative")
    if unit_price is None and product is not None and product.requests:
        listed = product.requests[0].body.get("price", {})
        if not listed.get("minor"):
            reader.problem(f"unit_price: is empty, and the product `{product.key}` has no list price")
        elif listed["currency"] != currency:
            reader.problem(f"unit_price: is empty, and the list price is in {listed['currency']}, not {currency}")
    return _filled(
        product=product and product.id,
        quantity=None if quantity is None else format(quantity.normalize(), "f"),
        unit_price=unit_price and unit_price.model_dump(),
        discount=discount.model_dump() if discount and discount.minor else None,
        discount_percent=None if percent is None else format(percent.normalize(), "f"),
    )


def _spread(amount: Money, quantity: Decimal) -> tuple[Money, Money]:
    """A unit price and a discount that give exactly this amount for this quantity."""
    minor = (Decimal(amount.minor) / quantity).to_integral_value(ROUND_CEILING)
    unit = Money(minor=int(minor), currency=amount.currency)
    gross = Money(minor=int((quantity * minor).to_integral_value("ROUND_HALF_UP")), currency=amount.currency)
    return unit, gross - amount


def _steps(section: Orders, reader: _Reader, received: datetime, owner: Record | None) -> None:
    """The steps that the row has taken, each as a request, in the order of the life cycle (domain.md A3)."""
    steps, before = section.steps, received
    taken: dict[str, Body] = {}

    def take(name: str, step: OrderStep | None, more: Callable[[Any], Body] = lambda step: {}) -> None:
        nonlocal before
        try:
            if step is None or not reader.values.holds(step.when, reader.row, reader.table):
                return
        except Refused as refusal:
            reader.problem(f"{name}.when: {refusal}")
            return
        at = reader.instant(f"{name}.on", step.on)
        if at is None:
            return
        if at < before:
            reader.problem(f"{name}.on: {at:%Y-%m-%d %H:%M} is before the step before it ({before:%Y-%m-%d %H:%M})")
        before = max(at, before)
        by = reader.reference(f"{name}.by", "people", step.by) if step.by is not None else owner
        taken[name] = _filled(**more(step), occurred_at=_iso(at), on_behalf_of=by and by.id)

    take("verified", steps.verified, lambda s: {"note": reader.text("verified.note", s.note)})
    take(
        "confirmed",
        steps.confirmed,
        lambda s: {
            "promised_date": _iso(reader.date("confirmed.promised_date", s.promised_date, True)),
            "payment_method": reader.text("confirmed.payment_method", s.payment_method, True),
            "customer_told_at": _iso(reader.instant("confirmed.told_at", s.told_at or s.on, True)),
            "told_by": owner and owner.id,
        },
    )
    take(
        "allocated",
        steps.allocated,
        lambda s: {
            "assignee": getattr(reader.reference("allocated.assignee", "people", s.assignee) or owner, "id", None),
            "due": _iso(reader.date("allocated.due", s.due)),
        },
    )
    take("delivered", steps.delivered, lambda s: {"receiver": reader.text("delivered.receiver", s.receiver, True)})
    take(
        "handover",
        steps.handover,
        lambda s: {
            "documents": reader.texts("handover.documents", s.documents, True),
            "receiver": reader.text("handover.receiver", s.receiver, True),
        },
    )
    take("closed", steps.closed)
    take("cancelled", steps.cancelled, lambda s: {"reason": reader.text("cancelled.reason", s.reason, True)})

    if "confirmed" in taken and "verified" not in taken:
        confirmed = taken["confirmed"]
        taken["verified"] = {name: confirmed[name] for name in ("occurred_at", "on_behalf_of") if name in confirmed}
    if "delivered" in taken and "confirmed" in taken and "allocated" not in taken and owner is not None:
        confirmed = taken["confirmed"]
        taken["allocated"] = {
            "assignee": owner.id,
            **{name: confirmed[name] for name in ("occurred_at", "on_behalf_of") if name in confirmed},
        }
    for name, needed in _NEEDS.items():
        if name in taken and needed not in taken:
            reader.problem(f"{name}: the step `{needed}` comes before it: give that too")
    if "cancelled" in taken and "delivered" in taken:
        reader.problem("cancelled: the order was delivered before, and then it is too late for that")
    for name, (noun, mark) in _STEPS.items():
        if name in taken:
            path = f"/api/v1/orders/{reader.record.id}/{noun}"
            request = Request(path, taken[name], lambda order, mark=mark: order.get(mark) is not None, name)
            reader.record.requests.append(request)


_STEPS = {
    "verified": ("verification", "verification"),
    "confirmed": ("confirmation", "confirmation"),
    "allocated": ("allocation", "allocation"),
    "delivered": ("delivery", "delivery"),
    "handover": ("handover", "handover"),
    "closed": ("closure", "closure"),
    "cancelled": ("cancellation", "cancellation"),
}
"""Each step's command, and the field of the order that shows that it was taken."""

_NEEDS = {"allocated": "confirmed", "delivered": "allocated", "handover": "delivered", "closed": "handover"}


def _currency(value: Value | None, reader: _Reader) -> str:
    currency = reader.text("currency", value) or reader.style().currency or "CNY"
    if not re.fullmatch(r"[A-Z]{3}", currency):
        reader.problem(f"currency: `{currency}` is no ISO 4217 code such as EUR: use `translate:`")
        return "CNY"
    return currency


def _iso(moment: date | datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _filled(**fields: Any) -> Body:
    return {name: found for name, found in fields.items() if found is not None}


def _same(name: str) -> str:
    """Names that differ in case, width or spaces only are the same."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()


def _unknown_columns(mapping: Mapping, tables: dict[str, Rows]) -> Iterator[tuple[int, str]]:
    """Columns that the mapping names and the files do not have."""

    def check(columns: Iterable[str], line: int, table: Rows) -> Iterator[tuple[int, str]]:
        for column in columns:
            if not table.has(column):
                hint = "" if table.columns else " (it has no columns)"
                known = ", ".join(table.all_columns())
                yield (
                    line,
                    f"`{column}` is no column of `{table.name}`{hint}: its columns are {known}. "
                    "A fixed text is written {constant: …}.",
                )

    def check_filter(filters: Any, line: int, table: Rows) -> Iterator[tuple[int, str]]:
        for each in filters:
            for column, condition in each.items():
                yield from check([column], condition.line or line, table)

    def check_value(value: Value, table: Rows) -> Iterator[tuple[int, str]]:
        yield from check(columns_of(value), value.line, table)
        if value.lookup is not None:
            other = tables[value.lookup.source]
            yield from check(value.lookup.on.values(), value.lookup.line, other)
            yield from check_filter(value.lookup.where, value.lookup.line, other)
            for inner in (value.lookup.sort, value.lookup.take):
                if inner is not None:
                    yield from check_value(inner, other)

    for name, file in mapping.files.items():
        yield from check_filter(file.where, file.line, tables[name])
    for kind in KINDS:
        for section in mapping.sections(kind):
            table = tables[section.source]
            yield from check_filter(section.where, section.line, table)
            lines = section.lines if isinstance(section, Orders) else None
            apart = list(values(lines)) if lines is not None and lines.source is not None else []
            for value in values(section):
                own = tables[lines.source] if lines is not None and any(value is one for one in apart) else table  # type: ignore[index]
                yield from check_value(value, own)
            if lines is not None:
                yield from check_filter(lines.where, lines.line, tables[lines.source or section.source])
            if isinstance(section, Orders):
                for step_name in type(section.steps).model_fields:
                    step = getattr(section.steps, step_name)
                    if isinstance(step, OrderStep):
                        yield from check_filter(step.when, step.line, table)
