"""What is done to customer files: load, decide, save. The HTTP door, the bus door and the timer call these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chassis import clock
from chassis.aggregate import Command, Stored
from chassis.entries import any_past
from chassis.identity import Caller
from chassis.mongo import DuplicateKey
from chassis.problems import Conflict, FieldError, Invalid, NotFound, PreconditionRequired
from chassis.scope import everything, within
from chassis.supervision import each_alone
from contracts.backdating import business_date
from contracts.customers import Address, Contact, Customer, CustomerKind, CustomerStatus, Likeness, Ownership
from contracts.envelope import Happened, Imported
from contracts.staff import Office
from customers import rights
from customers.customer import model
from customers.customer.identity import alike, likenesses, said_value
from customers.repositories import ORGANISATION, Repositories

LIKE = everything("a duplicate is one wherever it is; only what the caller may see of it is told")
HANDOVERS = everything("the timer acts for nobody")
OFFICES = everything("an office moves with all of its customers")
BUS = everything("the bus acts for nobody")

AT_ONCE = 100
"""Customers of one turn of following their office: each is one write."""
MOST_CANDIDATES = 50
"""So many of the customers that look alike are named in a refusal."""

Decide = Callable[[Customer, date], tuple[Customer, Happened | None]]
"""What a step makes of the customer on the business date of its entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCustomer:
    """What is said of a new customer. prospect_since: the business date of the entry where nothing is said."""

    id: str
    name: str
    kind: CustomerKind
    owner: str
    phone: str | None = None
    tax_id: str | None = None
    addresses: tuple[Address, ...] = ()
    source: str | None = None
    channel: str | None = None
    attributes: Mapping[str, str]
    prospect_since: date | None = None
    not_duplicate_of: tuple[str, ...] = ()
    may_share: tuple[Likeness, ...] = ()
    imported: Imported | None = None


async def register(
    repositories: Repositories, caller: Caller, command: Command, new: NewCustomer, at: datetime
) -> Stored[Customer]:
    """A new prospect, held from today on; an imported one since it became a prospect.

    Raises Forbidden, Invalid (unknown_person, no_office, unknown_customer), NotPossible,
    Conflict (duplicate_customer, id_taken).
    """
    if (stored := await repositories.customers.repeated(new.id, rights.reach(caller), command)) is not None:
        return stored
    owner = await repositories.person(new.owner, "owner")
    if new.imported and at.date() < owner.joined_on:
        _, office = await repositories.posted(owner.id, owner.joined_on)
    else:
        _, office = await repositories.posted_at(owner.id, at)
    day = business_date(office, at, clock.now(), any_past=any_past(caller))
    since = new.prospect_since or day
    # Whoever joined later than the customer became a prospect has held it since they joined.
    begins = max(min(since, day), owner.joined_on) if new.imported else day
    held = await _ownership(repositories, new.owner, begins)
    rights.may_give_to(caller, held)
    customer = Customer(
        id=new.id,
        name=new.name,
        kind=new.kind,
        status=CustomerStatus.PROSPECT,
        owner=held.owner,
        office=held.office,
        region=held.region,
        ownership=[held],
        phone=new.phone,
        tax_id=new.tax_id,
        addresses=list(new.addresses),
        source=new.source,
        channel=new.channel,
        attributes=dict(new.attributes),
        prospect_since=since,
        not_duplicate_of=list(new.not_duplicate_of),
        may_share=list(new.may_share),
        registered_at=at,
        imported=new.imported,
    )
    customer, happened = model.register(customer, at, day, repositories.phone_regions(office))
    await _check_known(repositories, caller, set(customer.not_duplicate_of))
    values = set(likenesses(customer))
    async with repositories.locks.hold(values):
        await _check_alone(repositories, caller, customer, values)
        try:
            return await repositories.customers.create(customer, happened, command, rights.reach(caller))
        except DuplicateKey:
            raise await _lost_race(repositories, caller, customer) from None


