"""The HTTP door of daily reports."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Path, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, Field

from chassis import ids, money
from chassis.aggregate import Command
from chassis.entries import Change, Entry, Id, LongText, NewEntry, NewId, Reasoned, Text, record_id
from chassis.fields import BodyPart, Day
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.money import Money
from contracts.visits import (
    Attendance,
    ComplaintLine,
    CustomerLine,
    MarketLine,
    Presentness,
    ReportStatus,
    Section,
    Severity,
    TimeOfDay,
)
from visits.daily_report import commands, queries
from visits.daily_report.commands import Errand
from visits.doors import RecordId, act, place, repositories
from visits.lists import Filter, From, To

router = routes("daily reports")

MOST_LINES = 100
"""Lines of one section: each of the report's events carries them all."""


def _collected(amount: Money) -> Money:
    money.decimals(amount.currency)
    if not 0 < amount.minor <= money.LARGEST:
        raise ValueError(f"An amount lies between 1 and {money.LARGEST} minor units.")
    return amount


class _Line(BodyPart):
    """A line of a section."""


class Attended(_Line):
    kind: Presentness
    began: TimeOfDay | None = None
    ended: TimeOfDay | None = None
    note: LongText | None = None


class Comment(_Line):
    visit: Id
    comment: LongText | None = Field(None, description="Empty takes the comment away.")


class Complained(_Line):
    id: NewId | None = Field(None, description="Of a line that is there already, or any UUID.")
    customer: Id
    visit: Id | None = None
    severity: Severity
    text: LongText


class Market(_Line):
    competitor: Text
    text: LongText
    visit: Id | None = None


class OfCustomer(_Line):
    customer: Id | None = None
    customer_name: Text | None = Field(None, description="Where there is no file of the customer.")
    text: LongText


class NewReport(NewEntry):
    business_date: Day


class ReportChange(Change):
    attendance: Attended | None = None
    talks: Annotated[list[Comment], Field(max_length=MOST_LINES)] | None = None
    complaints: Annotated[list[Complained], Field(max_length=MOST_LINES)] | None = None
    collections: Annotated[list[Annotated[Money, AfterValidator(_collected)]], Field(max_length=20)] | None = None
    market: Annotated[list[Market], Field(max_length=MOST_LINES)] | None = None
    opinions: Annotated[list[OfCustomer], Field(max_length=MOST_LINES)] | None = None
    news: Annotated[list[OfCustomer], Field(max_length=MOST_LINES)] | None = None
    reflections: LongText | None = None
    other: LongText | None = None
    none: Annotated[list[Section], Field(max_length=len(Section))] | None = Field(
        None, description="All the sections that are explicitly left empty."
    )

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"talks", "complaints", "collections", "market", "opinions", "news", "none"})


class Assignment(_Line):
    assignee: Id | None = Field(None, description="Without one, the person whose report it is.")
    text: LongText
    due: Day | None = None


class Signing(Entry):
    instructions: LongText | None = Field(None, description="批示.")
    task: Assignment | None = Field(None, description="What the instructions ask of somebody: it becomes a task.")


@router.post("/daily-reports", status_code=201, summary="Begin the report of a day")
async def draft(request: Request, caller: CallerDep, command: CommandDep, body: NewReport) -> Response:
    """Prefilled from the day's visits and orders, with actual and ratio against the day's share of the month's
    target. One for each person and day (409 report_exists); three working days back at most."""
    acting = await act(request, caller, command, body)
    report_id = record_id(body, command, "daily_reports")
    where = await place(request, acting, body.business_date)
    stored = await commands.draft(repositories(request), acting, where, report_id)
    return answer(stored, 201, f"/api/v1/daily-reports/{report_id}")


@router.post("/daily-reports/{report_id}/prefill", summary="Prefill a report again")
async def refill(
    request: Request, caller: CallerDep, command: CommandDep, report_id: RecordId, body: Entry
) -> Response:
    """With the visits and orders as they stand now; what was typed stays."""
    acting = await act(request, caller, command, body)
    return answer(await commands.refill(repositories(request), acting, report_id))


