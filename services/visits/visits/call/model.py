"""A phone call (domain.md V-14, A9 row 46). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.envelope import Happened
from contracts.visits import Call, CallEvent


def log(call: Call) -> tuple[Call, Happened]:
    return call, Happened(CallEvent.LOGGED, call.started_at, call.business_date)


def correct(call: Call, changes: Mapping[str, Any]) -> tuple[Call, Happened | None]:
    """Other details; nothing happens where nothing changes."""
    changed = call.model_copy(update=dict(changes))
    return changed, None if changed == call else Happened(CallEvent.CORRECTED, call.started_at, call.business_date)
