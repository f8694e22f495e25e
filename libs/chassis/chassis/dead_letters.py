"""Events that cannot be published, set aside alone so that the others flow.

Such an event is too large for the bus, or its record cannot be read. It cannot go to a topic, so it lies in the
collection `dead_letters` of the service's own database, whole and with its reason:

    {_id: "<collection>/<aggregate>@<version>", collection, topic, aggregate, version, reason, at, times, size,
     event: the bytes that should have gone, if there are any, found: what stood in their place}

`salesbeat dead-letters redrive` puts it back into the outbox of its record. (What a consumer could not handle goes to
the topic `<group>.dlq.v1`: chassis/consumer.py.)
"""

from __future__ import annotations

from typing import Any

import structlog
from prometheus_client import Counter

from chassis import clock
from chassis.mongo import ASCENDING, Database, Document

__all__ = ["COLLECTION", "VALUE_LEFT", "Outbound"]

log = structlog.get_logger()

COLLECTION = "dead_letters"
VALUE_LEFT = "left at its place"
"""Header `value` of a dead letter in `<group>.dlq.v1` whose original is too large to be set aside with its reason."""
LONGEST_REASON = 2_000
LONGEST_FOUND = 10_000

_set_aside = Counter("relay_dead_letters_total", "Events that could not be published and were set aside", ["topic"])


class Outbound:
    """The dead letters of one service's relay."""

    def __init__(self, database: Database) -> None:
        self.collection = database[COLLECTION]

    async def prepare(self) -> None:
        await self.collection.create_index([("at", ASCENDING)])

    async def keep(
        self,
        collection: str,
        topic: str,
        aggregate: str,
        version: int | None,
        reason: str,
        *,
        event: bytes | None = None,
        found: Any = None,
    ) -> None:
        """Set an event aside; the same one again only renews its reason and the time."""
        letter: Document = {
            "collection": collection,
            "topic": topic,
            "aggregate": aggregate,
            "version": version,
            "reason": reason[:LONGEST_REASON],
            "at": clock.now(),
            "size": len(event) if event is not None else None,
            **({"event": event} if event is not None else {}),
            **({"found": repr(found)[:LONGEST_FOUND]} if found is not None else {}),
        }
        await self.collection.update_one(
            {"_id": f"{collection}/{aggregate}@{version if version is not None else 'unknown'}"},
            {"$set": letter, "$inc": {"times": 1}, "$unset": {"redriven_at": ""}},
            upsert=True,
        )
        _set_aside.labels(topic).inc()
        log.error("event set aside", topic=topic, record=aggregate, version=version, reason=reason)
