"""What all routes of this service share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Request
from pydantic import StringConstraints

from chassis import clock
from chassis.entries import Entry
from chassis.fields import OneLine
from contracts.backdating import check_time, instant
from customers.repositories import Repositories

RecordId = Annotated[str, Path(max_length=200)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Z0-9]{2,8}$")]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50), OneLine]
"""As people write it; the models refuse what holds no number."""


def repositories(request: Request) -> Repositories:
    return request.app.state.repositories


def when(body: Entry) -> datetime:
    """When it happened. Raises NotPossible for the future."""
    now = clock.now()
    at = instant(body.occurred_at, now)
    check_time(at, now)
    return at
