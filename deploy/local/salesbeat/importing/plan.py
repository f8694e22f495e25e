"""The plan of an import: which records the rows give, and the requests that write them. It writes nothing.

Ids derive from the mapping's namespace, the kind and the record's key; idempotency keys from what is said.
So the same files give the same requests for ever, and sending them again changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chassis import clock
from chassis.ids import derived_id
from salesbeat.importing.bodies import (
    Reader,
    contact_body,
    customer_body,
    office_body,
    person_body,
    product_body,
    region_body,
)
from salesbeat.importing.mapping import (
    KINDS,
    Contacts,
    Customers,
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
from salesbeat.importing.mended import respelt
from salesbeat.importing.order_bodies import order_body
from salesbeat.importing.records import SINGULAR, Body, Record, Request, layers
from salesbeat.importing.refused import Refused, shown
from salesbeat.importing.tables import Row, Rows
from salesbeat.importing.values import Values, columns_of

__all__ = ["SINGULAR", "Body", "Plan", "Record", "Request", "build", "layers"]


@dataclass(slots=True)
class Plan:
    mapping: Mapping
    records: dict[str, list[Record]]
    skipped: list[tuple[str, Row]]
    """Rows that the filters leave out, by kind."""
    presumed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Kind and key, by id, of what the files refer to and another import has brought."""
    timezone: str = "Asia/Shanghai"
    """Where the offices of the presumed records lie, as far as this mapping knows."""

    def layers(self, kind: str) -> Iterator[list[Record]]:
        """The records of a kind, in layers of which each needs those before it only: managers before their people."""
        yield from layers(record for record in self.records[kind] if not record.problems)


def build(mapping: Mapping, tables: dict[str, Rows], mapping_name: str, now: datetime | None = None) -> Plan:
    """Raises Mistake where the mapping does not fit the files' columns."""
    if wrong := sorted({*_unknown_columns(mapping, tables), *_same_signs(mapping, tables)}):
        raise Mistake([f"{mapping_name}, line {line}: {sentence}" for line, sentence in wrong])
    return Planner(mapping, tables, now).plan()


