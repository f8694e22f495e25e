"""An office of the field with its people, each with an account: what they do and see goes through the gateway only."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from tests.flows.suite import Suite

PASSWORD = "three brown foxes"
PATIENCE = 90.0
"""Seconds for what follows by a timer of half a minute, on two busy cores, with a worker that was killed."""
AWAY = frozenset({502, 503, 504})

Numbers = dict[str, Any]
"""Counts, pairs of counts and sums of a unit and period, all of which add up; what is nothing is left out."""


@dataclass(slots=True)
class Somebody:
    """An account. person: its id among the people; "" for an account without one."""

    client: httpx.Client
    person: str = ""

    def read(self, path: str, **query: Any) -> Any:
        answered = self.client.get(f"/api/v1/{path}", params=query)
        assert answered.status_code == 200, (path, query, answered.text)
        return answered.json()

    def says(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a POST answers, which must succeed."""
        answered = self._post(path, body)
        assert answered.status_code in (200, 201), (path, body, answered.text)
        return answered.json()

    def changes(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a PATCH of the record as it stands answers."""
        version = self.read(path)["version"]
        answered = self.client.patch(f"/api/v1/{path}", json=body, headers={"If-Match": f'"{version}"'})
        assert answered.status_code == 200, (path, body, answered.text)
        return answered.json()

    def is_refused(self, path: str, body: Mapping[str, Any] | None = None, version: int | None = None) -> Any:
        """Status and code of the problem; with a version it is a PATCH. The problem says what is wrong."""
        if version is None:
            answered = self._post(path, body)
        else:
            answered = self.client.patch(f"/api/v1/{path}", json=body, headers={"If-Match": f'"{version}"'})
        assert answered.headers["content-type"].startswith("application/problem+json"), answered.text
        problem = answered.json()
        assert problem["detail"], problem
        return answered.status_code, problem["code"]

    def _post(self, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """Sent again under the same key while a process that was killed is away."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        record, _, step = path.rpartition("/")
        if step in ("amendment", "correction"):  # what replaces content says which version it was decided on
            headers["If-Match"] = f'"{self.read(record)["version"]}"'
        deadline = time.monotonic() + PATIENCE
        while True:
            answered = self.client.post(f"/api/v1/{path}", json=body or {}, headers=headers)
            if answered.status_code not in AWAY or time.monotonic() > deadline:
                return answered
            time.sleep(0.2)


class Field:
    """A company, made through the gateway, and the accounts of its people."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.admin = Somebody(suite.as_administrator())
        self.region = self.admin.says("regions", {"code": _code(), "name": "Field region"})["id"]
        self._open = [self.admin]

    def close(self) -> None:
        for somebody in self._open:
            somebody.client.close()

    def office(self, name: str, timezone: str, **calendar: Any) -> str:
        body = {"code": _code(), "name": name, "region": self.region, "timezone": timezone, **calendar}
        return self.admin.says("offices", body)["id"]

    def person(
        self, name: str, role: str, office: str, manager: Somebody | None = None, rights: Sequence[str] = ()
    ) -> Somebody:
        """Somebody who works in that office since 2020, with an account."""
        body = {"name": name, "role": role, "office": office, "joined_on": "2020-01-01"}
        if manager is not None:
            body["manager"] = manager.person
        person = self.admin.says("people", body)["id"]
        return self._account(person, rights)

    def customer(self, name: str, owner: Somebody, contact: str | None = None) -> tuple[str, str]:
        """Ids of the customer and of the contact ("" without one)."""
        body = {"name": name, "owner": owner.person, "phone": f"021-5{uuid.uuid4().int % 10**7:07}"}
        customer = self.admin.says("customers", body)["id"]
        if contact is None:
            return customer, ""
        added = self.admin.says(f"customers/{customer}/contacts", {"name": contact})
        return customer, added["contacts"][-1]["id"]

    def rules(self, office: str, **rules: Any) -> None:
        """Once the visits service has heard of the office."""

        def known() -> int:
            return self.admin.client.get(f"/api/v1/visit-policies/{office}").status_code

        eventually(known, 200)
        self.admin.changes(f"visit-policies/{office}", rules)

    def _account(self, person: str, rights: Sequence[str]) -> Somebody:
        login = f"field-{uuid.uuid4().hex[:10]}"
        self.admin.says("accounts", {"login": login, "password": PASSWORD, "person": person, "rights": list(rights)})
        somebody = Somebody(self.suite.sign_in(login, PASSWORD), person)
        self._open.append(somebody)
        return somebody


def _code() -> str:
    return f"F{uuid.uuid4().int % 10**7:07}"


def evening_zone() -> str:
    """A time zone in which it is between nine and ten in the evening now: the day is done, and not over yet."""
    east = (21 - datetime.now(UTC).hour) % 24
    if east > 12:
        east -= 24
    # POSIX counts to the west.
    return f"Etc/GMT{-east:+}" if east else "Etc/GMT"


def at(zone: str, day: date, said: str) -> str:
    """An instant as a request says it: the time of day, such as 09:30, in that zone."""
    return datetime.combine(day, time_of_day.fromisoformat(said), ZoneInfo(zone)).isoformat()


def period(cadence: str, day: date) -> str:
    year, week, _ = day.isocalendar()
    return {"day": day.isoformat(), "week": f"{year}-W{week:02}", "month": f"{day:%Y-%m}"}[cadence]


# --- numbers ----------------------------------------------------------------------------------------


def numbers(who: Somebody, cadence: str, period: str, level: str, unit: str, after: str | None = None) -> Numbers:
    """What progress answers for a unit; every rate is checked against its parts on the way."""
    query = {"from": period, "to": period, "level": level, "id": unit, **({"after": after} if after else {})}
    answered = who.client.get(f"/api/v1/progress/{cadence}", params=query)
    if answered.status_code != 200:  # a process that was killed is away, or has not heard of the unit
        return {"status": answered.status_code}
    said = answered.json()
    items = said["items"]
    assert len(items) <= 1
    found = _flat(items[0]["measures"]) if items else {}
    return {**found, "pending": True} if said.get("pending") else found


def added(*parts: Numbers) -> Numbers:
    """The sum of several days or people."""
    total: Numbers = {}
    for part in parts:
        for name, value in part.items():
            total[name] = _plus(total.get(name), value)
    return total


def _plus(one: Any, other: Any) -> Any:
    if one is None:
        return other
    if isinstance(one, tuple):
        return tuple(a + b for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}
    return one + other


_COUNTS = (
    "stops_planned",
    "visits_done",
    "visits_not_met",
    "visits_missed",
    "visits_unplanned",
    "visits_open",
    "forms_due",
    "forms_on_time",
    "forms_late",
    "forms_missing",
    "orders_confirmed",
)
_PAIRS = {
    "visits_effective": ("count", "pending"),
    "visits_deal": ("count", "pending"),
    "forms_returned": ("count", "times"),
    "calls": ("count", "seconds"),
    "selling_hours": ("minutes", "declared_minutes"),
}
_RATES = ("plan_adherence", "effective_visit_rate", "deal_rate", "first_pass")


def _flat(measures: Mapping[str, Any]) -> Numbers:
    found: Numbers = {name: measures[name]["count"] for name in _COUNTS}
    for name, (first, second) in _PAIRS.items():
        found[name] = (measures[name][first], measures[name][second])
    for name in _RATES:
        found[name] = _rate(measures[name])
    found["deal_rate.planned"] = _rate(measures["deal_rate"]["planned"])
    found["visit_cost"] = {each["currency"]: each["minor"] for each in measures["visit_cost"]["amount"]}
    assert found["stops_planned"] + found["visits_unplanned"] == sum(
        found[name] for name in ("visits_done", "visits_not_met", "visits_missed", "visits_open")
    )
    return {name: value for name, value in found.items() if value and value != (0, 0)}


def _rate(said: Mapping[str, Any]) -> tuple[int, int]:
    numerator, denominator = said["numerator"], said["denominator"]
    assert said["value"] == (round(numerator / denominator, 4) if denominator else None), said
    assert said["formula"].endswith(".v1"), said
    return numerator, denominator


def eventually(look: Callable[[], Any], wanted: Any, patience: float = PATIENCE) -> None:
    """What is looked at becomes what is wanted, and is told where it does not."""
    deadline = time.monotonic() + patience
    while (found := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == wanted, json.dumps([found, wanted], default=str, ensure_ascii=False)
