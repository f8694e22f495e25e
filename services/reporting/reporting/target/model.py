"""A person's sales target for a month: publish and revise. Pure."""

from __future__ import annotations

from datetime import date, datetime

from contracts.envelope import Happened, Imported
from contracts.money import Money
from contracts.refusals import NotPossible
from contracts.reporting import Target, TargetEvent, days_of
from contracts.staff import Person, Posting
from reporting.target.spread import History, spread


def first_posting(person: Person, month: str) -> tuple[date, Posting] | None:
    """The first day of the month on which the person works in an office, and their posting on that day.

    Where they work in none all month, the first day on which they are on the roster; None where they are not.
    """
    found = [(day, posting) for day in days_of(month) if (posting := person.posting_on(day)) is not None]
    return next((each for each in found if each[1].office is not None), found[0] if found else None)


def publish(
    *,
    target_id: str,
    person: Person,
    office: str,
    region: str,
    month: str,
    amount: Money,
    history: History,
    at: datetime,
    day: date,
    now: datetime,
    imported: Imported | None = None,
) -> tuple[Target, Happened]:
    """A new target, spread over the person's working days in that month (target/spread.py).

    at, day: when it was set, and for which day that counts; now: when it is recorded. Raises NotPossible when the
    amount is not a positive one (a target must be measurable, L31), or when the person has no working day.
    """
    _measurable(amount)
    target = Target(
        id=target_id,
        person=person.id,
        month=month,
        amount=amount,
        owner=person.id,
        office=office,
        region=region,
        set_at=now,
        imported=imported,
    )
    return _with_working_days(_spread(target, history)), Happened(TargetEvent.PUBLISHED, at, day)


def revise(
    target: Target,
    *,
    amount: Money,
    history: History,
    at: datetime,
    day: date,
    now: datetime,
    imported: Imported | None = None,
) -> tuple[Target, Happened | None]:
    """Another amount in the same currency: it holds for the whole month, and is spread by what is known now.

    Nothing happens when it is the same amount. Raises NotPossible for another currency, for an amount that is not
    positive, and when the person has no working day.
    """
    _measurable(amount)
    if amount.currency != target.amount.currency:
        raise NotPossible(
            "other_currency",
            f"This target is in {target.amount.currency}: publish another one for {amount.currency}.",
            f"此目标以 {target.amount.currency} 计:请为 {amount.currency} 另行发布目标。",
            field="amount",
        )
    if amount == target.amount and target.set_at is not None:
        return target, None
    revised = target.model_copy(update={"amount": amount, "set_at": now, "imported": imported or target.imported})
    return _with_working_days(_spread(revised, history)), Happened(TargetEvent.REVISED, at, day)


def respread(target: Target, *, history: History, now: datetime, day: date) -> tuple[Target, Happened | None]:
    """The same amount, spread by what is known now; nothing happens where no share moves.

    Targets of before their shares were kept stay as they are until they are revised.
    """
    if target.set_at is None:
        return target, None
    spread_again = _spread(target, history)
    if spread_again == target:
        return target, None
    return spread_again, Happened(TargetEvent.RESPREAD, now, day)


def _spread(target: Target, history: History) -> Target:
    if target.set_at is None:
        raise ValueError("a target without set_at")
    found = spread(target.amount.minor, target.month, target.set_at, history)
    unspread = Money(minor=found.unspread, currency=target.amount.currency) if found.unspread else None
    shares = {"spans": found.spans, "workdays": found.workdays, "unspread": unspread, "changes": found.changes}
    if found.spans:
        shares |= {"office": found.spans[0].office, "region": found.spans[0].region}
    return target.model_copy(update=shares)


def _with_working_days(target: Target) -> Target:
    if target.unspread is not None:
        raise NotPossible(
            "no_working_day",
            f"This person has no working day in an office in {target.month}: choose another month, or correct their"
            " posting or the office's calendar first.",
            f"此人在 {target.month} 没有任何办事处工作日:请选择其他月份,或先更正其任职或办事处日历。",
            field="month",
        )
    return target


def _measurable(amount: Money) -> None:
    if amount.minor <= 0:
        raise NotPossible("not_measurable", "A target is an amount above zero.", "目标金额必须大于零。", field="amount")
