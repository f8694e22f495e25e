"""For whom a clerk enters orders is decided by the posting in force on the entry's day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from contracts.staff import Posting, Role
from tests.doors import caller
from tests.orders.company import CHEN, LI, START, Shop, codes, person

LAX_CLERK = caller("clerk", "kim", office="lax", region="west")
FUTURE = date(2027, 1, 1)
"""More than a month after the day of these tests, 24 November 2026."""


def posted(*entries: tuple[date, Role, str | None], **more: Any) -> Any:
    postings = [
        Posting(valid_from=day, role=role, office=office, region="west" if office == "lax" else "east")
        for day, role, office in entries
    ]
    return person("li", Role.SALESPERSON, None, "", postings=postings, **more)


async def test_a_posting_of_next_year_gives_nobody_a_right_today(shop: Shop) -> None:
    await shop.hear(posted((START, Role.SALESPERSON, "sha"), (FUTURE, Role.SALESPERSON, "lax")), version=2)
    made = await shop.receive(CHEN, on_behalf_of="li")
    assert (made.status_code, made.json()["office"]) == (201, "sha")
    order = await shop.order(until="verification")
    confirmation = {
        "promised_date": "2026-12-01",
        "payment_method": "transfer",
        "customer_told_at": "2026-11-24T10:00:00+08:00",
        "on_behalf_of": "li",
    }
    refused = await shop.post(LAX_CLERK, f"orders/{order['id']}/confirmation", confirmation)
    assert codes(refused) == (403, "import_right_needed")
    assert codes(await shop.receive(LAX_CLERK, on_behalf_of="li")) == (403, "import_right_needed")
    told = await shop.post(CHEN, f"orders/{order['id']}/confirmation", confirmation)
    assert (told.status_code, told.json()["confirmation"]["by"]) == (200, "li")


@pytest.mark.parametrize(("later", "status"), [(FUTURE, 200), (date(2026, 11, 24), 403)])
async def test_a_step_is_taken_in_the_role_of_the_day(shop: Shop, later: date, status: int) -> None:
    order = await shop.order(until="verification")
    # From that day on Li keeps books and agrees with no customer.
    await shop.hear(posted((START, Role.SALESPERSON, "sha"), (later, Role.CLERK, "sha")), version=2)
    body = {
        "promised_date": "2026-12-01",
        "payment_method": "transfer",
        "customer_told_at": "2026-11-24T10:00:00+08:00",
        "on_behalf_of": "li",
    }
    assert (await shop.post(CHEN, f"orders/{order['id']}/confirmation", body)).status_code == status


async def test_what_happened_before_a_move_is_entered_by_the_office_of_that_day(shop: Shop) -> None:
    await shop.hear(posted((START, Role.SALESPERSON, "sha"), (date(2026, 11, 23), Role.SALESPERSON, "lax")), version=2)
    before = {"on_behalf_of": "li", "occurred_at": "2026-11-19T10:00:00+08:00"}
    assert (await shop.receive(CHEN, **before)).status_code == 201
    assert codes(await shop.receive(LAX_CLERK, **before)) == (403, "import_right_needed")
    # 24 November in Shanghai is 23 November in Los Angeles.
    now = {"on_behalf_of": "li", "occurred_at": "2026-11-24T10:00:00+08:00"}
    assert codes(await shop.receive(CHEN, **now)) == (403, "import_right_needed")


async def test_a_clerk_enters_for_nobody_who_is_not_there_on_that_day(shop: Shop) -> None:
    await shop.hear(posted((START, Role.SALESPERSON, "sha"), left_on=date(2026, 11, 24)), version=2)
    assert codes(await shop.receive(CHEN, on_behalf_of="li")) == (403, "import_right_needed")
    yesterday = {"on_behalf_of": "li", "occurred_at": "2026-11-23T10:00:00+08:00"}
    assert (await shop.receive(CHEN, **yesterday)).status_code == 201
    assert (await shop.receive(LI, occurred_at="2026-11-23T10:00:00+08:00")).status_code == 201
