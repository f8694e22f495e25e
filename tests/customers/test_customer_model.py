"""The life of a customer, edge by edge, and what confirmed orders make of it in whatever order they are heard."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.customers import Activation, Customer, CustomerEvent, CustomerStatus, Ownership
from contracts.envelope import Happened
from contracts.refusals import NotPossible, WrongState
from customers.customer import model
from customers.customer.model import Confirmed
from tests.customers.company import NOON, TODAY, customer
from tests.customers.orders_said import at_noon, confirmed

S = CustomerStatus
BY_HAND = Activation(order=None, business_date=TODAY, developed_by="wang", office="sha", region="east")
IDLE = {S.DORMANT: NOON, S.LOST: NOON}


def in_state(status: CustomerStatus, *, bought: bool | None = None) -> Customer:
    """A customer in that state; one that is active or dormant has bought something."""
    if bought is None:
        bought = status in (S.ACTIVE, S.DORMANT)
    return customer(status, activation=BY_HAND if bought else None, idle_since=IDLE.get(status), status_reason="so")


STEPS: dict[str, tuple[Callable[..., tuple[Customer, Happened]], tuple[Any, ...], CustomerEvent]] = {
    "qualification": (model.qualify, (), CustomerEvent.QUALIFIED),
    "activation": (model.activate, ("contract",), CustomerEvent.ACTIVATED),
    "dormancy": (model.set_dormant, ("silence",), CustomerEvent.DORMANT),
    "loss": (model.lose, ("bankrupt",), CustomerEvent.LOST),
    "reactivation": (model.reactivate, (None,), CustomerEvent.REACTIVATED),
}
LEADS_TO = {
    ("qualification", S.PROSPECT): S.QUALIFIED,
    ("activation", S.PROSPECT): S.ACTIVE,
    ("activation", S.QUALIFIED): S.ACTIVE,
    ("dormancy", S.ACTIVE): S.DORMANT,
    ("loss", S.PROSPECT): S.LOST,
    ("loss", S.QUALIFIED): S.LOST,
    ("loss", S.ACTIVE): S.LOST,
    ("loss", S.DORMANT): S.LOST,
    ("reactivation", S.DORMANT): S.ACTIVE,
    ("reactivation", S.LOST): S.PROSPECT,
}


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize("step", list(STEPS))
def test_every_step_from_every_state(step: str, status: CustomerStatus) -> None:
    take, said, event = STEPS[step]
    before = in_state(status)
    if (step, status) not in LEADS_TO:
        with pytest.raises(WrongState) as refusal:
            take(before, NOON, TODAY, *said)
        assert refusal.value.extras == {
            "state": status,
            "possible": [name for name, from_ in LEADS_TO if from_ is status],
        }
        return
    after, happened = take(before, NOON, TODAY, *said)
    assert after.status is LEADS_TO[step, status]
    assert happened == Happened(event, NOON, TODAY)
    assert after.status_reason == (said[0] if said else None)
    assert after.idle_since == (NOON if after.status in IDLE else None)
    assert after.ownership == before.ownership


def test_a_lost_customer_that_has_bought_becomes_active_again() -> None:
    assert model.reactivate(in_state(S.LOST, bought=True), NOON, TODAY, "back")[0].status is S.ACTIVE


@pytest.mark.parametrize("step", list(STEPS))
def test_no_step_lies_before_the_customer_was_known(step: str) -> None:
    take, said, _ = STEPS[step]
    before = in_state(next(status for name, status in LEADS_TO if name == step))
    with pytest.raises(NotPossible) as refusal:
        take(before, NOON, date(2026, 1, 4), *said)
    assert refusal.value.code == "before_prospect"


@pytest.mark.parametrize(("day", "holder"), [(date(2026, 3, 9), "li"), (date(2026, 3, 10), "wang")])
def test_activation_by_hand_credits_the_holder_of_the_day(day: date, holder: str) -> None:
    after, _ = model.activate(customer(), NOON, day, "contract")
    assert after.activation is not None
    assert (after.activation.order, after.activation.business_date) == (None, day)
    assert after.activation.developed_by == holder


# --- confirmed orders -----------------------------------------------------------------------------


def heard(before: Customer, orders: Sequence[Confirmed]) -> tuple[Customer, list[str]]:
    """The customer after those orders, one by one, and what happened."""
    happened: list[str] = []
    for order in orders:
        before, what = model.ordered(before, order)
        if what is not None:
            happened.append(what.type)
    return before, happened


@pytest.mark.parametrize("status", [S.PROSPECT, S.QUALIFIED])
def test_the_first_confirmed_order_activates_and_credits_the_holder_of_its_day(status: CustomerStatus) -> None:
    order = confirmed("o1", date(2026, 3, 9))
    after, happened = model.ordered(customer(status), order)
    assert happened == Happened(CustomerEvent.ACTIVATED, order.at, order.business_date)
    assert (after.status, after.activation) == (
        S.ACTIVE,
        Activation(order="o1", business_date=order.business_date, developed_by="li", office="hgh", region="east"),
    )


def test_a_change_of_owner_in_the_middle_of_the_month_moves_no_credit() -> None:
    """The order of the 9th is Li's, although it is heard after the customer went to Wang (A9, row 6)."""
    wangs, _ = model.ordered(customer(), confirmed("o2", date(2026, 3, 10)))
    assert wangs.activation is not None
    assert wangs.activation.developed_by == "wang"
    corrected, happened = model.ordered(wangs, confirmed("o1", date(2026, 3, 9)))
    assert corrected.activation is not None
    assert (corrected.activation.developed_by, corrected.activation.office) == ("li", "hgh")
    assert happened is not None
    assert happened.type == CustomerEvent.ACTIVATION_CORRECTED
    moved, _ = model.assign(
        corrected,
        Ownership(valid_from=TODAY, owner="chen", office="can", region="south"),
        NOON,
        TODAY,
        any_past=False,
    )
    assert moved.activation == corrected.activation
    assert model.ordered(moved, confirmed("o1", date(2026, 3, 9))) == (moved, None)


