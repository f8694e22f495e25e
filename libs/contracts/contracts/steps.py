"""One step of a record's life, in every service the same."""

from __future__ import annotations

from datetime import date

from pydantic import AwareDatetime

from contracts.envelope import Published


class Step(Published):
    """When it happened, for which day it counts, who did it."""

    at: AwareDatetime
    business_date: date
    by: str


class Reasoned(Step):
    """A step that must say why."""

    reason: str
