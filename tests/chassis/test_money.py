"""Amounts as people write them: exact, with the decimals of their currency."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.money import LARGEST, decimals, parse, show


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "CNY", 1234),
        ("12", "CNY", 1200),
        ("12.3", "CNY", 1230),
        ("12.340", "CNY", 1234),
        (" 12.34 ", "CNY", 1234),
        ("-0.01", "USD", -1),
        ("0.29", "USD", 29),  # 0.29 * 100 is 28.999999999999996 in floating point
        ("1500", "JPY", 1500),
        ("1500.000", "JPY", 1500),
        ("1.234", "KWD", 1234),
        ("1E+3", "CNY", 100_000),
        (f"{LARGEST // 100}.{LARGEST % 100:02}", "CNY", LARGEST),
    ],
)
def test_a_decimal_text_is_exact_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "why"),
    [
        ("12.345", "CNY", "more than the 2 decimals of CNY"),
        ("0.5", "JPY", "more than the 0 decimals of JPY"),
        ("1E-70", "CNY", "more than the 2 decimals of CNY"),
        ("1E-1000050", "CNY", "more than the 2 decimals of CNY"),
        (f"1.{'0' * 80}1", "CNY", "more than the 2 decimals of CNY"),
        ("1.2345", "KWD", "more than the 3 decimals of KWD"),
        ("", "CNY", "no amount"),
        ("twelve", "CNY", "no amount"),
        ("12,34", "CNY", "no amount"),
        ("NaN", "CNY", "no amount"),
        ("Infinity", "CNY", "no amount"),
        ("1E+30", "CNY", "too large"),
        ("1E+999999", "CNY", "too large"),
        (f"{LARGEST}.00", "CNY", "too large"),
        ("1", "ZZZ", "no currency"),
        ("1", "cny", "no currency"),
    ],
)
def test_what_is_not_exactly_an_amount_is_refused_with_its_reason(text: str, currency: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(text, currency)


@pytest.mark.parametrize(("currency", "places"), [("CNY", 2), ("USD", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3)])
def test_each_currency_has_its_decimals(currency: str, places: int) -> None:
    assert decimals(currency) == places


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123_450, "CNY", "1,234.50 CNY"),
        (-5, "USD", "-0.05 USD"),
        (1_500, "JPY", "1,500 JPY"),
        (1_234, "KWD", "1.234 KWD"),
        (0, "CNY", "0.00 CNY"),
        (LARGEST, "CNY", "90,071,992,547,409.91 CNY"),
    ],
)
def test_an_amount_is_shown_with_its_decimals(minor: int, currency: str, text: str) -> None:
    assert show(minor, currency) == text


@given(st.integers(-LARGEST, LARGEST), st.sampled_from(["CNY", "JPY", "KWD"]))
def test_what_is_shown_reads_back_as_the_same(minor: int, currency: str) -> None:
    assert parse(show(minor, currency).split()[0].replace(",", ""), currency) == minor
