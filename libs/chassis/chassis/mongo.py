"""The one importer of the MongoDB drivers.

motor is the suite's driver; PyMongo's own async API is its successor (docs/decisions/0009-driver.md).
Only what both have in common leaves this module, so switching is a change of one setting.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.dbref import DBRef
from bson.errors import BSONError, InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING, DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateOne, monitoring
from pymongo import WriteConcern as _WriteConcern
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WTimeoutError,
)

from chassis import turns

__all__ = [
    "ASCENDING",
    "DESCENDING",
    "UNAVAILABLE",
    "BulkWriteError",
    "Client",
    "Collection",
    "Database",
    "DeleteOne",
    "Document",
    "Driver",
    "DuplicateKey",
    "Insert",
    "InsertOne",
    "NoMatch",
    "PyMongoError",
    "Replace",
    "ReplaceOne",
    "ReturnDocument",
    "Unreadable",
    "UpdateOne",
    "Write",
    "aggregate",
    "as_mapping",
    "changes",
    "connect",
    "duplicate_field",
    "not_storable",
    "read_each",
    "relaxed",
    "too_large",
    "unavailable",
    "undecodable",
    "write_each",
]

Document: TypeAlias = dict[str, Any]
Collection: TypeAlias = Any
"""A collection of either driver; both have the same coroutines."""
Database: TypeAlias = Any
Driver = Literal["motor", "pymongo"]
DuplicateKey = DuplicateKeyError


class NoMatch(OperationFailure):
    """A Replace has found no document that fits its filter."""


UNAVAILABLE = (AutoReconnect, ConnectionFailure, ExecutionTimeout, WTimeoutError, WriteConcernError)
"""Errors after which the same write may succeed: the server is away, changing its primary, or slow."""
# NotWritablePrimary, InterruptedDueToReplStateChange, PrimarySteppedDown, ShutdownInProgress
_TRANSIENT_CODES = frozenset({10107, 11602, 189, 91, 11600, 13435, 13436})


def unavailable(error: BaseException) -> bool:
    """Whether the same call may succeed later without anybody's doing."""
    if isinstance(error, OperationFailure) and error.code in _TRANSIENT_CODES:
        return True
    return isinstance(error, UNAVAILABLE)


# BSONObjectTooLarge, and the code of an update whose document would grow beyond 16 MB
_TOO_LARGE_CODES = frozenset({10334, 17419, 17420})


def too_large(error: BaseException) -> bool:
    """Whether a write was refused because its document would be larger than MongoDB takes (16 MB)."""
    if isinstance(error, OperationFailure) and error.code in _TOO_LARGE_CODES:
        return True
    return isinstance(error, DocumentTooLarge)


def undecodable(error: BaseException) -> bool:
    """Whether a stored document has something that the driver has no type for."""
    return isinstance(error, InvalidBSON)


def not_storable(error: BaseException) -> bool:
    """Whether a write was refused because one of its values has no form in the database, such as a number that
    needs more than 64 bits."""
    cannot = isinstance(error, BSONError | OverflowError | UnicodeEncodeError)
    return cannot and not too_large(error) and not undecodable(error)


def duplicate_field(error: DuplicateKeyError | BulkWriteError) -> str:
    """The first field of the unique index that refused a write; `_id` where it is unknown."""
    details: Mapping[str, Any] = error.details or {}
    if errors := details.get("writeErrors"):
        details = errors[0]
    return next(iter(details.get("keyPattern", {})), "_id")


class _Answers(monitoring.CommandListener):
    """Tells the turn of the task at hand of each command and of its answer (chassis/turns.py)."""

    def __init__(self) -> None:
        self._asked: dict[int, turns.Turn] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if (turn := turns.current()) is not None:
            self._asked[event.request_id] = turn
            turn.begin()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._ended(event.request_id)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._ended(event.request_id)

    def _ended(self, request: int) -> None:
        if (turn := self._asked.pop(request, None)) is not None:
            turn.end()


