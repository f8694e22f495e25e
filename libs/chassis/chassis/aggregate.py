"""Aggregates: load, decide, save. One write holds the new state, its event and the idempotency key.

A document is

    {_id, version, ...state, keys, shard, outbox: [{version, at, event}], outbox_bytes, unsent_since,
     handled: [{key, fingerprint, version}], created: {key, fingerprint}}

`outbox` holds events that the relay has not published yet, oldest first, each as the very bytes that
go on the bus, and `outbox_bytes` how many they are together. `keys` are private fields derived from the state, for
indexes and searches. Free-form fields of the state are stored as chassis/free_form.py says.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import orjson
import structlog
from prometheus_client import Counter
from pydantic import ValidationError

from chassis import clock, ids
from chassis.free_form import stored_form
from chassis.gather import Gathered
from chassis.mongo import (
    ASCENDING,
    Collection,
    Database,
    Document,
    DuplicateKey,
    Insert,
    NoMatch,
    Replace,
    Unreadable,
    Write,
    not_storable,
    read_each,
    too_large,
    unavailable,
    write_each,
)
from chassis.paging import Page, Paging
from chassis.problems import Conflict, Invalid, NotFound, Stale, TooLarge, Unavailable, UnreadableRecord
from chassis.received import Received
from chassis.scope import Scope
from contracts.envelope import Happened, Published, sequence

log = structlog.get_logger()

S = TypeVar("S", bound=Published)
Decision: TypeAlias = tuple[S, Happened | None]
"""The state after a command, and what has happened; None where nothing has."""

SHARDS = 16
"""Into how many shares the relay divides the aggregates of a collection."""
HANDLED = 32
"""How many idempotency keys a document keeps; a client's retries come within a few commands."""
RENEWED_AT_ONCE = 500
"""Records of one reading while keys are made anew."""
ATTEMPTS = 20
"""How often a lost race is decided again before the caller is told to come back."""

RECORD_LIMIT = 960_000
"""Bytes of a record's event, its envelope included. Kafka takes 1,048,576 of a record by default, with its key, its
headers and the frame around it."""
EVENT_LIMIT = 1_020_000
"""Up to here a full record takes its further steps, such as a cancellation: see SMALL_STEP."""
SMALL_STEP = 16_384
"""Bytes. A step that adds less may use the space between the two limits; it says who, when and why."""
OUTBOX_LIMIT = 8 * 2**20
"""Bytes of unsent events in one document. MongoDB takes 16 MB of a document, and a state of RECORD_LIMIT takes up to
six times its JSON in BSON, if it is a list of small numbers."""
READABLE_REMEMBERED = 20_000
"""Records of a collection that are known to suit their model: each is validated once for its version and its fields'
types, since validating a page of orders takes as long as reading it."""

_unreadable = Counter("unreadable_records_total", "Stored records that could not be read, when met", ["collection"])


class Topic(Protocol):
    """What the chassis must know of a topic (contracts/topics.py)."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def types(self) -> type[StrEnum]: ...
    @property
    def dataschema(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Command:
    """Who wants something, and how a repetition of it is known.

    key and fingerprint: the same key with the same fingerprint is a repetition, with another one an error.
    idempotency_key: the key as the client sent it; `key` is unique among all clients.
    expected: the version that the caller has seen (If-Match), or None.
    """

    actor: str
    key: str | None = None
    fingerprint: str = ""
    expected: int | None = None
    on_behalf_of: str | None = None
    correlation: str | None = None
    causation: str | None = None
    traceparent: str | None = None
    idempotency_key: str | None = None

    @classmethod
    def heard(cls, service: str, event: Received) -> Command:
        """What a service does because of an event: its repetition is known by the event's id."""
        return cls(
            actor=f"/{service}",
            key=event.id,
            fingerprint=event.id,
            causation=event.id,
            correlation=event.correlation,
            traceparent=event.traceparent,
        )


class Stored(Generic[S]):
    """An aggregate as it stands in the database."""

    def __init__(self, state: S, version: int) -> None:
        self.state = state
        self.version = version

    @property
    def fields(self) -> dict[str, Any]:
        """The state in its JSON form; it is the caller's own."""
        return self.state.model_dump(mode="json")

    @property
    def etag(self) -> str:
        return f'"{self.version}"'


