"""Nobody reads what belongs to another office: every route of the OpenAPI document is walked, so a new one is, too."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.flows.suite import Suite

pytestmark = pytest.mark.flow

OPEN_TO_ALL = {"region_id", "office_id", "person_id"}
"""The organisation is a directory for everybody who is signed in (docs/decisions/0013)."""

PASSWORD = "three brown foxes"
MARK = "for New York only"
"""A text in every record of field work of the other office."""
RATE = 120
"""Seconds for which the gateway may hold a caller back."""
DUTIES = 60.0
"""Seconds in which the timer of the forms due has had its turn."""


class World:
    """A salesperson of one office, and the records of another office."""

    def __init__(self, suite: Suite) -> None:
        with suite.as_administrator() as admin:
            offices = {each["code"]: each for each in admin.get("/api/v1/offices").json()["items"]}
            people = admin.get("/api/v1/people", params={"limit": 200}).json()["items"]

            def sellers(office: str) -> list[dict[str, Any]]:
                return [p for p in people if p["name"].startswith(f"{office} seller")]

            self.me, self.other = sellers("SHA")[0], sellers("NYC")[0]
            self.head = next(p for p in people if p["name"] == "NYC head")
            login = f"walker-{uuid.uuid4().hex[:8]}"
            made = admin.post("/api/v1/accounts", json={"login": login, "password": PASSWORD, "person": self.me["id"]})
            assert made.status_code in (200, 201, 409), made.text
            if made.status_code == 409:  # another walk made it
                pytest.fail(made.text)
            self.customers = self._of(admin, "customers", offices["NYC"]["id"])
            self.orders = self._of(admin, "orders", offices["NYC"]["id"])
            target = admin.post(
                "/api/v1/targets",
                json={
                    "person": self.other["id"],
                    "month": "2025-03",
                    "amount": {"minor": 7_654_321, "currency": "USD"},
                },
            )
            assert target.status_code == 201, target.text
            self.target = target.json()
            self.contact = next(c for customer in self.customers for c in customer["contacts"])
            self.field_work = self._field_work(admin, offices["NYC"])
            page = admin.get("/api/v1/orders", params={"office": offices["NYC"]["id"], "limit": 1}).json()
            self.cursors = {
                "orders": page["next_cursor"],
                "customers": admin.get("/api/v1/customers", params={"limit": 1}).json()["next_cursor"],
                "facts": admin.get(
                    "/api/v1/progress/month/2025-03/facts", params={"level": "company", "limit": 1}
                ).json()["next_cursor"],
                "progress": admin.get(
                    "/api/v1/progress/day",
                    params={"from": "2025-03-01", "to": "2025-03-31", "level": "person", "limit": 1},
                ).json()["next_cursor"],
            }
        self.client = suite.sign_in(login, PASSWORD)
        self.office = offices["NYC"]["id"]
        self.region = self.orders[0]["region"]

    def _field_work(self, admin: httpx.Client, office: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """A record of the other office for each kind of field work, by the first part of its address."""
        now = datetime.now(UTC)
        today = now.astimezone(ZoneInfo(office["timezone"])).date()
        policy = f"/api/v1/visit-policies/{office['id']}"
        answered = admin.patch(
            policy,
            json={"forms_from": (today - timedelta(days=10)).isoformat()},
            headers={"If-Match": f'"{admin.get(policy).json()["version"]}"'},
        )
        assert answered.status_code == 200, answered.text
        theirs = {"on_behalf_of": self.other["id"]}
        stop = {"area": MARK, "starts": "09:00", "ends": "10:00", "purposes": ["other"], "note": MARK}
        day = today.isoformat()
        away = [(today + timedelta(days=days)).isoformat() for days in (30, 31)]
        bodies: dict[str, dict[str, Any]] = {
            "visit-plans": {"business_date": day, "stops": [stop], "note": MARK},
            "visits": {"area": MARK, "purposes": ["service"]},
            "calls": {"direction": "outgoing", "started_at": now.isoformat(), "seconds": 60, "result": MARK},
            "daily-reports": {"business_date": day},
            "market-reports": {"kind": "competitor", "severity": "serious", "text": MARK},
            "tasks": {"assignee": self.other["id"], "text": MARK},
            "meetings": {
                "kind": "interview",
                "business_date": day,
                "participants": [self.other["id"]],
                "trigger": MARK,
                "on_behalf_of": self.head["id"],
            },
            "absences": {"kind": "leave", "first_day": away[0], "last_day": away[1], "reason": MARK},
        }
        made: dict[str, dict[str, Any]] = {}
        for path, body in bodies.items():
            answered = admin.post(f"/api/v1/{path}", json={**theirs, **body})
            assert answered.status_code == 201, (path, answered.text)
            made[path] = answered.json()
        deadline = time.monotonic() + DUTIES
        while not (duties := admin.get("/api/v1/form-duties", params={"office": office["id"]}).json()["items"]):
            assert time.monotonic() < deadline, "no form has come due"
            time.sleep(0.5)
        return {**made, "form-duties": duties[0]}

    @staticmethod
    def _of(admin: httpx.Client, path: str, office: str) -> list[dict[str, Any]]:
        found = admin.get(f"/api/v1/{path}", params={"office": office, "limit": 200}).json()["items"]
        assert found
        return found

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The salesperson's request, at the rate that the gateway grants one caller."""
        deadline = time.monotonic() + RATE
        while True:
            answered = self.client.request(method, path, **more)
            if answered.status_code != 429:
                return answered
            assert time.monotonic() < deadline, f"{method} {path} is held back for ever: {answered.text}"
            time.sleep(float(answered.headers["Retry-After"]))

    def secrets(self) -> dict[str, str]:
        """Texts that no answer to the salesperson may hold, and what they give away."""
        told = {customer["id"]: "a customer" for customer in self.customers}
        told |= {customer["name"]: "a customer's name" for customer in self.customers}
        told |= {customer["phone"]: "a customer's number" for customer in self.customers}
        told |= {order["id"]: "an order" for order in self.orders}
        told |= {order["number"]: "an order's number" for order in self.orders}
        told |= {str(order["total"]["minor"]): "an order's total" for order in self.orders}
        told |= {self.contact["id"]: "a contact", self.contact["name"]: "a contact's name"}
        told |= {record["id"]: f"one of the {path}" for path, record in self.field_work.items()}
        return told | {self.target["id"]: "a target", "7654321": "a target's amount", MARK: "its field work"}

    def path_values(self, path: str) -> dict[str, list[str]]:
        """What the parameters of that path are filled with: records of the other office."""
        kind = path.removeprefix("/api/v1/").partition("/")[0]
        if kind in self.field_work and (names := _names(path) - {"revision"}):
            return {names.pop(): [self.field_work[kind]["id"]], "revision": ["1"]}
        customers = [customer["id"] for customer in self.customers[:2]]
        orders = [order["id"] for order in self.orders[:2]]
        return {
            "customer_id": customers,
            "order_id": orders,
            "target_id": [self.target["id"]],
            "contact_id": [self.contact["id"]],
            "region_id": [self.region],
            "office_id": [self.office],
            "person_id": [self.other["id"]],
            "product_id": [self.orders[0]["lines"][0]["product"]],
            "account_id": [self.other["id"]],
            "cadence": ["day", "week", "month"],
            "period": ["2025-03", "2025-W11", "2025-03-14"],
            "service": ["customers"],
            "id": customers,
        }

    def query_values(self) -> dict[str, list[str]]:
        """What a filter is set to: whatever might reach over to the other office."""
        customer, order = self.customers[0], self.orders[0]
        return {
            "owner": [self.other["id"]],
            "person": [self.other["id"]],
            "office": [self.office],
            "region": [self.region],
            "customer": [customer["id"]],
            "q": [customer["name"], "NYC", "%", ".*"],
            "number": [order["number"]],
            "external_ref": [order["external_ref"]],
            "id": [self.other["id"], self.office, self.region, "company"],
            "level": ["company", "region", "office", "person"],
            "with": ["1"],
            "form": ["plan"],
            "kind": ["leave", "enterprise"],
            "source": ["ad_hoc"],
            "planned": ["true"],
            "cursor": [cursor for cursor in self.cursors.values() if cursor],
            "after": [f"order:{order['id']}@1", f"customer:{customer['id']}@1"],
            "from": ["2025-01-01"],
            "to": ["2025-12-31"],
            "measure": ["orders_confirmed"],
            "limit": ["200"],
            "sort": ["id"],
            "status": ["confirmed", "prospect", "active"],
            "month": ["2025-03"],
            "date": ["2025-03-14"],
        }


