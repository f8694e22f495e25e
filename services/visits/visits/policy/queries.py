"""An office's rules, readable by everybody who is signed in, as the office itself is."""

from __future__ import annotations

from chassis import clock
from chassis.aggregate import Stored
from chassis.copies import awaited
from chassis.problems import NotFound
from chassis.scope import everything
from contracts.staff import Office
from contracts.visits import VisitPolicy
from visits.policy import model
from visits.repositories import Repositories

RULES = everything("the rules of an office are no secret of its people")


async def of(repositories: Repositories, office_id: str) -> VisitPolicy:
    """The office's rules, the defaults where nothing is set. Raises Unavailable while the office is not known here."""
    return (await _of(repositories, await repositories.known.office(office_id))).state


async def one(repositories: Repositories, office_id: str) -> Stored[VisitPolicy]:
    """The same, with version 0 where nothing is set. Raises NotFound for an office that is not known."""
    return await _of(repositories, await office(repositories, office_id))


async def office(repositories: Repositories, office_id: str) -> Office:
    """Raises NotFound."""
    found = await awaited(lambda: repositories.known.offices.get(office_id))
    if found is None:
        raise NotFound()
    return found


async def _of(repositories: Repositories, office: Office) -> Stored[VisitPolicy]:
    found = await repositories.policies.find(RULES, {"_id": office.id})
    return found[0] if found else Stored(model.defaults(office, office.business_date(clock.now())), 0)
