"""Visit plans, within the caller's scope; one of them also for whoever may sign it."""

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
from contracts.visits import VisitPlan
from visits import rights
from visits.lists import where
from visits.plan import model
from visits.repositories import Repositories
from visits.signing import readable


async def one(repositories: Repositories, caller: Caller, plan_id: str) -> Stored[VisitPlan]:
    """Raises Forbidden for the owner role, NotFound."""
    return await readable(repositories, repositories.plans, caller, plan_id, clock.now())


async def page(
    repositories: Repositories,
    caller: Caller,
    paging: Paging,
    fields: Mapping[str, str | None],
    first: date | None = None,
    last: date | None = None,
) -> Page[Stored[VisitPlan]]:
    """Those that have all the given values, for business dates from `first` to `last`. Raises Forbidden."""
    rights.may_read(caller)
    return await repositories.plans.page(within(caller), where(fields, first, last), paging)


async def difference(
    repositories: Repositories, caller: Caller, plan_id: str, revision: int, other: int
) -> dict[str, Any]:
    """What the revision `other` says otherwise than `revision`. Raises Forbidden, NotFound."""
    plan = (await one(repositories, caller, plan_id)).state
    before, after = model.stops_of(plan, revision), model.stops_of(plan, other)
    if before is None or after is None:
        raise NotFound()
    return {"plan": plan.id, "revision": revision, "with": other, **model.difference(before, after)}
