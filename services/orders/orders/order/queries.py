"""Orders, within the caller's scope."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from chassis.aggregate import Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.scope import within
from contracts.orders import Order
from orders import rights
from orders.repositories import Repositories


async def one(repositories: Repositories, caller: Caller, order_id: str) -> Stored[Order]:
    """Raises Forbidden for the owner role, NotFound."""
    rights.may_read(caller)
    return await repositories.orders.get(order_id, within(caller))


async def page(
    repositories: Repositories,
    caller: Caller,
    paging: Paging,
    fields: Mapping[str, str | None],
    first: date | None = None,
    last: date | None = None,
) -> Page[Stored[Order]]:
    """Those that have all the given values, received on business dates from `first` to `last`. Raises Forbidden."""
    rights.may_read(caller)
    where: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    days = {"$gte": first, "$lte": last}
    if bounds := {bound: day.isoformat() for bound, day in days.items() if day is not None}:
        where["business_date"] = bounds
    return await repositories.orders.page(within(caller), where, paging)
