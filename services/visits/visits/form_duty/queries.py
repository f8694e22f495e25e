"""Form duties, within the caller's scope."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from chassis.aggregate import Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.scope import within
from contracts.visits import FormDuty
from visits import rights
from visits.lists import where
from visits.repositories import Repositories


async def one(repositories: Repositories, caller: Caller, duty_id: str) -> Stored[FormDuty]:
    """Raises Forbidden for the owner role, NotFound."""
    rights.may_read(caller)
    return await repositories.duties.get(duty_id, within(caller))


async def page(
    repositories: Repositories,
    caller: Caller,
    paging: Paging,
    fields: Mapping[str, Any],
    first: date | None = None,
    last: date | None = None,
) -> Page[Stored[FormDuty]]:
    """Those that have all the given values, of business dates from `first` to `last`. Raises Forbidden."""
    rights.may_read(caller)
    return await repositories.duties.page(within(caller), where(fields, first, last), paging)
