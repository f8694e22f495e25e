"""Daily reports, visits of a day and absences as the tests make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from chassis.aggregate import Command
from chassis.scope import everything
from contracts.envelope import Happened
from contracts.money import Money
from contracts.orders import Confirmation, Credit, Order, OrderStatus
from contracts.visits import Purpose, Section, Visit, VisitEvent, VisitStatus
from tests.visits.world import ADMIN, LI, TUESDAY, WANG, World, an_id

EVENING = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
"""Tuesday, 18 o'clock in Shanghai."""
ALL_BUT = [section.value for section in Section if section not in (Section.ATTENDANCE, Section.ORDERS_AND_COLLECTIONS)]
"""What may be left empty of a day without a visit."""
PLAIN: Mapping[str, Any] = {"attendance": {"kind": "present"}, "none": ALL_BUT}
"""A whole report of a day on which nothing happened."""
COMPLAINT = {"customer": "acme", "severity": "serious", "text": "The pump leaks"}


async def a_visit(world: World, name: str = "first", who: str = "li", day: date = TUESDAY, **more: Any) -> Visit:
    """A visit of that day, as it stands in the service."""
    visit = Visit(
        **{
            "id": an_id(name),
            "owner": who,
            "office": "sha",
            "region": "east",
            "business_date": day,
            "status": VisitStatus.COMPLETED,
            "planned": True,
            "customer": "acme",
            "customer_name": "Acme",
            "purposes": [Purpose.ORDER],
            "starts": "09:30",
            "ends": "10:30",
            **more,
        }
    )
    happened = Happened(VisitEvent.PLANNED, EVENING, day)
    await world.repositories.visits.create(visit, happened, Command(actor=who), everything("a test"))
    return visit


async def set_visit(world: World, name: str, **fields: Any) -> None:
    """What becomes of a visit meanwhile."""
    await world.database["visits"].update_one({"_id": an_id(name)}, {"$set": fields})


def order(name: str, minor: int, currency: str = "CNY", who: str = "li", day: date = TUESDAY, **more: Any) -> Order:
    """A confirmed order."""
    confirmation = Confirmation(
        at=EVENING,
        business_date=day,
        by=who,
        promised_date=day,
        payment_method="transfer",
        customer_told_at=EVENING,
        told_by=who,
        credit=Credit(person=who, office="sha", region="east"),
    )
    return Order(
        **{
            "id": an_id(name),
            "number": name,
            "customer": "acme",
            "customer_name": "Acme",
            "owner": who,
            "office": "sha",
            "region": "east",
            "status": OrderStatus.CONFIRMED,
            "business_date": day,
            "received_at": EVENING,
            "received_by": who,
            "lines": [],
            "total": Money(minor=minor, currency=currency),
            "confirmation": confirmation,
            **more,
        }
    )


async def a_report(
    world: World,
    who: Any = LI,
    day: date = TUESDAY,
    *,
    until: str = "draft",
    signer: Any = WANG,
    typed: Mapping[str, Any] = PLAIN,
    **more: Any,
) -> dict[str, Any]:
    """A report that has taken the steps up to the state named: draft, submitted, returned, signed, correcting."""
    report = await world.made(who, "daily-reports", {"business_date": day.isoformat(), **more})
    path = f"daily-reports/{report['id']}"
    if typed:
        report = await typed_into(world, who, report, typed)
    for state, (by, step, body) in {
        "submitted": (who, "submission", {}),
        "returned": (signer, "return", {"reason": "say more"}),
        "signed": (signer, "signature", {"instructions": "好"}),
        "correcting": (who, "correction", {"reason": "a visit was forgotten"}),
    }.items():
        if until == "draft" or (state == "returned" and until != "returned"):
            continue
        report = await world.made(by, f"{path}/{step}", body)
        if state == until:
            break
    return report


async def typed_into(world: World, who: Any, report: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Where the day has stops they are explained, and not left out as `talks`."""
    if report["sections"]["talks"] and "talks" in typed.get("none", ()):
        comments = [{"visit": line["visit"], "comment": "on another day"} for line in report["sections"]["talks"]]
        typed = {**typed, "talks": comments, "none": [section for section in typed["none"] if section != "talks"]}
    answered = await world.patch(who, f"daily-reports/{report['id']}", typed, report["version"])
    assert answered.status_code == 200, answered.text
    return answered.json()


async def an_absence(
    world: World, who: Any = LI, first: str = "2026-11-25", last: str = "2026-11-26", *, by: Any = None, **more: Any
) -> dict[str, Any]:
    """Leave that was applied for; approved where `by` says by whom."""
    body = {"kind": "leave", "first_day": first, "last_day": last, "reason": "family", **more}
    absence = await world.made(who, "absences", body)
    return await world.made(by, f"absences/{absence['id']}/approval") if by else absence


async def policy(world: World, office: str = "sha", **rules: Any) -> None:
    """The office's rules."""
    version = (await world.read(ADMIN, f"visit-policies/{office}"))["version"]
    answered = await world.patch(ADMIN, f"visit-policies/{office}", rules, version)
    assert answered.status_code == 200, answered.text


async def all_duties_of(world: World, owner: str, form: str) -> list[dict[str, Any]]:
    """Of one person and kind of form, the newest first."""
    return (await world.read(ADMIN, "form-duties", owner=owner, form=form))["items"]


def duties(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Owner, day, form and status of each, sorted."""
    return sorted((duty["owner"], duty["business_date"], duty["form"], duty["status"]) for duty in items)
