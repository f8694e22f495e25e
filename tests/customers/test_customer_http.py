"""Customer files over HTTP: who may do what, what is seen, what is refused and how."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.clock import SetClock
from tests.customers.company import (
    AS_CHEN,
    AS_CHIEF,
    AS_CLERK,
    AS_HEAD,
    AS_IMPORTER,
    AS_LI,
    AS_OWNER,
    AS_SERVICE,
    AS_SMITH,
    AS_TOP,
    AS_WANG,
    CHEN,
    EAST,
    HGH,
    LAX,
    LI,
    SHA,
    SMITH,
    SOUTH,
    WANG,
    a_customer,
    an_id,
    refused,
)
from tests.doors import Door

CUSTOMERS = "/api/v1/customers"


async def test_a_new_customer_is_the_callers_own_prospect_from_today_on(door: Door) -> None:
    made = await a_customer(door, AS_LI, phone="021-5555 1234", source="exhibition", attributes={"sector": "machines"})
    assert (
        made
        | {
            "owner": LI,
            "office": SHA,
            "region": EAST,
            "status": "prospect",
            "prospect_since": "2026-03-11",
            "registered_at": "2026-03-11T04:00:00Z",
            "ownership": [{"valid_from": "2026-03-11", "owner": LI, "office": SHA, "region": EAST}],
            "activation": None,
            "version": 1,
        }
        == made
    )
    read = await door.get(f"{CUSTOMERS}/{made['id']}", headers=door.as_(AS_LI))
    assert (read.json(), read.headers["ETag"]) == (made, '"1"')


@pytest.mark.parametrize(
    ("at", "who", "day"),
    [
        (datetime(2026, 3, 10, 15, 59, tzinfo=UTC), AS_LI, "2026-03-10"),
        (datetime(2026, 3, 10, 16, 0, tzinfo=UTC), AS_LI, "2026-03-11"),
        (datetime(2026, 3, 11, 6, 59, tzinfo=UTC), AS_SMITH, "2026-03-10"),
        (datetime(2026, 3, 11, 7, 0, tzinfo=UTC), AS_SMITH, "2026-03-11"),
    ],
)
async def test_the_day_is_that_of_the_owners_office_also_near_midnight(
    door: Door, time: SetClock, at: datetime, who: Any, day: str
) -> None:
    time.set(at)
    made = await a_customer(door, who)
    assert made["prospect_since"] == made["ownership"][0]["valid_from"] == day
    active = await door.post(
        f"{CUSTOMERS}/{made['id']}/activation", json={"reason": "framework contract"}, headers=door.as_(who)
    )
    assert active.json()["activation"]["business_date"] == day


async def test_an_import_gives_owner_dates_and_source(door: Door) -> None:
    made = await a_customer(
        door,
        AS_IMPORTER,
        owner=CHEN,
        prospect_since="2021-05-06",
        occurred_at="2021-05-07T12:00:00+08:00",
        on_behalf_of=CHEN,
        import_source="crm:customers:17",
    )
    assert made["registered_at"] == "2021-05-07T04:00:00Z"
    assert made["ownership"] == [{"valid_from": "2021-05-06", "owner": CHEN, "office": HGH, "region": EAST}]
    assert made["imported"]["source"] == "crm:customers:17"


async def test_an_imported_customer_is_held_by_its_owner_since_they_joined_at_the_earliest(door: Door) -> None:
    long_ago = {"prospect_since": "2012-05-06", "occurred_at": "2012-05-06T12:00:00+08:00"}
    made = await a_customer(door, AS_IMPORTER, owner=CHEN, import_source="crm:customers:18", **long_ago)
    assert (made["prospect_since"], made["ownership"][0]["valid_from"]) == ("2012-05-06", "2020-01-01")


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"owner": "nobody"}, "unknown_person", "owner"),
        ({"name": "***"}, "no_name", "name"),
        ({"phone": "on request"}, "not_a_phone", "phone"),
        ({"prospect_since": "2026-03-12"}, "in_the_future", "prospect_since"),
        ({"occurred_at": "2026-03-11T05:00:00Z"}, "in_the_future", "occurred_at"),
        ({"occurred_at": "2026-03-05T05:00:00Z"}, "too_far_back", "occurred_at"),
        ({"not_duplicate_of": ["nothing"]}, "unknown_customer", "not_duplicate_of"),
        ({"name": " "}, "invalid_input", "name"),
        ({"kind": "planet"}, "invalid_input", "kind"),
        ({"occurred_at": "2026-03-11T05:00:00"}, "invalid_input", "occurred_at"),
        ({"addresses": [{"text": "x", "latitude": 1}]}, "invalid_input", "addresses.0"),
        ({"colour": "red"}, "invalid_input", "colour"),
        ({"id": "17"}, "invalid_input", "id"),
    ],
)
async def test_bad_input_is_refused_by_its_field(door: Door, said: dict[str, Any], code: str, field: str) -> None:
    answer = await door.post(CUSTOMERS, json={"name": "华兴机械", **said}, headers=door.as_(AS_LI))
    refused(answer, 422, code, field)


async def test_a_caller_without_a_person_must_name_the_owner(door: Door) -> None:
    answer = await door.post(CUSTOMERS, json={"name": "华兴"}, headers=door.as_(AS_TOP))
    refused(answer, 422, "owner_needed", "owner")


@pytest.mark.parametrize("who", [AS_OWNER, AS_SERVICE], ids=lambda who: who.role)
async def test_who_keeps_no_files_may_not_register(door: Door, who: Any) -> None:
    refused(await door.post(CUSTOMERS, json={"name": "华兴", "owner": LI}, headers=door.as_(who)), 403, "forbidden")


@pytest.mark.parametrize(
    ("who", "owner", "allowed"),
    [
        (AS_LI, LI, True),
        (AS_LI, WANG, False),
        (AS_HEAD, WANG, True),
        (AS_HEAD, CHEN, False),
        (AS_CLERK, WANG, True),
        (AS_CLERK, CHEN, False),
        (AS_CHIEF, CHEN, True),
        (AS_CHIEF, SMITH, False),
        (AS_TOP, SMITH, True),
        (AS_IMPORTER, SMITH, True),
    ],
)
async def test_a_customer_is_registered_for_people_of_the_own_area_only(
    door: Door, who: Any, owner: str, allowed: bool
) -> None:
    answer = await door.post(CUSTOMERS, json={"name": "华兴", "owner": owner}, headers=door.as_(who))
    if allowed:
        assert answer.status_code == 201
    else:
        refused(answer, 403, "owner_out_of_reach")


async def test_a_salesperson_cannot_claim_to_import_or_to_be_another(door: Door) -> None:
    for said in ({"import_source": "x"}, {"on_behalf_of": WANG}):
        answer = await door.post(CUSTOMERS, json={"name": "华兴", **said}, headers=door.as_(AS_LI))
        refused(answer, 403, "import_right_needed")


# --- scope ----------------------------------------------------------------------------------------


async def test_another_offices_customer_is_reached_by_no_route(door: Door) -> None:
    theirs = await a_customer(door, AS_CHEN, "杭州纺织")
    contact = await door.post(
        f"{CUSTOMERS}/{theirs['id']}/contacts", json={"id": an_id("contact"), "name": "何"}, headers=door.as_(AS_CHEN)
    )
    assert contact.status_code == 201
    at = f"{CUSTOMERS}/{theirs['id']}"
    why = {"reason": "curiosity"}
    for who in (AS_LI, AS_HEAD, AS_CLERK, AS_SMITH):
        as_ = door.as_(who, version=2)
        answers = [
            await door.get(at, headers=as_),
            await door.patch(at, json={"name": "mine"}, headers=as_),
            await door.post(f"{at}/qualification", json={}, headers=as_),
            await door.post(f"{at}/activation", json=why, headers=as_),
            await door.post(f"{at}/dormancy", json=why, headers=as_),
            await door.post(f"{at}/loss", json=why, headers=as_),
            await door.post(f"{at}/reactivation", json={}, headers=as_),
            await door.post(f"{at}/contacts", json={"name": "x"}, headers=as_),
            await door.patch(f"{at}/contacts/{an_id('contact')}", json={"name": "x"}, headers=as_),
            await door.post(f"{at}/contacts/{an_id('contact')}/departure", json={"left_on": "2026-03-11"}, headers=as_),
        ]
        if who is AS_HEAD:
            moving = {"owner": WANG, "valid_from": "2026-03-12"}
            answers.append(await door.post(f"{at}/owner", json=moving, headers=as_))
        assert {answer.status_code for answer in answers} == {404}
        assert {answer.json()["code"] for answer in answers} == {"not_found"}


async def test_lists_filters_search_and_cursors_stay_within_the_scope(door: Door) -> None:
    for n in range(3):
        await a_customer(door, AS_LI, f"Shanghai {n}")
        await a_customer(door, AS_CHEN, f"Hangzhou {n}", source="exhibition")
    head, chief = door.as_(AS_HEAD), door.as_(AS_CHIEF)

    async def names(headers: dict[str, str], query: str) -> list[str]:
        answer = await door.get(f"{CUSTOMERS}?{query}", headers=headers)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["items"]]

    assert await names(head, "") == ["Shanghai 0", "Shanghai 1", "Shanghai 2"]
    everything = f"office={HGH}", f"owner={CHEN}", "q=hangz", "source=exhibition"
    for query in everything:
        assert await names(head, query) == []
        assert await names(chief, query) == ["Hangzhou 0", "Hangzhou 1", "Hangzhou 2"]
    assert await names(chief, "q=HAI%201") == ["Shanghai 1"]
    assert await names(chief, "q=.*") == []
    assert await names(chief, "status=active") == []
    assert await names(chief, f"region={SOUTH}") == []
    assert len(await names(chief, "kind=enterprise&status=prospect")) == 6
    assert await names(door.as_(AS_OWNER), "") == []
    # A cursor of somebody who sees more opens nothing more.
    page = await door.get(f"{CUSTOMERS}?limit=2", headers=chief)
    cursor = page.json()["next_cursor"]
    assert await names(chief, f"limit=2&cursor={cursor}") == ["Hangzhou 2", "Shanghai 0"]
    assert await names(head, f"limit=9&cursor={cursor}") == ["Shanghai 0", "Shanghai 1", "Shanghai 2"]
    assert await names(head, "sort=-name&limit=1") == ["Shanghai 2"]
    assert len(await names(head, "sort=registered_at")) == 3


# --- duplicates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"name": "华兴机械有限公司"}, {"name": "华兴机械 股份有限公司"}),
        ({"name": "Acme, Inc."}, {"name": "ACME"}),
        ({"name": "Ａｃｍｅ"}, {"name": "acme ltd."}),
        ({"name": "A", "phone": "021-5555 1234"}, {"name": "B", "phone": "+86 21 5555-1234"}),
        ({"name": "A", "phone": "(021)55551234"}, {"name": "B", "phone": "0086 21 5555 1234"}),
        ({"name": "A", "phone": "13900001111"}, {"name": "B", "phone": "+86 139 0000 1111"}),
        ({"name": "A", "tax_id": "91310000MA1FL0AA0X"}, {"name": "B", "tax_id": "91310000-ma1fl0aa0x"}),
    ],
)
async def test_a_customer_that_is_there_already_is_named(
    door: Door, first: dict[str, str], second: dict[str, str]
) -> None:
    there = await a_customer(door, AS_LI, **first)
    answer = await door.post(CUSTOMERS, json=second, headers=door.as_(AS_LI))
    problem = refused(answer, 409, "duplicate_customer")
    assert problem["candidates"] == [{"id": there["id"], "name": first["name"], "owner": LI}]
    assert problem["elsewhere"] is False
    assert "Open one of the candidates" in problem["detail"]


async def test_a_duplicate_of_another_area_is_told_but_not_named(door: Door) -> None:
    theirs = await a_customer(door, AS_CHEN, "杭州纺织")
    headers = {**door.as_(AS_LI), "Accept-Language": "zh-CN"}
    problem = refused(await door.post(CUSTOMERS, json={"name": "杭州纺织"}, headers=headers), 409, "duplicate_customer")
    assert (problem["candidates"], problem["elsewhere"]) == ([], True)
    assert "请联系您的主管" in problem["detail"]
    assert theirs["id"] not in str(problem)
    # Nor does declaring it different tell whether an id is there.
    for unseen in (theirs["id"], an_id("never made")):
        body = {"name": "杭州纺织", "not_duplicate_of": [unseen]}
        refused(await door.post(CUSTOMERS, json=body, headers=headers), 422, "unknown_customer", "not_duplicate_of")


async def test_a_different_customer_of_the_same_name_is_declared_so(door: Door) -> None:
    first = await a_customer(door, AS_LI, "华兴", tax_id="1234567890")
    await a_customer(door, AS_LI, "华兴", not_duplicate_of=[first["id"]])
    third = await door.post(CUSTOMERS, json={"name": "华兴"}, headers=door.as_(AS_LI))
    assert len(refused(third, 409, "duplicate_customer")["candidates"]) == 2
    # The first one needs no declaration of its own to be changed.
    changed = await door.patch(
        f"{CUSTOMERS}/{first['id']}", json={"name": "华兴有限公司"}, headers=door.as_(AS_LI, version=1)
    )
    assert changed.status_code == 200


async def test_a_declared_difference_stays_when_the_other_customer_goes_out_of_sight(door: Door) -> None:
    first = await a_customer(door, AS_WANG, "华兴")
    known = [first["id"]]
    second = await a_customer(door, AS_HEAD, "华兴", owner=WANG, not_duplicate_of=known)
    as_ = door.as_(AS_CHIEF)
    given = await door.post(
        f"{CUSTOMERS}/{first['id']}/owner", json={"owner": CHEN, "valid_from": "2026-03-11"}, headers=as_
    )
    assert given.status_code == 200
    said = {"not_duplicate_of": known, "phone": "13900004444"}
    changed = await door.patch(f"{CUSTOMERS}/{second['id']}", json=said, headers=door.as_(AS_WANG, version=1))
    assert changed.status_code == 200


async def test_a_change_can_make_a_duplicate_too(door: Door) -> None:
    there = await a_customer(door, AS_LI, "华兴")
    other = await a_customer(door, AS_LI, "大成")
    as_ = door.as_(AS_LI, version=1)
    answer = await door.patch(f"{CUSTOMERS}/{other['id']}", json={"name": "华兴公司"}, headers=as_)
    assert refused(answer, 409, "duplicate_customer")["candidates"][0]["id"] == there["id"]
    said = {"name": "华兴公司", "not_duplicate_of": [there["id"]]}
    assert (await door.patch(f"{CUSTOMERS}/{other['id']}", json=said, headers=as_)).status_code == 200


async def test_of_two_entries_at_the_same_moment_one_wins(door: Door) -> None:
    entries = [
        door.post(CUSTOMERS, json={"name": "华兴", "phone": f"021-5555000{n}"}, headers=door.as_(who))
        for n, who in enumerate([AS_LI, AS_WANG] * 5)
    ]
    answers = await asyncio.gather(*entries)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"duplicate_customer"}


# --- repetitions and versions ---------------------------------------------------------------------


async def test_a_repeated_registration_answers_the_first(door: Door) -> None:
    as_ = door.as_(AS_LI, key="k1")
    first, again = [await door.post(CUSTOMERS, json={"name": "华兴"}, headers=as_) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = await door.post(CUSTOMERS, json={"name": "大成"}, headers=as_)
    refused(other, 409, "idempotency_key_reused")


async def test_an_id_belongs_to_one_record(door: Door) -> None:
    await a_customer(door, AS_LI, "华兴", id=an_id("one"))
    answer = await door.post(CUSTOMERS, json={"name": "大成", "id": an_id("one")}, headers=door.as_(AS_LI))
    refused(answer, 409, "id_taken")


async def test_a_change_names_the_version_that_it_was_decided_on(door: Door) -> None:
    made = await a_customer(door, AS_LI)
    at = f"{CUSTOMERS}/{made['id']}"
    refused(await door.patch(at, json={"source": "web"}, headers=door.as_(AS_LI)), 428, "if_match_required")
    changed = await door.patch(at, json={"source": "web"}, headers=door.as_(AS_LI, version=1))
    assert (changed.status_code, changed.headers["ETag"], changed.json()["source"]) == (200, '"2"', "web")
    stale = await door.patch(at, json={"source": "fair"}, headers=door.as_(AS_LI, version=1))
    assert refused(stale, 412, "stale")["version"] == 2
    # What changes nothing makes no version.
    same = await door.patch(at, json={"source": "web"}, headers=door.as_(AS_LI, version=2))
    assert same.headers["ETag"] == '"2"'
    refused(await door.patch(at, json={}, headers=door.as_(AS_LI, version=2)), 422, "nothing_said")
    emptied = await door.patch(at, json={"name": None}, headers=door.as_(AS_LI, version=2))
    refused(emptied, 422, "invalid_input", "name")


async def test_a_repeated_step_is_taken_once(door: Door) -> None:
    at = f"{CUSTOMERS}/{(await a_customer(door, AS_LI))['id']}/qualification"
    answers = [await door.post(at, json={}, headers=door.as_(AS_LI, key="q")) for _ in range(2)]
    assert [(a.status_code, a.json()["version"]) for a in answers] == [(200, 2), (200, 2)]
    again = await door.post(at, json={}, headers=door.as_(AS_LI, key="another"))
    problem = refused(again, 409, "wrong_state")
    assert (problem["state"], problem["possible"]) == ("qualified", ["activation", "loss"])


async def test_a_step_is_back_dated_three_working_days_at_most_and_an_imported_one_any_time(door: Door) -> None:
    said = {"prospect_since": "2021-05-06", "import_source": "crm:1"}
    made = await a_customer(door, AS_IMPORTER, owner=LI, **said)
    at = f"{CUSTOMERS}/{made['id']}"
    why = {"reason": "framework contract", "occurred_at": "2021-06-07T03:00:00Z"}
    answer = await door.post(f"{at}/activation", json=why, headers=door.as_(AS_LI))
    assert refused(answer, 422, "too_far_back", "occurred_at")["earliest"] == "2026-03-06"
    active = await door.post(f"{at}/activation", json=why, headers=door.as_(AS_IMPORTER))
    assert active.json()["activation"]["business_date"] == "2021-06-07"
    early = {"reason": "gone", "occurred_at": "2021-01-07T03:00:00Z"}
    refused(await door.post(f"{at}/loss", json=early, headers=door.as_(AS_IMPORTER)), 422, "before_prospect")


async def test_the_life_of_a_customer_by_hand(door: Door) -> None:
    at = f"{CUSTOMERS}/{(await a_customer(door, AS_LI))['id']}"
    steps = [
        ("qualification", {}, "qualified", None),
        ("activation", {"reason": "framework contract"}, "active", "framework contract"),
        ("dormancy", {"reason": "no order since autumn"}, "dormant", "no order since autumn"),
        ("reactivation", {}, "active", None),
        ("loss", {"reason": "bankrupt"}, "lost", "bankrupt"),
        ("reactivation", {"reason": "founded anew"}, "active", "founded anew"),
    ]
    for step, body, status, reason in steps:
        answer = await door.post(f"{at}/{step}", json=body, headers=door.as_(AS_LI))
        assert (answer.status_code, answer.json()["status"], answer.json()["status_reason"]) == (200, status, reason)
    for step in ("activation", "dormancy", "loss"):
        refused(await door.post(f"{at}/{step}", json={}, headers=door.as_(AS_LI)), 422, "invalid_input", "reason")


# --- owner ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "owner", "status"),
    [
        (AS_LI, WANG, 403),
        (AS_CLERK, WANG, 403),
        (AS_OWNER, WANG, 403),
        (AS_HEAD, WANG, 200),
        (AS_HEAD, CHEN, 403),
        (AS_CHIEF, CHEN, 200),
        (AS_CHIEF, SMITH, 403),
        (AS_TOP, SMITH, 200),
        (AS_IMPORTER, SMITH, 200),
    ],
)
async def test_supervisors_of_both_sides_give_a_customer_to_somebody_else(
    door: Door, who: Any, owner: str, status: int
) -> None:
    made = await a_customer(door, AS_LI)
    answer = await door.post(
        f"{CUSTOMERS}/{made['id']}/owner", json={"owner": owner, "valid_from": "2026-03-11"}, headers=door.as_(who)
    )
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["owner"] == owner
        assert (await door.get(f"{CUSTOMERS}/{made['id']}", headers=door.as_(AS_LI))).status_code == 404


async def test_the_new_owner_must_work_in_an_office_then(door: Door) -> None:
    at = f"{CUSTOMERS}/{(await a_customer(door, AS_LI))['id']}/owner"
    for owner, day, code in [
        ("nobody", "2026-03-12", "unknown_person"),
        (WANG, "2026-03-01", "past_entry"),
        (WANG, "2019-12-31", "unknown_person"),
        (AS_CHIEF.person, "2026-03-12", "no_office"),
    ]:
        answer = await door.post(at, json={"owner": owner, "valid_from": day}, headers=door.as_(AS_CHIEF))
        refused(answer, 422, code, "valid_from" if code == "past_entry" else "owner")


# --- contacts -------------------------------------------------------------------------------------


async def test_contacts_come_change_and_leave(door: Door) -> None:
    at = f"{CUSTOMERS}/{(await a_customer(door, AS_LI))['id']}/contacts"
    as_ = door.as_(AS_LI)
    boss = {"id": an_id("boss"), "name": "何总", "decision_role": "decision_maker", "phone": "13900002222"}
    made = await door.post(at, json=boss, headers=as_)
    assert (made.status_code, made.json()["contacts"][0] | boss) == (201, made.json()["contacts"][0])
    again = await door.post(at, json=boss, headers=as_)
    assert (again.status_code, again.json()["version"]) == (201, 2)
    buyer = {"id": an_id("buyer"), "name": "吴", "referred_by": an_id("boss"), "email": "wu@example.com"}
    assert (await door.post(at, json=buyer, headers=as_)).status_code == 201
    role = {"decision_role": "buyer"}
    refused(await door.patch(f"{at}/{an_id('buyer')}", json=role, headers=as_), 428, "if_match_required")
    changed = await door.patch(f"{at}/{an_id('buyer')}", json=role, headers=door.as_(AS_LI, version=3))
    assert changed.json()["contacts"][1]["decision_role"] == "buyer"
    left = await door.post(f"{at}/{an_id('boss')}/departure", json={"left_on": "2026-03-09"}, headers=as_)
    assert left.json()["contacts"][0]["left_on"] == "2026-03-09"
    refused(
        await door.post(f"{at}/{an_id('boss')}/departure", json={"left_on": "2026-03-09"}, headers=as_),
        409,
        "wrong_state",
    )


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"phone": "none"}, "not_a_phone", "phone"),
        ({"referred_by": "nobody"}, "unknown_contact", "referred_by"),
        ({"email": "at example"}, "invalid_input", "email"),
        ({"decision_role": "king"}, "invalid_input", "decision_role"),
        ({"id": an_id("boss")}, "contact_id_taken", "id"),
    ],
)
async def test_a_contact_that_makes_no_sense_is_refused(
    door: Door, said: dict[str, str], code: str, field: str
) -> None:
    at = f"{CUSTOMERS}/{(await a_customer(door, AS_LI))['id']}/contacts"
    await door.post(at, json={"id": an_id("boss"), "name": "何总"}, headers=door.as_(AS_LI))
    refused(await door.post(at, json={"name": "吴", **said}, headers=door.as_(AS_LI)), 422, code, field)


async def test_an_unknown_contact_is_not_found_and_nobody_leaves_in_the_future(door: Door) -> None:
    at = f"{CUSTOMERS}/{(await a_customer(door, AS_LI))['id']}/contacts"
    await door.post(at, json={"id": an_id("boss"), "name": "何总"}, headers=door.as_(AS_LI))
    as_ = door.as_(AS_LI, version=2)
    refused(await door.patch(f"{at}/nobody", json={"name": "x"}, headers=as_), 404, "not_found")
    refused(await door.post(f"{at}/nobody/departure", json={"left_on": "2026-03-09"}, headers=as_), 404, "not_found")
    soon = await door.post(f"{at}/{an_id('boss')}/departure", json={"left_on": "2026-03-12"}, headers=as_)
    refused(soon, 422, "in_the_future", "left_on")


async def test_a_clerk_enters_for_somebody_of_an_office_served(door: Door) -> None:
    made = await a_customer(door, AS_CLERK, on_behalf_of=LI)
    assert made["owner"] == LI
    answer = await door.post(CUSTOMERS, json={"name": "大成", "on_behalf_of": CHEN}, headers=door.as_(AS_CLERK))
    refused(answer, 403, "import_right_needed")


async def test_offices_of_other_zones_have_their_own_customers(door: Door) -> None:
    assert (await a_customer(door, AS_SMITH))["office"] == LAX
