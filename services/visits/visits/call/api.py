"""The HTTP door of phone calls."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from chassis.entries import Change, Id, LongText, NewEntry, Text, record_id
from chassis.fields import Instant
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.visits import Direction
from visits.call import commands, queries
from visits.doors import RecordId, act, repositories
from visits.lists import Filter, From, To

router = routes("calls")

Seconds = Annotated[int, Field(ge=0, le=86_400)]


class NewCall(NewEntry):
    direction: Direction
    customer: Id | None = None
    contact_name: Text | None = None
    started_at: Instant
    seconds: Seconds
    result: LongText | None = None
    external_id: Id | None = Field(None, description="The telephone system's own id: one call is logged once.")

    def said(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields if name not in NewEntry.model_fields}


class CallCorrection(Change):
    direction: Direction | None = None
    customer: Id | None = None
    contact_name: Text | None = None
    seconds: Seconds | None = None
    result: LongText | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"direction", "seconds"})


@router.post("/calls", status_code=201, summary="Log a phone call")
async def log(request: Request, caller: CallerDep, command: CommandDep, body: NewCall) -> Response:
    """It counts for the day on which it began. The same `external_id` again is answered with the call that is there."""
    doing = await act(request, caller, command, body)
    stored = await commands.log(repositories(request), doing, record_id(body, command, "calls"), **body.said())
    return answer(stored, 201, f"/api/v1/calls/{stored.state.id}")


@router.patch("/calls/{call_id}", summary="Correct a phone call")
async def correct(
    request: Request, caller: CallerDep, command: VersionedCommandDep, call_id: RecordId, body: CallCorrection
) -> Response:
    doing = await act(request, caller, command, body)
    return answer(await commands.correct(repositories(request), doing, call_id, body.said()))


@router.get("/calls/{call_id}", summary="One phone call")
async def one(request: Request, caller: CallerDep, call_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, call_id))


@router.get("/calls", summary="Phone calls")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("business_date", "started_at", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    customer: Filter = None,
    direction: Direction | None = None,
    first: From = None,
    last: To = None,
) -> Response:
    fields = {"owner": owner, "office": office, "region": region, "customer": customer, "direction": direction}
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))
