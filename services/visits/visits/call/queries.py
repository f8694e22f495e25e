"""Phone calls, within the caller's scope."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from chassis.aggregate import Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.scope import within
from contracts.visits import Call
from visits import rights
from visits.lists import where
from visits.repositories import Repositories


async def one(repositories: Repositories, caller: Caller, call_id: str) -> Stored[Call]:
    """Raises Forbidden for the owner role, NotFound."""
    rights.may_read(caller)
    return await repositories.calls.get(call_id, within(caller))


async def page(
    repositories: Repositories,
    caller: Caller,
    paging: Paging,
    fields: Mapping[str, str | None],
    first: date | None = None,
    last: date | None = None,
) -> Page[Stored[Call]]:
    """Those that have all the given values, of business dates from `first` to `last`. Raises Forbidden."""
    rights.may_read(caller)
    return await repositories.calls.page(within(caller), where(fields, first, last), paging)
