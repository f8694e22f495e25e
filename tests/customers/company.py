"""A small company: two regions, three offices in two time zones, and who works there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import httpx

from chassis.ids import derived_id
from chassis.mongo import Database
from contracts.customers import Customer, CustomerStatus, Ownership
from tests.doors import Door, caller

NOON = datetime(2026, 3, 11, 4, tzinfo=UTC)
"""Wednesday noon in Shanghai."""
TODAY = date(2026, 3, 11)


def an_id(name: str) -> str:
    return derived_id("tests of customers", name)


EAST, SOUTH = an_id("east"), an_id("south")
SHA, HGH, LAX = an_id("sha"), an_id("hgh"), an_id("lax")
HEAD, LI, WANG, CHEN, SMITH, CLERK, CHIEF = (
    an_id(name) for name in ("head", "li", "wang", "chen", "smith", "clerk", "chief")
)

AS_ADMINISTRATOR = caller("administrator")
AS_IMPORTER = caller("top_manager", rights=["import"])
AS_TOP = caller("top_manager")
AS_OWNER = caller("owner")
AS_SERVICE = caller("service")
AS_LI = caller("salesperson", LI, office=SHA, region=EAST)
AS_WANG = caller("salesperson", WANG, office=SHA, region=EAST)
AS_CHEN = caller("salesperson", CHEN, office=HGH, region=EAST)
AS_SMITH = caller("salesperson", SMITH, office=LAX, region=SOUTH)
AS_HEAD = caller("office_head", HEAD, office=SHA, region=EAST)
AS_CHIEF = caller("regional_supervisor", CHIEF, region=EAST)
AS_CLERK = caller("clerk", CLERK, office=SHA, region=EAST)

ORGANISATION: list[tuple[str, dict[str, Any]]] = [
    ("regions", {"id": EAST, "code": "EAST", "name": "华东"}),
    ("regions", {"id": SOUTH, "code": "SOUTH", "name": "South"}),
    ("offices", {"id": SHA, "code": "SHA", "name": "上海办事处", "region": EAST, "opened_on": "2020-01-01"}),
    ("offices", {"id": HGH, "code": "HGH", "name": "杭州办事处", "region": EAST, "opened_on": "2020-01-01"}),
    (
        "offices",
        {
            "id": LAX,
            "code": "LAX",
            "name": "Los Angeles",
            "region": SOUTH,
            "opened_on": "2020-01-01",
            "timezone": "America/Los_Angeles",
        },
    ),
    ("people", {"id": CHIEF, "name": "赵区域", "role": "regional_supervisor", "region": EAST}),
    ("people", {"id": HEAD, "name": "孙主任", "role": "office_head", "office": SHA, "manager": CHIEF}),
    ("people", {"id": LI, "name": "李雷", "role": "salesperson", "office": SHA, "manager": HEAD}),
    ("people", {"id": WANG, "name": "王芳", "role": "salesperson", "office": SHA, "manager": HEAD}),
    ("people", {"id": CHEN, "name": "陈晨", "role": "salesperson", "office": HGH, "manager": CHIEF}),
    ("people", {"id": SMITH, "name": "Smith", "role": "salesperson", "office": LAX}),
    ("people", {"id": CLERK, "name": "周内勤", "role": "clerk", "office": SHA}),
]
JOINED = "2020-01-01"


async def found(door: Door) -> None:
    """Register all of it."""
    for kind, record in ORGANISATION:
        body = {"joined_on": JOINED, **record} if kind == "people" else record
        headers = {**door.as_(AS_ADMINISTRATOR), "X-Request-Id": "the-founding"}
        answer = await door.post(f"/api/v1/{kind}", json=body, headers=headers)
        assert answer.status_code == 201, answer.text


async def a_customer(door: Door, who: Any, name: str = "华兴机械", **more: Any) -> dict[str, Any]:
    """A customer registered by that caller."""
    answer = await door.post("/api/v1/customers", json={"name": name, **more}, headers=door.as_(who))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def events(database: Database, collection: str, aggregate_id: str) -> list[bytes]:
    """The events of an aggregate that nobody has published yet."""
    document = await database[collection].find_one({"_id": aggregate_id})
    return [bytes(entry["event"]) for entry in document["outbox"]]


def refused(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The refusal of that kind; it must name the field, and speak both languages."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    if field is not None:
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    return answer.json()


def customer(status: CustomerStatus = CustomerStatus.PROSPECT, **more: Any) -> Customer:
    """A customer as the model sees it: Li's since January, Wang's since 10 March."""
    return Customer(
        **{
            "id": "c",
            "name": "华兴机械",
            "status": status,
            "owner": "wang",
            "office": "sha",
            "region": "east",
            "ownership": [
                Ownership(valid_from=date(2026, 1, 5), owner="li", office="hgh", region="east"),
                Ownership(valid_from=date(2026, 3, 10), owner="wang", office="sha", region="east"),
            ],
            "prospect_since": date(2026, 1, 5),
            "registered_at": NOON,
            **more,
        }
    )
