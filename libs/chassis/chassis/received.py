"""An event as it came from the bus, without the bus: who only reads events does not load its client (8 MB)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, TypeVar

import msgspec

from contracts.envelope import Published

S = TypeVar("S", bound=Published)


class _Envelope(msgspec.Struct):
    """What a reader needs of contracts.envelope.Event; `data` stays bytes until somebody wants it."""

    id: str
    type: str
    subject: str
    sequence: str
    time: datetime
    businessdate: date
    occurredat: datetime
    actor: str
    data: msgspec.Raw
    onbehalfof: str | None = None
    correlationid: str | None = None
    traceparent: str | None = None


_decoder = msgspec.json.Decoder(_Envelope)


class Unhandleable(Exception):
    """Raised by a handler for a record that no retry can help; the text is the reason that is kept with it."""


@dataclass(frozen=True, slots=True)
class Received:
    """One event as it came: where it stood on the bus, what the envelope says, the state still as bytes."""

    topic: str
    partition: int
    offset: int
    key: str
    id: str
    type: str
    subject: str
    version: int
    time: datetime
    occurred_at: datetime
    business_date: date
    actor: str
    payload: bytes
    correlation: str | None = None
    traceparent: str | None = None

    def data(self, model: type[S]) -> S:
        """The published state, read as a reader must: unknown fields are ignored. Raises pydantic.ValidationError."""
        return model.model_validate_json(self.payload, extra="ignore")


class Record(Protocol):
    """A record of the bus, as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    key: Any
    value: Any


def decode(record: Record) -> Received:
    """Raises Unhandleable with the reason when the record is no event."""
    if record.value is None:
        raise Unhandleable("the record has no value")
    try:
        event = _decoder.decode(record.value)
        version = int(event.sequence)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise Unhandleable(f"not an event: {error}") from error
    return Received(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=(record.key or b"").decode(errors="replace"),
        id=event.id,
        type=event.type,
        subject=event.subject,
        version=version,
        time=event.time,
        occurred_at=event.occurredat,
        business_date=event.businessdate,
        actor=event.actor,
        payload=bytes(event.data),
        correlation=event.correlationid,
        traceparent=event.traceparent,
    )
