"""Asks the sales organisation who a person is today, in the gateway's own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chassis import telemetry
from chassis.problems import Unavailable
from gateway.accounts.tokens import Tokens
from gateway.days import Days
from gateway.upstream import Refused, Upstream


class Standings:
    def __init__(self, customers: Upstream, days: Days, tokens: Tokens) -> None:
        self._customers = customers
        self._days = days
        self._tokens = tokens

    async def __call__(self, person: str) -> Mapping[str, Any] | None:
        """Role, office, region and offices; None for somebody who is not on the roster today.

        Today is the day of their own office, wherever it is; of the company's zone for those who work in none.
        """
        headers = {"Authorization": f"Bearer {await self._tokens.own()}"}
        if parent := telemetry.current_traceparent():
            headers["traceparent"] = parent
        path = f"/api/v1/people/{person}/standing"
        try:
            return await self._customers.get(path, headers, {"zone": self._days.zone})
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise Unavailable(
                "standing_unknown",
                f"The sales organisation cannot say who you are (customers answers {refusal.status}): try again.",
                f"暂时无法确认您的任职信息(customers 返回 {refusal.status}):请稍后再试。",
            ) from None
