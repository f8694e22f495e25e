"""Who may open and decide on somebody's form: those of the reporting line, and deputies from wherever they work.

The caller's scope alone is too narrow: a deputy may work in another office, or see own rows only. So the form is
loaded first and given out, or decided on, only where the scope or the line says so; anybody else finds nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from chassis.aggregate import Repository, Stored
from chassis.entries import IMPORT
from chassis.identity import Caller
from chassis.problems import Forbidden, NotFound
from chassis.scope import everything, within
from contracts.visits import Owned
from visits import rights
from visits.doors import Act
from visits.line import Signer
from visits.repositories import Repositories

F = TypeVar("F", bound=Owned)

_LINE = "the reporting line decides who opens it, below"


async def readable(
    repositories: Repositories, repository: Repository[F], caller: Caller, form_id: str, at: datetime
) -> Stored[F]:
    """A form that the caller sees, or may sign at that instant. Raises Forbidden for the owner role, NotFound."""
    rights.may_read(caller)
    stored = await repository.get(form_id, everything(_LINE))
    form = stored.state
    if not within(caller).allows(form.owner, form.office, form.region):
        today = (await repositories.known.office(form.office)).business_date(at)
        try:
            await repositories.line.signer(caller, form.owner, today)
        except Forbidden:
            raise NotFound() from None
    return stored


async def to_decide(
    repositories: Repositories, repository: Repository[F], act: Act, form_id: str
) -> tuple[Stored[F], Signer]:
    """The form, and the caller as somebody who may decide on it; for an import, the person that it names.

    Raises NotFound for who may not even see it, Forbidden (own_form, outside_reporting_line, person_needed).
    """
    rights.may_read(act.caller)
    stored = await repository.get(form_id, everything(_LINE))
    form = stored.state
    today = (await repositories.known.office(form.office)).business_date(act.at)
    imports = act.caller.may(IMPORT) and act.person is not None
    speaker = replace(act.caller, person=act.person.id) if imports and act.person else act.caller
    try:
        return stored, await repositories.line.signer(speaker, form.owner, today)
    except Forbidden:
        if not rights.reach(act.caller).allows(form.owner, form.office, form.region):
            raise NotFound() from None
        raise
