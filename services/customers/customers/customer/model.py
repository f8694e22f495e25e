"""The life of a customer: which step may follow which, and what each changes (A3, C-01, C-02, C-04, C-07). Pure.

    prospect ──> qualified ──> active <──reactivated── dormant
        │                       ^ └──────────────────────^
        └───────────────────────┘ by the first confirmed order, or by hand
    lost: from every other state; reactivated it is active, or a prospect again where it never bought anything

Each function returns the customer after the step and what has happened, or raises WrongState or NotPossible.
Nothing happens (None) where nothing changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from contracts.customers import Activation, Contact, Customer, CustomerEvent, CustomerStatus, Ownership
from contracts.envelope import Happened
from contracts.refusals import NotPossible, WrongState
from contracts.staff import Office
from customers.customer.identity import check_places, is_name, numbers_in, tax_id_in

Outcome = tuple[Customer, Happened]
Perhaps = tuple[Customer, Happened | None]

ALLOWED: Mapping[str, frozenset[CustomerStatus]] = {
    "qualification": frozenset({CustomerStatus.PROSPECT}),
    "activation": frozenset({CustomerStatus.PROSPECT, CustomerStatus.QUALIFIED}),
    "dormancy": frozenset({CustomerStatus.ACTIVE}),
    # A prospect can be lost to somebody else before it has bought anything.
    "loss": frozenset(CustomerStatus) - {CustomerStatus.LOST},
    "reactivation": frozenset({CustomerStatus.DORMANT, CustomerStatus.LOST}),
}
"""The states from which each step is possible."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the bus tells of a confirmed order: enough to activate its customer."""

    order: str
    business_date: date
    at: datetime

    @property
    def rank(self) -> tuple[date, str]:
        """Of several orders, the one with the smallest rank is the first (C-02)."""
        return self.business_date, self.order


def possible(status: CustomerStatus) -> list[str]:
    """The steps that may follow in that state."""
    return [step for step, states in ALLOWED.items() if status in states]


def register(customer: Customer, at: datetime, day: date, regions: Sequence[str] = ()) -> Outcome:
    """A new customer, a prospect. day: the business date of its entry.

    regions: the countries by whose numbering plans its telephone number is read, the nearest first.
    """
    customer = _sound(customer, Customer.model_fields.keys(), regions)
    if customer.prospect_since > day:
        raise NotPossible(
            "in_the_future",
            f"prospect_since is in the future: give {day} or earlier.",
            f"prospect_since 尚未到来:请填写 {day} 或更早的日期。",
            field="prospect_since",
        )
    return customer, Happened(CustomerEvent.REGISTERED, at, day)


def update(
    customer: Customer, changes: Mapping[str, Any], at: datetime, day: date, regions: Sequence[str] = ()
) -> Perhaps:
    """Other details of the file. What is not changed is not examined again: rules may have become stricter since."""
    changed = changed_by(customer, changes, regions)
    return changed, None if changed == customer else Happened(CustomerEvent.UPDATED, at, day)


def changed_by(customer: Customer, changes: Mapping[str, Any], regions: Sequence[str] = ()) -> Customer:
    """The file with those details. Another value may be shared with nobody until that is said again."""
    differs = {name for name, value in changes.items() if getattr(customer, name) != value}
    if not differs:
        return customer
    update = dict(changes)
    if "may_share" not in changes:
        update["may_share"] = [kind for kind in customer.may_share if kind.value not in differs]
    return _sound(customer.model_copy(update=update), differs, regions)


# --- its status -----------------------------------------------------------------------------------


def qualify(customer: Customer, at: datetime, day: date) -> Outcome:
    """It has a need and the means: worth the visits."""
    return _step(customer, "qualification", CustomerEvent.QUALIFIED, at, day, status=CustomerStatus.QUALIFIED)


def activate(customer: Customer, at: datetime, day: date, reason: str) -> Outcome:
    """Active by hand, credited to whoever held it on that day (C-02); an order of an earlier day corrects it."""
    return _step(
        customer,
        "activation",
        CustomerEvent.ACTIVATED,
        at,
        day,
        status=CustomerStatus.ACTIVE,
        status_reason=reason,
        activation=_credited(customer, None, day),
    )


def set_dormant(customer: Customer, at: datetime, day: date, reason: str) -> Outcome:
    """It has stopped buying."""
    status = CustomerStatus.DORMANT
    return _step(
        customer, "dormancy", CustomerEvent.DORMANT, at, day, status=status, status_reason=reason, idle_since=at
    )


def lose(customer: Customer, at: datetime, day: date, reason: str) -> Outcome:
    """It will not buy any more."""
    status = CustomerStatus.LOST
    return _step(customer, "loss", CustomerEvent.LOST, at, day, status=status, status_reason=reason, idle_since=at)


