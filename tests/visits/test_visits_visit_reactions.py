"""What plans, orders and reports make of visits: the same, in whatever order and however often their events come."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.aggregate import Command
from chassis.consumer import Received
from chassis.scope import everything
from contracts.envelope import Happened
from contracts.money import Money
from contracts.orders import Cancellation, Confirmation, Credit, Order, OrderStatus
from contracts.steps import Reasoned
from contracts.visits import (
    DailyReport,
    ReportEvent,
    ReportRevision,
    ReportStatus,
    Sections,
    Signature,
    Submission,
    TalkLine,
    VisitStatus,
)
from tests.contracts.sampling import held_to_sample
from tests.visits.plans import AREA, FIRST, SECOND, a_plan, stop
from tests.visits.world import LI, MORNING, TUESDAY, WANG, World, an_id, codes, said

VISIT, OTHER, THIRD = an_id("first"), an_id("other"), an_id("third")
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
COMPLETION = {"contact_name": "Xu", "results": [{"purpose": "order", "outcome": "achieved"}]}
DISORDER = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def disorder(data: st.DataObject, events: list[Received]) -> list[list[Received]]:
    """The events in some order, some of them twice, cut into batches."""
    again = data.draw(st.lists(st.sampled_from(events), max_size=4))
    order = data.draw(st.permutations([*events, *again]))
    size = data.draw(st.integers(1, len(order)))
    return [list(order[at : at + size]) for at in range(0, len(order), size)]


async def visits(world: World) -> dict[str, dict[str, Any]]:
    """The visits without their versions; one that was withdrawn is as good as one that never came."""
    found = (await world.read(LI, "visits"))["items"]
    return {
        visit["id"]: {name: value for name, value in visit.items() if name != "version"}
        for visit in found
        if visit["status"] != "withdrawn"
    }


def order(number: int = 1, **more: Any) -> Order:
    return Order.model_validate(
        {
            "id": f"order-{number}",
            "number": f"SHA-2026-{number:06}",
            "customer": "acme",
            "customer_name": "Acme",
            "owner": "li",
            "office": "sha",
            "region": "east",
            "status": OrderStatus.RECEIVED,
            "business_date": TUESDAY,
            "received_at": NOW,
            "received_by": "li",
            "lines": [],
            "total": Money(minor=1, currency="CNY"),
            **more,
        }
    )


def confirmed(number: int = 1, **more: Any) -> Order:
    return order(
        number,
        status=OrderStatus.CONFIRMED,
        confirmation=Confirmation(
            at=NOW,
            business_date=TUESDAY,
            by="li",
            promised_date=TUESDAY,
            payment_method="cash",
            customer_told_at=NOW,
            told_by="li",
            credit=Credit(person="li", office="sha", region="east"),
        ),
        **more,
    )


def cancelled(number: int = 1, **more: Any) -> Order:
    gone = Cancellation(at=NOW, business_date=TUESDAY + timedelta(days=1), by="li", reason="x", was_confirmed=True)
    return confirmed(number, **more).model_copy(update={"status": OrderStatus.CANCELLED, "cancellation": gone})


# --- plans ------------------------------------------------------------------------------------------


async def test_a_change_of_the_plan_changes_what_has_not_begun(world: World) -> None:
    plan = await a_plan(world, until="signed")
    await world.bus()
    await world.made(LI, f"visits/{VISIT}/check-in")
    path = f"visit-plans/{plan['id']}"
    await world.made(LI, f"{path}/amendment", {"reason": "x"})
    stops = [stop(starts="08:00", ends="08:30"), AREA]
    assert (await world.patch(LI, path, {"stops": stops}, plan["version"] + 1)).status_code == 200
    await world.bus()
    before = await visits(world)
    assert {visit["status"] for visit in before.values()} == {"checked_in", "planned"}
    assert before[an_id("second")]["starts"] == "11:00"  # a draft changes nothing
    await world.made(LI, f"{path}/submission")
    await world.bus()
    after = await visits(world)
    assert after[VISIT] == before[VISIT]
    assert set(after) == {VISIT, an_id("area")}
    await world.made(WANG, f"{path}/return", {"reason": "keep Plain"})
    await world.bus()
    assert {visit: found["status"] for visit, found in (await visits(world)).items()} == {
        VISIT: "checked_in",
        an_id("second"): "planned",
    }
    types = await world.types("visits", an_id("second"))
    assert types == ["planned", "withdrawn", "planned"]


async def test_a_plan_that_is_signed_after_its_visits_began_still_says_which_were_committed(world: World) -> None:
    tomorrow = TUESDAY + timedelta(days=1)
    plan = await a_plan(world, day=tomorrow, until="submitted")
    await world.bus()
    await world.made(WANG, f"visit-plans/{plan['id']}/signature")
    late = await world.unheard()
    world.time.move(timedelta(hours=25))
    begun = await world.made(LI, f"visits/{VISIT}/check-in")
    assert (begun["status"], begun["committed"]) == ("checked_in", False)
    await world.take(late)
    found = await world.read(LI, f"visits/{VISIT}")
    assert (found["status"], found["committed"]) == ("checked_in", True)


@DISORDER
@given(data=st.data())
async def test_any_order_of_a_plans_events_gives_the_same_visits(world: World, data: st.DataObject) -> None:
    await world.begin_again()
    world.time.set(MORNING)
    plan = await a_plan(world, stops=[FIRST, SECOND], until="submitted")
    path = f"visit-plans/{plan['id']}"
    if data.draw(st.booleans(), "first returned"):
        await world.made(WANG, f"{path}/return", {"reason": "x"})
        plan = await world.read(LI, path)
        assert (await world.patch(LI, path, {"stops": [SECOND, AREA]}, plan["version"])).status_code == 200
        await world.made(LI, f"{path}/submission")
    await world.made(WANG, f"{path}/signature")
    ending = data.draw(st.sampled_from(["signed", "draft", "submitted", "returned", "signed again"]), "ending")
    if ending != "signed":
        await world.made(LI, f"{path}/amendment", {"reason": "x"})
        plan = await world.read(LI, path)
        stops = [{**FIRST, "starts": "09:00"}, AREA]
        assert (await world.patch(LI, path, {"stops": stops}, plan["version"])).status_code == 200
        if ending != "draft":
            await world.made(LI, f"{path}/submission")
        if ending == "returned":
            await world.made(WANG, f"{path}/return", {"reason": "x"})
        if ending == "signed again":
            await world.made(WANG, f"{path}/signature")
    begun = data.draw(st.booleans(), "begun by a command before any event")
    if begun:
        in_force = (await world.read(LI, path))["in_force"]
        await world.made(LI, f"visits/{in_force[0]['id']}/check-in")
    plans = [event for event in await world.unheard() if event.topic == "sales.visit_plan.v1"]
    for batch in disorder(data, plans):
        await world.take(batch)
    await world.bus()
    found = await visits(world)
    plan = await world.read(LI, path)
    assert set(found) == {one["id"] for one in plan["in_force"]}
    for one in plan["in_force"]:
        visit = found[one["id"]]
        expected = "checked_in" if begun and one == plan["in_force"][0] else "planned"
        assert (visit["status"], visit["starts"], visit["purposes"]) == (expected, one["starts"], one["purposes"])
        assert visit["committed"] == (one["id"] in (plan["committed"] or []))
    versions = {visit["id"]: visit["version"] for visit in (await world.read(LI, "visits"))["items"]}
    for batch in disorder(data, plans):
        await world.take(batch)
    assert versions == {visit["id"]: visit["version"] for visit in (await world.read(LI, "visits"))["items"]}


# --- orders -----------------------------------------------------------------------------------------


async def completed(world: World, visit: str, minutes: int) -> None:
    at = {"occurred_at": (MORNING + timedelta(minutes=minutes)).isoformat()}
    await world.made(LI, "visits", {"id": visit, "customer": "acme", "purposes": ["order"], "check_in": {}, **at})
    await world.made(LI, f"visits/{visit}/completion", {**COMPLETION, **at})


@DISORDER
@given(data=st.data())
async def test_any_order_of_orders_and_visits_gives_the_same_attribution(world: World, data: st.DataObject) -> None:
    await world.begin_again()
    world.time.set(MORNING + timedelta(hours=6))
    world.door.headers["X-Request-Id"] = "request"
    await completed(world, VISIT, 30)
    await completed(world, OTHER, 90)
    await world.made(LI, "visits", {"id": THIRD, "customer": "acme", "purposes": ["order"], "check_in": {}})
    spoken = [
        said(order(1)),
        said(confirmed(1), 2),
        said(cancelled(1), 3),
        said(order(2, visit=VISIT)),
        said(confirmed(2, visit=VISIT), 2),
        said(order(3, visit=an_id("never"))),
        said(confirmed(4, owner="zhao")),
        said(confirmed(5, business_date=TUESDAY - timedelta(days=1))),
        said(confirmed(6, customer="plain")),
        *await world.unheard(),
    ]
    for batch in disorder(data, spoken):
        await world.take(batch)
    await world.bus()
    found = {
        visit: [(one["order"], one["confirmed_on"], one["cancelled_on"]) for one in state["orders"]]
        for visit, state in (await visits(world)).items()
    }
    assert found == {
        VISIT: [("order-2", "2026-11-24", None)],
        OTHER: [("order-1", "2026-11-24", "2026-11-25"), ("order-3", None, None)],
        THIRD: [],
    }
    versions = {visit["id"]: visit["version"] for visit in (await world.read(LI, "visits"))["items"]}
    for batch in disorder(data, spoken):
        await world.take(batch)
    assert versions == {visit["id"]: visit["version"] for visit in (await world.read(LI, "visits"))["items"]}


async def test_an_order_goes_over_to_a_later_visit_and_to_the_one_that_it_names(world: World) -> None:
    world.time.set(MORNING + timedelta(hours=6))
    await world.hear(confirmed())

    async def holders() -> list[str]:
        await world.bus()
        return [visit for visit, state in (await visits(world)).items() if state["orders"]]

    assert await holders() == []
    await completed(world, VISIT, 30)
    assert await holders() == [VISIT]
    await completed(world, OTHER, 20)
    assert await holders() == [VISIT]
    await completed(world, THIRD, 90)
    assert await holders() == [THIRD]
    await world.hear(confirmed(visit=OTHER), version=2)
    assert await holders() == [OTHER]
    await world.hear(confirmed(), version=1)  # an old one comes again
    assert await holders() == [OTHER]


@pytest.mark.parametrize("early", [True, False], ids=["the order comes first", "the visit comes first"])
async def test_an_order_is_taken_at_its_word_only_about_a_visit_that_can_be_meant(world: World, early: bool) -> None:
    orders = [
        confirmed(1, visit=VISIT),  # an area, where nobody was a customer yet
        confirmed(2, visit=VISIT, owner="zhao"),
        confirmed(3, visit=OTHER, customer="plain"),
        confirmed(4, visit=OTHER),
    ]
    if early:
        await world.hear(*orders)
    for visit, where in ((VISIT, {"area": "Pudong"}), (OTHER, {"customer": "acme"})):
        await world.made(LI, "visits", {"id": visit, "purposes": ["order"], "check_in": {}, **where})
    if not early:
        await world.hear(*orders)
    await world.bus()
    found = await visits(world)
    assert {visit: [one["order"] for one in state["orders"]] for visit, state in found.items()} == {
        VISIT: ["order-1"],
        OTHER: ["order-4"],
    }


# --- reports ----------------------------------------------------------------------------------------


def talk(visit: str) -> TalkLine:
    return TalkLine(visit=visit, status=VisitStatus.COMPLETED, planned=True)


def signature(hour: int) -> Signature:
    return Signature(at=NOW + timedelta(hours=hour), business_date=TUESDAY, by="wang")


class Reported:
    """The day's report as it goes on, written as the report's own commands write it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.report = DailyReport(
            id=an_id("report"),
            owner="li",
            office="sha",
            region="east",
            business_date=TUESDAY,
            status=ReportStatus.DRAFT,
            revision=1,
            sections=Sections(),
        )

    async def draft(self, *visits: str) -> None:
        self.report = self.report.model_copy(update={"sections": Sections(talks=[talk(visit) for visit in visits])})
        happened = Happened(ReportEvent.DRAFTED, NOW, TUESDAY)
        await self.world.repositories.reports.create(self.report, happened, Command(actor="test"), everything("a test"))

    async def goes_on(self, status: ReportStatus, *visits: str) -> None:
        step = Submission(at=NOW, business_date=TUESDAY, by="li")
        update: dict[str, Any] = {"status": status}
        if visits:
            update["sections"] = Sections(talks=[talk(visit) for visit in visits])
        if status == ReportStatus.SUBMITTED:
            update["submission"] = step
        if status == ReportStatus.RETURNED:
            update["returned"] = Reasoned(at=NOW, business_date=TUESDAY, by="li", reason="x")
        if status == ReportStatus.CORRECTING:
            update |= {"revision": self.report.revision + 1, "submission": None, "signature": None}
        if status == ReportStatus.SIGNED:
            signed = signature(self.report.revision)
            revision = ReportRevision(
                revision=self.report.revision,
                sections=self.report.sections,
                submission=step,
                signature=signed,
                hash="x",
            )
            update |= {"signature": signed, "revisions": [*self.report.revisions, revision]}
        event = {"submitted": ReportEvent.SUBMITTED, "signed": ReportEvent.SIGNED}.get(status, ReportEvent.DRAFTED)

        def decide(report: DailyReport) -> tuple[DailyReport, Happened]:
            return report.model_copy(update=update), Happened(event, NOW, TUESDAY)

        stored = await self.world.repositories.reports.change(
            self.report.id, everything("a test"), decide, Command(actor="test")
        )
        self.report = stored.state

    async def seen(self) -> dict[str, tuple[str | None, int | None]]:
        """The report in which each visit stands, and the signed revision that counts for it."""
        await self.world.bus()
        return {
            visit: (state["report"] and "report", state["signed"] and state["signed"]["revision"])
            for visit, state in (await visits(self.world)).items()
        }