class Planner:
    """Makes the plan. now: see Values."""

    def __init__(self, mapping: Mapping, tables: dict[str, Rows], now: datetime | None = None) -> None:
        self.mapping = mapping
        self.tables = tables
        self.values = Values(tables, now or clock.now())
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
        self.presumed: dict[str, tuple[str, str]] = {}

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
        zone = self.mapping.defaults.timezone or "Asia/Shanghai"
        return Plan(self.mapping, records, self.skipped, self.presumed, zone)

    def _collect(self, kind: str, section: Section) -> None:
        """Give each row its record. Nothing but the key is read yet, so that records can refer to each other."""
        table = self.tables[section.source]
        filters = self.mapping.files[section.source].where
        for row in table.rows:
            # Of cells that may stand in the wrong columns no filter is asked.
            if not row.broken:
                try:
                    if not self.values.holds(filters, row, table) or not self.values.holds(section.where, row, table):
                        self._leave_out(kind, section, row, table)
                        continue
                except Refused as refusal:
                    self._refuse(kind, "", row, str(refusal))
                    continue
            record = Record(kind, "", "", [row])
            reader = Reader(self, record, table)
            key = ""
            try:
                key = self._key(section, row, table)
            except Refused as refusal:
                reader.problem(str(refusal), "key", section.key)
            else:
                if not key:
                    why = "is empty, and every record needs a key (a `where:` filter can leave the row out)"
                    reader.problem(why, "key", section.key or section.name)  # type: ignore[attr-defined]
            record.key, record.id = key, derived_id(self.namespace, f"{kind}:{key}")
            first = self.records[kind].get(key)
            if row.before is not None and key:
                self._check_key(record, reader, section, row.before, table)
            if first is not None and section.distinct and self.sections[first.id] is section and not row.broken:
                if record.problems:
                    self.refused.append(record)
                else:
                    first.rows.append(row)
                continue
            if first is not None:
                reader.problem(
                    f"the key {shown(key)} was used by {first.place()}: "
                    "mend one, or say `distinct: true` if they are the same",
                    "key",
                    section.key,
                )
            record.problems += [*row.broken, *row.trouble]
            if key and first is None:
                self.records[kind][key] = record
                self.sections[record.id] = section
            else:
                self.refused.append(record)

    def _key(self, section: Section, row: Row, table: Rows) -> str:
        """What tells a row's record from others. Raises Refused."""
        if section.key is not None:
            return self.values.text(section.key, row, table)
        assert isinstance(section, Contacts)  # noqa: S101 the mapping's model asks all others for a key
        name = self.values.text(section.name, row, table)
        return f"{self.values.text(section.customer, row, table)} / {name}" if name else ""

    def _check_key(self, record: Record, reader: Reader, section: Section, before: Row, table: Rows) -> None:
        """Note where a mended row has become another record: its key tells it from the others, so it stays."""
        try:
            former = self._key(section, before, table)
        except Refused:
            return
        if not former or former == record.key:
            return
        other = self.records[record.kind].get(former)
        taken = other is not None and (other.row.file, other.row.number) != (before.file, before.number)
        if respelt(former, record.key) or not (section.distinct or section.key is None or taken):
            reader.problem(
                f"this is the row of the key {shown(former)}, and {shown(record.key)} would be another record: "
                "write the key as it was (in a spreadsheet, format its column as text)",
                "key",
                section.key or section.name,  # type: ignore[attr-defined]
            )

    def _leave_out(self, kind: str, section: Section, row: Row, table: Rows) -> None:
        self.skipped.append((kind, row))
        if isinstance(section, Orders) and section.lines.source is not None:
            try:
                self._left_out.add(self._key(section, row, table))
            except Refused:
                return  # it has no key of which there could be lines

    def _refuse(self, kind: str, key: str, row: Row, problem: str) -> None:
        """A row that gives no record of its own."""
        record = Record(kind, key, derived_id(self.namespace, f"{kind} row:{row.file}:{row.number}"), [row])
        record.problems.append(problem)
        self.refused.append(record)

    def _describe(self, record: Record) -> None:
        section = self.sections[record.id]
        reader = Reader(self, record, self.tables[section.source])
        describe: dict[type[Section], Callable[[Any, Reader], Body]] = {
            Regions: region_body,
            Offices: office_body,
            People: person_body,
            Products: product_body,
            Customers: customer_body,
            Contacts: contact_body,
            Orders: order_body,
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
        if kind == "orders":
            self._same_references(waiting)

    def _same_references(self, orders: list[Record]) -> None:
        """Where the mapping allows it, say of a second order of a customer with the same reference that it is meant."""
        from salesbeat.importing.rehearsal import same_reference  # which imports this module

        first: dict[str, Record] = {}
        for record in orders:
            section, body = self.sections[record.id], record.requests[0].body
            if record.problems or not isinstance(section, Orders) or not body.get("external_ref"):
                continue
            key = same_reference(body["customer"], body["external_ref"])
            if key is None:
                continue
            if key in first and section.same_reference == "allow":
                body["repeat_of"] = first[key].id
                record.needs.append(first[key])
            first.setdefault(key, record)

    def find(self, kind: str, text: str, by: str | None) -> Record | None:
        """The record of a kind with this key, or with this text in the field that `by` names. Raises Refused."""
        if not self.mapping.sections(kind):
            presumed = Record(kind, text, derived_id(self.namespace, f"{kind}:{text}"), [])
            self.presumed[presumed.id] = (kind, text)
            return presumed
        if by in (None, "key"):
            if (found := self.records[kind].get(text)) is None:
                raise Refused(f"there is no {SINGULAR[kind]} with the key {shown(text)}")
            return found
        fits = self._index(kind, by).get(_same(text), [])
        if len(fits) != 1:
            count = "no" if not fits else str(len(fits))
            raise Refused(f"there are {count} {kind} whose {by} is {shown(text)}: one is needed")
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
                    # A row whose cells may stand in the wrong columns is looked at by no filter.
                    if row.broken or (
                        self.values.holds(filters, row, table) and self.values.holds(lines.where, row, table)
                    ):
                        index.setdefault(self.values.text(lines.order, row, table), []).append(row)
                    else:
                        self.skipped.append(("orders", row))
                except Refused as refusal:
                    self._refuse("orders", "", row, f"`orders.lines`: {refusal}")
            self._lines[id(lines)] = index
        return self._lines[id(lines)]

    def _strays(self, lines: Lines) -> None:
        """Lines of orders that there are not, or that the filters leave out."""
        for key, rows in self._by_order(lines).items():
            if key in self.records["orders"]:
                continue
            for row in rows:
                if row.broken:
                    self._refuse("orders", key, row, "; ".join(row.broken))
                elif key in self._left_out:
                    self.skipped.append(("orders", row))
                else:
                    record = Record(
                        "orders", key, derived_id(self.namespace, f"order lines:{row.file}:{row.number}"), [row]
                    )
                    reader = Reader(self, record, self.tables[lines.source or ""], row, "orders.lines")
                    why = f"there is no order with the key {shown(key)}" if key else "is empty, and it may not be"
                    reader.problem(why, "order", lines.order)
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


def _same(name: str) -> str:
    """Names that differ in case, width or spaces only are the same."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()


def _same_signs(mapping: Mapping, tables: dict[str, Rows]) -> Iterator[tuple[int, str]]:
    """Values whose decimal sign is their thousands sign too."""
    for kind in KINDS:
        for section in mapping.sections(kind):
            lines = section.lines if isinstance(section, Orders) else None
            apart = list(values(lines)) if lines is not None and lines.source is not None else []
            for value in values(section):
                source = lines.source if lines is not None and any(value is one for one in apart) else section.source
                style = value.over(tables[source or section.source].format)
                if style.decimal == style.thousands:
                    yield (
                        value.line,
                        f"`{style.decimal}` is the decimal sign and the thousands sign: say with `decimal:` and "
                        "`thousands:` which is which",
                    )