def test_a_decision_by_hand_stands_unless_an_order_is_of_an_earlier_day() -> None:
    by_hand = customer(S.ACTIVE, activation=BY_HAND, status_reason="contract")
    assert heard(by_hand, [confirmed("a", TODAY), confirmed("b", TODAY + timedelta(days=1))]) == (by_hand, [])
    corrected, happened = heard(by_hand, [confirmed("z", TODAY - timedelta(days=1))])
    assert happened == [CustomerEvent.ACTIVATION_CORRECTED]
    assert corrected.activation is not None
    assert (corrected.activation.order, corrected.status_reason) == ("z", None)


@pytest.mark.parametrize("status", [S.DORMANT, S.LOST])
def test_an_order_confirmed_after_it_became_idle_wakes_it_and_an_earlier_one_does_not(status: CustomerStatus) -> None:
    idle = in_state(status, bought=True)
    assert model.ordered(idle, confirmed("o", TODAY, NOON)) == (idle, None)
    awake, happened = model.ordered(idle, confirmed("o", TODAY, NOON + timedelta(seconds=1)))
    assert happened is not None
    assert happened.type == CustomerEvent.REACTIVATED
    assert (awake.status, awake.idle_since, awake.status_reason) == (S.ACTIVE, None, None)
    assert awake.activation == idle.activation


def test_an_earlier_order_that_is_heard_late_credits_a_lost_prospect_and_leaves_it_lost() -> None:
    lost = in_state(S.LOST, bought=False)
    after, happened = model.ordered(lost, confirmed("o", date(2026, 3, 9)))
    assert happened is not None
    assert happened.type == CustomerEvent.ACTIVATED
    assert (after.status, after.idle_since) == (S.LOST, NOON)
    assert after.activation is not None


