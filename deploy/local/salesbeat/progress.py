"""`salesbeat progress`: what the route answers, all pages of it, for a program or as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from salesbeat.session import Session

PAGE = 200
"""Rows of one request: the most that a page may hold."""


async def fetch(
    session: Session, cadence: str, start: str | None, end: str | None, level: str | None, unit: str | None
) -> dict[str, Any]:
    """All pages as one answer. `as_of` is the first page's: all the numbers are at least as fresh as it says."""
    whole: dict[str, Any] | None = None
    cursor: str | None = None
    while whole is None or cursor:
        asked = {"from": start, "to": end, "level": level, "id": unit, "limit": PAGE, "cursor": cursor}
        page = await session.get(f"/api/v1/progress/{cadence}", **asked)
        cursor = page["next_cursor"]
        if whole is None:
            whole = {**page, "next_cursor": None}
        else:
            whole["items"] += page["items"]
    return whole


def table(answer: Mapping[str, Any]) -> Table:
    """A row for each period and unit; measures of which nothing is known anywhere have no column."""
    from chassis.money import show

    items: Sequence[Mapping[str, Any]] = answer["items"]
    columns: list[tuple[str, str]] = []
    for item in items:
        for measure, parts in item["measures"].items():
            columns += [
                (measure, part)
                for part in parts
                if part in ("count", "amount", "margin", "value") and (measure, part) not in columns
            ]
    said = {
        column: [_cell(item["measures"].get(column[0], {}).get(column[1]), column[1], show) for item in items]
        for column in columns
    }
    shown = [column for column in columns if any(said[column])]
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("period")
    made.add_column("name")
    for measure, part in shown:
        name = measure.replace("_", " ")
        made.add_column(name if part in ("count", "value") else f"{name}: {part}", justify="right")
    for index, item in enumerate(items):
        made.add_row(item["period"], str(item["name"]), *(said[column][index] for column in shown))
    return made


def _cell(value: Any, part: str, show: Any) -> str:
    if isinstance(value, list):
        return "\n".join(show(amount["minor"], amount["currency"]) for amount in value)
    if part == "value":
        return "" if value is None else f"{value:.1%}"
    return str(value) if value else ""
