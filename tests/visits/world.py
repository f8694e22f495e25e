"""Two offices in two time zones with their people and customers, and the visits service open for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from chassis import clock
from chassis.clock import SetClock
from chassis.consumer import Received, decode
from chassis.ids import derived_id
from chassis.mongo import Database
from contracts.customers import Address, Contact, Customer, CustomerStatus, Ownership
from contracts.envelope import Published
from contracts.staff import Office, Person, Posting, RegionOfOffice, Role
from contracts.topics import TOPICS
from tests.doors import Door, caller, opened
from visits.app import app
from visits.consumers import Learner
from visits.repositories import Repositories
from visits.settings import Settings

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
START = date(2026, 1, 1)
"""Everybody works since then."""
TUESDAY = date(2026, 11, 24)
MORNING = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
"""Tuesday, 8 o'clock in Shanghai; Monday, 19 o'clock in New York. The clock of every world begins here."""

LI = caller("salesperson", "li", office="sha", region="east")
ZHAO = caller("salesperson", "zhao", office="sha", region="east")
WANG = caller("office_head", "wang", office="sha", region="east")
CHEN = caller("clerk", "chen", office="sha", region="east")
BOB = caller("salesperson", "bob", office="nyc", region="west")
AMY = caller("salesperson", "amy", office="nyc", region="west")
ANN = caller("office_head", "ann", office="nyc", region="west")
CARL = caller("clerk", "carl", office="nyc", region="west")
HE = caller("regional_supervisor", "he", region="east")
TOP = caller("top_manager", "top")
BOSS = caller("owner", "boss")
ADMIN = caller("administrator")
IMPORTER = caller("service_desk", "robot", rights=["import"])
NOBODY = caller("")

EVERYBODY = (LI, ZHAO, WANG, CHEN, BOB, AMY, ANN, CARL, HE, TOP, BOSS, ADMIN, IMPORTER, NOBODY)


def office(office_id: str, region: str, timezone: str = "Asia/Shanghai", **more: Any) -> Office:
    regions = [RegionOfOffice(valid_from=START, region=region)]
    return Office(id=office_id, code=office_id.upper(), name=office_id, regions=regions, timezone=timezone, **more)


def person(
    person_id: str, role: Role, office_id: str | None, region: str | None, manager: str | None = None, **more: Any
) -> Person:
    posting = Posting(valid_from=START, role=role, office=office_id, region=region, manager=manager)
    return Person(**{"id": person_id, "name": person_id.title(), "joined_on": START, "postings": [posting], **more})


def customer(customer_id: str, owner: str, office_id: str, region: str, **more: Any) -> Customer:
    held = Ownership(valid_from=START, owner=owner, office=office_id, region=region)
    return Customer(
        **{
            "id": customer_id,
            "name": customer_id.title(),
            "status": CustomerStatus.ACTIVE,
            "owner": owner,
            "office": office_id,
            "region": region,
            "ownership": [held],
            "prospect_since": START,
            "registered_at": datetime(2026, 1, 1, tzinfo=UTC),
            **more,
        }
    )


ACME_IS_AT = (31.2304, 121.4737)
"""Latitude and longitude of the customer acme."""

COMPANY: Sequence[Published] = (
    office("sha", "east", holidays=[date(2026, 11, 20)]),
    office("nyc", "west", "America/New_York"),
    person("li", Role.SALESPERSON, "sha", "east", manager="wang"),
    person("zhao", Role.SALESPERSON, "sha", "east", manager="wang"),
    person("wang", Role.OFFICE_HEAD, "sha", "east", manager="he"),
    person("chen", Role.CLERK, "sha", "east"),
    person("he", Role.REGIONAL_SUPERVISOR, None, "east", manager="top"),
    # Without managers: New York's line follows from the organisation.
    person("bob", Role.SALESPERSON, "nyc", "west"),
    person("amy", Role.SALESPERSON, "nyc", "west"),
    person("ann", Role.OFFICE_HEAD, "nyc", "west"),
    person("carl", Role.CLERK, "nyc", "west"),
    person("top", Role.TOP_MANAGER, None, None),
    person("boss", Role.OWNER, None, None),
    customer(
        "acme",
        "li",
        "sha",
        "east",
        addresses=[Address(text="1 Bund", latitude=ACME_IS_AT[0], longitude=ACME_IS_AT[1])],
        contacts=[Contact(id="xu", name="Ms Xu")],
    ),
    customer("plain", "li", "sha", "east"),
    customer("zeta", "zhao", "sha", "east"),
    customer("coast", "bob", "nyc", "west"),
    customer("harbor", "amy", "nyc", "west"),
)


def an_id(name: str) -> str:
    """The same UUID for the same name."""
    return derived_id("tests of visits", name)


def local(zone: ZoneInfo, day: date, time: str) -> str:
    """An instant as a request says it: the time of day, such as 09:30, in that zone."""
    hour, minute = (int(part) for part in time.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).isoformat()


def said(state: Published, version: int = 1, topic: str | None = None) -> Received:
    """A state as the worker receives it."""
    name = topic or next(topic.name for topic in TOPICS if topic.state is type(state))
    subject: str = state.id  # type: ignore[attr-defined]
    now, payload = clock.now(), state.model_dump_json()
    return Received(
        topic=name,
        partition=0,
        offset=0,
        key=subject,
        id=derived_id(f"{name}@{version}", payload),
        type="said",
        subject=subject,
        version=version,
        time=now,
        occurred_at=now,
        business_date=now.date(),
        actor="somebody",
        payload=payload.encode(),
    )


AS_IT_STANDS = "as it stands"
REPLACING = ("amendment", "correction", "evaluation")


class _Record:
    def __init__(self, topic: str, subject: str, value: bytes) -> None:
        self.topic, self.partition, self.offset = topic, 0, 0
        self.key, self.value = subject.encode(), value


@dataclass(slots=True)
class World:
    """The service with its door, its store and its clock. `bus` plays the relay and the consumer."""

    door: Door
    repositories: Repositories
    time: SetClock
    database: Database
    _heard: set[tuple[str, str, bytes]] = field(default_factory=set)

    async def begin_again(self) -> None:
        """Empty, with the organisation and the customers learned: for the next example of a property."""
        for name in await self.database.list_collection_names():
            await self.database[name].delete_many({})
        self._heard.clear()
        await self.hear(*COMPANY)

    async def hear(self, *states: Published, version: int = 1) -> None:
        """What other services say."""
        await self.take([said(state, version) for state in states])

    async def take(self, events: Sequence[Received]) -> None:
        await Learner(self.repositories).take(events)

    async def bus(self) -> None:
        """The service hears what it has said itself, and what follows from that, until nothing more follows."""
        for _ in range(20):
            events = await self.unheard()
            if not events:
                return
            await self.take(events)
        raise AssertionError("the reactions never come to rest")

    async def unheard(self) -> list[Received]:
        """The events of this service that it has not heard yet; they count as heard from now on."""
        found: list[Received] = []
        for repository in self.repositories.all:
            name = repository.collection.name
            async for document in repository.collection.find({}).sort("_id"):
                for entry in document["outbox"]:
                    mark = (name, str(document["_id"]), bytes(entry.get("event", b"")))
                    if mark[2] and mark not in self._heard:
                        self._heard.add(mark)
                        found.append(decode(_Record(repository.topic.name, mark[1], mark[2])))
        return found

    async def events(self, collection: str, aggregate_id: str) -> list[bytes]:
        """All events of an aggregate, oldest first, as they go on the bus."""
        document = await self.database[collection].find_one({"_id": aggregate_id})
        return [bytes(entry["event"]) for entry in document["outbox"]]

    async def types(self, collection: str, aggregate_id: str) -> list[str]:
        """The last words of the types of its events, such as submitted."""
        return [json.loads(event)["type"].rpartition(".")[2] for event in await self.events(collection, aggregate_id)]

    async def post(
        self,
        who: Any,
        path: str,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        version: int | str | None = AS_IT_STANDS,
    ) -> httpx.Response:
        """version: for If-Match. A step that replaces content says the present one, unless another one is given."""
        if version == AS_IT_STANDS:
            record, _, step = path.rpartition("/")
            version = None
            if step in REPLACING:
                told = await self.door.get(f"/api/v1/{record}", headers=self.door.as_(ADMIN))
                version = told.json().get("version")
        assert version is None or isinstance(version, int)
        return await self.door.post(f"/api/v1/{path}", json=body or {}, headers=self.door.as_(who, key, version))

    async def patch(self, who: Any, path: str, body: Mapping[str, Any], version: int | None = None) -> httpx.Response:
        return await self.door.patch(f"/api/v1/{path}", json=body, headers=self.door.as_(who, version=version))

    async def get(self, who: Any, path: str, **query: Any) -> httpx.Response:
        return await self.door.get(f"/api/v1/{path}", params=query, headers=self.door.as_(who))

    async def made(self, who: Any, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """What a POST answers, which must succeed."""
        answered = await self.post(who, path, body, **more)
        assert answered.status_code in (200, 201), answered.text
        return answered.json()

    async def read(self, who: Any, path: str, **query: Any) -> Any:
        """What a GET answers, which must succeed."""
        answered = await self.get(who, path, **query)
        assert answered.status_code == 200, answered.text
        return answered.json()


def codes(answered: httpx.Response) -> tuple[int, str]:
    return answered.status_code, answered.json().get("code", "")


def fields(answered: httpx.Response) -> list[str]:
    return [error["field"] for error in answered.json()["errors"]]


async def gathered(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


@asynccontextmanager
async def open_service(mongo: str, database: Database) -> AsyncIterator[tuple[Door, Repositories]]:
    """The service with its indexes made: seconds of work, so once for all tests."""
    made = app(Settings(mongodb_uri=mongo, mongodb_database=database.name))
    async with opened(made) as door:
        yield door, made.state.repositories


@asynccontextmanager
async def open_world(door: Door, repositories: Repositories, at: datetime = MORNING) -> AsyncIterator[World]:
    """An empty service that has learned its organisation and customers; its clock stands still at `at`."""
    database = repositories.database
    with clock.set_to(at) as time:
        world = World(door, repositories, time, database)
        door.headers["X-Request-Id"] = "request"  # samples are the same each time
        await world.begin_again()
        yield world
