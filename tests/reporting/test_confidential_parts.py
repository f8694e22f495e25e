"""Costs and margins: progress and the facts behind it show to a role what the records show to it, and no more."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from chassis import clock
from chassis.identity import Caller
from kernel.permissions import SEES, sees
from reporting.formulas import FORMULAS
from reporting.measures import SHAPES
from tests.doors import caller
from tests.reporting.bus import order
from tests.reporting.conftest import (
    ADMINISTRATOR,
    CLERK,
    HEAD,
    LI,
    OWNER,
    SUPERVISOR,
    TOP,
    Reporting,
    noon,
)

DESK = caller("service_desk", "desk", offices=["sha"])
EVERYBODY = [LI, HEAD, SUPERVISOR, CLERK, DESK, TOP, ADMINISTRATOR, OWNER]
SEE_MARGINS = {"salesperson", "office_head", "regional_supervisor", "clerk", "top_manager", "administrator", "owner"}
LATER = "2017-04-01T00:00:00Z"


@pytest.fixture
async def selling(company: Reporting) -> Reporting:
    """Two confirmed orders of Li, one of which has a known cost."""
    await company.hear(
        order("17", confirmed=date(2017, 3, 14), margin=4_200), order("18", confirmed=date(2017, 3, 14)),
        time=noon(2017, 3, 14),
    )  # fmt: skip
    return company


def of_margin(answer: Any) -> set[str]:
    """The names anywhere in an answer that tell a margin."""
    if isinstance(answer, dict):
        return {key for key in answer if key in ("margin", "without_cost")}.union(*map(of_margin, answer.values()))
    return set().union(*map(of_margin, answer)) if isinstance(answer, list) else set()


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.role)
@pytest.mark.parametrize("as_of", [None, LATER], ids=["now", "as of an instant"])
@pytest.mark.parametrize("cadence", ["day", "week", "month"])
async def test_margins_are_in_the_progress_of_those_who_see_them_on_orders(
    selling: Reporting, who: Caller, as_of: str | None, cadence: str
) -> None:
    levels = [None, "office"] if who.role not in ("salesperson",) else [None]
    for level in levels:
        answer = await selling.told(
            who, cadence, level=level, since="2017-03-14", until="2017-03-14", as_of=as_of
        )  # fmt: skip
        [measures] = [row["measures"] for row in answer["items"]]
        assert measures["orders_confirmed"]["count"] == 2
        assert measures["orders_confirmed"]["amount"] == [{"minor": 20_000, "currency": "CNY"}]
        if who.role in SEE_MARGINS:
            assert measures["orders_confirmed"]["margin"] == [{"minor": 4_200, "currency": "CNY"}]
            assert measures["orders_confirmed"]["without_cost"] == 1
        else:
            assert of_margin(answer) == set()


@pytest.mark.parametrize("who", [who for who in EVERYBODY if who is not OWNER], ids=lambda who: who.role)
@pytest.mark.parametrize("as_of", [None, LATER], ids=["now", "as of an instant"])
@pytest.mark.parametrize("measure", [None, "orders_confirmed", "attainment", "pace"])
async def test_margins_are_in_the_facts_of_those_who_see_them_on_orders(
    selling: Reporting, who: Caller, as_of: str | None, measure: str | None
) -> None:
    for path in ("day/2017-03-14/facts", "week/2017-W11/facts", "month/2017-03/facts"):
        rows = await selling.items(who, path, measure=measure, as_of=as_of)
        confirmed = [row for row in rows if row["measure"] == "orders_confirmed"]
        assert [row["id"] for row in confirmed] == ["17", "18"]
        if who.role in SEE_MARGINS:
            assert [row["margin"] for row in confirmed] == [[{"minor": 4_200, "currency": "CNY"}], []]
        else:
            assert of_margin(rows) == set()


async def test_no_measure_is_named_after_a_margin_that_a_role_does_not_see(selling: Reporting) -> None:
    for name in ("margin", "without_cost", "orders_confirmed/margin"):
        refused = await selling.ask(DESK, "month/2017-03/facts", measure=name)
        assert refused.status_code == 422
        assert "margin" not in refused.json()["detail"].split("is one of", 1)[-1]


async def test_an_order_without_a_known_cost_looks_to_a_service_desk_like_one_with_it(selling: Reporting) -> None:
    rows = await selling.items(DESK, "day/2017-03-14/facts", measure="orders_confirmed")
    assert {frozenset(row) for row in rows} == {frozenset(rows[0])}


def test_every_part_that_speaks_of_costs_or_margins_says_who_sees_it() -> None:
    """A new measure or rate of this kind is shown to nobody by accident. What a visit cost is no cost of a product:
    everybody who reads the visit sees it."""
    of_visits = {"visit_cost", "cost_per_visit"}
    confidential = re.compile("margin|cost|profit")
    for name, shape in SHAPES.items():
        for part in (*shape.counts, *shape.amounts):
            spoken = confidential.search(f"{name}/{part}") and name not in of_visits
            assert bool(spoken) == (part in shape.confidential), f"{name}/{part}"
    for name, formula in FORMULAS.items():
        behind = any(SHAPES[source].confidential for source in formula.sources if "margin" in name)
        assert (formula.confidential is not None) == bool(behind or "margin" in name), name


@pytest.mark.parametrize("role", ["salesperson", "service_desk", "owner", "trainee", ""])
def test_costs_are_seen_by_those_who_lead_or_keep_the_books_alone(role: str) -> None:
    assert not sees(role, "costs")
    assert sees(role, "margins") == (role in ("salesperson", "owner"))
    assert SEES["costs"] < SEES["margins"]


async def test_a_targets_day_says_nothing_of_margins_either(company: Reporting) -> None:
    with clock.set_to(noon(2017, 4, 28)):
        body = {"person": "li", "month": "2017-05", "amount": {"minor": 2_100_000, "currency": "CNY"}}
        posted = await company.door.post("/api/v1/targets", json=body, headers=company.door.as_(HEAD))
    listed = await company.door.get("/api/v1/targets", headers=company.door.as_(DESK))
    assert posted.status_code == 201
    assert of_margin(listed.json()) == set()
