"""The bus door: copies of what the others own, then what field work does because of an event, its own ones too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from chassis.consumer import Received
from contracts.topics import CUSTOMERS, MARKET_REPORTS, OFFICES, ORDERS, PEOPLE, TARGETS
from visits.market_report import commands as market_reports
from visits.repositories import Repositories

Reaction = Callable[[Repositories, Sequence[Received]], Awaitable[None]]

REACTIONS: Mapping[str, tuple[Reaction, ...]] = {
    MARKET_REPORTS.name: (market_reports.react,),
}
"""What is done because of the events of a topic. Each may be repeated and takes them in any order."""

COPIED = (OFFICES.name, PEOPLE.name, CUSTOMERS.name, ORDERS.name, TARGETS.name)
TOPICS = (*COPIED, *(topic for topic in REACTIONS if topic not in COPIED))


class Learner:
    """Handles a batch; the consumer commits its offsets when this returns. The same batch again changes nothing."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        known = repositories.known
        self._copies = {
            OFFICES.name: known.offices,
            PEOPLE.name: known.people,
            CUSTOMERS.name: known.customers,
            ORDERS.name: known.orders,
            TARGETS.name: known.targets,
        }

    async def take(self, events: Sequence[Received]) -> None:
        by_topic: defaultdict[str, list[Received]] = defaultdict(list)
        for event in events:
            by_topic[event.topic].append(event)
        for topic, copies in self._copies.items():
            if topic in by_topic:
                await copies.learn(by_topic[topic])
        for topic, reactions in REACTIONS.items():
            if topic in by_topic:
                for react in reactions:
                    await react(self._repositories, by_topic[topic])