async def update(
    repositories: Repositories,
    caller: Caller,
    command: Command,
    customer_id: str,
    changes: Mapping[str, Any],
    at: datetime,
) -> Stored[Customer]:
    """Raises NotFound, Stale, NotPossible, Invalid (unknown_customer), Conflict (duplicate_customer)."""
    stored, office = await _open(repositories, caller, customer_id)
    regions = repositories.phone_regions(office)
    changed = model.changed_by(stored.state, changes, regions)
    # One that was declared different long ago may have moved out of the caller's sight.
    await _check_known(repositories, caller, set(changed.not_duplicate_of) - set(stored.state.not_duplicate_of))

    def decide(customer: Customer, day: date) -> tuple[Customer, Happened | None]:
        return model.update(customer, changes, at, day, regions)

    before = stored.state
    values, known = set(likenesses(changed)), set(likenesses(before))
    if set(changed.not_duplicate_of) >= set(before.not_duplicate_of) and changed.may_share == before.may_share:
        values -= known  # what the file said before was decided before
    async with repositories.locks.hold(values):
        if values:
            await _check_alone(repositories, caller, changed, values, known)
        try:
            return await _change(repositories, caller, command, customer_id, office, at, decide)
        except DuplicateKey:
            raise await _lost_race(repositories, caller, changed) from None


async def step(
    repositories: Repositories, caller: Caller, command: Command, customer_id: str, at: datetime, decide: Decide
) -> Stored[Customer]:
    """A step of the customer's life, or a contact that leaves, by the calendar of its office.

    Raises NotFound, Stale, and what the model refuses.
    """
    _, office = await _open(repositories, caller, customer_id)
    try:
        return await _change(repositories, caller, command, customer_id, office, at, decide)
    except model.NoSuchContact:
        raise NotFound() from None


async def add_contact(
    repositories: Repositories, caller: Caller, command: Command, customer_id: str, at: datetime, contact: Contact
) -> Stored[Customer]:
    """Raises NotFound, Stale, NotPossible (not_a_phone, unknown_contact, contact_id_taken)."""
    _, office = await _open(repositories, caller, customer_id)
    regions = repositories.phone_regions(office)

    def decide(customer: Customer, day: date) -> tuple[Customer, Happened | None]:
        return model.add_contact(customer, contact, at, day, regions)

    return await _change(repositories, caller, command, customer_id, office, at, decide)


async def change_contact(
    repositories: Repositories,
    caller: Caller,
    command: Command,
    customer_id: str,
    at: datetime,
    contact_id: str,
    changes: Mapping[str, Any],
) -> Stored[Customer]:
    """Raises NotFound, Stale, NotPossible (not_a_phone, unknown_contact)."""
    _, office = await _open(repositories, caller, customer_id)
    regions = repositories.phone_regions(office)

    def decide(customer: Customer, day: date) -> tuple[Customer, Happened | None]:
        return model.change_contact(customer, contact_id, changes, at, day, regions)

    try:
        return await _change(repositories, caller, command, customer_id, office, at, decide)
    except model.NoSuchContact:
        raise NotFound() from None


async def assign(
    repositories: Repositories,
    caller: Caller,
    command: Command,
    customer_id: str,
    owner: str,
    valid_from: date,
    at: datetime,
) -> Stored[Customer]:
    """Give it to somebody else from a day on (C-07). Both sides must lie within the caller's scope.

    Raises Forbidden, NotFound, Stale, Invalid (unknown_person, no_office), NotPossible (past_entry),
    PreconditionRequired where it takes back another change of owner and does not say which version it was decided on.
    """
    stored, office = await _open(repositories, caller, customer_id)
    entry = await _ownership(repositories, owner, valid_from)
    rights.may_give_to(caller, entry)
    rights.may_take_from(caller, stored.state, entry)
    today = office.business_date(clock.now())

    def decide(customer: Customer, _: date) -> tuple[Customer, Happened | None]:
        after, happened = model.assign(customer, entry, at, today, any_past=any_past(caller))
        if happened is not None and command.expected is None and model.replaced(customer, entry):
            raise PreconditionRequired()
        return after, happened

    return await _change(repositories, caller, command, customer_id, office, at, decide)


