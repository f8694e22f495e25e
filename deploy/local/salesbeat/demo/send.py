"""Sends the field work: as an import sends its records, and batches and rules in their own way.

What somebody has done by hand in the meantime, as a newcomer who plays a salesperson does, is left as it is.
"""

from __future__ import annotations

from typing import Any

from salesbeat.importing.plan import Record
from salesbeat.importing.send import LAG, UNKNOWN, Sender
from salesbeat.importing.verdicts import Became, Verdict

LIVED = frozenset(
    {
        "plan_exists", "report_exists", "day_closed", "absence_overlaps", "id_taken", "idempotency_key_reused",
        "wrong_state", "visit_locked", "before_prior_step", "stale", "stop_taken", "unknown_visit",
    }
)  # fmt: skip
"""Codes of refusals that say that things have gone on otherwise than the demo tells them."""


class FieldSender(Sender):
    async def _record(self, record: Record) -> Verdict:
        if record.kind == "visit-policies":
            return await self._rules(record)
        verdict = await self._day(record) if record.kind == "visits" else await super()._record(record)
        if verdict.became is Became.REFUSED and verdict.code in LIVED:
            return Verdict(Became.KEPT, verdict.reason)
        return verdict

    async def _rules(self, record: Record) -> Verdict:
        """A change of rules that stand already; the office may not have come there yet."""
        change = record.requests[0]
        standing, waited = await self._read(change.path), 0.0
        while standing is None and waited < LAG:
            await self._sleep(1.0)
            waited += 1.0
            standing = await self._read(change.path)
        if standing is None:
            return Verdict(Became.REFUSED, "the visits service does not know the office yet: see `salesbeat status`")
        if change.skip is not None and change.skip(standing):
            return Verdict(Became.THERE)
        await self._post(record, change, standing["version"])
        return Verdict(Became.CREATED)

    async def _day(self, record: Record) -> Verdict:
        """A batch, and what follows it. Commands that need what has not come yet are sent again with their batch."""
        if refused := self._needed(record):
            return refused
        batch, *steps = record.requests
        waited = 0.0
        while True:
            results = (await self._post(record, batch)).json()["results"]
            wrong = [result for result in results if result["verdict"] in ("refused", "held")]
            lags = any(_code(result).startswith(UNKNOWN) or result["verdict"] == "held" for result in wrong)
            if not lags or waited >= LAG:
                break
            await self._sleep(1.0)
            waited += 1.0
        became = Became.CREATED if any(result["verdict"] == "done" for result in results) else Became.THERE
        for result in wrong:
            problem = result.get("problem") or {}
            verdict = Verdict(Became.REFUSED, f"{result['command']}: {problem.get('detail')}", _code(result))
            if verdict.code not in LIVED:
                return verdict
            became = Became.KEPT
        for step in steps:
            await self._post(record, step)
        return Verdict(became)

    def _needed(self, record: Record) -> Verdict | None:
        for need in record.needs:
            if need.id in self._refused:
                return Verdict(Became.REFUSED, f"needs {need.kind} `{need.key}`, which is refused")
        return None


def _code(result: dict[str, Any]) -> str:
    return str((result.get("problem") or {}).get("code") or "")
