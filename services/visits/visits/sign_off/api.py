"""The HTTP door of the sign-off queue."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import Request
from fastapi.responses import Response

from chassis.identity import CallerDep
from chassis.paging import Paging, sorted_by
from chassis.service import routes
from visits.doors import repositories
from visits.sign_off import queries

router = routes("sign-offs")


@router.get("/sign-offs", summary="What waits for my signature")
async def page(
    request: Request, caller: CallerDep, paging: Annotated[Paging, sorted_by(queries.OLDEST_FIRST)]
) -> Response:
    """Plans and reports that were submitted by those below the caller in the reporting line, or below a superior for
    whom the caller is the deputy today. `age_hours` since the submission; `late`: handed in after the cut-off;
    `overdue`: the plan's day has begun, or the report waits for more than a day."""
    found = await queries.page(repositories(request), caller, paging)
    body = {"items": [waiting.shown for waiting in found.items], "next_cursor": found.next_cursor}
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json")
