"""Everything that this service keeps, and its indexes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from chassis.aggregate import Repository
from chassis.gather import Gathered
from chassis.mongo import Database
from chassis.scope import everything
from chassis.series import Series
from contracts.orders import Order, Product
from contracts.topics import ORDERS, PRODUCTS
from orders.known import Known

CATALOGUE = everything("products belong to nobody in particular")

LISTED_BY = ("owner", "office", "region", "customer", "status")


class Repositories:
    """Products, orders with their numbers, and the copies of what the others own."""

    def __init__(self, database: Database) -> None:
        self.products = Repository(database, "products", PRODUCTS, Product, keys=_product_keys)
        self.orders = Repository(database, "orders", ORDERS, Order)
        self.numbers = Series(database, self._numbered)
        self.known = Known(database)
        self._products = Gathered(self._products_of_all)

    @property
    def all(self) -> tuple[Repository[Any], ...]:
        """In the order in which they need each other."""
        return (self.products, self.orders)

    async def prepare(self) -> None:
        """Make the indexes; harmless to repeat."""
        await self.products.prepare({"keys": [("code", 1)], "unique": True}, {"keys": [("name", 1), ("_id", 1)]})
        await self.orders.prepare(
            {"keys": [("number", 1)], "unique": True},
            {"keys": [("received_at", 1), ("_id", 1)]},
            *({"keys": [(field, 1), ("received_at", 1), ("_id", 1)]} for field in LISTED_BY),
            {"keys": [("external_ref", 1)], "partialFilterExpression": {"external_ref": {"$type": "string"}}},
        )

    async def products_of(self, ids: Iterable[str]) -> dict[str, Product]:
        """The products that there are, by id."""
        wanted = set(ids)
        found = await self._products(wanted)
        return {product_id: found[product_id] for product_id in wanted & found.keys()}

    async def _products_of_all(self, wanted: Sequence[Set[str]]) -> Sequence[Mapping[str, Product]]:
        found = await self.products.find(CATALOGUE, {"_id": {"$in": sorted(set().union(*wanted))}})
        every = {stored.state.id: stored.state for stored in found}
        return [every] * len(wanted)

    async def _numbered(self, series: str, number: int) -> bool:
        found = await self.orders.collection.find_one({"number": order_number(series, number)}, {"_id": 1})
        return found is not None


def order_number(series: str, number: int) -> str:
    """Such as SHA-2026-000017."""
    return f"{series}-{number:06d}"


def search_text(text: str) -> str:
    """A text as it is searched: without regard to case and width."""
    return unicodedata.normalize("NFKC", text).casefold()


def _product_keys(product: Product) -> dict[str, Any]:
    return {"search": search_text(f"{product.code}\n{product.name}")}
