"""Cursor paging: `?limit=&cursor=&sort=` -> `{"items": [...], "next_cursor": ...}`.

A cursor is the sort values of the last row, so a page costs the same however far in it is, and rows that
come or go do not shift it. It carries a check sum against damage and mix-ups; it is no secret and opens
nothing, because the caller's scope is applied beside it.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Depends, Query

from chassis.fields import LARGEST_INTEGER
from chassis.problems import Invalid

LIMIT = 50
MOST = 200

T = TypeVar("T")
D = TypeVar("D", bound=Mapping[str, Any])
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """unreadable: how many records of this page are damaged and left out."""

    items: list[T]
    next_cursor: str | None = None
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is wanted.

    sort: a field, with `-` before it for descending; ties are broken by id, in the same direction.
    """

    limit: int = LIMIT
    cursor: str | None = None
    sort: str = "id"

    def after(self) -> tuple[Scalar, ...] | None:
        """The sort values of the last row of the page before; None for the first page. Raises Invalid."""
        return decode_cursor(self.cursor, self.sort) if self.cursor else None

    def where(self) -> dict[str, Any]:
        """A MongoDB filter: what comes after the cursor. A missing value sorts as null, before all others."""
        after = self.after()
        if after is None:
            return {}
        field, direction = self._by
        if len(after) != (1 if field == "_id" else 2):
            raise _not_a_cursor()
        beyond = "$gt" if direction > 0 else "$lt"
        if not isinstance(after[-1], str):  # ids are texts
            raise _not_a_cursor()
        if field == "_id":
            return {"_id": {beyond: after[0]}}
        value, tie = after
        same = {field: value, "_id": {beyond: tie}}
        if value is None:
            return {"$or": [{field: {"$ne": None}}, same]} if direction > 0 else same
        further: list[dict[str, Any]] = [{field: {beyond: value}}, same]
        if direction < 0:
            further.append({field: None})
        return {"$or": further}

    def order(self) -> list[tuple[str, int]]:
        """The sort for MongoDB."""
        field, direction = self._by
        return [(field, direction)] if field == "_id" else [(field, direction), ("_id", direction)]

    def page(self, documents: Sequence[D], make: Callable[[D], T]) -> Page[T]:
        """The page of up to `limit + 1` documents in `order()`; the surplus one tells that there are more."""
        shown = documents[: self.limit]
        if len(documents) <= self.limit:
            return Page([make(document) for document in shown])
        return Page([make(document) for document in shown], self._cursor_after(shown))

    def _cursor_after(self, shown: Sequence[Mapping[str, Any]]) -> str | None:
        """The cursor after the last row whose sort values are any: a damaged record has none."""
        field, _ = self._by
        for last in reversed(shown):
            values = [last.get("_id")] if field == "_id" else [_value(last, field), last.get("_id")]
            if values[-1] is not None and all(isinstance(value, Scalar) for value in values):
                return encode_cursor(values, self.sort)
        return None

    @property
    def _by(self) -> tuple[str, int]:
        field = self.sort.removeprefix("-")
        return ("_id" if field == "id" else field), (-1 if self.sort.startswith("-") else 1)


def encode_cursor(values: Sequence[Scalar], sort: str) -> str:
    """The cursor after a row with those sort values."""
    payload = orjson.dumps([sort, *values])
    return base64.urlsafe_b64encode(_sum(payload) + payload).rstrip(b"=").decode()


def decode_cursor(cursor: str, sort: str) -> tuple[Scalar, ...]:
    """The sort values in a cursor. Raises Invalid when it is damaged or belongs to another sort."""
    made_for, *values = _read(cursor)
    if made_for != sort:
        raise Invalid(
            "invalid_cursor",
            f"The cursor belongs to sort={made_for}: keep the sort, or begin again without a cursor.",
            f"该游标属于 sort={made_for}:请保持排序不变,或去掉 cursor 重新开始。",
            field="cursor",
        )
    return tuple(values)


def sorted_by(*fields: str) -> Any:
    """A dependency for lists that may be sorted by those fields, either way; the first is the default.

    A default with `-` begins descending: `Annotated[Paging, sorted_by("-registered_at", "name")]`.
    """
    choices = tuple(dict.fromkeys(way for field in fields for way in (field, _reverse(field))))

    def paging(
        limit: Annotated[int, Query(ge=1, le=MOST, description="Rows of a page.")] = LIMIT,
        cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=2000)] = None,
        sort: Annotated[
            str | None,
            Query(description=f"Default: {fields[0]}.", max_length=100, json_schema_extra={"enum": list(choices)}),
        ] = None,
    ) -> Paging:
        if sort is None and cursor is not None and (made_for := _read(cursor)[0]) in choices:
            sort = made_for  # a client need not repeat it with every page
        if sort is not None and sort not in choices:
            known = ", ".join(choices)
            raise Invalid(None, f"This list is sorted by one of: {known}.", f"可用的排序:{known}。", field="sort")
        chosen = Paging(limit, cursor, sort or fields[0])
        chosen.after()  # a bad cursor is refused at the door
        return chosen

    return Depends(paging)


def _read(cursor: str) -> list[Any]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if _sum(raw[6:]) != raw[:6]:
            raise ValueError
        said = orjson.loads(raw[6:])
    except (ValueError, binascii.Error):
        raise _not_a_cursor() from None
    if not isinstance(said, list) or len(said) < 2 or not all(map(_storable, said)) or not isinstance(said[0], str):
        raise _not_a_cursor()
    return said


def _storable(value: Any) -> bool:
    """Whether the database can compare with it: check sums can be made by everybody, so anything may stand there."""
    if isinstance(value, int):
        return -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER
    return isinstance(value, Scalar)


def _sum(payload: bytes) -> bytes:
    return hashlib.blake2s(payload, digest_size=6, person=b"cursor").digest()


def _not_a_cursor() -> Invalid:
    return Invalid(
        "invalid_cursor",
        "This is no cursor of ours: take `next_cursor` of the page before, or begin again without one.",
        "游标无效:请使用上一页的 next_cursor,或去掉 cursor 重新开始。",
        field="cursor",
    )


def _reverse(sort: str) -> str:
    return sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"


def _value(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


PagingDep = Annotated[Paging, sorted_by("id")]
