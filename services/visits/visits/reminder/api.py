"""The HTTP door of the reminders."""

from __future__ import annotations

import orjson
from fastapi import Request
from fastapi.responses import Response

from chassis import problems
from chassis.identity import CallerDep
from chassis.service import routes
from visits.doors import repositories
from visits.reminder import queries

router = routes("reminders")


@router.get("/reminders", summary="What I have to do now")
async def mine(request: Request, caller: CallerDep) -> Response:
    """Own forms due or missing, forms that came back, what waits for one's signature or decision, open tasks, market
    reports to acknowledge: `{kind, id, title, since, due}`, the most urgent first, at most 50 of a kind. `due` is a
    day or an instant; titles are in the language of Accept-Language."""
    language = problems.language(request.headers.get("accept-language"))
    found = await queries.of(repositories(request), caller)
    return Response(
        orjson.dumps({"items": [reminder.shown(language) for reminder in found]}, option=orjson.OPT_UTC_Z),
        headers={"Content-Language": language, "Vary": "Accept-Language"},
        media_type="application/json",
    )