@pytest.fixture
async def reported(world: World) -> Reported:
    world.time.set(MORNING + timedelta(hours=6))
    await completed(world, VISIT, 30)
    await completed(world, OTHER, 90)
    return Reported(world)


async def test_a_visit_stands_in_its_report_and_is_signed_with_it(reported: Reported) -> None:
    await reported.draft(VISIT)
    assert await reported.seen() == {VISIT: (None, None), OTHER: (None, None)}
    await reported.goes_on(ReportStatus.SUBMITTED)
    assert await reported.seen() == {VISIT: ("report", None), OTHER: (None, None)}
    await reported.goes_on(ReportStatus.RETURNED)
    assert await reported.seen() == {VISIT: ("report", None), OTHER: (None, None)}
    await reported.goes_on(ReportStatus.SUBMITTED, VISIT, OTHER)
    await reported.goes_on(ReportStatus.SIGNED)
    assert await reported.seen() == {VISIT: ("report", 1), OTHER: ("report", 1)}
    await reported.goes_on(ReportStatus.CORRECTING, VISIT)
    assert await reported.seen() == {VISIT: ("report", 1), OTHER: ("report", 1)}
    await reported.goes_on(ReportStatus.SUBMITTED)
    assert await reported.seen() == {VISIT: ("report", 1), OTHER: ("report", 1)}
    await reported.goes_on(ReportStatus.SIGNED)
    assert await reported.seen() == {VISIT: ("report", 2), OTHER: (None, None)}


