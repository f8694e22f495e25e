"""Many commands of one person in one request (domain.md A9 row 50): each with its own id and time, in any order.

They are done in the order in which they happened. A command that waits for another one, such as a check-out whose
check-in has not come yet, is held. It is tried again only when its visit has moved: by another command of a batch, or
by an event (`touched`), and at most TRIED_MOST of a caller in one batch. So a batch costs what it brings, whatever is
held. Replaying a batch changes nothing: what a command has done is remembered under its id, in the record that it
changed and here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from chassis import clock
from chassis.aggregate import Command, Stored
from chassis.entries import Entry
from chassis.free_form import as_pairs, from_pairs
from chassis.http.json_body import canonical, digest
from chassis.identity import Caller
from chassis.mongo import BulkWriteError, Collection, DeleteOne, UpdateOne
from chassis.problems import Conflict, NotFound, PreconditionRequired, Problem, of_model, of_validation
from chassis.received import Received
from chassis.scope import everything
from contracts.refusals import NotPossible, WrongState
from contracts.visits import VisitStatus
from visits.doors import Act
from visits.repositories import Repositories

HELD_MOST: Final = 500
"""Commands of one caller that wait at the same time: as many as a batch brings."""
TRIED_MOST: Final = 100
"""Commands held before that one batch tries again."""
HELD_FOR: Final = timedelta(days=14)
"""After that nothing will come any more for which a command could wait."""
TOLD_FOR: Final = timedelta(days=30)
"""So long an expired command is kept, to be told with the caller's next batch."""
DONE_FOR: Final = timedelta(days=90)
"""So long a command that was done is known under its id."""

