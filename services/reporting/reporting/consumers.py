"""The bus door: what reporting learns, in batches over all its topics.

Copies, then facts, then totals, then how far it has come. A crash in between is mended by the same batch
coming again: each step may be repeated. What it remembers is only what a whole batch has left in the database;
after any failure it remembers nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from chassis.aggregate import Repository
from chassis.mongo import Database
from chassis.received import Received
from contracts.reporting import Target
from contracts.topics import OFFICES, PEOPLE, REGIONS
from reporting.facts import Facts
from reporting.freshness import Freshness
from reporting.measures import BY_TOPIC
from reporting.organisation import Organisation
from reporting.progress import Progress
from reporting.reign import Reign
from reporting.target import queries
from reporting.target.respread import Respread

TOPICS = (REGIONS.name, OFFICES.name, PEOPLE.name, *BY_TOPIC)


class Learner:
    """Handles a batch; the consumer commits its offsets when this returns."""

    def __init__(self, database: Database, targets: Repository[Target] | None = None) -> None:
        self.organisation = Organisation(database)
        self.respread = Respread(database, self.organisation, targets or queries.repository(database))
        self.facts = Facts(database)
        self.progress = Progress(database, self.facts)
        self.freshness = Freshness(database, self.facts)
        self._reign = Reign(self.freshness.collection.database)
        self._gathers = False

    async def prepare(self) -> None:
        """Make the indexes; harmless to repeat."""
        await self.organisation.prepare()
        await self.respread.prepare()
        await self.facts.prepare()
        await self.progress.prepare()
        if await self._reign.begin() and not self._gathers:
            self._gathers = True
            self.facts.gather()
            self.progress.gather()

    async def take(self, events: Sequence[Received]) -> None:
        try:
            await self._take(events)
            if self._gathers:
                await self._reign.confirm()
        except BaseException:
            self.facts.forget()
            self.progress.forget()
            raise

    async def _take(self, events: Sequence[Received]) -> None:
        by_topic: defaultdict[str, list[Received]] = defaultdict(list)
        for event in events:
            by_topic[event.topic].append(event)
        await self.organisation.learn(by_topic)
        await self.respread.note(by_topic)
        facts = [event for topic in by_topic.keys() & BY_TOPIC.keys() for event in by_topic[topic]]
        await self.facts.take(facts, self.progress.add_up)
        # The last write, and the one that waits for a majority.
        await self.freshness.advance(events)
