"""The one importer of the MongoDB drivers.

motor is the suite's driver; PyMongo's own async API is its successor (docs/decisions/0009-driver.md).
Only what both have in common leaves this module, so switching is a change of one setting.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from pymongo import ASCENDING, DESCENDING, DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateOne
from pymongo import WriteConcern as _WriteConcern
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WTimeoutError,
)

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
    "UpdateOne",
    "Write",
    "aggregate",
    "changes",
    "connect",
    "duplicate_field",
    "relaxed",
    "unavailable",
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


def duplicate_field(error: DuplicateKeyError | BulkWriteError) -> str:
    """The first field of the unique index that refused a write; `_id` where it is unknown."""
    details: Mapping[str, Any] = error.details or {}
    if errors := details.get("writeErrors"):
        details = errors[0]
    return next(iter(details.get("keyPattern", {})), "_id")


class Client:
    """A lazy connection to MongoDB: making one does no I/O."""

    def __init__(self, uri: str, driver: Driver = "pymongo", **options: Any) -> None:
        if driver not in get_args(Driver):
            raise ValueError(f"unknown MongoDB driver {driver!r}: use one of {', '.join(get_args(Driver))}")
        settings: dict[str, Any] = {
            "tz_aware": True,
            # An answered command must survive the loss of the primary (architecture: nothing is lost).
            "w": "majority",
            "journal": True,
            "serverSelectionTimeoutMS": 3_000,
            "connectTimeoutMS": 3_000,
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
