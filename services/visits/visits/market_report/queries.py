"""Market situation reports, within the caller's scope."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from chassis import clock
from chassis.aggregate import Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.scope import within
from contracts.visits import MarketReport
from visits import rights
from visits.lists import where
from visits.market_report.commands import reach
from visits.repositories import Repositories


async def one(repositories: Repositories, caller: Caller, report_id: str) -> Stored[MarketReport]:
    """Also for the deputy of its recipient. Raises Forbidden for the owner role, NotFound."""
    rights.may_read(caller)
    scope = await reach(repositories, caller.person, within(caller), report_id, clock.now())
    return await repositories.market_reports.get(report_id, scope)


async def page(
    repositories: Repositories,
    caller: Caller,
    paging: Paging,
    fields: Mapping[str, str | None],
    first: date | None = None,
    last: date | None = None,
) -> Page[Stored[MarketReport]]:
    """Those that have all the given values, submitted on business dates from `first` to `last`. Raises Forbidden."""
    rights.may_read(caller)
    return await repositories.market_reports.page(within(caller), where(fields, first, last), paging)