@router.patch("/daily-reports/{report_id}", summary="Type into a report")
async def edit(
    request: Request, caller: CallerDep, command: VersionedCommandDep, report_id: RecordId, body: ReportChange
) -> Response:
    """Only the sections that are sent change, each as a whole; `talks` are comments of visits. Not once it is
    handed in: then it must be returned, or corrected after it was signed."""
    typed = _typed(body.said(), report_id, command)
    acting = await act(request, caller, command, body)
    return answer(await commands.edit(repositories(request), acting, report_id, typed))


@router.post("/daily-reports/{report_id}/submission", summary="Hand in a report")
async def submit(
    request: Request, caller: CallerDep, command: CommandDep, report_id: RecordId, body: Entry
) -> Response:
    """With all nine sections filled or named in `none`, and every visit of the day closed or explained by a comment.
    After the office's cut-off it is late, and taken all the same."""
    acting = await act(request, caller, command, body)
    return answer(await commands.submit(repositories(request), acting, report_id))


@router.post("/daily-reports/{report_id}/return", summary="Return a report")
async def send_back(
    request: Request, caller: CallerDep, command: CommandDep, report_id: RecordId, body: Reasoned
) -> Response:
    """By a superior, or the deputy of one who is away."""
    acting = await act(request, caller, command, body)
    return answer(await commands.send_back(repositories(request), acting, report_id, body.reason))


@router.post("/daily-reports/{report_id}/signature", summary="Sign a report")
async def sign(
    request: Request, caller: CallerDep, command: CommandDep, report_id: RecordId, body: Signing
) -> Response:
    """By a superior, or the deputy of one who is away; never one's own. It locks the report."""
    acting = await act(request, caller, command, body)
    errand = None if body.task is None else Errand(body.task.text, body.task.assignee, body.task.due)
    return answer(await commands.sign(repositories(request), acting, report_id, body.instructions, errand))


@router.post("/daily-reports/{report_id}/correction", summary="Begin the correction of a signed report")
async def correct(
    request: Request, caller: CallerDep, command: VersionedCommandDep, report_id: RecordId, body: Reasoned
) -> Response:
    """A new revision; the signed one stays readable and counts until the new one is signed. Needs `If-Match`."""
    acting = await act(request, caller, command, body)
    return answer(await commands.correct(repositories(request), acting, report_id, body.reason))


@router.get("/daily-reports/{report_id}", summary="One report")
async def one(request: Request, caller: CallerDep, report_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, report_id))


@router.get("/daily-reports/{report_id}/revisions/{revision}", summary="A revision as it was signed")
async def revision(
    request: Request, caller: CallerDep, report_id: RecordId, revision: Annotated[int, Path(ge=1, le=10_000)]
) -> Response:
    """`hash` is the SHA-256 of its sections in canonical JSON."""
    found = await queries.revision(repositories(request), caller, report_id, revision)
    return Response(orjson.dumps(found.model_dump(mode="json")), media_type="application/json")


@router.get("/daily-reports", summary="Daily reports")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("-business_date", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    status: ReportStatus | None = None,
    late: Annotated[bool | None, Query(description="Handed in after the cut-off.")] = None,
    first: From = None,
    last: To = None,
) -> Response:
    fields = {"owner": owner, "office": office, "region": region, "status": status, "late": late}
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))


def _typed(said: dict[str, Any], report_id: str, command: Command) -> dict[str, Any]:
    """The body's sections in the words of the contract."""
    made = {
        "market": MarketLine,
        "opinions": CustomerLine,
        "news": CustomerLine,
    }
    typed = dict(said)
    for section, line in made.items():
        if section in said:
            typed[section] = [line(**entry.model_dump()) for entry in said[section]]
    if said.get("attendance") is not None:
        typed["attendance"] = Attendance(**said["attendance"].model_dump())
    if "complaints" in said:
        typed["complaints"] = [
            ComplaintLine(**{**entry.model_dump(), "id": entry.id or _line_id(report_id, command, position)})
            for position, entry in enumerate(said["complaints"])
        ]
    if "talks" in said:
        typed["comments"] = {entry.visit: entry.comment for entry in typed.pop("talks")}
    return typed


def _line_id(report_id: str, command: Command, position: int) -> str:
    """The same for a repeated request, so that it raises no second complaint."""
    if command.key is None:
        return ids.new_id()
    return ids.derived_id("complaint lines", f"{report_id}/{command.key}/{position}")
