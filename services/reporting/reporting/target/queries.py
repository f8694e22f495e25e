"""Lists of targets, within the caller's scope."""

from __future__ import annotations

from chassis.aggregate import Repository, Stored
from chassis.identity import Caller
from chassis.mongo import Database
from chassis.paging import Page, Paging
from chassis.scope import within
from contracts.reporting import Target
from contracts.topics import TARGETS


def repository(database: Database) -> Repository[Target]:
    return Repository(database, "targets", TARGETS, Target)


async def prepare(targets: Repository[Target]) -> None:
    """One target for each person, month and currency."""
    await targets.prepare(
        {"keys": [("person", 1), ("month", 1), ("amount.currency", 1)], "unique": True},
        {"keys": [("month", 1), ("_id", 1)]},
        # What a scope opens, in the order of a page by month or by id.
        *({"keys": [(field, 1), ("month", 1), ("_id", 1)]} for field in ("owner", "office", "region")),
    )


async def one(targets: Repository[Target], caller: Caller, target_id: str) -> Stored[Target]:
    """Raises NotFound."""
    return await targets.get(target_id, within(caller))


async def page(
    targets: Repository[Target], caller: Caller, where: dict[str, str | None], paging: Paging
) -> Page[Stored[Target]]:
    """Those that fit the filters that are given."""
    return await targets.page(within(caller), {name: value for name, value in where.items() if value}, paging)
