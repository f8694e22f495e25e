"""The envelope of every event: CloudEvents 1.0 (structured JSON mode) with Salesbeat's extensions.

Writers forbid unknown fields. Readers ignore them and skip unknown types: they call `read`,
never the model's constructor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

CONTENT_TYPE = "application/cloudevents+json"


class Published(BaseModel):
    """Base of everything that is said on the bus."""

    # Built when first used: every process knows all contracts and uses a few, 1 to 2 MB less in each.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


State = TypeVar("State", bound=Published)


class Imported(Published):
    """Says that a record came from another system, and who brought it."""

    by: str
    """Account that ran the import."""
    at: AwareDatetime
    source: str
    """What it was read from, such as the mapping's name and the row."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What a model says has happened; the chassis adds id, recording time, actor and trace.

    occurred_at: when it happened in the field (aware); business_date: by the office's calendar and time zone.
    """

    type: str
    occurred_at: datetime
    business_date: date


class Event(Published, Generic[State]):
    """One event with the aggregate's whole state after the change (event-carried state transfer)."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    """UUIDv7 of this event."""
    type: str
    """Such as sales.order.confirmed."""
    source: str
    """The service that says it, such as /orders."""
    subject: str
    """The aggregate's id."""
    time: AwareDatetime
    """When the service recorded it, UTC."""
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    sequence: str = Field(pattern=r"^[0-9]{12}$")
    """The aggregate's version, zero-padded so that it sorts as text."""
    partitionkey: str
    businessdate: date
    """The day it counts for, by the producer's office calendar and time zone."""
    occurredat: AwareDatetime
    """When it happened in the field; may be earlier than `time`."""
    actor: str
    """Who did it: a person's or an account's id."""
    onbehalfof: str | None = None
    """For whom, where a clerk or an import entered it."""
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    data: State

    @property
    def version(self) -> int:
        return int(self.sequence)


def sequence(version: int) -> str:
    """The aggregate's version as the envelope writes it."""
    return f"{version:012d}"


def read(model: type[State], data: Any) -> State:
    """Read published state as a reader must: unknown fields are ignored. Raises pydantic.ValidationError."""
    return model.model_validate(data, extra="ignore")
