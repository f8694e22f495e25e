"""How MongoDB answers a query, so that a test can refuse one that reads a whole collection.

assert_uses_index    one query whose filter the test knows
refuse_scans         everything that some code asks of a database, whatever it is: updates and pipelines too
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chassis.mongo import Collection, Database


async def plan_of(
    collection: Collection, where: Mapping[str, Any], sort: Sequence[tuple[str, int]] | None = None
) -> list[str]:
    """The stages of the winning plan of a find, outermost first, such as FETCH, IXSCAN."""
    find: dict[str, Any] = {"find": collection.name, "filter": dict(where)}
    if sort:
        find["sort"] = dict(sort)
    told = await collection.database.command({"explain": find, "verbosity": "queryPlanner"})
    return list(_stages(told["queryPlanner"]["winningPlan"]))


async def assert_uses_index(
    collection: Collection,
    where: Mapping[str, Any],
    sort: Sequence[tuple[str, int]] | None = None,
    *,
    in_order: bool = False,
) -> None:
    """Fails where the query reads the whole collection; with `in_order` also where it sorts what it has read.

    The collection must exist: its indexes are made by the `prepare` of its service. Give it some documents where
    several indexes compete, because the planner chooses by trying.
    """
    stages = await plan_of(collection, where, sort)
    asked = f"{collection.name}.find({dict(where)}).sort({sort})"
    assert "EOF" not in stages, f"{asked}: there is no collection {collection.name}; make its indexes first"
    assert "COLLSCAN" not in stages, f"{asked} reads the whole collection: {' <- '.join(stages)}"
    assert not (in_order and "SORT" in stages), f"{asked} sorts in memory: {' <- '.join(stages)}"


@asynccontextmanager
async def refuse_scans(database: Database, *, but: Sequence[str] = ()) -> AsyncIterator[list[str]]:
    """Fails at its end where anything that was asked of the database meanwhile has read a whole collection.

    but: names of collections that may be read as a whole. Yields the plans seen, `collection command plan`, which are
    complete after the end; a test asserts with it that its code was really watched. The profiler watches the database
    of one test, so nothing else should use that database meanwhile.
    """
    await database.command({"profile": 2})
    seen: list[str] = []
    try:
        yield seen
    finally:
        await database.command({"profile": 0})
    scans: list[str] = []
    async for entry in database["system.profile"].find({"planSummary": {"$exists": True}}):
        name = str(entry["ns"]).partition(".")[2]
        if name.startswith("system."):
            continue
        said = f"{name} {entry['op']} {entry['planSummary']}"
        seen.append(said)
        if "COLLSCAN" in entry["planSummary"] and name not in but:
            scans.append(f"{said}: {entry.get('command')}")
    await database.drop_collection("system.profile")
    assert not scans, "these read a whole collection:\n" + "\n".join(scans)


def _stages(plan: Mapping[str, Any]) -> Iterator[str]:
    if "queryPlan" in plan:  # of the slot-based engine
        yield from _stages(plan["queryPlan"])
        return
    yield str(plan.get("stage", "?"))
    for inner in [*([plan["inputStage"]] if "inputStage" in plan else []), *plan.get("inputStages", [])]:
        yield from _stages(inner)
