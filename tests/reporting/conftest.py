"""Reporting between its two doors: the bus says, HTTP asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from chassis.consumer import Received, decode
from chassis.identity import Caller
from chassis.mongo import Database
from contracts.envelope import Published
from contracts.money import Money
from contracts.staff import Office, Person, Posting, Region, RegionOfOffice, Role
from contracts.topics import TARGETS
from reporting.app import app
from reporting.consumers import Learner
from reporting.settings import Settings
from tests.doors import Door, caller, opened
from tests.reporting.bus import MORNING, Log

LONG_AGO = date(2000, 1, 1)

LI = caller("salesperson", "li", office="sha", region="east")
WANG = caller("salesperson", "wang", office="sha", region="east")
HEAD = caller("office_head", "head", office="sha", region="east")
SUPERVISOR = caller("regional_supervisor", "supervisor", region="east")
CLERK = caller("clerk", "clerk", office="sha", region="east", offices=["hgh"])
DESK = caller("service_desk", "desk", offices=["can"])
TOP = caller("top_manager", "top")
ADMINISTRATOR = caller("administrator")
OWNER = caller("owner", "boss")


def region(region_id: str) -> Region:
    return Region(id=region_id, code=region_id.upper(), name=f"Region {region_id}")


def office(office_id: str, region_id: str, **calendar: Any) -> Office:
    return Office(
        id=office_id,
        code=office_id.upper(),
        name=f"Office {office_id}",
        regions=[RegionOfOffice(valid_from=LONG_AGO, region=region_id)],
        **calendar,
    )


def person(person_id: str, office_id: str, region_id: str, role: Role = Role.SALESPERSON) -> Person:
    posting = Posting(valid_from=LONG_AGO, role=role, office=office_id, region=region_id)
    return Person(id=person_id, name=person_id.title(), joined_on=LONG_AGO, postings=[posting])


COMPANY = [
    region("east"),
    region("south"),
    office("sha", "east", holidays=[date(2017, 5, 1), date(2017, 5, 29), date(2017, 5, 30)],
           extra_workdays=[date(2017, 5, 27)]),
    office("hgh", "east"),
    office("can", "south"),
    person("li", "sha", "east"),
    person("wang", "sha", "east"),
    person("ma", "hgh", "east"),
    person("zhao", "can", "south"),
]  # fmt: skip
"""Two regions, three offices, four salespeople. The office sha keeps May Day and the Dragon Boat Festival of 2017."""


class _Record:
    def __init__(self, value: bytes, offset: int) -> None:
        self.topic, self.partition, self.offset = TARGETS.name, 0, offset
        self.key, self.value = b"", value


class Reporting:
    """The service with its two doors."""

    def __init__(self, database: Database, door: Door) -> None:
        self.door = door
        self.database = database
        self.log = Log()
        self.learner = Learner(database)
        self._delivered = 0

    async def hear(self, *states: Published, version: int = 1, time: datetime = MORNING) -> list[Received]:
        """The bus says these states, in one batch."""
        events = [self.log.say(state, version, time) for state in states]
        await self.learner.take(events)
        return events

    async def deliver_targets(self) -> list[bytes]:
        """What the targets' outboxes hold reaches the worker, as by the relay; answers the events."""
        events: list[bytes] = []
        async for document in self.database["targets"].find().sort("_id"):
            events += [entry["event"] for entry in document["outbox"]]
            await self.database["targets"].update_one({"_id": document["_id"]}, {"$set": {"outbox": []}})
        records = [_Record(event, self._delivered + n) for n, event in enumerate(events)]
        self._delivered += len(events)
        await self.learner.take([decode(record) for record in records])
        return events

    async def settle(self) -> list[bytes]:
        """What the organisation's events have touched is spread again and heard, as by the worker's timer."""
        said: list[bytes] = []
        while events := await self.deliver_targets():
            said += events
            await self.learner.respread.work()
        if await self.learner.respread.work():
            said += await self.settle()
        return said

    async def ask(self, who: Caller, path: str, language: str = "en", **asked: Any) -> httpx.Response:
        """`since` and `until` are the parameters from and to."""
        names = {"since": "from", "until": "to"}
        headers = {**self.door.as_(who), "Accept-Language": language}
        params = {names.get(name, name): value for name, value in asked.items() if value is not None}
        return await self.door.get(f"/api/v1/progress/{path}", params=params, headers=headers)

    async def told(self, who: Caller, path: str, **asked: Any) -> dict[str, Any]:
        """The same, for a question that is answered."""
        answered = await self.ask(who, path, **asked)
        assert answered.status_code == 200, answered.text
        return answered.json()

    async def items(self, who: Caller, path: str, **asked: Any) -> list[dict[str, Any]]:
        """The rows of all pages."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self.told(who, path, cursor=cursor, **asked)
            rows += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows

    async def one(self, who: Caller, path: str, **asked: Any) -> dict[str, Any]:
        """The measures of the only row."""
        [row] = await self.items(who, path, **asked)
        return row["measures"]


@pytest.fixture
async def reporting(mongo: str, database: Database) -> AsyncIterator[Reporting]:
    settings = Settings(mongodb_uri=mongo, mongodb_database=database.name)
    async with opened(app(settings)) as door:
        yield Reporting(database, door)


@pytest.fixture
async def company(reporting: Reporting) -> Reporting:
    """The same, and it knows the sales organisation."""
    await reporting.hear(*COMPANY)
    return reporting


def cny(minor: int) -> Money:
    return Money(minor=minor, currency="CNY")


def noon(year: int, month: int, day: int) -> datetime:
    """Noon in Shanghai."""
    return datetime(year, month, day, 4, tzinfo=UTC)
