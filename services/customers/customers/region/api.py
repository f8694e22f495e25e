"""The HTTP door of regions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response

from chassis.entries import Change, NewEntry, Text, imported, record_id
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.staff import Region
from customers import rights
from customers.doors import Code, RecordId, repositories, when
from customers.region import commands, queries

router = routes("organisation")


class NewRegion(NewEntry):
    code: Code
    name: Text


class RegionChange(Change):
    code: Code | None = None
    name: Text | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"code", "name"})


@router.post("/regions", status_code=201, summary="Register a region")
async def register(request: Request, caller: CallerDep, command: CommandDep, body: NewRegion) -> Response:
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    region = Region(
        id=record_id(body, command, "regions"), code=body.code, name=body.name, imported=imported(caller, body)
    )
    stored = await commands.register(repositories(request), command, region, at)
    return answer(stored, 201, f"/api/v1/regions/{region.id}")


@router.patch("/regions/{region_id}", summary="Change a region's code or name")
async def update(
    request: Request, caller: CallerDep, command: VersionedCommandDep, region_id: RecordId, body: RegionChange
) -> Response:
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    return answer(await commands.update(repositories(request), command, region_id, body.said(), at))


@router.get("/regions/{region_id}", summary="One region")
async def one(request: Request, caller: CallerDep, region_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), region_id))


@router.get("/regions", summary="Regions")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("code", "name", "id")],
    q: Annotated[str | None, Query(max_length=200, description="A part of the code or the name.")] = None,
) -> Response:
    return answer_page(await queries.page(repositories(request), q, paging))
