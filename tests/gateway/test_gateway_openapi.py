"""One document for everything behind the gateway, and pages that show it without help from outside."""

import json
import re
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, create_model

from chassis.identity import CallerDep
from chassis.service import Settings, http_app, routes
from gateway.openapi import merge
from tests.gateway.conftest import Start
from tests.gateway.standin import StandIn


def document(name: str, path: str, field: str) -> dict[str, Any]:
    """What a service of ours says about itself."""

    Address = create_model("Address", **{field: (str, ...)})  # type: ignore[call-overload]

    class Record(BaseModel):
        address: Address  # type: ignore[valid-type]

    router = routes(name)

    @router.post(path)
    async def make(body: Record, caller: CallerDep) -> Record:
        return body

    return http_app(name, Settings(), routers=[router]).openapi()


@pytest.fixture
def described(services: dict[str, StandIn]) -> dict[str, StandIn]:
    for name, path, field in (
        ("customers", "/customers", "city"),
        ("orders", "/orders", "street"),
        ("visits", "/visits", "city"),
        ("reporting", "/targets", "city"),
    ):
        services[name].tell("/openapi.json", document(name, path, field))
    return services


def references(node: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(node)))


async def test_every_services_paths_are_in_one_document(start: Start, described: dict[str, StandIn]) -> None:
    gateway = await start()
    merged = (await gateway.get("/openapi.json")).json()
    assert {"/api/v1/customers", "/api/v1/orders", "/api/v1/targets", "/api/v1/today", "/api/v1/accounts/token"} <= set(
        merged["paths"]
    )
    assert not {"/live", "/ready", "/metrics", "/docs", "/"} & set(merged["paths"])
    for reference in references(merged):
        node = merged
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    operations = [operation for item in merged["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert "application/problem+json" in operation["responses"]["429"]["content"]
    assert merged["paths"]["/api/v1/accounts/token"]["post"]["security"] == []
    assert "security" not in merged["paths"]["/api/v1/today"]["get"]
    assert merged["security"] == [{"bearer": []}]
    assert "Incomplete" not in merged["info"]["description"]

    for service in described.values():
        service.asked.clear()
    await gateway.get("/openapi.json")
    assert not any(service.asked for service in described.values())  # kept for a while


def test_schemas_of_the_same_name_keep_their_meaning() -> None:
    documents = {
        "customers": document("customers", "/customers", "city"),
        "orders": document("orders", "/orders", "street"),
        "reporting": document("reporting", "/targets", "city"),
    }
    merged = merge(documents)
    schemas = merged["components"]["schemas"]
    for path, field in (("customers", "city"), ("orders", "street"), ("targets", "city")):
        body = merged["paths"][f"/api/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        record = schemas[body["$ref"].rpartition("/")[2]]
        address = schemas[record["properties"]["address"]["$ref"].rpartition("/")[2]]
        assert list(address["properties"]) == [field]
    assert {"Address", "Record", "OrdersAddress", "OrdersRecord"} <= set(schemas)


async def test_a_silent_service_is_named_and_listed_when_it_is_back(
    start: Start, described: dict[str, StandIn]
) -> None:
    gateway = await start(breaker_failures=1000)
    await described["orders"].stop()
    merged = (await gateway.get("/openapi.json")).json()
    assert "/api/v1/orders" not in merged["paths"]
    assert "/api/v1/customers" in merged["paths"]
    assert "orders did not answer" in merged["info"]["description"]
    await described["orders"].start()
    assert "/api/v1/orders" in (await gateway.get("/openapi.json")).json()["paths"]


async def test_what_is_no_document_counts_as_silent(start: Start, described: dict[str, StandIn]) -> None:
    described["orders"].tell("/openapi.json", ["something", "else"])
    merged = (await (await start()).get("/openapi.json")).json()
    assert "orders did not answer" in merged["info"]["description"]


@pytest.mark.parametrize("page", ["/", "/?lang=zh", "/docs", "/docs/docs.js", "/docs/style.css"])
async def test_the_pages_load_nothing_from_outside(gateway: httpx.AsyncClient, page: str) -> None:
    answered = await gateway.get(page)
    assert answered.status_code == 200
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"^// .*$", "", answered.text, flags=re.M))
    for linked in re.findall(r'(?:src|href)="([^"]+)"', answered.text):
        if not linked.startswith("data:"):
            assert (await gateway.get(linked)).status_code == 200
    if answered.headers["content-type"].startswith("text/html"):
        policy = answered.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script>|\son[a-z]+=|style=", answered.text)


@pytest.mark.parametrize(("accept", "lang"), [("zh-CN,zh;q=0.9", "zh-CN"), ("en", "en"), ("fr", "en")])
async def test_the_pages_speak_the_readers_language(gateway: httpx.AsyncClient, accept: str, lang: str) -> None:
    for page in ("/", "/docs"):
        assert f'<html lang="{lang}">' in (await gateway.get(page, headers={"Accept-Language": accept})).text


async def test_every_answer_says_what_browsers_must_not_do_with_it(gateway: httpx.AsyncClient) -> None:
    for page in ("/api/v1/me", "/docs", "/unheard"):
        headers = (await gateway.get(page)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (await gateway.get("/api/v1/me")).headers["cache-control"] == "no-store"


async def test_only_named_origins_may_call_from_a_browser(start: Start) -> None:
    gateway = await start(cors_origins="https://sales.example.com")
    for origin, allowed in (("https://sales.example.com", True), ("https://elsewhere.example.com", False)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answered = await gateway.options("/api/v1/orders", headers=asked)
        assert (answered.headers.get("access-control-allow-origin") == origin) is allowed
