"""The HTTP door of progress."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, cast

import orjson
from fastapi import Path, Query, Request
from fastapi.responses import Response

from chassis import clock
from chassis.fields import Instant
from chassis.identity import CallerDep
from chassis.paging import LIMIT, MOST
from chassis.problems import Invalid
from chassis.service import routes
from reporting import access, periods
from reporting.answers import MEASURES, Answers
from reporting.freshness import After, Freshness
from reporting.periods import Cadence

router = routes("progress")

Level = Literal["company", "region", "office", "person"]

Start = Annotated[
    str | None, Query(alias="from", max_length=40, description="First period: 2017-03-14, 2017-W11, 2017-03.")
]
End = Annotated[str | None, Query(alias="to", max_length=40, description="Last period; default: the present one.")]
LevelOf = Annotated[Level | None, Query(description="Default: the widest that the caller may see.")]
Unit = Annotated[str | None, Query(alias="id", max_length=200, description="One unit of the level.")]
Seen = Annotated[
    str | None, Query(alias="after", max_length=200, description="Wait for a version, such as order:17@7.")
]
Then = Annotated[
    Instant | None,
    Query(alias="as_of", description="What was known at that instant, such as 2017-04-01T00:00:00Z; default: now."),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="Rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")]
Measure = Annotated[str | None, Query(max_length=100, description=f"One of: {', '.join(MEASURES)}. Default: all.")]


@router.get("/progress/{cadence}", summary="Progress by day, week or month")
async def progress(
    request: Request,
    caller: CallerDep,
    cadence: Cadence,
    start: Start = None,
    end: End = None,
    level: LevelOf = None,
    unit: Unit = None,
    after: Seen = None,
    at: Then = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response:
    """What each unit has done in each period, against its target.

    Amounts are lists with one entry per currency, in minor units. Rates carry the version of their formula;
    their value is null when there is nothing to divide by. A unit without anything in a period is not listed.
    `as_of` says up to when each source is counted. With `after=` the answer waits up to a second for that
    version to be in the numbers, and says `"pending": true` if it is not. With `as_of=` the answer is what was
    known at that instant, whatever was recorded or corrected since.
    """
    answers: Answers = request.app.state.answers
    at = _past(at)
    spanned = periods.span(cadence, start, end, answers.today(at))
    level = level or cast(Level, access.widest(caller))
    access.reach(caller, level, named=unit is not None)
    pending, as_of = await _freshness(request, after, at)
    page = await answers.page(caller, cadence, spanned, level, unit, limit, cursor, at)
    return _answer(page.items, page.next_cursor, pending, as_of)


@router.get("/progress/{cadence}/{period}/facts", summary="The facts behind a number")
async def facts(
    request: Request,
    caller: CallerDep,
    cadence: Cadence,
    period: Annotated[str, Path(max_length=40)],
    level: LevelOf = None,
    unit: Unit = None,
    measure: Measure = None,
    after: Seen = None,
    at: Then = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response:
    """The source records that a number is the sum of, by date. The owner sees results only (403)."""
    answers: Answers = request.app.state.answers
    at = _past(at)
    wanted = periods.read_one(cadence, period)
    level = level or cast(Level, access.widest(caller))
    access.may_drill(caller)
    access.reach(caller, level, named=unit is not None)
    pending, as_of = await _freshness(request, after, at)
    page = await answers.facts(caller, wanted, level, unit, measure, limit, cursor, at)
    return _answer(page.items, page.next_cursor, pending, as_of)


def _past(at: datetime | None) -> datetime | None:
    """Raises Invalid for an instant that has not come: its answer would not stay the same."""
    if at is not None and at > clock.now():
        raise Invalid(
            "in_the_future",
            "as_of lies in the future: what will be known then nobody knows yet.",
            "as_of 不能晚于现在。",
            field="as_of",
        )
    return at


async def _freshness(request: Request, after: str | None, at: datetime | None) -> tuple[bool, dict[str, Any]]:
    """Asked before the numbers are read: they are at least as fresh as it says, and never fresher than `at`."""
    freshness: Freshness = request.app.state.freshness
    pending = after is not None and not await freshness.wait_for(After.read(after))
    as_of = await freshness.as_of()
    if at is not None:
        as_of = {source: min(known, at) if known is not None else None for source, known in as_of.items()}
    return pending, as_of


def _answer(items: list[dict[str, Any]], cursor: str | None, pending: bool, as_of: dict[str, Any]) -> Response:
    body = {"items": items, "as_of": as_of, "next_cursor": cursor, **({"pending": True} if pending else {})}
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json")
