"""What all routes of this service share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Path, Request
from pydantic import AfterValidator, StringConstraints

from chassis import clock, money
from chassis.aggregate import Command
from chassis.entries import Entry, any_past, author, imported, on_behalf
from chassis.identity import Caller
from contracts.backdating import business_date, check_time, instant
from contracts.envelope import Imported
from contracts.money import Money
from contracts.orders import Step
from contracts.staff import Office, Posting
from orders import rights
from orders.repositories import Repositories

RecordId = Annotated[str, Path(max_length=200)]


def _currency(code: str) -> str:
    money.decimals(code)
    return code


def _amount(amount: Money) -> Money:
    _currency(amount.currency)
    if not 0 <= amount.minor <= money.LARGEST:
        raise ValueError(f"An amount lies between 0 and {money.LARGEST} minor units.")
    return amount


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]
Amount = Annotated[Money, AfterValidator(_amount)]
"""An amount that is not negative, in a currency that there is."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what was asked for, and when: the same for every command.

    by: whose act it is; at: when it happened, UTC in whole seconds; speaks_for: the posting on that day of the person
    for whom a clerk enters it.
    """

    caller: Caller
    command: Command
    by: str
    at: datetime
    now: datetime
    speaks_for: Posting | None = None
    imported: Imported | None = None

    def step(self, office: Office) -> Step:
        """The act as a step of an order of that office. Raises NotPossible for a day too far back."""
        day = business_date(office, self.at, self.now, any_past=any_past(self.caller))
        return Step(at=self.at, business_date=day, by=self.by)


def repositories(request: Request) -> Repositories:
    return request.app.state.repositories


async def act(request: Request, caller: Caller, command: Command, body: Entry) -> Act:
    """Raises Forbidden for an import or an entry for somebody else that the caller may not make, NotPossible for
    what has not happened yet."""
    now = clock.now()
    at = instant(body.occurred_at, now)
    check_time(at, now)
    posting = await rights.speaks_for(repositories(request).known, caller, body, at)
    return Act(caller, on_behalf(command, body), author(caller, body), at, now, posting, imported(caller, body))
