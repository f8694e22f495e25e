"""The reporting line: who stands above somebody, and who may sign their forms (L210, L211, A3).

The line goes up by managers. Where no manager is named, or the office has moved to another region since, it goes on by
the organisation: the heads of the
office, the supervisors of the region, the top managers. Nobody signs their own; everybody further up may,
and so may the deputy of a direct superior who is away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from chassis.aggregate import Repository
from chassis.identity import Caller
from chassis.problems import Forbidden
from chassis.scope import everything
from contracts.staff import Person, Posting, Role
from contracts.visits import Absence, AbsenceStatus
from visits.known import Known

LONGEST = 20
"""Levels of a reporting line; customers refuses loops, a copy may show one for a moment."""

_ABOVE = {
    Role.SALESPERSON: Role.OFFICE_HEAD,
    Role.CLERK: Role.OFFICE_HEAD,
    Role.SERVICE_DESK: Role.OFFICE_HEAD,
    Role.OFFICE_HEAD: Role.REGIONAL_SUPERVISOR,
    Role.REGIONAL_SUPERVISOR: Role.TOP_MANAGER,
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, and for whom where it is a deputy."""

    person: str
    deputy_for: str | None = None


class Line:
    def __init__(self, known: Known, absences: Repository[Absence]) -> None:
        self._known = known
        self._absences = absences

    async def above(self, person: Person, day: date) -> list[list[str]]:
        """Everybody above that person on that day, level by level, the nearest first."""
        levels: list[list[str]] = []
        seen = {person.id}
        at: list[Person] = [person]
        while at and len(levels) < LONGEST:
            found: dict[str, Person] = {}
            for one in at:
                for superior in await self._next(one, day):
                    if superior.id not in seen:
                        found[superior.id] = superior
            if not found:
                break
            seen |= set(found)
            levels.append(sorted(found))
            at = list(found.values())
        return levels

    async def signer(self, caller: Caller, owner: str, day: date) -> Signer:
        """The caller as somebody who may sign that person's forms of that day. Raises Forbidden.

        day: the business date on which it is signed, by which superiors and deputies are looked up.
        """
        if caller.person is None:
            raise Forbidden(
                "person_needed",
                "Only somebody of the sales organisation signs: this account belongs to no person.",
                "只有销售组织内的人员可以签核:该账号未关联人员。",
            )
        if caller.person == owner:
            raise Forbidden(
                "own_form", "Nobody signs their own form: your supervisor does.", "不能签核本人的表单:请由主管签核。"
            )
        person = await self._known.people.get(owner)
        levels = await self.above(person, day) if person else []
        if any(caller.person in level for level in levels):
            return Signer(caller.person)
        for superior in levels[0] if levels else []:
            if caller.person in await self.deputies(superior, day):
                return Signer(caller.person, superior)
        raise Forbidden(
            "outside_reporting_line",
            "You are not in this person's reporting line, nor the deputy of a superior who is away.",
            "您不在该人员的汇报线上,也不是其外出主管的代理人。",
        )

    async def deputies(self, person: str, day: date) -> list[str]:
        """Who signs in that person's place on that day: named in an approved leave or trip that holds it."""
        found = await self._absences.find(
            everything("whether somebody is a deputy is asked for the reporting line"),
            {
                "owner": person,
                "status": AbsenceStatus.APPROVED,
                "business_date": {"$lte": day.isoformat()},
                "last_day": {"$gte": day.isoformat()},
                # Whoever is back from a trip signs again.
                "$or": [{"returned_on": None}, {"returned_on": {"$gt": day.isoformat()}}],
            },
        )
        named = [stored.state.deputy for stored in found if stored.state.deputy]
        people = [await self._known.people.get(deputy) for deputy in named]
        # Somebody who has left since, or has not come yet, stands in for nobody.
        return [person.id for person in people if person is not None and person.posting_on(day) is not None]

    async def _next(self, person: Person, day: date) -> list[Person]:
        posting = person.posting_nearest(day)
        if posting.manager is not None:
            manager = await self._known.people.get(posting.manager)
            if manager is not None and await self._leads(manager, posting, day):
                return [manager]
        return await self._by_organisation(posting, day)

    async def _leads(self, manager: Person, posting: Posting, day: date) -> bool:
        """Whether the manager whom the posting names still is one: not after they left, and no supervisor of the
        region from which the office has moved since."""
        theirs = manager.posting_on(day)
        if theirs is None:
            return False
        office = await self._known.offices.get(posting.office) if posting.office else None
        if office is None or theirs.role is not Role.REGIONAL_SUPERVISOR:
            return True
        moved = office.region_on(day) != office.region_on(posting.valid_from)
        return not moved or theirs.region == office.region_on(day)

    async def _region(self, posting: Posting, day: date) -> str | None:
        """The region of that day: an office may have come to another one since the posting began."""
        office = await self._known.offices.get(posting.office) if posting.office else None
        return office.region_on(day) if office else posting.region

    async def _by_organisation(self, posting: Posting, day: date) -> list[Person]:
        role = _ABOVE.get(posting.role)
        region = await self._region(posting, day)
        while role is not None:
            where: dict[str, object] = {"postings.role": role}
            if role is Role.OFFICE_HEAD:
                where["postings.office"] = posting.office
            elif role is Role.REGIONAL_SUPERVISOR:
                where["postings.region"] = region
            found: list[Person] = []
            for person in await self._known.people.find(where):
                now = person.posting_on(day)
                if now is None or now.role != role:
                    continue
                if role is Role.OFFICE_HEAD and now.office != posting.office:
                    continue
                if role is Role.REGIONAL_SUPERVISOR and now.region != region:
                    continue
                found.append(person)
            if found:
                return found
            role = _ABOVE.get(role)
        return []
