"""Daily reports, within the caller's scope; a deputy opens those that they may sign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from chassis import clock
from chassis.aggregate import Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.problems import NotFound
from chassis.scope import within
from contracts.visits import DailyReport, ReportRevision
from visits import rights
from visits.lists import where
from visits.repositories import Repositories
from visits.signing import readable


async def one(repositories: Repositories, caller: Caller, report_id: str) -> Stored[DailyReport]:
    """Raises Forbidden for the owner role, NotFound."""
    return await readable(repositories, repositories.reports, caller, report_id, clock.now())


async def revision(repositories: Repositories, caller: Caller, report_id: str, number: int) -> ReportRevision:
    """A revision as it was signed. Raises Forbidden for the owner role, NotFound for one that nobody has signed."""
    report = (await one(repositories, caller, report_id)).state
    for signed in report.revisions:
        if signed.revision == number:
            return signed
    raise NotFound()


async def page(
    repositories: Repositories,
    caller: Caller,
    paging: Paging,
    fields: Mapping[str, Any],
    first: date | None = None,
    last: date | None = None,
) -> Page[Stored[DailyReport]]:
    """Those that have all the given values, of business dates from `first` to `last`. Raises Forbidden."""
    rights.may_read(caller)
    return await repositories.reports.page(within(caller), where(fields, first, last), paging)
