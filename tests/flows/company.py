"""A small company as somebody's CSV files, its mapping, and its numbers as a plain sum over the same rows."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

MAPPING = """\
mapping: 1
name: small-company
defaults: {dates: YYYY-MM-DD, timezone: Asia/Shanghai, currency: CNY, time: "12:00"}
files:
  offices: {file: offices.csv}
  people: {file: people.csv}
  products: {file: products.csv}
  customers: {file: customers.csv}
  orders: {file: orders.csv}
  lines: {file: order_lines.csv}
regions: {from: offices, distinct: true, key: region, code: region, name: "{region} region"}
offices: {from: offices, key: code, code: code, name: name, region: region, timezone: timezone}
people:
  from: people
  key: id
  name: name
  role: role
  office: {column: office}
  region: {column: region}
  manager: manager
  joined_on: {constant: 2024-01-01}
products: {from: products, key: code, name: name, price: price, cost: cost, currency: currency}
customers: {from: customers, key: id, name: name, owner: owner, phone: phone, prospect_since: {constant: 2024-01-02}}
contacts: {from: customers, customer: id, name: contact, decision_role: {constant: buyer}}
orders:
  from: orders
  key: id
  customer: customer
  external_ref: id
  currency: currency
  received: received
  note: note
  lines: {from: lines, order: order, product: product, quantity: quantity, unit_price: unit_price}
  steps:
    verified: {when: {confirmed: {empty: false}}, on: confirmed}
    confirmed:
      when: {confirmed: {empty: false}}
      on: confirmed
      promised_date: promised
      payment_method: {constant: transfer}
    cancelled: {when: {cancelled: {empty: false}}, on: cancelled, reason: {constant: changed plans}}
"""

OFFICES = [
    # code, name, region, timezone, currency
    ("SHA", "上海办事处", "EAST", "Asia/Shanghai", "CNY"),
    ("HGH", "杭州办事处", "EAST", "Asia/Shanghai", "CNY"),
    ("NYC", "New York office", "WEST", "America/New_York", "USD"),
]
PEOPLE_OF_AN_OFFICE = 3
CUSTOMERS_OF_A_PERSON = 3


@dataclass
class Company:
    """`expected` is by level, then (period, unit) as `salesbeat progress` names it, then the measure's parts."""

    folder: Path
    mapping: Path
    orders: int = 0
    expected: dict[tuple[str, str, str, str], dict[str, Any]] = field(default_factory=dict)


def write(folder: Path, orders: int = 240, seed: int = 7) -> Company:
    """The files, made anew from the seed, and the sums that follow from them."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    people: list[list[Any]] = []
    customers: list[list[Any]] = []
    for code, *_ in OFFICES:
        head = f"{code}-head"
        people.append([head, f"{code} head", "office_head", code, "", ""])
        for n in range(PEOPLE_OF_AN_OFFICE):
            person = f"{code}-{n}"
            people.append([person, f"{code} seller {n}", "salesperson", code, "", head])
            for m in range(CUSTOMERS_OF_A_PERSON):
                number = len(customers)
                customers.append(
                    [f"C{number}", f"{code} customer {n}{m}", person, f"021-6000{number:04}", f"{code} buyer {n}{m}"]
                )
    products = [
        [f"P-{currency}-{n}", f"Product {n} in {currency}", f"{10 + n}.99", f"{5 + n}.10", currency]
        for currency in ("CNY", "USD")
        for n in range(4)
    ]
    company = Company(folder, folder / "mapping.yaml", orders)
    rows: list[list[Any]] = []
    lines: list[list[Any]] = []
    for number in range(orders):
        customer = rng.choice(customers)
        office = next(each for each in OFFICES if each[0] == customer[2][:3])
        received = date(2025, 1, 1) + timedelta(days=rng.randrange(150))
        confirmed = received + timedelta(days=rng.randrange(6)) if rng.random() < 0.85 else None
        cancelled = confirmed + timedelta(days=rng.randrange(40)) if confirmed and rng.random() < 0.1 else None
        total = 0
        for _ in range(rng.randint(1, 3)):
            cents, quantity = rng.randrange(1_00, 90_000_00), rng.randint(1, 9)
            total += cents * quantity
            product = f"P-{office[4]}-{rng.randrange(4)}"
            lines.append([f"O{number}", product, quantity, f"{cents // 100}.{cents % 100:02}"])
        dates = [day.isoformat() if day else "" for day in (confirmed, cancelled)]
        promised = (confirmed + timedelta(days=14)).isoformat() if confirmed else ""
        rows.append(
            [f"O{number}", customer[0], office[4], received.isoformat(), *dates, promised, f"note of {customer[1]}"]
        )
        if confirmed:
            _expect(company, "orders_confirmed", confirmed, office, customer[2], office[4], total)
        if cancelled:
            _expect(company, "orders_cancelled", cancelled, office, customer[2], office[4], total)
    company.mapping.write_text(MAPPING)
    _csv(folder / "offices.csv", ["code", "name", "region", "timezone"], [row[:4] for row in OFFICES])
    _csv(folder / "people.csv", ["id", "name", "role", "office", "region", "manager"], people)
    _csv(folder / "products.csv", ["code", "name", "price", "cost", "currency"], products)
    _csv(folder / "customers.csv", ["id", "name", "owner", "phone", "contact"], customers)
    header = ["id", "customer", "currency", "received", "confirmed", "cancelled", "promised", "note"]
    _csv(folder / "orders.csv", header, rows)
    _csv(folder / "order_lines.csv", ["order", "product", "quantity", "unit_price"], lines)
    return company


def _expect(company: Company, measure: str, day: date, office: Any, person: str, currency: str, total: int) -> None:
    year, week, _ = day.isocalendar()
    periods = {"day": day.isoformat(), "week": f"{year}-W{week:02}", "month": f"{day:%Y-%m}"}
    number = person.rpartition("-")[2]
    names = {
        "company": "company",
        "region": f"{office[2]} region",
        "office": office[1],
        "person": f"{person[:3]} seller {number}",
    }
    for cadence, period in periods.items():
        for level, name in names.items():
            sums = company.expected.setdefault((cadence, level, period, name), defaultdict(int))
            sums[f"{measure}/count"] += 1
            sums[f"{measure}/{currency}"] += total


def _csv(path: Path, header: list[str], rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def told(cadence: str, items: list[dict[str, Any]]) -> dict[tuple[str, str, str, str], dict[str, int]]:
    """What `salesbeat progress` answered, in the form of `Company.expected`; units without either are left out."""
    found: dict[tuple[str, str, str, str], dict[str, int]] = {}
    for item in items:
        sums: dict[str, int] = {}
        for measure in ("orders_confirmed", "orders_cancelled"):
            said = item["measures"][measure]
            if said["count"]:
                sums[f"{measure}/count"] = said["count"]
                sums |= {f"{measure}/{amount['currency']}": amount["minor"] for amount in said["amount"]}
        if sums:
            name = "company" if item["level"] == "company" else item["name"]
            found[cadence, item["level"], item["period"], name] = sums
    return found
