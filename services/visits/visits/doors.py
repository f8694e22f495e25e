"""What all routes of this service share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import Path, Request

from chassis import clock
from chassis.aggregate import Command
from chassis.entries import Entry, any_past, author, imported, on_behalf
from chassis.identity import Caller
from contracts.backdating import business_date, check_time, instant
from contracts.envelope import Imported
from contracts.staff import Office, Person
from contracts.steps import Step
from contracts.visits import Submission
from visits import rights
from visits.known import Place
from visits.repositories import Repositories

RecordId = Annotated[str, Path(max_length=200)]


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what was asked for, and when: the same for every command.

    by: whose act it is; at: when it happened, UTC in whole seconds; person: whose form it is, the caller's own
    or that of the person a clerk enters it for (both names are kept: the event's actor and on_behalf_of).
    """

    caller: Caller
    command: Command
    by: str
    at: datetime
    now: datetime
    person: Person | None = None
    imported: Imported | None = None

    @property
    def any_past(self) -> bool:
        return any_past(self.caller)

    @property
    def recorded_at(self) -> datetime:
        """When it came here: the server's time, UTC in whole seconds."""
        return instant(None, self.now)

    @property
    def arrived_at(self) -> datetime:
        """The same; of an import, which brings what happened long ago, when it is said to have happened."""
        return self.at if self.any_past else self.recorded_at

    def recorded(self, step: Step) -> Submission:
        """A step of this act with both times: when it is said to have happened, and when it came here."""
        return Submission(**dict(step), recorded_at=self.recorded_at)

    def step(self, office: Office) -> Step:
        """The act as a step that counts for the office's day. Raises NotPossible for a day too far back."""
        day = business_date(office, self.at, self.now, any_past=self.any_past)
        return Step(at=self.at, business_date=day, by=self.by)

    def step_on(self, day: date) -> Step:
        """The act as a step of a record whose business date has been checked already."""
        return Step(at=self.at, business_date=day, by=self.by)


def repositories(request: Request) -> Repositories:
    return request.app.state.repositories


async def act(request: Request, caller: Caller, command: Command, body: Entry) -> Act:
    """Raises Forbidden for an import or an entry for somebody else that the caller may not make, NotPossible for
    what has not happened yet."""
    now = clock.now()
    at = instant(body.occurred_at, now)
    check_time(at, now)
    person = await rights.whose(repositories(request).known, caller, body, at)
    return Act(caller, on_behalf(command, body), author(caller, body), at, now, person, imported(caller, body))


async def place(request: Request, acting: Act, day: date | None = None) -> Place:
    """Where the person whose form it is works: on that business date, or on that of the act.

    Raises Forbidden (person_needed), Invalid (no_office).
    """
    person = rights.needed(acting.person)
    known = repositories(request).known
    return await known.at(person, acting.at) if day is None else await known.on(person, day)
