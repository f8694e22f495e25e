"""Customer files and lists of them, always within the caller's scope."""

from __future__ import annotations

from typing import Any

from chassis.aggregate import Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.scope import within
from chassis.search_key import containing
from contracts.customers import Customer
from customers.repositories import Repositories


async def one(repositories: Repositories, caller: Caller, customer_id: str) -> Stored[Customer]:
    """Raises NotFound."""
    return await repositories.customers.get(customer_id, within(caller))


async def page(
    repositories: Repositories, caller: Caller, given: dict[str, str | None], name: str | None, paging: Paging
) -> Page[Stored[Customer]]:
    """Those that fit the filters that are given. name: a part of the name, in whatever form it was typed."""
    where: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if name is not None:
        where |= containing("keys.search", name)
    return await repositories.customers.page(within(caller), where, paging)
