"""The HTTP door of meetings, interviews and coachings."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, field_validator

from chassis.entries import Entry, Id, LongText, NewEntry, record_id
from chassis.fields import BodyPart, Day
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, answer, answer_page, routes
from contracts.visits import MeetingKind, MeetingStatus
from visits.doors import RecordId, act, repositories
from visits.lists import Filter, From, To
from visits.meeting import commands, queries
from visits.meeting.commands import Wanted

router = routes("meetings")

MOST = 200
"""Participants, decisions or actions of one meeting: each of its events carries them all."""


class NewMeeting(NewEntry):
    kind: MeetingKind
    business_date: Day | None = Field(None, description="The day by the office's calendar; today without it.")
    participants: Annotated[list[Id], Field(min_length=1, max_length=MOST)]
    trigger: LongText | None = Field(None, description="Why somebody is interviewed or coached.")


class Attendance(BodyPart):
    person: Id
    attended: bool


class NewAction(BodyPart):
    text: LongText
    assignee: Id
    due: Day | None = None


class Holding(Entry):
    attendance: Annotated[list[Attendance], Field(min_length=1, max_length=MOST)]
    findings: LongText | None = None
    decisions: Annotated[list[LongText], Field(max_length=MOST)] = []
    actions: Annotated[list[NewAction], Field(max_length=MOST)] = []

    @field_validator("attendance")
    @classmethod
    def _once_each(cls, value: list[Attendance]) -> list[Attendance]:
        if len({line.person for line in value}) < len(value):
            raise ValueError("Name each person once.")
        return value


class Closure(Entry):
    review: LongText | None = Field(None, description="What came of it; a coaching needs it.")


class Cancellation(Entry):
    reason: LongText


@router.post("/meetings", status_code=201, summary="Plan a meeting, an interview or a coaching")
async def plan(request: Request, caller: CallerDep, command: CommandDep, body: NewMeeting) -> Response:
    """Office heads and supervisors, with people whom they lead. A coaching needs a trigger."""
    meeting_id = record_id(body, command, "meetings")
    stored = await commands.plan(
        repositories(request),
        await act(request, caller, command, body),
        meeting_id,
        kind=body.kind,
        day=body.business_date,
        participants=body.participants,
        trigger=body.trigger,
    )
    return answer(stored, 201, f"/api/v1/meetings/{meeting_id}")


@router.post("/meetings/{meeting_id}/holding", summary="A meeting took place")
async def hold(
    request: Request, caller: CallerDep, command: CommandDep, meeting_id: RecordId, body: Holding
) -> Response:
    """`attendance` names every participant, and whoever came besides. Each action becomes a task."""
    stored = await commands.hold(
        repositories(request),
        await act(request, caller, command, body),
        meeting_id,
        attendance={line.person: line.attended for line in body.attendance},
        findings=body.findings,
        decisions=body.decisions,
        wanted=[Wanted(action.text, action.assignee, action.due) for action in body.actions],
    )
    return answer(stored)


@router.post("/meetings/{meeting_id}/closure", summary="A meeting's minutes are complete, a coaching is reviewed")
async def close(
    request: Request, caller: CallerDep, command: CommandDep, meeting_id: RecordId, body: Closure
) -> Response:
    doing = await act(request, caller, command, body)
    return answer(await commands.close(repositories(request), doing, meeting_id, body.review))


@router.post("/meetings/{meeting_id}/cancellation", summary="A meeting does not take place")
async def cancel(
    request: Request, caller: CallerDep, command: CommandDep, meeting_id: RecordId, body: Cancellation
) -> Response:
    doing = await act(request, caller, command, body)
    return answer(await commands.cancel(repositories(request), doing, meeting_id, body.reason))


@router.get("/meetings/{meeting_id}", summary="One meeting")
async def one(request: Request, caller: CallerDep, meeting_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, meeting_id))


@router.get("/meetings", summary="Meetings")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("-business_date", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    status: MeetingStatus | None = None,
    kind: MeetingKind | None = None,
    participant: Filter = None,
    first: From = None,
    last: To = None,
) -> Response:
    fields = {
        "owner": owner,
        "office": office,
        "region": region,
        "status": status,
        "kind": kind,
        "participants.person": participant,
    }
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))
