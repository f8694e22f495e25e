"""Records to the gateway: several at once, tried again where that helps, and what became of each.

Sending the same records again changes nothing: a creation answers the record as it stands, and each further
request is left out where the record shows that it was done (Request.skip).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx

from chassis.identity import Caller
from salesbeat.importing.plan import SINGULAR, Body, Record, Request
from salesbeat.importing.sentences import refusal as in_words
from salesbeat.importing.verdicts import Became, Verdict
from salesbeat.refusals import Refused
from salesbeat.session import why

PATIENCE = 120.0
"""Seconds for which a request is tried again while the gateway, or a service behind it, does not answer."""
LAG = 60.0
"""Seconds for which a service may not yet know what another one has just written."""
LAG_AGAIN = 1.0
"""The same, once that patience has run out: else each of some thousand records would wait as long."""
LONGEST_PAUSE = 5.0
BUSY = frozenset({408, 429, 502, 503, 504})
UNKNOWN = "unknown_"
"""How the codes begin with which a service refuses what refers to a record that it does not know."""
NO_OFFICE = "no_office"
"""It knows the person, and not yet the office."""


class Stopped(Refused):
    """The import cannot go on. What was written stays; the same command goes on from there."""


class _RecordRefused(Exception):
    def __init__(self, reason: str, status: int, code: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.code = code


class Sender:
    """Writes records through a gateway, as the caller of the client.

    done: called with each record and its verdict. sleep and now: for tests, in seconds.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        in_flight: int,
        done: Callable[[Record, Verdict], None],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._in_flight = in_flight
        self._done = done
        self._sleep = sleep
        self._now = now
        self._began: datetime | None = None
        self._refused: set[str] = set()
        self._customers: dict[str, Body] = {}
        self._records: dict[str, Record] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waited_out: set[str] = set()

    async def begin(self) -> Caller:
        """Sign in; answers who that is. Raises Refused without the right to import, Stopped where nobody answers."""
        response = await self._ask("GET", "/api/v1/me")
        if not response.is_success:
            raise Refused(why(response))
        caller = response.json()
        if "import" not in caller.get("rights", ()) and caller.get("role") != "administrator":
            raise Refused(
                f"{caller.get('name') or 'This account'} has no right to import: "
                "sign in as an administrator, or have one give the account the right `import`."
            )
        # By the gateway's clock, as records are stamped by clocks that agree with it and not with this machine's.
        said = response.headers.get("Date")
        self._began = parsedate_to_datetime(said) if said else datetime.now(UTC).replace(microsecond=0)
        return Caller(
            id=str(caller.get("id")),
            name=str(caller.get("name") or ""),
            role=str(caller.get("role") or ""),
            person=caller.get("person"),
            office=caller.get("office"),
            region=caller.get("region"),
            offices=tuple(caller.get("offices") or ()),
            rights=frozenset(caller.get("rights") or ()),
        )

    async def send(self, records: Iterable[Record]) -> None:
        """Write records none of which needs another of them. Raises Stopped.

        Each record's requests go one after the other. Orders of one office are created one after the other, in
        the order given, so that their numbers rise in it; all else goes side by side.
        """
        records = list(records)
        self._records |= {record.id: record for record in records}
        waiting = iter(records)

        async def worker() -> None:
            for record in waiting:
                verdict = await self._record(record)
                if verdict.became is Became.REFUSED:
                    self._refused.add(record.id)
                self._done(record, verdict)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._in_flight):
                    group.create_task(worker())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _record(self, record: Record) -> Verdict:
        parts = [record.within] if record.within else []
        for need in [*record.needs, *parts]:
            if need.id in self._refused:
                return Verdict(Became.REFUSED, f"needs {SINGULAR[need.kind]} `{need.key}`, which is refused")
        creation, *steps = record.requests
        try:
            if creation.skip is not None:
                return await self._part(record, creation)
            async with self._turn(record):
                standing, verdict = await self._create(record, creation)
            for step in steps:
                standing, done = await self._step(record, step, standing)
                if done and verdict.became is not Became.CREATED:
                    verdict = Verdict(Became.COMPLETED)
        except _RecordRefused as refusal:
            return Verdict(Became.REFUSED, refusal.reason, refusal.code)
        if record.kind == "customers":
            self._customers[record.id] = standing
        return verdict

    def _turn(self, record: Record) -> AbstractAsyncContextManager[Any]:
        return self._turns[_office(record)] if record.kind == "orders" else nullcontext()

    async def _create(self, record: Record, request: Request) -> tuple[Body, Verdict]:
        try:
            response = await self._post(record, request)
        except _RecordRefused as refusal:
            if refusal.status != httpx.codes.CONFLICT:
                raise
            standing = await self._read(f"{request.path}/{record.id}")
            if standing is None:
                raise
            differs = [name for name, said in request.body.items() if name not in _SAID_ONCE and name in standing]
            differs = [name for name in differs if not _holds(standing[name], request.body[name])]
            if not differs:
                return standing, Verdict(Became.THERE)
            return standing, Verdict(Became.KEPT, f"is there with another {', '.join(differs)}, and stays as it is")
        standing = response.json()
        at = (standing.get("imported") or {}).get("at")
        if at is not None and self._began is not None:
            new = datetime.fromisoformat(at) >= self._began
        else:
            new = response.status_code == httpx.codes.CREATED
        return standing, Verdict(Became.CREATED if new else Became.THERE)

    async def _step(self, record: Record, step: Request, standing: Body) -> tuple[Body, bool]:
        """The record after the step, and whether it was taken only now."""
        if step.skip is not None and step.skip(standing):
            return standing, False
        try:
            return (await self._post(record, step, standing.get("version"))).json(), True
        except _RecordRefused as refusal:
            if refusal.status == httpx.codes.CONFLICT and step.skip is not None:
                now = await self._read(f"{record.requests[0].path}/{record.id}")
                if now is not None and step.skip(now):
                    return now, False
            raise

    async def _part(self, record: Record, creation: Request) -> Verdict:
        """A part of another record, such as a contact of a customer."""
        whole = record.within
        assert whole is not None  # noqa: S101 - only parts are created under a condition
        assert creation.skip is not None  # noqa: S101 - the same
        standing = self._customers.get(whole.id) or await self._read(f"/api/v1/{whole.kind}/{whole.id}")
        if standing is not None and creation.skip(standing):
            return Verdict(Became.THERE)
        self._customers[whole.id] = (await self._post(record, creation)).json()
        return Verdict(Became.CREATED)

    async def _read(self, path: str) -> Body | None:
        response = await self._ask("GET", path)
        return response.json() if response.is_success else None

    async def _post(self, record: Record, request: Request, version: int | None = None) -> httpx.Response:
        """The answer to a request that was taken. Raises _RecordRefused, Stopped.

        A service that does not know what this import has just written elsewhere only lags behind: it is asked again.
        """
        headers = {"Idempotency-Key": request.key}
        if request.method == "PATCH" or request.versioned:
            headers["If-Match"] = f'"{version}"'
        began, tries = self._now(), 0
        while True:
            response = await self._ask(request.method, request.path, request.body, headers)
            if response.is_success:
                self._waited_out.clear()
                return response
            code = _code(response)
            if response.status_code == httpx.codes.UNAUTHORIZED or code == "import_right_needed":
                raise Stopped(f"{why(response)} The same command goes on from there.")
            lacks = "office" if code == NO_OFFICE else code.removeprefix(UNKNOWN)
            if (code.startswith(UNKNOWN) or code == NO_OFFICE) and _written(record, lacks):
                if self._now() - began < (LAG_AGAIN if code in self._waited_out else LAG):
                    tries += 1
                    await self._sleep(_pause(tries))
                    continue
                self._waited_out.add(code)
            raise _RecordRefused(self._reason(record, request, response), response.status_code, code)

    async def _ask(
        self, method: str, path: str, body: Body | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """An answer, whatever it says, unless it only says to come back later. Raises Stopped."""
        began, tries = self._now(), 0
        while True:
            wait = 0.0
            try:
                response = await self._client.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            else:
                if response.status_code not in BUSY and _code(response) != "busy":
                    return response
                reason = why(response)
                if (said := response.headers.get("Retry-After", "")).isdigit():
                    wait = float(said)
            if self._now() - began > PATIENCE:
                self._stop(reason)
            tries += 1
            await self._sleep(max(wait, _pause(tries)))

    def _reason(self, record: Record, request: Request, response: httpx.Response) -> str:
        """Why a request was refused, in words of the files."""
        try:
            said = response.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            return why(response)
        return "; ".join(in_words(record, request, said, self._records.get))

    def _stop(self, reason: str) -> NoReturn:
        raise Stopped(
            f"The gateway has not taken a request for {PATIENCE:g} s ({reason}). What was written stays: "
            "see `salesbeat status`, then give the same command again, and it goes on from there."
        )


_SAID_ONCE = frozenset(
    {"id", "occurred_at", "on_behalf_of", "import_source", "region", "not_duplicate_of", "allow_alike", "repeat_of"}
)
"""What a body says about the entry, or what the record holds in another form."""


def _office(record: Record) -> str:
    """The office in whose series an order is numbered, as far as the records know it."""
    owner = next((need for need in record.needs if need.kind == "people"), None)
    if owner is None:
        customer = next((need for need in record.needs if need.kind == "customers"), None)
        owner = next((need for need in customer.needs if need.kind == "people"), None) if customer else None
    office = next((need for need in owner.needs if need.kind == "offices"), None) if owner else None
    return office.id if office else ""


def _written(record: Record, singular: str) -> bool:
    """Whether the record refers to one of that kind that came before it in this import."""
    return any(SINGULAR[need.kind] == singular for need in _all_needs(record))


def _all_needs(record: Record) -> Iterable[Record]:
    """Its needs and theirs: an order needs its owner's office too."""
    for need in [*record.needs, *([record.within] if record.within else [])]:
        yield need
        yield from _all_needs(need)


def _pause(tries: int) -> float:
    """Seconds; spread out, so that the requests in flight do not come back all at once."""
    return min(LONGEST_PAUSE, 0.1 * 2**tries) * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _code(response: httpx.Response) -> str:
    if response.is_success:
        return ""
    try:
        problem = response.json()
    except ValueError:
        return ""
    return str(problem.get("code") or "") if isinstance(problem, dict) else ""


def _holds(stored: Any, said: Any) -> bool:
    """Whether a record says what a body says; it may say more."""
    if isinstance(said, dict):
        return isinstance(stored, dict) and all(
            _holds(stored[name], part) for name, part in said.items() if name in stored
        )
    if isinstance(said, list):
        return isinstance(stored, list) and len(stored) == len(said) and all(map(_holds, stored, said))
    if stored == said:
        return True
    try:
        return Decimal(str(stored)) == Decimal(str(said))
    except InvalidOperation:
        return False