DAYS = st.integers(-40, 40).map(lambda days: TODAY + timedelta(days=days))
ORDERS = st.lists(
    st.builds(
        lambda order, day, minutes: confirmed(order, day, at_noon(day) + timedelta(minutes=minutes)),
        st.sampled_from("abcdef"),
        DAYS,
        st.integers(-600, 600),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda order: order.order,
)
BEFORE = st.sampled_from(
    [
        in_state(S.PROSPECT),
        in_state(S.QUALIFIED),
        in_state(S.ACTIVE),
        in_state(S.DORMANT),
        in_state(S.LOST),
        in_state(S.LOST, bought=True),
    ]
)


@given(before=BEFORE, orders=ORDERS, data=st.data())
def test_any_disorder_duplicates_and_batches_give_the_same_customer(
    before: Customer, orders: list[Confirmed], data: st.DataObject
) -> None:
    straight, _ = heard(before, sorted(orders, key=lambda o: (o.at, o.order)))
    again = data.draw(st.lists(st.sampled_from(orders), max_size=6))
    mixed = data.draw(st.permutations([*orders, *again]))
    assert heard(before, mixed)[0] == straight
    cuts = sorted(data.draw(st.lists(st.integers(0, len(mixed)), max_size=3)))
    batches = [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]
    state = before
    for batch in batches:
        if batch:
            state, _ = heard(state, model.telling(batch))
    assert state == straight
    # What the definition says, without any steps.
    first = min(orders, key=lambda o: (o.business_date, o.order))
    assert straight.activation is not None
    if before.activation is None or first.business_date < before.activation.business_date:
        held = before.held_on(first.business_date)
        assert (straight.activation.order, straight.activation.developed_by) == (first.order, held.owner)
    else:
        assert straight.activation == before.activation
    sleeps = before.idle_since is not None and all(order.at <= before.idle_since for order in orders)
    assert straight.status is (before.status if sleeps else S.ACTIVE)


@given(before=BEFORE, orders=ORDERS)
def test_it_is_activated_at_most_once(before: Customer, orders: list[Confirmed]) -> None:
    _, happened = heard(before, [*orders, *orders])
    assert happened.count(CustomerEvent.ACTIVATED) == (before.activation is None)


# --- owner ----------------------------------------------------------------------------------------


def to(owner: str, day: date, office: str = "sha") -> Ownership:
    return Ownership(valid_from=day, owner=owner, office=office, region="east")


def assigned(before: Customer, entry: Ownership, *, any_past: bool = False, today: date = TODAY) -> Customer:
    return model.assign(before, entry, NOON, today, any_past=any_past)[0]


@pytest.mark.parametrize(
    ("day", "any_past", "allowed"),
    [
        (date(2026, 3, 10), False, False),
        (date(2026, 3, 11), False, True),
        (date(2026, 4, 1), False, True),
        (date(2026, 3, 9), True, False),
        (date(2026, 3, 10), True, False),
        (date(2026, 3, 11), True, True),
    ],
)
def test_ownership_of_the_past_never_changes(day: date, any_past: bool, allowed: bool) -> None:
    if allowed:
        assert assigned(customer(), to("chen", day), any_past=any_past).ownership[-1].owner == "chen"
        return
    with pytest.raises(NotPossible) as refusal:
        assigned(customer(), to("chen", day), any_past=any_past)
    assert refusal.value.code == "past_entry"
    assert "2026-03-11" in refusal.value.en


def test_an_import_may_enter_what_lies_between_the_last_entry_and_today() -> None:
    later = date(2026, 5, 1)
    assert assigned(customer(), to("chen", date(2026, 4, 1)), any_past=True, today=later).owner == "chen"
    with pytest.raises(NotPossible):
        assigned(customer(), to("chen", date(2026, 4, 1)), today=later)


def test_what_began_today_can_be_given_to_somebody_else_today() -> None:
    wrong = assigned(customer(), to("chen", TODAY))
    right = assigned(wrong, to("ma", TODAY))
    assert [held.owner for held in right.ownership] == ["li", "wang", "ma"]
    assert right.owner == "ma"


def test_nothing_happens_where_the_owner_stays() -> None:
    assert model.assign(customer(), to("wang", TODAY), NOON, TODAY, any_past=False) == (customer(), None)


def test_an_ownership_of_a_later_day_takes_effect_on_it_and_can_be_replaced_until_then() -> None:
    first = date(2026, 4, 1)
    planned = assigned(customer(), to("chen", first))
    assert (planned.owner, model.pending(planned)) == ("wang", to("chen", first))
    with pytest.raises(NotPossible):
        assigned(planned, to("ma", TODAY))
    planned = assigned(planned, to("ma", first))
    assert model.take_over(planned, NOON, date(2026, 3, 31)) == (planned, None)
    after, happened = model.take_over(planned, NOON, first)
    assert (after.owner, model.pending(after)) == ("ma", None)
    assert happened == Happened(CustomerEvent.OWNER_CHANGED, NOON, first)
    assert model.take_over(after, NOON, first) == (after, None)


@given(moves=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["li", "wang", "chen", "ma"])), max_size=8))
def test_whatever_is_assigned_the_days_before_stay_with_their_holders(moves: list[tuple[int, str]]) -> None:
    state, today = customer(), TODAY
    known: dict[date, str] = {}
    for after, owner in moves:
        known[today - timedelta(days=1)] = state.held_on(today - timedelta(days=1)).owner
        with contextlib.suppress(NotPossible):
            state = assigned(state, to(owner, today + timedelta(days=after)), today=today)
        assert [held.valid_from for held in state.ownership] == sorted({h.valid_from for h in state.ownership})
        assert state.owner == state.held_on(today).owner
        today += timedelta(days=after)
        state, _ = model.take_over(state, NOON, today)
    for day, owner in known.items():
        assert state.held_on(day).owner == owner
