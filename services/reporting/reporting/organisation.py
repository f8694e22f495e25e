"""The sales organisation as the customers service says it: names for the answers, calendars for the targets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from chassis import clock
from chassis.copies import Copies
from chassis.identity import Caller
from chassis.mongo import Database
from chassis.received import Received
from chassis.scope import everything, within
from contracts.staff import Office, Person, Region
from contracts.topics import OFFICES, PEOPLE, REGIONS

_TOPIC_OF = {"region": REGIONS.name, "office": OFFICES.name, "person": PEOPLE.name}
"""Each has one partition."""
FEW = 100
"""Names that are read one by one; more of them are kept."""
KEPT_FOR = 60.0
"""Seconds that names are kept at most; they are read anew as soon as anything of their kind was heard."""


class Organisation:
    """Copies of regions, offices and people."""

    def __init__(self, database: Database) -> None:
        self._applied = database["applied"]
        self._names: dict[str, tuple[Any, float, dict[str, str]]] = {}
        self.regions = Copies(database, "regions", Region)
        self.offices = Copies(database, "offices", Office)
        self.people = Copies(database, "people", Person)
        self._of_level = {"region": self.regions, "office": self.offices, "person": self.people}

    async def learn(self, events: Mapping[str, Sequence[Received]]) -> None:
        """Events by topic; others than of the organisation are left alone."""
        for topic, copies in ((REGIONS, self.regions), (OFFICES, self.offices), (PEOPLE, self.people)):
            if events.get(topic.name):
                await copies.learn(events[topic.name])

    async def names(self, level: str, ids: Sequence[str]) -> dict[str, str]:
        """The names of units of a level, perhaps of others too; those that are not known yet are missing."""
        if level not in self._of_level or not ids:
            return {}
        if len(ids) > FEW:
            return await self._all_names(level)
        cursor = self._of_level[level].collection.find({"_id": {"$in": list(ids)}}, {"name": 1})
        return {document["_id"]: document["name"] for document in await cursor.to_list(None)}

    async def _all_names(self, level: str) -> dict[str, str]:
        """A page of 50 is sorted by the names of all 5,000: to read them each time took half of its answer."""
        # Asked for before the names are read: they are at least as new as it says.
        applied = await self._applied.find_one({"_id": f"{_TOPIC_OF[level]}/0"}, {"offset": 1})
        heard = (applied or {}).get("offset")
        kept = self._names.get(level)
        if kept is None or kept[0] != heard or time.monotonic() > kept[1]:
            found = await self._of_level[level].collection.find({}, {"name": 1}).to_list(None)
            names = {document["_id"]: document["name"] for document in found}
            kept = self._names[level] = (heard, time.monotonic() + KEPT_FOR, names)
        return kept[2]

    async def zones(self) -> dict[str, str]:
        """The time zone of each office."""
        cursor = self.offices.collection.find({}, {"timezone": 1})
        return {document["_id"]: document["timezone"] for document in await cursor.to_list(None)}

    async def has(self, caller: Caller, level: str, unit: str) -> bool:
        """Whether there is such a unit now, within what the caller may see: also one without any number yet."""
        today = clock.now().date()
        reach = everything("results of all units") if caller.role == "owner" else within(caller)
        if level == "region":
            return await self.regions.get(unit) is not None and reach.allows(None, None, unit)
        if level == "office":
            office = await self.offices.get(unit)
            return office is not None and reach.allows(None, unit, office.region_on(today))
        person = await self.people.get(unit)
        if person is None:
            return False
        posting = person.posting_on(today)
        office = await self.offices.get(posting.office) if posting and posting.office else None
        region = office.region_on(today) if office else posting.region if posting else None
        return reach.allows(unit, posting.office if posting else None, region)