class Listed(Stored[S]):
    """One of a list. What is stored is the JSON form already: it is parsed only for those who look at the state.

    A page of 50 came 0.9 times as fast as through `response_model` without this, 2.2 times with it.
    state: where it has been parsed already.
    """

    def __init__(self, model: type[S], fields: dict[str, Any], version: int, state: S | None = None) -> None:
        self._model = model
        self._fields = fields
        self.version = version
        if state is not None:
            self.state = state

    @cached_property
    def state(self) -> S:  # type: ignore[override]
        return self._model.model_validate(self._fields)

    @property
    def fields(self) -> dict[str, Any]:
        return self._fields


def shard_of(aggregate_id: str) -> int:
    return zlib.crc32(aggregate_id.encode()) % SHARDS


def envelope(
    topic: Topic,
    aggregate_id: str,
    version: int,
    happened: Happened,
    state: Mapping[str, Any],
    command: Command,
    recorded: datetime,
) -> bytes:
    """An event as the bytes that go on the bus: contracts.envelope.Event, printed without building it.

    Printing from the state's own JSON form costs a tenth of the pydantic model; a test holds every
    such event to that model.
    """
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": ids.new_id(),
            "type": happened.type,
            "source": topic.source,
            "subject": aggregate_id,
            "time": recorded,
            "datacontenttype": "application/json",
            "dataschema": topic.dataschema,
            "sequence": sequence(version),
            "partitionkey": aggregate_id,
            "businessdate": happened.business_date,
            "occurredat": happened.occurred_at,
            "actor": command.actor,
            **({"onbehalfof": command.on_behalf_of} if command.on_behalf_of else {}),
            **({"correlationid": command.correlation} if command.correlation else {}),
            **({"causationid": command.causation} if command.causation else {}),
            **({"traceparent": command.traceparent} if command.traceparent else {}),
            "data": state,
        },
        option=orjson.OPT_UTC_Z,
    )


