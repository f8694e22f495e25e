"""The HTTP door of visits."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, Field

from chassis import money
from chassis.entries import Change, Entry, Id, LongText, NewEntry, Text, record_id
from chassis.fields import BodyPart, Day, Instant
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.money import Money
from contracts.visits import (
    CostType,
    NextStep,
    Outcome,
    Position,
    Purpose,
    PurposeResult,
    SalesStep,
    VisitStatus,
)
from visits.doors import RecordId, act, repositories
from visits.lists import Filter, From, To
from visits.visit import commands, queries

router = routes("visits")


def _amount(amount: Money) -> Money:
    money.decimals(amount.currency)
    if not 0 < amount.minor <= money.LARGEST:
        raise ValueError(f"An amount lies between 1 and {money.LARGEST} minor units.")
    return amount


Amount = Annotated[Money, AfterValidator(_amount)]
Purposes = Annotated[list[Purpose], Field(min_length=1, max_length=len(Purpose))]


class Result(BodyPart):
    """What came of one purpose. `amount` is as the salesperson says; it is declared, not verified."""

    purpose: Purpose
    outcome: Outcome
    note: LongText | None = None
    amount: Amount | None = None


class Next(BodyPart):
    text: LongText
    due: Day | None = None


Results = Annotated[list[Result], Field(max_length=len(Purpose))]


class Arrival(BodyPart):
    position: Position | None = None
    declared: bool | None = Field(
        None, description="True: it is entered afterwards. Otherwise the times say so; in a batch the device does."
    )


class Unplanned(NewEntry):
    customer: Id | None = None
    area: Text | None = Field(None, description="Needed where no customer is named.")
    purposes: Purposes
    step: SalesStep | None = None
    check_in: Arrival | None = Field(None, description="With it, even empty, the visit has begun.")

    def said(self) -> dict[str, Any]:
        if self.check_in is None:
            return _own(self, "check_in")
        arrival = {**dict(self.check_in), "declared": self.check_in.declared or None}
        return {**_own(self, "check_in"), "check_in": True, **arrival}


class Present(Entry):
    position: Position | None = None
    declared: bool | None = Field(
        None, description="True: it is entered afterwards. Otherwise the times say so; in a batch the device does."
    )

    def said(self) -> dict[str, Any]:
        # That it was not entered afterwards is said by the times, or by the device that brings it in a batch.
        return {**_own(self), "declared": self.declared or None}


class _Resulting(Present):
    contact_met: Id | None = Field(None, description="A contact of the customer's file.")
    contact_name: Text | None = Field(None, description="Whom they met, where it is none of the file.")
    next_step: Next | None = None

    def said(self) -> dict[str, Any]:
        return _resulting(super().said())


class CheckOut(_Resulting):
    results: Results | None = Field(None, description="With them the visit is completed at once.")


class Completion(_Resulting):
    results: Results = Field(description="One for every planned purpose, at least.")


class NotMet(Present):
    reason: LongText


class Cancellation(Entry):
    reason: LongText

    def said(self) -> dict[str, Any]:
        return _own(self)


class Move(Cancellation):
    to: Day


class Cost(NewEntry):
    type: CostType
    amount: Amount
    note: LongText | None = None

    def said(self) -> dict[str, Any]:
        return {"id": self.id, **_own(self)}


class Grade(Entry):
    grade: Annotated[int, Field(ge=1, le=5, description="1 (poor) to 5 (very good).")]
    note: LongText | None = None

    def said(self) -> dict[str, Any]:
        return _own(self)


class Correction(Change):
    results: Results | None = None
    contact_met: Id | None = None
    contact_name: Text | None = None
    next_step: Next | None = None
    reason: LongText | None = None
    check_out_at: Instant | None = Field(
        None, description="When the visit really ended, where its check-out was only proposed; it counts as declared."
    )

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"results", "reason", "check_out_at"})

    def said(self) -> dict[str, Any]:
        return _resulting(super().said())


def _own(body: Entry, *but: str) -> dict[str, Any]:
    """The fields that a body has besides those of every entry."""
    return {name: getattr(body, name) for name in type(body).model_fields if name not in {*NewEntry.model_fields, *but}}


def _resulting(said: dict[str, Any]) -> dict[str, Any]:
    """Results and next step in the words of the contract."""
    if said.get("results") is not None:
        said["results"] = [PurposeResult(**dict(result)) for result in said["results"]]
    if said.get("next_step") is not None:
        said["next_step"] = NextStep(**dict(said["next_step"]))
    return said


@router.post("/visits", status_code=201, summary="Enter an unplanned visit")
async def unplanned(request: Request, caller: CallerDep, command: CommandDep, body: Unplanned) -> Response:
    """On the day of `occurred_at`. `check_in` says in the same request that it has begun."""
    visit_id = record_id(body, command, "visits")
    doing = await act(request, caller, command, body)
    stored = await commands.unplanned(repositories(request), doing, visit_id, **body.said())
    return answer(stored, 201, f"/api/v1/visits/{visit_id}")


@router.post("/visits/{visit_id}/check-in", summary="Arrive")
async def check_in(
    request: Request, caller: CallerDep, command: CommandDep, visit_id: RecordId, body: Present
) -> Response:
    """The position is compared with the customer's address: verified, invalid or unverified; it blocks nothing."""
    doing = await act(request, caller, command, body)
    return answer(await commands.check_in(repositories(request), doing, visit_id, **body.said()))


