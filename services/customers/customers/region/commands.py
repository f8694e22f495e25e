"""Register and update regions: load, decide, save."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chassis.aggregate import Command, Stored
from chassis.mongo import DuplicateKey
from chassis.problems import Conflict
from contracts.staff import Region
from customers.region import model
from customers.repositories import ORGANISATION, Repositories


async def register(repositories: Repositories, command: Command, region: Region, at: datetime) -> Stored[Region]:
    """Raises Conflict (code_taken, id_taken)."""
    try:
        return await repositories.regions.create(*model.register(region, at), command, ORGANISATION)
    except DuplicateKey:
        raise code_taken(region.code) from None


async def update(
    repositories: Repositories, command: Command, region_id: str, changes: Mapping[str, Any], at: datetime
) -> Stored[Region]:
    """Raises NotFound, Stale, Conflict (code_taken)."""
    try:
        return await repositories.regions.change(
            region_id, ORGANISATION, lambda region: model.update(region, changes, at), command
        )
    except DuplicateKey:
        raise code_taken(str(changes.get("code"))) from None


def code_taken(code: str) -> Conflict:
    return Conflict("code_taken", f"The code {code} is taken: choose another.", f"代码 {code} 已被使用:请换一个。")
