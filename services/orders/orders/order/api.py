"""The HTTP door of orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Self

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field, model_validator

from chassis.aggregate import Stored
from chassis.entries import Change, Entry, Id, LongText, NewEntry, Reasoned, Text, record_id
from chassis.fields import BodyPart, Day, Instant
from chassis.identity import Caller, CallerDep
from chassis.paging import Paging, sorted_by
from chassis.problems import RESPONSES
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes, shown
from contracts.orders import Order, OrderStatus, Percent, Quantity
from orders import rights
from orders.doors import Amount, Currency, RecordId, act, repositories
from orders.order import commands, queries
from orders.order.lines import Wanted

router = routes("orders")

MOST_LINES = 500
"""Lines of one order: each of its events carries them all."""

REPEAT_OF = "The id of the order with the same customer and external_ref: says that a second one is meant."
VISIT = "The visit in which it was won: one of the order's owner to this customer."
ALL_LINES = "All lines as they are to be: a line that is left out is removed, one without an id is new."
Filter = Annotated[str | None, Query(max_length=200)]


class _Amounts(BodyPart):
    unit_price: Amount | None = None
    discount: Amount | None = Field(None, description="Taken off the whole line.")
    discount_percent: Percent | None = Field(None, description="Of the line, instead of `discount`.")

    @model_validator(mode="after")
    def _one_discount(self) -> Self:
        if self.discount is not None and self.discount_percent is not None:
            raise ValueError("Give either discount or discount_percent.")
        return self


class Line(_Amounts):
    """What is ordered of one product. Without `unit_price` the list price counts."""

    product: Id
    quantity: Quantity


class LineChange(_Amounts):
    """A line as it is to be. With its `id` it is that line, and what is not said about it, or is null, stays.

    Without an id it is a new line, which needs `product` and `quantity`. A line whose percentage was agreed keeps the
    percentage; a `discount` of 0 takes it away.
    """

    id: Id | None = Field(None, description="The id of a line of the order.")
    product: Id | None = Field(None, description="Of a new line; a line that is there keeps its product.")
    quantity: Quantity | None = None


Lines = Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]
LineChanges = Annotated[list[LineChange], Field(min_length=1, max_length=MOST_LINES)]


class NewOrder(NewEntry):
    customer: Id
    owner: Id | None = Field(None, description="Whose order it is; without it, whoever holds the customer.")
    currency: Currency | None = Field(None, description="That of the first line's price without it.")
    channel: Text | None = None
    external_ref: Text | None = Field(None, description="The customer's own number, or that of another system.")
    repeat_of: Id | None = Field(None, description=REPEAT_OF)
    visit: Id | None = Field(None, description=VISIT)
    requested_date: Day | None = None
    note: LongText | None = None
    lines: Lines


class OrderCorrection(Change):
    channel: Text | None = None
    external_ref: Text | None = None
    repeat_of: Id | None = Field(None, description=REPEAT_OF)
    visit: Id | None = Field(None, description=VISIT)
    requested_date: Day | None = None
    note: LongText | None = None
    lines: LineChanges | None = Field(None, description=ALL_LINES)

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"lines"})


class Verification(Entry):
    note: LongText | None = None


class Confirmation(Entry):
    promised_date: Day
    payment_method: Text
    customer_told_at: Instant
    told_by: Id | None = Field(None, description="Who told the customer; the author without it.")


class Amendment(Reasoned):
    lines: LineChanges | None = Field(None, description=ALL_LINES)
    promised_date: Day | None = None


class Allocation(Entry):
    assignee: Id
    due: Day | None = None


class Delivery(Entry):
    receiver: Text


class Handover(Entry):
    documents: Annotated[list[Text], Field(min_length=1, max_length=100)]
    receiver: Text


@router.post("/orders", status_code=201, summary="Receive an order")
async def receive(request: Request, caller: CallerDep, command: CommandDep, body: NewOrder) -> Response:
    """Amounts are in minor units; quantities have at most three decimals. `currency` holds for all lines.

    A second order of the customer with the same `external_ref` is refused (409 `duplicate_reference`, with `order`, the
    first one) unless `repeat_of` says that it is meant.
    """
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
        repeat_of=body.repeat_of,
        wanted=_wanted(body.lines),
    )
    return answer(stored, 201, f"/api/v1/orders/{order_id}", _shown_to(caller))


@router.patch("/orders/{order_id}", summary="Correct an order that is not verified yet")
async def correct(
    request: Request, caller: CallerDep, command: VersionedCommandDep, order_id: RecordId, body: OrderCorrection
) -> Response:
    """`lines` are all lines as they are to be: each with its id keeps what is not said about it.

    A returned order is back in the queue with its correction.
    """
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


@router.post("/orders/{order_id}/amendment", summary="Amend a confirmed order", responses={428: RESPONSES[428]})
async def amend(
    request: Request, caller: CallerDep, command: VersionedCommandDep, order_id: RecordId, body: Amendment
) -> Response:
    """Other lines or another promised date; the promise before is kept in `amendments`.

    It replaces what the order says, so it needs `If-Match`. `lines` are all lines as they are to be: each with its id
    keeps what is not said about it (price, discount, cost).
    """
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
    first: Annotated[Day | None, Query(alias="from", description="First business date of receipt.")] = None,
    last: Annotated[Day | None, Query(alias="to", description="Last business date of receipt.")] = None,
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


def _wanted(lines: Sequence[Line | LineChange]) -> list[Wanted]:
    return [
        Wanted(
            product=line.product,
            quantity=line.quantity,
            unit_price=line.unit_price,
            discount=line.discount,
            discount_percent=line.discount_percent,
            id=line.id if isinstance(line, LineChange) else None,
        )
        for line in lines
    ]


def _shown_to(caller: Caller) -> Callable[[Stored[Order]], dict[str, Any]]:
    def show(stored: Stored[Order]) -> dict[str, Any]:
        order = shown(stored)
        if not rights.sees_costs(caller):
            for line in order["lines"]:
                line.pop("unit_cost", None)
        if not rights.sees_margins(caller):
            del order["margin"]
        return order

    return show
