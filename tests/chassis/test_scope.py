"""A caller is one filter on owned rows, and nothing widens it."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.identity import Caller
from chassis.mongo import Database
from chassis.scope import Scope, everything, within

ROWS = {
    "li": ("li", "sha", "east"),
    "li-moved": ("li", "hgh", "east"),
    "wang": ("wang", "sha", "east"),
    "ma": ("ma", "hgh", "east"),
    "zhao": ("zhao", "can", "south"),
    "nobody": (None, None, None),
}
EVERYTHING = set(ROWS)
WHERE: dict[str, Any] = {"person": "li", "office": "sha", "region": "east", "offices": ("sha", "hgh")}
NOWHERE: dict[str, Any] = {}

REACH = [
    ("salesperson", WHERE, {"li", "li-moved"}),
    ("office_head", WHERE, {"li", "wang"}),
    ("regional_supervisor", WHERE, {"li", "li-moved", "wang", "ma"}),
    ("clerk", WHERE, {"li", "li-moved", "wang", "ma"}),
    ("clerk", {**WHERE, "offices": ("can",)}, {"zhao"}),
    ("service_desk", WHERE, {"li", "li-moved", "wang", "ma"}),
    ("top_manager", WHERE, EVERYTHING),
    ("administrator", NOWHERE, EVERYTHING),
    ("service", NOWHERE, EVERYTHING),
    ("owner", WHERE, set()),
    ("", WHERE, set()),
    ("Administrator", WHERE, set()),
    ("janitor", WHERE, set()),
    # An account that belongs nowhere must not see the rows that belong nowhere.
    ("salesperson", NOWHERE, set()),
    ("office_head", NOWHERE, set()),
    ("regional_supervisor", NOWHERE, set()),
    ("clerk", NOWHERE, set()),
    ("salesperson", {"person": ""}, set()),
]


def caller(role: str, where: dict[str, Any]) -> Caller:
    return Caller(id="u", name="u", role=role, **where)


@pytest.fixture
async def rows(both_drivers: Database) -> Any:
    names = ("owner", "office", "region")
    documents = [{"_id": row, **dict(zip(names, values, strict=True))} for row, values in ROWS.items()]
    await both_drivers["rows"].insert_many(documents)
    return both_drivers["rows"]


async def found(rows: Any, where: Any) -> set[str]:
    return {document["_id"] async for document in rows.find(where)}


async def test_each_role_reaches_its_own_and_the_filter_says_what_allows_says(rows: Any) -> None:
    for role, where, reach in REACH:
        scope = within(caller(role, where))
        assert await found(rows, scope.filter) == reach, (role, where)
        assert {row for row, values in ROWS.items() if scope.allows(*values)} == reach, (role, where)


async def test_a_filter_merged_with_the_scopes_never_widens_it(rows: Any) -> None:
    scope = within(caller("salesperson", WHERE))
    for wanted in ({"owner": "zhao"}, {"_id": "zhao"}, {"office": {"$ne": None}}, {"_id": {"$exists": True}}):
        assert await found(rows, {**scope.filter, **wanted}) <= {"li", "li-moved"}
        assert await found(rows, {**wanted, **scope.filter}) <= {"li", "li-moved"}
    nothing = within(caller("owner", WHERE))
    assert await found(rows, {**nothing.filter, "_id": "li"}) == set()
    assert await found(rows, {"_id": "li", **nothing.filter}) == set()


def test_a_scope_is_made_by_its_two_makers_only_and_stays_as_it_is() -> None:
    with pytest.raises(TypeError, match="within"):
        Scope(object(), None, ())
    scope = within(caller("salesperson", WHERE))
    with pytest.raises(AttributeError):
        scope._field = None  # type: ignore[misc]
    with pytest.raises(AttributeError):
        scope.filter = {}  # type: ignore[misc]


def test_everything_is_opened_for_a_reason() -> None:
    assert everything("the bus acts for nobody").filter == {}
    with pytest.raises(ValueError, match="reason"):
        everything("")
