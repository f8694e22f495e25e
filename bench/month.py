"""The month view of a company of 5,000 people and a million facts, against adding the facts up when asked."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import orjson

from bench import frame
from bench.frame import Report, Service, Stage, check
from bench.year import FIRST, Person, people
from chassis.mongo import Database, aggregate, connect
from chassis.received import Received
from contracts.staff import Person as PersonOfStaff
from contracts.staff import Posting, Role
from contracts.topics import ORDERS, PEOPLE, VISITS
from reporting.answers import shown
from reporting.consumers import Learner

NAME = "month"
WHAT = "GET of a month of a company of 5,000 people and a million facts"
STAFF = 5_000
FACTS_EACH = 200
AT_ONCE = 150
"""People whose year the worker's own code takes in one batch."""
MONTH = "2025-06"
LEVELS = ("company", "region", "office", "person")
ASKED = 100
"""Questions of each level and round, one after the other over one connection."""
LIMIT = 50
NOON = datetime(2026, 1, 1, tzinfo=UTC)


def _year_of(person: Person, chance: random.Random) -> Iterator[Received]:
    """A person's year as its last states, as far as a reader looks at them."""
    owned = {"owner": person.id, "office": person.office, "region": person.region}
    for number in range(FACTS_EACH):
        day = (FIRST + timedelta(days=chance.randrange(365))).isoformat()
        fact = f"{person.id[:-6]}{number:06d}"
        customer = {"customer": person.id, "customer_name": "上海客户有限公司"}
        if number % 4:
            state: dict[str, Any] = {
                **owned,
                **customer,
                "business_date": day,
                "status": "completed" if chance.random() < 0.85 else "not_met",
                "planned": True,
                "committed": True,
                "purposes": ["order"],
                "results": [{"purpose": "order", "outcome": "achieved"}],
                "contact_name": "Xu Li",
                "costs": [{"amount": {"minor": chance.randrange(500, 9_000), "currency": "CNY"}}],
                "signed": {"report": "r"},
            }
        else:
            credit = {"person": person.id, "office": person.office, "region": person.region}
            total = chance.randrange(10_000, 5_000_000)
            state = {
                **customer,
                "number": f"SHA-2025-{number:06d}",
                "total": {"minor": total, "currency": "CNY"},
                "margin": {"minor": total // 3, "currency": "CNY"},
                "confirmation": {"business_date": day, "promised_date": day, "credit": credit},
                "handover": {"business_date": day},
            }
        topic = VISITS if number % 4 else ORDERS
        yield _received(topic.name, fact, orjson.dumps(state))


def _received(topic: str, subject: str, payload: bytes) -> Received:
    return Received(
        topic=topic,
        partition=0,
        offset=0,
        key=subject,
        id=subject,
        type="said",
        subject=subject,
        version=1,
        time=NOON,
        occurred_at=NOON,
        business_date=NOON.date(),
        actor="somebody",
        payload=payload,
    )


async def _fill(database: Database, staff: list[Person]) -> None:
    """Everything by the worker's own code, so every document is as it leaves it."""
    chance = random.Random(5_000)  # noqa: S311 - the same company at each run
    learner = Learner(database)
    await learner.prepare()
    posted = [
        PersonOfStaff(
            id=person.id,
            name=f"业务员 {number:04d}",
            joined_on=date(2020, 1, 1),
            postings=[
                Posting(valid_from=date(2020, 1, 1), role=Role.SALESPERSON, office=person.office, region=person.region)
            ],
        )
        for number, person in enumerate(staff)
    ]
    await learner.take([_received(PEOPLE.name, one.id, one.model_dump_json().encode()) for one in posted])
    for start in range(0, len(staff), AT_ONCE):
        await learner.take([event for person in staff[start : start + AT_ONCE] for event in _year_of(person, chance)])


async def _added_up(database: Database, level: str) -> dict[str, dict[str, int]]:
    """The peer: the facts of the month, added up by the database when asked; by unit, its numbers."""
    depth = LEVELS.index(level)
    found = await aggregate(
        database["facts"],
        [
            {"$match": {"counts.cell": {"$gte": f"{MONTH}-01", "$lt": f"{MONTH}-32"}}},
            {"$unwind": "$counts"},
            {"$match": {"counts.cell": {"$gte": f"{MONTH}-01", "$lt": f"{MONTH}-32"}}},
            {
                "$project": {
                    "unit": {"$arrayElemAt": [{"$split": ["$counts.cell", "/"]}, depth]} if depth else "company",
                    "value": {"$objectToArray": "$counts.values"},
                }
            },
            {"$unwind": "$value"},
            {"$group": {"_id": {"unit": "$unit", "path": "$value.k"}, "sum": {"$sum": "$value.v"}}},
        ],
        allowDiskUse=True,
    )
    units: dict[str, dict[str, int]] = {}
    for row in found:
        units.setdefault(row["_id"]["unit"], {})[row["_id"]["path"]] = row["sum"]
    return units


class Client:
    """Asks the api over one connection, as a caller who sees everything."""

    def __init__(self, service: Service, headers: dict[str, str]) -> None:
        self._url = f"{service.url}/api/v1/progress/month"
        self._session = aiohttp.ClientSession(headers=headers)

    async def ask(self, level: str, cursor: str | None = None) -> tuple[dict[str, Any], float]:
        """The answer, and the milliseconds that it took."""
        asked = {"from": MONTH, "to": MONTH, "level": level, "limit": str(LIMIT)}
        if cursor is not None:
            asked["cursor"] = cursor
        began = time.perf_counter()
        async with self._session.get(self._url, params=asked) as answer:
            body = await answer.read()
        took = (time.perf_counter() - began) * 1_000
        check(answer.status == 200, f"{level} answers {answer.status}: {body[:300]!r}")
        return json.loads(body), took

    async def close(self) -> None:
        await self._session.close()


async def _check(client: Client, sums: dict[str, dict[str, dict[str, int]]]) -> None:
    """Every row of every page of every level against the facts, added up."""
    for level in LEVELS:
        rows: dict[str, Any] = {}
        cursor: str | None = None
        while True:
            page, _ = await client.ask(level, cursor)
            rows |= {row["id"]: row["measures"] for row in page["items"]}
            if (cursor := page["next_cursor"]) is None:
                break
        check(rows.keys() == sums[level].keys(), f"{level}: {len(rows)} rows, not {len(sums[level])}")
        for unit, total in sums[level].items():
            check(
                rows[unit] == json.loads(orjson.dumps(shown(total, total, "top_manager"))),
                f"{level} {unit} is not what the facts say",
            )


async def measure(stage: Stage, report: Report) -> None:
    client = connect(await stage.mongodb())
    database = client.database("reporting")
    staff = people(STAFF, an_office=25, a_region=20)
    await _fill(database, staff)
    count = await database["facts"].estimated_document_count()
    check(count == STAFF * FACTS_EACH, f"{count} facts are stored")
    headers = {"Authorization": f"Bearer {stage.identity.token('top_manager', 'top')}"}
    warm: list[float] = []
    sums: dict[str, dict[str, dict[str, int]]] = {}

    async def ours() -> None:
        # A new process each time: what it is asked first it answers cold.
        service = await stage.service("reporting", "api", SALESBEAT_MONGODB_DATABASE="reporting")
        asking = Client(service, headers)
        for level in LEVELS:
            _, first = await asking.ask(level)
            report.add(f"{level}, cold", "reporting api", first, "ms")
        if not warm:
            for level in LEVELS:
                sums[level] = await _added_up(database, level)
            await _check(asking, sums)
        for level in LEVELS:
            took = [(await asking.ask(level))[1] for _ in range(ASKED)]
            warm.extend(took)
            report.add(level, "reporting api", statistics.median(took), "ms")
            report.add(f"{level}, p99", "reporting api", sorted(took)[int(ASKED * 0.99) - 1], "ms")
        await asking.close()
        stage.stop(service.process)

    async def added_up() -> None:
        for level in LEVELS:
            began = time.perf_counter()
            found = await _added_up(database, level)
            took = (time.perf_counter() - began) * 1_000
            check(found.keys() == sums[level].keys(), f"the facts of {level} add up to something else")
            for case in (level, f"{level}, cold"):
                report.add(case, "facts added up when asked", took, "ms")

    await frame.interleave(stage, ours, added_up)
    await client.close()
    report.note(f"{count:,} facts, {STAFF:,} people, {len({p.office for p in staff})} offices; {LIMIT} rows a page.")
    for case in (*LEVELS, *(f"{level}, cold" for level in LEVELS)):
        report.at_least(f"{case}, to adding up", 20, report.ratio(case, "facts added up when asked", "reporting api"))
    for level in LEVELS:
        report.at_most(f"{level}, p99 in ms", 50, report.median(f"{level}, p99", "reporting api"))


if __name__ == "__main__":
    frame.main(NAME, WHAT, measure)
