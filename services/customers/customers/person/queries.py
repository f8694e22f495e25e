"""People, a directory that everybody who is signed in may read; and what somebody was on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from chassis.aggregate import Stored
from chassis.paging import Page, Paging
from chassis.problems import NotFound
from contracts.staff import Person, Role
from customers.repositories import ORGANISATION, Repositories


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person may do and see follows from this. offices: the own one and those served besides it."""

    name: str
    role: Role
    office: str | None
    region: str | None
    offices: list[str]


async def one(repositories: Repositories, person_id: str) -> Stored[Person]:
    """Raises NotFound."""
    return await repositories.people.get(person_id, ORGANISATION)


async def page(
    repositories: Repositories, *, office: str | None, role: str | None, region: str | None, paging: Paging
) -> Page[Stored[Person]]:
    """By the last posting; those who have left are among them."""
    given = {"keys.office": office, "keys.role": role, "keys.region": region}
    where = {field: value for field, value in given.items() if value is not None}
    return await repositories.people.page(ORGANISATION, where, paging)


async def standing(repositories: Repositories, person_id: str, day: date) -> Standing:
    """Raises NotFound for somebody who is unknown or not on the roster on that day."""
    person = (await one(repositories, person_id)).state
    posting = person.posting_on(day)
    if posting is None:
        raise NotFound(
            "not_on_the_roster",
            f"{person.name} is not on the roster on {day}.",
            f"{person.name} 在 {day} 不在职。",
        )
    region = posting.region
    if posting.office is not None:
        # The office may have moved into another region since the posting began.
        region = (await repositories.office(posting.office)).region_on(day)
    own = [posting.office] if posting.office else []
    return Standing(person.name, posting.role, posting.office, region, [*own, *posting.offices_served])
