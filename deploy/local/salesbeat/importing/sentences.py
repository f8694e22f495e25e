"""What is wrong, in words of the file: name, line, column and cell, and the mapping's key; times in the office's zone.

The services speak of fields, ids and UTC. Here their refusals are told as a person with the file before them needs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from salesbeat.importing.records import SINGULAR, Origin, Record, Request
from salesbeat.importing.refused import shown

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)")
_STEPS = {
    "verification": "verified",
    "confirmation": "confirmed",
    "allocation": "allocated",
    "delivery": "delivered",
    "closure": "closed",
    "cancellation": "cancelled",
}


def placed(origin: Origin, why: str, record: Record, keys: Sequence[str] = ()) -> str:
    """A sentence with the column, the cell and the mapping's key that it is about; another row is named by its line."""
    row = origin.row
    named = ", ".join(f"`{key}`" for key in keys or [origin.key])
    there = "" if row is record.row else f"{row.file} line {row.number}, "
    columns = ", ".join(f"`{column}`" for column, _ in origin.cells)
    if not origin.cells:
        return f"{there}{named} (line {origin.line} of the mapping): {why}"
    said = [shown(cell) if cell else "empty" for _, cell in origin.cells]
    cells = "" if all(cell in why for cell in said) or why.startswith("is empty") else f", cell {', '.join(said)}"
    return f"{there}column{'s' if len(origin.cells) > 1 else ''} {columns}{cells} ({named}): {why}"


def refusal(
    record: Record, request: Request, problem: Mapping[str, Any], known: Callable[[str], Record | None]
) -> list[str]:
    """Why a service refuses a request of a record, a sentence for each thing that is wrong.

    problem: its answer (problem+json). known: the record of this import that has an id.
    """
    if special := _special(record, request, problem, known):
        return [special]
    faults = [each for each in problem.get("errors") or () if isinstance(each, Mapping)]
    detail = str(problem.get("detail") or problem.get("title") or f"it answers {problem.get('status')}")
    found: list[str] = []
    for fault in faults:
        field, why = str(fault.get("field") or ""), _in_zone(_plainly(str(fault.get("message") or detail)), record)
        origin = origin_of(record, request, field)
        said = placed(origin, why, record) if origin is not None else f"{_step(request)}`{field}`: {why}"
        if said not in found:
            found.append(said)
    return found or [f"{_step(request)}{_in_zone(detail, record)}"]


def origin_of(record: Record, request: Request, field: str) -> Origin | None:
    """Where a field of a request comes from: its own origin, or that of the nearest field above it."""
    steps = field.split(".")
    prefix = "" if request.name == "creation" else f"{request.name}."
    for length in range(len(steps), 0, -1):
        if (found := record.origins.get(prefix + ".".join(steps[:length]))) is not None:
            return found
    return None


def _step(request: Request) -> str:
    return "" if request.name == "creation" else f"{request.name}: "


def _special(
    record: Record, request: Request, problem: Mapping[str, Any], known: Callable[[str], Record | None]
) -> str | None:
    code = problem.get("code")
    if code == "duplicate_customer":
        return _alike(record, request, problem, known)
    if code == "duplicate_reference":
        first = problem.get("order") or {}
        other = known(str(first.get("id")))
        named = f"order `{other.key}` ({other.place()})" if other else f"order {first.get('number') or ''}".strip()
        why = (
            f"{named} of this customer has the same reference: mend one, "
            "or say `same_reference: allow` if they are two orders"
        )
        origin = origin_of(record, request, "external_ref")
        return placed(origin, why, record) if origin else why
    if code == "code_taken" and (origin := origin_of(record, request, "code")):
        return placed(origin, f"another {SINGULAR[record.kind]} has this code: give another one", record)
    if code == "code_taken":
        return f"another {SINGULAR[record.kind]} has the code `{request.body.get('code')}`: give one with `code:`"
    return None


def _alike(record: Record, request: Request, problem: Mapping[str, Any], known: Callable[[str], Record | None]) -> str:
    """Of a customer that is like others: which, by what, and what to do."""
    kinds: dict[str, None] = {}
    said: list[str] = []
    for candidate in problem.get("candidates") or ():
        other = known(str(candidate.get("id")))
        name = shown(str(candidate.get("name") or ""))
        where = f"{name} ({other.place()})" if other else f"{name}, which is there already"
        by = [each for each in problem.get("alike") or () if each.get("customer") == candidate.get("id")]
        kinds |= dict.fromkeys(str(each.get("kind")) for each in by)
        likenesses = " and ".join(_likeness(record, request, each) for each in by)
        said.append(f"{where}{f' by {likenesses}' if likenesses else ''}")
    if problem.get("elsewhere") and not said:
        said.append("one that you may not see")
    allow = ", ".join(kinds) or "name"
    return (
        f"is like {'; '.join(said) or 'another customer'}: mend one, leave it out, "
        f"or say `allow_alike: [{allow}]` if they are two customers"
    )


def _likeness(record: Record, request: Request, alike: Mapping[str, Any]) -> str:
    kind = str(alike.get("kind"))
    value = alike.get("value") or request.body.get(kind)
    origin = origin_of(record, request, kind)
    columns = " and ".join(f"`{column}`" for column, _ in origin.cells) if origin else ""
    words = {"name": "name", "phone": "telephone number", "tax_id": "tax id"}.get(kind, kind)
    return f"{words} {shown(str(value))}" + (f" (column {columns}, `{origin.key}`)" if origin and columns else "")


_PLAINLY = (
    (re.compile(r"String should have at most (\d+) characters?"), r"at most \1 characters are taken"),
    (re.compile(r"List should have at most (\d+) items?.*"), r"at most \1 are taken"),
    (re.compile(r"String should match pattern .*@.*"), "this is no e-mail address such as ann@example.com"),
)
"""What a check of the form says, in words of somebody who has a table before them."""


def _plainly(text: str) -> str:
    for said, plainly in _PLAINLY:
        text = said.sub(plainly, text)
    return text


def _in_zone(text: str, record: Record) -> str:
    """A service's sentence with its instants as the office's clock shows them."""
    zone = _zone(record)
    if zone is None:
        return text

    def there(match: re.Match[str]) -> str:
        try:
            return f"{datetime.fromisoformat(match.group()).astimezone(zone):%Y-%m-%d %H:%M} ({zone})"
        except ValueError:
            return match.group()

    return _INSTANT.sub(there, text)


def _zone(record: Record) -> ZoneInfo | None:
    try:
        return ZoneInfo(record.zone) if record.zone else None
    except (KeyError, ValueError, OSError):
        return None