async def test_a_signed_visit_is_locked_until_its_report_is_corrected(reported: Reported) -> None:
    world = reported.world
    await reported.draft(VISIT)
    await reported.goes_on(ReportStatus.SUBMITTED)
    await world.made(LI, f"visits/{VISIT}/correction", {"contact_name": "Mr Gu"})
    await reported.goes_on(ReportStatus.SIGNED)
    await reported.seen()
    before = await world.read(LI, f"visits/{VISIT}")
    taxi = {"type": "transport", "amount": {"minor": 4_000, "currency": "CNY"}}
    for step, body in (
        ("correction", {"contact_name": "x"}),
        ("cost", taxi),
        ("check-in", {}),
        ("not-met", {"reason": "x"}),
    ):
        answered = await world.post(LI, f"visits/{VISIT}/{step}", body)
        assert codes(answered) == (409, "visit_locked"), step
        assert answered.json()["report"] == reported.report.id
    assert await world.read(LI, f"visits/{VISIT}") == before
    graded = await world.made(WANG, f"visits/{VISIT}/evaluation", {"grade": 5})
    assert graded["signed"] == before["signed"]
    await reported.goes_on(ReportStatus.CORRECTING)
    await world.made(LI, f"visits/{VISIT}/correction", {"contact_name": "Ms Wu"})
    assert await reported.seen() == {VISIT: ("report", None), OTHER: (None, None)}
    await reported.goes_on(ReportStatus.SUBMITTED)
    assert await reported.seen() == {VISIT: ("report", None), OTHER: (None, None)}
    await reported.goes_on(ReportStatus.SIGNED)
    assert await reported.seen() == {VISIT: ("report", 2), OTHER: (None, None)}


