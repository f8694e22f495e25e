"""Register and update products: load, decide, save."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from chassis.aggregate import Stored
from chassis.mongo import DuplicateKey
from chassis.problems import Conflict
from contracts.orders import Product
from orders.doors import Act
from orders.product import model
from orders.repositories import CATALOGUE, Repositories


async def register(repositories: Repositories, act: Act, product: Product, day: date) -> Stored[Product]:
    """Raises NotPossible, Conflict (code_taken, id_taken)."""
    try:
        return await repositories.products.create(*model.register(product, act.at, day), act.command, CATALOGUE)
    except DuplicateKey:
        raise code_taken(product.code) from None


async def update(
    repositories: Repositories, act: Act, product_id: str, changes: Mapping[str, Any], day: date
) -> Stored[Product]:
    """Raises NotFound, Stale, NotPossible, Conflict (code_taken)."""
    try:
        return await repositories.products.change(
            product_id, CATALOGUE, lambda product: model.update(product, changes, act.at, day), act.command
        )
    except DuplicateKey:
        raise code_taken(str(changes.get("code"))) from None


def code_taken(code: str) -> Conflict:
    return Conflict("code_taken", f"The code {code} is taken: choose another.", f"代码 {code} 已被使用:请换一个。")
