"""The HTTP door of visit plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import orjson
from fastapi import Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from chassis.entries import Change, Entry, Id, LongText, NewEntry, NewId, Reasoned, Text, record_id
from chassis.fields import BodyPart, Day
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.visits import PlanStatus, Purpose, SalesStep, TimeOfDay
from visits.doors import RecordId, act, repositories
from visits.lists import Filter, From, To
from visits.plan import commands, queries
from visits.plan.commands import LAST_WEEK, Wanted

router = routes("visit plans")

MOST_STOPS = 50
"""Stops of one day."""


class PlannedStop(BodyPart):
    """Where to go, when and what for. Times are of the office's zone; `id` keeps a stop that is there already."""

    id: NewId | None = Field(None, description="Any UUID; the visit that comes of the stop has the same id.")
    customer: Id | None = None
    area: Text | None = Field(None, description="Needed where no customer is named.")
    starts: TimeOfDay
    ends: TimeOfDay
    purposes: Annotated[list[Purpose], Field(min_length=1, max_length=len(Purpose))]
    step: SalesStep | None = None
    note: LongText | None = None


Stops = Annotated[list[PlannedStop], Field(max_length=MOST_STOPS)]


class NewPlan(NewEntry):
    business_date: Day
    stops: Stops = []
    note: LongText | None = None


class PlanChange(Change):
    stops: Stops | None = None
    note: LongText | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"stops"})


class PlanCopy(NewEntry):
    to: Day = Field(description="The day to plan.")
    source: Day | None = Field(None, alias="from", description="The day to copy; a week before `to` without it.")


class Instructed(Entry):
    instructions: LongText | None = None


@router.post("/visit-plans", status_code=201, summary="Plan the visits of a day")
async def draft(request: Request, caller: CallerDep, command: CommandDep, body: NewPlan) -> Response:
    """A draft: one for each person and day. `plan_exists` names the one that is there."""
    plan_id = record_id(body, command, "plans")
    stored = await commands.draft(
        repositories(request),
        await act(request, caller, command, body),
        plan_id,
        day=body.business_date,
        wanted=_wanted(body.stops),
        note=body.note,
    )
    return answer(stored, 201, f"/api/v1/visit-plans/{plan_id}")


@router.post("/visit-plans/copy", status_code=201, summary="Plan a day like another one")
async def copy(request: Request, caller: CallerDep, command: CommandDep, body: PlanCopy) -> Response:
    """Last week's stops, or those of `from`, without the customers that are not the person's any more."""
    plan_id = record_id(body, command, "plans")
    doing = await act(request, caller, command, body)
    source = body.source or body.to - LAST_WEEK
    stored = await commands.copy(repositories(request), doing, plan_id, day=body.to, source=source)
    return answer(stored, 201, f"/api/v1/visit-plans/{plan_id}")


@router.patch("/visit-plans/{plan_id}", summary="Change a plan that is a draft or was returned")
async def change(
    request: Request, caller: CallerDep, command: VersionedCommandDep, plan_id: RecordId, body: PlanChange
) -> Response:
    """`stops` are all stops as they are to be."""
    changes = body.said()
    wanted = None if body.stops is None else _wanted(body.stops)
    changes.pop("stops", None)
    doing = await act(request, caller, command, body)
    return answer(await commands.change(repositories(request), doing, plan_id, changes, wanted))


@router.post("/visit-plans/{plan_id}/submission", summary="Hand in a plan")
async def submit(request: Request, caller: CallerDep, command: CommandDep, plan_id: RecordId, body: Entry) -> Response:
    doing = await act(request, caller, command, body)
    return answer(await commands.submit(repositories(request), doing, plan_id))


@router.post("/visit-plans/{plan_id}/signature", summary="Sign a plan")
async def sign(
    request: Request, caller: CallerDep, command: CommandDep, plan_id: RecordId, body: Instructed
) -> Response:
    """For the reporting line, and for the deputy of a superior who is away; nobody signs their own (L210)."""
    doing = await act(request, caller, command, body)
    return answer(await commands.sign(repositories(request), doing, plan_id, body.instructions))


@router.post("/visit-plans/{plan_id}/return", summary="Return a plan to whoever wrote it")
async def send_back(
    request: Request, caller: CallerDep, command: CommandDep, plan_id: RecordId, body: Reasoned
) -> Response:
    doing = await act(request, caller, command, body)
    return answer(await commands.send_back(repositories(request), doing, plan_id, body.reason))


@router.post("/visit-plans/{plan_id}/amendment", summary="Begin a new revision of a signed plan")
async def amend(
    request: Request, caller: CallerDep, command: VersionedCommandDep, plan_id: RecordId, body: Reasoned
) -> Response:
    """The signed revision stays in force until the new one is handed in, and readable for ever. Needs `If-Match`."""
    doing = await act(request, caller, command, body)
    return answer(await commands.amend(repositories(request), doing, plan_id, body.reason))


@router.get("/visit-plans/{plan_id}", summary="One plan")
async def one(request: Request, caller: CallerDep, plan_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, plan_id))


@router.get("/visit-plans/{plan_id}/revisions/{revision}/difference", summary="What another revision says otherwise")
async def difference(
    request: Request,
    caller: CallerDep,
    plan_id: RecordId,
    revision: Annotated[int, Path(ge=1, le=10_000)],
    other: Annotated[int, Query(alias="with", ge=1, le=10_000, description="The revision to compare with.")],
) -> Response:
    """Stops added, removed and changed in the revision `with`, seen from this one."""
    found = await queries.difference(repositories(request), caller, plan_id, revision, other)
    return Response(orjson.dumps(found), media_type="application/json")


@router.get("/visit-plans", summary="Visit plans")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("business_date", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    status: PlanStatus | None = None,
    first: From = None,
    last: To = None,
) -> Response:
    fields = {"owner": owner, "office": office, "region": region, "status": status}
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))


def _wanted(stops: Sequence[PlannedStop]) -> list[Wanted]:
    return [Wanted(**dict(stop)) for stop in stops]
