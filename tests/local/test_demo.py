"""The made-up company: the same for the same day, believable, taken by the services, and harmless when run again."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import httpx
import pytest
from rich.console import Console

from chassis.phone import phone_numbers
from contracts.money import Money
from contracts.orders import OrderStatus, Product
from customers.customer.identity import name_key, numbers_in
from orders.order import lines as arithmetic
from salesbeat.demo import calendar, command, company, life
from salesbeat.demo.send import FieldSender
from salesbeat.importing.plan import Record, Request, layers
from salesbeat.refusals import Refused
from tests.local.demo_gateway import FIELD, FieldGateway, body_of
from tests.local.import_gateway import BODIES, problem

TODAY = date(2026, 11, 24)
DAYS = (TODAY, date(2026, 1, 1), date(2026, 3, 2), date(2026, 10, 8), date(2027, 6, 15))

STATUS = {
    "creation": OrderStatus.RECEIVED,
    "correction": OrderStatus.RECEIVED,
    "return": OrderStatus.RETURNED,
    "verification": OrderStatus.VERIFIED,
    "confirmation": OrderStatus.CONFIRMED,
    "allocation": OrderStatus.ALLOCATED,
    "delivery": OrderStatus.DELIVERED,
    "handover": OrderStatus.HANDOVER_COMPLETE,
    "closure": OrderStatus.CLOSED,
    "cancellation": OrderStatus.CANCELLED,
}


@cache
def lived(today: date, since: date | None = None) -> dict[str, list[Record]]:
    return life.records(today, since)


def every(made: dict[str, list[Record]]) -> list[Record]:
    """All records; the rules of an office have its id."""
    return [record for kind, records in made.items() if kind != "visit-policies" for record in records]


def all_said(records: dict[str, list[Record]]) -> list[tuple[str, str, str]]:
    return [(r.path, r.method, r.key) for kind in records.values() for record in kind for r in record.requests]


def steps(order: Record) -> list[str]:
    return [request.name for request in order.requests]


def status(order: Record) -> OrderStatus:
    return STATUS[[name for name in steps(order) if name != "amendment"][-1]]


def local_day(request: Request) -> date:
    return datetime.fromisoformat(request.body["occurred_at"]).date()


def worth(today: date) -> dict[tuple[str, str], int]:
    """Confirmed orders in minor units by office and month, by the arithmetic of the orders service."""
    made = lived(today)
    products = {
        record.id: Product.model_validate({k: v for k, v in record.requests[0].body.items() if k != "import_source"})
        for record in made["products"]
    }
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for order in made["orders"]:
        lines = arithmetic.at_cost(arithmetic.priced(wanted(order), products, currency="CNY"), products)
        margin = arithmetic.margin(lines)
        assert margin is not None
        assert 0 < margin.minor < arithmetic.total(lines).minor
        for request in order.requests:
            if request.name == "confirmation" and status(order) != OrderStatus.CANCELLED:
                office = next(need for need in order.needs[0].needs if need.kind == "offices")
                sums[office.key, request.body["occurred_at"][:7]] += arithmetic.total(lines).minor
    return sums


def wanted(order: Record) -> list[arithmetic.Wanted]:
    return [
        arithmetic.Wanted(
            line["product"],
            Decimal(line["quantity"]),
            Money(**line["unit_price"]) if "unit_price" in line else None,
            None,
            Decimal(line["discount_percent"]) if "discount_percent" in line else None,
        )
        for line in order.requests[0].body["lines"]
    ]


def test_the_same_day_gives_the_same_company() -> None:
    assert all_said(life.records(TODAY)) == all_said(lived(TODAY))


@pytest.mark.parametrize(("days", "known"), [(1, 0.99), (5, 0.95), (12, 0.75)])
def test_another_day_takes_the_same_company_further(days: int, known: float) -> None:
    """What both days know begins with the same words: run again later, the demo only adds."""
    since = life.field_begins(TODAY)
    before = {record.id: record for record in every(lived(TODAY, since))}
    later = {record.id: record for record in every(lived(TODAY + timedelta(days=days), since))}
    both = before.keys() & later.keys()
    assert len(both) > known * len(before)
    for id in both:
        said = [request.key for request in before[id].requests]
        assert [request.key for request in later[id].requests][: len(said)] == said
    assert any(len(later[id].requests) > len(before[id].requests) for id in both)


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_the_company_is_as_large_as_promised(today: date) -> None:
    made = lived(today)
    counts = {kind: len(records) for kind, records in made.items()}
    assert (counts["regions"], counts["offices"], counts["people"], counts["products"]) == (3, 6, 40, 15)
    assert 100 <= counts["customers"] <= 145
    assert 500 <= counts["orders"] <= 1300
    roles = Counter(person.role for person in company.PEOPLE)
    assert roles == {
        "top_manager": 1,
        "owner": 1,
        "regional_supervisor": 3,
        "office_head": 6,
        "salesperson": 24,
        "clerk": 3,
        "service_desk": 2,
    }
    assert len({record.id for record in every(made)}) == len(every(made))


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_nothing_happens_on_a_day_off_or_after_yesterday(today: date) -> None:
    for kind in ("customers", "contacts", "orders", "targets"):
        for record in lived(today)[kind]:
            for request in record.requests:
                day = local_day(request)
                assert calendar.is_workday(day), (record.key, request.name, day)
                assert day < today


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_every_state_of_an_order_is_there(today: date) -> None:
    orders = lived(today)["orders"]
    counts = Counter(status(order) for order in orders)
    assert set(counts) == set(OrderStatus)
    assert any("amendment" in steps(order) for order in orders)
    confirmed = [order for order in orders if "confirmation" in steps(order)]
    assert any(status(order) == OrderStatus.CANCELLED for order in confirmed)
    assert counts[OrderStatus.CANCELLED] < 0.12 * len(orders)


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_every_state_of_a_new_customer_is_there(today: date) -> None:
    last = Counter(record.requests[-1].name for record in lived(today)["customers"])
    assert set(last) == {"creation", "qualification", "activation", "loss"}


def test_some_orders_come_late() -> None:
    late = 0
    done = [order for order in lived(TODAY)["orders"] if "handover" in steps(order)]
    for order in done:
        by_name = {request.name: request for request in order.requests}
        promised = by_name["confirmation"].body["promised_date"]
        promised = by_name["amendment"].body.get("promised_date", promised) if "amendment" in by_name else promised
        late += local_day(by_name["handover"]) > date.fromisoformat(promised)
    assert 0.1 < late / len(done) < 0.45


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_the_steps_of_a_record_follow_each_other_in_time(today: date) -> None:
    for kind in ("customers", "orders"):
        for record in lived(today)[kind]:
            moments = [datetime.fromisoformat(request.body["occurred_at"]) for request in record.requests]
            assert moments == sorted(moments)
            for request in record.requests:
                if request.name == "confirmation":
                    assert moments[0] <= datetime.fromisoformat(request.body["customer_told_at"])
                    assert date.fromisoformat(request.body["promised_date"]) >= local_day(request)


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_amounts_are_exact_and_leave_a_margin(today: date) -> None:
    assert all(isinstance(minor, int) and minor > 0 for minor in worth(today).values())
    for target in lived(today)["targets"]:
        assert target.requests[0].body["amount"]["minor"] % 1_000_000 == 0


@pytest.mark.parametrize("today", [TODAY, date(2027, 6, 15)], ids=str)
def test_one_office_rises_and_one_is_weak(today: date) -> None:
    sums = worth(today)
    months = sorted({month for _, month in sums})
    rising = [sums[company.RISING, month] for month in months[:3]]
    assert rising[0] < rising[1] < rising[2]
    whole = {office.code: sum(sums[office.code, month] for month in months) for office in company.OFFICES}
    assert min(whole, key=lambda code: whole[code]) == company.WEAK


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_no_two_customers_are_taken_for_one(today: date) -> None:
    alike: Counter[str] = Counter()
    for record in lived(today)["customers"]:
        body = record.requests[0].body
        alike.update([name_key(body["name"]), *numbers_in(body["phone"]), body["tax_id"]])
    assert max(alike.values()) == 1


def test_every_phone_of_the_demo_is_a_chinese_number() -> None:
    made = lived(TODAY)
    bodies = [request.body for kind in made for record in made[kind] for request in record.requests]
    phones = [body["phone"] for body in bodies if isinstance(body, dict) and body.get("phone")]
    assert len(phones) > 100
    assert all(number.startswith("+86") for phone in phones for number in phone_numbers(phone))


def test_people_work_before_they_do_anything() -> None:
    made = lived(TODAY)
    opened = {record.id: record.requests[0].body["opened_on"] for record in made["offices"]}
    joined = {record.id: record.requests[0].body for record in made["people"]}
    assert all(body["joined_on"] >= opened.get(body.get("office", ""), "") for body in joined.values())
    for kind in ("customers", "orders", "targets"):
        for record in made[kind]:
            for request in record.requests:
                assert request.body["occurred_at"] > joined[request.body["on_behalf_of"]]["joined_on"]


def test_the_services_take_every_body() -> None:
    seen: set[tuple[str, str]] = set()
    for kind, records in lived(TODAY, life.field_begins(TODAY, 60)).items():
        for record in records:
            for request in record.requests:
                body_of(kind, request.name).model_validate(request.body)
                seen.add((kind if kind in FIELD or request.name == "creation" else "", request.name))
    wanted = {(kind, name) for kind, steps in FIELD.items() for name in steps}
    kinds = {kind for kind in life.KINDS if kind not in FIELD}
    assert seen == wanted | {(kind, "creation") for kind in kinds} | {
        ("", name) for name in set(BODIES) - kinds - {"accounts"}
    }


def test_holidays_and_the_weekends_worked_for_them() -> None:
    assert not calendar.is_workday(date(2026, 10, 1))
    assert calendar.is_workday(date(2026, 10, 10))  # a Saturday
    assert not calendar.is_workday(date(2026, 10, 11))
    assert calendar.is_workday(date(2026, 9, 20))  # a Sunday
    assert calendar.after(date(2026, 9, 30), 1) == date(2026, 10, 8)
    assert calendar.after(date(2026, 10, 8), -1) == date(2026, 9, 30)
    assert not calendar.HOLIDAYS & calendar.EXTRA_WORKDAYS
    assert all(day.isoweekday() > 5 for day in calendar.EXTRA_WORKDAYS)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> FieldGateway:
    made = FieldGateway()

    class Sender(FieldSender):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more, sleep=made.sleep, now=lambda: made.seconds)

    monkeypatch.setattr(command, "FieldSender", Sender)
    return made


async def demo(gateway: FieldGateway, today: date = TODAY) -> str:
    console = Console(file=io.StringIO(), width=200)
    await command.run(gateway, today=today, console=console)  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_a_second_run_changes_nothing_and_a_later_one_goes_on(gateway: FieldGateway) -> None:
    text = await demo(gateway)
    assert len(gateway.of("orders")) == len(lived(TODAY)["orders"])
    assert {order["status"] for order in gateway.of("orders")} == {str(each) for each in OrderStatus}
    assert sum(len(customer["contacts"]) for customer in gateway.of("customers")) == len(lived(TODAY)["contacts"])
    for role in ("salesperson", "office_head", "regional_supervisor", "top_manager", "owner", "clerk", "service_desk"):
        assert f"({role})" in text
    assert command.PASSWORD in text
    before = {id: record["version"] for id, record in gateway.records.items()}
    gateway.later(hours=1)
    assert "Nothing new has happened" in await demo(gateway)
    assert {id: record["version"] for id, record in gateway.records.items()} == before
    gateway.later(days=5)
    await demo(gateway, TODAY + timedelta(days=5))
    assert len(gateway.records) > len(before)
    assert sum(gateway.records[id]["version"] > version for id, version in before.items()) > 50


@pytest.fixture
def few_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = {"orders": 80, "visit-plans": 60, "visits": 40, "daily-reports": 40, "meetings": 20}
    few = {kind: records[: lengths.get(kind)] for kind, records in lived(TODAY).items()}
    monkeypatch.setattr(life, "records", lambda today, since=None: few)


@pytest.mark.usefixtures("few_orders")
async def test_accounts_are_of_people_that_there_are(gateway: FieldGateway) -> None:
    await demo(gateway)
    accounts = gateway.of("accounts")
    assert {gateway.records[account["person"]]["email"].partition("@")[0] for account in accounts} == {
        account["login"] for account in accounts
    }
    assert {account["password"] for account in accounts} == {command.PASSWORD}
    places = {gateway.records[account["person"]].get("office") for account in accounts}
    assert places > {office["id"] for office in gateway.of("offices")}


@pytest.mark.usefixtures("few_orders")
async def test_answers_that_are_lost_double_nothing(gateway: FieldGateway) -> None:
    lost: set[tuple[str, str, bytes]] = set()

    def lose(request: httpx.Request) -> Exception | None:
        if request.method == "GET" or (one := (request.method, request.url.path, request.content)) in lost:
            return None
        lost.add(one)
        return httpx.ReadError("connection lost")

    gateway.after = lose
    await demo(gateway)
    assert any(method == "PATCH" for method, _, _ in lost)
    undisturbed = FieldGateway()
    async with undisturbed.client as client:
        sender = FieldSender(client, in_flight=8, done=lambda record, verdict: None)
        for kind in life.KINDS:
            for layer in layers(life.records(TODAY)[kind]):
                await sender.send(layer)
    assert {id: record["version"] for id, record in gateway.records.items() if id in undisturbed.records} == {
        id: record["version"] for id, record in undisturbed.records.items()
    }


@pytest.mark.usefixtures("few_orders")
async def test_what_is_not_taken_is_told(gateway: FieldGateway) -> None:
    gateway.before = lambda request: (
        problem(422, "no", "Not today.") if request.url.path == "/api/v1/products" else None
    )
    with pytest.raises(Refused, match="products: Not today"):
        await demo(gateway)