def reactivate(customer: Customer, at: datetime, day: date, reason: str | None) -> Outcome:
    """Won back: active again, or a prospect again where it never bought anything."""
    status = CustomerStatus.PROSPECT if customer.activation is None else CustomerStatus.ACTIVE
    return _step(
        customer,
        "reactivation",
        CustomerEvent.REACTIVATED,
        at,
        day,
        status=status,
        status_reason=reason,
        idle_since=None,
    )


def ordered(customer: Customer, order: Confirmed) -> Perhaps:
    """What a confirmed order makes of its customer; the result is the same in whatever order the events arrive.

    The first order by (business date, order id) activates it, exactly once, and credits whoever held it on that
    date; an earlier one that comes later corrects this. A decision by hand stands unless an order is of an
    earlier day. An order that was confirmed after the customer became dormant or lost makes it active again;
    one that was confirmed before tells nothing new about that. A later cancellation of the order changes nothing.
    """
    before = customer.activation
    first = before is None or order.rank < (before.business_date, before.order or "")
    awake = customer.idle_since is not None and order.at > customer.idle_since
    if not first and not awake:
        return customer, None
    update: dict[str, Any] = {}
    if first:
        update["activation"] = _credited(customer, order.order, order.business_date)
    if awake or customer.idle_since is None:
        update |= {"status": CustomerStatus.ACTIVE, "status_reason": None, "idle_since": None}
    if before is None:
        event = CustomerEvent.ACTIVATED
    else:
        event = CustomerEvent.ACTIVATION_CORRECTED if first else CustomerEvent.REACTIVATED
    return customer.model_copy(update=update), Happened(event, order.at, order.business_date)


def telling(orders: Sequence[Confirmed]) -> list[Confirmed]:
    """Those of a customer's confirmed orders that can change it: the first, and the one confirmed last."""
    return list(dict.fromkeys((min(orders, key=lambda o: o.rank), max(orders, key=lambda o: (o.at, o.order)))))


# --- its owner ------------------------------------------------------------------------------------


def assign(customer: Customer, entry: Ownership, at: datetime, today: date, *, any_past: bool) -> Perhaps:
    """Another owner from a day on. What was credited before stays; entries of the past never change (A8.3).

    today: the office's; an entry of a later day takes effect when its day has come. any_past: for imports.
    """
    last = customer.ownership[-1]
    if (entry.owner, entry.office, entry.region) == (last.owner, last.office, last.region):
        return customer, None
    if last.valid_from >= today:
        earliest = last.valid_from  # it has credited nobody on a day that is over, so it may be replaced
    else:
        earliest = last.valid_from + timedelta(days=1) if any_past else today
    if entry.valid_from < earliest:
        raise NotPossible(
            "past_entry",
            f"Ownership of the past stays as it is: choose {earliest} or a later day.",
            f"过去的归属不可更改:请选择 {earliest} 或更晚的日期。",
            field="valid_from",
        )
    kept = [held for held in customer.ownership if held.valid_from < entry.valid_from]
    changed = customer.model_copy(update={"ownership": [*kept, entry]})
    changed = _held_by(changed, changed.held_on(today))
    return changed, Happened(CustomerEvent.OWNER_CHANGED, at, entry.valid_from)


def take_over(customer: Customer, at: datetime, today: date) -> Perhaps:
    """The day has come of an ownership that was entered in advance."""
    held = customer.held_on(today)
    changed = _held_by(customer, held)
    return changed, None if changed == customer else Happened(CustomerEvent.OWNER_CHANGED, at, held.valid_from)


def replaced(customer: Customer, entry: Ownership) -> list[Ownership]:
    """The changes of owner that an entry would take back: those that begin on its day or later."""
    pairs = zip(customer.ownership, customer.ownership[1:], strict=False)
    return [held for before, held in pairs if held.valid_from >= entry.valid_from and held.owner != before.owner]


def follow_office(customer: Customer, office: Office, at: datetime, today: date) -> Perhaps:
    """Its entries of that office are of the region to which the office belongs, from the day of each move on.

    today: the office's. What lies before the office's first move stays as it was stamped, and a move that is still to
    come is followed on its day. Credit that was given stays with the region of its day.
    """
    moves = [move for move in office.regions[1:] if move.valid_from <= today]
    if not moves:
        return customer, None
    entries: list[Ownership] = []
    for number, held in enumerate(customer.ownership):
        following = customer.ownership[number + 1 : number + 2]
        until = following[0].valid_from if following else date.max
        if held.office != office.id:
            entries.append(held)
            continue
        moved = held.valid_from >= moves[0].valid_from
        piece = held.model_copy(update={"region": office.region_on(held.valid_from)}) if moved else held
        entries.append(piece)
        for move in moves:
            if held.valid_from < move.valid_from < until and move.region != piece.region:
                piece = piece.model_copy(update={"valid_from": move.valid_from, "region": move.region})
                entries.append(piece)
    changed = customer.model_copy(update={"ownership": entries})
    changed = _held_by(changed, changed.held_on(today))
    happened = Happened(CustomerEvent.REGION_CHANGED, at, moves[-1].valid_from)
    return changed, None if changed == customer else happened


