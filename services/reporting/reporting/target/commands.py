"""Publish and revise targets: load, decide, save."""

from __future__ import annotations

from datetime import date, datetime

from chassis import clock
from chassis.aggregate import Command, Repository, Stored
from chassis.entries import IMPORT, Entry, any_past, import_right_needed
from chassis.identity import Caller
from chassis.money import LARGEST, decimals
from chassis.mongo import DuplicateKey, duplicate_field
from chassis.problems import Conflict, Forbidden, Invalid, NotFound
from chassis.scope import Scope, everything, within
from contracts.backdating import business_date, instant
from contracts.envelope import Happened, Imported
from contracts.money import Money
from contracts.reporting import Target
from contracts.staff import Office, Person
from reporting.organisation import Organisation
from reporting.target import model

SETTERS = frozenset({"office_head", "regional_supervisor", "top_manager", "administrator"})


def may_set(caller: Caller) -> None:
    """Raises Forbidden for those who are given targets and do not set them."""
    if caller.role not in SETTERS and not caller.may(IMPORT):
        raise Forbidden(
            "may_not_set_targets",
            "Targets are set by office heads, regional supervisors and top managers.",
            "目标由办事处主任、区域主管或高层主管设定。",
        )


def reach(caller: Caller) -> Scope:
    """Where the caller may write: an import is for anybody, everybody else writes what they see."""
    return everything("an import is for anybody") if caller.may(IMPORT) else within(caller)


def may_speak_for(caller: Caller, body: Entry) -> None:
    """Raises Forbidden for an entry in somebody else's name that is no import: who sets a target answers for it."""
    if body.on_behalf_of not in (None, caller.person) and not caller.may(IMPORT):
        raise import_right_needed("on_behalf_of")


async def publish(
    targets: Repository[Target],
    organisation: Organisation,
    caller: Caller,
    command: Command,
    *,
    target_id: str,
    person_id: str,
    month: str,
    amount: Money,
    occurred_at: datetime | None,
    imported: Imported | None = None,
) -> Stored[Target]:
    """A new target for somebody within the caller's scope.

    Raises Forbidden, Invalid (unknown_person, no_office, no_currency, amount_out_of_range), Conflict (target_exists),
    NotPossible (not_measurable, no_working_day, too_far_back, in_the_future).
    """
    may_set(caller)
    if (stored := await targets.repeated(target_id, reach(caller), command)) is not None:
        return stored
    _payable(amount)
    person, office, region = await _place(organisation, person_id, month)
    if not reach(caller).allows(person.id, office.id, region):
        raise unknown_person(person_id, month)
    at, day = _when(caller, office, occurred_at)
    target, happened = model.publish(
        target_id=target_id,
        person=person,
        office=office.id,
        region=region,
        month=month,
        amount=amount,
        history=await organisation.history_of(person.id),
        at=at,
        day=day,
        now=clock.now(),
        imported=imported,
    )
    try:
        return await targets.create(target, happened, command, reach(caller))
    except DuplicateKey as error:
        if duplicate_field(error) == "_id":
            raise
        standing = await targets.find(within(caller), {"person": person.id, "month": month}, limit=10)
        known = [s.state.id for s in standing if s.state.amount.currency == amount.currency]
        raise Conflict(
            "target_exists",
            f"There is a target in {amount.currency} for this person and month: revise it.",
            f"此人该月已有 {amount.currency} 目标:请修订原目标。",
            target=known[0] if known else None,
        ) from None


async def revise(
    targets: Repository[Target],
    organisation: Organisation,
    caller: Caller,
    command: Command,
    *,
    target_id: str,
    amount: Money,
    occurred_at: datetime | None,
    imported: Imported | None = None,
) -> Stored[Target]:
    """Another amount.

    Raises Forbidden, NotFound, Stale, Invalid (amount_out_of_range), NotPossible (other_currency, not_measurable,
    no_working_day, too_far_back, in_the_future).
    """
    may_set(caller)
    scope = within(caller)
    before = (await targets.get(target_id, scope)).state
    office = await organisation.offices.get(before.office)
    if office is None:  # it was known when the target was published
        raise NotFound()
    _payable(amount)
    at, day = _when(caller, office, occurred_at)
    history, now = await organisation.history_of(before.person), clock.now()

    def decide(target: Target) -> tuple[Target, Happened | None]:
        return model.revise(target, amount=amount, history=history, at=at, day=day, now=now, imported=imported)

    return await targets.change(target_id, scope, decide, command)


def _when(caller: Caller, office: Office, occurred_at: datetime | None) -> tuple[datetime, date]:
    """When it was set, and the office's day of that. Raises NotPossible."""
    now = clock.now()
    at = instant(occurred_at, now)
    return at, business_date(office, at, now, any_past=any_past(caller))


def _payable(amount: Money) -> None:
    """Raises Invalid for a code that is no currency, or more than a reader of JSON can hold."""
    try:
        decimals(amount.currency)
    except ValueError:
        raise Invalid(
            "no_currency",
            f"{amount.currency} is no currency: use a code of ISO 4217 such as CNY.",
            f"{amount.currency} 不是有效币种:请使用 ISO 4217 代码,例如 CNY。",
            field="amount.currency",
        ) from None
    if amount.minor > LARGEST:
        raise Invalid(
            "amount_out_of_range",
            f"A target is at most {LARGEST} minor units.",
            f"目标金额最多为 {LARGEST}(最小货币单位)。",
            field="amount.minor",
        )


async def _place(organisation: Organisation, person_id: str, month: str) -> tuple[Person, Office, str]:
    """The person, their office and its region in that month. Raises Invalid."""
    person = await organisation.people.get(person_id)
    found = model.first_posting(person, month) if person else None
    if person is None or found is None:
        raise unknown_person(person_id, month)
    first_day, posting = found
    office = await organisation.offices.get(posting.office) if posting.office else None
    if office is None:
        raise Invalid(
            "no_office",
            "A sales target belongs to somebody who works in an office in that month.",
            "销售目标只能设给该月在办事处任职的人员。",
            field="person",
        )
    return person, office, office.region_on(first_day)


def unknown_person(person_id: str, month: str) -> Invalid:
    return Invalid(
        "unknown_person",
        f"Nobody with the id {person_id} is known here in {month}; if just registered, try again shortly.",
        f"{month} 未找到编号为 {person_id} 的人员;如刚刚登记,请稍后再试。",
        field="person",
    )
