"""The HTTP door of people."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import orjson
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from chassis.entries import Change, Entry, Id, NewEntry, Text, imported, record_id
from chassis.fields import Day
from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.staff import Role
from customers import rights
from customers.doors import Email, Phone, RecordId, repositories, when
from customers.person import commands, queries

router = routes("organisation")

Filter = Annotated[str | None, Query(max_length=200)]


class Place(Entry):
    """What somebody is, where, and under whom."""

    role: Role
    office: Id | None = Field(None, description="Needed by salespeople, office heads and clerks.")
    region: Id | None = Field(None, description="Needed by regional supervisors; of others it is the office's.")
    manager: Id | None = Field(None, description="The person reported to.")
    offices_served: Annotated[list[Id], Field(max_length=200)] = []


class NewPerson(NewEntry, Place):
    name: Text
    number: Text | None = Field(None, description="Employee number.")
    email: Email | None = None
    phone: Phone | None = None
    joined_on: Day
    left_on: Day | None = Field(None, description="The first day on which they are no longer on the roster.")


class PersonChange(Change):
    name: Text | None = None
    number: Text | None = None
    email: Email | None = None
    phone: Phone | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"name"})


class NewPosting(Place):
    valid_from: Day


class Departure(Entry):
    left_on: Day


def _place(body: Place, valid_from: date) -> commands.Place:
    return commands.Place(
        role=body.role,
        valid_from=valid_from,
        office=body.office,
        region=body.region,
        manager=body.manager,
        offices_served=body.offices_served,
    )


@router.post("/people", status_code=201, summary="Register a person")
async def register(request: Request, caller: CallerDep, command: CommandDep, body: NewPerson) -> Response:
    """With the first posting, which begins on `joined_on`. For administrators; an import registers salespeople only."""
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    known = repositories(request)
    person_id = record_id(body, command, "people")
    stored = await commands.register(
        known,
        caller,
        command,
        person_id=person_id,
        name=body.name,
        number=body.number,
        email=body.email,
        phone=body.phone,
        place=_place(body, body.joined_on),
        left_on=body.left_on,
        at=at,
        imported=imported(caller, body),
    )
    return answer(stored, 201, f"/api/v1/people/{person_id}")


@router.patch("/people/{person_id}", summary="Change a person's name, number, e-mail or telephone")
async def update(
    request: Request, caller: CallerDep, command: VersionedCommandDep, person_id: RecordId, body: PersonChange
) -> Response:
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    return answer(await commands.update(repositories(request), command, person_id, body.said(), at))


@router.post("/people/{person_id}/posting", summary="Post a person to another role, place or manager")
async def post(
    request: Request, caller: CallerDep, command: CommandDep, person_id: RecordId, body: NewPosting
) -> Response:
    """From `valid_from` on; earlier postings, and what was credited under them, stay.

    For administrators. An import posts salespeople, and clerks of offices that the importer sees; nobody posts
    themselves.
    """
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    place = _place(body, body.valid_from)
    return answer(await commands.post(repositories(request), caller, command, person_id, place, at))


@router.post("/people/{person_id}/departure", summary="A person leaves")
async def leave(
    request: Request, caller: CallerDep, command: CommandDep, person_id: RecordId, body: Departure
) -> Response:
    """`left_on` is the first day on which they are no longer on the roster. Give their customers to others."""
    command = await rights.organising(repositories(request), caller, command, body)
    at = when(body)
    return answer(await commands.leave(repositories(request), caller, command, person_id, body.left_on, at))


@router.get("/people/{person_id}", summary="One person")
async def one(request: Request, caller: CallerDep, person_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), person_id))


@router.get("/people", summary="People")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("name", "id")],
    office: Filter = None,
    role: Annotated[Role | None, Query()] = None,
    region: Filter = None,
    q: Annotated[str | None, Query(max_length=200, description="A part of the name, number or e-mail.")] = None,
) -> Response:
    """By the posting in force today in its office. Those who have left are among them, by their last: see `left_on`."""
    known = repositories(request)
    return answer_page(await queries.page(known, office=office, role=role, region=region, q=q, paging=paging))


@router.get("/people/{person_id}/standing", summary="What a person is on a day")
async def standing(
    request: Request,
    caller: CallerDep,
    person_id: RecordId,
    on: Annotated[Day | None, Query(description="The day, such as 2026-11-24; today without it.")] = None,
    zone: Annotated[
        str | None, Query(max_length=100, description="Whose calendar says today for somebody without an office.")
    ] = None,
) -> Response:
    """Role, office, region and all offices served on that day. For services, administrators and oneself.

    Today is the day of the person's own office, so that joining and leaving go by its midnight.
    """
    rights.may_ask_standing(caller, person_id)
    found = await queries.standing(repositories(request), person_id, on, zone)
    return Response(orjson.dumps(found), media_type="application/json")
