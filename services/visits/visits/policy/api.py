"""The HTTP door of the offices' rules."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from chassis import clock
from chassis.entries import Change
from chassis.fields import Day
from chassis.identity import CallerDep
from chassis.service import VersionedCommandDep, answer, routes
from contracts.backdating import check_time, instant
from contracts.visits import DueTime, TimeOfDay
from visits.doors import RecordId, repositories
from visits.policy import commands, queries

router = routes("visit policies")


class PolicyChange(Change):
    forms_from: Day | None = Field(None, description="The first day for which forms are due; none are before it.")
    plan_due: TimeOfDay | None = None
    report_due: DueTime | None = Field(None, description="22:00 on the day itself, 09:00+1 on the morning after.")
    sync_grace: Annotated[int, Field(ge=0, le=2_880)] | None = Field(
        None, description="Minutes after a cut-off within which what is said to be in time must have come here."
    )
    position_required: bool | None = None
    radius_m: Annotated[int, Field(ge=10, le=100_000)] | None = None
    long_away_days: Annotated[int, Field(ge=1, le=365)] | None = None
    acknowledge_hours: Annotated[int, Field(ge=1, le=240)] | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset(cls.model_fields) - frozenset(Change.model_fields) - {"forms_from"}


@router.get("/visit-policies/{office_id}", summary="The rules of field work of one office")
async def one(request: Request, caller: CallerDep, office_id: RecordId) -> Response:
    """Times are of the office's zone. Version 0 says that nothing is set and the defaults are in force."""
    return answer(await queries.one(repositories(request), office_id))


@router.patch("/visit-policies/{office_id}", summary="Set rules of field work of one office")
async def change(
    request: Request, caller: CallerDep, command: VersionedCommandDep, office_id: RecordId, body: PolicyChange
) -> Response:
    """For administrators. What is not named stays as it is; `If-Match: "0"` sets the first ones."""
    now = clock.now()
    at = instant(body.occurred_at, now)
    check_time(at, now)
    return answer(await commands.change(repositories(request), caller, command, office_id, body.said(), at))
