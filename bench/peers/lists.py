"""The list of orders through `response_model`, as FastAPI's tutorial advises: the same app, door, query and fields."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel

from chassis import service
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from contracts.orders import Order, OrderStatus
from orders.doors import repositories
from orders.order import queries
from orders.repositories import Repositories
from orders.settings import Settings

router = service.routes("orders")


class ShownOrder(Order):
    version: int


class ShownPage(BaseModel):
    items: list[ShownOrder]
    next_cursor: str | None


@router.get("/orders", response_model=ShownPage)
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("-received_at", "number", "id")],
    owner: Annotated[str | None, Query(max_length=200)] = None,
    status: OrderStatus | None = None,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
) -> Any:
    fields = {"owner": owner, "status": status}
    found = await queries.page(repositories(request), caller, paging, fields, first, last)
    items = [{**dict(stored.state), "version": stored.version} for stored in found.items]
    return {"items": items, "next_cursor": found.next_cursor}


def app(settings: Settings) -> FastAPI:
    store = service.Store("orders", settings)
    kept = Repositories(store.database)
    state = {"repositories": kept}
    return service.http_app("orders", settings, routers=[router], store=store, prepare=kept.prepare, state=state)


if __name__ == "__main__":
    service.main("orders", Settings, app)
