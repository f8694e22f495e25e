"""A made-up aggregate for the tests of the chassis, which knows no domain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from chassis.aggregate import Command
from chassis.ids import new_id
from contracts.envelope import Happened, Published

TODAY = date(2026, 3, 2)


class Parcel(Published):
    id: str
    owner: str = "ann"
    office: str = "north"
    region: str = "east"
    place: str
    weight: int = 1


class ParcelEvent(StrEnum):
    SENT = "test.parcel.sent"
    MOVED = "test.parcel.moved"
    RESTATED = "test.parcel.restated"


@dataclass(frozen=True)
class ParcelTopic:
    name: str = "test.parcel.v1"
    source: str = "/parcels"
    types: type[StrEnum] = ParcelEvent
    dataschema: str = "urn:test:parcel"


def moved(place: str) -> Any:
    return lambda parcel: (parcel.model_copy(update={"place": place}), happened(ParcelEvent.MOVED))


def happened(event_type: str) -> Happened:
    return Happened(event_type, datetime(2026, 3, 2, 9, tzinfo=UTC), TODAY)


def sent(**fields: Any) -> tuple[Parcel, Happened]:
    return Parcel(**{"id": new_id(), "place": "here", **fields}), happened(ParcelEvent.SENT)


def by(actor: str = "ann", **fields: Any) -> Command:
    return Command(actor=actor, **fields)
