"""The HTTP door of leave and trips."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from chassis.entries import Entry, Id, LongText, NewEntry, Reasoned, Text, record_id
from chassis.fields import Day
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, answer, answer_page, routes
from contracts.visits import AbsenceKind, AbsenceStatus
from visits.absence import commands, queries
from visits.doors import RecordId, act, place, repositories
from visits.lists import Filter

router = routes("absences")


class NewAbsence(NewEntry):
    kind: AbsenceKind
    first_day: Day
    last_day: Day = Field(description="Inclusive.")
    reason: LongText
    place: Text | None = Field(None, description="Where a trip leads.")
    deputy: Id | None = Field(None, description="Who signs in their place meanwhile.")


class Approval(Entry):
    reason: LongText = "approved"


@router.post("/absences", status_code=201, summary="Apply for leave or a trip")
async def apply(request: Request, caller: CallerDep, command: CommandDep, body: NewAbsence) -> Response:
    """Days are of the office's calendar. It begins three working days back at the earliest (sick leave, say), and
    holds no day of another absence of the same person."""
    acting = await act(request, caller, command, body)
    absence_id = record_id(body, command, "absences")
    stored = await commands.apply(
        repositories(request),
        acting,
        await place(request, acting, body.first_day),
        absence_id,
        kind=body.kind,
        last_day=body.last_day,
        reason=body.reason,
        place=body.place,
        deputy=body.deputy,
    )
    return answer(stored, 201, f"/api/v1/absences/{absence_id}")


@router.post("/absences/{absence_id}/approval", summary="Approve leave or a trip")
async def approve(
    request: Request, caller: CallerDep, command: CommandDep, absence_id: RecordId, body: Approval
) -> Response:
    """By a superior, or the deputy of one who is away. Approved leave excuses from the forms of its days."""
    acting = await act(request, caller, command, body)
    return answer(await commands.approve(repositories(request), acting, absence_id, body.reason))


@router.post("/absences/{absence_id}/refusal", summary="Refuse leave or a trip")
async def refuse(
    request: Request, caller: CallerDep, command: CommandDep, absence_id: RecordId, body: Reasoned
) -> Response:
    acting = await act(request, caller, command, body)
    return answer(await commands.refuse(repositories(request), acting, absence_id, body.reason))


@router.post("/absences/{absence_id}/cancellation", summary="Cancel leave or a trip")
async def cancel(
    request: Request, caller: CallerDep, command: CommandDep, absence_id: RecordId, body: Entry
) -> Response:
    """By whoever is absent. The forms of its days are due again."""
    acting = await act(request, caller, command, body)
    return answer(await commands.cancel(repositories(request), acting, absence_id))


@router.post("/absences/{absence_id}/return", summary="Back from a trip")
async def come_back(
    request: Request, caller: CallerDep, command: CommandDep, absence_id: RecordId, body: Entry
) -> Response:
    """Until then the trip lasts, and after the days that the office's policy allows somebody is told, once."""
    acting = await act(request, caller, command, body)
    return answer(await commands.come_back(repositories(request), acting, absence_id))


@router.get("/absences/{absence_id}", summary="One leave or trip")
async def one(request: Request, caller: CallerDep, absence_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, absence_id))


@router.get("/absences", summary="Leave and trips")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("-business_date", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    kind: AbsenceKind | None = None,
    status: AbsenceStatus | None = None,
    first: Annotated[Day | None, Query(alias="from", description="Still away on this day, or later.")] = None,
    last: Annotated[Day | None, Query(alias="to", description="Away on this day already, or before.")] = None,
) -> Response:
    fields = {"owner": owner, "office": office, "region": region, "kind": kind, "status": status}
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))
