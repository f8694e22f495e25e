"""GET /api/v1/today: what the caller needs this morning (report D1 of domain.md, as far as it exists)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from gateway.parts import AskDep, gather
from gateway.progress import DateQuery, day_of, in_period, measures, own_unit

router = APIRouter(tags=["pages"])

SHOWN = 20
TO_ACT_ON = "received,returned,verified,confirmed,allocated,delivered"
"""Orders before their end; the ones that wait longest come first."""


@router.get("/today")
async def today(request: Request, ask: AskDep, date: DateQuery = None) -> dict[str, Any]:
    """Open orders to act on, prospects to win, and how far the day and the month are."""
    day = await day_of(request, ask, date)
    level, id = own_unit(ask.caller)
    parts = await gather(
        {
            "orders": ask("orders", "/api/v1/orders", status=TO_ACT_ON, sort="received_at", limit=SHOWN),
            "prospects": ask("customers", "/api/v1/customers", status="prospect", limit=SHOWN),
            "day": in_period(ask, "day", day, level, id),
            "month": in_period(ask, "month", day, level, id),
        }
    )
    return {
        "date": day.isoformat(),
        "person": ask.caller.person,
        "name": ask.caller.name,
        "orders": parts.rows("orders"),
        "prospects": parts.rows("prospects"),
        "progress": {"level": level, "id": id, "day": measures(parts["day"]), "month": measures(parts["month"])},
        **parts.gaps,
    }