_ANY = everything("whether a visit is there at all decides whether a command waits, and is told to nobody")
_DUPLICATE = 11000

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
    versioned: it replaces content, so it must say which version it was decided on.
    """

    body: type[Entry]
    work: Callable[[Repositories, Act, str, Any], Awaitable[Stored[Any]]]
    waits: bool = True
    before: frozenset[VisitStatus] = frozenset({VisitStatus.PLANNED, VisitStatus.MISSED, VisitStatus.EXCUSED})
    versioned: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One command as the client says it. id: the client's own, under which it is done once.

    if_match: the version of the record that it was decided on; after: the id of the command of the same caller whose
    result it was decided on. At most one of the two.
    """

    id: str
    command: str
    occurred_at: datetime
    visit: str
    body: Mapping[str, Any]
    if_match: int | None = None
    after: str | None = None

    @property
    def fingerprint(self) -> str:
        """Of what is said, however it is written: the same rule as for a request (chassis/http/json_body.py)."""
        said = [self.command, self.occurred_at.astimezone(UTC).isoformat(), self.visit, dict(self.body)]
        if self.if_match is not None or self.after is not None:
            said += [self.if_match, self.after]
        return digest([canonical(said)])


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one command. version: of the record, where it was done."""

    said: Said
    verdict: Verdict
    record: str | None = None
    version: int | None = None
    problem: Problem | None = None


class Book:
    """What the batches of a caller have done, and what they hold: `{_id, whose, verdict, ...}` in `batch_commands`."""

    def __init__(self, repositories: Repositories, caller: Caller) -> None:
        self._collection: Collection = repositories.database["batch_commands"]
        self._held = {"whose": caller.id, "verdict": Verdict.HELD.value}
        self._whose = caller.id

    async def known(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What is known of these commands, by their ids."""
        found = await self._collection.find({"_id": {"$in": [self._key(each) for each in ids]}}).to_list(None)
        return {document["id"]: document for document in found}

    async def held(self, now: datetime) -> list[dict[str, Any]]:
        """Those that wait, in the order in which they happened; HELD_MOST at most."""
        where = {**self._held, "since": {"$gte": now - HELD_FOR}}
        return await self._collection.find(where).sort([("occurred_at", 1), ("_id", 1)]).limit(HELD_MOST).to_list(None)

    async def expired(self, now: datetime) -> list[dict[str, Any]]:
        """Those that have waited in vain, some of them."""
        where = {**self._held, "since": {"$lt": now - HELD_FOR}}
        return await self._collection.find(where).sort("since", 1).limit(TRIED_MOST).to_list(None)

    async def ready(self, now: datetime) -> list[dict[str, Any]]:
        """Those whose visit has moved since they were tried, the earliest TRIED_MOST."""
        where = {**self._held, "ready": True, "since": {"$gte": now - HELD_FOR}}
        return await self._collection.find(where).sort("occurred_at", 1).limit(TRIED_MOST).to_list(None)

    async def waiting_for(self, visits: Iterable[str], now: datetime, limit: int) -> list[dict[str, Any]]:
        """Those that wait for one of these visits, at most `limit`, which is at least 1."""
        where = {**self._held, "visit": {"$in": list(visits)}, "since": {"$gte": now - HELD_FOR}}
        return await self._collection.find(where).limit(limit).to_list(None)

    async def how_many(self) -> int:
        """How many wait; what is beyond the limit of one batch more is not counted."""
        return await self._collection.count_documents(self._held, limit=2 * HELD_MOST)

    async def write(self, notes: Sequence[Note]) -> None:
        """All of them in one go. Two batches that note the same command at once mean the same."""
        writes = [self._write(note) for note in notes]
        if not writes:
            return
        try:
            await self._collection.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if any(failed["code"] != _DUPLICATE for failed in error.details["writeErrors"]):
                raise

    async def forget(self, ids: Sequence[str]) -> None:
        """Held commands that are not held after all."""
        keys = {"$in": [self._key(each) for each in ids]}
        await self._collection.delete_many({"_id": keys, "verdict": Verdict.HELD.value})

    async def mark_ready(self, visits: Sequence[str]) -> None:
        """The caller's commands that wait for these visits are tried with the next batch."""
        await self._collection.update_many({**self._held, "visit": {"$in": list(visits)}}, {"$set": {"ready": True}})

    def _write(self, note: Note) -> UpdateOne | DeleteOne:
        said, answer, key = note.answer.said, note.answer, {"_id": self._key(note.answer.said.id)}
        if answer.verdict == Verdict.REFUSED:
            return DeleteOne({**key, "verdict": Verdict.HELD.value})
        problem, held = answer.problem, answer.verdict == Verdict.HELD
        fields = {
            "id": said.id,
            "whose": self._whose,
            "command": said.command,
            "occurred_at": said.occurred_at,
            "visit": said.visit,
            "if_match": said.if_match,
            "after": said.after,
            "fingerprint": said.fingerprint,
            "verdict": answer.verdict.value,
            "record": answer.record,
            "version": answer.version,
            "problem": None if problem is None else {"code": problem.code, "en": problem.en, "zh": problem.zh},
            "ready": False,
            "forget_at": note.since + (TOLD_FOR if held else DONE_FOR),
            # What is done is known by its fingerprint: its words stand in the record.
            "body": as_pairs(said.body) if held else None,
        }
        return UpdateOne(key, {"$set": fields, "$setOnInsert": {"since": note.since}}, upsert=True)

    def _key(self, command_id: str) -> str:
        return f"{self._whose}:{command_id}"


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be remembered of an answer. since: when the command came for the first time."""

    answer: Answer
    since: datetime


async def touched(repositories: Repositories, events: Sequence[Received]) -> None:
    """A reaction on visits: what waits for one of them is tried with its caller's next batch."""
    visits = sorted({event.subject for event in events})
    await repositories.database["batch_commands"].update_many(
        {"visit": {"$in": visits}, "verdict": Verdict.HELD.value}, {"$set": {"ready": True}}
    )


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
    batch = _Batch(repositories, caller, command, kinds, begin)
    try:
        await batch.work(commands)
    finally:
        # Also where the database went away in between: what was done is known when the batch is sent again.
        await batch.book.write(batch.notes)
    await batch.hold()
    asked = {said.id for said in commands}
    others = [answer for key, answer in batch.answers.items() if key not in asked and answer.verdict != Verdict.HELD]
    return [batch.answers[said.id] for said in commands] + others


