"""A report's complaint lines on their way out to the complaints service, and its answers on their way back."""

from __future__ import annotations

import itertools
import json
from typing import Any

from chassis.ids import new_id
from contracts.complaints import Complaint
from contracts.visits import FieldComplaint
from tests.contracts.sampling import held_to_sample
from tests.visits.forms import ALL_BUT, COMPLAINT, EVENING, a_report, typed_into
from tests.visits.world import LI, WANG, ZHAO, World, an_id, codes, fields, said
from visits.complaint_line import commands

LINE = {"id": an_id("line"), **COMPLAINT}
REST = [section for section in ALL_BUT if section != "complaints"]
TYPED = {"attendance": {"kind": "present"}, "complaints": [LINE], "none": REST}


async def field_complaints(world: World) -> list[FieldComplaint]:
    return [stored.state for stored in await world.repositories.complaints.find(commands._BUS)]


async def answer(world: World, number: str = "C-1", version: int = 1, **more: Any) -> None:
    """The complaints service answers, and the report's own event follows."""
    said_so = Complaint(**{"id": "c", "number": number, "source": an_id("line"), "status": "registered", **more})
    await world.hear(said_so, version=version)
    await world.bus()


async def line_of(world: World, report: dict[str, Any]) -> dict[str, Any]:
    (line,) = (await world.read(LI, f"daily-reports/{report['id']}"))["sections"]["complaints"]
    return line


async def test_a_line_becomes_a_field_complaint_once_the_report_is_handed_in(world: World) -> None:
    report = await a_report(world, typed=TYPED)
    await world.bus()
    assert await field_complaints(world) == []
    await world.made(LI, f"daily-reports/{report['id']}/submission")
    await world.bus()
    (complaint,) = await field_complaints(world)
    assert (complaint.id, complaint.report, complaint.owner, complaint.customer_name) == (
        an_id("line"), report["id"], "li", "Acme",
    )  # fmt: skip
    # Signed, and everything heard once more: still one, said once.
    await world.made(WANG, f"daily-reports/{report['id']}/signature")
    await world.bus()
    world._heard.clear()
    await world.bus()
    assert await field_complaints(world) == [complaint]
    assert await world.types("field_complaints", complaint.id) == ["raised"]


async def test_a_later_revision_changes_a_complaint_withdraws_it_and_brings_it_back(world: World) -> None:
    report = await a_report(world, typed=TYPED, until="signed")
    await world.bus()
    for number, lines in enumerate(([{**LINE, "text": "It leaks badly"}], [], [LINE])):
        correcting = await world.made(LI, f"daily-reports/{report['id']}/correction", {"reason": f"the {number}th"})
        none = ALL_BUT if not lines else REST
        await typed_into(world, LI, correcting, {"complaints": lines, "none": none})
        await world.bus()
        # What is only being typed is not said.
        assert len(await world.types("field_complaints", an_id("line"))) == number + 1
        await world.made(LI, f"daily-reports/{report['id']}/submission")
        await world.made(WANG, f"daily-reports/{report['id']}/signature")
        await world.bus()
    assert await world.types("field_complaints", an_id("line")) == ["raised", "changed", "withdrawn", "changed"]
    (complaint,) = await field_complaints(world)
    assert (complaint.text, complaint.withdrawn) == ("The pump leaks", False)


async def test_older_and_repeated_events_of_the_report_change_nothing(world: World) -> None:
    """The bus keeps the order of one report's events; what it repeats begins again from any of them."""
    report = await a_report(world, typed=TYPED, until="returned")
    returned = await typed_into(world, LI, report, {"complaints": [{**LINE, "text": "It leaks badly"}]})
    await world.made(LI, f"daily-reports/{returned['id']}/submission")
    events = await world.unheard()
    mine = [event for event in events if event.subject == report["id"]]
    await world.take(mine)
    (complaint,) = await field_complaints(world)
    for repeated in itertools.chain([mine], [mine[start:] for start in range(len(mine))], [[event] for event in mine]):
        await world.take(repeated)
    assert await field_complaints(world) == [complaint]
    assert complaint.text == "It leaks badly"


