"""What the answers read: the totals and facts as they stand, or as they were known at an instant.

Both hand out the documents of `totals` (reporting/progress.py) and of `facts` (reporting/facts.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chassis.mongo import ASCENDING, Database, Document, aggregate
from chassis.scope import Scope
from reporting.facts import as_fact
from reporting.totals import COMPANY, Node, Totals, add_up, leaf

UNIT_FIELD = {"region": "region", "office": "office", "person": "owner"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Units of a level, or one of them, within what a caller may see."""

    scope: Scope
    level: str
    unit: str | None = None

    @property
    def filter(self) -> Document:
        """On the documents of `totals`."""
        if self.unit is None or self.level == COMPANY:
            return {"$and": [self.scope.filter or {}, {"level": self.level}]}
        return {"$and": [self.scope.filter or {}, {"level": self.level, UNIT_FIELD[self.level]: self.unit}]}

    def holds(self, node: Node) -> bool:
        """The same for a document that is not stored."""
        if node.level != self.level or not (self.unit is None or self.level == COMPANY or node.path[-1] == self.unit):
            return False
        region, office, person = (*node.path, None, None, None)[:3]
        return self.scope.allows(person, office, region)


class Ledger(Protocol):
    async def nodes(self, wanted: Wanted, months: Sequence[str], days: bool = True) -> list[Document]:
        """The units that have something in these months, as `_id`; with `days`, on which, in `active`."""
        ...

    async def totals(self, keys: Iterable[str], days: Iterable[str] | None) -> dict[str, Document]:
        """The totals of these nodes: of the month, and of those days ("01" to "31") where any are named."""
        ...

    async def facts(
        self, day: str, nodes: Sequence[Node], measures: Sequence[str], after: str, limit: int
    ) -> list[Document]:
        """The facts that count in these nodes on that day, by id, those after `after`; at most `limit`."""
        ...


class Standing:
    """Everything as it stands."""

    def __init__(self, database: Database) -> None:
        self._totals = database["totals"]
        self._facts = database["facts"]

    async def nodes(self, wanted: Wanted, months: Sequence[str], days: bool = True) -> list[Document]:
        # The index `units` has it all but `active`: thousands of documents need not be touched.
        shown = {"active": 1} if days else {"_id": 1}
        asked = {"$and": [wanted.filter, {"month": {"$in": list(months)}, "busy": {"$gt": 0}}]}
        return await self._totals.find(asked, shown).to_list(None)

    async def totals(self, keys: Iterable[str], days: Iterable[str] | None) -> dict[str, Document]:
        shown: Document = {"total": 1, **{f"days.{day}": 1 for day in days or ()}}
        cursor = self._totals.find({"_id": {"$in": list(keys)}}, shown)
        return {document["_id"]: document for document in await cursor.to_list(None)}

    async def facts(
        self, day: str, nodes: Sequence[Node], measures: Sequence[str], after: str, limit: int
    ) -> list[Document]:
        query: Document = {
            "_id": {"$gt": after},
            "$or": [
                {"counts": {"$elemMatch": {"cell": _cells(day, node), "measures": {"$in": list(measures)}}}}
                for node in nodes
            ],
        }
        return await self._facts.find(query).sort([("_id", ASCENDING)]).limit(limit).to_list(None)


class Known:
    """Everything as it was known at an instant: by what the services had recorded until then.

    Added up from `fact_versions` for the months that are asked for, so the same question has the same answer for
    ever, whatever is corrected later. One instance answers one request.
    """

    def __init__(self, database: Database, at: datetime) -> None:
        self._versions = database["fact_versions"]
        self._at = at
        self._months: dict[str, list[Document]] = {}
        self._documents: dict[str, Document] = {}

    async def nodes(self, wanted: Wanted, months: Sequence[str], days: bool = True) -> list[Document]:
        for month in months:
            await self._learn(month)
        return [
            document
            for key, document in self._documents.items()
            if document["month"] in months and wanted.holds(Node.of(key))
        ]

    async def totals(self, keys: Iterable[str], days: Iterable[str] | None) -> dict[str, Document]:
        return {key: self._documents[key] for key in keys}

    async def facts(
        self, day: str, nodes: Sequence[Node], measures: Sequence[str], after: str, limit: int
    ) -> list[Document]:
        paths = {node.path for node in nodes}
        found = [
            fact
            for fact in self._months[day[:7]]
            if fact["_id"] > after and any(_counts(said, day, paths, measures) for said in fact["counts"])
        ]
        return sorted(found, key=lambda fact: fact["_id"])[:limit]

    async def _learn(self, month: str) -> None:
        if month in self._months:
            return
        early = {"recorded": {"$lte": self._at}}
        versions = await aggregate(
            self._versions,
            [
                {"$match": {"months": month, **early}},
                {"$group": {"_id": "$fact"}},
                # The last version until then, which may have moved to other days. Its id is the fact's and "@6": found
                # by the index that every collection has.
                {
                    "$lookup": {
                        "from": self._versions.name,
                        "let": {"first": {"$concat": ["$_id", "@"]}, "beyond": {"$concat": ["$_id", "A"]}},
                        "pipeline": [
                            {
                                "$match": {
                                    "$expr": {"$and": [{"$gt": ["$_id", "$$first"]}, {"$lt": ["$_id", "$$beyond"]}]},
                                    **early,
                                }
                            },
                            {"$sort": {"version": -1}},
                            {"$limit": 1},
                        ],
                        "as": "last",
                    }
                },
                {"$replaceRoot": {"newRoot": {"$first": "$last"}}},
            ],
        )
        buckets: defaultdict[Node, defaultdict[str, list[Totals]]] = defaultdict(lambda: defaultdict(list))
        facts = [as_fact(version) for version in versions]
        for fact in facts:
            for said in fact["counts"]:
                node, day = leaf(said["cell"])
                if node.month == month:
                    for depth in range(len(node.path) + 1):
                        buckets[Node(month, node.path[:depth])][day].append(said["values"])
        self._months[month] = facts
        for node, by_day in buckets.items():
            days = {day: add_up(parts) for day, parts in by_day.items()}
            self._documents[node.key] = _document(node, days)


def _document(node: Node, days: dict[str, Totals]) -> Document:
    names = dict(zip(("region", "office", "owner"), node.path, strict=False))
    active = sorted(int(day) for day in days)
    return {
        "_id": node.key,
        "month": node.month,
        **names,
        "days": days,
        "active": active,
        "total": add_up(days.values()),
    }


def _counts(said: Document, day: str, paths: set[tuple[str, ...]], measures: Sequence[str]) -> bool:
    date_of, *path = said["cell"].split("/")
    return (
        date_of == day
        and not set(said["measures"]).isdisjoint(measures)
        and any(tuple(path[:depth]) in paths for depth in range(len(path) + 1))
    )


def _cells(day: str, node: Node) -> Any:
    """A condition on cells: those of the node on that day."""
    path = "/".join((day, *node.path))
    return path if node.level == "person" else {"$gt": f"{path}/", "$lt": f"{path}0"}  # "0" follows "/"
