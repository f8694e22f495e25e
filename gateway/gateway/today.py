"""GET /api/v1/today: what the caller needs this morning (report D1 of domain.md, as far as it exists)."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from chassis.service import routes
from contracts.customers import CustomerStatus
from gateway.parts import AskDep, gather
from gateway.progress import DateQuery, day_of, in_period, measures, own_unit
from gateway.waiting import waiting

router = routes("pages")

SHOWN = 20
DAY = 100
"""More visits than anybody makes in a day."""


@router.get("/today")
async def today(request: Request, ask: AskDep, date: DateQuery = None) -> dict[str, Any]:
    """The day's plan, visits and report, what waits for the caller, open orders, and how far the day and month are."""
    day = await day_of(request, ask, date)
    level, unit = own_unit(ask.caller)
    own = {"owner": ask.caller.person, "from": day, "to": day}
    mine = ask.caller.person is not None
    parts = await gather(
        {
            "reminders": ask("visits", "/api/v1/reminders"),
            "orders": waiting(ask, SHOWN),
            "prospects": ask("customers", "/api/v1/customers", status=CustomerStatus.PROSPECT, limit=SHOWN),
            "day": in_period(ask, "day", day, level, unit),
            "month": in_period(ask, "month", day, level, unit),
            **(
                {
                    "plan": ask("visits", "/api/v1/visit-plans", **own, limit=1),
                    "visits": ask("visits", "/api/v1/visits", **own, limit=DAY),
                    "report": ask("visits", "/api/v1/daily-reports", **own, limit=1),
                }
                if mine
                else {}
            ),
        }
    )
    return {
        "date": day.isoformat(),
        "person": ask.caller.person,
        "name": ask.caller.name,
        "plan": parts.only("plan") if mine else None,
        "visits": parts.rows("visits") if mine else [],
        "report": parts.only("report") if mine else None,
        "reminders": parts.rows("reminders"),
        "orders": parts["orders"],
        "prospects": parts.rows("prospects"),
        "progress": {"level": level, "id": unit, "day": measures(parts["day"]), "month": measures(parts["month"])},
        **parts.gaps,
    }
