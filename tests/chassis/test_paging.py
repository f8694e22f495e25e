"""Pages: every row once, in order, also where values are missing or alike."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.mongo import Database
from chassis.paging import Paging, decode_cursor, encode_cursor, sorted_by
from chassis.problems import Invalid

VALUES = [None, "b", "a", None, "b", "c", None, "a", "b"]
"""Missing ones and ties, on every border of a page of one, two, three or four."""


@pytest.fixture
async def rows(both_drivers: Database) -> Any:
    documents: list[dict[str, Any]] = []
    for n, value in enumerate(VALUES):
        documents.append({"_id": f"r{n}", "name": value, "at": {"day": n % 3}})
        if value is None and n:
            del documents[-1]["name"]  # absent is as null
    await both_drivers["rows"].insert_many(documents)
    return both_drivers["rows"]


async def walk(rows: Any, sort: str, limit: int) -> list[str]:
    seen: list[str] = []
    cursor: str | None = None
    for _ in itertools.count():
        paging = Paging(limit, cursor, sort)
        documents = await rows.find(paging.where()).sort(paging.order()).limit(limit + 1).to_list(None)
        page = paging.page(documents, lambda document: document["_id"])
        assert len(page.items) <= limit
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            return seen
        assert page.items, "an empty page must be the last one"
    raise AssertionError


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-name", "at.day", "-at.day"])
async def test_small_pages_are_the_whole_list(rows: Any, sort: str) -> None:
    paging = Paging(100, None, sort)
    whole = [document["_id"] async for document in rows.find().sort(paging.order())]
    assert len(whole) == len(VALUES)
    for limit in (1, 2, 3, 4, len(VALUES), 100):
        assert await walk(rows, sort, limit) == whole


async def test_missing_values_come_first_and_last_when_descending(rows: Any) -> None:
    missing = {f"r{n}" for n, value in enumerate(VALUES) if value is None}
    assert set((await walk(rows, "name", 2))[:3]) == missing
    assert set((await walk(rows, "-name", 2))[-3:]) == missing


async def test_rows_that_come_and_go_shift_nothing(rows: Any) -> None:
    first = Paging(3, None, "id")
    page = first.page(await rows.find().sort(first.order()).limit(4).to_list(None), lambda d: d["_id"])
    assert page.items == ["r0", "r1", "r2"]
    await rows.delete_one({"_id": "r2"})
    await rows.insert_one({"_id": "r00"})
    second = Paging(3, page.next_cursor, "id")
    found = await rows.find(second.where()).sort(second.order()).limit(4).to_list(None)
    assert second.page(found, lambda d: d["_id"]).items == ["r3", "r4", "r5"]


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)


@given(st.lists(SCALARS, min_size=1, max_size=3), st.sampled_from(["id", "-name"]))
def test_a_cursor_says_what_was_put_in(values: list[Any], sort: str) -> None:
    assert decode_cursor(encode_cursor(values, sort), sort) == tuple(values)


@given(st.text(max_size=60))
def test_no_text_makes_the_door_raise_anything_but_its_reason(text: str) -> None:
    with pytest.raises(Invalid, match="invalid_cursor"):
        decode_cursor(text, "id")


def test_a_damaged_cursor_is_refused_wherever_it_is_damaged() -> None:
    cursor = encode_cursor(["r1"], "id")
    for n in range(len(cursor)):
        other = "A" if cursor[n] != "A" else "B"
        damaged = cursor[:n] + other + cursor[n + 1 :]
        if _bytes(damaged) == _bytes(cursor):
            continue  # the last character has bits that nobody reads
        with pytest.raises(Invalid, match="invalid_cursor"):
            decode_cursor(damaged, "id")
    with pytest.raises(Invalid):
        decode_cursor(cursor[:-2], "id")


def _bytes(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def test_a_cursor_of_another_sort_or_shape_is_refused() -> None:
    with pytest.raises(Invalid, match="sort=name"):
        decode_cursor(encode_cursor(["a", "r1"], "name"), "id")
    with pytest.raises(Invalid, match="invalid_cursor"):
        Paging(5, encode_cursor(["a", "r1"], "id"), "id").where()
    with pytest.raises(Invalid, match="invalid_cursor"):
        Paging(5, encode_cursor(["a"], "name"), "name").where()


def test_an_object_in_a_cursor_is_no_value() -> None:
    """A filter must not be smuggled in, not even with a right check sum."""
    payload = orjson.dumps(["id", {"$gt": ""}])
    from chassis import paging

    forged = base64.urlsafe_b64encode(paging._sum(payload) + payload).rstrip(b"=").decode()
    with pytest.raises(Invalid, match="invalid_cursor"):
        decode_cursor(forged, "id")


@pytest.mark.parametrize(
    ("said", "sort"),
    [
        (b'["id",9223372036854775808]', "id"),
        (b'["id",18446744073709551615]', "id"),
        (b'["id",7]', "id"),
        (b'["id",null]', "id"),
        (b'["id",true]', "id"),
        (b'["name",9223372036854775808,"r1"]', "name"),
        (b'["name","a",9223372036854775807]', "name"),
        (b'["name","a",1.5]', "name"),
        (b'["name","a",["r1"]]', "name"),
        (b'["name",{"$gt":""},"r1"]', "name"),
        (b'[7,"a","r1"]', "name"),
        (b'[null,"a","r1"]', "name"),
        (b'["name"]', "name"),
        (b'{"name":"a"}', "name"),
        (b'"name"', "name"),
        (b'["name","\\ud800","r1"]', "name"),
        (b"[" * 1000 + b"]" * 1000, "name"),
        (b"", "name"),
    ],
)
def test_a_forged_cursor_of_values_that_no_row_has_is_refused(said: bytes, sort: str) -> None:
    from chassis import paging

    forged = base64.urlsafe_b64encode(paging._sum(said) + said).rstrip(b"=").decode()
    with pytest.raises(Invalid, match="invalid_cursor"):
        door("id", "name", cursor=forged, sort=sort).where()


def door(*fields: str, **asked: Any) -> Paging:
    return sorted_by(*fields).dependency(**{"limit": 50, "cursor": None, "sort": None, **asked})


def test_a_list_has_a_default_sort_and_may_be_turned_round() -> None:
    assert door("-registered_at", "name").sort == "-registered_at"
    assert door("-registered_at", "name", sort="registered_at").sort == "registered_at"
    assert door("-registered_at", "name", sort="-name").sort == "-name"
    with pytest.raises(Invalid, match="-registered_at, registered_at, name, -name"):
        door("-registered_at", "name", sort="phone")


def test_a_cursor_brings_its_sort_along() -> None:
    cursor = encode_cursor(["a", "r1"], "-name")
    assert door("id", "name", cursor=cursor).sort == "-name"
    with pytest.raises(Invalid, match="invalid_cursor"):
        door("id", "name", cursor=cursor, sort="name")
    with pytest.raises(Invalid, match="invalid_cursor"):
        door("id", cursor=cursor)
    with pytest.raises(Invalid, match="invalid_cursor"):
        door("id", cursor="nonsense")