@pytest.fixture(scope="module")
def world(suite: Suite) -> Iterator[World]:
    world = World(suite)
    yield world
    world.client.close()


@pytest.fixture(scope="module")
def document(suite: Suite) -> dict[str, Any]:
    return httpx.get(f"{suite.url}/openapi.json", trust_env=False).json()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in ("get", "post", "patch", "put", "delete"):
                yield method, path, operation


def test_the_walk_knows_every_parameter_of_every_route(world: World, document: dict[str, Any]) -> None:
    """A new path parameter fails here until the walk is told whose record to fill it with."""
    unknown = {
        name for _, path, _ in operations(document) for name in _names(path) if name not in world.path_values(path)
    }
    assert unknown == set()


def test_no_reading_route_tells_a_salesperson_about_another_office(world: World, document: dict[str, Any]) -> None:
    asked = 0
    for method, path, operation in operations(document):
        if method != "get":
            continue
        parameters = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
        filters = [p["name"] for p in parameters]
        needed = {p["name"] for p in parameters if p.get("required")}
        for filled in _filled(path, world):
            for query in _queries(filters, world):
                answered = world.ask("GET", filled, params=query)
                asked += 1
                assert answered.status_code < 500, (filled, query, answered.text)
                _tells_nothing(answered, world, said=(filled, query))
                own = _names(path) - OPEN_TO_ALL - {"cadence", "period", "product_id", "service"}
                if own:
                    assert answered.status_code in (403, 404, 422), (filled, query, answered.status_code)
                if own and "/accounts" not in path and set(query) == needed:
                    assert answered.status_code == 404, (filled, answered.text)
    assert asked > 100


