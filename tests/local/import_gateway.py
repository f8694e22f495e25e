"""A gateway in memory: it takes what the services take, once, and may be told to refuse, to lag or to lose answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
from pydantic import ValidationError

from customers.customer import api as customers_api
from customers.office import api as offices_api
from customers.person import api as people_api
from customers.region import api as regions_api
from gateway.accounts import api as accounts_api
from orders.order import api as orders_api
from orders.product import api as products_api
from reporting.target import api as targets_api

BODIES: dict[str, Any] = {
    "regions": regions_api.NewRegion,
    "offices": offices_api.NewOffice,
    "people": people_api.NewPerson,
    "products": products_api.NewProduct,
    "customers": customers_api.NewCustomer,
    "contacts": customers_api.NewContact,
    "orders": orders_api.NewOrder,
    "targets": targets_api.NewTarget,
    "accounts": accounts_api.NewAccount,
    "qualification": customers_api.Entry,
    "activation": customers_api.Reasoned,
    "loss": customers_api.Reasoned,
    "verification": orders_api.Verification,
    "return": orders_api.Reasoned,
    "correction": orders_api.OrderCorrection,
    "confirmation": orders_api.Confirmation,
    "amendment": orders_api.Amendment,
    "allocation": orders_api.Allocation,
    "delivery": orders_api.Delivery,
    "handover": orders_api.Handover,
    "closure": orders_api.Entry,
    "cancellation": orders_api.Reasoned,
}
"""What the services take: by kind for a creation, by its noun for a step."""

STEPS = {
    "verification": "received",
    "confirmation": "verified",
    "allocation": "confirmed",
    "delivery": "allocated",
    "handover": "delivered",
    "closure": "handover_complete",
    "cancellation": "",
    "return": "received",
    "correction": "returned",
    "amendment": "confirmed",
    "qualification": "prospect",
    "activation": "prospect",
    "loss": "",
}
VERSIONED = frozenset({"amendment"})
"""Steps that replace content, and need If-Match as a PATCH does."""
Trouble = Callable[[httpx.Request], Exception | httpx.Response | None]


class Gateway:
    """`before` and `after` may answer instead of it, before a request has its effect or after."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 8, tzinfo=UTC)
        self.seconds = 0.0
        self.records: dict[str, dict[str, Any]] = {}
        self.paths: dict[str, str] = {}
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.rights = ["import"]
        self.under_way = self.most_under_way = 0
        self.before: Trouble = lambda request: None
        self.after: Trouble = lambda request: None
        self._handled: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()

    @property
    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url="http://gateway", transport=httpx.MockTransport(self._answer))

    @property
    def url(self) -> str:
        return "http://gateway"

    async def sleep(self, seconds: float) -> None:
        import asyncio

        self.seconds += seconds
        await asyncio.sleep(0)

    def posts(self, ending: str = "") -> list[tuple[str, dict[str, Any]]]:
        return [(path, body) for method, path, body in self.asked if method == "POST" and path.endswith(ending)]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for id, record in self.records.items() if self.paths[id] == f"/api/v1/{kind}"]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        import asyncio

        body = json.loads(request.content) if request.content else {}
        self.asked.append((request.method, request.url.path, body))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if (trouble := self.before(request)) is not None:
            return _trouble(trouble)
        answer = self._do(request, body)
        if (trouble := self.after(request)) is not None:
            return _trouble(trouble)
        answer.headers["Date"] = format_datetime(self.now, usegmt=True)
        return answer

    def _do(self, request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        parts = request.url.path.removeprefix("/api/v1/").split("/")
        if parts == ["me"]:
            return httpx.Response(200, json={"id": "a", "name": "Ada", "role": "top_manager", "rights": self.rights})
        if request.method == "GET":
            found = self.records.get(parts[1])
            return httpx.Response(200, json=found) if found else problem(404, "not_found")
        key = request.headers["Idempotency-Key"]
        said = request.url.path + json.dumps(body, sort_keys=True)
        if self._handled.setdefault(key, said) != said:
            return problem(409, "idempotency_key_reused")
        if len(parts) == 1:
            return self._create(request.url.path, key, body)
        if request.method == "PATCH" or parts[-1] in VERSIONED:
            known = self.records[parts[1]]
            if "If-Match" not in request.headers:
                return problem(428, "if_match_required")
            if key not in known.get("(handled)", ()) and request.headers["If-Match"] != f'"{known["version"]}"':
                return problem(412, "stale")
        if request.method == "PATCH":
            parts.append("correction")
        try:
            BODIES[parts[-1]].model_validate(body)
        except ValidationError as error:
            return problem(422, "invalid_input", str(error))
        return self._change(*parts, key=key, body=body)

    def _create(self, path: str, key: str, body: dict[str, Any]) -> httpx.Response:
        if (found := self.records.get(body["id"])) is not None:
            same = 200 if path.endswith("/accounts") else 201
            return httpx.Response(same, json=found) if found["(key)"] == key else problem(409, "id_taken")
        wanted = {("region", "regions"), ("office", "offices"), ("owner", "people"), ("customer", "customers")}
        for field, kind in wanted:
            if (id := body.get(field)) is not None and self.paths.get(id) != f"/api/v1/{kind}":
                return problem(422, f"unknown_{'person' if field == 'owner' else field}")
        record = {**body, "version": 1, "(key)": key}
        if source := record.pop("import_source", None):
            record["imported"] = {"by": "a", "at": self.now.isoformat(), "source": source}
        if path.endswith("/orders"):
            record["status"] = "received"
            self._numbers["all"] += 1
            record["number"] = self._numbers["all"]
        if path.endswith("/customers"):
            record.update(contacts=[], status="prospect")
        self.records[body["id"]] = record
        self.paths[body["id"]] = path
        return httpx.Response(201, json=record)

    def _change(self, kind: str, id: str, noun: str, *, key: str, body: dict[str, Any]) -> httpx.Response:
        record = self.records.get(id)
        if record is None:
            return problem(404, "not_found")
        if key in record.setdefault("(handled)", []):
            return httpx.Response(200, json=record)
        if noun == "contacts":
            record["contacts"].append(body)
        else:
            if (
                STEPS[noun]
                and record["status"] != STEPS[noun]
                and (noun, record["status"]) != ("delivery", "confirmed")
            ):
                return problem(409, "wrong_state", f"The state is {record['status']}.")
            mark = {"return": "returned"}.get(noun, noun)
            record[mark] = body
            after = {
                "verification": "verified",
                "confirmation": "confirmed",
                "allocation": "allocated",
                "delivery": "delivered",
                "handover": "handover_complete",
                "closure": "closed",
                "cancellation": "cancelled",
                "return": "returned",
                "correction": "received",
                "amendment": "confirmed",
                "qualification": "qualified",
                "activation": "active",
                "loss": "lost",
            }
            record["status"] = after[noun]
            if noun == "amendment":
                record.setdefault("amendments", []).append(body)
        record["(handled)"].append(key)
        record["version"] += 1
        return httpx.Response(200, json=record)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


def problem(status: int, code: str, detail: str | None = None, **headers: str) -> httpx.Response:
    body = {"status": status, "code": code, "detail": detail or f"It says {code}."}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json", **headers})


def _trouble(trouble: Exception | httpx.Response) -> httpx.Response:
    if isinstance(trouble, Exception):
        raise trouble
    return trouble
