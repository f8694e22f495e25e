"""Targets over HTTP: who sets them for whom, once for each person, month and currency."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any

import httpx
import orjson
import pytest

from chassis import clock
from chassis.identity import Caller
from chassis.ids import new_id
from tests.contracts.sampling import held_to_sample
from tests.doors import caller
from tests.reporting.conftest import (
    ADMINISTRATOR,
    CLERK,
    DESK,
    HEAD,
    LI,
    OWNER,
    SUPERVISOR,
    TOP,
    WANG,
    Reporting,
    noon,
    office,
    person,
)

IMPORTER = caller("clerk", "importer", office="sha", region="east", rights=["import"])
MAY: dict[str, Any] = {"person": "li", "month": "2017-05", "amount": {"minor": 2_100_000, "currency": "CNY"}}
TARGET_ID = "0192f3a0-5b7c-7def-8123-456789abcdef"


async def publish(
    company: Reporting, who: Caller = HEAD, key: str | None = None, language: str = "en", **said: Any
) -> httpx.Response:
    headers = {**company.door.as_(who, key), "Accept-Language": language}
    return await company.door.post("/api/v1/targets", json={**MAY, **said}, headers=headers)


async def revise(
    company: Reporting,
    target_id: str,
    minor: int,
    who: Caller = HEAD,
    key: str | None = None,
    version: int | None = 1,
    currency: str = "CNY",
    **said: Any,
) -> httpx.Response:
    """version: for If-Match; without it there is none."""
    return await company.door.post(
        f"/api/v1/targets/{target_id}/revision",
        json={"amount": {"minor": minor, "currency": currency}, **said},
        headers=company.door.as_(who, key, version),
    )


async def read(company: Reporting, who: Caller, path: str = "", **asked: Any) -> httpx.Response:
    return await company.door.get(f"/api/v1/targets{path}", params=asked, headers=company.door.as_(who))


async def test_a_target_is_published_with_where_the_person_works_and_the_offices_working_days(
    company: Reporting,
) -> None:
    with clock.set_to(noon(2017, 4, 28)):
        published = await publish(company, id=TARGET_ID)
    assert published.status_code == 201, published.text
    assert published.headers["location"] == f"/api/v1/targets/{TARGET_ID}"
    assert published.headers["etag"] == '"1"'
    said = published.json()
    assert (said["owner"], said["office"], said["region"], said["imported"]) == ("li", "sha", "east", None)
    assert len(said["workdays"]) == 21
    assert (await read(company, LI, f"/{TARGET_ID}")).json() == said


async def test_what_is_said_on_the_bus_is_held_to_its_samples(company: Reporting) -> None:
    with clock.set_to(noon(2017, 4, 28)):
        await publish(company, id=TARGET_ID)
        await revise(company, TARGET_ID, 2_310_000)
        brought = {"id": "0192f3a0-5b7c-7def-8123-456789abcdf0", "person": "wang", "import_source": "targets.csv row 3"}
        await publish(company, IMPORTER, on_behalf_of="head", occurred_at="2016-12-30T09:00:00+08:00", **brought)
    published, revised, imported = await company.deliver_targets()
    for event, name in ((published, "plain"), (revised, "plain"), (imported, "imported")):
        held_to_sample(_without_correlation(event), name)


async def test_a_target_that_is_spread_again_is_held_to_its_sample(company: Reporting) -> None:
    with clock.set_to(noon(2017, 4, 28)):
        await publish(company, id=TARGET_ID)
    with clock.set_to(noon(2017, 5, 10)):
        closed = office("sha", "east", holidays=[date(2017, 5, 1), date(2017, 5, 29), date(2017, 5, 30)])
        [heard] = await company.hear(closed, version=2, time=noon(2017, 5, 10))
        _, respread = await company.settle()
    said = orjson.loads(respread)
    assert said["causationid"] == heard.id
    assert said["data"]["changes"] == [{"at": "2017-05-10T04:00:00Z", "cause": "office", "id": "sha", "version": 2}]
    held_to_sample(respread)


def _without_correlation(event: bytes) -> bytes:
    """Without what is another one for each request."""
    said = orjson.loads(event)
    assert said.pop("correlationid")
    said.pop("traceparent", None)
    return orjson.dumps(said)


@pytest.mark.parametrize("who", [HEAD, SUPERVISOR, TOP, ADMINISTRATOR, IMPORTER], ids=lambda who: who.role)
async def test_those_who_lead_and_importers_set_targets(company: Reporting, who: Caller) -> None:
    assert (await publish(company, who)).status_code == 201


@pytest.mark.parametrize("who", [LI, CLERK, DESK, OWNER], ids=lambda who: who.role)
async def test_those_who_are_given_targets_do_not_set_them(company: Reporting, who: Caller) -> None:
    target_id = (await publish(company)).json()["id"]
    for refused in (await publish(company, who, month="2017-06"), await revise(company, target_id, 1, who)):
        assert (refused.status_code, refused.json()["code"]) == (403, "may_not_set_targets")


async def test_somebody_out_of_reach_is_as_unknown_as_nobody(company: Reporting) -> None:
    for who, other in ((HEAD, "ma"), (HEAD, "zhao"), (SUPERVISOR, "zhao")):
        refused = await publish(company, who, person=other)
        unknown = await publish(company, who, person="nobody")
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_person")
        assert refused.json()["detail"].replace(other, "nobody") == unknown.json()["detail"]
        assert refused.json()["errors"][0]["field"] == "person"
    assert (await publish(company, IMPORTER, person="zhao")).status_code == 201


async def test_only_targets_within_reach_are_read_and_revised(company: Reporting) -> None:
    ids = {who: (await publish(company, TOP, person=who)).json()["id"] for who in ("li", "wang", "ma", "zhao")}
    for who, reach in [
        (LI, {"li"}),
        (WANG, {"wang"}),
        (HEAD, {"li", "wang"}),
        (CLERK, {"li", "wang", "ma"}),
        (SUPERVISOR, {"li", "wang", "ma"}),
        (DESK, {"zhao"}),
        (TOP, set(ids)),
        (OWNER, set()),
    ]:
        listed = (await read(company, who)).json()["items"]
        assert {target["person"] for target in listed} == reach
        for name, target_id in ids.items():
            assert (await read(company, who, f"/{target_id}")).status_code == (200 if name in reach else 404)
            found = (await read(company, who, person=name)).json()["items"]
            assert [target["id"] for target in found] == ([target_id] if name in reach else [])
    assert (await revise(company, ids["ma"], 5, HEAD)).status_code == 404
    assert (await revise(company, ids["ma"], 5, SUPERVISOR)).status_code == 200
    assert (await read(company, HEAD, region="south")).json()["items"] == []


async def test_lists_are_filtered_sorted_and_come_in_pages(company: Reporting) -> None:
    for month in ("2017-07", "2017-05", "2017-06"):
        await publish(company, month=month)
    seen, cursor = [], None
    while True:
        asked = {"sort": "-month", "limit": 1, **({"cursor": cursor} if cursor else {})}
        page = (await read(company, HEAD, **asked)).json()
        seen += [target["month"] for target in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["2017-07", "2017-06", "2017-05"]
    listed = (await read(company, HEAD, month="2017-06")).json()["items"]
    assert [target["month"] for target in listed] == ["2017-06"]
    assert (await read(company, HEAD, month="June")).status_code == 422


async def test_the_same_key_again_is_the_same_target(company: Reporting) -> None:
    first = await publish(company, key="k")
    again = await publish(company, key="k")
    assert (again.status_code, again.json()) == (201, first.json())
    other = await publish(company, key="k", month="2017-06")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    # A repetition is answered even when the rules would refuse it by now.
    await company.hear(person("li", "can", "south"), version=2)
    assert (await publish(company, key="k")).json() == first.json()


async def test_the_same_id_again_is_a_repetition_and_another_target_is_refused_it(company: Reporting) -> None:
    target_id = new_id()
    assert (await publish(company, id=target_id)).status_code == 201
    assert (await publish(company, id=target_id)).status_code == 201
    refused = await publish(company, id=target_id, month="2017-06")
    assert (refused.status_code, refused.json()["code"]) == (409, "id_taken")


async def test_a_second_target_for_the_month_names_the_first_and_another_currency_is_another_target(
    company: Reporting,
) -> None:
    first = (await publish(company)).json()["id"]
    refused = await publish(company, amount={"minor": 5, "currency": "CNY"})
    assert (refused.status_code, refused.json()["code"], refused.json()["target"]) == (409, "target_exists", first)
    assert (await publish(company, amount={"minor": 5, "currency": "USD"})).status_code == 201
    assert len((await read(company, HEAD, person="li")).json()["items"]) == 2


async def test_a_revision_changes_the_amount_once_and_is_decided_on_what_was_read(company: Reporting) -> None:
    target_id = (await publish(company)).json()["id"]
    revised = await revise(company, target_id, 2_310_000, key="k", version=1)
    assert (revised.status_code, revised.headers["etag"]) == (200, '"2"')
    assert revised.json()["amount"] == {"minor": 2_310_000, "currency": "CNY"}
    again = await revise(company, target_id, 2_310_000, key="k", version=1)
    assert (again.status_code, again.headers["etag"]) == (200, '"2"')
    stale = await revise(company, target_id, 9, version=1)
    assert (stale.status_code, stale.json()["code"], stale.headers["etag"]) == (412, "stale", '"2"')
    same = await revise(company, target_id, 2_310_000, version=2)
    assert same.headers["etag"] == '"2"'


async def test_a_revision_reaches_the_numbers(company: Reporting) -> None:
    target_id = (await publish(company)).json()["id"]
    await revise(company, target_id, 4_200_000)
    await company.deliver_targets()
    measures = await company.one(LI, "month", since="2017-05", until="2017-05", after=f"target:{target_id}@2")
    assert measures["sales_target"]["amount"] == [{"minor": 4_200_000, "currency": "CNY"}]


REFUSED = [
    ({"amount": {"minor": 0, "currency": "CNY"}}, "not_measurable", "amount", "above zero", "大于零"),
    ({"amount": {"minor": -5, "currency": "CNY"}}, "not_measurable", "amount", "above zero", "大于零"),
    ({"amount": {"minor": 2**53, "currency": "CNY"}}, "amount_out_of_range", "amount.minor", "at most", "最多"),
    ({"amount": {"minor": 2**62, "currency": "CNY"}}, "amount_out_of_range", "amount.minor", "at most", "最多"),
    ({"amount": {"minor": 5, "currency": "ZZZ"}}, "no_currency", "amount.currency", "ISO 4217", "不是有效币种"),
    ({"month": "2017-13"}, "invalid_input", "month", "pattern", "格式不符"),
    ({"month": "0001-01"}, "invalid_input", "month", "1900-01", "1900-01"),
    ({"person": "nobody"}, "unknown_person", "person", "nobody", "nobody"),
    ({"occurred_at": "2017-05-01T12:00:00+08:00"}, "in_the_future", "occurred_at", "future", "尚未到来"),
    ({"occurred_at": "2017-04-20T12:00:00+08:00"}, "too_far_back", "occurred_at", "working days", "工作日"),
    ({"occurred_at": "2017-04-28T09:00:00"}, "invalid_input", "occurred_at", "timezone", "时区"),
    ({"id": "one"}, "invalid_input", "id", "UUID", "UUID"),
    ({"mouth": "2017-05"}, "invalid_input", "mouth", "not permitted", "没有这个字段"),
]


@pytest.mark.parametrize(("said", "code", "field", "en", "zh"), REFUSED)
async def test_a_bad_target_is_refused_with_what_to_do(
    company: Reporting, said: dict[str, Any], code: str, field: str, en: str, zh: str
) -> None:
    with clock.set_to(noon(2017, 4, 28)):
        for language, text in (("en", en), ("zh-CN", zh)):
            refused = await publish(company, language=language, **said)
            assert (refused.status_code, refused.json()["code"]) == (422, code)
            [error] = refused.json()["errors"]
            assert error["field"] == field
            assert text in error["message"]


async def test_a_revision_keeps_the_currency(company: Reporting) -> None:
    target_id = (await publish(company)).json()["id"]
    refused = await revise(company, target_id, 5, currency="USD")
    assert (refused.status_code, refused.json()["code"]) == (422, "other_currency")
    refused = await revise(company, target_id, 0)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_measurable")


async def test_somebody_without_an_office_gets_no_sales_target(company: Reporting) -> None:
    await company.hear(person("lead", None, "east"))  # type: ignore[arg-type]
    refused = await publish(company, TOP, person="lead")
    assert (refused.status_code, refused.json()["code"]) == (422, "no_office")


async def test_only_importers_write_in_anothers_name_or_long_after(company: Reporting) -> None:
    with clock.set_to(noon(2017, 4, 28)):
        for said in ({"on_behalf_of": "li"}, {"import_source": "targets.csv"}):
            refused = await publish(company, **said)
            assert (refused.status_code, refused.json()["code"]) == (403, "import_right_needed")
        long_ago = {"occurred_at": "2016-12-30T09:00:00+08:00", "on_behalf_of": "head", "import_source": "targets.csv"}
        brought = await publish(company, IMPORTER, **long_ago)
    assert brought.json()["imported"] == {
        "by": IMPORTER.id, "at": "2017-04-28T04:00:00Z", "source": "targets.csv",
    }  # fmt: skip
    [event] = await company.deliver_targets()
    assert b'"onbehalfof":"head"' in event
    assert b'"businessdate":"2016-12-30"' in event


async def test_reporting_publishes_its_targets_again_for_an_administrator(company: Reporting) -> None:
    await publish(company)
    for who, status in ((TOP, 403), (ADMINISTRATOR, 200)):
        assert (
            await company.door.post("/api/v1/resync/reporting", headers=company.door.as_(who))
        ).status_code == status


async def test_a_repeated_publication_is_not_found_after_the_target_has_left_the_callers_scope(
    company: Reporting,
) -> None:
    assert (await publish(company, key="k")).status_code == 201
    moved = dataclasses.replace(HEAD, office="can", region="south", offices=("can",))
    refused = await publish(company, moved, key="k")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_the_document_says_which_commands_need_if_match(company: Reporting) -> None:
    paths = (await company.door.get("/openapi.json", headers=company.door.as_(TOP))).json()["paths"]
    assert "428" in paths["/api/v1/targets/{target_id}/revision"]["post"]["responses"]
    assert "428" not in paths["/api/v1/targets"]["post"]["responses"]
