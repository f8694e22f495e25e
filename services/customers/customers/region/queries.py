"""Regions, readable by everybody who is signed in."""

from __future__ import annotations

from chassis.aggregate import Stored
from chassis.paging import Page, Paging
from chassis.search_key import containing
from contracts.staff import Region
from customers.repositories import ORGANISATION, Repositories


async def one(repositories: Repositories, region_id: str) -> Stored[Region]:
    """Raises NotFound."""
    return await repositories.regions.get(region_id, ORGANISATION)


async def page(repositories: Repositories, q: str | None, paging: Paging) -> Page[Stored[Region]]:
    """q: a part of the code or the name."""
    where = None if q is None else containing("keys.search", q)
    return await repositories.regions.page(ORGANISATION, where, paging)
