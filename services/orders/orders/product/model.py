"""What may be said of a product. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from contracts.envelope import Happened
from contracts.money import Money
from contracts.orders import Product, ProductEvent
from contracts.refusals import NotPossible
from orders.order.lines import LARGEST


def register(product: Product, at: datetime, day: date) -> tuple[Product, Happened]:
    """A new product. Raises NotPossible when price and cost do not fit together."""
    _sound(product)
    return product, Happened(ProductEvent.REGISTERED, at, day)


def update(product: Product, changes: Mapping[str, Any], at: datetime, day: date) -> tuple[Product, Happened | None]:
    """Other details; nothing happens when nothing changes. Orders keep the price and cost that they have."""
    changed = product.model_copy(update=dict(changes))
    if changed == product:
        return product, None
    _sound(changed)
    return changed, Happened(ProductEvent.UPDATED, at, day)


def _sound(product: Product) -> None:
    for field, amount in (("price", product.price), ("cost", product.cost)):
        if amount is not None and not 0 <= amount.minor <= LARGEST:
            raise NotPossible(
                "amount_out_of_range",
                f"A {field} lies between 0 and {LARGEST} minor units.",
                f"金额应介于 0 与 {LARGEST}(最小货币单位)之间。",
                field=field,
            )
    cost: Money | None = product.cost
    if cost is not None and cost.currency != product.price.currency:
        raise NotPossible(
            "currency_mixed",
            f"The price is in {product.price.currency}: give the cost in {product.price.currency} too.",
            f"售价币种为 {product.price.currency}:成本应使用同一币种。",
            field="cost",
        )
