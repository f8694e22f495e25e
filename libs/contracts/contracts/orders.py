"""Events of products and orders (domain.md O-01 to O-04, O-10, O-12, O-20 and A3)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from contracts.envelope import Imported, Published
from contracts.money import Money
from contracts.steps import Step

Quantity = Annotated[Decimal, Field(gt=0, max_digits=15, decimal_places=3)]
Percent = Annotated[Decimal, Field(ge=0, le=100, decimal_places=4)]


class Product(Published):
    id: str
    code: str
    name: str
    family: str | None = None
    unit: str = "pcs"
    price: Money
    """List price of one unit."""
    cost: Money | None = None
    """Cost of one unit, in the price's currency; None while it is unknown."""
    active: bool = True
    imported: Imported | None = None


class ProductEvent(StrEnum):
    REGISTERED = "sales.product.registered"
    UPDATED = "sales.product.updated"
    RESTATED = "sales.product.restated"


class OrderStatus(StrEnum):
    """received → verified / returned → confirmed → allocated → delivered → handover_complete → closed."""

    RECEIVED = "received"
    RETURNED = "returned"
    VERIFIED = "verified"
    CONFIRMED = "confirmed"
    ALLOCATED = "allocated"
    DELIVERED = "delivered"
    HANDOVER_COMPLETE = "handover_complete"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class OrderLine(Published):
    id: str = ""
    """Unique within the order, given by the service, and never given to another line of it. Orders that were written
    before lines had ids have none on the wire; readers number their lines 1, 2, …"""
    product: str
    name: str
    quantity: Quantity
    unit_price: Money
    discount: Money
    """Taken off the whole line."""
    discount_percent: Percent | None = None
    """The percentage that was agreed, where the discount comes from one."""
    amount: Money
    """The net amount. With a percentage: quantity x unit_price less the percentage, rounded half up to the minor unit
    once, and the discount is the rest. Without: quantity x unit_price, rounded half up, less the discount."""
    unit_cost: Money | None = None
    """Cost of one unit, frozen at confirmation."""


class Credit(Published):
    """Who is credited on a business date, and where they worked on it."""

    person: str
    office: str
    region: str


class Verification(Step):
    note: str | None = None


class Return(Step):
    reason: str


class Confirmation(Step):
    promised_date: date
    payment_method: str
    customer_told_at: AwareDatetime
    told_by: str
    credit: Credit
    """Sales count for them on `business_date`."""


class Allocation(Step):
    assignee: str
    due: date | None = None


class Delivery(Step):
    receiver: str


class Handover(Step):
    documents: list[str]
    """The papers handed over; handover is complete only with all of them (L74)."""
    receiver: str


class Cancellation(Step):
    reason: str
    was_confirmed: bool


class Amendment(Step):
    """What a confirmed order's promise was before it was amended."""

    reason: str
    promised_date: date
    total: Money


class Order(Published):
    id: str
    number: str
    """People-facing number from the office's gap-free series, such as SHA-2026-000017."""
    customer: str
    customer_name: str
    owner: str
    """The salesperson; office as it was for them on `business_date`."""
    office: str
    region: str
    """The office's region on `business_date`; while the order is open it follows the office into another one."""
    status: OrderStatus
    business_date: date
    """The day it was received."""
    received_at: AwareDatetime
    received_by: str
    channel: str | None = None
    external_ref: str | None = None
    """The customer's own number, or that of another system."""
    repeat_of: str | None = None
    """The order of the same customer with the same `external_ref` that this one repeats on purpose."""
    visit: str | None = None
    """The visit in which it was won, where the salesperson says so (domain.md A4, deal rate)."""
    requested_date: date | None = None
    note: str | None = None
    lines: list[OrderLine]
    last_line: int = 0
    """The highest number that was given to a line as its id, so that the id of a removed line is not given again."""
    total: Money
    margin: Money | None = None
    """total - cost, from the costs frozen at confirmation; None while a line's cost is unknown (O-20)."""
    correction: Step | None = None
    """The last time that it was corrected before its verification."""
    verification: Verification | None = None
    returned: Return | None = None
    confirmation: Confirmation | None = None
    amendments: list[Amendment] = []
    allocation: Allocation | None = None
    delivery: Delivery | None = None
    handover: Handover | None = None
    closure: Step | None = None
    cancellation: Cancellation | None = None
    imported: Imported | None = None

    @model_validator(mode="after")
    def _lines_have_ids(self) -> Self:
        """Number the lines of an order that was written before lines had ids."""
        if not self.last_line and not any(line.id for line in self.lines):
            lines = [line.model_copy(update={"id": str(at)}) for at, line in enumerate(self.lines, 1)]
            # The model is frozen for its users; here it is still being made.
            object.__setattr__(self, "lines", lines)
            object.__setattr__(self, "last_line", len(lines))
        return self


class OrderEvent(StrEnum):
    RECEIVED = "sales.order.received"
    CORRECTED = "sales.order.corrected"
    VERIFIED = "sales.order.verified"
    RETURNED = "sales.order.returned"
    CONFIRMED = "sales.order.confirmed"
    AMENDED = "sales.order.amended"
    ALLOCATED = "sales.order.allocated"
    DELIVERED = "sales.order.delivered"
    HANDOVER_COMPLETED = "sales.order.handover_completed"
    CLOSED = "sales.order.closed"
    CANCELLED = "sales.order.cancelled"
    REGION_CHANGED = "sales.order.region_changed"
    """The office came to another region while the order was open: `region` is the new one."""
    RESTATED = "sales.order.restated"
