"""The mapping language: what a mapping file may say, as models. docs/import.md is its reference.

Reading one finds every mistake that can be found without the CSV files, and names its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from salesbeat.importing.dates import WrongPattern, pattern_of
from salesbeat.importing.marked import Block, Mistake, Sequence, Text, load

KINDS = ("regions", "offices", "people", "products", "customers", "contacts", "orders")
"""In the order in which they are written: each may refer to those before it."""


class Placed(BaseModel):
    """Knows the line of the mapping that it stands on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: int = Field(default=0, alias="(line)")

    @model_validator(mode="before")
    @classmethod
    def _place(cls, given: Any) -> Any:
        return {**given, "(line)": given.line} if isinstance(given, Block) else given


def _one_or_many(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


Texts = Annotated[list[str], BeforeValidator(_one_or_many)]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"`{text}` is no regular expression: {error}") from None
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"`{text}` is no IANA time zone: write one such as Europe/Berlin or Asia/Shanghai") from None
    return text


def _dates(pattern: str) -> str:
    try:
        pattern_of(pattern)
    except WrongPattern as wrong:
        raise ValueError(str(wrong)) from None
    return pattern


def _number(text: str) -> str:
    try:
        finite = Decimal(text).is_finite()
    except InvalidOperation:
        finite = False
    if not finite:
        raise ValueError(f"`{text}` is no number: write one such as 1.5, whatever the files write")
    return text


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"`{text}` is no date: write one such as 2026-03-31, whatever the files write") from None
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
Number = Annotated[str, AfterValidator(_number)]
Day = Annotated[str, AfterValidator(_day)]
Weekday = Annotated[int, Field(ge=1, le=7)]
Zone = Annotated[str, AfterValidator(_zone)]
DateFormat = Annotated[str, AfterValidator(_dates)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Code = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Format(Placed):
    """How texts are to be read. A file's own words override the mapping's `defaults`, a value's override both."""

    empty: Texts | None = None
    dates: Annotated[list[DateFormat], BeforeValidator(_one_or_many)] | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", "'", " ", ""] | None = None
    currency: Code | None = None
    timezone: Zone | None = None
    time: TimeOfDay | None = None
    two_digit_years_until: Annotated[int, Field(ge=1950, le=2199)] | None = None
    """The latest year that a year of two digits may mean; the present one without it."""

    def over(self, other: Format) -> Format:
        """This format; what it leaves out is as the other says."""
        return Format.model_construct(
            **{name: getattr(other, name) if getattr(self, name) is None else getattr(self, name) for name in _FORMAT}
        )


_FORMAT = tuple(name for name in Format.model_fields if name != "line")

CURRENCY = "CNY"
"""Of amounts for which neither the mapping nor the cell names one."""

STANDARD = Format.model_validate(
    {
        "empty": ["", "NULL", "null", "\\N", "N/A", "n/a", "#N/A", "NaN", "nan"],
        "dates": ["YYYY-MM-DD", "YYYY-MM-DD HH:mm", "YYYY-MM-DD HH:mm:ss"],
        "decimal": ".",
        "thousands": "",
        "timezone": "Asia/Shanghai",
        "time": "12:00",
    }
)


class Defaults(Format):
    """`defaults:` what holds for all files."""

    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None


def _condition(given: Any) -> Any:
    if isinstance(given, Text):
        return {"equals": given, "(line)": given.line}
    if isinstance(given, Sequence):
        return {"in": given, "(line)": given.line}
    return given


class _Condition(Placed):
    equals: str | None = None
    in_: Texts | None = Field(default=None, alias="in")
    not_: Texts | None = Field(default=None, alias="not")
    empty: bool | None = None
    matches: Pattern | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    above: Number | None = None
    below: Number | None = None
    on_or_after: Day | None = None
    before: Day | None = None


Condition = Annotated[_Condition, BeforeValidator(_condition)]
Filter = Annotated[list[dict[str, Condition]], BeforeValidator(_one_or_many)]
"""Conditions by column, all of which must hold; of a list of such, any one."""


def _shorthand(given: Any) -> Any:
    if isinstance(given, Text):
        return {"template" if "{" in given else "column": given, "(line)": given.line}
    if isinstance(given, Sequence):
        return {"column": given, "(line)": given.line}
    return given


class _Value(Format):
    """Where a value comes from and how it is read. A plain text is a column's name, one with braces a template."""

    column: Texts | None = None
    template: str | None = None
    constant: str | None = None
    lookup: Lookup | None = None
    choose: list[Choice] | None = None

    extract: Pattern | None = None
    split: str | None = None
    case: Literal["upper", "lower", "title"] | None = None
    translate: dict[str, str] | None = None
    otherwise: Literal["keep", "refuse", "empty"] = "keep"
    default: str | None = None
    plus_days: int = 0
    times: Number | None = None
    by: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> _Value:
        origins = [name for name in _ORIGINS if getattr(self, name) is not None]
        if not origins and self.default is None:
            raise ValueError("a value needs one of `column`, `template`, `constant`, `lookup`, `choose`")
        if len(origins) > 1:
            raise ValueError(f"a value comes from one place, here are `{'` and `'.join(origins)}`: leave one out")
        return self


_ORIGINS = ("column", "template", "constant", "lookup", "choose")

Value = Annotated[_Value, BeforeValidator(_shorthand)]


class Lookup(Placed):
    """A value of another file's row: the one whose columns equal this row's."""

    source: str = Field(alias="from")
    on: dict[str, str]
    """This row's column: the other file's column."""
    where: Filter = []
    sort: Value | None = None
    """Of several rows the one with the smallest date or number here; without it, several are a mistake in the data."""
    sort_as: Literal["date", "number", "text"] = "date"
    descending: bool = False
    take: Value


class Choice(Placed):
    """The value to use for rows that fit `when`; the last may do without."""

    when: Filter = []
    use: Value


class Join(Placed):
    """Makes another file's columns readable as `<as>.<column>`."""

    to: str
    as_: str | None = Field(default=None, alias="as")
    on: dict[str, str]
    missing: Literal["empty", "refuse"] = "empty"
    several: Literal["refuse", "first"] = "refuse"


class Table(Defaults):
    """One CSV file, or several of the same shape, or rows written in the mapping itself."""

    file: Texts | None = None
    """Names or patterns, such as orders-*.csv."""
    rows: list[dict[str, str]] | None = None
    header: list[str] | None = None
    """The columns' names where the file has no header line."""
    skip_lines: int = Field(default=0, ge=0)
    where: Filter = []
    translate: dict[str, dict[str, str]] = {}
    """By column: spellings to replace before anything else looks at the row."""
    joins: Annotated[list[Join], BeforeValidator(_one_or_many)] = []

    @model_validator(mode="after")
    def _one_origin(self) -> Table:
        if (self.file is None) == (self.rows is None):
            raise ValueError("a file needs either `file` (a name in the folder) or `rows` (written here)")
        return self


class Section(Placed):
    """Records of one kind, from the rows of one file."""

    source: str = Field(alias="from")
    where: Filter = []
    distinct: bool = False
    """Rows with the same key are one record, read from the first of them."""
    key: Value


class Regions(Section):
    code: Value | None = None
    name: Value


class Offices(Section):
    code: Value | None = None
    name: Value
    region: Value
    timezone: Value | None = None
    workdays: list[Weekday] | None = None
    holidays: Value | None = None
    extra_workdays: Value | None = None
    opened_on: Value | None = None


class People(Section):
    name: Value
    number: Value | None = None
    email: Value | None = None
    phone: Value | None = None
    role: Value
    office: Value | None = None
    region: Value | None = None
    manager: Value | None = None
    offices_served: Value | None = None
    joined_on: Value
    left_on: Value | None = None


class Products(Section):
    code: Value | None = None
    name: Value
    family: Value | None = None
    unit: Value | None = None
    price: Value | None = None
    cost: Value | None = None
    currency: Value | None = None
    active: Value | None = None


class Address(Placed):
    text: Value
    city: Value | None = None
    country: Value | None = None
    latitude: Value | None = None
    longitude: Value | None = None


Likeness = Literal["name", "phone", "tax_id"]


class Customers(Section):
    name: Value
    kind: Value | None = None
    owner: Value
    phone: Value | None = None
    tax_id: Value | None = None
    address: Address | None = None
    source_: Value | None = Field(default=None, alias="source")
    channel: Value | None = None
    attributes: dict[str, Value] = {}
    prospect_since: Value | None = None
    registered: Value | None = None
    same_name: Literal["refuse", "allow"] = "refuse"
    allow_alike: Annotated[list[Likeness], BeforeValidator(_one_or_many)] = []
    """By what two rows may be alike and are two customers all the same."""


class Contacts(Section):
    key: Value | None = None  # type: ignore[assignment]  # by default the customer and the name
    customer: Value
    name: Value
    title: Value | None = None
    phone: Value | None = None
    email: Value | None = None
    decision_role: Value | None = None


class Lines(Placed):
    source: str | None = Field(default=None, alias="from")
    where: Filter = []
    order: Value | None = None
    """With `from`: the key of the order that a line belongs to."""
    product: Value
    quantity: Value | None = None
    unit_price: Value | None = None
    amount: Value | None = None
    """Of the whole line, after its discount; instead of `unit_price`."""
    discount: Value | None = None
    discount_percent: Value | None = None

    @model_validator(mode="after")
    def _fits(self) -> Lines:
        if (self.source is None) != (self.order is None):
            raise ValueError("lines in a file of their own need both `from` (the file) and `order` (the order's key)")
        if self.amount is not None and (self.unit_price or self.discount or self.discount_percent):
            raise ValueError("`amount` is the whole line's: leave out `unit_price`, `discount` and `discount_percent`")
        if self.discount is not None and self.discount_percent is not None:
            raise ValueError("give either `discount` or `discount_percent`")
        return self


class OrderStep(Placed):
    """A step is taken by the orders whose `on` is not empty and that fit `when`."""

    when: Filter = []
    on: Value
    by: Value | None = None


class Verified(OrderStep):
    note: Value | None = None


class Confirmed(OrderStep):
    promised_date: Value
    payment_method: Value
    told_at: Value | None = None


class Allocated(OrderStep):
    assignee: Value | None = None
    due: Value | None = None


class Delivered(OrderStep):
    receiver: Value


class HandedOver(OrderStep):
    documents: Value
    receiver: Value


class Cancelled(OrderStep):
    reason: Value


class Steps(Placed):
    """How far along its life an imported order is, and since when."""

    verified: Verified | None = None
    confirmed: Confirmed | None = None
    allocated: Allocated | None = None
    delivered: Delivered | None = None
    handover: HandedOver | None = None
    closed: OrderStep | None = None
    cancelled: Cancelled | None = None


class Orders(Section):
    customer: Value
    owner: Value | None = None
    received: Value
    currency: Value | None = None
    channel: Value | None = None
    external_ref: Value | None = None
    same_reference: Literal["refuse", "allow"] = "refuse"
    """Two orders of one customer with the same `external_ref`."""
    requested_date: Value | None = None
    note: Value | None = None
    lines: Lines
    steps: Steps = Steps()


def _sections(section: type[Section]) -> Any:
    return Annotated[list[section], BeforeValidator(_one_or_many)]


class Mapping(Placed):
    mapping: Literal["1"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    namespace: str | None = None
    """What the records' ids derive from; by default the name. Two mappings of the same company share one."""
    description: str | None = None
    defaults: Defaults = Defaults()
    files: dict[str, Table]
    regions: _sections(Regions) = []  # type: ignore[valid-type]
    offices: _sections(Offices) = []  # type: ignore[valid-type]
    people: _sections(People) = []  # type: ignore[valid-type]
    products: _sections(Products) = []  # type: ignore[valid-type]
    customers: _sections(Customers) = []  # type: ignore[valid-type]
    contacts: _sections(Contacts) = []  # type: ignore[valid-type]
    orders: _sections(Orders) = []  # type: ignore[valid-type]

    def sections(self, kind: str) -> list[Section]:
        return getattr(self, kind)


def read(path: Path) -> Mapping:
    """Read a mapping file. Raises Mistake with one sentence for each thing that is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Mistake([f"The mapping {path} cannot be read: {error.strerror}."]) from None
    except UnicodeDecodeError:
        raise Mistake([f"The mapping {path} is not UTF-8: save it as UTF-8."]) from None
    return parse(text, path.name)


def parse(text: str, name: str) -> Mapping:
    """A mapping from its text; `name` is what sentences call it."""
    tree = load(text, name)
    try:
        mapping = Mapping.model_validate(tree)
    except ValidationError as error:
        found = sorted(_sentence(name, tree, one) for one in error.errors())
        raise Mistake([sentence for _, sentence in found]) from None
    if wrong := [*_dangling(mapping), *_unknown_by(mapping)]:
        raise Mistake([f"{name}, line {line}: {sentence}" for line, sentence in wrong])
    return mapping


def _dangling(mapping: Mapping) -> Iterator[tuple[int, str]]:
    """References to files that the mapping does not name."""
    known = set(mapping.files)

    def unknown(source: str, line: int) -> Iterator[tuple[int, str]]:
        if source not in known:
            yield line, f"`{source}` is none of the `files:` of this mapping{_meant(source, known)}"

    for table in mapping.files.values():
        for join in table.joins:
            yield from unknown(join.to, join.line)
    for kind in KINDS:
        for section in mapping.sections(kind):
            yield from unknown(section.source, section.line)
            if isinstance(section, Orders) and section.lines.source is not None:
                yield from unknown(section.lines.source, section.lines.line)
            for value in values(section):
                if value.lookup is not None:
                    yield from unknown(value.lookup.source, value.lookup.line)


_REFERENCES: dict[str, type[Section]] = {
    "region": Regions,
    "office": Offices,
    "offices_served": Offices,
    "manager": People,
    "owner": People,
    "by": People,
    "assignee": People,
    "product": Products,
    "customer": Customers,
}
"""Fields that name another record, and the section that this record is of."""


def _unknown_by(mapping: Mapping) -> Iterator[tuple[int, str]]:
    """References by something that the records of that kind do not have."""

    def check(model: BaseModel) -> Iterator[tuple[int, str]]:
        for name in type(model).model_fields:
            found = getattr(model, name)
            if isinstance(found, _Value) and found.by is not None:
                target = _REFERENCES.get(name)
                if target is None:
                    yield found.line, f"`{name}` refers to no other record: leave out `by`."
                elif found.by not in (known := _named_by(target)):
                    yield found.line, f"`{found.by}` is nothing to find by{_meant(found.by, known)}"
            elif isinstance(found, BaseModel) and not isinstance(found, _Value):
                yield from check(found)

    for kind in KINDS:
        for section in mapping.sections(kind):
            yield from check(section)


def _named_by(section: type[Section]) -> list[str]:
    known = ("key", "code", "name", "number", "email", "phone", "tax_id")
    return [name for name in known if name in section.model_fields]


def values(model: BaseModel) -> Iterator[_Value]:
    """Every value within a part of the mapping, outermost first; those of a lookup's own file are left out."""
    for name in type(model).model_fields:
        found = getattr(model, name)
        items = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
        for item in items:
            if isinstance(item, _Value):
                yield item
            if isinstance(item, BaseModel) and not isinstance(item, Lookup):
                yield from values(item)


def _meant(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    if close:
        return f": did you mean `{close[0]}`?"
    return f". There are: {', '.join(sorted(known))}." if known else "."


def _sentence(name: str, tree: Block, found: Any) -> tuple[int, str]:
    """What pydantic found, as a line and a sentence."""
    line, names, keys = _place(tree, found["loc"])
    kind, message = found["type"], found["msg"].removeprefix("Value error, ")
    path = f"`{'.'.join(names)}`" if names else "the mapping"
    if kind == "extra_forbidden":
        owner = f"`{'.'.join(names[:-1])}`" if names[1:] else "the mapping"
        sentence = f"`{names[-1]}` is not a key of {owner}{_meant(names[-1], keys)}"
    elif kind == "missing":
        sentence = f"{path} lacks `{found['loc'][-1]}`: add it (docs/import.md says what it means)."
    elif kind == "value_error":
        sentence = f"{message}."
    elif kind in {"model_type", "model_attributes_type", "dict_type"}:
        sentence = f"{path} must be a mapping (`key: value` lines below it), not a plain text or a list."
    elif kind == "literal_error":
        sentence = f"`{found['input']}` does not fit {path}: it must be {found['ctx']['expected']}."
    elif kind == "string_pattern_mismatch":
        sentence = f"`{found['input']}` does not fit {path}: it must look like {found['ctx']['pattern']}."
    else:
        sentence = f"{path}: {message}."
    return line, f"{name}, line {line}: {sentence}"


def _place(tree: Block, loc: tuple[int | str, ...]) -> tuple[int, list[str], list[str]]:
    """The line of a location, its path, and the keys that would be right beside its last one."""
    node: Any = tree
    line = tree.line
    names: list[str] = []
    beside: Any = None
    model: Any = Mapping
    for step in loc:
        if isinstance(step, int):
            if isinstance(node, Sequence):  # else it is the one item that a plain value stands for
                node = node[step]
                line = getattr(node, "line", line)
        elif isinstance(node, Block) and step in node:
            line = node.lines[step]
            node = node[step]
            names.append(step)
            beside, model = model, _below(model, step)
    return line, names, _keys(beside)


def _keys(model: Any) -> list[str]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or name for name, field in model.model_fields.items() if name != "line"]


def _below(annotation: Any, step: str) -> Any:
    """The model, or dict of models, that stands under a key."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return next((_inner(field.annotation) for name, field in fields if (field.alias or name) == step), None)
    return _inner(annotation.__args__[1]) if getattr(annotation, "__origin__", None) is dict else None


def _inner(annotation: Any) -> Any:
    """An annotation without its list, its None and its validators."""
    if (isinstance(annotation, type) and issubclass(annotation, BaseModel)) or annotation is dict:
        return annotation
    if getattr(annotation, "__origin__", None) is dict:
        return annotation
    inners = (_inner(inner) for inner in getattr(annotation, "__args__", ()))
    return next((inner for inner in inners if inner is not None), None)