def test_no_writing_route_lets_a_salesperson_touch_another_office(
    world: World, document: dict[str, Any], suite: Suite
) -> None:
    asked = named = looked_up = 0
    for method, path, operation in operations(document):
        if method == "get" or "/accounts" in path:
            continue
        names = _names(path)
        for filled in _filled(path, world):
            body = _body(operation, document, world)
            headers = {"If-Match": '"1"', "Idempotency-Key": str(uuid.uuid4())}
            answered = world.ask(method, filled, json=body, headers=headers)
            asked += 1
            said = (method, filled, body, answered.status_code, answered.text)
            if answered.is_success and not names:  # a record of their own
                assert answered.json()["owner"] == world.me["id"], said
            else:
                assert answered.status_code in (403, 404, 409, 422), said
            if names - OPEN_TO_ALL - {"cadence", "period", "product_id", "service"}:
                named += 1
                unread = answered.status_code == 422 and answered.json()["code"] == "invalid_input"
                assert unread or answered.status_code in (403, 404), said
                looked_up += not unread
            _tells_nothing(answered, world, said=(method, filled, body), sent=json.dumps(body))
    assert asked > 20
    # A body that its schema refuses says nothing of the record; nearly all get further than that.
    assert looked_up > 0.9 * named, (looked_up, named)
    with suite.as_administrator() as admin:
        field_work = [(path, [record]) for path, record in world.field_work.items()]
        for path, before in (("customers", world.customers), ("orders", world.orders), *field_work):
            for record in before:
                assert admin.get(f"/api/v1/{path}/{record['id']}").json() == record


