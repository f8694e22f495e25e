"""A customer that is there already is recognised, and there is a way on for one that is only alike."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from contracts.customers import Likeness
from tests.customers.company import AS_CHEN, AS_IMPORTER, AS_LI, AS_SMITH, AS_WANG, LI, a_customer, refused
from tests.doors import Door

CUSTOMERS = "/api/v1/customers"
SWITCHBOARD = "021-5555 1234"
TAX = "91310000MA1FL0AA0X"


async def posted(door: Door, who: Any = AS_LI, **said: Any) -> httpx.Response:
    return await door.post(CUSTOMERS, json=said, headers=door.as_(who))


# --- telephone numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phone", ["1.38E+10", "2026-11-27", "20261127", "13800138000.0", "46353", "1,200.00", "无", "0"]
)
async def test_what_a_spreadsheet_makes_of_a_number_is_no_telephone_number(door: Door, phone: str) -> None:
    problem = refused(await posted(door, name="华兴", phone=phone), 422, "not_a_phone", "phone")
    assert phone in problem["detail"]
    made = await a_customer(door, AS_LI, "大成")
    where = f"{CUSTOMERS}/{made['id']}"
    changed = await door.patch(where, json={"phone": phone}, headers=door.as_(AS_LI, version=1))
    refused(changed, 422, "not_a_phone", "phone")
    contact = await door.post(f"{where}/contacts", json={"name": "张", "phone": phone}, headers=door.as_(AS_LI))
    refused(contact, 422, "not_a_phone", "phone")


@pytest.mark.parametrize(
    ("phone", "numbers"),
    [
        ("０２１－５５５５　１２３４", ["+862155551234"]),
        ("021-55551234 转 801", ["+862155551234;ext=801"]),
        ("400-820-8820", ["+864008208820"]),
        ("95588", ["95588;phone-context=+86"]),
        ("0086 139 0000 1111", ["+8613900001111"]),
        ("139 0000 1111 / 138 0000 2222", ["+8613900001111", "+8613800002222"]),
    ],
)
async def test_a_number_stays_as_it_was_typed_and_has_a_normal_form(door: Door, phone: str, numbers: list[str]) -> None:
    made = await a_customer(door, AS_LI, phone=phone)
    assert (made["phone"], made["phone_numbers"]) == (phone, numbers)


async def test_a_number_without_prefix_is_read_by_the_plan_of_the_office(door: Door) -> None:
    made = await a_customer(door, AS_SMITH, "Bolt Hardware", phone="(213) 555-0123")
    assert made["phone_numbers"] == ["+12135550123"]
    refused(await posted(door, AS_SMITH, name="Bolts", phone="+1 213-555-0123"), 409, "duplicate_customer")


async def test_one_of_several_numbers_is_enough_to_be_recognised(door: Door) -> None:
    await a_customer(door, AS_LI, "华兴", phone="13900001111/13800002222")
    refused(await posted(door, name="大成", phone="+86 138 0000 2222"), 409, "duplicate_customer")


async def test_two_extensions_of_one_switchboard_are_two_customers(door: Door) -> None:
    await a_customer(door, AS_LI, "东店", phone=f"{SWITCHBOARD}-801")
    await a_customer(door, AS_LI, "西店", phone=f"{SWITCHBOARD}-802")


async def test_an_old_file_with_an_unreadable_number_can_still_be_changed(door: Door, database: Any) -> None:
    made = await a_customer(door, AS_LI)
    await database["customers"].update_one({"_id": made["id"]}, {"$set": {"phone": "ask Li"}})
    changed = await door.patch(f"{CUSTOMERS}/{made['id']}", json={"source": "fair"}, headers=door.as_(AS_LI, version=1))
    assert (changed.status_code, changed.json()["phone"]) == (200, "ask Li")


# --- tax ids --------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["N/A", "0", "无", "-", "none", "null", "000000", "test", "待补"])
async def test_a_word_for_none_is_no_tax_id_and_makes_nobody_a_duplicate(door: Door, word: str) -> None:
    first = await a_customer(door, AS_LI, "东店", tax_id=word)
    second = await a_customer(door, AS_LI, "西店", tax_id=word)
    assert (first["tax_id"], second["tax_id"]) == (None, None)
    third = await a_customer(door, AS_LI, "北店", tax_id=TAX)
    emptied = await door.patch(f"{CUSTOMERS}/{third['id']}", json={"tax_id": word}, headers=door.as_(AS_LI, version=1))
    assert (emptied.status_code, emptied.json()["tax_id"]) == (200, None)


async def test_words_that_are_no_tax_id_are_refused_and_not_dropped(door: Door) -> None:
    refused(await posted(door, name="华兴", tax_id="见合同附件"), 422, "not_a_tax_id", "tax_id")


# --- declared differences -------------------------------------------------------------------------


async def test_three_branches_with_one_switchboard_and_one_tax_id_are_declared_different(door: Door) -> None:
    ids: list[str] = []
    for name in ("总店", "东店", "西店"):
        if ids:
            problem = refused(await posted(door, name=name, phone=SWITCHBOARD, tax_id=TAX), 409, "duplicate_customer")
            assert sorted(each["id"] for each in problem["candidates"]) == sorted(ids)
        made = await a_customer(door, AS_LI, name, phone=SWITCHBOARD, tax_id=TAX, not_duplicate_of=ids)
        ids.append(made["id"])
    # Each of them can be changed afterwards without declaring anything again.
    for customer_id in ids:
        said = {"name": f"新{customer_id[:8]}店"}
        changed = await door.patch(f"{CUSTOMERS}/{customer_id}", json=said, headers=door.as_(AS_LI, version=1))
        assert changed.status_code == 200, changed.text


async def test_a_refusal_says_which_value_is_alike_with_each_candidate(door: Door) -> None:
    named = await a_customer(door, AS_LI, "华兴机械", phone="13900001111")
    called = await a_customer(door, AS_LI, "大成", phone="(021)55551234", tax_id=TAX)
    answer = await posted(door, name="华兴机械有限公司", phone=SWITCHBOARD, tax_id="91310000-ma1fl0aa0x")
    problem = refused(answer, 409, "duplicate_customer")
    assert sorted((each["customer"], each["kind"], each["value"]) for each in problem["alike"]) == sorted(
        [
            (named["id"], "name", "华兴机械有限公司"),
            (called["id"], "phone", SWITCHBOARD),
            (called["id"], "tax_id", "91310000-ma1fl0aa0x"),
        ]
    )
    assert sorted(error["field"] for error in problem["errors"]) == ["name", "phone", "tax_id"]
    assert "大成 has the same telephone number 021-5555 1234 and tax id" in problem["detail"]
    assert all(each["id"] in (named["id"], called["id"]) and each["owner"] == LI for each in problem["candidates"])


async def test_a_refusal_tells_nothing_of_a_customer_out_of_reach(door: Door) -> None:
    await a_customer(door, AS_CHEN, "杭州纺织", phone="(0571) 8888-8888", tax_id=TAX)
    answer = await posted(door, name="上海纺织", phone="057188888888", tax_id=TAX)
    problem = refused(answer, 409, "duplicate_customer")
    assert (problem["candidates"], problem["alike"], problem["errors"], problem["elsewhere"]) == ([], [], [], True)
    assert "杭州" not in answer.text
    assert "(0571)" not in answer.text


# --- what an import may say -----------------------------------------------------------------------


async def test_an_import_may_say_of_which_kinds_a_likeness_is_meant(door: Door) -> None:
    shared = {"phone": SWITCHBOARD, "tax_id": TAX, "import_source": "erp:1", "owner": LI}
    first = await a_customer(door, AS_LI, "总店", phone=SWITCHBOARD, tax_id=TAX)
    refused(await posted(door, AS_IMPORTER, name="东店", **shared), 409, "duplicate_customer")
    answer = await posted(door, AS_IMPORTER, name="东店", allow_alike=["phone"], **shared)
    assert [each["kind"] for each in refused(answer, 409, "duplicate_customer")["alike"]] == ["tax_id"]
    for name in ("东店", "西店", "北店"):
        made = await a_customer(door, AS_IMPORTER, name, allow_alike=["phone", "tax_id"], **shared)
        assert made["may_share"] == [Likeness.PHONE, Likeness.TAX_ID]
    # A kind that was not named still refuses.
    refused(
        await posted(door, AS_IMPORTER, name="东店", allow_alike=["phone", "tax_id"], **shared),
        409,
        "duplicate_customer",
    )
    # Whoever enters one more by hand is told of all.
    by_hand = refused(await posted(door, name="南店", phone=SWITCHBOARD), 409, "duplicate_customer")
    assert len(by_hand["candidates"]) == 4
    # The first of them, which may share nothing, can still be changed.
    for said, version in (({"name": "总部"}, 1), ({"not_duplicate_of": []}, 2), ({"source": "fair"}, 2)):
        changed = await door.patch(f"{CUSTOMERS}/{first['id']}", json=said, headers=door.as_(AS_LI, version=version))
        assert changed.status_code == 200, changed.text


async def test_another_value_is_shared_with_nobody_until_that_is_said_again(door: Door) -> None:
    await a_customer(door, AS_LI, "总店", phone=SWITCHBOARD)
    other = await a_customer(door, AS_LI, "大成", phone="13900001111")
    branch = await a_customer(
        door, AS_IMPORTER, "东店", owner=LI, phone=SWITCHBOARD, allow_alike=["phone"], import_source="erp:2"
    )
    where = f"{CUSTOMERS}/{branch['id']}"
    changed = await door.patch(where, json={"phone": "13900001111"}, headers=door.as_(AS_LI, version=1))
    assert refused(changed, 409, "duplicate_customer")["candidates"][0]["id"] == other["id"]
    changed = await door.patch(where, json={"phone": "13900003333"}, headers=door.as_(AS_LI, version=1))
    assert (changed.status_code, changed.json()["may_share"]) == (200, [])


@pytest.mark.parametrize("kinds", [["phone"], ["name", "tax_id"]])
async def test_only_an_import_may_let_every_likeness_pass(door: Door, kinds: list[str]) -> None:
    refused(await posted(door, name="华兴", allow_alike=kinds), 403, "import_right_needed")
    made = await a_customer(door, AS_LI)
    changed = await door.patch(
        f"{CUSTOMERS}/{made['id']}", json={"allow_alike": kinds}, headers=door.as_(AS_LI, version=1)
    )
    refused(changed, 403, "import_right_needed")


# --- the same moment ------------------------------------------------------------------------------


def statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


@pytest.mark.parametrize(
    "said",
    [
        {"phone": SWITCHBOARD},
        {"tax_id": TAX},
        {"phone": SWITCHBOARD, "tax_id": TAX},
    ],
)
async def test_of_several_entries_of_one_customer_at_the_same_moment_one_passes(
    door: Door, said: dict[str, str]
) -> None:
    answers = await asyncio.gather(*(posted(door, (AS_LI, AS_WANG)[n % 2], name=f"店{n}", **said) for n in range(8)))
    assert statuses(answers) == [201] + [409] * 7


async def test_of_several_entries_that_declare_the_same_difference_one_passes(door: Door) -> None:
    known = [(await a_customer(door, AS_LI, "华兴"))["id"]]
    more = [*known, (await a_customer(door, AS_LI, "大成"))["id"]]
    answers = await asyncio.gather(
        *(posted(door, name="华兴", not_duplicate_of=known if n % 2 else more) for n in range(6))
    )
    assert statuses(answers) == [201] + [409] * 5


async def test_of_several_changes_to_one_number_at_the_same_moment_one_passes(door: Door) -> None:
    made = [await a_customer(door, AS_LI, f"店{n}", phone=f"1390000000{n}") for n in range(6)]
    answers = await asyncio.gather(
        *(
            door.patch(f"{CUSTOMERS}/{each['id']}", json={"phone": SWITCHBOARD}, headers=door.as_(AS_LI, version=1))
            for each in made
        )
    )
    assert statuses(answers) == [200] + [409] * 5


async def test_an_entry_and_a_change_at_the_same_moment_do_not_both_pass(door: Door) -> None:
    made = await a_customer(door, AS_LI, "大成", not_duplicate_of=[])
    change = door.patch(f"{CUSTOMERS}/{made['id']}", json={"name": "华兴"}, headers=door.as_(AS_LI, version=1))
    answers = list(await asyncio.gather(change, posted(door, name="华兴")))
    assert sum(answer.is_success for answer in answers) == 1


async def test_of_two_changes_of_one_version_the_second_is_stale(door: Door) -> None:
    made = await a_customer(door, AS_LI)
    answers = await asyncio.gather(
        *(
            door.patch(f"{CUSTOMERS}/{made['id']}", json={"source": f"fair {n}"}, headers=door.as_(AS_LI, version=1))
            for n in range(4)
        )
    )
    assert statuses(answers) == [200] + [412] * 3


# --- places and searching -------------------------------------------------------------------------


async def test_a_customer_at_0_0_is_refused(door: Door) -> None:
    nowhere = [{"text": "x", "latitude": 0, "longitude": 0.0}]
    refused(await posted(door, name="华兴", addresses=nowhere), 422, "no_place", "addresses.0.latitude")
    made = await a_customer(door, AS_LI)
    changed = await door.patch(
        f"{CUSTOMERS}/{made['id']}", json={"addresses": nowhere}, headers=door.as_(AS_LI, version=1)
    )
    refused(changed, 422, "no_place", "addresses.0.latitude")


async def test_coordinates_without_an_address_text_are_kept(door: Door) -> None:
    made = await a_customer(door, AS_LI, addresses=[{"latitude": 31.23, "longitude": 121.47}])
    assert made["addresses"] == [{"text": "", "city": None, "country": None, "latitude": 31.23, "longitude": 121.47}]


async def test_swapped_coordinates_and_those_off_the_earth_are_refused(door: Door) -> None:
    swapped = [{"text": "x", "latitude": 121.47, "longitude": 31.23}]
    problem = refused(await posted(door, name="华兴", addresses=swapped), 422, "not_on_earth", "addresses.0.latitude")
    assert "swapped" in problem["detail"]
    beyond = [{"text": "x", "latitude": 31.23, "longitude": 1210}]
    refused(await posted(door, name="华兴", addresses=beyond), 422, "not_on_earth", "addresses.0.longitude")


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("ＡＢＣ商店", "ABC"),
        ("ABC商店", "ａｂｃ"),
        ("Caf\u00e9 Central", "Cafe\u0301"),
        ("Cafe\u0301 Central", "Caf\u00e9"),
        ("Straße 5", "STRASSE"),
        ("ｶﾞﾗｽ工房", "ガラス"),
        ("İstanbul", "istanbul"),
        ("100% (Beta) [x]", "(beta) ["),
        ("a  b", "A B"),
    ],
)
async def test_a_customer_is_found_however_its_name_was_typed(door: Door, stored: str, typed: str) -> None:
    made = await a_customer(door, AS_LI, stored)
    await a_customer(door, AS_LI, "大成")
    found = await door.get(CUSTOMERS, params={"q": typed}, headers=door.as_(AS_LI))
    assert [each["id"] for each in found.json()["items"]] == [made["id"]]


async def test_a_search_is_no_pattern(door: Door) -> None:
    await a_customer(door, AS_LI)
    for typed in (".*", "华|大", "^华", "[华]", "(", "\\"):
        found = await door.get(CUSTOMERS, params={"q": typed}, headers=door.as_(AS_LI))
        assert (found.status_code, found.json()["items"]) == (200, [])
