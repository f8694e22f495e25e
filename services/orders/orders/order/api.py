"""The HTTP door of orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Self

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from chassis.aggregate import Stored
from chassis.entries import Change, Entry, Id, LongText, NewEntry, Reasoned, Text, record_id
from chassis.identity import Caller, CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes, shown
from contracts.orders import Order, OrderStatus, Quantity
from orders import rights
from orders.doors import Amount, Currency, RecordId, act, repositories
from orders.order import commands, queries
from orders.order.lines import Wanted

router = routes("orders")

MOST_LINES = 500
"""Lines of one order: each of its events carries them all."""

Percent = Annotated[Decimal, Field(ge=0, le=100, decimal_places=4)]
Filter = Annotated[str | None, Query(max_length=200)]


class Line(BaseModel):
    """What is ordered of one product. Without `unit_price` the list price counts, or the price it has already."""

    model_config = ConfigDict(extra="forbid")

    product: Id
    quantity: Quantity
    unit_price: Amount | None = None
    discount: Amount | None = Field(None, description="Taken off the whole line.")
    discount_percent: Percent | None = Field(None, description="Of the line, instead of `discount`.")

    @model_validator(mode="after")
    def _one_discount(self) -> Self:
        if self.discount is not None and self.discount_percent is not None:
            raise ValueError("Give either discount or discount_percent.")
        return self


Lines = Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]


class NewOrder(NewEntry):
    customer: Id
    owner: Id | None = Field(None, description="Whose order it is; without it, whoever holds the customer.")
    currency: Currency | None = Field(None, description="That of the first line's price without it.")
    channel: Text | None = None
    external_ref: Text | None = None
    visit: Id | None = Field(None, description="The visit in which it was won.")
    requested_date: date | None = None
    note: LongText | None = None
    lines: Lines


class OrderCorrection(Change):
    channel: Text | None = None
    external_ref: Text | None = None
    visit: Id | None = Field(None, description="The visit in which it was won.")
    requested_date: date | None = None
    note: LongText | None = None
    lines: Lines | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"lines"})


class Verification(Entry):
    note: LongText | None = None


class Confirmation(Entry):
    promised_date: date
    payment_method: Text
    customer_told_at: AwareDatetime
    told_by: Id | None = Field(None, description="Who told the customer; the author without it.")


class Amendment(Reasoned):
    lines: Lines | None = Field(None, description="All lines as they are to be.")
    promised_date: date | None = None


class Allocation(Entry):
    assignee: Id
    due: date | None = None


class Delivery(Entry):
    receiver: Text


class Handover(Entry):
    documents: Annotated[list[Text], Field(min_length=1, max_length=100)]
    receiver: Text


@router.post("/orders", status_code=201, summary="Receive an order")
async def receive(request: Request, caller: CallerDep, command: CommandDep, body: NewOrder) -> Response:
    """Amounts are in minor units; quantities have at most three decimals. `currency` holds for all lines."""
    order_id = record_id(body, command, "orders")
    stored = await commands.receive(
        repositories(request),
        await act(request, caller, command, body),
        order_id,
        customer=body.customer,
        owner=body.owner,
        currency=body.currency,
        channel=body.channel,
        external_ref=body.external_ref,
        visit=body.visit,
        requested_date=body.requested_date,
        note=body.note,
        wanted=_wanted(body.lines),
    )
    return answer(stored, 201, f"/api/v1/orders/{order_id}", _shown_to(caller))


@router.patch("/orders/{order_id}", summary="Correct an order that is not verified yet")
async def correct(
    request: Request, caller: CallerDep, command: VersionedCommandDep, order_id: RecordId, body: OrderCorrection
) -> Response:
    """`lines` are all lines as they are to be. A returned order is back in the queue with its correction."""
    changes = body.said()
    lines = changes.pop("lines", None)
    doing = await act(request, caller, command, body)
    stored = await commands.correct(
        repositories(request), doing, order_id, changes, None if lines is None else _wanted(lines)
    )
    return answer(stored, show=_shown_to(caller))


@router.post("/orders/{order_id}/verification", summary="Verify an order")
async def verify(
    request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Verification
) -> Response:
    """It is accurate and complete. For clerks and office heads; not for whoever received it."""
    doing = await act(request, caller, command, body)
    stored = await commands.verify(repositories(request), doing, order_id, body.note)
    return answer(stored, show=_shown_to(caller))


@router.post("/orders/{order_id}/return", summary="Return an order to whoever received it")
async def send_back(
    request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Reasoned
) -> Response:
    doing = await act(request, caller, command, body)
    stored = await commands.send_back(repositories(request), doing, order_id, body.reason)
    return answer(stored, show=_shown_to(caller))


@router.post("/orders/{order_id}/confirmation", summary="Confirm an order with the customer")
async def confirm(
    request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Confirmation
) -> Response:
    """Promised date, payment method and the time the customer was told are mandatory (L46)."""
    stored = await commands.confirm(
        repositories(request),
        await act(request, caller, command, body),
        order_id,
        promised_date=body.promised_date,
        payment_method=body.payment_method,
        customer_told_at=body.customer_told_at,
        told_by=body.told_by,
    )
    return answer(stored, show=_shown_to(caller))


@router.post("/orders/{order_id}/amendment", summary="Amend a confirmed order")
async def amend(
    request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Amendment
) -> Response:
    """Other lines or another promised date; the promise before is kept in `amendments`."""
    stored = await commands.amend(
        repositories(request),
        await act(request, caller, command, body),
        order_id,
        reason=body.reason,
        wanted=None if body.lines is None else _wanted(body.lines),
        promised_date=body.promised_date,
    )
    return answer(stored, show=_shown_to(caller))


@router.post("/orders/{order_id}/allocation", summary="Allocate an order to somebody")
async def allocate(
    request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Allocation
) -> Response:
    doing = await act(request, caller, command, body)
    stored = await commands.allocate(repositories(request), doing, order_id, assignee=body.assignee, due=body.due)
    return answer(stored, show=_shown_to(caller))


@router.post("/orders/{order_id}/delivery", summary="The goods are with the customer")
async def deliver(
    request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Delivery
) -> Response:
    doing = await act(request, caller, command, body)
    stored = await commands.deliver(repositories(request), doing, order_id, body.receiver)
    return answer(stored, show=_shown_to(caller))


@router.post("/orders/{order_id}/handover", summary="The papers are handed over")
async def hand_over(
    request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Handover
) -> Response:
    """Only now the order counts as completed (L74)."""
    doing = await act(request, caller, command, body)
    stored = await commands.hand_over(repositories(request), doing, order_id, body.documents, body.receiver)
    return answer(stored, show=_shown_to(caller))


@router.post("/orders/{order_id}/closure", summary="Close an order")
async def close(request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Entry) -> Response:
    doing = await act(request, caller, command, body)
    return answer(await commands.close(repositories(request), doing, order_id), show=_shown_to(caller))


@router.post("/orders/{order_id}/cancellation", summary="Cancel an order")
async def cancel(
    request: Request, caller: CallerDep, command: CommandDep, order_id: RecordId, body: Reasoned
) -> Response:
    """From every state before the delivery."""
    doing = await act(request, caller, command, body)
    stored = await commands.cancel(repositories(request), doing, order_id, body.reason)
    return answer(stored, show=_shown_to(caller))


@router.get("/orders/{order_id}", summary="One order")
async def one(request: Request, caller: CallerDep, order_id: RecordId) -> Response:
    """Costs and margin are left out for roles that do not see them."""
    return answer(await queries.one(repositories(request), caller, order_id), show=_shown_to(caller))


@router.get("/orders", summary="Orders")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("-received_at", "number", "id")],
    customer: Filter = None,
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    status: OrderStatus | None = None,
    number: Filter = None,
    external_ref: Filter = None,
    first: Annotated[date | None, Query(alias="from", description="First business date of receipt.")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last business date of receipt.")] = None,
) -> Response:
    fields = {
        "customer": customer,
        "owner": owner,
        "office": office,
        "region": region,
        "status": status,
        "number": number,
        "external_ref": external_ref,
    }
    return answer_page(
        await queries.page(repositories(request), caller, paging, fields, first, last), _shown_to(caller)
    )


def _wanted(lines: Sequence[Line]) -> list[Wanted]:
    return [
        Wanted(line.product, line.quantity, line.unit_price, line.discount, line.discount_percent) for line in lines
    ]


def _shown_to(caller: Caller) -> Callable[[Stored[Order]], dict[str, Any]]:
    def show(stored: Stored[Order]) -> dict[str, Any]:
        order = shown(stored)
        if not rights.sees_costs(caller):
            for line in order["lines"]:
                del line["unit_cost"]
        if not rights.sees_margins(caller):
            del order["margin"]
        return order

    return show
