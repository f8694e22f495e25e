"""GET /api/v1/customers/{id}/overview: a customer's file and what goes on with it, on one page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from chassis.service import routes
from gateway.parts import AskDep, gather

router = routes("pages")

SHOWN = 20


@router.get("/customers/{id}/overview")
async def customer_overview(id: Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$")], ask: AskDep) -> dict[str, Any]:
    """The customer (404 where it is not the caller's to see), its orders and its latest visits."""
    parts = await gather(
        {
            "orders": ask("orders", "/api/v1/orders", customer=id, limit=SHOWN),
            "visits": ask("visits", "/api/v1/visits", customer=id, sort="-business_date", limit=SHOWN),
        },
        required={"customer": ask("customers", f"/api/v1/customers/{id}")},
    )
    return {
        "customer": parts["customer"],
        "orders": parts.rows("orders"),
        "visits": parts.rows("visits"),
        **parts.gaps,
    }