class Repository(Generic[S]):
    """The aggregates of one type. Every reading takes the caller's scope; every write is compare-and-set."""

    def __init__(
        self,
        database: Database,
        name: str,
        topic: Topic,
        state: type[S],
        *,
        keys: Callable[[S], dict[str, Any]] | None = None,
    ) -> None:
        self.collection: Collection = database[name]
        self.topic = topic
        self._state = state
        self._fields = [name for name in state.model_fields if name != "id"]
        self._keys = keys
        self._form = stored_form(state)
        self._readable: dict[str, _Shape] = {}
        self._reported: set[tuple[str, Any]] = set()
        self.on_save: Callable[[], None] = lambda: None
        """Called after each write; a relay in the same process sets it to its nudge."""
        # Saves and look-ups of different aggregates that come together go together.
        self._write = Gathered(self._write_all)
        self._look = Gathered(self._look_all)
        self._open = Gathered(self._open_all)

    async def prepare(self, *indexes: Mapping[str, Any]) -> None:
        """Make the relay's index and the given ones: `{"keys": [("number", 1)], "unique": True}`."""
        await self.collection.create_index(
            # In the order of the relay's reading: with the shard first it merges sixteen scans, 12 ms for nothing.
            [("unsent_since", ASCENDING), ("shard", ASCENDING)],
            partialFilterExpression={"unsent_since": {"$exists": True}},
            name="unsent_oldest_first",
        )
        for index in indexes:
            await self.collection.create_index(**index)

    async def get(self, aggregate_id: str, scope: Scope) -> Stored[S]:
        """Raises NotFound when there is none or the scope does not reach it: nobody can tell which."""
        return self._stored(await self._load(aggregate_id, scope))

    async def find(
        self,
        scope: Scope,
        where: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (("_id", ASCENDING),),
        limit: int = 0,
    ) -> list[Stored[S]]:
        """The aggregates within the scope that fit; `limit` 0 is all of them. Unreadable ones are left out."""
        documents = await read_each(
            self.collection, _both(scope.filter, where), _PUBLIC, sort=sort or (("_id", ASCENDING),), limit=limit
        )
        return [stored for document in documents if (stored := self._listed(document)) is not None]

    async def page(self, scope: Scope, where: Mapping[str, Any] | None, paging: Paging) -> Page[Stored[S]]:
        """One page within the scope, in the order that `paging` names. Unreadable ones are left out and counted."""
        query = _both(_both(scope.filter, where), paging.where())
        documents = await read_each(self.collection, query, _PUBLIC, sort=paging.order(), limit=paging.limit + 1)
        found = paging.page(documents, self._listed)
        items = [stored for stored in found.items if stored is not None]
        return Page(items, found.next_cursor, unreadable=len(found.items) - len(items))

    async def renew_keys(self, scope: Scope, scheme: int, shared: Callable[[S], Document] | None = None) -> None:
        """Make the keys of records anew that an earlier version of the service has stored, before it is ready.

        A record is of an earlier version where `keys.scheme` is missing or below `scheme`. One that changes meanwhile
        gets its keys by its change. shared: the fields to write, `keys` among them, for a record whose new keys a
        unique index refuses, because two were stored before that rule was made; without it DuplicateKey is raised.
        """
        if self._keys is None:
            return
        after = ""
        stale = [{"keys.scheme": None}, {"keys.scheme": {"$lt": scheme}}]
        while found := await self.find(scope, {"_id": {"$gt": after}, "$or": stale}, limit=RENEWED_AT_ONCE):
            for stored in found:
                after = stored.state.id  # type: ignore[attr-defined]
                where = {"_id": after, "version": stored.version}
                try:
                    await self.collection.update_one(where, {"$set": {"keys": self._keys(stored.state)}})
                except DuplicateKey:
                    if shared is None:
                        raise
                    await self.collection.update_one(where, {"$set": shared(stored.state)})

    async def repeated(self, aggregate_id: str, scope: Scope, command: Command) -> Stored[S] | None:
        """The aggregate if this very command has created it before: ask before rules that would refuse it now.

        scope: what the caller may open now. None where there is no aggregate with that id. Raises Conflict (id_taken)
        if another command made it, NotFound if it has left the scope since.
        """
        document = await self._look(aggregate_id)
        if document is None:
            return None
        if isinstance(document, Unreadable):
            raise self._cannot_read(document, document.reason)
        if not _created_by(document, command):
            raise Conflict(
                "id_taken",
                f"The id {aggregate_id} belongs to another record: leave it out or choose a new one.",
                f"编号 {aggregate_id} 已属于另一条记录:请去掉它或换一个新的。",
            )
        if not scope.allows(document.get("owner"), document.get("office"), document.get("region")):
            raise NotFound()
        return self._stored(document)

    async def create(self, state: S, happened: Happened, command: Command, scope: Scope) -> Stored[S]:
        """Insert a new aggregate with its first event.

        The caller chooses the id, so a repetition is harmless: it answers the stored one as far as `scope`, what the
        caller may open now, reaches. Raises Conflict (id_taken) if another command made it, NotFound for a repetition
        out of reach, DuplicateKey if a unique index of the service refuses, TooLarge beyond RECORD_LIMIT.
        """
        aggregate_id: str = state.id  # type: ignore[attr-defined]
        fields = self._print(state)
        recorded = clock.now()
        entry = self._entry(aggregate_id, 1, happened, fields, command, recorded)
        if len(entry["event"]) > RECORD_LIMIT:
            raise TooLarge(len(entry["event"]), RECORD_LIMIT)
        document = {
            "_id": aggregate_id,
            "version": 1,
            **self._stored_fields(fields, state),
            "shard": shard_of(aggregate_id),
            "outbox": [entry],
            "outbox_bytes": len(entry["event"]),
            "unsent_since": recorded,
            "handled": [],
            "created": {"key": command.key, "fingerprint": command.fingerprint},
        }
        try:
            await self._write(Insert(document))
        except DuplicateKey:
            # A repetition trips over its own numbers and names as well as over its id.
            if (stored := await self.repeated(aggregate_id, scope, command)) is not None:
                return stored
            raise
        self.on_save()
        return Stored(state, 1)

    async def change(
        self,
        aggregate_id: str,
        scope: Scope,
        decide: Callable[[S], Decision[S] | Awaitable[Decision[S]]],
        command: Command,
    ) -> Stored[S]:
        """Load within the scope, decide, save. `decide` writes nothing: a lost race calls it again on the newer state.

        It is a plain function, or a coroutine where the decision needs something else that belongs to that state.

        A key that was handled before answers the aggregate as it stands; `decide` without an event writes
        nothing. Raises NotFound, Stale (the caller's version is not the current one), Conflict (a key used
        for something else, or too many lost races), UnreadableRecord, TooLarge, Unavailable (events_waiting: so many
        events of this record wait for the bus that no further one fits in), and whatever `decide` raises.
        """
        for _ in range(ATTEMPTS):
            document = await self._load(aggregate_id, scope)
            stored = self._stored(document)
            if _handled(document, command):
                return stored
            if command.expected is not None and command.expected != stored.version:
                raise Stale(stored.version)
            decision = decide(stored.state)
            state, happened = await decision if isinstance(decision, Awaitable) else decision
            if happened is None:
                return stored
            if await self._save(stored, state, happened, command, document.get("outbox_bytes", 0)):
                return Stored(state, stored.version + 1)
        raise Conflict(
            "busy",
            "Others change this record all the time: try again in a moment.",
            "此记录正被频繁修改:请稍后再试。",
        )

    async def restate_all(self) -> int:
        """Have the relay publish every aggregate's current state again, same version, type `….restated`."""
        now = clock.now()
        result = await self.collection.update_many(
            {},
            [
                {
                    "$set": {
                        "outbox": {
                            "$concatArrays": [
                                {"$cond": [{"$isArray": "$outbox"}, "$outbox", []]},
                                [{"version": "$version", "restate": True, "at": now}],
                            ]
                        },
                        "unsent_since": {"$ifNull": ["$unsent_since", now]},
                    }
                }
            ],
        )
        self.on_save()
        return result.modified_count

    async def restatement(self, aggregate_id: str) -> bytes:
        """The event that says the aggregate's current state once more. Raises NotFound, UnreadableRecord."""
        documents = await read_each(self.collection, {"_id": aggregate_id}, _PUBLIC)
        if not documents:
            raise NotFound()
        stored = self._stored(documents[0])
        now = clock.now()
        happened = Happened(self._restated(), now, now.date())
        command = Command(actor=self.topic.source)
        return envelope(self.topic, aggregate_id, stored.version, happened, stored.fields, command, now)

    def _restated(self) -> str:
        return next(event for event in self.topic.types if event.endswith(".restated")).value

    async def _load(self, aggregate_id: str, scope: Scope) -> Document:
        document = await self._open((aggregate_id, scope))
        if document is None:
            raise NotFound()
        return document

    async def _open_all(self, wanted: Sequence[tuple[str, Scope]]) -> Sequence[Document | None]:
        """Each is read through its own caller's scope; those of the same scope share one branch of the query."""
        if len(wanted) == 1:
            aggregate_id, scope = wanted[0]
            found = await read_each(self.collection, {"$and": [{"_id": aggregate_id}, scope.filter]}, _COMPLETE)
            return [found[0] if found else None]
        branches: dict[str, tuple[Scope, set[str]]] = {}
        for aggregate_id, scope in wanted:
            branches.setdefault(repr(scope), (scope, set()))[1].add(aggregate_id)
        # An `_id` of a scope that matches nothing must not be overwritten by the wanted one.
        either = [{"$and": [{"_id": {"$in": list(ids)}}, scope.filter]} for scope, ids in branches.values()]
        found = await read_each(self.collection, either[0] if len(either) == 1 else {"$or": either}, _COMPLETE)
        by_id = {document.get("_id"): document for document in found}

        def opened(aggregate_id: str, scope: Scope) -> Document | None:
            # Another caller's scope may have let it in.
            document = by_id.get(aggregate_id)
            if document is None:
                return None
            owner, office, region = (document.get(field) for field in ("owner", "office", "region"))
            return document if scope.allows(owner, office, region) else None

        return [opened(*each) for each in wanted]

    async def _save(self, stored: Stored[S], state: S, happened: Happened, command: Command, unsent: int) -> bool:
        """Whether it was saved; not if somebody else was first. unsent: bytes of events that wait in the document."""
        aggregate_id: str = state.id  # type: ignore[attr-defined]
        fields = self._print(state)
        recorded = clock.now()
        version = stored.version + 1
        unsent_entry = self._entry(aggregate_id, version, happened, fields, command, recorded)
        size = len(unsent_entry["event"])
        _fits(size, stored)
        if unsent + size > OUTBOX_LIMIT:
            raise _events_wait()
        push: Document = {"outbox": unsent_entry}
        if command.key is not None:
            entry = {"key": command.key, "fingerprint": command.fingerprint, "version": version}
            push["handled"] = {"$each": [entry], "$slice": -HANDLED}
        write = Replace(
            {"_id": aggregate_id, "version": stored.version},
            {
                "$set": {**self._stored_fields(fields, state), "version": version},
                "$push": push,
                "$inc": {"outbox_bytes": size},
                # $min keeps the time of the oldest unsent event and sets it where none was unsent.
                "$min": {"unsent_since": recorded},
            },
        )
        try:
            await self._write(write)
        except NoMatch:
            return False
        except Exception as error:
            if too_large(error) and unsent:
                raise _events_wait() from error
            raise
        self.on_save()
        return True

    async def _write_all(self, writes: Sequence[Write]) -> Sequence[Exception | None]:
        try:
            return await write_each(self.collection, writes)
        except Exception as error:
            if unavailable(error):
                raise
            if len(writes) == 1:
                return [_refusal(error)]
            # One of them cannot even be put on the wire, so nothing was sent: alone, each meets its own fate.
            return [verdict for write in writes for verdict in await self._alone(write)]

    async def _alone(self, write: Write) -> Sequence[Exception | None]:
        try:
            return await write_each(self.collection, [write])
        except Exception as error:
            return [_refusal(error)]

    async def _look_all(self, ids: Sequence[str]) -> Sequence[Document | None]:
        found = await read_each(self.collection, {"_id": {"$in": list(set(ids))}}, _COMPLETE)
        by_id = {document.get("_id"): document for document in found}
        return [by_id.get(aggregate_id) for aggregate_id in ids]

    def _print(self, state: S) -> Document:
        """The state's JSON form without its id, as it goes on the bus."""
        return state.model_dump(mode="json", exclude={"id"})

    def _stored_fields(self, fields: Document, state: S) -> Document:
        """What is stored of a state: its printed fields in their stored form, and its keys."""
        stored = self._form.store(fields)
        return stored if self._keys is None else {**stored, "keys": self._keys(state)}

    def _entry(
        self,
        aggregate_id: str,
        version: int,
        happened: Happened,
        fields: Document,
        command: Command,
        recorded: datetime,
    ) -> Document:
        state = {"id": aggregate_id, **fields}
        event = envelope(self.topic, aggregate_id, version, happened, state, command, recorded)
        return {"version": version, "at": recorded, "event": event}

    def _listed(self, document: Document) -> Stored[S] | None:
        """One of a list; None, reported, where it cannot be read."""
        try:
            fields = {"id": document["_id"]}
            for name in self._fields:
                fields[name] = document[name]
            if isinstance(document, Unreadable) or self._readable.get(document["_id"]) != _shape(document, fields):
                return self._checked(document)
            return Listed(self._state, self._form.read(fields), document["version"])
        except KeyError:
            return self._checked(document)
        except UnreadableRecord:
            return None

    def _checked(self, document: Document) -> Stored[S] | None:
        """The same for one that this process has not read before, or that lacks a field of a newer release."""
        try:
            stored = self._stored(document)
        except UnreadableRecord:
            return None
        if any(name not in document for name in self._fields):
            return stored  # written before the field was thought of: the model knows its default
        fields = {"id": document["_id"], **{name: document[name] for name in self._fields}}
        self._remember(document["_id"], _shape(document, fields))
        return Listed(self._state, self._form.read(fields), stored.version, stored.state)

    def _stored(self, document: Document) -> Stored[S]:
        """Raises UnreadableRecord, reported, for what does not suit the model."""
        if isinstance(document, Unreadable):
            raise self._cannot_read(document, document.reason)
        fields = {name: document[name] for name in self._fields if name in document}
        fields["id"] = document["_id"]
        try:
            state = self._state.model_validate(self._form.read(fields))
            version = document["version"]
            if not isinstance(version, int):
                raise TypeError(f"its version is {version!r}")
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3])
            raise self._cannot_read(document, faults) from error
        except (TypeError, KeyError, ValueError, AttributeError) as error:  # its stored form is none
            raise self._cannot_read(document, f"{type(error).__name__}: {error}") from error
        return Stored(state, version)

    def _remember(self, aggregate_id: str, shape: _Shape) -> None:
        self._readable.pop(aggregate_id, None)
        self._readable[aggregate_id] = shape
        if len(self._readable) > READABLE_REMEMBERED:
            del self._readable[next(iter(self._readable))]

    def _cannot_read(self, document: Document, reason: str) -> UnreadableRecord:
        record = str(document.get("_id", "unknown"))
        _unreadable.labels(self.collection.name).inc()
        mark = (record, document.get("version") if isinstance(document.get("version"), int) else None)
        if mark not in self._reported:  # once for each record
            self._reported.add(mark)
            log.error("record cannot be read", collection=self.collection.name, record=record, reason=reason)
        return UnreadableRecord(record, reason)


