"""Gather the parts of a page side by side. A required part decides the answer; an optional one may be missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response

from chassis.identity import Caller, CallerDep
from chassis.problems import Problem
from gateway.forward import trail
from gateway.upstream import Refused, Upstream

PART_DEADLINE = 3.0
"""Seconds: a page with a part missing is better than a late one."""
PASSED_ON = ("authorization", "accept-language")


@dataclass(slots=True)
class Parts:
    """found: by name; None where `missing` (its service did not answer) or `withheld` (not the caller's to see)."""

    found: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> Any:
        return self.found[name]

    def rows(self, name: str) -> list[Any] | None:
        """The rows of a part that is a page of a list."""
        return None if self.found[name] is None else self.found[name]["items"]

    def only(self, name: str) -> Any:
        """The one row of a part that is a list of at most one; None where there is none."""
        rows = self.rows(name)
        return rows[0] if rows else None

    @property
    def gaps(self) -> dict[str, list[str]]:
        """What an answer says about its own completeness."""
        return {"missing": sorted(self.missing), "withheld": sorted(self.withheld)}


async def gather(optional: Mapping[str, Awaitable[Any]], required: Mapping[str, Awaitable[Any]] | None = None) -> Parts:
    """All at once. Raises what a required part is refused with, and a token's refusal by any part."""
    required = required or {}
    names = [*required, *optional]
    answers = await asyncio.gather(*required.values(), *optional.values(), return_exceptions=True)
    parts = Parts()
    for name, answer in zip(names, answers, strict=True):
        parts.found[name] = None
        match answer:
            case Refused(status=403 | 404) if name in optional:
                parts.withheld.append(name)
            case Refused() if name in optional and answer.status != 401:
                parts.missing.append(name)
            case Problem() if name in optional:
                parts.missing.append(name)
            case BaseException():
                raise answer
            case _:
                parts.found[name] = answer
    return parts


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks the services in the caller's name."""

    caller: Caller
    upstreams: Mapping[str, Upstream]
    headers: Mapping[str, str]

    async def __call__(self, service: str, path: str, **query: Any) -> Any:
        """The JSON at a path. Raises Refused, Unavailable, TimedOut."""
        return await self.upstreams[service].get(
            path, self.headers, query, deadline=PART_DEADLINE, caller=self.caller.id
        )


def _ask(request: Request, caller: CallerDep) -> Ask:
    headers = {name: value for name in PASSED_ON if (value := request.headers.get(name))}
    return Ask(caller, request.app.state.upstreams, headers | trail(request.scope))


AskDep = Annotated[Ask, Depends(_ask)]


def pass_refusals_on(app: FastAPI) -> None:
    """What a required part is refused with is what the page is refused with."""

    async def refused(request: Request, error: Any) -> Response:
        return Response(error.body, error.status, media_type=error.content_type)

    app.add_exception_handler(Refused, refused)
