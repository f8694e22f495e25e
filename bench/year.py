"""A year of 200 people's visits and orders as the bus carries it: made up, the same at each run."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import orjson

from contracts.envelope import Event, sequence
from contracts.orders import Order
from contracts.topics import ORDERS, VISITS, Topic
from contracts.visits import Visit
from reporting.measures import BY_TOPIC
from reporting.totals import COMPANY, Cell, Totals, add_up

EVENTS = 300_000
PEOPLE = 200
FIRST = date(2025, 1, 1)
PARTITIONS = 6


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    office: str
    region: str


@dataclass(frozen=True, slots=True)
class Said:
    """One record of the log: the state with its version as an event."""

    at: datetime
    topic: str
    key: str
    version: int
    value: bytes
    payload: bytes

    @property
    def partition(self) -> int:
        return zlib.crc32(self.key.encode()) % PARTITIONS


def people(count: int = PEOPLE, an_office: int = 20, a_region: int = 4) -> list[Person]:
    """So many in an office, so many offices in a region; ids as long as real ones."""

    def named(kind: str, number: int) -> str:
        return _id(f"{kind} {number}")

    return [
        Person(
            named("person", n),
            named("office", n // an_office),
            named("region", n // an_office // a_region),
        )
        for n in range(count)
    ]


def year() -> list[Said]:
    """Everything that is said, in the order in which it was recorded."""
    chance = random.Random(2025)  # noqa: S311 - the same year at each run
    said: list[Said] = []
    staff = people()
    weekdays = [day for n in range(365) if (day := FIRST + timedelta(days=n)).weekday() < 5]
    for number, day in enumerate(weekdays):
        for person in staff:
            said += _visit(person, day, number, chance)
            if chance.random() < 0.36:
                said += _order(person, day, number, chance)
    said.sort(key=lambda one: (one.at, one.key))
    if len(said) < EVENTS:
        raise ValueError(f"the year has only {len(said)} events")
    return said[:EVENTS]


def disordered(said: Sequence[Said]) -> list[Said]:
    """The same in no order at all, with every tenth record twice."""
    chance = random.Random(7)  # noqa: S311 - the same at each run
    mixed = [*said, *chance.sample(said, len(said) // 10)]
    chance.shuffle(mixed)
    return mixed


def plain_sums(said: Sequence[Said]) -> dict[str, dict[str, Totals]]:
    """Day, week and month totals of each person, office, region and the company, as {unit: {period: totals}}: the last
    states, simply added."""
    last: dict[str, Said] = {}
    for one in said:
        if one.key not in last or last[one.key].version < one.version:
            last[one.key] = one
    sums: defaultdict[str, defaultdict[str, list[Totals]]] = defaultdict(lambda: defaultdict(list))
    for one in last.values():
        for contribution in BY_TOPIC[one.topic].read(one.payload).contributions:
            cell = Cell.of(contribution.cell)
            values = {f"{contribution.measure}/{path}": value for path, value in contribution.values.items()}
            for period in periods(cell.day):
                for unit in (cell.person, cell.office, cell.region, COMPANY):
                    sums[unit][period].append(values)
    return {unit: {period: add_up(parts) for period, parts in found.items()} for unit, found in sums.items()}


def periods(day: str) -> tuple[str, str, str]:
    """The day, week and month of a day (ISO text)."""
    iso = date.fromisoformat(day).isocalendar()
    return day, f"{iso.year}-W{iso.week:02d}", day[:7]


def _visit(person: Person, day: date, number: int, chance: random.Random) -> Iterator[Said]:
    visit_id = _id(f"visit {person.id} {day}")
    met = chance.random() < 0.85
    begins, ends = _at(day, 1 + chance.random() * 5), _at(day, 6.2 + chance.random())
    presence = {"by": person.id, "business_date": day.isoformat(), "verdict": "verified", "distance_m": 40}
    position = {"longitude": 121.4737, "latitude": 31.2304, "accuracy_m": 12.0}
    state: dict[str, Any] = {
        "id": visit_id,
        "owner": person.id,
        "office": person.office,
        "region": person.region,
        "business_date": day.isoformat(),
        "imported": None,
        "status": "planned",
        "planned": True,
        "plan": _id(f"plan {person.id} {day.isocalendar().week}"),
        "committed": True,
        "customer": _id(f"customer {person.id} {number % 40}"),
        "customer_name": f"上海客户有限公司 {number % 40}",
        "area": None,
        "starts": None,
        "ends": None,
        "purposes": ["order", "service"],
        "step": None,
        "check_in": None,
        "check_out": None,
        "contact_met": None,
        "contact_name": None,
        "results": [],
        "next_step": None,
        "costs": [],
        "orders": [],
        "reason": None,
        "moved_to": None,
        "report": None,
        "signed": None,
        "corrected_after": 0,
        "evaluation": None,
    }
    yield _said(VISITS, "planned", state, 1, _at(day - timedelta(days=3), 9), day, person)
    state = {**state, "status": "checked_in", "check_in": {"at": begins, "position": position, **presence}}
    yield _said(VISITS, "checked_in", state, 2, begins, day, person)
    state = {
        **state,
        "status": "completed" if met else "not_met",
        "check_out": {"at": ends, "position": position, **presence},
        "contact_name": "Xu Li" if met else None,
        "results": [{"purpose": "order", "outcome": "achieved" if met else "no_result", "note": None, "amount": None}],
        "costs": [
            {
                "id": _id(f"cost {visit_id}"),
                "type": "transport",
                "amount": {"minor": chance.randrange(500, 9_000), "currency": "CNY"},
                "note": None,
            }
        ],
    }
    yield _said(VISITS, "completed" if met else "not_met", state, 3, ends, day, person)
    report, signed = _id(f"report {person.id} {day}"), _at(day, 10 + chance.random())
    state = {**state, "report": report, "signed": {"report": report, "revision": 1, "at": signed}}
    yield _said(VISITS, "signed", state, 4, signed, day, person)


def _order(person: Person, day: date, number: int, chance: random.Random) -> Iterator[Said]:
    order_id = _id(f"order {person.id} {day}")
    total = chance.randrange(10_000, 5_000_000)
    yuan = {"minor": total, "currency": "CNY"}
    product = _id(f"product {number % 30}")
    state: dict[str, Any] = {
        "id": order_id,
        "number": f"SHA-{day.year}-{number:06d}",
        "customer": _id(f"customer {person.id} {number % 40}"),
        "customer_name": f"上海客户有限公司 {number % 40}",
        "owner": person.id,
        "office": person.office,
        "region": person.region,
        "status": "received",
        "business_date": day.isoformat(),
        "received_at": _at(day, 2),
        "received_by": person.id,
        "channel": None,
        "external_ref": None,
        "visit": _id(f"visit {person.id} {day}"),
        "requested_date": None,
        "note": None,
        "lines": [
            {
                "product": product,
                "name": "Pump 水泵",
                "quantity": "2",
                "unit_price": {"minor": total // 2, "currency": "CNY"},
                "discount": {"minor": 0, "currency": "CNY"},
                "amount": yuan,
                "unit_cost": {"minor": total // 3, "currency": "CNY"},
            }
        ],
        "total": yuan,
        "margin": None,
        "correction": None,
        "verification": None,
        "returned": None,
        "confirmation": None,
        "amendments": [],
        "allocation": None,
        "delivery": None,
        "handover": None,
        "closure": None,
        "cancellation": None,
        "imported": None,
    }

    def step(at: datetime, **more: Any) -> dict[str, Any]:
        return {"at": at, "business_date": at.date().isoformat(), "by": person.id, **more}

    received, verified, confirmed = (_at(day, hour + chance.random()) for hour in (2, 4, 6))
    delivered = _at(day + timedelta(days=chance.randrange(3, 12)), 3 + chance.random())
    yield _said(ORDERS, "received", state, 1, received, day, person)
    state = {**state, "status": "verified", "verification": step(verified, note=None)}
    yield _said(ORDERS, "verified", state, 2, verified, day, person)
    credit = {"person": person.id, "office": person.office, "region": person.region}
    promise = {"promised_date": (day + timedelta(days=7)).isoformat(), "payment_method": "transfer"}
    told = {"customer_told_at": confirmed, "told_by": person.id, "credit": credit}
    margin = {"minor": total // 3, "currency": "CNY"}
    state = {**state, "status": "confirmed", "margin": margin, "confirmation": step(confirmed, **promise, **told)}
    yield _said(ORDERS, "confirmed", state, 3, confirmed, day, person)
    state = {**state, "status": "delivered", "delivery": step(delivered, receiver="Xu Li")}
    yield _said(ORDERS, "delivered", state, 4, delivered, delivered.date(), person)
    done = delivered + timedelta(hours=5)
    handover = step(done, documents=["receipt", "invoice"], receiver="Xu Li")
    state = {**state, "status": "handover_complete", "handover": handover}
    yield _said(ORDERS, "handover_completed", state, 5, done, done.date(), person)


def _id(of: str) -> str:
    """As long as a real one."""
    digest = hashlib.md5(of.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-7{digest[13:16]}-{digest[16:20]}-{digest[20:]}"


def _at(day: date, hours: float) -> datetime:
    """Hours after 08:00 in Shanghai, to the second."""
    return datetime.combine(day, time(), UTC) + timedelta(seconds=int(hours * 3_600))


def _said(
    topic: Topic, what: str, state: dict[str, Any], version: int, at: datetime, day: date, person: Person
) -> Said:
    payload = orjson.dumps(state, option=orjson.OPT_UTC_Z)
    event = {
        "specversion": "1.0",
        "id": _id(f"{state['id']}@{version}"),
        "type": f"{topic.name.removesuffix('.v1')}.{what}",
        "source": topic.source,
        "subject": state["id"],
        "time": at,
        "datacontenttype": "application/json",
        "dataschema": topic.dataschema,
        "sequence": sequence(version),
        "partitionkey": state["id"],
        "businessdate": day.isoformat(),
        "occurredat": at,
        "actor": person.id,
        "correlationid": _id(f"request {state['id']}@{version}"),
        "data": orjson.Fragment(payload),
    }
    return Said(at, topic.name, state["id"], version, orjson.dumps(event, option=orjson.OPT_UTC_Z), payload)


def hold_to_contracts(said: Sequence[Said]) -> None:
    """Raises pydantic.ValidationError where an event is not what a service would say."""
    for one in said:
        model: Any = Event[Order] if one.topic == ORDERS.name else Event[Visit]
        model.model_validate_json(one.value)
