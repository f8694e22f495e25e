"""GET /api/v1/board: the office at a glance, laid out 人/事/地/物 (domain.md D2 and L225, as far as it exists)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from chassis.problems import Invalid
from contracts.customers import CustomerStatus
from gateway.parts import AskDep, gather
from gateway.progress import DateQuery, day_of, in_period, measures
from gateway.waiting import waiting

router = APIRouter(tags=["pages"])

SHOWN = 50
PEOPLE = 200
"""The most rows of one page of a service; no office has as many people."""


@router.get("/board")
async def board(
    request: Request,
    ask: AskDep,
    date: DateQuery = None,
    office: Annotated[
        str | None, Query(description="Without it the caller's own office.", pattern=r"^[0-9A-Za-z-]{1,64}$")
    ] = None,
) -> dict[str, Any]:
    """人 people with their day · 事 orders waiting, by status · 地 prospects · 物 results of day and month."""
    wanted = office or ask.caller.office
    if wanted is None:
        raise Invalid("office_missing", "Say which office: ?office=…", "请指定办事处:?office=…", field="office")
    day = await day_of(request, ask, date)
    parts = await gather(
        {
            "people": ask("customers", "/api/v1/people", office=wanted, limit=PEOPLE),
            "people_day": in_period(ask, "day", day, "person", limit=PEOPLE),
            "orders": waiting(ask, SHOWN, office=wanted),
            "prospects": ask(
                "customers", "/api/v1/customers", office=wanted, status=CustomerStatus.PROSPECT, limit=SHOWN
            ),
            "day": in_period(ask, "day", day, "office", wanted),
            "month": in_period(ask, "month", day, "office", wanted),
        },
        required={"office": ask("customers", f"/api/v1/offices/{wanted}")},
    )
    return {
        "date": day.isoformat(),
        "office": {"id": wanted, "name": parts["office"]["name"]},
        "people": _people(parts.rows("people"), parts.rows("people_day")),
        "orders": parts["orders"],
        "prospects": parts.rows("prospects"),
        "results": {"day": measures(parts["day"]), "month": measures(parts["month"])},
        **parts.gaps,
    }


def _people(roster: list[Any] | None, rows: list[Any] | None) -> list[dict[str, Any]] | None:
    """Everybody of the office, those without a number that day too; measures are None where they are not known."""
    if roster is None:
        return None
    by_person = {row["id"]: row["measures"] for row in rows or ()}
    return [
        {
            "id": person["id"],
            "name": person["name"],
            "measures": None if rows is None else by_person.get(person["id"], {}),
        }
        for person in roster
    ]
