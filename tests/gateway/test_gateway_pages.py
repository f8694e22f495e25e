"""The pages made of several services' answers, whole and with parts missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiohttp import web

from chassis import clock
from tests.gateway.conftest import Start, bearer, sign_in
from tests.gateway.standin import StandIn

ANN = "0192f3a0-5b7c-7def-8123-456789abcdef"
CONFIRMED = {"orders_confirmed": {"count": 3, "amount": [{"minor": 1200, "currency": "CNY"}]}}
LATE_ON_THE_13TH_IN_UTC = datetime(2026, 11, 13, 20, tzinfo=UTC)
"""Already the 14th in Shanghai, a Saturday in ISO week 46; still the 13th in Berlin."""


def listed(*items: Any) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": None}


@pytest.fixture
def company(services: dict[str, StandIn]) -> dict[str, StandIn]:
    """A salesperson in Shanghai with an order, a prospect and some progress."""
    standing = {
        "person": ANN,
        "name": "Ann",
        "role": "salesperson",
        "office": "sha",
        "region": "east",
        "offices": ["sha"],
    }
    customers, orders, reporting = services["customers"], services["orders"], services["reporting"]
    customers.tell(f"/api/v1/people/{ANN}/standing", standing)
    customers.tell("/api/v1/offices/sha", {"id": "sha", "name": "上海", "timezone": "Asia/Shanghai"})
    customers.tell("/api/v1/customers", listed({"id": "c-2", "status": "prospect"}))
    customers.tell("/api/v1/customers/c-1", {"id": "c-1", "name": "Acme"})
    customers.tell("/api/v1/people", listed({"id": ANN, "name": "Ann"}, {"id": "bob", "name": "Bob"}))

    async def those_of(request: web.Request) -> web.Response:
        items = [{"id": "o-1"}] if request.query.get("status", "received") == "received" else []
        return web.json_response(listed(*items))

    async def measured(request: web.Request) -> web.Response:
        row = {"period": request.query["from"], "id": request.query.get("id", ANN), "measures": CONFIRMED}
        return web.json_response({**listed(row), "as_of": {"sales.order.v1": "2026-11-13T19:59:58Z"}})

    async def in_the_market(request: web.Request) -> web.Response:
        return web.json_response(listed(*[{"id": "m-1"}] * (request.query["status"] == "submitted")))

    orders.tell("/api/v1/orders", handler=those_of)
    visits = services["visits"]
    visits.tell("/api/v1/visit-plans", listed({"id": "plan-1", "status": "signed"}))
    visits.tell("/api/v1/visits", listed({"id": "v-1", "status": "planned"}))
    visits.tell("/api/v1/daily-reports", listed())
    visits.tell("/api/v1/reminders", listed({"kind": "report_returned", "id": "r-0"}))
    visits.tell("/api/v1/sign-offs", listed({"id": "plan-2"}))
    visits.tell(
        "/api/v1/form-duties",
        listed(
            {"owner": ANN, "form": "plan", "status": "on_time"}, {"owner": "bob", "form": "report", "status": "missing"}
        ),
    )
    visits.tell("/api/v1/meetings", listed())
    visits.tell("/api/v1/tasks", listed({"id": "t-1"}))
    visits.tell("/api/v1/market-reports", handler=in_the_market)
    for cadence in ("day", "week", "month"):
        reporting.tell(f"/api/v1/progress/{cadence}", handler=measured)
    return services


@pytest.fixture
async def ann(start: Start, company: dict[str, StandIn]) -> httpx.AsyncClient:
    gateway = await start(breaker_failures=1000)
    admin = bearer(await sign_in(gateway, "admin", "correct horse"))
    body = {"login": "ann", "password": "a good password", "person": ANN}
    assert (await gateway.post("/api/v1/accounts", json=body, headers=admin)).status_code == 201
    gateway.headers.update(bearer(await sign_in(gateway, "ann", "a good password")))
    return gateway


async def page(gateway: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any]:
    answered = await gateway.get(f"/api/v1{path}", params=query)
    assert answered.status_code == 200, answered.text
    return answered.json()


async def test_ones_own_progress_is_one_page(ann: httpx.AsyncClient, company: dict[str, StandIn]) -> None:
    with clock.set_to(LATE_ON_THE_13TH_IN_UTC):
        shown = await page(ann, "/progress")
    assert shown == {
        "date": "2026-11-14",
        "level": "person",
        "id": ANN,
        "day": {"period": "2026-11-14", "measures": CONFIRMED},
        "week": {"period": "2026-W46", "measures": CONFIRMED},
        "month": {"period": "2026-11", "measures": CONFIRMED},
        "as_of": {"sales.order.v1": "2026-11-13T19:59:58Z"},
        "missing": [],
        "withheld": [],
    }
    asked = company["reporting"].asked[0]
    assert asked.headers["Authorization"] == ann.headers["Authorization"]
    assert f"id={ANN}" in asked.target


async def test_a_day_is_the_offices_and_can_be_asked_for(ann: httpx.AsyncClient, company: dict[str, StandIn]) -> None:
    company["customers"].tell("/api/v1/offices/sha", {"id": "sha", "name": "Berlin", "timezone": "Europe/Berlin"})
    with clock.set_to(LATE_ON_THE_13TH_IN_UTC):
        assert (await page(ann, "/progress"))["date"] == "2026-11-13"
    first_day = await page(ann, "/progress", date="2027-01-01")
    assert first_day["week"]["period"] == "2026-W53"
    assert (await ann.get("/api/v1/progress", params={"date": "tomorrow"})).status_code == 422


async def test_the_morning_page(ann: httpx.AsyncClient) -> None:
    shown = await page(ann, "/today")
    assert (shown["person"], shown["name"]) == (ANN, "Ann")
    assert shown["plan"] == {"id": "plan-1", "status": "signed"}
    assert shown["visits"] == [{"id": "v-1", "status": "planned"}]
    assert shown["report"] is None
    assert shown["reminders"] == [{"kind": "report_returned", "id": "r-0"}]
    assert shown["orders"] == {"received": [{"id": "o-1"}]}
    assert shown["prospects"] == [{"id": "c-2", "status": "prospect"}]
    assert shown["progress"] == {"level": "person", "id": ANN, "day": CONFIRMED, "month": CONFIRMED}


async def test_the_office_board(ann: httpx.AsyncClient) -> None:
    shown = await page(ann, "/board")
    assert shown["office"] == {"id": "sha", "name": "上海"}
    assert shown["people"] == [
        {"id": ANN, "name": "Ann", "forms": {"plan": "on_time"}, "attendance": None, "measures": CONFIRMED},
        {"id": "bob", "name": "Bob", "forms": {"report": "missing"}, "attendance": None, "measures": {}},
    ]
    assert shown["matters"]["sign_offs"] == [{"id": "plan-2"}]
    assert [form["owner"] for form in shown["matters"]["late_or_missing"]] == ["bob"]
    assert (shown["matters"]["meetings"], shown["matters"]["tasks"]) == ([], [{"id": "t-1"}])
    assert shown["places"]["market_reports"] == [{"id": "m-1"}]
    assert shown["things"]["orders"] == {"received": [{"id": "o-1"}]}
    assert shown["things"]["results"] == {"day": CONFIRMED, "month": CONFIRMED}
    assert (shown["missing"], shown["withheld"]) == ([], [])


async def test_a_customers_overview(ann: httpx.AsyncClient, company: dict[str, StandIn]) -> None:
    shown = await page(ann, "/customers/c-1/overview")
    assert shown == {
        "customer": {"id": "c-1", "name": "Acme"},
        "orders": [{"id": "o-1"}],
        "visits": [{"id": "v-1", "status": "planned"}],
        "missing": [],
        "withheld": [],
    }
    assert "customer=c-1" in company["orders"].asked[0].target


async def test_a_part_that_fails_is_null_and_named(ann: httpx.AsyncClient, company: dict[str, StandIn]) -> None:
    await company["orders"].stop()
    company["reporting"].tell("/api/v1/progress/day", {"code": "internal"}, status=500)
    today = await page(ann, "/today")
    assert (today["orders"], today["progress"]["day"], today["missing"]) == (None, None, ["day", "orders"])
    assert today["progress"]["month"] == CONFIRMED
    progress = await page(ann, "/progress")
    assert (progress["day"], progress["missing"]) == (None, ["day"])
    overview = await page(ann, "/customers/c-1/overview")
    assert (overview["customer"]["id"], overview["orders"], overview["missing"]) == ("c-1", None, ["orders"])
    board = await page(ann, "/board")
    assert board["missing"] == ["day", "orders", "people_day"]
    assert [(person["id"], person["measures"]) for person in board["people"]] == [(ANN, None), ("bob", None)]
    assert board["people"][1]["forms"] == {"report": "missing"}


async def test_everything_but_the_caller_may_be_missing(ann: httpx.AsyncClient, company: dict[str, StandIn]) -> None:
    for service in company.values():
        await service.stop()
    shown = await page(ann, "/today")
    assert shown["missing"] == ["day", "month", "orders", "plan", "prospects", "reminders", "report", "visits"]
    assert (shown["plan"], shown["visits"], shown["reminders"]) == (None, None, None)


async def test_garbage_from_a_service_is_a_part_missing(ann: httpx.AsyncClient, company: dict[str, StandIn]) -> None:
    async def garbage(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    company["orders"].tell("/api/v1/orders", handler=garbage)
    assert (await page(ann, "/today"))["missing"] == ["orders"]


async def test_what_is_not_the_callers_to_see_is_withheld(ann: httpx.AsyncClient, company: dict[str, StandIn]) -> None:
    company["reporting"].tell("/api/v1/progress/day", {"code": "level_too_high"}, status=403)
    shown = await page(ann, "/progress")
    assert (shown["day"], shown["withheld"], shown["missing"]) == (None, ["day"], [])


async def test_a_page_is_refused_as_its_required_part_is(ann: httpx.AsyncClient, company: dict[str, StandIn]) -> None:
    company["customers"].tell("/api/v1/customers/c-9", {"code": "not_found"}, status=404)
    refused = await ann.get("/api/v1/customers/c-9/overview")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert refused.headers["content-type"] == "application/problem+json"
    await company["customers"].stop()
    away = await ann.get("/api/v1/customers/c-1/overview")
    assert (away.status_code, away.json()["code"]) == (503, "upstream_unavailable")


async def test_a_board_needs_an_office(ann: httpx.AsyncClient) -> None:
    headers = bearer(await sign_in(ann, "admin", "correct horse"))
    refused = await ann.get("/api/v1/board", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "office_missing")
    odd = await ann.get("/api/v1/board", params={"office": "../people"}, headers=headers)
    assert odd.status_code == 422
    shown = await ann.get("/api/v1/board", params={"office": "sha"}, headers=headers)
    assert shown.json()["office"]["name"] == "上海"


@pytest.mark.parametrize("path", ["/today", "/board", "/progress", "/customers/c-1/overview", "/me"])
async def test_no_page_without_a_token(ann: httpx.AsyncClient, path: str) -> None:
    del ann.headers["Authorization"]
    assert (await ann.get(f"/api/v1{path}")).status_code == 401