@router.post("/visits/{visit_id}/check-out", summary="Leave")
async def check_out(
    request: Request, caller: CallerDep, command: CommandDep, visit_id: RecordId, body: CheckOut
) -> Response:
    """With `results` the visit is completed in one go."""
    doing = await act(request, caller, command, body)
    return answer(await commands.check_out(repositories(request), doing, visit_id, **body.said()))


@router.post("/visits/{visit_id}/completion", summary="Say what came of a visit")
async def complete(
    request: Request, caller: CallerDep, command: CommandDep, visit_id: RecordId, body: Completion
) -> Response:
    """A result for every planned purpose, and whom they met. `occurred_at` is the check-out, unless that was made."""
    doing = await act(request, caller, command, body)
    return answer(await commands.complete(repositories(request), doing, visit_id, **body.said()))


@router.post("/visits/{visit_id}/not-met", summary="Nobody was met")
async def not_met(
    request: Request, caller: CallerDep, command: CommandDep, visit_id: RecordId, body: NotMet
) -> Response:
    doing = await act(request, caller, command, body)
    return answer(await commands.not_met(repositories(request), doing, visit_id, **body.said()))


@router.post("/visits/{visit_id}/cancellation", summary="Cancel a visit")
async def cancel(
    request: Request, caller: CallerDep, command: CommandDep, visit_id: RecordId, body: Cancellation
) -> Response:
    """Until its day is over."""
    doing = await act(request, caller, command, body)
    return answer(await commands.cancel(repositories(request), doing, visit_id, **body.said()))


@router.post("/visits/{visit_id}/move", summary="Move a visit to another day")
async def move(request: Request, caller: CallerDep, command: CommandDep, visit_id: RecordId, body: Move) -> Response:
    """It is planned anew in the plan of that later day."""
    doing = await act(request, caller, command, body)
    return answer(await commands.move(repositories(request), doing, visit_id, **body.said()))


@router.post("/visits/{visit_id}/cost", summary="Record what a visit cost")
async def cost(request: Request, caller: CallerDep, command: CommandDep, visit_id: RecordId, body: Cost) -> Response:
    """A cost with the id of one that is there takes its place; that needs `If-Match`."""
    doing = await act(request, caller, command, body)
    return answer(await commands.cost(repositories(request), doing, visit_id, **body.said()))


@router.post("/visits/{visit_id}/evaluation", summary="Grade the result of a visit")
async def evaluate(
    request: Request, caller: CallerDep, command: CommandDep, visit_id: RecordId, body: Grade
) -> Response:
    """For the reporting line (L214). A grade that takes the place of another one needs `If-Match`."""
    doing = await act(request, caller, command, body)
    return answer(await commands.evaluate(repositories(request), doing, visit_id, **body.said()))


@router.post("/visits/{visit_id}/correction", summary="Correct what was said of a visit")
async def correct(
    request: Request, caller: CallerDep, command: VersionedCommandDep, visit_id: RecordId, body: Correction
) -> Response:
    """Needs `If-Match`. While the report is not signed, or is being corrected; then it counts again with the corrected
    report."""
    doing = await act(request, caller, command, body)
    return answer(await commands.correct(repositories(request), doing, visit_id, body.said()))


@router.get("/visits/{visit_id}", summary="One visit")
async def one(request: Request, caller: CallerDep, visit_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, visit_id))


@router.get("/visits", summary="Visits")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("business_date", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    customer: Filter = None,
    status: VisitStatus | None = None,
    planned: Annotated[bool | None, Query(description="Planned ones, or unplanned ones, only.")] = None,
    first: From = None,
    last: To = None,
) -> Response:
    fields = {
        "owner": owner,
        "office": office,
        "region": region,
        "customer": customer,
        "status": status,
        "planned": planned,
    }
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))
