"""The HTTP door of targets."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request
from fastapi.responses import Response
from pydantic import field_validator

from chassis.aggregate import Repository
from chassis.entries import Entry, Id, NewEntry, imported, on_behalf, record_id
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.money import Money
from contracts.reporting import Month, Target
from reporting.organisation import Organisation
from reporting.target import commands, queries

router = routes("targets")

TargetId = Annotated[str, Path(max_length=200)]


class NewTarget(NewEntry):
    """A person's sales target for one month."""

    person: Id
    month: Month
    amount: Money

    @field_validator("month")
    @classmethod
    def _year(cls, value: str) -> str:
        if not "1900" <= value[:4] <= "2200":
            raise ValueError("A target's month lies between 1900-01 and 2200-12.")
        return value


class Revision(Entry):
    """Another amount for a target, in its currency."""

    amount: Money


@router.post("/targets", status_code=201, summary="Publish a target")
async def publish(request: Request, caller: CallerDep, command: CommandDep, body: NewTarget) -> Response:
    """One for each person, month and currency. For office heads, supervisors and top managers within their scope.

    The amount is spread evenly over the person's working days in that month, each by the calendar of the office in
    which they work on that day: `spans`. What changes later in postings or calendars spreads again what is still to
    come, and `changes` says so.
    """
    commands.may_set(caller)
    commands.may_speak_for(caller, body)
    target_id = record_id(body, command, "targets")
    stored = await commands.publish(
        _targets(request),
        _organisation(request),
        caller,
        on_behalf(command, body),
        target_id=target_id,
        person_id=body.person,
        month=body.month,
        amount=body.amount,
        occurred_at=body.occurred_at,
        imported=imported(caller, body),
    )
    return answer(stored, 201, f"/api/v1/targets/{target_id}")


@router.post("/targets/{target_id}/revision", summary="Revise a target")
async def revise(
    request: Request, caller: CallerDep, command: VersionedCommandDep, target_id: TargetId, body: Revision
) -> Response:
    """The amount changes for the whole month; every version stays in the history. If-Match says what was read."""
    commands.may_set(caller)
    commands.may_speak_for(caller, body)
    stored = await commands.revise(
        _targets(request),
        _organisation(request),
        caller,
        on_behalf(command, body),
        target_id=target_id,
        amount=body.amount,
        occurred_at=body.occurred_at,
        imported=imported(caller, body),
    )
    return answer(stored)


@router.get("/targets/{target_id}", summary="One target")
async def one(request: Request, caller: CallerDep, target_id: TargetId) -> Response:
    return answer(await queries.one(_targets(request), caller, target_id))


@router.get("/targets", summary="Targets")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("id", "month")],
    person: Annotated[str | None, Query(max_length=200)] = None,
    office: Annotated[str | None, Query(max_length=200)] = None,
    region: Annotated[str | None, Query(max_length=200)] = None,
    month: Annotated[Month | None, Query()] = None,
) -> Response:
    where = {"person": person, "office": office, "region": region, "month": month}
    return answer_page(await queries.page(_targets(request), caller, where, paging))


def _targets(request: Request) -> Repository[Target]:
    return request.app.state.targets


def _organisation(request: Request) -> Organisation:
    return request.app.state.organisation
