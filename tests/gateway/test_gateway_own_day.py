"""Who may sign in is asked for the day of the person's own office, not for that of the company's zone."""

from __future__ import annotations

import httpx

from tests.gateway.standin import StandIn
from tests.gateway.test_gateway_sign_in import PERSON, STANDING, account_of, sign_in


async def test_the_sales_organisation_decides_which_day_it_is_for_a_person(
    gateway: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    address = f"/api/v1/people/{PERSON}/standing"
    services["customers"].tell(address, STANDING)
    await account_of(gateway, person=PERSON)
    await sign_in(gateway, "wang.fang", "a good password")
    asked = httpx.URL(services["customers"].asked_for(address)[-1].target)
    assert dict(asked.params) == {"zone": "Asia/Shanghai"}
