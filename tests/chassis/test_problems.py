"""Every refusal is one kind of document, in the caller's language, with a code that programs can rely on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, field_validator

from chassis import problems
from chassis.problems import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionRequired,
    Problem,
    Stale,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    language,
)
from contracts.refusals import NotPossible, WrongState

ALL: list[tuple[Problem, int]] = [
    (Invalid(), 422),
    (Unauthenticated(), 401),
    (Forbidden(), 403),
    (NotFound(), 404),
    (Conflict(), 409),
    (Stale(7), 412),
    (PreconditionRequired(), 428),
    (TooManyRequests(retry_after=3), 429),
    (Unavailable(), 503),
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    quantity: int
    at: AwareDatetime | None = None
    name: str = "x"

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        if value == "nobody":
            raise ValueError("Somebody must be named.")
        return value


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)

    @app.get("/refusals/{n}")
    async def refusal(n: int) -> None:
        raise ALL[n][0]

    @app.get("/rules/{n}")
    async def rule(n: int) -> None:
        raise [
            NotPossible("too_late", "It is too late.", "太晚了。", field="lines.0.quantity", earliest="2026-03-02"),
            WrongState("delivery", "received", ["verify", "return"]),
            WrongState("delivery", "closed", []),
        ][n]

    @app.post("/bodies")
    async def body(said: list[Body]) -> None: ...

    @app.get("/queries")
    async def query(limit: Annotated[int, Query(ge=1, le=200)] = 50) -> None: ...

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "en"),
        ("", "en"),
        ("zh", "zh-CN"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("en-GB,zh;q=0.9", "en"),
        ("fr,zh;q=0.5,en;q=0.4", "zh-CN"),
        ("de, en;q=0.3, zh;q=0.4", "zh-CN"),
        ("fr", "en"),
        ("zh;q=0", "en"),
        ("zh;q=often, en", "en"),
        ("*", "en"),
        (";;;,,,q=", "en"),
    ],
)
def test_the_language_is_the_one_of_ours_that_the_caller_prefers(accept: str | None, chosen: str) -> None:
    assert language(accept) == chosen


async def test_each_refusal_is_a_problem_document_in_both_languages(http: httpx.AsyncClient) -> None:
    codes: set[str] = set()
    for n, (problem, status) in enumerate(ALL):
        details: set[str] = set()
        titles: set[str] = set()
        for accept in problems.LANGUAGES:
            answered = await http.get(f"/refusals/{n}", headers={"Accept-Language": accept})
            assert (answered.status_code, answered.headers["content-type"]) == (status, "application/problem+json")
            assert (answered.headers["content-language"], answered.headers["vary"]) == (accept, "Accept-Language")
            assert answered.headers["cache-control"] == "no-store"
            said = answered.json()
            assert (said["status"], said["code"], said["instance"]) == (status, problem.code, f"/refusals/{n}")
            assert said["type"] == f"urn:salesbeat:problem:{problem.code}"
            details.add(said["detail"])
            titles.add(said["title"])
        assert len(details) == len(titles) == 2, "each language has its own text"
        codes.add(problem.code)
    assert len(codes) == len(ALL)


async def test_what_helps_to_come_back_is_in_the_headers(http: httpx.AsyncClient) -> None:
    by_status = {status: (await http.get(f"/refusals/{n}")).headers for n, (_, status) in enumerate(ALL)}
    assert by_status[401]["www-authenticate"] == 'Bearer realm="salesbeat"'
    assert by_status[412]["etag"] == '"7"'
    assert by_status[429]["retry-after"] == "3"
    assert int(by_status[503]["retry-after"]) > 0


async def test_a_models_refusal_is_invalid_input_with_its_field_and_extras(http: httpx.AsyncClient) -> None:
    for accept, text in (("en", "It is too late."), ("zh", "太晚了。")):
        answered = await http.get("/rules/0", headers={"Accept-Language": accept})
        said = answered.json()
        assert (answered.status_code, said["code"], said["earliest"]) == (422, "too_late", "2026-03-02")
        assert said["detail"] == text
        assert said["errors"] == [{"field": "lines.0.quantity", "message": text}]


async def test_a_wrong_state_is_a_conflict_that_says_what_is_possible(http: httpx.AsyncClient) -> None:
    said = (await http.get("/rules/1")).json()
    assert (said["status"], said["code"], said["state"]) == (409, "wrong_state", "received")
    assert said["possible"] == ["verify", "return"]
    assert "verify, return" in said["detail"]
    chinese = (await http.get("/rules/2", headers={"Accept-Language": "zh"})).json()
    assert "无" in chinese["detail"]


@pytest.mark.parametrize(
    ("body", "field", "en", "zh"),
    [
        ([{}], "0.quantity", "required", "必填"),
        ([{"quantity": 1}, {"quantity": "many"}], "1.quantity", "integer", "应为整数"),
        ([{"quantity": 1, "colour": "red"}], "0.colour", "not permitted", "没有这个字段"),
        ([{"quantity": 1, "at": "2026-03-02T09:00:00"}], "0.at", "timezone", "时区"),
        ([{"quantity": 1, "name": "nobody"}], "0.name", "Somebody must be named.", "Somebody must be named."),
        ({"quantity": 1}, "body", "list", "应为列表"),
    ],
)
async def test_each_field_at_fault_is_named_with_what_is_wrong(
    http: httpx.AsyncClient, body: Any, field: str, en: str, zh: str
) -> None:
    for accept, text in (("en", en), ("zh-CN", zh)):
        answered = await http.post("/bodies", json=body, headers={"Accept-Language": accept})
        assert (answered.status_code, answered.json()["code"]) == (422, "invalid_input")
        [error] = answered.json()["errors"]
        assert error["field"] == field
        assert text in error["message"]


async def test_limits_are_told_in_chinese_too(http: httpx.AsyncClient) -> None:
    said = (await http.get("/queries?limit=201", headers={"Accept-Language": "zh"})).json()
    assert said["errors"] == [{"field": "limit", "message": "应不大于 200。"}]


async def test_what_is_no_json_is_a_fault_of_the_body(http: httpx.AsyncClient) -> None:
    answered = await http.post("/bodies", content=b"{nonsense", headers={"Content-Type": "application/json"})
    assert [error["field"] for error in answered.json()["errors"]] == ["body"]


async def test_the_frameworks_own_refusals_are_problems_too(http: httpx.AsyncClient) -> None:
    nowhere = await http.get("/nowhere", headers={"Accept-Language": "zh"})
    assert (nowhere.status_code, nowhere.json()["code"], nowhere.json()["detail"]) == (
        404, "no_such_route", "此地址不存在。",
    )  # fmt: skip
    wrong = await http.delete("/queries")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "GET")


def test_several_faults_are_told_at_once_and_translated() -> None:
    problem = Invalid(errors=[FieldError("a", "too small", "太小"), FieldError("b", "too large", "太大")])
    assert [error["message"] for error in problem.body("zh-CN")["errors"]] == ["太小", "太大"]
    assert [error["field"] for error in problem.body("en")["errors"]] == ["a", "b"]


def test_a_text_in_one_language_serves_for_both() -> None:
    assert Conflict("odd", "Only English.").body("zh-CN")["detail"] == "Only English."
