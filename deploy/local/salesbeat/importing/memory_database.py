"""A database in memory that answers as MongoDB does, for as long as a rehearsal lasts. Nothing is written to disk.

It has what the services ask of a collection when records are registered and taken a step further. An operator that it
does not know raises Unsupported instead of guessing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.mongo import BulkWriteError, DuplicateKey, InsertOne, UpdateOne

Document = dict[str, Any]
Index = Mapping[str, Any]


class Unsupported(NotImplementedError):
    """An operator of MongoDB that this database does not have."""


@dataclass(frozen=True, slots=True)
class Result:
    matched_count: int = 0
    modified_count: int = 0
    upserted_id: Any = None
    inserted_id: Any = None


class MemoryDatabase:
    """Collections by their names; they come into being when they are asked for."""

    def __init__(self) -> None:
        self.collections: dict[str, MemoryCollection] = {}

    def __getitem__(self, name: str) -> MemoryCollection:
        return self.collections.setdefault(name, MemoryCollection(name))


class MemoryCollection:
    """The coroutines of a driver's collection."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.documents: dict[Any, Document] = {}
        self.written: set[Any] = set()
        """Ids of documents that were written since somebody last emptied this set."""
        self._unique: list[tuple[tuple[str, ...], Mapping[str, Any] | None, dict[tuple[Any, ...], Any]]] = []
        self._indexes: dict[str, defaultdict[Any, dict[Any, None]]] = {}

    def with_options(self, **_: Any) -> MemoryCollection:
        return self

    async def create_index(
        self,
        keys: Sequence[tuple[str, int]] | str,
        *,
        unique: bool = False,
        partialFilterExpression: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> str:
        """Before anything is inserted. Of indexes over several fields only the unique ones do anything."""
        fields = (keys,) if isinstance(keys, str) else tuple(field for field, _ in keys)
        if unique and fields != ("_id",):
            self._unique.append((fields, partialFilterExpression, {}))
        self._indexes.setdefault(fields[0], defaultdict(dict))
        return "_".join(fields)

    def find(self, where: Mapping[str, Any] | None = None, projection: Any = None, **_: Any) -> MemoryCursor:
        return MemoryCursor(list(self._fitting(where or {})), projection)

    async def find_one(
        self, where: Mapping[str, Any] | None = None, projection: Any = None, **_: Any
    ) -> Document | None:
        found = next(self._fitting(where or {}), None)
        return None if found is None else _projected(found, projection)

    async def count_documents(self, where: Mapping[str, Any], **_: Any) -> int:
        return sum(1 for _ in self._fitting(where))

    async def distinct(self, field: str, where: Mapping[str, Any] | None = None, **_: Any) -> list[Any]:
        return list(dict.fromkeys(value for document in self._fitting(where or {}) for value in _at(document, field)))

    async def insert_one(self, document: Document, **_: Any) -> Result:
        if document["_id"] in self.documents:
            raise _duplicate(self.name, "_id")
        self._put(_copy(document))
        return Result(inserted_id=document["_id"])

    async def insert_many(self, documents: Sequence[Document], **_: Any) -> Result:
        """In their order, up to the first that is refused. Raises BulkWriteError."""
        return await self.bulk_write([InsertOne(document) for document in documents], stop=True)

    async def update_one(self, where: Mapping[str, Any], update: Any, *, upsert: bool = False, **_: Any) -> Result:
        found = next(self._fitting(where), None)
        if found is not None:
            self._put(_updated(found, update))
            return Result(matched_count=1, modified_count=1)
        if not upsert:
            return Result()
        new = {field: value for field, value in where.items() if field[0] != "$" and not _is_condition(value)}
        new = _updated(new, update, inserting=True)
        if new["_id"] in self.documents:
            raise _duplicate(self.name, "_id")
        self._put(new)
        return Result(upserted_id=new["_id"])

    async def replace_one(self, where: Mapping[str, Any], document: Document, *, upsert: bool = False) -> Result:
        found = next(self._fitting(where), None)
        if found is None and not upsert:
            return Result()
        kept = found["_id"] if found is not None else document.get("_id", where.get("_id"))
        self._put({**_copy(document), "_id": kept})
        return Result(matched_count=int(found is not None), modified_count=int(found is not None))

    async def find_one_and_update(
        self, where: Mapping[str, Any], update: Any, projection: Any = None, *, upsert: bool = False, **more: Any
    ) -> Document | None:
        """The document before the update, or after it (`return_document`)."""
        found = next(self._fitting(where), None)
        before = None if found is None else _copy(found)
        result = await self.update_one(where, update, upsert=upsert)
        if before is None and result.upserted_id is None:
            return None
        shown = (
            self.documents[before["_id"] if before else result.upserted_id] if more.get("return_document") else before
        )
        return None if shown is None else _projected(shown, projection)

    async def delete_one(self, where: Mapping[str, Any], **_: Any) -> Result:
        for found in list(self._fitting(where))[:1]:
            self.forget(found["_id"])
        return Result()

    async def delete_many(self, where: Mapping[str, Any], **_: Any) -> Result:
        for found in list(self._fitting(where)):
            self.forget(found["_id"])
        return Result()

    async def bulk_write(self, writes: Sequence[Any], *, stop: bool = False, **_: Any) -> Result:
        """Raises BulkWriteError with the index of each write that a unique index refuses."""
        failed: list[Document] = []
        for index, write in enumerate(writes):
            try:
                if isinstance(write, InsertOne):
                    await self.insert_one(write._doc)  # type: ignore[attr-defined]
                elif isinstance(write, UpdateOne):
                    await self.update_one(write._filter, write._doc, upsert=bool(write._upsert))  # type: ignore[attr-defined]
                else:
                    raise Unsupported(type(write).__name__)
            except DuplicateKey as error:
                failed.append({"index": index, "code": 11000, "errmsg": str(error), **(error.details or {})})
                if stop:
                    break
        if failed:
            raise BulkWriteError({"writeErrors": failed, "writeConcernErrors": []})
        return Result()

    def forget(self, document_id: Any) -> None:
        """Take a document out again, as if it had never been there."""
        if (document := self.documents.pop(document_id, None)) is not None:
            self._index(document, remove=True)
        self.written.discard(document_id)

    # --- what the coroutines are made of ----------------------------------------------------------

    def _put(self, document: Document) -> None:
        document_id = document["_id"]
        before = self.documents.get(document_id)
        for fields, partial, taken in self._unique:
            for key in _keys(document, fields, partial):
                if taken.get(key, document_id) != document_id:
                    raise _duplicate(self.name, fields[0])
        if before is not None:
            self._index(before, remove=True)
        self.documents[document_id] = document
        self._index(document)
        self.written.add(document_id)

    def _index(self, document: Document, *, remove: bool = False) -> None:
        document_id = document["_id"]
        for fields, partial, taken in self._unique:
            for key in _keys(document, fields, partial):
                if remove:
                    taken.pop(key, None)
                else:
                    taken[key] = document_id
        for field, index in self._indexes.items():
            for value in _at(document, field):
                if isinstance(value, dict | list):
                    continue
                if remove:
                    index[value].pop(document_id, None)
                else:
                    index[value][document_id] = None

    def _fitting(self, where: Mapping[str, Any]) -> Iterator[Document]:
        """Those that fit, found by their ids or by an index where the filter asks for one value or some."""
        for document in self._candidates(where):
            if _fits(document, where):
                yield document

    def _candidates(self, where: Mapping[str, Any]) -> list[Document]:
        found = self._looked_up(where)
        return list(self.documents.values()) if found is None else [self.documents[one] for one in found]

    def _looked_up(self, where: Mapping[str, Any]) -> dict[Any, None] | None:
        """The ids among which all that fit are found; None where no index helps."""
        conditions = list(_conditions(where))
        for field, condition in conditions:
            if field == "_id" and (wanted := _wanted(condition)) is not None:
                return dict.fromkeys(one for one in wanted if one in self.documents)
        for field, condition in conditions:
            if field in self._indexes and (wanted := _wanted(condition)) is not None and None not in wanted:
                return dict.fromkeys(one for value in wanted for one in self._indexes[field].get(value, ()))
        for field, alternatives in conditions:
            if field == "$or":
                branches = [self._looked_up(each) for each in alternatives]
                if all(branch is not None for branch in branches):
                    return dict.fromkeys(one for branch in branches for one in branch or ())
        return None


class MemoryCursor:
    def __init__(self, documents: list[Document], projection: Any) -> None:
        self._documents = documents
        self._projection = projection

    def sort(self, keys: Sequence[tuple[str, int]] | str, direction: int = 1) -> MemoryCursor:
        for field, way in reversed([(keys, direction)] if isinstance(keys, str) else list(keys)):
            self._documents.sort(key=lambda document, field=field: _order(_at(document, field)), reverse=way < 0)
        return self

    def limit(self, most: int) -> MemoryCursor:
        if most:
            self._documents = self._documents[:most]
        return self

    def hint(self, _: Any) -> MemoryCursor:
        return self

    def max_time_ms(self, _: Any) -> MemoryCursor:
        return self

    async def to_list(self, length: int | None = None) -> list[Document]:
        return [_projected(document, self._projection) for document in self._documents[:length]]

    async def __aiter__(self) -> Any:
        for document in self._documents:
            yield _projected(document, self._projection)


def _copy(value: Any) -> Any:
    """A copy of a document or a part of it. What is neither a dict nor a list does not change."""
    if isinstance(value, dict):
        return {name: _copy(part) for name, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value


def _duplicate(name: str, field: str) -> DuplicateKey:
    details = {"keyPattern": {field: 1}}
    return DuplicateKey(f"E11000 duplicate key in {name}: {field}", 11000, details)


def _projected(document: Document, projection: Any) -> Document:
    if not projection:
        return _copy(document)
    shown = dict(projection)
    if any(shown.values()):
        kept = {field.partition(".")[0] for field, value in shown.items() if value} | {"_id"}
        kept -= {field for field, value in shown.items() if not value}
        return _copy({field: value for field, value in document.items() if field in kept})
    return _copy({field: value for field, value in document.items() if field not in shown})


# --- filters --------------------------------------------------------------------------------------


def _at(document: Any, path: str) -> list[Any]:
    """The values at a dotted path; of a list each element, and the list itself."""
    found = [document]
    for step in path.split("."):
        following: list[Any] = []
        for node in found:
            for each in node if isinstance(node, list) else [node]:
                if isinstance(each, dict) and step in each:
                    following.append(each[step])
            if isinstance(node, list) and step.isdigit() and int(step) < len(node):
                following.append(node[int(step)])
        found = following
    return [value for each in found for value in ([*each, each] if isinstance(each, list) else [each])]


def _keys(document: Document, fields: tuple[str, ...], partial: Mapping[str, Any] | None) -> Iterator[tuple[Any, ...]]:
    """The entries of a document in a unique index; a missing field counts as null, as it does in MongoDB."""
    if partial is not None and not _fits(document, partial):
        return
    entries: list[tuple[Any, ...]] = [()]
    for field in fields:
        values = [value for value in _at(document, field) if not isinstance(value, list | dict)] or [None]
        entries = [(*entry, value) for entry in entries for value in dict.fromkeys(values)]
    yield from entries


def _is_condition(value: Any) -> bool:
    return isinstance(value, dict) and any(str(name).startswith("$") for name in value)


def _conditions(where: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The conditions all of which must hold, those within `$and` too; an `$or` is one of them."""
    for field, condition in where.items():
        if field == "$and":
            for each in condition:
                yield from _conditions(each)
        elif field == "$or" or not field.startswith("$"):
            yield field, condition


def _wanted(condition: Any) -> list[Any] | None:
    """The values one of which a condition asks for; None where it asks for something else."""
    if not _is_condition(condition):
        return None if isinstance(condition, Mapping | list) else [condition]
    found = condition.get("$in", [condition["$eq"]] if "$eq" in condition else None)
    return (
        None if found is None or any(isinstance(each, Mapping | list | re.Pattern) for each in found) else list(found)
    )


def _fits(document: Any, where: Mapping[str, Any]) -> bool:
    for field, condition in where.items():
        if field == "$and":
            fits = all(_fits(document, each) for each in condition)
        elif field == "$or":
            fits = any(_fits(document, each) for each in condition)
        elif field == "$nor":
            fits = not any(_fits(document, each) for each in condition)
        elif field.startswith("$"):
            raise Unsupported(field)
        else:
            fits = _holds(_at(document, field), condition)
        if not fits:
            return False
    return True


def _holds(values: list[Any], condition: Any) -> bool:
    if isinstance(condition, re.Pattern):
        return any(isinstance(value, str) and condition.search(value) for value in values)
    if not _is_condition(condition):
        return condition in values or (condition is None and not values)
    return all(_operator(values, name, wanted, condition) for name, wanted in condition.items() if name != "$options")


def _comparable(value: Any, wanted: Any) -> bool:
    numbers = isinstance(value, int | float) and isinstance(wanted, int | float)
    return numbers or type(value) is type(wanted)


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "$lt": lambda value, wanted: value < wanted,
    "$lte": lambda value, wanted: value <= wanted,
    "$gt": lambda value, wanted: value > wanted,
    "$gte": lambda value, wanted: value >= wanted,
}
_TYPES = {"string": str, "array": list, "object": dict, "bool": bool}


def _operator(values: list[Any], name: str, wanted: Any, condition: Mapping[str, Any]) -> bool:
    if name in _COMPARE:
        return any(_comparable(value, wanted) and _COMPARE[name](value, wanted) for value in values)
    if name == "$in":
        return any(_holds(values, each) for each in wanted)
    if name == "$nin":
        return not any(_holds(values, each) for each in wanted)
    if name == "$eq":
        return _holds(values, wanted)
    if name == "$ne":
        return not _holds(values, wanted)
    if name == "$not":
        return not _holds(values, wanted)
    if name == "$exists":
        return bool(values) is bool(wanted)
    if name == "$elemMatch":
        elements = [each for value in values if isinstance(value, list) for each in value]
        return any(_fits(each, wanted) if isinstance(each, dict) else _holds([each], wanted) for each in elements)
    if name == "$size":
        return any(isinstance(value, list) and len(value) == wanted for value in values)
    if name == "$type" and wanted in _TYPES:
        return any(isinstance(value, _TYPES[wanted]) for value in values)
    if name == "$regex":
        flags = re.IGNORECASE if "i" in condition.get("$options", "") else 0
        return any(isinstance(value, str) and re.search(wanted, value, flags) for value in values)
    raise Unsupported(name)


def _order(values: Iterable[Any]) -> tuple[int, Any]:
    found = [value for value in values if value is not None and not isinstance(value, list | dict)]
    return (1, min(found)) if found else (0, 0)


# --- updates --------------------------------------------------------------------------------------


def _updated(document: Document, update: Any, *, inserting: bool = False) -> Document:
    if not isinstance(update, Mapping):
        raise Unsupported("a pipeline as an update")
    new = _copy(document)
    for name, changes in update.items():
        if name == "$setOnInsert" and not inserting:
            continue
        for path, value in changes.items():
            _change(new, name, path, _copy(value))
    return new


def _change(document: Document, name: str, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    node = document
    for step in steps:
        node = node.setdefault(step, {})
        if not isinstance(node, dict):
            raise Unsupported(f"{name} at {path}")
    if name in ("$set", "$setOnInsert"):
        node[last] = value
    elif name == "$unset":
        node.pop(last, None)
    elif name == "$inc":
        node[last] = node.get(last, 0) + value
    elif name in ("$min", "$max"):
        better = min if name == "$min" else max
        node[last] = better(node[last], value) if last in node else value
    elif name in ("$push", "$addToSet"):
        items = node.setdefault(last, [])
        more = value["$each"] if isinstance(value, Mapping) and "$each" in value else [value]
        items.extend(each for each in more if name == "$push" or each not in items)
        if isinstance(value, Mapping) and (kept := value.get("$slice")) is not None:
            node[last] = items[kept:] if kept < 0 else items[:kept]
    elif name == "$pull":
        fits = _holds if not isinstance(value, Mapping) or _is_condition(value) else None
        node[last] = [each for each in node.get(last, []) if not (fits([each], value) if fits else _fits(each, value))]
    else:
        raise Unsupported(name)
