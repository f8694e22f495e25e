"""Which day it is for a caller: by the time zone of their office."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from chassis import clock
from chassis.identity import Caller
from chassis.problems import Problem
from gateway.upstream import Refused, Upstream

KNOWN_FOR = 600.0
"""Seconds; an office hardly ever moves to another time zone."""


class Days:
    """default: the zone (IANA name) of callers without an office, and while the office cannot be asked for."""

    def __init__(self, customers: Upstream, default: str) -> None:
        self._customers = customers
        self._default = ZoneInfo(default)
        self._zones: dict[str, tuple[ZoneInfo, float]] = {}

    @property
    def zone(self) -> str:
        """The zone of callers without an office, as an IANA name."""
        return self._default.key

    async def today(self, caller: Caller, headers: Mapping[str, str]) -> date:
        zone = await self._zone(caller.office, headers) if caller.office else self._default
        return clock.now().astimezone(zone).date()

    async def _zone(self, office: str, headers: Mapping[str, str]) -> ZoneInfo:
        known = self._zones.get(office)
        if known and time.monotonic() < known[1]:
            return known[0]
        try:
            found: Any = await self._customers.get(f"/api/v1/offices/{office}", headers, deadline=2.0)
            zone = ZoneInfo(found["timezone"])
        except (Problem, Refused, KeyError):
            return known[0] if known else self._default
        self._zones[office] = zone, time.monotonic() + KNOWN_FOR
        return zone
