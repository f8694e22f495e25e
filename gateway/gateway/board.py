"""GET /api/v1/board: the office at a glance, laid out 人/事/地/物 (domain.md D2 and L225, as far as it exists)."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

from fastapi import Query, Request

from chassis.problems import Invalid
from chassis.service import routes
from contracts.customers import CustomerStatus
from contracts.visits import FormStatus, MarketReportStatus, TaskStatus
from gateway.parts import AskDep, gather
from gateway.progress import DateQuery, day_of, in_period, measures
from gateway.waiting import waiting

router = routes("pages")

SHOWN = 50
PEOPLE = 200
"""The most rows of one page of a service; no office has as many people."""
OPEN_MARKET_REPORTS = tuple(status for status in MarketReportStatus if status is not MarketReportStatus.CLOSED)


@router.get("/board")
async def board(
    request: Request,
    ask: AskDep,
    date: DateQuery = None,
    office: Annotated[
        str | None, Query(description="Without it the caller's own office.", pattern=r"^[0-9A-Za-z-]{1,64}$")
    ] = None,
) -> dict[str, Any]:
    """The four blocks of an office's day.

    people 人: everybody with their forms, attendance and numbers of the day. matters 事: what waits for a
    signature, forms that are late or missing, meetings, tasks. places 地: the market: situation reports, prospects.
    things 物: orders waiting by status, and the results of the day and the month.
    """
    wanted = office or ask.caller.office
    if wanted is None:
        raise Invalid("office_missing", "Say which office: ?office=…", "请指定办事处:?office=…", field="office")
    day = await day_of(request, ask, date)
    of_day = {"office": wanted, "from": day, "to": day, "limit": PEOPLE}
    parts = await gather(
        {
            "people": ask("customers", "/api/v1/people", office=wanted, limit=PEOPLE),
            "people_day": in_period(ask, "day", day, "person", limit=PEOPLE),
            "forms": ask("visits", "/api/v1/form-duties", **of_day),
            "reports": ask("visits", "/api/v1/daily-reports", **of_day),
            "sign_offs": ask("visits", "/api/v1/sign-offs", limit=SHOWN),
            "meetings": ask("visits", "/api/v1/meetings", **of_day),
            "tasks": ask("visits", "/api/v1/tasks", office=wanted, status=TaskStatus.OPEN, limit=SHOWN),
            **{
                f"market_{status}": ask("visits", "/api/v1/market-reports", office=wanted, status=status, limit=SHOWN)
                for status in OPEN_MARKET_REPORTS
            },
            "orders": waiting(ask, SHOWN, office=wanted),
            "prospects": ask(
                "customers", "/api/v1/customers", office=wanted, status=CustomerStatus.PROSPECT, limit=SHOWN
            ),
            "day": in_period(ask, "day", day, "office", wanted),
            "month": in_period(ask, "month", day, "office", wanted),
        },
        required={"office": ask("customers", f"/api/v1/offices/{wanted}")},
    )
    forms = parts.rows("forms")
    market = [parts.rows(f"market_{status}") for status in OPEN_MARKET_REPORTS]
    return {
        "date": day.isoformat(),
        "office": {"id": wanted, "name": parts["office"]["name"]},
        "people": _people(parts.rows("people"), parts.rows("people_day"), forms, parts.rows("reports")),
        "matters": {
            "sign_offs": parts.rows("sign_offs"),
            "late_or_missing": None
            if forms is None
            else [form for form in forms if form["status"] in (FormStatus.LATE, FormStatus.MISSING)],
            "meetings": parts.rows("meetings"),
            "tasks": parts.rows("tasks"),
        },
        "places": {
            "market_reports": None if None in market else [row for rows in market for row in rows or ()],
            "prospects": parts.rows("prospects"),
        },
        "things": {
            "orders": parts["orders"],
            "results": {"day": measures(parts["day"]), "month": measures(parts["month"])},
        },
        **parts.gaps,
    }


def _people(
    roster: list[Any] | None, rows: list[Any] | None, forms: list[Any] | None, reports: list[Any] | None
) -> list[dict[str, Any]] | None:
    """Everybody of the office, those without a number that day too; what is not known is None."""
    if roster is None:
        return None
    by_person = {row["id"]: row["measures"] for row in rows or ()}
    owed: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for form in forms or ():
        owed[form["owner"]][form["form"]] = form["status"]
    attendance = {report["owner"]: report["sections"]["attendance"] for report in reports or ()}
    return [
        {
            "id": person["id"],
            "name": person["name"],
            "forms": None if forms is None else owed.get(person["id"], {}),
            "attendance": attendance.get(person["id"]),
            "measures": None if rows is None else by_person.get(person["id"], {}),
        }
        for person in roster
    ]
