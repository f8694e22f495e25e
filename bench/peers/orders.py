"""The orders service with other ways of saving: `python -m bench.peers.orders transaction|bare|nothing`.

The same app, door, token check, validation, rules and answer. Each request does its own reading and writing:
transaction  a number from a counter, then one transaction over the order and its event in an outbox collection
bare         a number from a counter, then the order alone: no event, so nobody else ever hears of it
nothing      no database at all: what is known comes from a dictionary, what is made is forgotten
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from chassis import clock, ids, service
from chassis.aggregate import Command, Repository, Stored
from chassis.copies import Copies
from chassis.mongo import Database, DuplicateKey, ReturnDocument
from chassis.scope import Scope
from contracts.envelope import Happened, Published
from contracts.orders import Order, Product
from orders import repositories
from orders.order import api
from orders.settings import Settings


class PlainCopies(Copies[Any]):
    def __init__(self, database: Database, name: str, model: type[Any]) -> None:
        super().__init__(database, name, model)
        self.get: Any = self._get_one

    async def _get_one(self, aggregate_id: str) -> Any:
        document = await self.collection.find_one({"_id": aggregate_id})
        return self._read(document) if document else None

    async def several(self, ids: Iterable[str]) -> list[Any]:
        return await self.find({"_id": {"$in": sorted(set(ids))}})

    async def find(self, where: Mapping[str, Any] | None = None) -> list[Any]:
        return [self._read(document) for document in await self.collection.find(where or {}).to_list(None)]


class PlainRepositories(repositories.Repositories):
    async def products_of(self, ids: Iterable[str]) -> dict[str, Product]:
        found = await self.products.find(repositories.CATALOGUE, {"_id": {"$in": sorted(set(ids))}})
        return {stored.state.id: stored.state for stored in found}


class PlainProducts(Repository[Product]):
    async def find(self, scope: Scope, where: Mapping[str, Any] | None = None, **_: Any) -> list[Stored[Product]]:
        return [self._stored(document) for document in await self.collection.find(where or {}).to_list(None)]


class Counter:
    """One write for a number; one that is not used is lost."""

    def __init__(self, database: Database) -> None:
        self._counters = database["counters"]

    async def take(self, series: str, for_id: str) -> int:
        document = await self._counters.find_one_and_update(
            {"_id": series}, {"$inc": {"last": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        return document["last"]

    async def written(self, series: str, for_id: str, number: int) -> None:
        pass


class Bare(Repository[Order]):
    async def repeated(self, aggregate_id: str, scope: Scope, command: Command) -> Stored[Order] | None:
        document = await self.collection.find_one({"_id": aggregate_id})
        return self._stored(document) if document else None

    async def create(self, state: Order, happened: Happened, command: Command, scope: Scope) -> Stored[Order]:
        try:
            await self._insert(self._document(state), happened, command)
        except DuplicateKey:
            if (stored := await self.repeated(state.id, scope, command)) is not None:
                return stored
            raise
        return Stored(state, 1)

    def _document(self, state: Order) -> dict[str, Any]:
        return {"_id": state.id, "version": 1, **self._print(state)}

    async def _insert(self, document: dict[str, Any], happened: Happened, command: Command) -> None:
        await self.collection.insert_one(document)


class Transaction(Bare):
    async def _insert(self, document: dict[str, Any], happened: Happened, command: Command) -> None:
        outbox = self.collection.database["outbox"]
        entry = self._entry(document["_id"], 1, happened, self._fields_of(document), command, clock.now())
        event = {"_id": ids.new_id(), "topic": self.topic.name, "key": document["_id"], **entry}
        client = self.collection.database.client
        async with client.start_session() as session, await session.start_transaction():
            await self.collection.insert_one(document, session=session)
            await outbox.insert_one(event, session=session)

    def _fields_of(self, document: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in document.items() if name not in ("_id", "version")}


class Nothing(Bare):
    async def repeated(self, aggregate_id: str, scope: Scope, command: Command) -> Stored[Order] | None:
        return None

    async def _insert(self, document: dict[str, Any], happened: Happened, command: Command) -> None:
        pass


class Remembered:
    """Copies and products that were read once."""

    def __init__(self, source: Copies[Any]) -> None:
        self._source = source
        self._held: dict[str, Published] = {}

    async def _load(self) -> dict[str, Published]:
        if not self._held:
            self._held = {each.id: each for each in await self._source.find()}
        return self._held

    async def get(self, aggregate_id: str) -> Any:
        return (await self._load()).get(aggregate_id)

    async def find(self, where: Mapping[str, Any] | None = None) -> Sequence[Any]:
        held = await self._load()
        return [held[each] for each in (where or {})["_id"]["$in"] if each in held]

    async def several(self, ids: Iterable[str]) -> Sequence[Any]:
        return await self.find({"_id": {"$in": list(ids)}})


class RememberedProducts(PlainProducts):
    _held: dict[str, Stored[Product]] | None = None

    async def find(self, scope: Scope, where: Mapping[str, Any] | None = None, **_: Any) -> list[Stored[Product]]:
        if self._held is None:
            self._held = {stored.state.id: stored for stored in await super().find(scope)}
        return [self._held[each] for each in (where or {})["_id"]["$in"] if each in self._held]


class Counted:
    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    async def take(self, series: str, for_id: str) -> int:
        return next(self._numbers)

    async def written(self, series: str, for_id: str, number: int) -> None:
        pass


def app(settings: Settings, way: str) -> FastAPI:
    store = service.Store("orders", settings)
    kept: Any = PlainRepositories(store.database)
    saving = {"transaction": Transaction, "bare": Bare, "nothing": Nothing}[way]
    kept.orders = saving(store.database, "orders", repositories.ORDERS, Order)
    reading = RememberedProducts if way == "nothing" else PlainProducts
    kept.products = reading(store.database, "products", repositories.PRODUCTS, Product)
    kept.numbers = Counted() if way == "nothing" else Counter(store.database)
    for name in ("offices", "people", "customers"):
        copies: Any = getattr(kept.known, name)
        plain = PlainCopies(store.database, name, copies._model)
        setattr(kept.known, name, Remembered(plain) if way == "nothing" else plain)

    async def prepare() -> None:
        await kept.prepare()
        await store.database["outbox"].create_index([("at", 1)])

    return service.http_app(
        "orders", settings, routers=[api.router], store=store, prepare=prepare, state={"repositories": kept}
    )


if __name__ == "__main__":
    way = sys.argv.pop(1)
    service.main("orders", Settings, lambda settings: app(settings, way))
