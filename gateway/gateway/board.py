"""GET /api/v1/board: the office at a glance, laid out 人/事/地/物 (L225; report D2 of domain.md, as far as it exists)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from chassis.problems import Invalid
from gateway.parts import AskDep, gather
from gateway.progress import DateQuery, day_of, in_period

router = APIRouter(tags=["pages"])

SHOWN = 50
WAITING = ("received", "returned", "verified", "confirmed", "allocated", "delivered")


@router.get("/board")
async def board(
    request: Request,
    ask: AskDep,
    date: DateQuery = None,
    office: Annotated[str | None, Query(description="Without it the caller's own office.", max_length=36)] = None,
) -> dict[str, Any]:
    """人 people with their day's numbers · 事 orders waiting by state · 地 new customers · 物 money of day and month."""
    day = await day_of(request, ask, date)
    wanted = office or ask.caller.office
    if wanted is None:
        raise Invalid("office_missing", "Say which office: ?office=…", "请指定办事处:?office=…", field="office")
    parts = await gather(
        {
            "people": in_period(ask, "day", day, "person"),
            "day": in_period(ask, "day", day, "office", wanted),
            "month": in_period(ask, "month", day, "office", wanted),
            "roster": ask("customers", "/api/v1/people", office=wanted, limit=200),
            "new_customers": ask(
                "customers", "/api/v1/customers", office=wanted, status="prospect", sort="-registered_at", limit=SHOWN
            ),
            **{
                f"orders_{state}": ask("orders", "/api/v1/orders", office=wanted, status=state, limit=SHOWN)
                for state in WAITING
            },
        },
        required={"office": ask("customers", f"/api/v1/offices/{wanted}")},
    )
    return {
        "date": day.isoformat(),
        "office": {"id": wanted, "name": parts["office"]["name"]},
    }
