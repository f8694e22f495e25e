"""Orders as the customers worker hears of them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chassis.consumer import Received
from contracts.topics import ORDERS
from customers.customer.model import Confirmed


def at_noon(day: date) -> datetime:
    """Noon in Shanghai."""
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def confirmed(order: str, day: date, at: datetime | None = None) -> Confirmed:
    return Confirmed(order, day, at or at_noon(day))


def said(order: str, customer: str, day: date | None, *, version: int = 3, at: datetime | None = None) -> Received:
    """An event of an order, confirmed on that day or not yet; only what customers look at, and a field it ignores."""
    at = at or at_noon(day or date(2026, 1, 1))
    state: dict[str, Any] = {"id": order, "customer": customer, "number": "SHA-2026-000001", "confirmation": None}
    if day is not None:
        state["confirmation"] = {"at": at.isoformat(), "business_date": day.isoformat(), "payment_method": "transfer"}
    return Received(
        topic=ORDERS.name,
        partition=0,
        offset=0,
        key=order,
        id=f"{order}@{version}",
        type="sales.order.confirmed" if day else "sales.order.received",
        subject=order,
        version=version,
        time=at + timedelta(seconds=1),
        occurred_at=at,
        business_date=day or at.date(),
        actor="li",
        payload=json.dumps(state).encode(),
    )
