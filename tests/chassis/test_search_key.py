"""One search key for all services: what is typed finds what is stored, in whatever form either was written."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest

from chassis.search_key import containing, search_key, search_keys

FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def finds(typed: str, stored: str) -> bool:
    pattern = containing("keys.search", typed)["keys.search"]["$regex"]
    return re.search(pattern, search_keys(stored)) is not None


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ABC", "ＡＢＣ商店"),
        ("ＡＢＣ商店", "abc商店"),
        ("Cafe\u0301", "Caf\u00e9 Central"),
        ("Caf\u00e9", "Cafe\u0301 Central"),
        ("cafe", "CAFÉ"),
        ("STRASSE", "Hauptstraße 5"),
        ("straße", "HAUPTSTRASSE"),
        ("HAUPTSTRAẞE", "Hauptstrasse"),
        ("istanbul", "İSTANBUL Ltd"),
        ("İstanbul", "istanbul ltd"),
        ("ISPARTA", "ısparta"),
        ("Łódź", "lodz"),
        ("Nguyen", "Nguyễn Văn"),
        ("ΟΔΟΣ", "οδός"),
        ("محمد", "مُحَمَّد"),
        ("محمد", "محـــمد"),
        ("שלום", "שָׁלוֹם"),
        ("ガラス", "ｶﾞﾗｽ工房"),
        ("ｶﾞﾗｽ", "ガラス工房"),
        ("カ\u3099ラス", "ガラス工房"),
        ("foobar", "foo\u200dbar"),
        ("foo\u00adbar", "foobar"),
        ("\ufeffStore", "store"),
        ("red heart", "Red Heart ❤\ufe0f"),
        ("A  B", "a \u3000 b"),
        (" north\tstar ", "North Star"),
        ("O'Brien", "O’Brien & Sons"),
        ("Store 1-23", "Store 1–23"),
        ("阿·里", "阿・里"),
        ("Store 12", "Store ١٢"),
        ("ﬁne", "FINE foods"),
        (unicodedata.normalize("NFD", "한국"), "한국"),
    ],
)
def test_a_name_is_found_however_it_was_typed(typed: str, stored: str) -> None:
    assert finds(typed, stored)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ร้านดู", "ร้านดี"),
        ("रोम स्टोर", "राम स्टोर"),
        ("か", "が"),
        ("Store 12-3", "Store 1-23"),
        ("C Labs", "C++ Labs"),
        (".*", "anything"),
        ("a|b", "a"),
        ("^ab", "ab"),
        ("(", "no bracket"),
        ("[a-z]", "q"),
        ("AB", "A B"),
    ],
)
def test_what_is_another_word_is_not_found(typed: str, stored: str) -> None:
    assert not finds(typed, stored)


@pytest.mark.parametrize("sign", list(r".^$*+?{}[]\|()#&~- /"))
def test_a_sign_of_regular_expressions_is_found_as_itself(sign: str) -> None:
    assert finds(f"a{sign}b", f"x A{sign}B y")


def test_a_search_looks_into_each_field_and_matches_across_none() -> None:
    keys = search_keys("P-100", None, "Gear box")
    assert keys == "p-100\ngear box"
    pattern = containing("keys.search", "100 Gear")["keys.search"]["$regex"]
    assert re.search(pattern, keys) is None


def test_every_character_has_one_key_in_all_its_forms_and_the_key_is_its_own_key() -> None:
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code <= 0xDFFF or unicodedata.category(chr(code)) in ("Cn", "Co"):
            continue
        text = f"a{chr(code)}b"
        key = search_key(text)
        assert search_key(key) == key, hex(code)
        for form in FORMS:
            assert search_key(unicodedata.normalize(form, text)) == key, (hex(code), form)
