"""Spreads targets again when the organisation changes: a person joins, leaves or moves, an office's calendar changes.

`spread_checks` is the queue: one document for each person, office or target that was heard of, written in the batch
in which it was heard, and removed once everything that it touches was looked at. So nothing is missed by a crash, and
the numbers do not wait for it. A target's own event is one of the reasons: it may have been set by what was known
before another event was heard.

Looking again is harmless: the shares depend on what was recorded alone (target/spread.py), so several workers, events
in any order and repetitions come to the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import msgspec
import structlog

from chassis import clock, ids
from chassis.aggregate import Command, Repository
from chassis.mongo import ASCENDING, Database, Document, UpdateOne
from chassis.received import Received, Unhandleable
from chassis.scope import everything
from contracts.envelope import Happened
from contracts.reporting import Target, TargetEvent
from contracts.topics import OFFICES, PEOPLE, TARGETS
from reporting.organisation import Organisation
from reporting.target import model
from reporting.target.spread import History

log = structlog.get_logger()

AT_ONCE = 100
"""People whose targets and histories are read together."""
LOOKED_AT = 500
"""Documents of the queue that are taken in one turn."""
LONGEST_PAUSE = 300.0
"""Seconds between two attempts at a check that fails, at most."""

SET = frozenset({TargetEvent.PUBLISHED.value, TargetEvent.REVISED.value})
_SCOPE = everything("the spread of a target follows the organisation, whoever may see it")


class _OfPerson(msgspec.Struct):
    person: str


_person_of = msgspec.json.Decoder(_OfPerson)


def _person(event: Received) -> str:
    try:
        return _person_of.decode(event.payload).person
    except msgspec.DecodeError as error:
        raise Unhandleable(f"{event.type} does not suit its contract: {error}") from error


class Respread:
    """The queue and the work on it. Belongs to a worker; the queue may be shared."""

    def __init__(self, database: Database, organisation: Organisation, targets: Repository[Target]) -> None:
        self.queue = database["spread_checks"]
        self._organisation = organisation
        self._targets = targets

    async def prepare(self) -> None:
        """Make the index; harmless to repeat."""
        await self.queue.create_index([("due", ASCENDING)])

    async def note(self, events: Mapping[str, Sequence[Received]]) -> None:
        """Put what these events touch into the queue. What is only said once more is no news.

        Raises Unhandleable for a target that names no person.
        """
        causes: dict[str, Received] = {}
        for topic, kind in ((OFFICES, "office"), (PEOPLE, "person")):
            for event in events.get(topic.name, ()):
                if not event.type.endswith(".restated"):
                    causes[f"{kind}/{event.subject}"] = event
        for event in events.get(TARGETS.name, ()):
            if event.type in SET:
                causes.setdefault(f"person/{_person(event)}", event)
        now = clock.now()
        writes = [
            UpdateOne(
                {"_id": unit},
                {"$set": {"mark": ids.new_id(), "cause": event.id, "due": now, "failures": 0}},
                upsert=True,
            )
            for unit, event in causes.items()
        ]
        if writes:
            await self.queue.bulk_write(writes, ordered=False)

    async def work(self) -> int:
        """Look at what is due; answers how many targets were spread again. A check that fails is tried again later,
        alone: the others go on."""
        due = await self.queue.find({"due": {"$lte": clock.now()}}).sort([("due", 1)]).limit(LOOKED_AT).to_list(None)
        if not due:
            return 0
        people = {check["_id"]: await self._people_of(check["_id"]) for check in due}
        cause_of = {person: check["cause"] for check in reversed(due) for person in people[check["_id"]]}
        changed, failed = await self._look(cause_of)
        done: list[Document] = []
        for check in due:
            error = next((failed[person] for person in people[check["_id"]] if person in failed), None)
            if error is None:
                done.append(check)
            else:
                await self._later(check, error)
        # What was heard meanwhile has another mark, and is looked at again.
        ids_done, marks = [check["_id"] for check in done], [check["mark"] for check in done]
        await self.queue.delete_many({"_id": {"$in": ids_done}, "mark": {"$in": marks}})
        return changed

    async def _people_of(self, check: str) -> list[str]:
        kind, _, unit = check.partition("/")
        return await self._organisation.posted_to(unit) if kind == "office" else [unit]

    async def _look(self, cause_of: Mapping[str, str]) -> tuple[int, dict[str, Exception]]:
        """Spread these people's targets again; answers how many, and for whom it failed. One target holds up no other.

        cause_of: by person, the event because of which theirs are looked at.
        """
        changed = 0
        failed: dict[str, Exception] = {}
        people = iter(cause_of)
        while some := list(islice(people, AT_ONCE)):
            targets = await self._targets.find(_SCOPE, {"person": {"$in": some}})
            histories = await self._organisation.histories(sorted({stored.fields["person"] for stored in targets}))
            for stored in targets:
                person = stored.fields["person"]
                try:
                    changed += await self._spread(stored.state, histories[person], cause_of[person])
                except Exception as error:
                    failed[person] = error
        return changed, failed

    async def _spread(self, target: Target, history: History, cause: str) -> bool:
        now = clock.now()
        day = await self._today(target, now)
        if model.respread(target, history=history, now=now, day=day)[1] is None:
            return False

        def decide(present: Target) -> tuple[Target, Happened | None]:
            return model.respread(present, history=history, now=now, day=day)

        command = Command(actor="/reporting", causation=cause)
        await self._targets.change(target.id, _SCOPE, decide, command)
        return True

    async def _today(self, target: Target, now: datetime) -> date:
        office = await self._organisation.offices.get(target.office)
        return office.business_date(now) if office else now.astimezone(UTC).date()

    async def _later(self, check: Document, error: Exception) -> None:
        failures = check.get("failures", 0) + 1
        pause = min(2.0**failures, LONGEST_PAUSE)
        log.error("targets not spread again", unit=check["_id"], failures=failures, exc_info=error)
        await self.queue.update_one(
            {"_id": check["_id"], "mark": check["mark"]},
            {"$set": {"due": clock.now() + timedelta(seconds=pause), "failures": failures}},
        )
