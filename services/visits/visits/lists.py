"""What all lists of this service share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import Query

from chassis.fields import Day

Filter = Annotated[str | None, Query(max_length=200)]
From = Annotated[Day | None, Query(alias="from", description="First business date.")]
To = Annotated[Day | None, Query(alias="to", description="Last business date.")]


def where(fields: Mapping[str, Any], first: date | None = None, last: date | None = None) -> dict[str, Any]:
    """A MongoDB filter: all the given values, business dates from `first` to `last`; None is any."""
    found: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    days = {"$gte": first, "$lte": last}
    if bounds := {bound: day.isoformat() for bound, day in days.items() if day is not None}:
        found["business_date"] = bounds
    return found
