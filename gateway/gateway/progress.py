"""GET /api/v1/progress: the caller's day, week and month on one page."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import Query, Request

from chassis.fields import Day
from chassis.identity import Caller
from chassis.service import routes
from gateway.parts import Ask, AskDep, gather

router = routes("pages")

CADENCES = ("day", "week", "month")
DateQuery = Annotated[
    Day | None, Query(description="The business date; without it today, by the time zone of the caller's office.")
]

# domain.md A1, "Sees": the widest unit that is wholly a role's own.
_LEVELS = {
    "salesperson": "person",
    "office_head": "office",
    "clerk": "office",
    "service_desk": "office",
    "regional_supervisor": "region",
}


def own_unit(caller: Caller) -> tuple[str, str | None]:
    """Level and id of what the caller answers for; without an id, of everything of that level they may see."""
    level = _LEVELS.get(caller.role, "company")
    office = caller.office or next(iter(caller.offices), None)
    units = {"person": caller.person, "office": office, "region": caller.region, "company": "company"}
    return level, units[level]


def period(cadence: str, day: date) -> str:
    """The period that holds the day: 2017-03-14, 2017-W11 (ISO 8601), 2017-03."""
    if cadence == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02}"
    return day.isoformat()[: 7 if cadence == "month" else 10]


async def in_period(ask: Ask, cadence: str, day: date, level: str, id: str | None = None, limit: int = 1) -> Any:
    """Reporting's answer for one period."""
    wanted = period(cadence, day)
    asked = {"from": wanted, "to": wanted, "level": level, "id": id, "limit": limit}
    return await ask("reporting", f"/api/v1/progress/{cadence}", **asked)


def measures(answer: Any) -> dict[str, Any] | None:
    """The measures of the only unit asked for; none where nothing happened and nothing was aimed at."""
    if answer is None:
        return None
    return answer["items"][0]["measures"] if answer["items"] else {}


async def day_of(request: Request, ask: Ask, wanted: date | None) -> date:
    return wanted or await request.app.state.days.today(ask.caller, ask.headers)


@router.get("/progress")
async def own_progress(request: Request, ask: AskDep, date: DateQuery = None) -> dict[str, Any]:
    """The caller's day, week and month: a salesperson's own, an office's, a region's or the company's by role."""
    day = await day_of(request, ask, date)
    level, id = own_unit(ask.caller)
    parts = await gather({cadence: in_period(ask, cadence, day, level, id) for cadence in CADENCES})
    answered = [parts[cadence] for cadence in CADENCES if parts[cadence] is not None]
    return {
        "date": day.isoformat(),
        "level": level,
        "id": id,
        **{cadence: _period(parts[cadence], cadence, day) for cadence in CADENCES},
        "as_of": answered[0].get("as_of") if answered else None,
        **parts.gaps,
    }


def _period(answer: Any, cadence: str, day: date) -> dict[str, Any] | None:
    found = measures(answer)
    return None if found is None else {"period": period(cadence, day), "measures": found}
