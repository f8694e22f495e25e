"""Register, update and move offices: load, decide, save."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from chassis.aggregate import Command, Stored
from chassis.mongo import DuplicateKey
from contracts.staff import Office
from customers.office import model
from customers.region.commands import code_taken
from customers.repositories import ORGANISATION, Repositories


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
    """Raises NotFound, Invalid (unknown_region), Stale."""
    await repositories.region(region)
    return await repositories.offices.change(
        office_id, ORGANISATION, lambda office: model.move(office, region, valid_from, at), command
    )
