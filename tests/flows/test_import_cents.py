"""Orders as a trading company's database writes them out: the numbers agree to the cent with a sum computed apart.

Discounts are fractions, what is missing is the word NULL, times have fractions of a second and no offset, and a manager
sells, too.
"""

from __future__ import annotations

import csv
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import WISH
from tests.flows.suite import Suite

pytestmark = pytest.mark.flow

MAPPING = """\
mapping: 1
name: traders
defaults: {timezone: America/New_York, currency: USD, empty: ["", "NULL"]}
files:
  staff: {file: employees.csv}
  goods: {file: products.csv}
  clients: {file: customers.csv}
  orders: {file: orders.csv}
  details: {file: order_details.csv}
  places:
    rows: [{region: EAST, code: NYC, name: New York}]
regions: {from: places, key: region, code: region, name: region}
offices: {from: places, key: code, code: code, name: name, region: region, timezone: {constant: America/New_York}}
people:
  - from: staff
    where: {reports_to: {empty: true}}
    key: id
    name: name
    role: {constant: office_head}
    office: {constant: NYC}
    joined_on: hired
  - from: staff
    where: {reports_to: {empty: false}}
    key: id
    name: name
    role: {constant: salesperson}
    office: {constant: NYC}
    manager: reports_to
    joined_on: hired
products: {from: goods, key: id, name: name, price: price}
customers: {from: clients, key: id, name: name, owner: {constant: "1"}, prospect_since: {constant: 1995-01-01}}
orders:
  from: orders
  key: id
  external_ref: id
  customer: customer
  owner: employee
  received: ordered
  requested_date: required
  lines:
    from: details
    order: order
    product: product
    quantity: quantity
    unit_price: price
    discount_percent: {column: discount, times: 100}
  steps:
    confirmed:
      on: ordered
      promised_date: {column: ordered, plus_days: 14}
      payment_method: {constant: net 30 days}
    delivered: {when: {shipped: {empty: false}}, on: shipped, receiver: {constant: goods in}}
"""
STAFF = [("1", "Nancy", "2"), ("2", "Andrew", "NULL"), ("3", "Janet", "2")]
"""Andrew reports to nobody: he is the manager of the others, and sells."""
DISCOUNTS = ("0", "0.05", "0.15", "0.2", "0.075", "0.125", "0.333333")


FIRST = datetime(1997, 1, 31, 23, 59, 59, 996_700)  # noqa: DTZ001 - the files say no zone
"""The last second of a day and of its month, with a fraction that would round into the next one."""


@dataclass
class Traders:
    """totals: minor units by order; months: by (month, name of the seller)."""

    folder: Path
    mapping: Path
    totals: dict[str, int]
    months: dict[tuple[str, str], int]


def write(folder: Path, orders: int = 60) -> Traders:
    """The files, and what they add up to by plain decimals: each line's net amount is rounded half up."""
    chance = random.Random(11)
    folder.mkdir(parents=True)
    totals: dict[str, int] = {}
    months: defaultdict[tuple[str, str], int] = defaultdict(int)
    rows, details = [], []
    for number in range(orders):
        seller, name, _ = STAFF[number % len(STAFF)]
        ordered = FIRST + timedelta(days=chance.randrange(0, 300, 3))
        shipped = f"{ordered + timedelta(days=9):%Y-%m-%d %H:%M:%S}.000" if number % 4 else "NULL"
        required = f"{ordered + timedelta(days=28):%Y-%m-%d} 00:00:00.000" if number % 5 else "NULL"
        said = f"{ordered:%Y-%m-%d %H:%M:%S.%f}"[:-3]
        rows.append([10_248 + number, f"C{number % 7}", seller, said, required, shipped])
        total = 0
        for product in chance.sample(range(9), chance.randint(1, 4)):
            price = Decimal(chance.choice((150, 250, 1_445, 99, 1, chance.randint(1, 9_999)))) / 100
            quantity = Decimal(chance.choice(("1", "3", "7", "12", "2.5", "0.125")))
            discount = Decimal(chance.choice(DISCOUNTS))
            details.append([10_248 + number, f"P{product}", f"{price:.2f}", quantity, discount])
            total += int((price * quantity * (1 - discount) * 100).quantize(Decimal(1), ROUND_HALF_UP))
        totals[str(10_248 + number)] = total
        months[f"{ordered:%Y-%m}", name] += total
    traders = Traders(folder, folder / "traders.yaml", totals, dict(months))
    traders.mapping.write_text(MAPPING)
    hired = "1992-04-01 00:00:00.000"
    _csv(folder / "employees.csv", ["id", "name", "reports_to", "hired"], [[*each, hired] for each in STAFF])
    _csv(folder / "products.csv", ["id", "name", "price"], [[f"P{n}", f"Product {n}", "9.99"] for n in range(9)])
    _csv(folder / "customers.csv", ["id", "name"], [[f"C{n}", f"Customer number {n}"] for n in range(7)])
    _csv(folder / "orders.csv", ["id", "customer", "employee", "ordered", "required", "shipped"], rows)
    _csv(folder / "order_details.csv", ["order", "product", "price", "quantity", "discount"], details)
    return traders


def _csv(path: Path, header: list[str], rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="module")
def traders(scratch: Path) -> Traders:
    return write(scratch / "traders")


@pytest.fixture(scope="module")
def traded(scratch: Path, traders: Traders) -> Iterator[Suite]:
    """A suite of its own, which holds these orders and no others."""
    suite = Suite(scratch / "traded", {"SALESBEAT_BROKER": WISH})
    with suite.running():
        suite.salesbeat("import", traders.mapping, traders.folder, "--dry-run")
        suite.salesbeat("import", traders.mapping, traders.folder)
        yield suite


def test_every_order_and_every_month_agrees_to_the_cent(traded: Suite, traders: Traders) -> None:
    with traded.as_administrator() as admin:
        orders: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = admin.get("/api/v1/orders", params={"limit": 200, **cursor}).json()
            orders += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
    assert {order["external_ref"]: order["total"]["minor"] for order in orders} == traders.totals
    assert all(order["total"]["minor"] == sum(line["amount"]["minor"] for line in order["lines"]) for order in orders)
    deadline = time.monotonic() + 120
    while True:
        found = {
            (item["period"], item["name"]): sum(
                part["minor"] for part in item["measures"]["orders_confirmed"]["amount"]
            )
            for item in traded.progress("month", "--from", "1997-01", "--to", "1997-12", "--level", "person")
            if item["measures"]["orders_confirmed"]["count"]
        }
        if found == traders.months or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert found == traders.months


def test_the_same_import_again_changes_nothing(traded: Suite, traders: Traders) -> None:
    said = traded.salesbeat("import", traders.mapping, traders.folder)
    with traded.as_administrator() as admin:
        orders = admin.get("/api/v1/orders", params={"limit": 200}).json()["items"]
    assert len(orders) == len(traders.totals), said
