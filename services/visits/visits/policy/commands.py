"""Set an office's rules: load, decide, save."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chassis.aggregate import Command, Stored
from chassis.identity import Caller
from chassis.problems import Conflict, Forbidden, Stale
from contracts.visits import VisitPolicy
from visits.policy import model, queries
from visits.repositories import Repositories


async def change(
    repositories: Repositories,
    caller: Caller,
    command: Command,
    office_id: str,
    changes: Mapping[str, Any],
    at: datetime,
) -> Stored[VisitPolicy]:
    """The first setting makes the record, from the defaults.

    Raises Forbidden for all but administrators, NotFound for an office that is not known, Stale.
    """
    if caller.role != "administrator":
        raise Forbidden(None, "Only an administrator sets an office's rules.", "只有管理员可以设置办事处规则。")
    office = await queries.office(repositories, office_id)
    stored = await queries.one(repositories, office_id)
    if stored.version == 0 and command.expected in (None, 0):
        try:
            return await repositories.policies.create(
                *model.set_to(stored.state, changes, office, at), command, queries.RULES
            )
        except Conflict:  # somebody else was the first
            stored = await queries.one(repositories, office_id)
            raise Stale(stored.version) from None
    if stored.version == 0:
        raise Stale(0)
    return await repositories.policies.change(
        office_id, queries.RULES, lambda policy: model.set_to(policy, changes, office, at), command
    )
