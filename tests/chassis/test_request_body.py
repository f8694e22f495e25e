"""The JSON of a request: nothing of it is lost in silence, and what is too large is refused early and cheaply."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Query, Request
from fastapi.responses import Response
from hypothesis import given
from hypothesis import strategies as st

from chassis.entries import Id, LongText, NewEntry, Text
from chassis.fields import BodyPart, Day, Instant
from chassis.http import json_body
from chassis.http.route import BODY_LIMIT, UNSIGNED_LIMIT, takes
from chassis.identity import Caller, CallerDep
from chassis.paging import PagingDep
from chassis.problems import Invalid, Unauthenticated
from chassis.service import CommandDep, Settings, http_app, routes


class Line(BodyPart):
    name: Text
    weight: float = 0


class Note(NewEntry):
    title: Text = "x"
    text: LongText | None = None
    about: Id | None = None
    lines: list[Line] = []
    day: Day | None = None
    at: Instant | None = None


router = routes("notes")


@router.post("/notes")
async def post(body: Note, command: CommandDep) -> dict[str, Any]:
    return {"fingerprint": command.fingerprint, "title": body.title, "text": body.text}


@router.post("/notes/large")
@takes(most_bytes=2 * BODY_LIMIT, most_values=200_000)
async def large(body: Note, command: CommandDep) -> dict[str, Any]:
    return {"fingerprint": command.fingerprint}


@router.post("/notes/{note_id}/closure")
async def close(note_id: str, command: CommandDep) -> dict[str, Any]:
    return {"fingerprint": command.fingerprint}


@router.post("/open")
async def unsigned(body: Note) -> Response:
    return Response(body.title)


@router.get("/notes")
async def notes(
    caller: CallerDep,
    paging: PagingDep,
    office: Annotated[str | None, Query()] = None,
    kinds: Annotated[list[str] | None, Query(alias="kind")] = None,
    first: Annotated[Day | None, Query(alias="from")] = None,
) -> dict[str, Any]:
    return {"office": office, "kinds": kinds, "first": first}


@router.get("/notes/{note_id}/notes/{part}")
async def part_of(request: Request, note_id: str, part: str) -> dict[str, str]:
    return {"note": note_id, "part": part}


class Trusting:
    async def verify(self, token: str) -> Caller:
        if token == "forged":
            raise Unauthenticated("token_signature", "The token's signature does not hold.")
        return Caller(id=token, name=token, role="salesperson")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = http_app("notes", Settings(), routers=[router], verifier=Trusting())  # type: ignore[arg-type]
    headers = {"Authorization": "Bearer ann"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://n", headers=headers) as client:
        yield client


async def send(http: httpx.AsyncClient, raw: str | bytes, path: str = "notes", **headers: str) -> httpx.Response:
    return await http.post(f"/api/v1/{path}", content=raw, headers={"Content-Type": "application/json", **headers})


def code(answered: httpx.Response) -> tuple[int, str]:
    return answered.status_code, answered.json()["code"]


# --- what JSON may not be -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"title": "a", "title": "b"}', "title"),
        (b'{"lines": [{"name": "a", "name": "a"}]}', "name"),
        (b'{"weight": NaN}', "JSON"),
        (b'{"lines": [{"name": "a", "weight": 1e999}]}', "finite"),
        (b'{"lines": [{"name": "a", "weight": -1e999}]}', "finite"),
        (b'{"lines": [{"name": "a", "weight": Infinity}]}', "JSON"),
        (b'{"title": "\\ud800"}', "UTF-8"),
        (b'{"title": "\\udc00x"}', "UTF-8"),
        (b'{"\\ud800": "x"}', "UTF-8"),
        (b'{"title": "\xff\xfe"}', "UTF-8"),
        (b'{"title": "\xed\xa0\x80"}', "UTF-8"),
        (b'\xef\xbb\xbf{"title": "x"}', "byte order mark"),
        ('{"title": "x"}'.encode("utf-16"), "UTF-8"),
        (b'{"title": "x"', "JSON"),
        (b'{"title": "x"} {}', "JSON"),
        (b"[" * 100 + b"]" * 100, "levels"),
        (b'{"lines":' * 40 + b"1" + b"}" * 40, "levels"),
        (b"[" * 20_000 + b"]" * 20_000, "levels"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "levels"),
    ],
)
async def test_json_that_no_record_could_keep_is_refused_with_its_reason(
    http: httpx.AsyncClient, raw: bytes, says: str
) -> None:
    for path in ("notes", "notes/large"):
        answered = await send(http, raw, path)
        assert code(answered) == (422, "invalid_json"), answered.text
        assert says in answered.json()["detail"]
        assert answered.json()["errors"][0]["field"] == "body"


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "9" * 40, "-" + "9" * 300])
async def test_an_integer_that_the_database_cannot_keep_is_refused_where_it_stands(
    http: httpx.AsyncClient, number: str
) -> None:
    for raw, field in (
        (f'{{"title": {number}}}', "title"),
        (f'{{"lines": [{{"name": "a"}}, {{"weight": {number}, "name": "b"}}]}}', "lines.1.weight"),
        (number, "body"),
    ):
        answered = await send(http, raw)
        assert code(answered) == (422, "invalid_input")
        assert answered.json()["errors"][0]["field"] == field
    assert code(await send(http, f'{{"title": {"9" * 5000}}}')) == (422, "invalid_json")


@pytest.mark.parametrize("raw", [b"null", b"[]", b"1", b'"x"', b"true", b"[[]]"])
async def test_a_body_that_is_no_object_is_refused(http: httpx.AsyncClient, raw: bytes) -> None:
    assert code(await send(http, raw)) == (422, "invalid_input")


async def test_an_empty_body_where_fields_are_needed_is_refused(http: httpx.AsyncClient) -> None:
    assert code(await send(http, b"")) == (422, "invalid_input")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""])
async def test_another_content_type_than_json_is_refused_with_415(http: httpx.AsyncClient, kind: str) -> None:
    assert code(await send(http, b'{"title": "x"}', **{"Content-Type": kind})) == (415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/problem+json"])
async def test_json_by_any_of_its_names_is_taken(http: httpx.AsyncClient, kind: str) -> None:
    assert (await send(http, b'{"title": "x"}', **{"Content-Type": kind})).status_code == 200


async def test_fields_for_an_address_that_takes_none_are_refused(http: httpx.AsyncClient) -> None:
    assert (await send(http, b"", "notes/1/closure")).status_code == 200
    assert (await send(http, b"{}", "notes/1/closure")).status_code == 200
    assert code(await send(http, b'{"reason": "done"}', "notes/1/closure")) == (422, "body_not_taken")


# --- limits ---------------------------------------------------------------------------------------


async def test_a_body_over_the_limit_is_refused_with_both_numbers(http: httpx.AsyncClient) -> None:
    raw = json.dumps({"title": "x", "text": "y" * BODY_LIMIT}).encode()
    answered = await send(http, raw)
    assert code(answered) == (413, "body_too_large")
    assert (answered.json()["size"], answered.json()["limit"]) == (len(raw), BODY_LIMIT)
    assert f"{len(raw):,}" in answered.json()["detail"]
    assert f"{BODY_LIMIT:,}" in answered.json()["detail"]
    assert code(await send(http, raw, "notes/large")) == (422, "invalid_input")  # the text is too long, not the body


async def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large(http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 50 * BODY_LIMIT:
            sent += 65_536
            yield b" " * 65_536

    answered = await http.post("/api/v1/notes", content=endless(), headers={"Content-Type": "application/json"})
    assert code(answered) == (413, "body_too_large")
    assert answered.json()["limit"] == BODY_LIMIT


async def test_a_body_without_a_token_may_be_small_only(http: httpx.AsyncClient) -> None:
    raw = json.dumps({"title": "x", "text": "y" * UNSIGNED_LIMIT}).encode()
    del http.headers["Authorization"]
    answered = await send(http, raw, "open")
    assert code(answered) == (413, "body_too_large")
    assert answered.json()["limit"] == UNSIGNED_LIMIT
    assert (await send(http, b'{"title": "x"}', "open")).status_code == 200


async def test_many_unknown_fields_are_counted_and_only_the_first_are_named(http: httpx.AsyncClient) -> None:
    answered = await send(http, json.dumps({f"f{n}": 1 for n in range(5000)}))
    problem = answered.json()
    assert code(answered) == (422, "invalid_input")
    assert (len(problem["errors"]), problem["more"]) == (20, 4980)
    assert "4,980" in problem["detail"]
    chinese = (await send(http, json.dumps({f"f{n}": 1 for n in range(21)}), **{"Accept-Language": "zh"})).json()
    assert chinese["more"] == 1
    assert "另有 1 处" in chinese["detail"]
    assert "more" not in (await send(http, json.dumps({f"f{n}": 1 for n in range(20)}))).json()


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({f"f{n}": 1 for n in range(60_000)}),
        json.dumps({"lines": [1] * 300_000}),
        json.dumps({"lines": [{"x": 1}] * 40_000}),
        json.dumps({"lines": [[]] * 100_000}),
    ],
)
async def test_a_body_of_very_many_values_is_refused_at_once(http: httpx.AsyncClient, raw: str) -> None:
    assert len(raw) < BODY_LIMIT
    began = time.process_time()
    answered = await send(http, raw)
    took = time.process_time() - began
    assert code(answered) == (422, "too_many_values")
    assert answered.json()["limit"] == json_body.MOST_VALUES
    assert took < 0.5  # 0.05 s on a quiet machine


async def test_the_names_of_fields_are_answered_shortened(http: httpx.AsyncClient) -> None:
    answered = await send(http, json.dumps({"f" * 100_000: 1}))
    assert len(answered.content) < 2000


async def test_whoever_brings_no_valid_token_is_told_that_first(http: httpx.AsyncClient) -> None:
    for token, says in (("", "token_missing"), ("Bearer forged", "token_signature")):
        headers = {"Authorization": token}
        assert code(await send(http, b"[" * 100, **headers)) == (401, says)
        assert code(await http.get("/api/v1/notes", params={"ofice": 1}, headers=headers)) == (401, says)


# --- the fingerprint ------------------------------------------------------------------------------


async def fingerprint(http: httpx.AsyncClient, raw: str, path: str = "notes") -> str:
    answered = await send(http, raw, path)
    assert answered.status_code == 200, answered.text
    return answered.json()["fingerprint"]


async def test_the_same_json_is_the_same_request_however_it_is_written(http: httpx.AsyncClient) -> None:
    first = await fingerprint(http, '{"title":"é","lines":[{"name":"a","weight":1}]}')
    for again in (
        '{ "title" : "é" ,\n"lines" : [ {"name":"a","weight":1} ] }',
        '{"lines":[{"weight":1,"name":"a"}],"title":"é"}',
        '{"title":"\\u00e9","lines":[{"name":"\\u0061","weight":1.0}]}',
        '{"title":"é","lines":[{"name":"a","weight":10e-1}]}',
    ):
        assert await fingerprint(http, again) == first, again


async def test_other_json_is_another_request(http: httpx.AsyncClient) -> None:
    said = [
        '{"lines":[{"name":"a"},{"name":"b"}]}',
        '{"lines":[{"name":"b"},{"name":"a"}]}',
        '{"lines":[{"name":"a"},{"name":"b","weight":0}]}',
        '{"lines":[{"name":"a"},{"name":"b","weight":0.5}]}',
        '{"lines":[{"name":"a"},{"name":"b"}],"text":null}',
        '{"lines":[{"name":"a"},{"name":"B"}]}',
    ]
    assert len({await fingerprint(http, each) for each in said}) == len(said)


async def test_the_address_and_the_caller_belong_to_the_request(http: httpx.AsyncClient) -> None:
    first = await fingerprint(http, '{"title":"x"}')
    assert await fingerprint(http, '{"title":"x"}', "notes/large") != first
    http.headers["Authorization"] = "Bearer bob"
    assert await fingerprint(http, '{"title":"x"}') != first


async def test_no_body_and_an_empty_one_are_the_same_request(http: httpx.AsyncClient) -> None:
    bare = await fingerprint(http, "", "notes/1/closure")
    assert await fingerprint(http, " {} ", "notes/1/closure") == bare
    assert await fingerprint(http, "", "notes/2/closure") != bare


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reversed(value[name]) for name in reversed(list(value))}
    return [_reversed(each) for each in value] if isinstance(value, list) else value


@given(JSON)
def test_the_canonical_form_is_that_of_the_value_and_is_read_back_as_it(value: Any) -> None:
    compact = json_body.parse(json.dumps(value).encode())
    spread = json_body.parse(json.dumps(_reversed(value), indent=3, ensure_ascii=False).encode())
    assert compact == spread == value
    assert json_body.canonical(compact) == json_body.canonical(spread)
    assert json.loads(json_body.canonical(compact)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_refused(raw: bytes) -> None:
    try:
        parsed = json_body.parse(raw)
    except Invalid:
        return
    assert json.loads(raw) == parsed


# --- headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["²", '"²"', "٣", "9" * 19, "9" * 5000, "1.0", "-1", '"1", "2"', "x", '""', " ", '"1'])
async def test_an_if_match_that_is_no_version_is_refused(http: httpx.AsyncClient, tag: str) -> None:
    answered = await http.post("/api/v1/notes", json={}, headers=[(b"If-Match", tag.encode("utf-8"))])
    if tag == '"1':  # a quote that is missing is forgiven: the version is plain
        assert answered.status_code == 200
    else:
        assert answered.status_code == 422, answered.text


@pytest.mark.parametrize("tag", ['"7"', 'W/"7"', "7", "*"])
async def test_a_version_as_it_was_read_is_taken(http: httpx.AsyncClient, tag: str) -> None:
    assert (await send(http, b"{}", **{"If-Match": tag})).status_code == 200


async def test_a_header_of_which_only_one_could_be_obeyed_is_refused(http: httpx.AsyncClient) -> None:
    for name in ("Idempotency-Key", "If-Match"):
        answered = await http.post("/api/v1/notes", json={}, headers=[(name, "1"), (name, "2")])
        assert code(answered) == (422, "repeated_header")
    assert code(await send(http, b"{}", **{"Idempotency-Key": ""})) == (422, "invalid_input")
