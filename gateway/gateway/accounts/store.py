"""Accounts in the gateway's own database; the password's hash never leaves this module's callers."""

from __future__ import annotations

from typing import Any

from chassis.mongo import Database, Document, DuplicateKey, ReturnDocument, duplicate_field
from chassis.paging import Page, Paging
from chassis.problems import Conflict, NotFound, Stale
from gateway.accounts.model import Account


class Accounts:
    def __init__(self, database: Database) -> None:
        self._kept = database["accounts"]

    async def prepare(self) -> None:
        await self._kept.create_index("login", unique=True)
        await self._kept.create_index("person", unique=True, partialFilterExpression={"person": {"$type": "string"}})
        await self._kept.create_index("disabled")

    async def get(self, id: str) -> Account:
        """Raises NotFound."""
        if (kept := await self._kept.find_one({"_id": id})) is None:
            raise NotFound()
        return _account(kept)

    async def find(self, id: str) -> Account | None:
        kept = await self._kept.find_one({"_id": id})
        return _account(kept) if kept else None

    async def with_login(self, login: str) -> tuple[Account, str] | None:
        """The account and its password's hash."""
        kept = await self._kept.find_one({"login": login})
        return (_account(kept), kept["password"]) if kept else None

    async def with_hash(self, id: str) -> tuple[Account, str]:
        """Raises NotFound."""
        if (kept := await self._kept.find_one({"_id": id})) is None:
            raise NotFound()
        return _account(kept), kept["password"]

    async def page(self, paging: Paging, where: Document) -> Page[Account]:
        cursor = self._kept.find({"$and": [where, paging.where()]}).sort(paging.order()).limit(paging.limit + 1)
        return paging.page(await cursor.to_list(None), _account)

    async def add(self, account: Account, password: str) -> None:
        """Raises Conflict where the login, the person or the id is taken."""
        document = account.model_dump(exclude={"id"})
        try:
            await self._kept.insert_one({"_id": account.id, **document, "password": password})
        except DuplicateKey as error:
            raise _taken(error) from None

    async def put(self, account: Account, *, read: int, password: str | None = None) -> Account:
        """Keep a changed account that was read at version `read`. Raises Stale, Conflict, NotFound."""
        changed: dict[str, Any] = account.model_dump(exclude={"id"}) | {"version": read + 1}
        if password is not None:
            changed["password"] = password
        try:
            kept = await self._kept.find_one_and_update(
                {"_id": account.id, "version": read}, {"$set": changed}, return_document=ReturnDocument.AFTER
            )
        except DuplicateKey as error:
            raise _taken(error) from None
        if kept is None:
            raise Stale((await self.get(account.id)).version)
        return _account(kept)

    async def rehash(self, id: str, before: str, after: str) -> None:
        """The same password, hashed at another cost."""
        await self._kept.update_one({"_id": id, "password": before}, {"$set": {"password": after}})

    async def is_empty(self) -> bool:
        return await self._kept.find_one({}, {"_id": 1}) is None

    async def administrators(self) -> int:
        return await self._kept.count_documents({"role": "administrator", "disabled": False})

    async def disabled(self) -> frozenset[str]:
        found = await self._kept.find({"disabled": True}, {"_id": 1}).to_list(None)
        return frozenset(kept["_id"] for kept in found)


def _account(kept: Document) -> Account:
    return Account.model_validate({"id": kept["_id"], **kept})


def _taken(error: DuplicateKey) -> Conflict:
    match duplicate_field(error):
        case "login":
            return Conflict("login_taken", "Somebody has this login already: choose another.", "该登录名已被使用。")
        case "person":
            return Conflict("person_has_account", "This person has an account already.", "该人员已有账号。")
        case _:
            return Conflict("id_taken", "There is another account with this id.", "该 id 已被另一账号使用。")
