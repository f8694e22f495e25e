"""What is done to customer files: load, decide, save. The HTTP door, the bus door and the timer call these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chassis import clock
from chassis.aggregate import Command, Stored
from chassis.entries import any_past
from chassis.identity import Caller
from chassis.mongo import DuplicateKey
from chassis.problems import Conflict, Invalid, NotFound
from chassis.scope import everything, within
from contracts.backdating import business_date
from contracts.customers import Address, Customer, CustomerKind, CustomerStatus, Ownership
from contracts.envelope import Happened, Imported
from contracts.staff import Office
from customers import rights
from customers.customer import model
from customers.customer.identity import likenesses, tax_key
from customers.repositories import Repositories

LIKE = everything("a duplicate is one wherever it is; only what the caller may see of it is told")
HANDOVERS = everything("the timer acts for nobody")
BUS = everything("the bus acts for nobody")

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
        registered_at=at,
        imported=new.imported,
    )
    customer, happened = model.register(customer, at, day)
    await _check_known(repositories, caller, set(customer.not_duplicate_of))
    await _check_alone(repositories, caller, customer)
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
    changed = stored.state.model_copy(update=dict(changes))
    # One that was declared different long ago may have moved out of the caller's sight.
    await _check_known(repositories, caller, set(changed.not_duplicate_of) - set(stored.state.not_duplicate_of))
    if changes.keys() & {"name", "phone", "tax_id", "not_duplicate_of"}:
        await _check_alone(repositories, caller, changed)

    def decide(customer: Customer, day: date) -> tuple[Customer, Happened | None]:
        return model.update(customer, changes, at, day)

    try:
        return await _change(repositories, caller, command, customer_id, office, at, decide)
    except DuplicateKey:
        raise await _lost_race(repositories, caller, changed) from None


async def step(
    repositories: Repositories, caller: Caller, command: Command, customer_id: str, at: datetime, decide: Decide
) -> Stored[Customer]:
    """A step of the customer's life, or a change of its contacts, by the calendar of its office.

    Raises NotFound, Stale, and what the model refuses.
    """
    _, office = await _open(repositories, caller, customer_id)
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

    Raises Forbidden, NotFound, Stale, Invalid (unknown_person, no_office), NotPossible (past_entry).
    """
    _, office = await _open(repositories, caller, customer_id)
    entry = await _ownership(repositories, owner, valid_from)
    rights.may_give_to(caller, entry)
    today = office.business_date(clock.now())

    def decide(customer: Customer, _: date) -> tuple[Customer, Happened | None]:
        return model.assign(customer, entry, at, today, any_past=any_past(caller))

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


async def ordered(
    repositories: Repositories, command: Command, customer_id: str, order: model.Confirmed
) -> Stored[Customer]:
    """What the bus tells of a confirmed order of this customer. Raises NotFound."""
    return await repositories.customers.change(
        customer_id, BUS, lambda customer: model.ordered(customer, order), command
    )


async def _open(repositories: Repositories, caller: Caller, customer_id: str) -> tuple[Stored[Customer], Office]:
    stored = await repositories.customers.get(customer_id, within(caller))
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

    return await repositories.customers.change(customer_id, within(caller), dated, command)


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


async def _check_alone(repositories: Repositories, caller: Caller, customer: Customer) -> None:
    """Raises Conflict where there is such a customer already."""
    if (conflict := await _duplicate(repositories, caller, customer)) is not None:
        raise conflict


async def _lost_race(repositories: Repositories, caller: Caller, customer: Customer) -> Conflict:
    """Somebody else entered the same customer in between; the unique index let one of them in."""
    return await _duplicate(repositories, caller, customer) or Conflict(
        "busy", "Somebody else enters the same customer: try again.", "有人正在录入同一客户:请稍后再试。"
    )


async def _duplicate(repositories: Repositories, caller: Caller, customer: Customer) -> Conflict | None:
    """The refusal that names the customers it may be taken for, as far as the caller may see them."""
    marks = likenesses(customer.name, customer.phone, customer.tax_id)
    alike = await repositories.customers.find(LIKE, {"keys.likenesses": {"$in": marks}, "_id": {"$ne": customer.id}})
    declared = set(customer.not_duplicate_of)
    tax = tax_key(customer.tax_id)

    def one_person(other: Customer) -> bool:
        return tax is not None and tax_key(other.tax_id) == tax

    # Whoever was declared different from this one is so in both directions.
    found = [
        stored.state
        for stored in alike
        if one_person(stored.state)
        or (stored.state.id not in declared and customer.id not in stored.state.not_duplicate_of)
    ]
    if not found:
        return None
    scope = within(caller)
    seen = [other for other in found if scope.allows(other.owner, other.office, other.region)]
    return Conflict(
        "duplicate_customer",
        *_advice(taxed=any(one_person(other) for other in found), seen=bool(seen), unseen=len(seen) < len(found)),
        candidates=[{"id": other.id, "name": other.name, "owner": other.owner} for other in seen],
        elsewhere=len(seen) < len(found),
    )


def _advice(*, taxed: bool, seen: bool, unseen: bool) -> tuple[str, str]:
    """What to do about a duplicate, in English and Chinese."""
    en, zh = ["Such a customer exists."], ["已有相同客户。"]
    if seen:
        en.append("Open one of the candidates instead.")
        zh.append("请打开候选客户。")
        if not taxed:
            en.append("If yours is a different one, send not_duplicate_of with the candidates' ids.")
            zh.append("如确为不同客户,请在 not_duplicate_of 中填写候选客户的编号。")
    if taxed:
        en.append("A tax id belongs to one customer only: correct it if it is wrong.")
        zh.append("一个税号只能属于一个客户:如税号有误请更正。")
    if unseen:
        en.append("One lies outside your area: ask your supervisor.")
        zh.append("其中有客户不在您的范围内:请联系您的主管。")
    return " ".join(en), "".join(zh)
