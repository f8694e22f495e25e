"""GET /api/v1/me: who the caller is, as the token says."""

from __future__ import annotations

from typing import Any

from chassis.identity import CallerDep
from chassis.service import routes

router = routes("pages")


@router.get("/me")
async def me(caller: CallerDep) -> dict[str, Any]:
    """The caller's account, role, place and rights."""
    return {
        "id": caller.id,
        "name": caller.name,
        "role": caller.role,
        "person": caller.person,
        "office": caller.office,
        "region": caller.region,
        "offices": list(caller.offices),
        "rights": sorted(caller.rights),
    }
