"""Rates are rounded half up from their exact value, as amounts are."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.formulas import rate

WHOLE = st.integers(-(2**60), 2**60)


@pytest.mark.parametrize(
    ("numerator", "denominator", "value"),
    [
        (1, 32, 0.0313),  # 0.03125
        (3, 32, 0.0938),  # 0.09375
        (-1, 32, -0.0313),
        (1, 3, 0.3333),
        (2, 3, 0.6667),
        (0, 7, 0.0),
        (2**53 + 1, 2, 4503599627370496.5),
        (285, 2, 142.5),
    ],
)
def test_a_rate_in_numbers(numerator: int, denominator: int, value: float) -> None:
    assert rate(numerator, denominator) == {"value": value, "numerator": numerator, "denominator": denominator}


def test_nothing_to_divide_by_is_no_rate() -> None:
    assert rate(5, 0)["value"] is None


@given(WHOLE, WHOLE.filter(bool))
def test_a_rate_is_the_exact_quotient_rounded_half_up(numerator: int, denominator: int) -> None:
    with localcontext() as exact:
        exact.prec = 80
        expected = (Decimal(numerator) / denominator).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    assert rate(numerator, denominator)["value"] == pytest.approx(float(expected), rel=1e-15, abs=0)
