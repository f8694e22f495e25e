"""Visits, within the caller's scope; one of them also for whoever may evaluate it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from chassis import clock
from chassis.aggregate import Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.scope import within
from contracts.visits import Visit
from visits import rights
from visits.lists import where
from visits.repositories import Repositories
from visits.signing import readable


async def one(repositories: Repositories, caller: Caller, visit_id: str) -> Stored[Visit]:
    """Raises Forbidden for the owner role, NotFound."""
    return await readable(repositories, repositories.visits, caller, visit_id, clock.now())


async def page(
    repositories: Repositories,
    caller: Caller,
    paging: Paging,
    fields: Mapping[str, Any],
    first: date | None = None,
    last: date | None = None,
) -> Page[Stored[Visit]]:
    """Those that have all the given values, of business dates from `first` to `last`. Raises Forbidden."""
    rights.may_read(caller)
    return await repositories.visits.page(within(caller), where(fields, first, last), paging)
