"""The HTTP door of batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import orjson
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, model_validator

from chassis import ids
from chassis.aggregate import Command, Stored
from chassis.entries import Entry, Id, NewId, record_id
from chassis.fields import BodyPart, Instant
from chassis.free_form import from_pairs
from chassis.http.route import BODY_LIMIT, takes
from chassis.identity import CallerDep
from chassis.problems import language
from chassis.service import CommandDep, routes
from contracts.backdating import instant
from contracts.visits import VisitStatus
from visits.batch import commands, queries
from visits.batch.commands import Answer, Kind, Said
from visits.call import commands as calls
from visits.call.api import NewCall
from visits.doors import Act, act, repositories
from visits.repositories import Repositories
from visits.visit import api as visit
from visits.visit import commands as visits

router = routes("batches")

MOST = 500
"""Commands of one batch: a week without a network."""

Name = Literal[
    "unplanned", "check_in", "check_out", "completion", "not_met", "cancellation", "move", "cost", "correction", "call"
]


async def _unplanned(repositories: Repositories, doing: Act, visit_id: str, body: visit.Unplanned) -> Stored[Any]:
    declared = {} if body.check_in is None else {"declared": _declared(doing, body, body.check_in.declared)}
    chosen = visit_id or record_id(body, doing.command, "visits")
    return await visits.unplanned(repositories, doing, chosen, **{**body.said(), **declared})


async def _check_in(repositories: Repositories, doing: Act, visit_id: str, body: visit.Present) -> Stored[Any]:
    return await visits.check_in(repositories, doing, visit_id, **_by_device(doing, body))


async def _check_out(repositories: Repositories, doing: Act, visit_id: str, body: visit.CheckOut) -> Stored[Any]:
    return await visits.check_out(repositories, doing, visit_id, **_by_device(doing, body))


async def _complete(repositories: Repositories, doing: Act, visit_id: str, body: visit.Completion) -> Stored[Any]:
    return await visits.complete(repositories, doing, visit_id, **_by_device(doing, body))


async def _not_met(repositories: Repositories, doing: Act, visit_id: str, body: visit.NotMet) -> Stored[Any]:
    return await visits.not_met(repositories, doing, visit_id, **_by_device(doing, body))


async def _cancel(repositories: Repositories, doing: Act, visit_id: str, body: visit.Cancellation) -> Stored[Any]:
    return await visits.cancel(repositories, doing, visit_id, **body.said())


async def _move(repositories: Repositories, doing: Act, visit_id: str, body: visit.Move) -> Stored[Any]:
    return await visits.move(repositories, doing, visit_id, **body.said())


async def _cost(repositories: Repositories, doing: Act, visit_id: str, body: visit.Cost) -> Stored[Any]:
    return await visits.cost(repositories, doing, visit_id, **body.said())


async def _correct(repositories: Repositories, doing: Act, visit_id: str, body: visit.Correction) -> Stored[Any]:
    return await visits.correct(repositories, doing, visit_id, body.said())


async def _call(repositories: Repositories, doing: Act, _: str, body: NewCall) -> Stored[Any]:
    return await calls.log(repositories, doing, record_id(body, doing.command, "calls"), **body.said())


KINDS: Mapping[str, Kind] = {
    "unplanned": Kind(visit.Unplanned, _unplanned, waits=False),
    "check_in": Kind(visit.Present, _check_in),
    "check_out": Kind(visit.CheckOut, _check_out),
    "completion": Kind(visit.Completion, _complete),
    "not_met": Kind(visit.NotMet, _not_met),
    "cancellation": Kind(visit.Cancellation, _cancel),
    "move": Kind(visit.Move, _move),
    "cost": Kind(visit.Cost, _cost),
    "correction": Kind(
        visit.Correction,
        _correct,
        before=frozenset({VisitStatus.PLANNED, VisitStatus.EXCUSED, VisitStatus.CHECKED_IN}),
        versioned=True,
    ),
    "call": Kind(NewCall, _call, waits=False),
}
"""What a batch may say; each as its own route takes it."""


class OneCommand(BodyPart):
    """`body` is what the command's own route takes, without `occurred_at`."""

    id: NewId = Field(description="A UUID of the client's: the command is done once under it.")
    command: Name
    visit: Id | None = Field(None, description="The visit; of an unplanned one, the id it is to have.")
    occurred_at: Instant
    body: dict[str, Any] = {}
    if_match: int | None = Field(
        None, ge=1, le=10**12, description="The version of the record that it was decided on; a correction needs it."
    )
    after: NewId | None = Field(
        None,
        description="Instead of if_match: the id of the caller's command on whose result it builds. It waits for that "
        "one, and is refused as stale where the record has changed since.",
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.visit is None and self.command not in ("unplanned", "call"):
            raise ValueError("Name the visit.")
        if self.visit is not None and self.command == "unplanned" and not ids.is_id(self.visit):
            raise ValueError("The visit's id is a UUID in lower case.")
        if self.if_match is not None and self.after is not None:
            raise ValueError("Give if_match or after, not both.")
        return self


class Batch(BodyPart):
    commands: Annotated[list[OneCommand], Field(min_length=1, max_length=MOST)]


@router.post("/visits/batch", summary="Send what was done without a network")
@takes(most_bytes=8 * BODY_LIMIT, most_values=100_000)
async def take(request: Request, caller: CallerDep, command: CommandDep, body: Batch) -> Response:
    """A verdict for each command: done, already_done, refused with its problem, or held until what it builds on comes.

    They are done in the order of `occurred_at`. The batch may be sent again, whole or in part: nothing is done twice.
    Commands held before that are done or refused now are answered, too, after those of the batch. At most 500 commands
    of a caller are held, for 14 days; what finds no room is refused with `too_many_held`. A correction, and a cost that
    replaces one, say in `if_match` or `after` what they were decided on.
    """

    async def begin(own: Command, entry: Entry) -> Act:
        return await act(request, caller, own, entry)

    said = [
        Said(
            one.id,
            one.command,
            instant(one.occurred_at, one.occurred_at),
            one.visit or "",
            one.body,
            one.if_match,
            one.after,
        )
        for one in body.commands
    ]
    answers = await commands.take(repositories(request), caller, command, KINDS, said, begin)
    chosen = language(request.headers.get("accept-language"))
    results = [_shown(answer, chosen) for answer in answers]
    return Response(orjson.dumps({"results": results}), media_type="application/json")


@router.get("/visits/batch/held", summary="Commands that wait for another one")
async def held(request: Request, caller: CallerDep) -> Response:
    """The caller's own, oldest first, and how many may wait at most. Each is tried with the next batch after its visit
    has moved."""
    chinese = language(request.headers.get("accept-language")) == "zh-CN"
    items = [
        {
            "id": document["id"],
            "command": document["command"],
            "visit": document["visit"] or None,
            "occurred_at": document["occurred_at"],
            "since": document["since"],
            "body": from_pairs(document["body"]),
            "code": document["problem"]["code"],
            "detail": document["problem"]["zh" if chinese else "en"],
        }
        for document in await queries.held(repositories(request), caller)
    ]
    body = {"items": items, "limit": commands.HELD_MOST}
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json")


def _by_device(doing: Act, body: visit.Present) -> dict[str, Any]:
    return {**body.said(), "declared": _declared(doing, body, body.declared)}


def _declared(doing: Act, body: Entry, said: bool | None) -> bool | None:
    """A presence of a batch was noted by the device at the time, unless it says otherwise or a clerk enters it."""
    if body.on_behalf_of is not None and not doing.any_past:
        return said or None
    return said if said is not None or body.on_behalf_of is not None else False


def _shown(answer: Answer, chosen: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": answer.said.id, "command": answer.said.command, "verdict": answer.verdict}
    if answer.record is not None:
        shown |= {"record": answer.record, "version": answer.version}
    if answer.problem is not None:
        shown["problem"] = answer.problem.body(chosen)
    return shown
