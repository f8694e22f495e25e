"""How the demo's records are made: chance that falls the same way for ever, moments of a working day, bodies."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chassis.ids import derived_id
from salesbeat.demo import calendar, company
from salesbeat.demo.company import Office, Person
from salesbeat.importing.plan import Body, Record, Request


def luck(*about: Any) -> random.Random:
    """Chance that always falls the same way for the same matter."""
    return random.Random("|".join([company.SEED, *map(str, about)]))  # noqa: S311 - no secret


def skill(seller: Person) -> float:
    return luck("skill", seller.login).uniform(0.75, 1.3)


def within_hours(chance: random.Random, day: date, office: Office) -> datetime:
    """A moment of the office's working day."""
    return datetime.combine(day, time(9), ZoneInfo(office.timezone)) + timedelta(minutes=chance.randrange(510))


def later(chance: random.Random, at: datetime, days: int, office: Office) -> datetime:
    """A moment so many workdays later; for 0 within the next hours, or on the next workday when it has got late."""
    if days == 0:
        moment = at + timedelta(minutes=chance.randint(20, 150))
        if moment.time() < time(19) and moment.date() == at.date():
            return moment
    return within_hours(chance, calendar.after(at.date(), days or 1), office)


def between(chance: random.Random, day: date, first: str, last: str, office: Office) -> datetime:
    """A moment of that day between two times of day, such as 17:30 and 20:00, by the office's clock."""
    begin = datetime.combine(day, time.fromisoformat(first), ZoneInfo(office.timezone))
    end = datetime.combine(day, time.fromisoformat(last), ZoneInfo(office.timezone))
    return begin + timedelta(minutes=chance.randint(0, int((end - begin).total_seconds()) // 60))


def identity(kind: str, key: str) -> str:
    return derived_id("salesbeat demo", f"{kind}:{key}")


def new_record(
    kind: str, key: str, body: Body, *, needs: list[Record] | None = None, at: datetime | None = None
) -> Record:
    """A record with the request that makes it."""
    record = Record(kind, key, identity(kind, key), [], needs=needs or [], at=at)
    body = {"id": record.id, **body, "import_source": f"demo:{kind}:{key}"}
    record.requests.append(Request(f"/api/v1/{kind}", body))
    return record


def entered(at: datetime, by: Record) -> Body:
    """When it happened, and whose act it is."""
    return {"occurred_at": at.isoformat(), "on_behalf_of": by.id}


def yuan(amount: int) -> Body:
    return {"minor": amount * 100, "currency": "CNY"}