async def take_over_due(repositories: Repositories) -> int:
    """Let the ownerships take effect whose day has come; answers how many."""
    now = clock.now()
    # Some zone may be a day ahead of UTC; each office's own calendar decides below.
    soon = (now.date() + timedelta(days=1)).isoformat()
    taken = 0
    for stored in await repositories.customers.find(HANDOVERS, {"keys.handover": {"$lte": soon}}):
        coming = model.pending(stored.state)
        if coming is None:
            continue
        with each_alone("handovers", stored.state.id):
            today = (await repositories.office(coming.office)).business_date(now)
            if coming.valid_from > today:
                continue
            await repositories.customers.change(
                stored.state.id,
                HANDOVERS,
                lambda customer, today=today: model.take_over(customer, now, today),
                Command(actor="/customers"),
            )
            taken += 1
    return taken


async def follow_offices(repositories: Repositories, office_id: str | None = None, most: int | None = None) -> int:
    """Have the customers of offices that came to another region follow them; answers how many changed.

    office_id: of that office only. most: stop after about so many. The same again changes nothing; a move that was
    entered ahead is followed by the first call on its day, by the office's own calendar.
    """
    now = clock.now()
    moved = {"keys.moved": True} if office_id is None else {"_id": office_id}
    changed = 0
    for stored in await repositories.offices.find(ORGANISATION, moved):
        office = stored.state
        today = office.business_date(now)
        behind = {"office": office.id, "region": {"$ne": office.region_on(today)}}

        async def follow(customer_id: str, office: Office = office, today: date = today) -> bool:
            with each_alone("offices that move", customer_id):
                before = await repositories.customers.get(customer_id, OFFICES)
                after = await repositories.customers.change(
                    customer_id,
                    OFFICES,
                    lambda customer: model.follow_office(customer, office, now.replace(microsecond=0), today),
                    Command(actor="/customers"),
                )
                return after.version != before.version
            return False

        while most is None or changed < most:
            found = await repositories.customers.find(OFFICES, behind, limit=AT_ONCE)
            done = sum(await asyncio.gather(*(follow(each.state.id) for each in found)))
            changed += done
            if not done or len(found) < AT_ONCE:
                break
    return changed


async def ordered(
    repositories: Repositories, command: Command, customer_id: str, order: model.Confirmed
) -> Stored[Customer]:
    """What the bus tells of a confirmed order of this customer. Raises NotFound."""
    return await repositories.customers.change(
        customer_id, BUS, lambda customer: model.ordered(customer, order), command
    )


async def _open(repositories: Repositories, caller: Caller, customer_id: str) -> tuple[Stored[Customer], Office]:
    stored = await repositories.customers.get(customer_id, rights.reach(caller))
    return stored, await repositories.office(stored.state.office)


async def _change(
    repositories: Repositories,
    caller: Caller,
    command: Command,
    customer_id: str,
    office: Office,
    at: datetime,
    decide: Decide,
) -> Stored[Customer]:
    def dated(customer: Customer) -> tuple[Customer, Happened | None]:
        # Asked within: a repetition of what was accepted must not be refused because it has grown old meanwhile.
        return decide(customer, business_date(office, at, clock.now(), any_past=any_past(caller)))

    return await repositories.customers.change(customer_id, rights.reach(caller), dated, command)


async def _ownership(repositories: Repositories, owner: str, day: date) -> Ownership:
    """The entry that gives a customer to somebody, who works in an office on that day."""
    person, office = await repositories.posted(owner, day)
    return Ownership(valid_from=day, owner=person.id, office=office.id, region=office.region_on(day))


# --- duplicates (domain.md A9, row 15) ------------------------------------------------------------


async def _check_known(repositories: Repositories, caller: Caller, different: set[str]) -> None:
    """Raises Invalid where somebody declares a difference from customers that they cannot have compared."""
    scope = LIKE if any_past(caller) else within(caller)
    if different and len(await repositories.customers.find(scope, {"_id": {"$in": sorted(different)}})) < len(
        different
    ):
        raise Invalid(
            "unknown_customer",
            "not_duplicate_of names a customer that does not exist or is not yours to see.",
            "not_duplicate_of 中有不存在或您无权查看的客户。",
            field="not_duplicate_of",
        )


