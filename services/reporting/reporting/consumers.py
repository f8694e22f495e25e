"""The bus door: what reporting learns, in batches over all its topics.

Copies, then facts, then totals, then how far it has come. A crash in between is mended by the same batch
coming again: each step may be repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from chassis.consumer import Received
from chassis.mongo import Database
from contracts.topics import OFFICES, PEOPLE, REGIONS
from reporting.facts import Facts
from reporting.freshness import Freshness
from reporting.measures import BY_TOPIC
from reporting.organisation import Organisation
from reporting.progress import Progress

TOPICS = (REGIONS.name, OFFICES.name, PEOPLE.name, *BY_TOPIC)


class Learner:
    """Handles a batch; the consumer commits its offsets when this returns."""

    def __init__(self, database: Database) -> None:
        self.organisation = Organisation(database)
        self.facts = Facts(database)
        self.progress = Progress(database, self.facts)
        self.freshness = Freshness(database, self.facts)

    async def prepare(self) -> None:
        """Make the indexes; harmless to repeat."""
        await self.facts.prepare()
        await self.progress.prepare()

    async def take(self, events: Sequence[Received]) -> None:
        by_topic: defaultdict[str, list[Received]] = defaultdict(list)
        for event in events:
            by_topic[event.topic].append(event)
        await self.organisation.learn(by_topic)
        cells: set[str] = set()
        for topic in by_topic.keys() & BY_TOPIC.keys():
            cells |= await self.facts.take(by_topic[topic])
        await self.progress.add_up(cells)
        await self.freshness.advance(events)
