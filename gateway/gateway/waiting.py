"""The orders that still want something done, for the pages that show them."""

from __future__ import annotations

import asyncio
from typing import Any

from contracts.orders import OrderStatus
from gateway.parts import Ask

ENDED = (OrderStatus.CLOSED, OrderStatus.CANCELLED)
OPEN = tuple(status for status in OrderStatus if status not in ENDED)


async def waiting(ask: Ask, limit: int, **where: Any) -> dict[str, list[Any]]:
    """By status, in the order of an order's life: up to `limit` each. Empty ones are left out."""
    pages = await asyncio.gather(*(ask("orders", "/api/v1/orders", status=s, limit=limit, **where) for s in OPEN))
    return {status.value: page["items"] for status, page in zip(OPEN, pages, strict=True) if page["items"]}
