"""Leave and trips, within the caller's scope; a deputy opens those on which they may decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from chassis import clock
from chassis.aggregate import Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.scope import within
from contracts.visits import Absence
from visits import rights
from visits.repositories import Repositories
from visits.signing import readable


async def one(repositories: Repositories, caller: Caller, absence_id: str) -> Stored[Absence]:
    """Raises Forbidden for the owner role, NotFound."""
    return await readable(repositories, repositories.absences, caller, absence_id, clock.now())


async def page(
    repositories: Repositories,
    caller: Caller,
    paging: Paging,
    fields: Mapping[str, Any],
    first: date | None = None,
    last: date | None = None,
) -> Page[Stored[Absence]]:
    """Those that have all the given values and hold a day from `first` to `last`. Raises Forbidden."""
    rights.may_read(caller)
    where: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    if first is not None:
        where["last_day"] = {"$gte": first.isoformat()}
    if last is not None:
        where["business_date"] = {"$lte": last.isoformat()}
    return await repositories.absences.page(within(caller), where, paging)
