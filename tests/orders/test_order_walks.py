"""Random lives of orders: whatever is tried, in whatever order, what an order says stays true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.customers import Customer
from contracts.envelope import Happened
from contracts.money import Money
from contracts.orders import Credit, Order, OrderEvent, OrderLine, OrderStatus, Product, Step
from contracts.refusals import NotPossible, WrongState
from orders.order import model
from orders.order.lines import Wanted, margin, priced, times
from tests.orders.company import customer

DAWN = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
CREDIT = Credit(person="li", office="sha", region="east")
ACME: Customer = customer("acme", "li", "sha", "east")

# What domain.md A3 says, written down a second time and by edges.
EDGES: dict[str, dict[str, str]] = {
    "received": {
        "correction": "received",
        "verification": "verified",
        "return": "returned",
        "cancellation": "cancelled",
    },
    "returned": {"correction": "received", "cancellation": "cancelled"},
    "verified": {"confirmation": "confirmed", "cancellation": "cancelled"},
    "confirmed": {"amendment": "confirmed", "allocation": "allocated", "cancellation": "cancelled"},
    "allocated": {"amendment": "allocated", "delivery": "delivered", "cancellation": "cancelled"},
    "delivered": {"handover": "handover_complete"},
    "handover_complete": {"closure": "closed"},
    "closed": {},
    "cancelled": {},
}
EVENTS = {
    "correction": OrderEvent.CORRECTED,
    "verification": OrderEvent.VERIFIED,
    "return": OrderEvent.RETURNED,
    "confirmation": OrderEvent.CONFIRMED,
    "amendment": OrderEvent.AMENDED,
    "allocation": OrderEvent.ALLOCATED,
    "delivery": OrderEvent.DELIVERED,
    "handover": OrderEvent.HANDOVER_COMPLETED,
    "closure": OrderEvent.CLOSED,
    "cancellation": OrderEvent.CANCELLED,
}


def product(name: str, price: int, cost: int | None) -> Product:
    return Product(
        id=name,
        code=name,
        name=name,
        price=Money(minor=price, currency="CNY"),
        cost=None if cost is None else Money(minor=cost, currency="CNY"),
    )


def at(minutes: int) -> Step:
    instant = DAWN + timedelta(minutes=minutes)
    return Step(at=instant, business_date=instant.date(), by="li")


def received(lines: list[OrderLine]) -> Order:
    order, _ = model.receive(
        order_id="o", number="SHA-2026-000001", customer=ACME, credit=CREDIT, step=at(0), lines=lines
    )
    return order


PRODUCTS = {"pump": product("pump", 100, 60), "valve": product("valve", 33, 10), "gift": product("gift", 0, None)}
new_lines = st.builds(
    Wanted,
    product=st.sampled_from(sorted(PRODUCTS)),
    quantity=st.integers(1, 9_999).map(lambda n: Decimal(n).scaleb(-3)),
    unit_price=st.just(Money(minor=77, currency="CNY")),
    discount_percent=st.sampled_from([Decimal(0), Decimal(10), Decimal("33.33")]),
)
baskets = st.lists(new_lines, min_size=1, max_size=4)


def others(order: Order, basket: list[Wanted], kept: list[int]) -> list[OrderLine]:
    """The lines after a change: some of those that are there, by their ids, and new ones."""
    ids = dict.fromkeys(order.lines[at % len(order.lines)].id for at in kept)
    return priced([*(Wanted(id=line_id) for line_id in ids), *basket], PRODUCTS, former=order.lines)


kept = st.lists(st.integers(0, 9), max_size=3)
Act = Callable[[Order, Step], tuple[Order, Happened]]


def steps(promised: date = date(2026, 4, 1)) -> dict[str, Act]:
    """Every step with a body that is complete."""
    return {
        "correction": lambda o, s: model.correct(o, s, {"note": f"at {s.at}"}),
        "verification": lambda o, s: model.verify(o, s, "checked"),
        "return": lambda o, s: model.send_back(o, s, "illegible"),
        "confirmation": lambda o, s: model.confirm(
            o,
            s,
            promised_date=promised,
            payment_method="transfer",
            customer_told_at=s.at,
            told_by="li",
            credit=CREDIT,
            products=PRODUCTS,
        ),
        "amendment": lambda o, s: model.amend(
            o, s, reason="later", products=PRODUCTS, promised_date=promised + timedelta(days=len(o.amendments) + 1)
        ),
        "allocation": lambda o, s: model.allocate(o, s, assignee="chen"),
        "delivery": lambda o, s: model.deliver(o, s, receiver="Xu"),
        "handover": lambda o, s: model.hand_over(o, s, documents=["receipt"], receiver="Xu"),
        "closure": model.close,
        "cancellation": lambda o, s: model.cancel(o, s, reason="no money"),
    }


def reach(status: str) -> Order:
    """An order in that state, by the shortest way."""
    ways: dict[str, list[str]] = {"received": []}
    while status not in ways:
        for state, way in list(ways.items()):
            for step, after in EDGES[state].items():
                ways.setdefault(after, [*way, step])
    order = received(priced([Wanted("pump", Decimal(2))], PRODUCTS))
    for minute, step in enumerate(ways[status]):
        order, _ = steps()[step](order, at(minute))
    assert order.status == status
    return order


@pytest.mark.parametrize("step", list(EVENTS))
@pytest.mark.parametrize("status", list(EDGES))
def test_every_edge_is_allowed_or_refused(status: str, step: str) -> None:
    order = reach(status)
    if step in EDGES[status]:
        after, happened = steps()[step](order, at(60))
        assert after.status == EDGES[status][step]
        assert (happened.type, happened.occurred_at, happened.business_date) == (
            EVENTS[step],
            at(60).at,
            at(60).business_date,
        )
    else:
        with pytest.raises(WrongState) as refused:
            steps()[step](order, at(60))
        assert set(refused.value.extras["possible"]) == set(EDGES[status])


def test_every_state_and_every_step_is_on_the_map() -> None:
    assert set(EDGES) == set(OrderStatus)
    assert set(EVENTS) == set(model.ALLOWED)
    others = {OrderEvent.RECEIVED, OrderEvent.REGION_CHANGED, OrderEvent.RESTATED}
    assert set(EVENTS.values()) | others == set(OrderEvent)


@pytest.mark.parametrize("status", [status for status, edges in EDGES.items() if edges])
def test_no_step_is_earlier_than_the_one_it_follows(status: str) -> None:
    order = reach(status)
    for step in EDGES[status]:
        earliest = model.not_before(order, step)
        early = Step(at=earliest - timedelta(seconds=1), business_date=earliest.date(), by="li")
        with pytest.raises(NotPossible) as refused:
            steps()[step](order, early)
        assert (refused.value.code, refused.value.field) == ("before_prior_step", "occurred_at")
        exactly = Step(at=earliest, business_date=earliest.date(), by="li")
        assert steps()[step](order, exactly)[0].status == EDGES[status][step]


class Life(RuleBasedStateMachine):
    """Tries every step at any time, and compares with a plain account of what must hold."""

    order: Order
    minute: int
    promises: list[tuple[date, Money]]
    taken: list[str]
    given: dict[str, str]
    """The product of every line that there ever was, by the line's id."""
    gone: set[str]
    """The ids of those that were removed."""

    @initialize(basket=baskets)
    def receive(self, basket: list[Wanted]) -> None:
        self.order = received(priced(basket, PRODUCTS))
        self.minute = 0
        self.promises = []
        self.taken = []
        self.given = {}
        self.gone = set()

    def take(self, step: str, act: Act, minutes: int) -> None:
        before = self.order.model_copy(deep=True)
        self.minute += minutes
        allowed = step in EDGES[before.status]
        if not allowed:
            with pytest.raises(WrongState):
                act(self.order, at(self.minute))
        if not allowed or (step == "amendment" and self.same(act)):
            assert self.order == before
            return
        after, happened = act(self.order, at(self.minute))
        assert self.order == before, "a step makes a new order and leaves the old one alone"
        assert happened.type == EVENTS[step]
        if step == "amendment":
            assert before.confirmation is not None
            self.promises.append((before.confirmation.promised_date, before.total))
        self.order = after
        self.taken.append(step)

    def same(self, act: Act) -> bool:
        """Whether the amendment says what the order says already."""
        try:
            act(self.order, at(self.minute))
        except NotPossible as refused:
            return refused.code == "nothing_amended"
        return False

    @invariant()
    def no_line_has_the_id_of_another_one_or_of_one_that_was_removed(self) -> None:
        ids = [line.id for line in self.order.lines]
        assert len(set(ids)) == len(ids)
        for line in self.order.lines:
            assert self.given.setdefault(line.id, line.product) == line.product
        assert not self.gone & set(ids)
        self.gone = self.given.keys() - set(ids)
        assert self.order.last_line == max(map(int, self.given))

    @rule(step=st.sampled_from([name for name in EVENTS if name != "amendment"]), minutes=st.integers(0, 300))
    def any_step(self, step: str, minutes: int) -> None:
        self.take(step, steps()[step], minutes)

    @rule(minutes=st.integers(0, 300))
    def the_next_step(self, minutes: int) -> None:
        """So that walks get far."""
        ahead = ("verification", "confirmation", "allocation", "delivery", "handover", "closure")
        for step in ahead:
            if step in EDGES[self.order.status]:
                self.take(step, steps()[step], minutes)
                break

    @rule(basket=baskets, kept=kept, minutes=st.integers(0, 300))
    def other_lines(self, basket: list[Wanted], kept: list[int], minutes: int) -> None:
        lines = others(self.order, basket, kept)
        self.take("correction", lambda o, s: model.correct(o, s, {"lines": lines}), minutes)

    @rule(basket=st.one_of(st.none(), baskets), kept=kept, days=st.integers(0, 20), minutes=st.integers(0, 300))
    def amend(self, basket: list[Wanted] | None, kept: list[int], days: int, minutes: int) -> None:
        lines = None if basket is None else others(self.order, basket, kept)
        promise = date(2026, 5, 1) + timedelta(days=days)
        self.take(
            "amendment",
            lambda o, s: model.amend(o, s, reason="r", products=PRODUCTS, lines=lines, promised_date=promise),
            minutes,
        )

    @invariant()
    def the_total_is_the_sum_of_the_lines(self) -> None:
        assert self.order.total.minor == sum(line.amount.minor for line in self.order.lines)
        for line in self.order.lines:
            assert line.amount.minor == times(line.quantity, line.unit_price.minor) - line.discount.minor

    @invariant()
    def what_belongs_to_the_confirmation_is_there_after_it_and_not_before(self) -> None:
        confirmed = "confirmation" in self.taken
        assert (self.order.confirmation is not None) == confirmed
        if not confirmed:
            assert self.order.margin is None
            assert all(line.unit_cost is None for line in self.order.lines)
            assert not self.order.amendments
            return
        assert all(line.unit_cost == PRODUCTS[line.product].cost for line in self.order.lines)
        assert self.order.margin == margin(self.order.lines)
        assert (self.order.margin is None) == any(line.product == "gift" for line in self.order.lines)

    @invariant()
    def every_promise_is_kept_on_record(self) -> None:
        assert [(a.promised_date, a.total) for a in self.order.amendments] == self.promises

    @invariant()
    def each_step_that_was_taken_has_left_its_mark(self) -> None:
        marks: dict[str, Any] = {
            "correction": self.order.correction,
            "verification": self.order.verification,
            "return": self.order.returned,
            "allocation": self.order.allocation,
            "delivery": self.order.delivery,
            "handover": self.order.handover,
            "closure": self.order.closure,
            "cancellation": self.order.cancellation,
        }
        assert {step for step, mark in marks.items() if mark is not None} == set(self.taken) & set(marks)
        if self.order.cancellation is not None:
            assert self.order.cancellation.was_confirmed == ("confirmation" in self.taken)

    @invariant()
    def what_an_order_is_never_changes(self) -> None:
        said = (self.order.id, self.order.number, self.order.customer, self.order.owner, self.order.business_date)
        assert said == ("o", "SHA-2026-000001", "acme", "li", DAWN.date())
        assert Order.model_validate_json(self.order.model_dump_json()) == self.order


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
