"""Events as the reporting worker receives them, made from published states."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from chassis.consumer import Received
from contracts.customers import Activation, Customer, CustomerStatus, Ownership
from contracts.envelope import Published
from contracts.money import Money
from contracts.orders import Cancellation, Confirmation, Credit, Handover, Order, OrderLine, OrderStatus
from contracts.reporting import Target
from contracts.topics import TOPICS

MORNING = datetime(2017, 1, 1, 1, tzinfo=UTC)


class Log:
    """A bus with partitions and offsets: what is said comes out as records."""

    def __init__(self) -> None:
        self._offsets: Counter[tuple[str, int]] = Counter()

    def say(self, state: Published, version: int, time: datetime = MORNING) -> Received:
        topic = next(topic for topic in TOPICS if topic.state is type(state))
        subject: str = state.id  # type: ignore[attr-defined]
        partition = zlib.crc32(subject.encode()) % topic.partitions
        offset = self._offsets[topic.name, partition]
        self._offsets[topic.name, partition] += 1
        return Received(
            topic=topic.name,
            partition=partition,
            offset=offset,
            key=subject,
            id=f"{subject}@{version}#{offset}",
            type="said",
            subject=subject,
            version=version,
            time=time,
            occurred_at=time,
            business_date=time.date(),
            actor="somebody",
            payload=state.model_dump_json().encode(),
        )


def order(
    order_id: str,
    *,
    confirmed: date | None = None,
    promised: date | None = None,
    cancelled: date | None = None,
    handover: date | None = None,
    credit: tuple[str, str, str] = ("li", "sha", "east"),
    total: Money | None = None,
    margin: int | None = None,
) -> Order:
    """An order as far as reporting looks at it; credit is (person, office, region)."""
    total = total or Money(minor=10_000, currency="CNY")
    person, office, region = credit
    step = {"at": MORNING, "by": person}
    return Order(
        id=order_id,
        number=f"SHA-2017-{order_id}",
        customer="acme",
        customer_name="Acme",
        owner=person,
        office=office,
        region=region,
        status=OrderStatus.CONFIRMED if confirmed else OrderStatus.RECEIVED,
        business_date=date(2017, 1, 1),
        received_at=MORNING,
        received_by=person,
        lines=[
            OrderLine(
                product="p",
                name="P",
                quantity=1,  # type: ignore[arg-type]
                unit_price=total,
                discount=Money(minor=0, currency=total.currency),
                amount=total,
            )
        ],
        total=total,
        margin=None if margin is None else Money(minor=margin, currency=total.currency),
        confirmation=confirmed
        and Confirmation(
            **step,
            business_date=confirmed,
            promised_date=promised or confirmed + timedelta(days=10),
            payment_method="transfer",
            customer_told_at=MORNING,
            told_by=person,
            credit=Credit(person=person, office=office, region=region),
        ),
        handover=handover and Handover(**step, business_date=handover, documents=["receipt"], receiver="Wang"),
        cancellation=cancelled
        and Cancellation(**step, business_date=cancelled, reason="changed plans", was_confirmed=confirmed is not None),
    )


def customer(
    customer_id: str, *, activated: date | None = None, credit: tuple[str, str, str] = ("li", "sha", "east")
) -> Customer:
    person, office, region = credit
    start = date(2016, 12, 1)
    return Customer(
        id=customer_id,
        name="Acme",
        status=CustomerStatus.ACTIVE if activated else CustomerStatus.PROSPECT,
        owner=person,
        office=office,
        region=region,
        ownership=[Ownership(valid_from=start, owner=person, office=office, region=region)],
        prospect_since=start,
        registered_at=MORNING,
        activation=activated
        and Activation(order="o", business_date=activated, developed_by=person, office=office, region=region),
    )


def target(
    target_id: str,
    month: str,
    amount: Money,
    *,
    credit: tuple[str, str, str] = ("li", "sha", "east"),
    workdays: Sequence[int] = (),
) -> Target:
    person, office, region = credit
    return Target(
        id=target_id,
        person=person,
        month=month,
        amount=amount,
        owner=person,
        office=office,
        region=region,
        workdays=list(workdays),
    )


class Killed(BaseException):
    """The process died here."""


class Deadly:
    """A database whose process dies at the n-th call; calls before it take effect."""

    CALLS = frozenset({"bulk_write", "find", "find_one", "update_one"})

    def __init__(self, database: object, dies_at: int) -> None:
        self._database = database
        self._left = [dies_at]

    def __getitem__(self, name: str) -> object:
        return _DeadlyCollection(self._database[name], self._left)  # type: ignore[index]


class _DeadlyCollection:
    def __init__(self, collection: object, left: list[int]) -> None:
        self._collection = collection
        self._left = left

    def __getattr__(self, name: str) -> object:
        if name in Deadly.CALLS:
            if self._left[0] <= 0:
                raise Killed
            self._left[0] -= 1
        return getattr(self._collection, name)