def pending(customer: Customer) -> Ownership | None:
    """The ownership that was entered in advance and has not taken effect yet."""
    last = customer.ownership[-1]
    return None if _held_by(customer, last) == customer else last


# --- its contacts ---------------------------------------------------------------------------------


def add_contact(customer: Customer, contact: Contact, at: datetime, day: date, regions: Sequence[str] = ()) -> Perhaps:
    """Somebody to talk to there (C-04). The same contact again is a repetition."""
    known = _contact(customer, contact.id)
    if known == contact:
        return customer, None
    if known is not None:
        raise NotPossible(
            "contact_id_taken", "Another contact has this id: choose a new one.", "此编号已属于另一联系人。", field="id"
        )
    numbers_in(contact.phone, regions)
    _sound_contact(customer, contact)
    changed = customer.model_copy(update={"contacts": [*customer.contacts, contact]})
    return changed, Happened(CustomerEvent.CONTACT_ADDED, at, day)


def change_contact(
    customer: Customer,
    contact_id: str,
    changes: Mapping[str, Any],
    at: datetime,
    day: date,
    regions: Sequence[str] = (),
) -> Perhaps:
    """Another role, name or number of a contact."""
    known = _known_contact(customer, contact_id)
    changed = known.model_copy(update=dict(changes))
    if changed == known:
        return customer, None
    if changed.phone != known.phone:
        numbers_in(changed.phone, regions)
    _sound_contact(customer, changed)
    return _with_contact(customer, changed), Happened(CustomerEvent.CONTACT_CHANGED, at, day)


def contact_leaves(customer: Customer, contact_id: str, left_on: date, at: datetime, day: date) -> Outcome:
    """A personnel change at the customer (L217). left_on: up to `day`, the business date of the entry."""
    known = _known_contact(customer, contact_id)
    if known.left_on is not None:
        raise WrongState("departure", "left", ())
    if left_on > day:
        raise NotPossible(
            "in_the_future",
            f"{left_on} has not come yet: enter it when they have left.",
            f"{left_on} 尚未到来:请在离职后登记。",
            field="left_on",
        )
    left = known.model_copy(update={"left_on": left_on})
    return _with_contact(customer, left), Happened(CustomerEvent.CONTACT_DEPARTED, at, day)


# --- helpers --------------------------------------------------------------------------------------


def _step(customer: Customer, wanted: str, event: CustomerEvent, at: datetime, day: date, **update: Any) -> Outcome:
    if customer.status not in ALLOWED[wanted]:
        raise WrongState(wanted, customer.status, possible(customer.status))
    if day < customer.prospect_since:
        raise NotPossible(
            "before_prospect",
            f"It is a prospect since {customer.prospect_since}: no step of its life can lie before that day.",
            f"该客户自 {customer.prospect_since} 起为潜在客户:步骤不能早于该日。",
            field="occurred_at",
        )
    return customer.model_copy(update={"status_reason": None, **update}), Happened(event, at, day)


def _credited(customer: Customer, order: str | None, day: date) -> Activation:
    held = customer.held_on(day)
    return Activation(order=order, business_date=day, developed_by=held.owner, office=held.office, region=held.region)


def _held_by(customer: Customer, held: Ownership) -> Customer:
    return customer.model_copy(update={"owner": held.owner, "office": held.office, "region": held.region})


def _contact(customer: Customer, contact_id: str) -> Contact | None:
    return next((contact for contact in customer.contacts if contact.id == contact_id), None)


def _known_contact(customer: Customer, contact_id: str) -> Contact:
    known = _contact(customer, contact_id)
    if known is None:
        raise NoSuchContact
    return known


class NoSuchContact(LookupError):
    """The customer has no contact of that id."""


def _with_contact(customer: Customer, changed: Contact) -> Customer:
    contacts = [changed if contact.id == changed.id else contact for contact in customer.contacts]
    return customer.model_copy(update={"contacts": contacts})


def _sound_contact(customer: Customer, contact: Contact) -> None:
    others = {other.id for other in customer.contacts} - {contact.id}
    if contact.referred_by is not None and contact.referred_by not in others:
        raise NotPossible(
            "unknown_contact",
            "referred_by must be another contact of the same customer.",
            "引荐人须为同一客户的其他联系人。",
            field="referred_by",
        )


def _sound(customer: Customer, said: Collection[str], regions: Sequence[str]) -> Customer:
    """The customer with its numbers and tax id in their forms. said: the fields that are new. Raises NotPossible."""
    if "name" in said and not is_name(customer.name):
        raise NotPossible(
            "no_name", "A name has at least one letter or digit.", "名称须至少包含一个文字或数字。", field="name"
        )
    if "addresses" in said:
        check_places(customer.addresses)
    update: dict[str, Any] = {}
    if "phone" in said:
        update["phone_numbers"] = numbers_in(customer.phone, regions)
    if "tax_id" in said:
        update["tax_id"] = tax_id_in(customer.tax_id)
    return customer.model_copy(update=update)