class Client:
    """A lazy connection to MongoDB: making one does no I/O.

    watched: each answer counts as progress of the task that waits for it (chassis/turns.py); for background work, since
    it costs some microseconds for each command.
    """

    def __init__(self, uri: str, driver: Driver = "pymongo", *, watched: bool = False, **options: Any) -> None:
        if driver not in get_args(Driver):
            raise ValueError(f"unknown MongoDB driver {driver!r}: use one of {', '.join(get_args(Driver))}")
        settings: dict[str, Any] = {
            "tz_aware": True,
            # An answered command must survive the loss of the primary (architecture: nothing is lost).
            "w": "majority",
            "journal": True,
            "serverSelectionTimeoutMS": 3_000,
            "connectTimeoutMS": 3_000,
            **({"event_listeners": [_Answers()]} if watched else {}),
            **options,
        }
        self.driver = driver
        if driver == "motor":
            from motor.motor_asyncio import AsyncIOMotorClient

            self._client: Any = AsyncIOMotorClient(uri, **settings)
        else:
            from pymongo import AsyncMongoClient

            self._client = AsyncMongoClient(uri, **settings)

    def database(self, name: str) -> Database:
        return self._client[name]

    async def ping(self) -> None:
        """Raises a PyMongoError when no server answers."""
        await self._client.admin.command("ping")

    async def drop(self, name: str) -> None:
        await self._client.drop_database(name)

    async def close(self) -> None:
        closing = self._client.close()
        if closing is not None:  # motor closes at once, PyMongo's client is awaited
            await closing


def connect(uri: str, driver: Driver = "pymongo", **options: Any) -> Client:
    """A client of the chosen driver. Raises ValueError for an unknown driver or a malformed URI."""
    try:
        return Client(uri, driver, **options)
    except PyMongoError as error:
        raise ValueError(f"the MongoDB address is not usable: {error}") from error


def relaxed(collection: Collection) -> Collection:
    """The same collection for writes whose loss costs only a repetition."""
    return collection.with_options(write_concern=_WriteConcern(w=1, j=False))


_IMMUTABLE_FIELD = 66


@dataclass(frozen=True, slots=True)
class Insert:
    document: Document


@dataclass(frozen=True, slots=True)
class Replace:
    """An update that fails with NoMatch where nothing fits `where`."""

    where: Mapping[str, Any]
    update: Mapping[str, Any]


Write: TypeAlias = Insert | Replace


async def write_each(collection: Collection, writes: Sequence[Write]) -> list[PyMongoError | None]:
    """All the writes in one round trip: for each None, or the error that it alone has met (DuplicateKey, NoMatch).

    Raises what all of them have met, such as a lost connection.
    """
    if len(writes) == 1:  # no bulk of one
        return [await _write_one(collection, writes[0])]
    verdicts: list[PyMongoError | None] = [None] * len(writes)
    try:
        await collection.bulk_write([_in_bulk(write) for write in writes], ordered=False)
    except BulkWriteError as error:
        details: Mapping[str, Any] = error.details
        for unsure in details.get("writeConcernErrors", ())[:1]:
            verdicts = [WriteConcernError(unsure.get("errmsg", ""), unsure.get("code"), unsure)] * len(writes)
        kinds = {11000: DuplicateKeyError, _IMMUTABLE_FIELD: NoMatch}
        for failed in details["writeErrors"]:
            kind = kinds.get(failed["code"], OperationFailure)
            verdicts[failed["index"]] = kind(failed["errmsg"], failed["code"], failed)
    return verdicts


async def _write_one(collection: Collection, write: Write) -> PyMongoError | None:
    if isinstance(write, Replace):
        result = await collection.update_one(write.where, write.update)
        return None if result.matched_count else NoMatch("nothing fits")
    try:
        await collection.insert_one(write.document)
    except DuplicateKeyError as error:
        return error
    return None


