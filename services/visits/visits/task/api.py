"""The HTTP door of tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response

from chassis.entries import Entry, Id, LongText, NewEntry, record_id
from chassis.fields import Day
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, answer, answer_page, routes
from contracts.visits import TaskSource, TaskStatus
from visits.doors import RecordId, act, repositories
from visits.lists import Filter, From, To
from visits.task import commands, queries

router = routes("tasks")


class NewTask(NewEntry):
    assignee: Id
    text: LongText
    due: Day | None = None


class Completion(Entry):
    result: LongText


class Cancellation(Entry):
    reason: LongText


@router.post("/tasks", status_code=201, summary="Give somebody a task")
async def assign(request: Request, caller: CallerDep, command: CommandDep, body: NewTask) -> Response:
    """To somebody below the caller in the reporting line, or to oneself."""
    task_id = record_id(body, command, "tasks")
    doing = await act(request, caller, command, body)
    stored = await commands.assign(
        repositories(request), doing, task_id, assignee=body.assignee, text=body.text, due=body.due
    )
    return answer(stored, 201, f"/api/v1/tasks/{task_id}")


@router.post("/tasks/{task_id}/completion", summary="A task is done")
async def complete(
    request: Request, caller: CallerDep, command: CommandDep, task_id: RecordId, body: Completion
) -> Response:
    """By whoever has to do it, with what came of it."""
    doing = await act(request, caller, command, body)
    return answer(await commands.complete(repositories(request), doing, task_id, body.result))


@router.post("/tasks/{task_id}/cancellation", summary="A task is not needed any more")
async def cancel(
    request: Request, caller: CallerDep, command: CommandDep, task_id: RecordId, body: Cancellation
) -> Response:
    """By whoever assigned it, or by anybody above its owner."""
    doing = await act(request, caller, command, body)
    return answer(await commands.cancel(repositories(request), doing, task_id, body.reason))


@router.get("/tasks/{task_id}", summary="One task")
async def one(request: Request, caller: CallerDep, task_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, task_id))


@router.get("/tasks", summary="Tasks")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("-business_date", "due", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    status: TaskStatus | None = None,
    source: TaskSource | None = None,
    source_id: Filter = None,
    first: From = None,
    last: To = None,
) -> Response:
    fields = {
        "owner": owner,
        "office": office,
        "region": region,
        "status": status,
        "source": source,
        "source_id": source_id,
    }
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))
