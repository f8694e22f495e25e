"""What all routes of this service share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import BaseModel, StringConstraints, field_validator

from chassis import clock
from chassis.entries import Entry
from chassis.problems import Invalid
from contracts.backdating import check_time, instant
from customers.repositories import Repositories

RecordId = Annotated[str, Path(max_length=200)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Z0-9]{2,8}$")]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
"""As people write it; the models refuse what holds no number."""


class Change(Entry):
    """Base of a PATCH: only the fields that are sent change, and those that a record must have cannot be emptied."""

    @field_validator("*", mode="before")
    @classmethod
    def _kept(cls, value: Any, info: Any) -> Any:
        if value is None and info.field_name in cls.needed():
            raise ValueError("This cannot be emptied: leave it out to keep it.")
        return value

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset()


def repositories(request: Request) -> Repositories:
    return request.app.state.repositories


def said(body: BaseModel) -> dict[str, Any]:
    """The fields that a PATCH names. Raises Invalid when it names none."""
    changes = {name: getattr(body, name) for name in body.model_fields_set if name not in Entry.model_fields}
    if not changes:
        raise Invalid("nothing_said", "Name at least one field to change.", "请至少给出一个要修改的字段。")
    return changes


def when(body: Entry) -> tuple[datetime, datetime]:
    """When it happened, and now. Raises NotPossible for the future."""
    now = clock.now()
    at = instant(body.occurred_at, now)
    check_time(at, now)
    return at, now