async def test_number_and_fate_come_back_into_the_line_also_of_a_locked_report(world: World) -> None:
    report = await a_report(world, typed=TYPED, until="signed")
    await world.bus()
    await answer(world)
    line = await line_of(world, report)
    assert (line["number"], line["fate"]) == ("C-1", "registered")
    await answer(world, version=3, status="closed", resolution="A new pump was sent")
    await answer(world, version=2, status="investigating")
    line = await line_of(world, report)
    assert (line["number"], line["fate"]) == ("C-1", "A new pump was sent")
    after = await world.read(LI, f"daily-reports/{report['id']}")
    assert after["status"] == "signed"
    # The frozen revision stays as it was signed.
    assert after["revisions"] == report["revisions"]
    assert (await world.types("daily_reports", report["id"]))[-2:] == ["complaint_answered"] * 2
    # An answer is kept through a correction, and is no word of the report: nothing is said of it again.
    correcting = await world.made(LI, f"daily-reports/{report['id']}/correction", {"reason": "x"})
    await typed_into(world, LI, correcting, {"complaints": [LINE]})
    assert (await line_of(world, report))["number"] == "C-1"
    await world.made(LI, f"daily-reports/{report['id']}/submission")
    await world.bus()
    assert await world.types("field_complaints", an_id("line")) == ["raised"]


async def test_an_answer_to_a_complaint_from_elsewhere_is_none_of_ours(world: World) -> None:
    report = await a_report(world, typed=TYPED, until="submitted")
    await world.bus()
    await world.hear(
        Complaint(id="c", number="C-1", status="registered"),
        Complaint(id="d", number="C-2", status="registered", source=new_id()),
    )
    assert (await line_of(world, report))["number"] is None


async def test_an_answer_that_is_repeated_is_written_once(world: World) -> None:
    report = await a_report(world, typed=TYPED, until="submitted")
    await world.bus()
    event = said(Complaint(id="c", number="C-1", source=an_id("line"), status="registered"))
    await world.take([event, event])
    await world.take([event])
    assert (await world.types("daily_reports", report["id"])).count("complaint_answered") == 1


async def test_a_complaints_id_belongs_to_one_line(world: World) -> None:
    await a_report(world, typed=TYPED, until="submitted")
    await world.bus()
    other = await a_report(world, ZHAO)
    path = f"daily-reports/{other['id']}"
    taken = await world.patch(ZHAO, path, {"complaints": [{**LINE, "customer": "zeta"}]}, other["version"])
    assert (codes(taken), fields(taken)) == ((422, "id_taken"), ["complaints.0.id"])
    mine = {**COMPLAINT, "customer": "zeta", "id": an_id("other")}
    twice = await world.patch(ZHAO, path, {"complaints": [mine, mine]}, other["version"])
    assert (codes(twice), fields(twice)) == ((422, "id_taken"), ["complaints.1.id"])
    wrong = await world.patch(ZHAO, path, {"complaints": [{**mine, "id": "7"}]}, other["version"])
    assert codes(wrong) == (422, "invalid_input")


async def test_a_repeated_request_makes_no_second_line(world: World) -> None:
    report = await a_report(world, typed={})
    body = {"complaints": [COMPLAINT]}
    headers = world.door.as_(LI, "typed", report["version"])
    first, second = [
        await world.door.patch(f"/api/v1/daily-reports/{report['id']}", json=body, headers=headers) for _ in range(2)
    ]
    assert first.json()["sections"]["complaints"] == second.json()["sections"]["complaints"]


async def test_what_a_field_complaint_says_on_the_bus(world: World) -> None:
    world.time.set(EVENING)
    report = await a_report(world, id=an_id("report"), typed=TYPED, until="signed")
    for lines in ([{**LINE, "severity": "affects_sales"}], []):
        correcting = await world.made(LI, f"daily-reports/{report['id']}/correction", {"reason": "x"})
        none = ALL_BUT if not lines else REST
        await typed_into(world, LI, correcting, {"complaints": lines, "none": none})
        await world.made(LI, f"daily-reports/{report['id']}/submission")
        await world.bus()
        await world.made(WANG, f"daily-reports/{report['id']}/signature")
    for event in await world.events("field_complaints", an_id("line")):
        held_to_sample(_without_chance(event))
    held_to_sample(await world.repositories.complaints.restatement(an_id("line")))


async def test_what_a_report_says_of_an_answer(world: World) -> None:
    world.time.set(EVENING)
    report = await a_report(world, id=an_id("report"), typed=TYPED, until="signed")
    await world.bus()
    await answer(world)
    held_to_sample(_without_chance((await world.events("daily_reports", report["id"]))[-1]))


def _without_chance(event: bytes) -> bytes:
    """The event that caused it has an id of its own each time."""
    told = json.loads(event)
    for name in ("causationid", "correlationid"):
        if name in told:
            told[name] = "0192f3a0-5b7c-7def-8123-456789abcdef"
    return json.dumps(told).encode()
