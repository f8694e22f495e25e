"""Who sees whose progress and facts; what is out of reach looks like what is not there (domain.md A1, L208)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from chassis.identity import Caller
from chassis.paging import encode_cursor
from contracts.money import Money
from tests.doors import caller
from tests.reporting.bus import customer, order
from tests.reporting.conftest import (
    ADMINISTRATOR,
    CLERK,
    DESK,
    HEAD,
    LI,
    OWNER,
    SUPERVISOR,
    TOP,
    Reporting,
)

MARCH = {"since": "2017-03", "until": "2017-03"}
CREDITS = {
    "li": ("li", "sha", "east"),
    "wang": ("wang", "sha", "east"),
    "ma": ("ma", "hgh", "east"),
    "zhao": ("zhao", "can", "south"),
}


@pytest.fixture
async def busy(company: Reporting) -> Reporting:
    """Everybody has one order in March, and Zhao a new customer."""
    await company.hear(
        *(order(f"o-{who}", confirmed=date(2017, 3, 14), credit=credit) for who, credit in CREDITS.items()),
        customer("c-zhao", activated=date(2017, 3, 14), credit=CREDITS["zhao"]),
    )
    return company


@pytest.mark.parametrize(
    ("who", "level", "units"),
    [
        pytest.param(LI, "person", {"li"}, id="a salesperson: own numbers"),
        pytest.param(HEAD, "person", {"li", "wang"}, id="an office head: the office's people"),
        pytest.param(HEAD, "office", {"sha"}, id="an office head: the office"),
        pytest.param(CLERK, "office", {"sha", "hgh"}, id="a clerk: the offices served"),
        pytest.param(CLERK, "person", {"li", "wang", "ma"}, id="a clerk: their people"),
        pytest.param(DESK, "office", {"can"}, id="a service desk: the offices served"),
        pytest.param(SUPERVISOR, "person", {"li", "wang", "ma"}, id="a supervisor: the region's people"),
        pytest.param(SUPERVISOR, "office", {"sha", "hgh"}, id="a supervisor: the region's offices"),
        pytest.param(SUPERVISOR, "region", {"east"}, id="a supervisor: the region"),
        pytest.param(TOP, "person", set(CREDITS), id="a top manager: everybody"),
        pytest.param(TOP, "company", {"company"}, id="a top manager: the company"),
        pytest.param(ADMINISTRATOR, "region", {"east", "south"}, id="an administrator: everything"),
        pytest.param(OWNER, "company", {"company"}, id="the owner: the company"),
        pytest.param(OWNER, "region", {"east", "south"}, id="the owner: regions"),
        pytest.param(OWNER, "office", {"sha", "hgh", "can"}, id="the owner: offices"),
    ],
)
async def test_a_list_shows_what_the_caller_may_see(busy: Reporting, who: Caller, level: str, units: set[str]) -> None:
    rows = await busy.items(who, "month", level=level, **MARCH)
    assert {row["id"] for row in rows} == units
    confirmed = sum(row["measures"]["orders_confirmed"]["count"] for row in rows)
    assert confirmed == sum(_belongs(credit, level, units) for credit in CREDITS.values())


def _belongs(credit: tuple[str, str, str], level: str, units: set[str]) -> bool:
    person, office, region = credit
    return {"person": person, "office": office, "region": region, "company": "company"}[level] in units


@pytest.mark.parametrize(
    ("who", "level"),
    [(LI, "person"), (HEAD, "office"), (CLERK, "office"), (SUPERVISOR, "region"), (TOP, "company"), (OWNER, "company")],
)
async def test_without_a_level_it_is_the_widest_of_the_role(busy: Reporting, who: Caller, level: str) -> None:
    assert {row["level"] for row in await busy.items(who, "month", **MARCH)} == {level}


OUT_OF_REACH = [
    pytest.param(LI, "person", "wang", id="a colleague"),
    pytest.param(LI, "person", "zhao", id="somebody of another office"),
    pytest.param(LI, "office", "sha", id="the own office, for a salesperson"),
    pytest.param(LI, "office", "can", id="another office"),
    pytest.param(LI, "company", "company", id="the company"),
    pytest.param(HEAD, "person", "ma", id="a person of another office"),
    pytest.param(HEAD, "office", "hgh", id="another office, for its neighbour's head"),
    pytest.param(HEAD, "region", "east", id="the region, for an office head"),
    pytest.param(CLERK, "office", "can", id="an office that the clerk does not serve"),
    pytest.param(CLERK, "person", "zhao", id="a person of an office that the clerk does not serve"),
    pytest.param(SUPERVISOR, "person", "zhao", id="a person of another region"),
    pytest.param(SUPERVISOR, "region", "south", id="another region"),
]


@pytest.mark.parametrize(("who", "level", "unit"), OUT_OF_REACH)
async def test_what_is_out_of_reach_is_answered_like_what_is_not_there(
    busy: Reporting, who: Caller, level: str, unit: str
) -> None:
    for path in ("day", "week", "month", "day/2017-03-14/facts", "month/2017-03/facts"):
        span = {} if path.endswith("facts") else {"since": "2017-03-14", "until": "2017-03-14"}
        refused = await busy.ask(who, path, level=level, id=unit, **span)
        unknown = await busy.ask(who, path, level=level, id="nobody", **span)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert _anonymous(refused.json()) == _anonymous(unknown.json())


def _anonymous(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name not in ("request_id", "instance")}


@pytest.mark.parametrize("who", [LI, HEAD, CLERK, SUPERVISOR])
async def test_facts_without_a_unit_are_those_of_the_callers_own_reach(busy: Reporting, who: Caller) -> None:
    reach = {LI.id: {"li"}, HEAD.id: {"li", "wang"}}.get(who.id, {"li", "wang", "ma"})
    facts = await busy.items(who, "month/2017-03/facts", measure="orders_confirmed")
    assert {fact["person"] for fact in facts} == reach
    assert {fact["id"] for fact in facts} == {f"o-{person}" for person in reach}


async def test_a_cursor_from_somebody_else_opens_nothing_more(busy: Reporting) -> None:
    seen = await busy.told(TOP, "month", level="person", limit=1, **MARCH)
    rows = await busy.told(LI, "month", level="person", cursor=seen["next_cursor"], **MARCH)
    assert {row["id"] for row in rows["items"]} <= {"li"}
    made_up = encode_cursor(("2017-03-01", "", ""), "progress/month/person")
    rows = await busy.told(LI, "month", level="person", cursor=made_up, **MARCH)
    assert {row["id"] for row in rows["items"]} == {"li"}
    made_up = encode_cursor(("2017-03-01", ""), "facts/2017-03/person/None/None")
    rows = await busy.told(LI, "month/2017-03/facts", cursor=made_up)
    assert {row["person"] for row in rows["items"]} == {"li"}


async def test_the_owner_sees_results_and_no_single_person_or_record(busy: Reporting) -> None:
    for path, asked in [
        ("month", {"level": "person", **MARCH}),
        ("month", {"level": "person", "id": "li", **MARCH}),
        ("month/2017-03/facts", {}),
        ("month/2017-03/facts", {"level": "office", "id": "sha"}),
        ("month/2017-03/facts", {"level": "person", "id": "li"}),
    ]:
        refused = await busy.ask(OWNER, path, **asked)
        assert (refused.status_code, refused.json()["code"]) == (403, "results_only")
    sha = await busy.one(OWNER, "month", level="office", id="sha", **MARCH)
    assert sha["orders_confirmed"]["count"] == 2


@pytest.mark.parametrize(("who", "level"), [(LI, "office"), (HEAD, "region"), (SUPERVISOR, "company")])
async def test_a_level_above_the_own_is_refused_with_the_one_to_ask_for(
    busy: Reporting, who: Caller, level: str
) -> None:
    for path in ("month", "month/2017-03/facts"):
        refused = await busy.ask(who, path, level=level)
        assert (refused.status_code, refused.json()["code"]) == (403, "level_too_high")
        assert "level=" in refused.json()["detail"]


@pytest.mark.parametrize("role", ["", "visitor", "Top_Manager"])
async def test_a_role_that_nobody_knows_reads_nothing(busy: Reporting, role: str) -> None:
    stranger = caller(role, "stranger", office="sha", region="east")
    for path in ("month", "month/2017-03/facts"):
        assert (await busy.ask(stranger, path)).status_code == 403
        assert (await busy.ask(stranger, path, level="person", id="li")).status_code == 403


@pytest.mark.parametrize("role", ["salesperson", "office_head", "regional_supervisor", "clerk", "service_desk"])
async def test_an_account_that_belongs_nowhere_sees_nothing(busy: Reporting, role: str) -> None:
    nowhere = caller(role)
    assert await busy.items(nowhere, "month", **MARCH) == []
    assert await busy.items(nowhere, "month/2017-03/facts") == []


async def test_past_numbers_stay_with_the_office_where_they_were_made(busy: Reporting) -> None:
    """Li has moved to Hangzhou: Shanghai's head keeps what was sold there, Hangzhou's sees what came since."""
    await busy.hear(order("o-moved", confirmed=date(2017, 3, 20), credit=("li", "hgh", "east")))
    there = caller("office_head", "other", office="hgh", region="east")
    for who, count in ((HEAD, 1), (there, 1), (LI, 2), (SUPERVISOR, 2)):
        measures = await busy.one(who, "month", level="person", id="li", **MARCH)
        assert measures["orders_confirmed"]["count"] == count
    facts = await busy.items(there, "month/2017-03/facts", level="person", id="li", measure="orders_confirmed")
    assert [fact["id"] for fact in facts] == ["o-moved"]


async def test_somebody_without_any_number_yet_is_known_and_has_none(company: Reporting) -> None:
    await company.hear(order("o", confirmed=date(2017, 3, 14), total=Money(minor=1, currency="CNY")))
    assert await company.items(HEAD, "month", level="person", id="wang", **MARCH) == []
    assert await company.items(TOP, "month", level="region", id="south", **MARCH) == []
    assert (await company.ask(HEAD, "month", level="person", id="zhao", **MARCH)).status_code == 404
