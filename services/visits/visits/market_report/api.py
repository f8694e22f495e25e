"""The HTTP door of market situation reports."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from fastapi.responses import Response

from chassis import ids
from chassis.entries import Entry, Id, LongText, NewEntry, record_id
from chassis.fields import Day
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, answer, answer_page, routes
from contracts.visits import MarketReportKind, MarketReportStatus, Severity
from visits.doors import RecordId, act, repositories
from visits.lists import Filter, From, To
from visits.market_report import commands, queries
from visits.market_report.commands import Situation

router = routes("market reports")


class NewMarketReport(NewEntry):
    kind: MarketReportKind
    severity: Severity
    text: LongText
    sales_impact: LongText | None = None
    visit: Id | None = None
    customer: Id | None = None


class NewAction(NewEntry):
    text: LongText
    assignee: Id
    due: Day | None = None


class Closure(Entry):
    reason: LongText


@router.post("/market-reports", status_code=201, summary="Report a situation in the market")
async def submit(request: Request, caller: CallerDep, command: CommandDep, body: NewMarketReport) -> Response:
    """Whoever stands next above has until `acknowledge_by`; then the next level is told, and so on."""
    report_id = record_id(body, command, "market reports")
    situation = Situation(body.kind, body.severity, body.text, body.sales_impact, body.visit, body.customer)
    doing = await act(request, caller, command, body)
    stored = await commands.submit(repositories(request), doing, report_id, situation)
    return answer(stored, 201, f"/api/v1/market-reports/{report_id}")


@router.post("/market-reports/{report_id}/acknowledgement", summary="Somebody above has read it")
async def acknowledge(
    request: Request, caller: CallerDep, command: CommandDep, report_id: RecordId, body: Entry
) -> Response:
    """By its recipient, anybody above, or the recipient's deputy."""
    doing = await act(request, caller, command, body)
    return answer(await commands.acknowledge(repositories(request), doing, report_id))


@router.post("/market-reports/{report_id}/action", summary="Something is done about it")
async def assign(
    request: Request, caller: CallerDep, command: CommandDep, report_id: RecordId, body: NewAction
) -> Response:
    """The action becomes a task of the assignee. Sending the same `id` again is a repetition."""
    # The task is known by the action's id, so two reports must not share one.
    action_id = ids.derived_id("actions", f"{report_id}/{record_id(body, command, 'actions')}")
    stored = await commands.assign(
        repositories(request),
        await act(request, caller, command, body),
        report_id,
        action_id,
        text=body.text,
        assignee=body.assignee,
        due=body.due,
    )
    return answer(stored)


@router.post("/market-reports/{report_id}/closure", summary="Nothing more is to be done about it")
async def close(
    request: Request, caller: CallerDep, command: CommandDep, report_id: RecordId, body: Closure
) -> Response:
    doing = await act(request, caller, command, body)
    return answer(await commands.close(repositories(request), doing, report_id, body.reason))


@router.get("/market-reports/{report_id}", summary="One market situation report")
async def one(request: Request, caller: CallerDep, report_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, report_id))


@router.get("/market-reports", summary="Market situation reports")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("-business_date", "acknowledge_by", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    status: MarketReportStatus | None = None,
    kind: MarketReportKind | None = None,
    severity: Severity | None = None,
    recipient: Filter = None,
    first: From = None,
    last: To = None,
) -> Response:
    fields = {
        "owner": owner,
        "office": office,
        "region": region,
        "status": status,
        "kind": kind,
        "severity": severity,
        "recipient": recipient,
    }
    return answer_page(await queries.page(repositories(request), caller, paging, fields, first, last))
