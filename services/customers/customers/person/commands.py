"""Register people, change their details, post them, let them go: load, decide, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from chassis.aggregate import Command, Stored
from contracts.envelope import Imported
from contracts.staff import Person, Posting, Role
from customers.person import model
from customers.repositories import ORGANISATION, Repositories


async def posting(
    repositories: Repositories,
    person_id: str,
    role: Role,
    valid_from: date,
    *,
    office: str | None,
    region: str | None,
    manager: str | None,
    offices_served: Sequence[str],
) -> Posting:
    """A posting whose office, region, manager and offices served exist, and whose reporting line has an end.

    Raises Invalid (unknown_office, unknown_region, unknown_person), NotPossible (see the model).
    """
    place = await repositories.office(office) if office else None
    if region is not None:
        await repositories.region(region)
    for served in offices_served:
        await repositories.office(served, "offices_served")
    new = model.posting(role, valid_from, office=place, region=region, manager=manager, offices_served=offices_served)
    if manager is not None and manager != person_id:
        await repositories.person(manager, "manager")
    model.check_line(person_id, new, await _upwards(repositories, new))
    return new


async def register(
    repositories: Repositories,
    command: Command,
    *,
    person_id: str,
    name: str,
    number: str | None,
    email: str | None,
    phone: str | None,
    first: Posting,
    left_on: date | None,
    at: datetime,
    imported: Imported | None,
) -> Stored[Person]:
    """Somebody new, who joins with their first posting. Raises NotPossible, Conflict (id_taken)."""
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
    day = await _day(repositories, person, at)
    return await repositories.people.create(*model.register(person, at, day), command, ORGANISATION)


async def update(
    repositories: Repositories, command: Command, person_id: str, changes: Mapping[str, Any], at: datetime
) -> Stored[Person]:
    """Raises NotFound, Stale, NotPossible."""
    day = await _day(repositories, (await repositories.people.get(person_id, ORGANISATION)).state, at)
    return await repositories.people.change(
        person_id, ORGANISATION, lambda person: model.update(person, changes, at, day), command
    )


async def post(
    repositories: Repositories, command: Command, person_id: str, new: Posting, at: datetime
) -> Stored[Person]:
    """Raises NotFound, Stale, NotPossible (past_entry, has_left)."""
    return await repositories.people.change(
        person_id, ORGANISATION, lambda person: model.post(person, new, at), command
    )


async def leave(
    repositories: Repositories, command: Command, person_id: str, left_on: date, at: datetime
) -> Stored[Person]:
    """Raises NotFound, Stale, WrongState, NotPossible (left_before_joined)."""
    return await repositories.people.change(
        person_id, ORGANISATION, lambda person: model.leave(person, left_on, at), command
    )


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


async def _day(repositories: Repositories, person: Person, at: datetime) -> date:
    """The day of an instant where they work; by UTC for somebody without an office."""
    office = person.postings[-1].office
    return (await repositories.office(office)).business_date(at) if office else at.date()
