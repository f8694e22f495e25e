"""The bus door: a customer becomes active with its first confirmed order, exactly once (domain.md A8.2, C-02)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from chassis.aggregate import Command
from chassis.problems import NotFound
from chassis.received import Received, Unhandleable
from contracts.topics import ORDERS
from customers.customer import commands, model
from customers.repositories import Repositories

TOPICS = (ORDERS.name,)


class _Confirmation(msgspec.Struct):
    at: datetime
    business_date: date


class _Order(msgspec.Struct):
    """The part of contracts.orders.Order that counts."""

    id: str
    customer: str
    confirmation: _Confirmation | None = None


_decoder = msgspec.json.Decoder(_Order)


class Learner:
    """Handles a batch; the consumer commits its offsets when this returns."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    async def take(self, events: Sequence[Received]) -> None:
        """Most events change nothing: each customer is read once a batch, and written only where it changes.

        Raises Unhandleable for what is no order, and for an order of a customer that is not known: customers are
        registered before they order.
        """
        confirmed: defaultdict[str, dict[model.Confirmed, Received]] = defaultdict(dict)
        for event in events:
            order = _read(event)
            if order.confirmation is not None:
                said = model.Confirmed(order.id, order.confirmation.business_date, order.confirmation.at)
                confirmed[order.customer].setdefault(said, event)
        if not confirmed:
            return
        found = await self._repositories.customers.find(commands.BUS, {"_id": {"$in": sorted(confirmed)}})
        for stored in found:
            customer, by_order = stored.state, confirmed[stored.state.id]
            for order in model.telling(list(by_order)):
                if model.ordered(customer, order)[1] is not None:
                    command = Command.heard("customers", by_order[order])
                    customer = (await commands.ordered(self._repositories, command, customer.id, order)).state
        unknown = sorted(confirmed.keys() - {stored.state.id for stored in found})
        if unknown:
            try:
                await self._repositories.customers.get(unknown[0], commands.BUS)  # one that is damaged says so
            except NotFound:
                raise Unhandleable(f"no such customer: {unknown[0]}") from None
            raise LookupError(f"the customer {unknown[0]} has come meanwhile")  # so the batch is taken again


def _read(event: Received) -> _Order:
    try:
        return _decoder.decode(event.payload)
    except msgspec.DecodeError as error:
        raise Unhandleable(f"not an order: {error}") from error
