"""What happens to open orders when their office comes to another region: they follow it, from that day on.

So the new region's supervisor reaches the work that is still to be done. Orders that are done with, and the credit of
every confirmation, stay with the region of their day.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from chassis import clock
from chassis.aggregate import Command, Decision, Stored
from chassis.scope import everything
from chassis.supervision import each_alone
from contracts.orders import Order
from contracts.staff import Office, in_force
from orders.order import model
from orders.repositories import OPEN, Repositories

_OFFICES = everything("an office moves with all of its open orders")
AT_ONCE = 100
"""Orders of one turn: each is one write."""


async def follow_offices(repositories: Repositories) -> int:
    """Give every open order the region that its office is in today, by the office's zone; answers how many changed.

    The same again changes nothing. A move that was entered ahead is followed by the first call on its day.
    """
    changed = 0
    for office in await repositories.known.offices.find():
        changed += await _follow(repositories, office, clock.now())
    return changed


async def _follow(repositories: Repositories, office: Office, now: datetime) -> int:
    entry = in_force(office.regions, office.business_date(now)) or office.regions[0]
    where = {OPEN: office.id, "region": {"$ne": entry.region}}
    at, command = now.replace(microsecond=0), Command(actor="/orders")

    def decide(order: Order) -> Decision[Order]:
        return model.follow_office(order, entry.region, at, entry.valid_from)

    async def follow(stored: Stored[Order]) -> int:
        with each_alone("regions of open orders", stored.state.id):
            after = await repositories.orders.change(stored.state.id, _OFFICES, decide, command)
            return after.version - stored.version
        return 0

    changed = 0
    while found := await repositories.orders.find(_OFFICES, where, limit=AT_ONCE):
        moved = sum(map(bool, await asyncio.gather(*map(follow, found))))
        changed += moved
        if not moved or len(found) < AT_ONCE:
            break
    return changed
