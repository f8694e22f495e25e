"""The bus door: what this service must know of offices, people, customers and visits, kept as copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from chassis.received import Received
from contracts.topics import CUSTOMERS, OFFICES, PEOPLE, VISITS
from orders.known import Known
from orders.order.regions import follow_offices
from orders.repositories import Repositories

TOPICS = (OFFICES.name, PEOPLE.name, CUSTOMERS.name, VISITS.name)


class Learner:
    """Handles a batch; the consumer commits its offsets when this returns. The same batch again changes nothing."""

    def __init__(self, known: Known) -> None:
        self._copies = {
            OFFICES.name: known.offices,
            PEOPLE.name: known.people,
            CUSTOMERS.name: known.customers,
            VISITS.name: known.visits,
        }

    async def take(self, events: Sequence[Received]) -> None:
        by_topic: defaultdict[str, list[Received]] = defaultdict(list)
        for event in events:
            by_topic[event.topic].append(event)
        for topic, copies in self._copies.items():
            if topic in by_topic:
                await copies.learn(by_topic[topic])


class Reactions:
    """Learns, and has open orders follow an office that comes to another region."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._learner = Learner(repositories.known)

    async def take(self, events: Sequence[Received]) -> None:
        await self._learner.take(events)
        if any(event.topic == OFFICES.name for event in events):
            await follow_offices(self._repositories)