@dataclass(slots=True)
class _Batch:
    """One batch while it is worked through.

    status: of each visit that is there, as it was seen last; a visit of a plan that nobody has touched yet is planned.
    waiting: by visit, what is held. since: when each command came first. _states: by command, the state in which it
    left its record.
    """

    repositories: Repositories
    caller: Caller
    command: Command
    kinds: Mapping[str, Kind]
    begin: Begin
    now: datetime = field(default_factory=clock.now)
    answers: dict[str, Answer] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    status: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, list[Said]] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    done: dict[str, tuple[str | None, int | None]] = field(default_factory=dict)
    book: Book = field(init=False)
    _states: dict[str, str] = field(default_factory=dict)
    _held_before: set[str] = field(default_factory=set)
    _asked: set[str] = field(default_factory=set)
    _loaded: int = 0

    def __post_init__(self) -> None:
        self.book = Book(self.repositories, self.caller)

    async def work(self, commands: Sequence[Said]) -> None:
        """Every command gets its verdict in `answers`; `notes` says what is to be remembered."""
        self._asked = {said.id for said in commands}
        todo = await self._new(commands)
        for document in await self.book.expired(self.now):
            if document["id"] not in self._asked:
                self._refuse_expired(document)
        todo += self._again(await self.book.ready(self.now))
        await self._look(todo)
        while todo:
            todo.sort(key=lambda said: said.occurred_at)
            todo = await self._round(todo)

    async def _new(self, commands: Sequence[Said]) -> list[Said]:
        """Those that are not known to be done already, each once."""
        afters = {said.after for said in commands if said.after is not None}
        known = await self.book.known({*self._asked, *afters})
        todo: dict[str, Said] = {}
        for document in known.values():
            if document["verdict"] == Verdict.DONE:
                self.done[document["id"]] = (document["record"], document["version"])
        for said in commands:
            before = known.get(said.id)
            if said.id in self.answers or said.id in todo:
                continue
            if before is None:
                todo[said.id] = said
            elif before["fingerprint"] != said.fingerprint:
                self.answers[said.id] = Answer(said, Verdict.REFUSED, problem=_reused(said.id))
            elif before["verdict"] == Verdict.HELD:
                self._remember(before)
                todo[said.id] = said
            else:
                self.answers[said.id] = Answer(said, Verdict.ALREADY_DONE, before["record"], before["version"])
        return list(todo.values())

    async def _round(self, todo: Sequence[Said]) -> list[Said]:
        """Each is tried once. What is to be tried again: what waits for a visit that has moved meanwhile."""
        moved: set[str] = set()
        finished: set[str] = set()
        for said in todo:
            answer = await self._try(said)
            self.answers[said.id] = answer
            if answer.verdict == Verdict.HELD:
                self.waiting.setdefault(said.visit, []).append(said)
                continue
            if answer.verdict == Verdict.DONE:
                self.done[said.id] = (answer.record, answer.version)
                finished.add(said.id)
                if self._moves(answer):
                    moved.add(answer.record or "")
            self.notes.append(Note(answer, self.since.get(said.id, self.now)))
        touched = moved | {self.done[each][0] or "" for each in finished}
        await self._load(touched)
        again: list[Said] = []
        for visit in touched & set(self.waiting):
            kept: list[Said] = []
            for said in self.waiting.pop(visit):
                (again if visit in moved or said.after in finished else kept).append(said)
            if kept:
                self.waiting[visit] = kept
        return again

    def _moves(self, answer: Answer) -> bool:
        """Whether the record is in another state now than it was seen in last."""
        before = self.status.get(answer.record or "")
        now = self._states.get(answer.said.id)
        if answer.record is not None and now is not None:
            self.status[answer.record] = now
        return now != before

    async def _load(self, visits: set[str]) -> None:
        """What was held before for these visits, as far as one batch tries such."""
        room = TRIED_MOST - self._loaded
        if not visits or room <= 0:
            return
        for said in self._again(await self.book.waiting_for(visits, self.now, room)):
            self.waiting.setdefault(said.visit, []).append(said)

    def _again(self, documents: Iterable[Mapping[str, Any]]) -> list[Said]:
        found: list[Said] = []
        for document in documents:
            if document["id"] not in self._asked and document["id"] not in self.since:
                self._remember(document)
                self._loaded += 1
                found.append(_held(document))
        return found

    def _remember(self, document: Mapping[str, Any]) -> None:
        self.since[document["id"]] = document["since"]
        self._held_before.add(document["id"])

    async def _look(self, todo: Sequence[Said]) -> None:
        """Which of the visits are there: what waits for none of them is held without being tried."""
        ids = list({said.visit for said in todo if said.visit})
        if not ids:
            return
        for document in await self._visits(ids):
            self.status[document["_id"]] = document["status"]
        plans = self.repositories.plans.collection.find({"in_force.id": {"$in": ids}}, {"in_force.id": 1})
        for document in await plans.to_list(None):
            for stop in document["in_force"]:
                self.status.setdefault(stop["id"], VisitStatus.PLANNED.value)

    async def _visits(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        return await self.repositories.visits.collection.find({"_id": {"$in": list(ids)}}, {"status": 1}).to_list(None)

    async def _try(self, said: Said) -> Answer:
        kind = self.kinds[said.command]
        try:
            body = kind.body.model_validate({**said.body, "occurred_at": said.occurred_at})
        except ValidationError as error:
            return Answer(said, Verdict.REFUSED, problem=of_validation(error.errors()))
        if kind.versioned and said.if_match is None and said.after is None:
            return Answer(said, Verdict.REFUSED, problem=_version_needed())
        expected = said.if_match
        if said.after is not None:
            after = self.done.get(said.after) or await self._done_before(said.after)
            if after is None:
                return Answer(said, Verdict.HELD, problem=_after_unknown(said.after))
            if after[0] != said.visit:
                return Answer(said, Verdict.REFUSED, problem=_after_another(said.after))
            expected = after[1]
        if kind.waits and said.visit not in self.status:
            return Answer(said, Verdict.HELD, problem=NotFound())
        return await self._do(kind, said, body, expected)

    async def _done_before(self, command_id: str) -> tuple[str | None, int | None] | None:
        document = (await self.book.known([command_id])).get(command_id)
        if document is None or document["verdict"] != Verdict.DONE:
            return None
        return document["record"], document["version"]

    async def _do(self, kind: Kind, said: Said, body: Entry, expected: int | None) -> Answer:
        own = replace(
            self.command,
            key=f"{self.caller.id}:{said.id}",
            idempotency_key=said.id,
            fingerprint=said.fingerprint,
            expected=expected,
        )
        try:
            stored = await kind.work(self.repositories, await self.begin(own, body), said.visit, body)
        except NotFound as problem:
            return Answer(said, Verdict.HELD if kind.waits else Verdict.REFUSED, problem=problem)
        except Problem as problem:
            if problem.status == 503:
                raise  # nothing is wrong with the command: the client sends the batch again
            return Answer(said, Verdict.REFUSED, problem=problem)
        except NotPossible as refusal:
            verdict = Verdict.HELD if _waits(kind, refusal) else Verdict.REFUSED
            return Answer(said, verdict, problem=of_model(refusal))
        if (status := getattr(stored.state, "status", None)) is not None:
            self._states[said.id] = str(status)
        return Answer(said, Verdict.DONE, stored.state.id, stored.version)

    async def hold(self) -> None:
        """Keep what waits, HELD_MOST of a caller at most. What finds no room any more is refused and may come again."""
        held = [answer for answer in self.answers.values() if answer.verdict == Verdict.HELD]
        held.sort(key=lambda answer: answer.said.occurred_at)
        new = [answer for answer in held if answer.said.id not in self._held_before]
        if new:
            room = max(0, HELD_MOST - await self.book.how_many())
            for answer in new[room:]:
                self._refuse_too_many(answer)
            new = new[:room]
        kept = [answer for answer in held if self.answers[answer.said.id].verdict == Verdict.HELD]
        await self.book.write([Note(answer, self.since.get(answer.said.id, self.now)) for answer in kept])
        if new and (surplus := await self.book.how_many() - HELD_MOST) > 0:
            # Another batch of the caller has held some at the same time.
            for answer in new[-surplus:]:
                self._refuse_too_many(answer)
            await self.book.forget([answer.said.id for answer in new[-surplus:]])
        # A visit that has moved after it was looked at tells so by an event, which may have come before the note.
        if visits := {answer.said.visit for answer in kept if answer.said.visit}:
            found = {document["_id"]: document["status"] for document in await self._visits(list(visits))}
            if late := [visit for visit, status in found.items() if status != self.status.get(visit)]:
                await self.book.mark_ready(late)

    def _refuse_too_many(self, answer: Answer) -> None:
        self.answers[answer.said.id] = replace(answer, verdict=Verdict.REFUSED, problem=_too_many())

    def _refuse_expired(self, document: Mapping[str, Any]) -> None:
        answer = Answer(_held(document), Verdict.REFUSED, problem=_expired())
        self.answers[answer.said.id] = answer
        self.notes.append(Note(answer, document["since"]))


def _waits(kind: Kind, refusal: NotPossible) -> bool:
    """Whether the command builds on one, such as a check-in, that has not come yet."""
    return kind.waits and isinstance(refusal, WrongState) and refusal.extras.get("state") in kind.before


def _held(document: Mapping[str, Any]) -> Said:
    return Said(
        document["id"],
        document["command"],
        document["occurred_at"],
        document["visit"],
        from_pairs(document["body"]),
        document.get("if_match"),
        document.get("after"),
    )


def _reused(command_id: str) -> Conflict:
    return Conflict(
        "idempotency_key_reused",
        f"The id {command_id} was used before, for a command with other content: see what became of that one before "
        "you send anything else.",
        f"编号 {command_id} 此前已用于内容不同的命令:请先查看该命令的结果再继续。",
    )


def _too_many() -> Conflict:
    return Conflict(
        "too_many_held",
        f"{HELD_MOST} of your commands wait for others already, which is the limit: send what they wait for first, "
        "then this command again. It is not kept.",
        f"您已有 {HELD_MOST} 条命令在等待,已达上限:请先发送它们所等待的命令,再重新发送此命令。此命令未被保留。",
        limit=HELD_MOST,
    )


def _expired() -> Conflict:
    days = HELD_FOR.days
    return Conflict(
        "held_too_long",
        f"The command has waited for {days} days and what it waits for has not come: it is given up.",
        f"该命令已等待 {days} 天,其所等待的命令仍未到达:不再保留。",
        days=days,
    )


def _version_needed() -> PreconditionRequired:
    return PreconditionRequired(
        "if_match_required",
        "The command replaces what was said: give the version that you have read in if_match, or in `after` the id of "
        "your command on whose result it builds.",
        "该命令会替换已有内容:请在 if_match 中填写所读取的版本,或在 after 中填写其所依据的命令编号。",
    )


def _after_unknown(command_id: str) -> Conflict:
    return Conflict(
        "waits_for_command",
        f"The command {command_id} has not been done yet: this one waits for it.",
        f"命令 {command_id} 尚未执行:此命令正在等待。",
    )


def _after_another(command_id: str) -> Conflict:
    return Conflict(
        "after_another_record",
        f"The command {command_id} was about another record: name one that was about this visit.",
        f"命令 {command_id} 针对另一条记录:请填写针对本次访问的命令。",
    )