@DISORDER
@given(data=st.data())
async def test_any_order_of_a_reports_events_signs_the_same_visits(world: World, data: st.DataObject) -> None:
    await world.begin_again()
    world.time.set(MORNING + timedelta(hours=6))
    await completed(world, VISIT, 30)
    await completed(world, OTHER, 90)
    await world.bus()
    reported = Reported(world)
    await reported.draft(VISIT)
    await reported.goes_on(ReportStatus.SUBMITTED)
    await reported.goes_on(ReportStatus.SIGNED)
    await reported.goes_on(ReportStatus.CORRECTING, OTHER)
    await reported.goes_on(ReportStatus.SUBMITTED)
    signed = data.draw(st.booleans(), "signed again")
    if signed:
        await reported.goes_on(ReportStatus.SIGNED)
    reports = [event for event in await world.unheard() if event.topic == "sales.daily_report.v1"]
    for batch in disorder(data, reports):
        await world.take(batch)
    after = {VISIT: (None, None), OTHER: ("report", 2)} if signed else {VISIT: ("report", 1), OTHER: ("report", None)}
    assert await reported.seen() == after


async def test_what_follows_says_on_the_bus_what_its_readers_expect(reported: Reported) -> None:
    world = reported.world
    await reported.draft(VISIT)
    await reported.goes_on(ReportStatus.SUBMITTED)
    await reported.seen()
    await reported.goes_on(ReportStatus.SIGNED)
    await world.hear(confirmed())
    await world.hear(confirmed(visit=VISIT), version=2)
    await reported.seen()
    for event in await world.events("visits", VISIT):
        kept = json.loads(event)
        if kept["type"].rpartition(".")[2] in ("reported", "signed", "order_attributed"):
            del kept["causationid"]  # the id of the report's event, which is another one each time
            held_to_sample(json.dumps(kept).encode(), "following")
    tomorrow = TUESDAY + timedelta(days=1)
    plan = await a_plan(world, day=tomorrow, stops=[stop("planned")], until="signed", id=an_id("plan"))
    await world.bus()
    path = f"visit-plans/{plan['id']}"
    await world.made(LI, f"{path}/amendment", {"reason": "x"})
    changed = {**stop("planned"), "purposes": ["service"]}
    assert (await world.patch(LI, path, {"stops": [changed]}, plan["version"] + 1)).status_code == 200
    await world.made(LI, f"{path}/submission")
    await world.bus()
    await world.made(WANG, f"{path}/signature")
    await world.made(LI, f"{path}/amendment", {"reason": "x"})
    found = await world.read(LI, path)
    assert (await world.patch(LI, path, {"stops": [AREA]}, found["version"])).status_code == 200
    await world.made(LI, f"{path}/submission")
    await world.bus()
    assert await world.types("visits", an_id("planned")) == ["planned", "replanned", "withdrawn"]
    for event in (await world.events("visits", an_id("planned")))[1:]:
        kept = json.loads(event)
        del kept["causationid"]
        held_to_sample(json.dumps(kept).encode(), "following")
