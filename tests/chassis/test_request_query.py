"""The query of a request: a parameter that a route does not take, or takes once, is never dropped in silence."""

from __future__ import annotations

import httpx
import pytest

from tests.chassis.test_request_body import code, http

__all__ = ["http"]

NOTES = "/api/v1/notes"


async def test_a_mistyped_parameter_is_refused_with_the_nearest_and_all_known_ones(http: httpx.AsyncClient) -> None:
    answered = await http.get(NOTES, params={"ofice": "x"})
    problem = answered.json()
    assert code(answered) == (422, "unknown_parameter")
    assert problem["nearest"] == "office"
    assert problem["known"] == ["cursor", "from", "kind", "limit", "office", "sort"]
    assert problem["errors"] == [{"field": "ofice", "message": "There is no such parameter. Did you mean office?"}]
    assert "office" in problem["detail"]
    chinese = (await http.get(NOTES, params={"ofice": "x"}, headers={"Accept-Language": "zh-CN"})).json()
    assert "office" in chinese["errors"][0]["message"]
    assert "可用的参数" in chinese["detail"]


@pytest.mark.parametrize("query", ["Office=x", "office%20=x", "first=2026-11-24", "=x", "&office=x&x", "a[]=1", "é=1"])
async def test_every_other_spelling_is_another_parameter(http: httpx.AsyncClient, query: str) -> None:
    assert code(await http.get(f"{NOTES}?{query}")) == (422, "unknown_parameter")


async def test_routes_without_parameters_take_none(http: httpx.AsyncClient) -> None:
    for answered in (
        await http.post(f"{NOTES}?dry_run=true", json={}),
        await http.post(f"{NOTES}/1/closure?reason=x", json={}),
        await http.get(f"{NOTES}/1/notes/2?expand=lines"),
    ):
        assert code(answered) == (422, "unknown_parameter")
        assert answered.json()["known"] == []
        assert "no parameters" in answered.json()["detail"]


async def test_a_parameter_of_one_value_said_twice_is_refused(http: httpx.AsyncClient) -> None:
    answered = await http.get(f"{NOTES}?office=a&office=b")
    assert code(answered) == (422, "repeated_parameter")
    assert answered.json()["errors"][0]["field"] == "office"
    assert code(await http.get(f"{NOTES}?office=a&office=a")) == (422, "repeated_parameter")
    assert code(await http.get(f"{NOTES}?limit=1&limit=2")) == (422, "repeated_parameter")
    assert (await http.get(f"{NOTES}?kind=a&kind=b")).json()["kinds"] == ["a", "b"]


@pytest.mark.parametrize("value", ["%00", "a%00b", "%0a", "%1b%5b2J", "%c2%85", "%e2%80%ae", "%e2%81%a6", "%7f"])
async def test_a_value_with_a_control_character_is_refused(http: httpx.AsyncClient, value: str) -> None:
    answered = await http.get(f"{NOTES}?office={value}")
    assert code(answered) == (422, "forbidden_character")
    assert answered.json()["errors"][0]["field"] == "office"
    if "%0a" not in value:
        assert code(await http.get(f"{NOTES}/{value}/notes/1")) == (422, "forbidden_character")


@pytest.mark.parametrize("query", ["office=%ff", "office=%c3%28", "%ff=1", "office=%ed%a0%80"])
async def test_a_query_that_is_not_utf_8_is_refused(http: httpx.AsyncClient, query: str) -> None:
    assert code(await http.get(f"{NOTES}?{query}")) == (422, "invalid_query")


async def test_many_parameters_are_refused_shortly(http: httpx.AsyncClient) -> None:
    answered = await http.get(f"{NOTES}?" + "&".join(f"{'p' * 200}{n}=1" for n in range(90)))
    assert code(answered) == (422, "unknown_parameter")
    assert len(answered.json()["errors"]) == 20
    assert len(answered.content) < 8000
    assert code(await http.get(f"{NOTES}?" + "&".join(f"kind={n}" for n in range(101)))) == (422, "invalid_query")


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"])
async def test_a_day_that_no_calendar_can_compute_with_is_refused(http: httpx.AsyncClient, day: str) -> None:
    assert code(await http.get(NOTES, params={"from": day})) == (422, "invalid_input")
    assert code(await http.post(NOTES, json={"day": day})) == (422, "invalid_input")
    assert code(await http.post(NOTES, json={"at": f"{day}T00:00:00+14:00"})) == (422, "invalid_input")
    assert code(await http.post(NOTES, json={"occurred_at": f"{day}T23:59:59-12:00"})) == (422, "invalid_input")


async def test_the_first_and_the_last_day_are_taken(http: httpx.AsyncClient) -> None:
    for day in ("1900-01-01", "2199-12-31"):
        assert (await http.get(NOTES, params={"from": day})).json()["first"] == day
        assert (await http.post(NOTES, json={"day": day})).status_code == 200


async def test_measures_keep_the_ids_of_a_path_apart_from_its_words(http: httpx.AsyncClient) -> None:
    for path in ("notes/notes/notes/notes", "notes/api/notes/v1", "notes/x/notes/x"):
        assert (await http.get(f"/api/v1/{path}")).status_code == 200
    await http.request("BREW", NOTES)
    lines = [line for line in (await http.get("/metrics")).text.splitlines() if "_notes" in line or "/notes" in line]
    routes = {part for line in lines for part in line.split('"') if part.startswith("/api/v1/notes/")}
    assert "/api/v1/notes/{note_id}/notes/{part}" in routes
    assert not any("{part}" in route and route != "/api/v1/notes/{note_id}/notes/{part}" for route in routes)
    assert all("x" not in route.split("/") and "api" not in route.split("/")[3:] for route in routes)
    assert "BREW" not in "".join(lines)
