"""The sales organisation as the customers service says it: names for the answers, calendars for the targets.

Beside the newest state of each unit, `organisation_versions` keeps every version of people and offices with the time
at which it was recorded: how a target is spread depends on what was known when (target/spread.py). It can be heard
again only from a log that still has it, so it is not dropped in a rebuild.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from chassis import clock
from chassis.copies import Copies
from chassis.identity import Caller
from chassis.mongo import ASCENDING, Database, Document, UpdateOne
from chassis.received import Received
from chassis.scope import everything, within
from contracts.envelope import read
from contracts.staff import Office, Person, Region
from contracts.topics import OFFICES, PEOPLE, REGIONS
from reporting.target.spread import History, Recorded

S = TypeVar("S", Office, Person)

_TOPIC_OF = {"region": REGIONS.name, "office": OFFICES.name, "person": PEOPLE.name}
"""Each has one partition."""
FEW = 100
"""Names that are read one by one; more of them are kept."""
KEPT_FOR = 60.0
"""Seconds that names are kept at most; they are read anew as soon as anything of their kind was heard."""

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class Organisation:
    """Copies of regions, offices and people."""

    def __init__(self, database: Database) -> None:
        self._applied = database["applied"]
        self._names: dict[str, tuple[Any, float, dict[str, str]]] = {}
        self.regions = Copies(database, "regions", Region)
        self.offices = Copies(database, "offices", Office)
        self.people = Copies(database, "people", Person)
        self._of_level = {"region": self.regions, "office": self.offices, "person": self.people}
        self.versions = database["organisation_versions"]

    async def prepare(self) -> None:
        """Make the indexes; harmless to repeat. What is known from before versions were kept was always known."""
        await self.versions.create_index([("unit", ASCENDING)])
        await self.versions.create_index([("offices", ASCENDING)])
        for kind, copies in (("office", self.offices), ("person", self.people)):
            # "0" follows "/": any unit of that kind.
            if await self.versions.find_one({"unit": {"$gte": f"{kind}/", "$lt": f"{kind}0"}}, {"_id": 1}) is None:
                known = await copies.collection.find({}).to_list(None)
                await self._keep(
                    [
                        _version(
                            kind,
                            document["_id"],
                            document["version"],
                            _ALWAYS,
                            {n: v for n, v in document.items() if n not in ("_id", "version")},
                        )
                        for document in known
                    ]
                )

    async def learn(self, events: Mapping[str, Sequence[Received]]) -> None:
        """Events by topic; others than of the organisation are left alone."""
        for topic, copies in ((REGIONS, self.regions), (OFFICES, self.offices), (PEOPLE, self.people)):
            if events.get(topic.name):
                await copies.learn(events[topic.name])
        versions = [
            _version(kind, event.subject, event.version, event.time, _state(event.data(model)))
            for topic, kind, model in ((OFFICES, "office", Office), (PEOPLE, "person", Person))
            for event in events.get(topic.name, ())
        ]
        await self._keep(versions)

    async def _keep(self, versions: Sequence[Document]) -> None:
        """Keep them, each as it was recorded first: what is said once more is not news."""
        writes = [
            UpdateOne({"_id": version["_id"]}, {"$setOnInsert": version, "$min": {"recorded": recorded}}, upsert=True)
            for version in versions
            for recorded in [version.pop("recorded")]
        ]
        if writes:
            await self.versions.bulk_write(writes, ordered=False)

    async def history_of(self, person: str) -> History:
        """What was recorded about a person, and about every office that they have ever been posted to."""
        return (await self.histories([person]))[person]

    async def histories(self, people: Sequence[str]) -> dict[str, History]:
        """The same for several people, in two reads."""
        persons = await self.versions.find({"unit": {"$in": [f"person/{each}" for each in people]}}).to_list(None)
        wanted = sorted({office for document in persons for office in document["offices"]})
        found = await self.versions.find({"unit": {"$in": [f"office/{each}" for each in wanted]}}).to_list(None)
        offices: dict[str, list[Recorded[Office]]] = {office: [] for office in wanted}
        for document in found:
            offices[document["state"]["id"]].append(_recorded(document, Office))
        by_person: dict[str, list[Recorded[Person]]] = {each: [] for each in people}
        posted: dict[str, set[str]] = {each: set() for each in people}
        for document in persons:
            by_person[document["state"]["id"]].append(_recorded(document, Person))
            posted[document["state"]["id"]].update(document["offices"])
        return {each: History(by_person[each], {o: offices[o] for o in sorted(posted[each])}) for each in people}

    async def posted_to(self, office: str) -> list[str]:
        """Everybody who has ever been posted to that office."""
        found = await self.versions.find({"offices": office}, {"state.id": 1}).to_list(None)
        return sorted({document["state"]["id"] for document in found})

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

    async def zones(self, offices: Sequence[str]) -> dict[str, str]:
        """The time zone of each of these offices that is known."""
        cursor = self.offices.collection.find({"_id": {"$in": list(offices)}}, {"timezone": 1})
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


def _state(state: Office | Person) -> Document:
    return state.model_dump(mode="json")


def _version(kind: str, unit: str, version: int, recorded: datetime, state: Mapping[str, Any]) -> Document:
    postings = state.get("postings", ())
    offices = sorted({posting["office"] for posting in postings if posting.get("office")})
    return {
        "_id": f"{kind}/{unit}@{version}",
        "unit": f"{kind}/{unit}",
        "version": version,
        "recorded": recorded,
        "offices": offices,
        "state": {**state, "id": unit},
    }


def _recorded(document: Document, model: type[S]) -> Recorded[S]:
    return Recorded(document["version"], document["recorded"], read(model, document["state"]))
