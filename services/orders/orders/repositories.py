"""Everything that this service keeps, and its indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from chassis.aggregate import Repository
from chassis.gather import Gathered
from chassis.mongo import Database
from chassis.scope import everything
from chassis.search_key import search_keys
from chassis.series import Series
from contracts.orders import Order, OrderStatus, Product
from contracts.topics import ORDERS, PRODUCTS
from orders.known import Known
from orders.order.model import DONE
from orders.order.reference import keys as reference_keys
from orders.order.reference import reference_key

CATALOGUE = everything("products belong to nobody in particular")

SCHEME = 1
"""Of the private keys below. A larger number makes all stored keys anew at the next start."""
_KEYS = everything("the keys of all records are made by one rule")
_REFERENCES = everything("a customer's reference is compared with all orders of that customer")

SOLE_REFERENCE = "keys.sole_reference"
"""The private field that holds references apart, also where two orders come at the same moment."""

OPEN = "keys.open"
"""The private field that holds the office of an open order."""

LISTED_BY = ("owner", "office", "region", "customer", "status")


class Repositories:
    """Products, orders with their numbers, and the copies of what the others own."""

    def __init__(self, database: Database) -> None:
        self.products = Repository(database, "products", PRODUCTS, Product, keys=_product_keys)
        self.orders = Repository(database, "orders", ORDERS, Order, keys=_order_keys)
        self.numbers = Series(database, self._numbered)
        self.known = Known(database)
        self._products = Gathered(self._products_of_all)

    @property
    def all(self) -> tuple[Repository[Any], ...]:
        """In the order in which they need each other."""
        return (self.products, self.orders)

    async def prepare(self) -> None:
        """Make the indexes; harmless to repeat."""
        # A list is sorted by a field and then by the id, also where the field is unique.
        await self.products.prepare(
            {"keys": [("code", 1)], "unique": True},
            {"keys": [("code", 1), ("_id", 1)]},
            {"keys": [("name", 1), ("_id", 1)]},
            {"keys": [("keys.scheme", 1)]},
        )
        await self.orders.prepare(
            {"keys": [("number", 1)], "unique": True},
            {"keys": [("number", 1), ("_id", 1)]},
            {"keys": [("received_at", 1), ("_id", 1)]},
            *({"keys": [(field, 1), ("received_at", 1), ("_id", 1)]} for field in LISTED_BY),
            {"keys": [("external_ref", 1)], "partialFilterExpression": {"external_ref": {"$exists": True}}},
            {"keys": [("keys.scheme", 1)]},
            {"keys": [(OPEN, 1), ("region", 1)], "partialFilterExpression": {OPEN: {"$exists": True}}},
            {"keys": [("keys.reference", 1)], "partialFilterExpression": {"keys.reference": {"$exists": True}}},
            {
                "keys": [(SOLE_REFERENCE, 1)],
                "unique": True,
                "partialFilterExpression": {SOLE_REFERENCE: {"$exists": True}},
            },
        )
        await self.products.renew_keys(_KEYS, SCHEME)
        await self.orders.renew_keys(_KEYS, SCHEME, _unreferenced)

    async def alike(self, customer: str, external_ref: str | None, but: str) -> list[Order]:
        """The orders of that customer with the same reference that are not cancelled, the first one first.

        but: the id of the order itself.
        """
        key = reference_key(customer, external_ref)
        if key is None:
            return []
        where = {"keys.reference": key, "_id": {"$ne": but}}
        found = [stored.state for stored in await self.orders.find(_REFERENCES, where)]
        standing = [order for order in found if order.status is not OrderStatus.CANCELLED]
        return sorted(standing, key=lambda order: (order.received_at, order.number))

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


def _unreferenced(order: Order) -> dict[str, Any]:
    """Two orders with one reference from before references were compared: both stay."""
    return {"keys": {name: key for name, key in _order_keys(order).items() if f"keys.{name}" != SOLE_REFERENCE}}


def _order_keys(order: Order) -> dict[str, Any]:
    """`open` holds the office of an order that is not done with."""
    return {"scheme": SCHEME, **reference_keys(order), **({} if order.status in DONE else {"open": order.office})}


def _product_keys(product: Product) -> dict[str, Any]:
    return {"scheme": SCHEME, "search": search_keys(product.code, product.name)}
