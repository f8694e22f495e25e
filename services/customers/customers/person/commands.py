"""Register people, change their details, post them, let them go: load, decide, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chassis.aggregate import Command, Stored
from chassis.identity import Caller
from contracts.envelope import Imported
from contracts.staff import Office, Person, Posting, Role
from customers import rights
from customers.person import model
from customers.repositories import ORGANISATION, Repositories


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is said of a posting: what somebody is, where, and under whom, from a day on."""

    role: Role
    valid_from: date
    office: str | None = None
    region: str | None = None
    manager: str | None = None
    offices_served: Sequence[str] = ()


async def register(
    repositories: Repositories,
    caller: Caller,
    command: Command,
    *,
    person_id: str,
    name: str,
    number: str | None,
    email: str | None,
    phone: str | None,
    place: Place,
    left_on: date | None,
    at: datetime,
    imported: Imported | None,
) -> Stored[Person]:
    """Somebody new, who joins with their first posting. A repetition answers the stored one.

    Raises Forbidden, Invalid (see `_posting`), NotPossible, Conflict (id_taken).
    """
    if (stored := await repositories.people.repeated(person_id, ORGANISATION, command)) is not None:
        return stored
    async with _line(repositories, place):
        first, office = await _posting(repositories, caller, person_id, place, None)
        person = Person(
            id=person_id,
            number=number,
            name=name,
            email=email,
            phone=phone,
            joined_on=first.valid_from,
            left_on=left_on,
            postings=[first],
            imported=imported,
        )
        day = await repositories.day_of(person, at)
        new = model.register(person, at, day, repositories.phone_regions(office))
        return await repositories.people.create(*new, command, ORGANISATION)


async def update(
    repositories: Repositories, command: Command, person_id: str, changes: Mapping[str, Any], at: datetime
) -> Stored[Person]:
    """Raises NotFound, Stale, NotPossible."""
    person = (await repositories.people.get(person_id, ORGANISATION)).state
    day = await repositories.day_of(person, at)
    office_id = person.posting_nearest(day).office
    regions = repositories.phone_regions(await repositories.office(office_id) if office_id else None)
    return await repositories.people.change(
        person_id, ORGANISATION, lambda person: model.update(person, changes, at, day, regions), command
    )


async def post(
    repositories: Repositories, caller: Caller, command: Command, person_id: str, place: Place, at: datetime
) -> Stored[Person]:
    """Raises Forbidden, NotFound, Stale, Invalid (see `_posting`), NotPossible (past_entry, has_left)."""
    before = (await repositories.people.get(person_id, ORGANISATION)).state
    async with _line(repositories, place):
        new, _ = await _posting(repositories, caller, person_id, place, before)
        return await repositories.people.change(
            person_id, ORGANISATION, lambda person: model.post(person, new, at), command
        )


async def leave(
    repositories: Repositories, caller: Caller, command: Command, person_id: str, left_on: date, at: datetime
) -> Stored[Person]:
    """Raises Forbidden, NotFound, Stale, WrongState, NotPossible (left_before_joined)."""
    before = (await repositories.people.get(person_id, ORGANISATION)).state
    rights.may_let_go(caller, person_id, before)
    return await repositories.people.change(
        person_id, ORGANISATION, lambda person: model.leave(person, left_on, at), command
    )


def _line(repositories: Repositories, place: Place) -> AbstractAsyncContextManager[None]:
    """Within, nobody else changes the reporting line: two postings together could close a loop that neither sees."""
    return repositories.locks.hold(["reporting_line"] if place.manager else [])


async def _posting(
    repositories: Repositories, caller: Caller, person_id: str, place: Place, before: Person | None
) -> tuple[Posting, Office | None]:
    """A posting whose office, region, manager and offices served exist, and whose reporting line has an end.

    Raises Forbidden, Invalid (unknown_office, unknown_region, unknown_person), NotPossible (see the model).
    """
    office = await repositories.office(place.office) if place.office else None
    if place.region is not None:
        await repositories.region(place.region)
    served = [await repositories.office(each, "offices_served") for each in dict.fromkeys(place.offices_served)]
    new = model.posting(
        place.role,
        place.valid_from,
        office=office,
        region=place.region,
        manager=place.manager,
        offices_served=place.offices_served,
    )
    rights.may_post(caller, person_id, new, [*([office] if office else []), *served], before)
    if place.manager is not None and place.manager != person_id:
        await repositories.person(place.manager, "manager")
    model.check_line(person_id, new, await _upwards(repositories, new))
    return new, office


async def _upwards(repositories: Repositories, new: Posting) -> dict[str, Person]:
    """Everybody to whom the line leads from the new posting, level by level."""
    found: dict[str, Person] = {}
    wanted = {new.manager} if new.manager else set[str]()
    while wanted:
        level = await repositories.people.find(ORGANISATION, {"_id": {"$in": sorted(wanted)}})
        found |= {stored.state.id: stored.state for stored in level}
        above = {manager for stored in level for manager in model.managers(stored.state, new.valid_from)}
        wanted = above - found.keys()
    return found
