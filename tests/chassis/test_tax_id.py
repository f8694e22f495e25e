"""A word for none is no tax id, and two spellings of one tax id are the same."""

from __future__ import annotations

import pytest

from chassis.tax_id import NotATaxId, tax_id, tax_key


@pytest.mark.parametrize(
    "text",
    [
        "N/A",
        "n.a.",
        "#N/A",
        "Ｎ／Ａ",
        "0",
        "00",
        "000000",
        "０００",
        "0.00",
        "-",
        "--",
        "?",
        "无",
        "無",
        "没有",
        "暂无",
        "无税号",
        "待补",
        "none",
        "None",
        "NULL",
        "nil",
        "unknown",
        "TBD",
        "test",
        "TEST 123",
        "xxxx",
        "XXXXXXXXXX",
        "99999999",
        "123456",
        "123456789",
        "keine",
        "нет",
        "なし",
        "不详",
        "待定",
    ],
)
def test_a_word_for_none_is_no_tax_id(text: str) -> None:
    assert tax_id(text) is None
    assert tax_key(text) is None


@pytest.mark.parametrize("text", ["91310000MA1FL0AA0X", "12345-67890", "DE 123456788", "T1", "NA123456"])
def test_a_tax_id_stays_as_it_was_typed(text: str) -> None:
    assert tax_id(f" {text} ") == text


def test_spellings_of_one_tax_id_are_the_same() -> None:
    assert tax_key("91310000-ma1fl0aa0x") == tax_key("９１３１００００ ＭＡ１ＦＬ０ＡＡ０Ｘ") == "91310000MA1FL0AA0X"


@pytest.mark.parametrize("text", ["see contract", "见合同附件"])
def test_words_without_a_digit_are_refused_and_not_dropped(text: str) -> None:
    with pytest.raises(NotATaxId):
        tax_id(text)
