"""Sends inputs to a running suite and counts what it answers. An answer of 5xx, or none, is a failure.

Half of the inputs are schemathesis's, half are those of edges.py, and each goes out with one of several tokens. The
same seed makes the same inputs as long as the suite holds the same records.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from tests.fuzz.edges import Input, Json, Records, Requests
from tests.fuzz.life import Life
from tests.fuzz.schemas import Generated

AT_ONCE = 8
LONGEST = 30.0
"""Seconds for one answer."""
FEW: Mapping[str, int] = {
    "/api/v1/accounts/token": 60,
    "/api/v1/accounts/password": 30,
    "/api/v1/accounts/refresh": 60,
    "/api/v1/accounts/logout": 60,
    "/api/v1/accounts/keys/rotation": 4,
    "/api/v1/resync/customers": 4,
    "/api/v1/resync/orders": 4,
    "/api/v1/resync/visits": 4,
    "/api/v1/resync/reporting": 4,
}
"""Inputs of addresses that are slow on purpose, or act on everything."""
LISTS = (
    "regions", "offices", "people", "customers", "products", "orders", "visit-plans", "visits", "calls",
    "daily-reports", "form-duties", "absences", "market-reports", "meetings", "tasks", "targets", "accounts",
)  # fmt: skip

SignIn = Callable[[], httpx.Client]


@dataclass(slots=True)
class Failure:
    """An answer that no input may bring about."""

    request: Input
    who: str
    status: int
    answer: str

    def __str__(self) -> str:
        parts = [
            "curl",
            "-X",
            self.request.method,
            *(f"-H{name}: {value}" for name, value in self.request.headers.items()),
        ]
        if self.request.body is not None:
            parts.append(f"-d{self.request.body[:2000].decode(errors='backslashreplace')}")
        command = " ".join(shlex.quote(part) for part in [*parts, self.request.target])
        return f"{self.status} {self.request.operation} as {self.who}\n    {command}\n    {self.answer[:600]}"


@dataclass(slots=True)
class Report:
    """What the inputs were answered."""

    seed: int
    statuses: Counter[int] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    logged: list[str] = field(default_factory=list)
    """Lines that the answering processes have logged as errors."""
    dead_letters: str = ""
    """What the command says about events that could not be published or handled."""

    @property
    def inputs(self) -> int:
        return sum(self.statuses.values())

    def __str__(self) -> str:
        counted = "  ".join(f"{status}: {count:,}" for status, count in sorted(self.statuses.items()))
        lines = [
            f"{self.inputs:,} inputs for {len(self.operations)} operations in {self.seconds:.0f} s, seed {self.seed}",
            f"answers  {counted}",
            f"operations that did what they were asked at least once: {len(self.reached)}; never: "
            + (", ".join(sorted(self.operations - set(self.reached))) or "none"),
            f"answers of 5xx, or none: {len(self.failures)}",
            *(str(failure) for failure in _one_of_each(self.failures)),
            *(
                [f"errors logged: {len(self.logged)}", *(line[:2000] for line in self.logged[:10])]
                if self.logged
                else []
            ),
            *([self.dead_letters[:2000]] if self.dead_letters else []),
        ]
        return "\n".join(lines)


def _one_of_each(failures: Sequence[Failure], most: int = 40) -> Iterator[Failure]:
    seen: set[tuple[str, int, str]] = set()
    for failure in failures:
        kind = (failure.request.operation, failure.status, failure.answer[:80])
        if kind not in seen and len(seen) < most:
            seen.add(kind)
            yield failure


class Fuzz:
    """tokens: who asks, and how a token of theirs is had."""

    def __init__(
        self, url: str, tokens: Mapping[str, SignIn], seed: int, kept: Sequence[str] = (), life: Life | None = None
    ) -> None:
        self._life = life
        self._url = url
        self._tokens = tokens
        self._headers: dict[str, str] = {}
        self._records = Records(kept=set(kept))
        self._chance = random.Random(seed)
        self.report = Report(seed)
        self._seed = seed

    def run(self, inputs: int, *, only: str = "") -> Report:
        """Send that many. only: a part of the path, to look at one address."""
        for who in self._tokens:
            self._sign_in(who)
        document = self._document()
        self._learn()
        edges = Requests(document, self._records, self._seed, self._life)
        generated = Generated(document, self._seed)
        operations = [each for each in edges.operations if only in each[0]]
        asyncio.run(self._all(edges, generated, operations, inputs))
        return self.report

    async def _all(
        self, edges: Requests, generated: Generated, operations: list[tuple[str, str, Json]], inputs: int
    ) -> None:
        began = time.monotonic()
        plenty = [each for each in operations if each[0] not in FEW]
        rounds = max(1, round(inputs / max(1, len(plenty)) / 40))
        each_round = max(2, -(-inputs // (max(1, len(plenty)) * rounds)))
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(base_url=self._url, timeout=LONGEST, trust_env=False, limits=limits) as http:
            for turn in range(rounds):
                generated = generated if turn == 0 else Generated(generated.document, self._seed + turn)
                self._chance.shuffle(operations)
                for path, method, operation in operations:
                    count = each_round
                    if path in FEW:
                        count = min(each_round, FEW[path] if turn == 0 else 0)
                    made = list(generated.of(path, method, count // 2))
                    made += edges.of(path, method, operation, count - len(made))
                    self._chance.shuffle(made)
                    await self._send(http, made)
                    if self.report.inputs >= inputs and not turn + 1 < rounds:
                        break
        self.report.seconds = time.monotonic() - began

    async def _send(self, http: httpx.AsyncClient, made: Sequence[Input]) -> None:
        who = itertools.cycle(self._tokens)
        waiting = iter([(request, request.who or next(who)) for request in made])

        async def some() -> None:
            for request, caller in waiting:
                await self._one(http, request, caller)

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        for caller in self._tokens:
            answered = await http.get("/api/v1/me", headers=self._authorization(caller))
            if answered.status_code == 401:  # an input has ended the session
                self._sign_in(caller)

    async def _one(self, http: httpx.AsyncClient, request: Input, who: str) -> None:
        headers = [(name.encode(), value.encode("utf-8")) for name, value in request.headers.items()]
        headers += [(name.encode(), value.encode()) for name, value in self._authorization(who).items()]
        try:
            sent = http.build_request(request.method, request.target, content=request.body, headers=headers)
        except (httpx.InvalidURL, UnicodeError, ValueError):
            return  # no HTTP client sends it
        try:
            answered = await http.send(sent)
        except httpx.LocalProtocolError:
            return
        except httpx.HTTPError as error:
            self.report.statuses[0] += 1
            self.report.failures.append(Failure(request, who, 0, repr(error)))
            return
        self.report.statuses[answered.status_code] += 1
        self.report.operations.add(request.operation)
        if answered.status_code >= 500:
            self.report.failures.append(Failure(request, who, answered.status_code, answered.text))
        elif answered.status_code < 300:
            self.report.reached[request.operation] += 1
            self._note(request, answered)

    def _note(self, request: Input, answered: httpx.Response) -> None:
        """Remember the record that was answered, so that later inputs come as far."""
        tag = answered.headers.get("etag", "").strip('"')
        if not tag.isdigit() or "application/json" not in answered.headers.get("content-type", ""):
            return
        body = answered.json()
        if isinstance(body, dict) and isinstance(record := body.get("id"), str):
            self._records.met(request.target.split("/")[3].partition("?")[0], record, int(tag))
            self._records.contacts |= {each["id"]: record for each in body.get("contacts", ())}

    def _authorization(self, who: str) -> dict[str, str]:
        return {"Authorization": self._headers[who]}

    def _sign_in(self, who: str) -> None:
        with self._tokens[who]() as signed:
            self._headers[who] = signed.headers["Authorization"]
        if self._life is not None and who == "administrator":
            self._life.admin.headers["Authorization"] = self._headers[who]

    def _document(self) -> Json:
        answered = httpx.get(f"{self._url}/openapi.json", timeout=LONGEST, trust_env=False)
        answered.raise_for_status()
        document: Json = answered.json()
        assert "Incomplete" not in document["info"]["description"], document["info"]["description"]
        return document

    def _learn(self) -> None:
        """The records that there are, as the first caller sees them."""
        first = next(iter(self._tokens))
        for kind in LISTS:
            answered = httpx.get(
                f"{self._url}/api/v1/{kind}", params={"limit": 100}, headers=self._authorization(first),
                timeout=LONGEST, trust_env=False,
            )  # fmt: skip
            for item in answered.json().get("items", ()) if answered.status_code == 200 else ():
                self._records.met(kind, item["id"], item.get("version", 1))
                self._records.contacts |= {each["id"]: item["id"] for each in item.get("contacts", ())}
