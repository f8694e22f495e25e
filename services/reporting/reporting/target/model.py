"""A person's sales target for a month: publish and revise. Pure."""

from __future__ import annotations

from datetime import date, datetime

from contracts.envelope import Happened, Imported
from contracts.money import Money
from contracts.refusals import NotPossible
from contracts.reporting import Target, TargetEvent, days_of
from contracts.staff import Office, Person, Posting


def posting_in(person: Person, month: str) -> Posting | None:
    """The person's posting on the month's first day, or on the first day of it that they are on the roster."""
    return next((posting for day in days_of(month) if (posting := person.posting_on(day)) is not None), None)


def workdays_of(office: Office, month: str) -> list[int]:
    """The days of the month on which the office works, by its calendar."""
    return [day.day for day in days_of(month) if office.is_workday(day)]


def publish(
    *,
    target_id: str,
    person: Person,
    office: Office,
    region: str,
    month: str,
    amount: Money,
    at: datetime,
    day: date,
    imported: Imported | None = None,
) -> tuple[Target, Happened]:
    """A new target, stamped with where the person works in that month and the office's working days.

    at, day: when it was set, and for which day that counts. Raises NotPossible when the amount is not a positive
    one (a target must be measurable, L31).
    """
    _measurable(amount)
    target = Target(
        id=target_id,
        person=person.id,
        month=month,
        amount=amount,
        owner=person.id,
        office=office.id,
        region=region,
        workdays=workdays_of(office, month),
        imported=imported,
    )
    return target, Happened(TargetEvent.PUBLISHED, at, day)


def revise(
    target: Target, *, office: Office, amount: Money, at: datetime, day: date, imported: Imported | None = None
) -> tuple[Target, Happened | None]:
    """Another amount in the same currency, spread by the office's calendar as it is now.

    Nothing happens when neither changes. Raises NotPossible for another currency or an amount that is not positive.
    """
    _measurable(amount)
    if amount.currency != target.amount.currency:
        raise NotPossible(
            "other_currency",
            f"This target is in {target.amount.currency}: publish another one for {amount.currency}.",
            f"此目标以 {target.amount.currency} 计:请为 {amount.currency} 另行发布目标。",
            field="amount",
        )
    revised = target.model_copy(update={"amount": amount, "workdays": workdays_of(office, target.month)})
    if revised == target:
        return target, None
    return revised.model_copy(update={"imported": imported or target.imported}), Happened(TargetEvent.REVISED, at, day)


def _measurable(amount: Money) -> None:
    if amount.minor <= 0:
        raise NotPossible("not_measurable", "A target is an amount above zero.", "目标金额必须大于零。", field="amount")