def _in_bulk(write: Write) -> InsertOne[Document] | UpdateOne:
    """A bulk of plain updates tells only how many of them have found something; an upsert fails on its own.

    It never inserts: the document that it would make sets its own id to null, which the server refuses.
    """
    if isinstance(write, Insert):
        return InsertOne(write.document)
    return UpdateOne(write.where, {**write.update, "$setOnInsert": {"_id": None}}, upsert=True)


class Unreadable(Document):
    """What can be read of a document that the driver cannot decode: those of its fields that it can.

    reason: why the rest cannot be read.
    """

    def __init__(self, fields: Document, reason: str) -> None:
        super().__init__(fields)
        self.reason = reason


async def read_each(
    collection: Collection,
    where: Mapping[str, Any],
    shown: Mapping[str, Any] | None = None,
    *,
    sort: Sequence[tuple[str, int]] = (),
    limit: int = 0,
) -> list[Document]:
    """All documents that fit; one that cannot be decoded comes as Unreadable and does not hold up the others.

    shown: the projection; limit: 0 is all of them.
    """

    def cursor(of: Collection) -> Any:
        found = of.find(where, shown)
        if sort:
            found = found.sort(list(sort))
        return found.limit(limit) if limit else found

    try:
        return await cursor(collection).to_list(None)
    except PyMongoError:
        raise
    except Exception:  # whatever a decoder raises: each document is decoded alone
        raw = collection.with_options(codec_options=CodecOptions(document_class=RawBSONDocument, tz_aware=True))
        return [_decoded(document.raw) for document in await cursor(raw).to_list(None)]


_PLAIN = CodecOptions[Document](tz_aware=True)
_TOLERANT = CodecOptions(
    document_class=RawBSONDocument,
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


def _decoded(raw: bytes) -> Document:
    try:
        return bson.decode(raw, _PLAIN)
    except Exception as error:
        # The driver goes on with advice to programmers.
        reason = f"{type(error).__name__}: {error}".partition(" (Consider ")[0][:300]
    readable: Document = {}
    try:
        fields = RawBSONDocument(raw, _TOLERANT).items()
    except Exception:  # not even its outermost level can be read
        return Unreadable(readable, reason)
    for name, value in fields:
        try:
            readable[name] = _plain(value)
        except Exception:  # noqa: S112 - what cannot be read is left out, and `reason` says so
            continue
    return Unreadable(readable, reason)


def _plain(value: Any) -> Any:
    if isinstance(value, RawBSONDocument):
        return bson.decode(value.raw, _PLAIN)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def as_mapping(value: Any) -> Any:
    """A reference, which the driver makes of an object with `$ref` and `$id`, as that object; all else as it is."""
    return dict(value.as_doc()) if isinstance(value, DBRef) else value


async def aggregate(collection: Collection, pipeline: Sequence[Mapping[str, Any]], **options: Any) -> list[Document]:
    """All documents that the pipeline yields."""
    cursor = collection.aggregate(list(pipeline), **options)
    if not hasattr(cursor, "to_list"):  # PyMongo's is a coroutine, motor's a cursor
        cursor = await cursor
    return await cursor.to_list(None)


async def changes(database: Database, pipeline: Sequence[Mapping[str, Any]]) -> AsyncGenerator[list[Document], None]:
    """The changes in a database from now on, those together that have come since the last ones were taken.

    The first ones, which may be none, come as soon as it is open. (The drivers' own streams hand out one at a time, and
    do not tell when one is the last that has come.) Raises a PyMongoError when the server goes away, or where it has
    no changes to tell (a standalone).
    """
    session = database.client.start_session()
    if hasattr(session, "__await__"):  # motor's is a coroutine
        session = await session
    opening = {"aggregate": 1, "pipeline": [{"$changeStream": {}}, *pipeline], "cursor": {}}
    try:
        cursor = (await database.command(opening, session=session))["cursor"]
        yield cursor["firstBatch"]
        more = {"getMore": cursor["id"], "collection": "$cmd.aggregate", "maxTimeMS": 1_000}
        while True:
            if found := (await database.command(more, session=session))["cursor"]["nextBatch"]:
                yield found
    finally:
        await session.end_session()
