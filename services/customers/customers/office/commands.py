"""Register, update and move offices: load, decide, save."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from chassis.aggregate import Command, Stored
from chassis.mongo import DuplicateKey
from contracts.staff import Office
from customers.customer.commands import follow_offices
from customers.office import model
from customers.region.commands import code_taken
from customers.repositories import ORGANISATION, Repositories

FOLLOWING = 500
"""So many customers follow an office within its move; the timer takes those that are left."""


async def register(repositories: Repositories, command: Command, office: Office, at: datetime) -> Stored[Office]:
    """Raises Invalid (unknown_region), Conflict (code_taken, id_taken)."""
    await repositories.region(office.regions[0].region)
    try:
        return await repositories.offices.create(*model.register(office, at), command, ORGANISATION)
    except DuplicateKey:
        raise code_taken(office.code) from None


async def update(
    repositories: Repositories, command: Command, office_id: str, changes: Mapping[str, Any], at: datetime
) -> Stored[Office]:
    """Raises NotFound, Stale."""
    return await repositories.offices.change(
        office_id, ORGANISATION, lambda office: model.update(office, changes, at), command
    )


async def move(
    repositories: Repositories, command: Command, office_id: str, region: str, valid_from: date, at: datetime
) -> Stored[Office]:
    """Into another region from a day on; the first FOLLOWING of its customers are there when this returns.

    Raises NotFound, Invalid (unknown_region), Stale, NotPossible (past_entry).
    """
    await repositories.region(region)
    moved = await repositories.offices.change(
        office_id, ORGANISATION, lambda office: model.move(office, region, valid_from, at), command
    )
    await follow_offices(repositories, office_id, FOLLOWING)
    return moved