_Shape: TypeAlias = tuple[Any, ...]


def _shape(document: Document, fields: Document) -> _Shape:
    """What tells that a record was validated before: its version, and of what types its fields are."""
    return (document.get("version"), *map(type, fields.values()))


_PUBLIC = {"outbox": 0, "handled": 0, "created": 0}
_COMPLETE = {"outbox": 0}


def _fits(size: int, before: Stored[Any]) -> None:
    """Raises TooLarge when an event of that size may not follow that state."""
    if size <= RECORD_LIMIT:
        return
    if size > EVENT_LIMIT:
        raise TooLarge(size, RECORD_LIMIT)
    if size - len(orjson.dumps(before.fields)) > SMALL_STEP:
        raise TooLarge(size, RECORD_LIMIT)


class EventsWaiting(Unavailable):
    """A record has so many unsent events that no further one fits in; it will when the bus has taken some."""


def _events_wait() -> EventsWaiting:
    return EventsWaiting(
        "events_waiting",
        "So many changes of this record wait to be published that no further one can be taken: "
        "the message bus does not take them at present. Try again when it works again.",
        "此记录待发布的变更过多,暂时不能再受理新的变更:消息总线目前不可用,请在其恢复后重试。",
        retry_after=30,
    )


def _refusal(error: Exception) -> Exception:
    """What a caller is told of a write that cannot even be put on the wire."""
    if not_storable(error):
        return Invalid(
            "not_storable",
            f"A value of the request cannot be stored: {error}.",
            f"请求中的某个值无法保存:{error}。",
        )
    return error


def _both(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if first and second:
        return {"$and": [first, second]}
    return first or second or {}


def _created_by(document: Document, command: Command) -> bool:
    """Whether this command made the document: by its key, or without one by saying the same."""
    created = document.get("created") or {}
    if command.key is not None and created.get("key") == command.key and created["fingerprint"] != command.fingerprint:
        raise _reused(command, document["_id"])
    return created.get("fingerprint") == command.fingerprint


def _handled(document: Document, command: Command) -> bool:
    if command.key is None:
        return False
    for entry in document.get("handled") or ():
        if entry["key"] == command.key:
            if entry["fingerprint"] != command.fingerprint:
                raise _reused(command, document["_id"])
            return True
    return False


def _reused(command: Command, record: str) -> Conflict:
    key = command.idempotency_key or command.key
    return Conflict(
        "idempotency_key_reused",
        f"The Idempotency-Key {key} was used before, for a request with other content, and that request was done: see "
        "`record`. Nothing has been done now. Compare the two before you send anything else.",
        f"Idempotency-Key {key} 此前已用于内容不同的请求,且该请求已执行:见 record。"
        "本次未执行任何操作,请先比较两次内容再继续。",
        record=record,
    )
