"""Records in each of their states, and bodies as they should be: an input with one wrong value comes as far as these.

Everything is entered by an administrator as an import, for a salesperson and their office head, on days of the past.
"""

# ruff: noqa: E501

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx

Json = dict[str, Any]

SECTIONS = ["talks", "complaints", "orders_and_collections", "market", "opinions", "news", "reflections", "other"]
MONEY = {"minor": 12_50, "currency": "CNY"}

STEPS: Mapping[str, tuple[str, ...]] = {
    "orders": ("verification", "confirmation", "allocation", "delivery", "handover", "closure"),
    "visit-plans": ("submission", "signature"),
    "daily-reports": ("PATCH", "submission", "signature"),
    "absences": ("approval", "return"),
    "visits": ("check-in", "check-out", "completion"),
    "meetings": ("holding", "closure"),
    "market-reports": ("acknowledgement", "action", "closure"),
    "customers": ("qualification", "activation", "dormancy", "reactivation"),
    "tasks": (),
    "targets": (),
    "calls": (),
    "products": (),
    "people": (),
    "offices": (),
    "regions": (),
}
"""The steps of a record's life, in their order."""
AFTER: Mapping[str, int] = {
    "orders/amendment": 2, "orders/cancellation": 2, "orders/return": 0,
    "visit-plans/return": 1, "visit-plans/amendment": 2,
    "daily-reports/return": 2, "daily-reports/correction": 3, "daily-reports/prefill": 0,
    "visits/cost": 1, "visits/not-met": 1, "visits/completion": 1, "visits/correction": 3, "visits/evaluation": 3,
    "customers/loss": 1, "customers/owner": 1, "customers/contacts": 0,
}  # fmt: skip
"""How many of those steps come before another step; none where nothing is said."""
SIGNED_BY_THE_HEAD = {
    "visit-plans/signature", "visit-plans/return", "daily-reports/signature", "daily-reports/return",
    "absences/approval", "absences/refusal", "market-reports/acknowledgement", "market-reports/action",
    "market-reports/closure", "visits/evaluation", "tasks/cancellation",
}  # fmt: skip


