"""From somebody's CSV files to right numbers, through every process, on both brokers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.flows.company import Company, told, write
from tests.flows.suite import Suite

pytestmark = pytest.mark.flow

CADENCES = {"day": ("2025-01-01", "2025-07-31"), "week": ("2025-W01", "2025-W31"), "month": ("2025-01", "2025-07")}
LEVELS = ("company", "region", "office", "person")


def numbers(suite: Suite, cadence: str, level: str) -> list[dict[str, Any]]:
    start, end = CADENCES[cadence]
    return suite.progress(cadence, "--from", start, "--to", end, "--level", level)


def eventually_right(suite: Suite, company: Company) -> None:
    """Every unit's days, weeks and months are the plain sum over the rows, and they add up to each other."""
    deadline = time.monotonic() + 120
    wanted = {key: dict(sums) for key, sums in company.expected.items()}
    while True:
        found: dict[Any, Any] = {}
        for cadence in CADENCES:
            for level in LEVELS:
                found |= told(cadence, numbers(suite, cadence, level))
        if found == wanted or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert found == wanted


def test_the_import_gives_the_numbers_that_its_rows_add_up_to(suite: Suite, company: Company) -> None:
    eventually_right(suite, company)


def test_the_import_again_changes_nothing(suite: Suite, company: Company) -> None:
    with suite.as_administrator() as admin:
        before = {path: _all(admin, path) for path in ("customers", "orders", "people", "offices", "products")}
        assert len(before["orders"]) == company.orders
        suite.salesbeat("import", company.mapping, company.folder)
        assert {path: _all(admin, path) for path in before} == before
    eventually_right(suite, company)


def test_every_fact_behind_a_number_can_be_opened(suite: Suite, company: Company) -> None:
    eventually_right(suite, company)
    with suite.as_administrator() as admin:
        for item in numbers(suite, "month", "person"):
            wanted = item["measures"]["orders_confirmed"]
            path = f"/api/v1/progress/month/{item['period']}/facts"
            asked = {"level": "person", "id": item["id"], "measure": "orders_confirmed", "limit": 200}
            rows = admin.get(path, params=asked).json()["items"]
            assert len(rows) == wanted["count"]
            for row in rows:
                assert admin.get(f"/api/v1/orders/{row['id']}").json()["number"] == row["number"]
            sums = {a["currency"]: a["minor"] for a in wanted["amount"]}
            for currency, minor in sums.items():
                amounts = [a["minor"] for row in rows for a in row["amount"] if a["currency"] == currency]
                assert sum(amounts) == minor


def test_order_numbers_of_an_office_and_year_have_no_gap(suite: Suite) -> None:
    with suite.as_administrator() as admin:
        series: dict[str, list[int]] = {}
        for order in _all(admin, "orders"):
            office, year, number = order["number"].rsplit("-", 2)
            series.setdefault(f"{office}-{year}", []).append(int(number))
    assert set(series) == {"SHA-2025", "HGH-2025", "NYC-2025"}
    for numbers_of_office in series.values():
        assert sorted(numbers_of_office) == list(range(1, len(numbers_of_office) + 1))


def test_the_embedded_broker_gives_the_same_numbers_and_up_says_that_it_took_it(folder: Path) -> None:
    company = write(folder / "company", orders=90, seed=3)
    # Nobody finds Maven or Java on such a machine.
    suite = Suite(folder / "suite", {"PATH": "/nowhere", "SALESBEAT_BROKER": "auto", "HOME": str(folder)})
    with suite.running() as said:
        assert "embedded" in said
        suite.salesbeat("import", company.mapping, company.folder)
        eventually_right(suite, company)


def _all(client: Any, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        answered = client.get(f"/api/v1/{path}", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
        assert answered.status_code == 200, answered.text
        page = json.loads(answered.text)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
