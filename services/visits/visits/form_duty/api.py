"""The HTTP door of form duties: to read only, they follow from the calendar and the forms."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response

from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import answer, answer_page, routes
from contracts.visits import Form, FormStatus
from visits.doors import RecordId, repositories
from visits.form_duty import queries
from visits.lists import Filter, From, To

router = routes("form duties")


@router.get("/form-duties/{duty_id}", summary="One form that was due")
async def one(request: Request, caller: CallerDep, duty_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, duty_id))


@router.get("/form-duties", summary="What forms were due, and what became of each")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("-business_date", "due_at", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    form: Form | None = None,
    status: FormStatus | None = None,
    first: From = None,
    last: To = None,
) -> Response:
    """The plan and the report of each salesperson and working day from the office's `forms_from` on, less approved
    leave. On time or late by the first submission against `due_at`."""
    fields = {"owner": owner, "office": office, "region": region, "form": form, "status": status}
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))
