"""A sales region. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contracts.envelope import Happened
from contracts.staff import Region, RegionEvent


def register(region: Region, at: datetime) -> tuple[Region, Happened]:
    return region, Happened(RegionEvent.REGISTERED, at, at.date())


def update(region: Region, changes: Mapping[str, Any], at: datetime) -> tuple[Region, Happened | None]:
    """Another code or name; nothing happens when nothing changes."""
    changed = region.model_copy(update=dict(changes))
    return changed, None if changed == region else Happened(RegionEvent.UPDATED, at, at.date())
