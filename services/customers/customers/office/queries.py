"""Offices, readable by everybody who is signed in."""

from __future__ import annotations

from chassis.aggregate import Stored
from chassis.paging import Page, Paging
from chassis.search_key import containing
from contracts.staff import Office
from customers.repositories import ORGANISATION, Repositories


async def one(repositories: Repositories, office_id: str) -> Stored[Office]:
    """Raises NotFound."""
    return await repositories.offices.get(office_id, ORGANISATION)


async def page(repositories: Repositories, q: str | None, paging: Paging) -> Page[Stored[Office]]:
    """q: a part of the code or the name."""
    where = None if q is None else containing("keys.search", q)
    return await repositories.offices.page(ORGANISATION, where, paging)
