"""Products, readable by everybody who is signed in."""

from __future__ import annotations

from typing import Any

from chassis.aggregate import Stored
from chassis.paging import Page, Paging
from chassis.search_key import containing
from contracts.orders import Product
from orders.repositories import CATALOGUE, Repositories


async def one(repositories: Repositories, product_id: str) -> Stored[Product]:
    """Raises NotFound."""
    return await repositories.products.get(product_id, CATALOGUE)


async def page(
    repositories: Repositories, paging: Paging, *, active: bool | None, family: str | None, q: str | None
) -> Page[Stored[Product]]:
    """Those that fit the filters that are given; `q` is a part of the code or the name."""
    where: dict[str, Any] = {}
    if active is not None:
        where["active"] = active
    if family is not None:
        where["family"] = family
    if q:
        where |= containing("keys.search", q)
    return await repositories.products.page(CATALOGUE, where, paging)
