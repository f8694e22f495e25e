"""Commands answer while the broker hangs or is dead, and their events arrive when it is back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import WISH
from tests.flows.company import write
from tests.flows.suite import Suite
from tests.flows.test_import_flow import eventually_right

pytestmark = pytest.mark.flow


@pytest.fixture
def admin(folder: Path) -> Iterator[tuple[Suite, httpx.Client]]:
    company = write(folder / "company", orders=20, seed=5)
    suite = Suite(folder / "suite", {"SALESBEAT_BROKER": WISH})
    with suite.running():
        suite.salesbeat("import", company.mapping, company.folder)
        eventually_right(suite, company)
        with suite.as_administrator() as client:
            yield suite, client


def test_a_command_answers_while_the_broker_hangs(admin: tuple[Suite, httpx.Client]) -> None:
    suite, client = admin
    broker = suite.pid("kafka")
    os.kill(broker, signal.SIGSTOP)
    try:
        order = confirmed_order(client)
        asked = {"after": f"order:{order['id']}@{order['version']}"}
        assert client.get("/api/v1/progress/month", params=asked).json()["pending"] is True
    finally:
        os.kill(broker, signal.SIGCONT)
    arrives(client, order)


def test_a_command_answers_while_the_broker_is_dead(admin: tuple[Suite, httpx.Client]) -> None:
    suite, client = admin
    suite.kill("kafka")
    arrives(client, confirmed_order(client))


def confirmed_order(client: httpx.Client) -> dict[str, Any]:
    """A new order, through its first three commands."""
    some = client.get("/api/v1/orders", params={"limit": 50}).json()["items"][0]
    line = {"product": some["lines"][0]["product"], "quantity": "2", "unit_price": some["lines"][0]["unit_price"]}
    made = client.post("/api/v1/orders", json={"customer": some["customer"], "lines": [line]})
    assert made.status_code == 201, made.text
    order = made.json()
    promise = {
        "promised_date": "2099-01-01",
        "payment_method": "transfer",
        "customer_told_at": order["received_at"],
        "told_by": order["owner"],
    }
    for step, body in (("verification", {}), ("confirmation", promise)):
        answered = client.post(f"/api/v1/orders/{order['id']}/{step}", json=body)
        assert answered.status_code == 200, answered.text
        order = answered.json()
    return order


def arrives(client: httpx.Client, order: dict[str, Any]) -> None:
    asked = {"after": f"order:{order['id']}@{order['version']}", "level": "person", "id": order["owner"]}
    deadline = time.monotonic() + 120
    while True:
        answer = client.get("/api/v1/progress/day", params=asked).json()
        if not answer.get("pending"):
            break
        assert time.monotonic() < deadline, "the event has not arrived"
    assert answer["items"][0]["measures"]["orders_confirmed"]["count"] == 1
