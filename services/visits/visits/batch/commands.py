"""Many commands of one person in one request (domain.md A9 row 50): each with its own id and time, in any order.

They are done in the order in which they happened. A command that waits for another one, such as a check-out whose
check-in has not come yet, is held and tried again with the person's next batch. Replaying a batch changes nothing:
what a command has done is remembered under its id, in the record that it changed and here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from pydantic import ValidationError

from chassis import clock
from chassis.aggregate import Command, Stored
from chassis.entries import Entry
from chassis.identity import Caller
from chassis.mongo import Collection
from chassis.problems import Conflict, NotFound, Problem, of_model, of_validation
from contracts.refusals import NotPossible, WrongState
from contracts.visits import VisitStatus
from visits.doors import Act
from visits.repositories import Repositories

HELD_FOR = timedelta(days=14)
"""After that nothing will come any more for which a command could wait."""

Begin = Callable[[Command, Entry], Awaitable[Act]]


class Verdict(StrEnum):
    DONE = "done"
    ALREADY_DONE = "already_done"
    REFUSED = "refused"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of command: what its body is, and what it does with the record of that id.

    waits: it may come before the command that it builds on, while the visit is unknown or in one of `before`.
    """

    body: type[Entry]
    work: Callable[[Repositories, Act, str, Any], Awaitable[Stored[Any]]]
    waits: bool = True
    before: frozenset[VisitStatus] = frozenset({VisitStatus.PLANNED, VisitStatus.MISSED})


@dataclass(frozen=True, slots=True)
class Said:
    """One command as the client says it. id: the client's own, under which it is done once."""

    id: str
    command: str
    occurred_at: datetime
    visit: str
    body: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        said = orjson.dumps(
            [self.command, self.occurred_at, self.visit, self.body], option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
        )
        return hashlib.blake2b(said, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one command. version: of the record, where it was done."""

    said: Said
    verdict: Verdict
    record: str | None = None
    version: int | None = None
    problem: Problem | None = None


class Book:
    """What the batches of a person have done, and what they hold: `{_id, owner, verdict, ...}` in `batch_commands`."""

    def __init__(self, repositories: Repositories, caller: Caller) -> None:
        self._collection: Collection = repositories.database["batch_commands"]
        self._whose = caller.id

    async def known(self, said: Sequence[Said]) -> dict[str, dict[str, Any]]:
        keys = [self._key(one.id) for one in said]
        found = await self._collection.find({"_id": {"$in": keys}}).to_list(None)
        return {document["id"]: document for document in found}

    async def held(self) -> list[dict[str, Any]]:
        """Those that wait, in the order in which they happened."""
        where = {"whose": self._whose, "verdict": Verdict.HELD}
        return await self._collection.find(where).sort([("occurred_at", 1), ("_id", 1)]).to_list(None)

    async def note(self, answer: Answer, since: datetime) -> None:
        said = answer.said
        if answer.verdict == Verdict.REFUSED:
            await self._collection.delete_one({"_id": self._key(said.id), "verdict": Verdict.HELD})
            return
        problem = answer.problem
        await self._collection.update_one(
            {"_id": self._key(said.id)},
            {
                "$set": {
                    "id": said.id,
                    "whose": self._whose,
                    "command": said.command,
                    "occurred_at": said.occurred_at,
                    "visit": said.visit,
                    "body": dict(said.body),
                    "fingerprint": said.fingerprint,
                    "verdict": answer.verdict.value,
                    "record": answer.record,
                    "version": answer.version,
                    "problem": None if problem is None else {"code": problem.code, "en": problem.en, "zh": problem.zh},
                },
                "$setOnInsert": {"since": since},
            },
            upsert=True,
        )

    def _key(self, command_id: str) -> str:
        return f"{self._whose}:{command_id}"


async def take(
    repositories: Repositories,
    caller: Caller,
    command: Command,
    kinds: Mapping[str, Kind],
    commands: Sequence[Said],
    begin: Begin,
) -> list[Answer]:
    """What became of each command, in the order in which they were said; then of those held before that are done now.

    begin: makes an act of a command and its body, as every door does.
    """
    book, now = Book(repositories, caller), clock.now()
    held = {document["id"]: document for document in await book.held()}
    known = await book.known(commands)
    answers: dict[str, Answer] = {}
    waiting: list[Said] = []
    for said in commands:
        before = known.get(said.id)
        if said.id in answers or any(one.id == said.id for one in waiting):
            continue
        if before is not None and before["fingerprint"] != said.fingerprint:
            answers[said.id] = Answer(said, Verdict.REFUSED, problem=_reused(said.id))
        elif before is not None and before["verdict"] != Verdict.HELD:
            answers[said.id] = Answer(said, Verdict.ALREADY_DONE, before["record"], before["version"])
        else:
            waiting.append(said)
    waiting += [_held(document) for key, document in held.items() if all(one.id != key for one in waiting)]
    waiting.sort(key=lambda said: said.occurred_at)
    progress = True
    while waiting and progress:
        progress, again = False, []
        for said in waiting:
            answer = await _do(repositories, caller, command, kinds[said.command], said, begin)
            since = held[said.id]["since"] if said.id in held else now
            if answer.verdict == Verdict.HELD and now - since > HELD_FOR:
                answer = replace(answer, verdict=Verdict.REFUSED)
            if answer.verdict == Verdict.HELD:
                again.append(said)
            progress |= answer.verdict == Verdict.DONE
            answers[said.id] = answer
            await book.note(answer, since)
        waiting = again
    asked = [answers[said.id] for said in commands]
    asked_for = {said.id for said in commands}
    return asked + [
        answer for key, answer in answers.items() if key not in asked_for and answer.verdict != Verdict.HELD
    ]


async def _do(
    repositories: Repositories, caller: Caller, command: Command, kind: Kind, said: Said, begin: Begin
) -> Answer:
    own = replace(command, key=f"{caller.id}:{said.id}", fingerprint=said.fingerprint, expected=None)
    try:
        body = kind.body.model_validate({**said.body, "occurred_at": said.occurred_at})
        act = await begin(own, body)
        stored = await kind.work(repositories, act, said.visit, body)
    except ValidationError as error:
        return Answer(said, Verdict.REFUSED, problem=of_validation(error.errors()))
    except NotFound as problem:
        return Answer(said, Verdict.HELD if kind.waits else Verdict.REFUSED, problem=problem)
    except Problem as problem:
        if problem.status == 503:
            raise  # nothing is wrong with the command: the client sends the batch again
        return Answer(said, Verdict.REFUSED, problem=problem)
    except NotPossible as refusal:
        verdict = Verdict.HELD if _waits(kind, refusal) else Verdict.REFUSED
        return Answer(said, verdict, problem=of_model(refusal))
    return Answer(said, Verdict.DONE, stored.state.id, stored.version)


def _waits(kind: Kind, refusal: NotPossible) -> bool:
    """Whether the command builds on one, such as a check-in, that has not come yet."""
    return kind.waits and isinstance(refusal, WrongState) and refusal.extras.get("state") in kind.before


def _held(document: Mapping[str, Any]) -> Said:
    return Said(document["id"], document["command"], document["occurred_at"], document["visit"], document["body"])


def _reused(command_id: str) -> Conflict:
    return Conflict(
        "idempotency_key_reused",
        f"The id {command_id} was used for another command: make a new one for each command.",
        f"编号 {command_id} 已用于另一个命令:每个命令请使用新的编号。",
    )