async def _check_alone(
    repositories: Repositories, caller: Caller, customer: Customer, values: Set[str], known: Set[str] = frozenset()
) -> None:
    """Raises Conflict where there is such a customer already.

    values: the likenesses to compare by; known: those that the file has had before.
    """
    if (conflict := await _duplicate(repositories, caller, customer, values, known)) is not None:
        raise conflict


async def _lost_race(repositories: Repositories, caller: Caller, customer: Customer) -> Conflict:
    """Somebody else entered the same customer in between; the unique index let one of them in."""
    return await _duplicate(repositories, caller, customer, set(likenesses(customer)), frozenset()) or Conflict(
        "busy", "Somebody else enters the same customer: try again.", "有人正在录入同一客户:请稍后再试。"
    )


async def _duplicate(
    repositories: Repositories, caller: Caller, customer: Customer, values: Set[str], known: Set[str]
) -> Conflict | None:
    """The refusal that names the customers it may be taken for, as far as the caller may see them."""
    kinds = [kind for kind in Likeness if kind not in customer.may_share]
    sought = sorted(values & set(likenesses(customer, kinds)))
    declared = set(customer.not_duplicate_of)

    def counts(other: Customer, kind: Likeness) -> bool:
        # Those that came later and may share a value do not turn against the file that has had it before them.
        return kind in kinds and not (kind in other.may_share and set(likenesses(customer, [kind])) <= known)

    found: list[tuple[Customer, list[Likeness]]] = []
    for stored in await repositories.customers.find(
        LIKE, {"keys.likenesses": {"$in": sought}, "_id": {"$ne": customer.id}}
    ):
        other = stored.state
        # Whoever was declared different from this one is so in both directions.
        if other.id in declared or customer.id in other.not_duplicate_of:
            continue
        if shared := [kind for kind in alike(customer, other) if counts(other, kind)]:
            found.append((other, shared))
    if not found:
        return None
    scope = within(caller)
    seen = [(other, kinds) for other, kinds in found if scope.allows(other.owner, other.office, other.region)]
    elsewhere = len(seen) < len(found)
    named = seen[:MOST_CANDIDATES]
    # The values are those that the caller has sent, never what the other file says.
    return Conflict(
        "duplicate_customer",
        *_advice(customer, named, elsewhere=elsewhere),
        candidates=[{"id": other.id, "name": other.name, "owner": other.owner} for other, _ in named],
        alike=[
            {"customer": other.id, "kind": kind, "field": kind, "value": said_value(customer, kind)}
            for other, kinds in named
            for kind in kinds
        ],
        elsewhere=elsewhere,
        errors=[
            FieldError(kind, f"The same {_EN[kind]} as {other.name}.", f"与 {other.name} 的{_ZH[kind]}相同。")
            for other, kinds in named
            for kind in kinds
        ],
    )


def _advice(customer: Customer, seen: list[tuple[Customer, list[Likeness]]], *, elsewhere: bool) -> tuple[str, str]:
    """What to do about a duplicate, in English and Chinese."""
    en, zh = ["Such a customer exists."], ["已有相同客户。"]
    for other, kinds in seen[:3]:
        values = [(kind, said_value(customer, kind)) for kind in kinds]
        en.append(f"{other.name} has the same {' and '.join(f'{_EN[kind]} {value}' for kind, value in values)}.")
        zh.append(f"{other.name} 的{'、'.join(f'{_ZH[kind]} {value}' for kind, value in values)}相同。")
    if seen:
        en.append(
            "Open one of the candidates instead. If yours is a different one, send not_duplicate_of with the ids."
        )
        zh.append("请打开候选客户;如确为不同客户,请在 not_duplicate_of 中填写候选客户的编号。")
    if elsewhere:
        en.append("One lies outside your area: ask your supervisor.")
        zh.append("其中有客户不在您的范围内:请联系您的主管。")
    return " ".join(en), "".join(zh)


_EN = {Likeness.NAME: "name", Likeness.PHONE: "telephone number", Likeness.TAX_ID: "tax id"}
_ZH = {Likeness.NAME: "名称", Likeness.PHONE: "电话", Likeness.TAX_ID: "税号"}
