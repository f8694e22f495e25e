"""The tests' own watch over queries: it sees a scan where there is one."""

from __future__ import annotations

import pytest

from chassis.mongo import Database
from tests.support.explain import assert_uses_index, refuse_scans


async def test_a_query_without_an_index_is_seen(database: Database) -> None:
    shelf = database["shelf"]
    with pytest.raises(AssertionError, match="no collection shelf"):
        await assert_uses_index(shelf, {"name": "a"})
    await shelf.create_index([("name", 1), ("at", 1)])
    await shelf.insert_many([{"name": "a", "at": n, "colour": "red"} for n in range(5)])
    await assert_uses_index(shelf, {"name": "a"})
    await assert_uses_index(shelf, {"name": "a"}, [("at", 1)], in_order=True)
    await assert_uses_index(shelf, {"$or": [{"name": "a"}, {"_id": 1}]})
    with pytest.raises(AssertionError, match="reads the whole collection"):
        await assert_uses_index(shelf, {"colour": "red"})
    with pytest.raises(AssertionError, match="reads the whole collection"):
        await assert_uses_index(shelf, {"$or": [{"name": "a"}, {"colour": "red"}]})
    with pytest.raises(AssertionError, match="sorts in memory"):
        await assert_uses_index(shelf, {"name": "a"}, [("colour", 1)], in_order=True)


async def test_whatever_reads_a_whole_collection_is_seen(database: Database) -> None:
    shelf = database["shelf"]
    await shelf.create_index("name")
    await shelf.insert_one({"name": "a", "colour": "red"})
    async with refuse_scans(database) as seen:
        await shelf.find_one({"name": "a"})
        await shelf.update_one({"name": "a"}, {"$set": {"colour": "blue"}})
    assert [said.split(" {")[0] for said in seen] == ["shelf query IXSCAN", "shelf update IXSCAN"]
    for look in (
        lambda: shelf.find_one({"colour": "red"}),
        lambda: shelf.update_many({"colour": "red"}, {"$set": {"name": "b"}}),
        lambda: shelf.count_documents({"colour": "red"}),
    ):
        with pytest.raises(AssertionError, match="read a whole collection"):
            async with refuse_scans(database):
                await look()
        async with refuse_scans(database, but=["shelf"]):
            await look()
