"""Plans and visits as the tests make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from tests.visits.world import LI, TUESDAY, WANG, World, an_id

WEDNESDAY = date(2026, 11, 25)


def stop(
    name: str = "first", customer: str | None = "acme", starts: str = "09:30", ends: str = "10:30", **more: Any
) -> Any:
    """A stop as a request says it; its visit has the id `an_id(name)`."""
    said = {"id": an_id(name), "customer": customer, "starts": starts, "ends": ends, "purposes": ["order"], **more}
    return {name: value for name, value in said.items() if value is not None}


FIRST, SECOND = stop(), stop("second", "plain", "11:00", "12:00", purposes=["service", "collection"])
AREA = stop("area", None, "14:00", "15:00", area="Pudong", purposes=["new_customer"])


async def a_plan(
    world: World,
    who: Any = LI,
    day: date = TUESDAY,
    stops: Sequence[Mapping[str, Any]] = (FIRST, SECOND),
    *,
    until: str = "draft",
    signer: Any = WANG,
    **more: Any,
) -> dict[str, Any]:
    """A plan that has taken the steps up to the state named: draft, submitted, signed, returned, amended, closed."""
    plan = await world.made(who, "visit-plans", {"business_date": day.isoformat(), "stops": list(stops), **more})
    if until == "draft":
        return plan
    path = f"visit-plans/{plan['id']}"
    plan = await world.made(who, f"{path}/submission")
    if until == "returned":
        return await world.made(signer, f"{path}/return", {"reason": "too few"})
    if until != "submitted":
        plan = await world.made(signer, f"{path}/signature", {"instructions": "好"})
    if until == "amended":
        plan = await world.made(who, f"{path}/amendment", {"reason": "a call from Plain"})
    return plan
