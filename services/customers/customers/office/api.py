"""The HTTP door of offices."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from chassis.entries import Change, Entry, Id, NewEntry, Text, imported, record_id
from chassis.fields import Day
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.staff import Office, RegionOfOffice
from customers import rights
from customers.doors import Code, RecordId, repositories, when
from customers.office import commands, queries

router = routes("organisation")

Days = Annotated[list[Day], Field(max_length=1000)]
Weekdays = Annotated[list[Annotated[int, Field(ge=0, le=99)]], Field(max_length=7)]
"""The model says which numbers are weekdays."""


class NewOffice(NewEntry):
    code: Code
    name: Text
    region: Id
    timezone: Text = "Asia/Shanghai"
    workdays: Weekdays = [1, 2, 3, 4, 5]
    holidays: Days = []
    extra_workdays: Days = []
    opened_on: Day | None = None


class OfficeChange(Change):
    name: Text | None = None
    workdays: Weekdays | None = None
    holidays: Days | None = None
    extra_workdays: Days | None = None
    opened_on: Day | None = None
    closed_on: Day | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"name", "workdays", "holidays", "extra_workdays"})


class Move(Entry):
    region: Id
    valid_from: Day


@router.post("/offices", status_code=201, summary="Register an office")
async def register(request: Request, caller: CallerDep, command: CommandDep, body: NewOffice) -> Response:
    """`code` opens its number series; `timezone` (IANA) decides its business dates."""
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    office = Office(
        id=record_id(body, command, "offices"),
        code=body.code,
        name=body.name,
        regions=[RegionOfOffice(valid_from=body.opened_on or at.date(), region=body.region)],
        timezone=body.timezone,
        workdays=sorted(body.workdays),
        holidays=sorted(set(body.holidays)),
        extra_workdays=sorted(set(body.extra_workdays)),
        opened_on=body.opened_on,
        imported=imported(caller, body),
    )
    stored = await commands.register(repositories(request), command, office, at)
    return answer(stored, 201, f"/api/v1/offices/{office.id}")


@router.patch("/offices/{office_id}", summary="Change an office's name or calendar")
async def update(
    request: Request, caller: CallerDep, command: VersionedCommandDep, office_id: RecordId, body: OfficeChange
) -> Response:
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    return answer(await commands.update(repositories(request), command, office_id, body.said(), at))


@router.post("/offices/{office_id}/region", summary="Move an office into another region")
async def move(request: Request, caller: CallerDep, command: CommandDep, office_id: RecordId, body: Move) -> Response:
    """From `valid_from` on, with its customers; results of earlier days stay with the region of those days.

    For administrators, and for imports of those who see every office.
    """
    rights.may_move_office(caller)
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    known = repositories(request)
    return answer(await commands.move(known, command, office_id, body.region, body.valid_from, at))


@router.get("/offices/{office_id}", summary="One office")
async def one(request: Request, caller: CallerDep, office_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), office_id))


@router.get("/offices", summary="Offices")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("code", "name", "id")],
    q: Annotated[str | None, Query(max_length=200, description="A part of the code or the name.")] = None,
) -> Response:
    return answer_page(await queries.page(repositories(request), q, paging))
