"""Log and correct phone calls: load, decide, save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chassis import ids
from chassis.aggregate import Decision, Stored
from chassis.problems import Conflict, NotFound
from chassis.scope import everything
from contracts.backdating import business_date, check_time, instant
from contracts.visits import Call, Direction
from visits import rights
from visits.backdated import check_day
from visits.call import model
from visits.doors import Act
from visits.repositories import Repositories

_ONCE = everything("a call is logged once, whoever logs it")


async def log(
    repositories: Repositories,
    act: Act,
    call_id: str,
    *,
    direction: Direction,
    started_at: datetime,
    seconds: int,
    customer: str | None = None,
    contact_name: str | None = None,
    result: str | None = None,
    external_id: str | None = None,
) -> Stored[Call]:
    """A call of the day on which it began (V-14).

    With an `external_id` the call has an id of its own, by the office and that id: the same call again, whoever
    brings it, is answered with what is there. Raises Invalid (unknown_customer, no_office), NotPossible, Conflict
    (call_of_another: it is logged already, for somebody else; id_taken).
    """
    began = instant(started_at, act.now)
    check_time(began, act.now, field="started_at")
    place = await repositories.known.at(rights.needed(act.person), began)
    command = act.command
    if external_id is not None:
        call_id = ids.derived_id("calls", f"{place.office.id}\x1f{external_id}")
        # Whatever else is said of it, it is the same call.
        command = replace(command, key=None, fingerprint=call_id)
        for stored in await repositories.calls.find(_ONCE, {"_id": call_id}):
            _of_the_same(stored.state, place.person.id)
            if not rights.reach(act.caller).allows(stored.state.owner, stored.state.office, stored.state.region):
                raise NotFound()
            return stored
    elif (stored := await repositories.calls.repeated(call_id, rights.reach(act.caller), command)) is not None:
        return stored
    business_date(place.office, began, act.now, any_past=act.any_past)
    theirs = await rights.customers_of(repositories.known, act.caller, place.person.id, place.day)
    known = await repositories.known.customer(customer, *theirs) if customer else None
    call = Call.model_validate(
        {
            **place.owned,
            "id": call_id,
            "imported": act.imported,
            "direction": direction,
            "customer": customer,
            "customer_name": known.name if known else None,
            "contact_name": contact_name,
            "started_at": began,
            "seconds": seconds,
            "result": result,
            "external_id": external_id,
        }
    )
    try:
        stored = await repositories.calls.create(*model.log(call), command, rights.reach(act.caller))
    except NotFound:
        # Somebody else has logged it at the same moment.
        for other in await repositories.calls.find(_ONCE, {"_id": call_id}):
            _of_the_same(other.state, place.person.id)
        raise
    _of_the_same(stored.state, place.person.id)
    return stored


def _of_the_same(call: Call, owner: str) -> None:
    """Raises Conflict (call_of_another) for a call that is somebody else's."""
    if call.owner != owner:
        raise Conflict(
            "call_of_another",
            "This call is logged already, for somebody else.",
            "该通话已登记在其他人员名下。",
        )


async def correct(repositories: Repositories, act: Act, call_id: str, changes: Mapping[str, Any]) -> Stored[Call]:
    """Other details, by the person whose call it is. Raises NotFound, Forbidden (not_your_form), Stale, NotPossible."""

    async def decide(call: Call) -> Decision[Call]:
        rights.own(act.caller, act.person, call.owner)
        check_day(await repositories.known.office(call.office), call.business_date, act)
        said = dict(changes)
        if "customer" in said:
            wanted = said["customer"]
            theirs = await rights.customers_of(repositories.known, act.caller, call.owner, call.business_date)
            known = await repositories.known.customer(wanted, *theirs) if wanted else None
            said["customer_name"] = known.name if known else None
        return model.correct(call, said)

    return await repositories.calls.change(call_id, rights.reach(act.caller), decide, act.command)