def test_the_same_walk_as_the_owner_of_the_records_reads_them(world: World, suite: Suite) -> None:
    """So that the walk above is refused for its caller, not for its addresses."""
    with suite.as_administrator() as admin:
        for path, records in (("customers", world.customers), ("orders", world.orders)):
            assert admin.get(f"/api/v1/{path}/{records[0]['id']}").status_code == 200
    mine = world.client.get("/api/v1/customers").json()["items"]
    assert mine
    assert {customer["owner"] for customer in mine} == {world.me["id"]}


def _tells_nothing(answered: httpx.Response, world: World, said: Any, sent: str = "") -> None:
    asked_for = str(said) + sent
    for secret, what in world.secrets().items():
        # What the caller has said itself may come back in a refusal; no more than that.
        if secret in answered.text and not (answered.status_code >= 400 and secret in asked_for):
            raise AssertionError(f"{said} gives away {what}: {secret} in {answered.text[:500]}")


def _names(path: str) -> set[str]:
    return {part[1:-1] for part in path.split("/") if part.startswith("{")}


def _filled(path: str, world: World) -> Iterator[str]:
    names = sorted(_names(path))
    values = world.path_values(path)
    for chosen in itertools.product(*(values[name] for name in names)):
        filled = path
        for name, value in zip(names, chosen, strict=True):
            filled = filled.replace(f"{{{name}}}", value)
        yield filled


def _queries(filters: list[str], world: World) -> Iterator[dict[str, str]]:
    """Each filter alone, and those of progress together: the level with the unit's id and the span."""
    values = world.query_values()
    yield {}
    for name in filters:
        for value in values.get(name, []):
            yield {name: value}
    if {"level", "id"} <= set(filters):
        units = {"person": world.other["id"], "office": world.office, "region": world.region, "company": "company"}
        span = {"from": "2025-01-01", "to": "2025-12-31"} if "from" in filters else {}
        for level, unit in units.items():
            yield {"level": level, "id": unit, **span}
            yield {"level": level, **span}


def _body(operation: dict[str, Any], document: dict[str, Any], world: World) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return None if schema is None else _value("", schema, document, world)


def _value(name: str, schema: dict[str, Any], document: dict[str, Any], world: World) -> Any:
    """Something that the schema takes, with records of the other office wherever one is named."""
    if "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return _value(name, found, document, world)
    if "anyOf" in schema:
        return _value(name, next(s for s in schema["anyOf"] if s.get("type") != "null"), document, world)
    if "allOf" in schema:
        return _value(name, schema["allOf"][0], document, world)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "object":
        entry = {"id", "on_behalf_of", "import_source", "occurred_at"}
        own = {field: inner for field, inner in schema.get("properties", {}).items() if field not in entry}
        wanted = set(schema.get("required", ())) or set(list(own)[:1])  # a PATCH needs none, but says something
        return {field: _value(field, own[field], document, world) for field in own if field in wanted}
    if kind == "array":
        return [_value(name, schema.get("items", {"type": "string"}), document, world)]
    if kind in ("integer", "number"):
        return 1
    if kind == "boolean":
        return True
    known = {
        "customer": world.customers[0]["id"],
        "product": world.orders[0]["lines"][0]["product"],
        "owner": world.other["id"],
        "person": world.other["id"],
        "office": world.office,
        "region": world.region,
        "assignee": world.other["id"],
        "told_by": world.me["id"],
        "role": "salesperson",
        "currency": "CNY",
        "month": "2025-04",
        "starts": "09:00",
        "ends": "10:00",
        "code": "XYZ",
        "timezone": "Asia/Shanghai",
    }
    if name in known:
        return known[name]
    match schema.get("format"):
        case "date":
            return "2026-11-20"
        case "date-time":
            return "2026-11-20T08:00:00+08:00"
        case _:
            return "a text"
