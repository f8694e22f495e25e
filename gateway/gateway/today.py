"""GET /api/v1/today: what the caller needs this morning (report D1 of domain.md, as far as it exists)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from contracts.customers import CustomerStatus
from gateway.parts import AskDep, gather
from gateway.progress import DateQuery, day_of, in_period, measures, own_unit
from gateway.waiting import waiting

router = APIRouter(tags=["pages"])

SHOWN = 20


@router.get("/today")
async def today(request: Request, ask: AskDep, date: DateQuery = None) -> dict[str, Any]:
    """Open orders by status, prospects to win, and how far the day and the month are."""
    day = await day_of(request, ask, date)
    level, unit = own_unit(ask.caller)
    parts = await gather(
        {
            "orders": waiting(ask, SHOWN),
            "prospects": ask("customers", "/api/v1/customers", status=CustomerStatus.PROSPECT, limit=SHOWN),
            "day": in_period(ask, "day", day, level, unit),
            "month": in_period(ask, "month", day, level, unit),
        }
    )
    return {
        "date": day.isoformat(),
        "person": ask.caller.person,
        "name": ask.caller.name,
        "orders": parts["orders"],
        "prospects": parts.rows("prospects"),
        "progress": {"level": level, "id": unit, "day": measures(parts["day"]), "month": measures(parts["month"])},
        **parts.gaps,
    }
