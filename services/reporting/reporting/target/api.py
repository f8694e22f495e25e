"""The HTTP door of targets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from chassis import clock, ids
from chassis.aggregate import Command, Repository
from chassis.identity import Caller, CallerDep
from chassis.paging import Paging, sorted_by
from chassis.problems import Forbidden, Invalid
from chassis.service import CommandDep, answer, answer_page
from contracts.envelope import Imported
from contracts.money import Money
from contracts.reporting import Month, Target
from reporting.organisation import Organisation
from reporting.target import commands, queries

router = APIRouter(tags=["targets"])

SLACK = timedelta(minutes=5)
"""How far a client's clock may be ahead."""

TargetId = Annotated[str, Path(max_length=200)]


class Revision(BaseModel):
    """Another amount for a target, in its currency."""

    model_config = ConfigDict(extra="forbid")

    amount: Money
    occurred_at: AwareDatetime | None = None


class NewTarget(Revision):
    """A person's sales target for one month."""

    id: str | None = Field(None, description="Any UUID; the same one again is a repetition.")
    person: str = Field(max_length=200)
    month: Month
    on_behalf_of: str | None = Field(None, max_length=200, description="The author (needs the right to import).")
    import_source: str | None = Field(None, max_length=500, description="What it was read from.")

    @field_validator("id")
    @classmethod
    def _uuid(cls, value: str | None) -> str | None:
        if value is not None and not ids.is_id(value):
            raise ValueError("An id is a UUID in lower case, such as 0192f3a0-5b7c-7def-8123-456789abcdef.")
        return value

    @field_validator("month")
    @classmethod
    def _year(cls, value: str) -> str:
        if not "1900" <= value[:4] <= "2200":
            raise ValueError("A target's month lies between 1900-01 and 2200-12.")
        return value


@router.post("/targets", status_code=201, summary="Publish a target")
async def publish(request: Request, caller: CallerDep, command: CommandDep, body: NewTarget) -> Response:
    """One for each person, month and currency. For office heads, supervisors and top managers within their scope."""
    commands.may_set(caller)
    imported = _imported(caller, body)
    target_id = body.id or (ids.derived_id("targets", command.key) if command.key else ids.new_id())
    stored = await commands.publish(
        _targets(request),
        _organisation(request),
        caller,
        command if body.on_behalf_of is None else _for(command, body.on_behalf_of),
        target_id=target_id,
        person_id=body.person,
        month=body.month,
        amount=body.amount,
        occurred_at=_when(body.occurred_at),
        imported=imported,
    )
    return answer(stored, 201, f"/api/v1/targets/{target_id}")


@router.post("/targets/{target_id}/revision", summary="Revise a target")
async def revise(
    request: Request, caller: CallerDep, command: CommandDep, target_id: TargetId, body: Revision
) -> Response:
    """The amount changes for the whole month; every version stays in the history."""
    stored = await commands.revise(
        _targets(request),
        _organisation(request),
        caller,
        command,
        target_id=target_id,
        amount=body.amount,
        occurred_at=_when(body.occurred_at),
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


def _for(command: Command, author: str) -> Command:
    return replace(command, on_behalf_of=author)


def _imported(caller: Caller, body: NewTarget) -> Imported | None:
    """Raises Forbidden for a caller who may not say where a record came from."""
    if body.import_source is None and body.on_behalf_of is None:
        return None
    if not caller.may("import"):
        raise Forbidden(
            "import_right_needed",
            "on_behalf_of and import_source need the right to import.",
            "使用 on_behalf_of 与 import_source 需要导入权限。",
        )
    return Imported(by=caller.id, at=clock.now(), source=body.import_source) if body.import_source else None


def _when(occurred_at: datetime | None) -> datetime:
    """Raises Invalid for an instant in the future."""
    now = clock.now()
    if occurred_at is None:
        return now
    if occurred_at > now + SLACK:
        raise Invalid(
            "in_the_future", "occurred_at lies in the future.", "occurred_at 不能晚于现在。", field="occurred_at"
        )
    return occurred_at
