"""The HTTP door of products."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query, Request
from fastapi.responses import Response

from chassis.aggregate import Stored
from chassis.entries import Change, NewEntry, Text, record_id
from chassis.identity import Caller, CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes, shown
from contracts.orders import Product
from orders import rights
from orders.doors import Act, Amount, RecordId, act, repositories
from orders.product import commands, queries

router = routes("products")


class NewProduct(NewEntry):
    code: Text
    name: Text
    family: Text | None = None
    unit: Text = "pcs"
    price: Amount
    cost: Amount | None = None
    active: bool = True


class ProductChange(Change):
    code: Text | None = None
    name: Text | None = None
    family: Text | None = None
    unit: Text | None = None
    price: Amount | None = None
    cost: Amount | None = None
    active: bool | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"code", "name", "unit", "price", "active"})


@router.post("/products", status_code=201, summary="Register a product")
async def register(request: Request, caller: CallerDep, command: CommandDep, body: NewProduct) -> Response:
    """`price` and `cost` are of one unit, in one currency; a product without a cost gives orders without a margin."""
    rights.may_price(caller)
    doing = await act(request, caller, command, body)
    product = Product(
        id=record_id(body, command, "products"),
        code=body.code,
        name=body.name,
        family=body.family,
        unit=body.unit,
        price=body.price,
        cost=body.cost,
        active=body.active,
        imported=doing.imported,
    )
    stored = await commands.register(repositories(request), doing, product, _day(request, doing))
    return answer(stored, 201, f"/api/v1/products/{product.id}", _shown_to(caller))


@router.patch("/products/{product_id}", summary="Change a product")
async def update(
    request: Request, caller: CallerDep, command: VersionedCommandDep, product_id: RecordId, body: ProductChange
) -> Response:
    """Orders that stand keep the price and the cost that they have."""
    rights.may_price(caller)
    doing = await act(request, caller, command, body)
    stored = await commands.update(repositories(request), doing, product_id, body.said(), _day(request, doing))
    return answer(stored, show=_shown_to(caller))


@router.get("/products/{product_id}", summary="One product")
async def one(request: Request, caller: CallerDep, product_id: RecordId) -> Response:
    """`cost` is left out for roles that see no costs."""
    return answer(await queries.one(repositories(request), product_id), show=_shown_to(caller))


@router.get("/products", summary="Products")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("code", "name", "id")],
    active: bool | None = None,
    family: Annotated[str | None, Query(max_length=200)] = None,
    q: Annotated[str | None, Query(max_length=200, description="A part of the code or the name.")] = None,
) -> Response:
    found = await queries.page(repositories(request), paging, active=active, family=family, q=q)
    return answer_page(found, _shown_to(caller))


def _day(request: Request, doing: Act) -> date:
    """The company's day: products belong to no office."""
    return doing.at.astimezone(ZoneInfo(request.app.state.settings.timezone)).date()


def _shown_to(caller: Caller) -> Callable[[Stored[Product]], dict[str, Any]]:
    if rights.sees_costs(caller):
        return shown
    return lambda stored: {name: value for name, value in shown(stored).items() if name != "cost"}