@dataclass(slots=True)
class Life:
    """admin: a client with an administrator's token. seller, head: people of one office; customer: the seller's."""

    admin: httpx.Client
    seller: str
    head: str
    office: str
    region: str
    customer: str
    product: str
    _days: itertools.count[int] = field(default_factory=itertools.count)

    def body(self, kind: str, step: str | None = None) -> Json | None:
        """What that request carries, as it should be; None where it is not known here."""
        day = date(2025, 7, 1) + timedelta(days=next(self._days) % 480)
        at = f"{day}T02:30:00Z"
        noon = {"occurred_at": f"{day}T04:00:00Z"}
        name = kind if step is None else f"{kind}/{step}"
        who = {"on_behalf_of": self.head if name in SIGNED_BY_THE_HEAD else self.seller, "import_source": "fuzz"}
        due = (day + timedelta(days=9)).isoformat()
        stop = {"customer": self.customer, "starts": "09:30", "ends": "10:30", "purposes": ["order"]}
        result = {"purpose": "order", "outcome": "achieved", "amount": MONEY}
        position = {"latitude": 31.2304, "longitude": 121.4737, "accuracy_m": 20}
        line = {"product": self.product, "quantity": "2.5", "unit_price": MONEY, "discount_percent": "5"}
        filled = {"attendance": {"kind": "present", "began": "09:00", "ended": "18:00"}, "none": SECTIONS}
        met = {"results": [result], "contact_name": "Ms Xu", "next_step": {"text": "send samples", "due": due}}
        known: Mapping[str, Json] = {
            "orders": {"customer": self.customer, "lines": [line], "note": "a note", "external_ref": str(uuid4()), **noon, **who},
            "orders/PATCH": {"note": "another", "requested_date": due},
            "orders/verification": {"note": "checked"},
            "orders/return": {"reason": "no address"},
            "orders/confirmation": {"promised_date": due, "payment_method": "transfer", "customer_told_at": at},
            "orders/allocation": {"assignee": self.seller, "due": due},
            "orders/delivery": {"receiver": "Ms Xu"},
            "orders/handover": {"documents": ["invoice"], "receiver": "Ms Xu"},
            "orders/closure": {},
            "orders/amendment": {"reason": "one more", "lines": [line], "promised_date": due},
            "orders/cancellation": {"reason": "changed plans"},
            "visit-plans": {"business_date": day.isoformat(), "stops": [stop, {**stop, "starts": "11:00", "ends": "12:00"}], **who},
            "visit-plans/PATCH": {"stops": [stop], "note": "x", **who},
            "visit-plans/copy": {"to": day.isoformat(), "from": (day - timedelta(days=1)).isoformat(), **who},
            "visit-plans/submission": {**who},
            "visit-plans/signature": {"instructions": "好", **who},
            "visit-plans/return": {"reason": "too few", **who},
            "visit-plans/amendment": {"reason": "a call", **who},
            "daily-reports": {"business_date": day.isoformat(), **who},
            "daily-reports/PATCH": {**filled, **who},
            "daily-reports/prefill": {**who},
            "daily-reports/submission": {**who},
            "daily-reports/signature": {"instructions": "good", "task": {"text": "call", "assignee": self.seller, "due": due}, **who},
            "daily-reports/return": {"reason": "incomplete", **who},
            "daily-reports/correction": {"reason": "a mistake", **who},
            "absences": {"kind": "trip", "first_day": day.isoformat(), "last_day": day.isoformat(), "reason": "fair", "place": "Wuxi", **who},
            "absences/approval": {"reason": "yes", **who},
            "absences/refusal": {"reason": "no", **who},
            "absences/cancellation": {**who},
            "absences/return": {**who},
            "visits": {"customer": self.customer, "purposes": ["order"], **noon, **who},
            "visits/check-in": {"position": position, **who},
            "visits/check-out": {"position": position, **met, **who},
            "visits/completion": {**met, **who},
            "visits/not-met": {"reason": "closed", **who},
            "visits/cost": {"type": "meal", "amount": MONEY, **who},
            "visits/correction": {"results": [result], **who},
            "visits/evaluation": {"grade": 4, "note": "well done", **who},
            "visits/move": {"reason": "rain", "to": due, **who},
            "visits/cancellation": {"reason": "snow", **who},
            "meetings": {"kind": "coaching", "trigger": "a low result", "participants": [self.seller], "business_date": day.isoformat(), **who, "on_behalf_of": self.head},
            "meetings/holding": {
                "attendance": [{"person": self.seller, "attended": True}], "findings": "good", "decisions": ["pumps first"],
                "actions": [{"text": "call Acme", "assignee": self.seller, "due": due}], **who, "on_behalf_of": self.head,
            },
            "meetings/closure": {"review": "done", **who, "on_behalf_of": self.head},
            "meetings/cancellation": {"reason": "fair", **who, "on_behalf_of": self.head},
            "market-reports": {"kind": "competitor", "severity": "serious", "text": "A price war.", "customer": self.customer, **noon, **who},
            "market-reports/acknowledgement": {**who},
            "market-reports/action": {"text": "match it", "assignee": self.seller, "due": due, **who},
            "market-reports/closure": {"reason": "over", **who},
            "tasks": {"assignee": self.seller, "text": "bring samples", "due": due, **noon, **who},
            "tasks/completion": {"result": "done", **who},
            "tasks/cancellation": {"reason": "no need", **who},
            "calls": {"direction": "incoming", "customer": self.customer, "started_at": at, "seconds": 90, "result": "an offer", **who},
            "calls/PATCH": {"result": "two offers", "seconds": 5, **who},
            "targets": {"person": self.seller, "month": f"{day:%Y-%m}", "amount": {**MONEY, "currency": self._currency()}, **noon, "import_source": "fuzz"},
            "targets/revision": {"amount": {"minor": 500, "currency": "USD"}, "import_source": "fuzz"},
            "customers": {
                "name": f"客户 {uuid4()}", "owner": self.seller, "phone": f"021-{uuid4().int % 10**8:08}", "attributes": {"a.b": "$c"},
                "addresses": [{"text": "1 Bund", "city": "上海", "latitude": 31.2, "longitude": 121.4}], "import_source": "fuzz", **noon,
            },
            "customers/PATCH": {"attributes": {"$ref": "x"}, "channel": "fair", "addresses": []},
            "customers/qualification": {}, "customers/activation": {"reason": "contract"}, "customers/dormancy": {"reason": "quiet"},
            "customers/loss": {"reason": "closed"}, "customers/reactivation": {"reason": "back"},
            "customers/owner": {"owner": self.head, "valid_from": date.today().isoformat()},  # noqa: DTZ011 - near enough
            "customers/contacts/{contact_id}": {"title": "head of purchasing", "phone": None},
            "customers/contacts/{contact_id}/departure": {"left_on": "2026-11-24"},
            "accounts/token": {"login": "fuzz-seller", "password": "a password for the fuzzer"},
            "customers/contacts": {"name": "Ms Xu", "decision_role": "buyer", "phone": "021-5555 1234", "email": "xu@example.com"},
            "products": {"code": str(uuid4())[:20], "name": "Pump", "price": MONEY, "cost": MONEY, "family": "water"},
            "products/PATCH": {"price": MONEY, "active": True},
            "people": {"name": "New", "role": "salesperson", "office": self.office, "joined_on": "2025-01-01", "manager": self.head},
            "people/PATCH": {"name": "Newer", "phone": "021-5555 1234"},
            "people/posting": {"role": "clerk", "office": self.office, "valid_from": "2026-12-01"},
            "people/departure": {"left_on": "2026-12-31"},
            "offices": {"code": str(uuid4())[:8].upper(), "name": "Office", "region": self.region, "holidays": ["2026-10-01"], "timezone": "Asia/Shanghai"},
            "offices/PATCH": {"name": "Office", "holidays": ["2026-10-01", "2026-10-02"]},
            "offices/region": {"region": self.region, "valid_from": "2026-12-01"},
            "regions": {"code": str(uuid4())[:8].upper(), "name": "Region"},
            "regions/PATCH": {"name": "Region"},
            "visit-policies/PATCH": {"plan_due": "09:00", "radius_m": 500, "long_away_days": 20, "acknowledge_hours": 24},
        }  # fmt: skip
        return known.get(name)

    def _currency(self) -> str:
        """One after the other: there is one target for each person, month and currency."""
        return ("USD", "EUR", "JPY", "GBP", "KWD", "CHF")[next(self._days) % 6]

    def step(self, kind: str, step: str, made: Json) -> Json | None:
        """What a step of that record carries, as it should be."""
        body = self.body(kind, step)
        if body is None:
            return None
        if kind == "orders":
            return body | {"import_source": "fuzz"}
        if kind == "targets":
            return body | {"amount": {**body["amount"], "currency": made["amount"]["currency"]}}
        if kind == "visits":  # on the visit's own day, in the order of the steps
            hour = {"check-in": "02:00", "check-out": "03:00", "completion": "03:00"}.get(step, "05:00")
            return body | {"occurred_at": f"{made['business_date']}T{hour}:00Z"}
        return body

    def record(self, kind: str, step: str) -> Json | None:
        """A new record of that kind that has come so far that the step is the next one."""
        made = self._post(kind, self.body(kind))
        way = STEPS[kind]
        before = AFTER.get(f"{kind}/{step}", way.index(step) if step in way else 0)
        for each in way[:before]:
            if made is not None:
                made = self._step(kind, made, each) or made
        return made

    def _step(self, kind: str, made: Json, step: str) -> Json | None:
        path = f"/api/v1/{kind}/{made['id']}" + ("" if step == "PATCH" else f"/{step}")
        answered = self.admin.request(
            "PATCH" if step == "PATCH" else "POST",
            path,
            json=self.step(kind, step, made),
            headers={"If-Match": f'"{made["version"]}"'},
        )
        return answered.json() if answered.status_code < 300 else None

    def _post(self, kind: str, body: Json | None) -> Json | None:
        for _ in range(3):  # a day may be taken already
            answered = self.admin.post(f"/api/v1/{kind}", json=body)
            if answered.status_code < 300:
                return answered.json()
            body = self.body(kind)
        return None

    def trial(self) -> dict[str, Json]:
        """Everything as it should be, once: what was refused, by kind and step. For the test of this module."""
        refused: dict[str, Json] = {}
        steps = {(kind, step) for kind, way in STEPS.items() for step in (None, *way)}
        steps |= {(name.partition("/")[0], name.partition("/")[2]) for name in AFTER}
        for kind, step in sorted(steps, key=str):
            if step is None:
                answered = self.admin.post(f"/api/v1/{kind}", json=self.body(kind))
            else:
                made = self.record(kind, step)
                if made is None:
                    refused[f"{kind}/{step}"] = {"detail": "there is no record"}
                    continue
                path = f"/api/v1/{kind}/{made['id']}" + ("" if step == "PATCH" else f"/{step}")
                answered = self.admin.request(
                    "PATCH" if step == "PATCH" else "POST",
                    path,
                    json=self.step(kind, step, made),
                    headers={"If-Match": f'"{made["version"]}"'},
                )
            if answered.status_code >= 300:
                refused[kind if step is None else f"{kind}/{step}"] = answered.json()
        return refused
