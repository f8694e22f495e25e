"""The sales organisation as the customers service says it: names for the answers, calendars for the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chassis.consumer import Received
from chassis.copies import Copies
from chassis.mongo import Database
from contracts.staff import Office, Person, Region
from contracts.topics import OFFICES, PEOPLE, REGIONS


class Organisation:
    """Copies of regions, offices and people."""

    def __init__(self, database: Database) -> None:
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
        """The names of units of a level; those that are not known yet are missing."""
        if level not in self._of_level or not ids:
            return {}
        cursor = self._of_level[level].collection.find({"_id": {"$in": list(ids)}}, {"name": 1})
        return {document["_id"]: document["name"] for document in await cursor.to_list(None)}
