"""Which two customer files are taken for the same customer. Pure."""

from __future__ import annotations

import unicodedata

import pytest

from contracts.customers import Address, Customer, Likeness
from contracts.refusals import NotPossible
from customers.customer.identity import alike, check_places, claims, is_name, name_key
from tests.customers.company import customer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ร้านดี", "ร้านดู"),
        ("राम स्टोर", "रोम स्टोर"),
        ("Store 1-23", "Store 12-3"),
        ("Store 1-23", "Store 123"),
        ("Store 1.5", "Store 15"),
        ("Store 1/2", "Store 1-2"),
        ("Room 1 23", "Room 12 3"),
        ("C++ Labs", "C Labs"),
        ("C# Labs", "C Labs"),
        ("C++ Labs", "C# Labs"),
        ("A&B", "AB"),
        ("A+ Store", "A Store"),
        ("50% Off", "50 Off"),
        ("$1 Store", "1 Store"),
        ("M@M", "MM"),
        ("Müller", "Muller"),
        ("がぎ", "かき"),
        ("店一", "店二"),
        ("❤ Café", "Café"),
    ],
)
def test_names_that_differ_in_what_carries_a_meaning_are_two_customers(one: str, other: str) -> None:
    for form in ("NFC", "NFD", "NFKC"):
        assert name_key(unicodedata.normalize(form, one)) != name_key(unicodedata.normalize(form, other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＡＢＣ商店", "abc 商店"),
        ("Caf\u00e9 Central", "CAFE\u0301 CENTRAL"),
        ("ร้าน ดี", "ร้านดี"),
        ("राम स्टोर", unicodedata.normalize("NFD", "राम  स्टोर")),
        ("ｶﾞﾗｽ工房", "ガラス工房"),
        ("Straße 5", "STRASSE 5"),
        ("İSTANBUL", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("Store 1-23", "store 1 – 23"),
        ("Store #5", "Store 5"),
        ("Store ١٢", "Store 12"),
        ("O'Brien & Sons", "O’Brien & Sons"),
        ("Acme, Inc.", "ACME"),
        ("Acme® GmbH", "Acme"),
        ("Smith & Co.", "Smith"),
        ("华兴机械（上海）有限公司", "华兴机械(上海)"),
        ("foo\u200dbar", "foobar"),
        ("foo\u00adbar", "foobar"),
        ("\ufeff华兴", "华兴"),
        ("A_B", "A B"),
    ],
)
def test_spellings_of_one_name_are_one_customer(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_a_name_holds_a_letter_or_a_digit() -> None:
    assert is_name("ก")
    assert is_name("7")
    assert not is_name("+++")
    assert not is_name("❤")


def test_the_kinds_of_likeness_are_told_one_by_one() -> None:
    one = customer(id="a", name="A", phone_numbers=["+862155551234", "+8613900001111"], tax_id="91310000MA1FL0AA0X")
    assert alike(one, customer(id="b", name="a", phone_numbers=["+8613900001111"])) == [Likeness.NAME, Likeness.PHONE]
    assert alike(one, customer(id="b", name="B", tax_id="91310000-ma1fl0aa0x")) == [Likeness.TAX_ID]
    assert alike(one, customer(id="b", name="B", phone_numbers=["+862155551234;ext=1"], tax_id="N/A")) == []
    assert alike(customer(id="a", name="A", tax_id="无"), customer(id="b", name="B", tax_id="无")) == []


def test_a_file_from_before_the_numbers_were_kept_is_known_by_its_text() -> None:
    before = customer(id="a", name="A", phone="(021) 5555 1234")
    assert alike(before, customer(id="b", name="B", phone_numbers=["+862155551234"])) == [Likeness.PHONE]
    unreadable = customer(id="c", name="C", phone="ask Li")
    assert alike(unreadable, unreadable.model_copy(update={"id": "d", "name": "D"})) == []


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"latitude": 0.0, "longitude": 0.0}, "no_place", "addresses.1.latitude"),
        ({"latitude": -0.0, "longitude": 0.0004}, "no_place", "addresses.1.latitude"),
        ({"latitude": 121.47, "longitude": 31.23}, "not_on_earth", "addresses.1.latitude"),
        ({"latitude": 31.23, "longitude": 181.0}, "not_on_earth", "addresses.1.longitude"),
        ({"latitude": -90.01, "longitude": 31.23}, "not_on_earth", "addresses.1.latitude"),
        ({"latitude": float("inf"), "longitude": 1.0}, "not_on_earth", "addresses.1.latitude"),
        ({"latitude": float("nan"), "longitude": 1.0}, "not_on_earth", "addresses.1.longitude"),
        ({"longitude": 31.23}, "invalid_input", "addresses.1"),
        ({"text": "", "country": "CN"}, "no_address", "addresses.1"),
    ],
)
def test_coordinates_that_are_no_place_are_refused(said: dict[str, float], code: str, field: str) -> None:
    with pytest.raises(NotPossible) as refusal:
        check_places([Address(text="x"), Address(**{"text": "", **said})])
    assert (refusal.value.code, refusal.value.field) == (code, field)


@pytest.mark.parametrize(("latitude", "longitude"), [(0.0, 121.47), (51.48, 0.0), (0.0, -0.002), (-31.2, -121.0)])
def test_a_place_on_the_equator_or_the_meridian_is_one(latitude: float, longitude: float) -> None:
    check_places([Address(text="", latitude=latitude, longitude=longitude)])


def test_swapped_coordinates_are_said_to_be_so() -> None:
    with pytest.raises(NotPossible, match="seem to be swapped"):
        check_places([Address(text="x", latitude=121.47, longitude=31.23)])


def test_the_claims_of_a_customer_are_its_own_where_it_may_share_them() -> None:
    shared: Customer = customer(id="a", name="A", phone_numbers=["+862155551234"], may_share=[Likeness.PHONE])
    assert claims(shared) == ["name:a", "phone:+862155551234#a"]
    assert claims(shared.model_copy(update={"not_duplicate_of": ["b"]})) == ["name:a#a", "phone:+862155551234#a"]
