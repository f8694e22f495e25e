"""Amounts of money as people write them: decimal text to minor units and back, exactly.

How many decimals a currency has is ISO 4217's business: CNY 2, JPY 0, KWD 3.
"""

from __future__ import annotations

from decimal import Decimal, Inexact, InvalidOperation, localcontext

from iso4217 import Currency

LARGEST = 2**53 - 1
"""The largest amount in minor units: what every reader of JSON still holds exactly."""


def decimals(currency: str) -> int:
    """How many decimals the currency has. Raises ValueError for a code that is no currency."""
    try:
        return Currency(currency).exponent or 0
    except ValueError:
        raise ValueError(f"{currency} is no currency of ISO 4217") from None


def parse(text: str, currency: str) -> int:
    """Minor units of a decimal text such as 12.34.

    Raises ValueError where the text is no number, has more decimals than the currency, or is too large.
    """
    places = decimals(currency)
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is no amount") from None
    if not amount.is_finite():
        raise ValueError(f"{text!r} is no amount")
    if amount.adjusted() > 15:  # before anything is computed: an exponent may be enormous
        raise ValueError(f"{text} is too large")
    with localcontext() as exact:
        exact.prec = 60
        exact.traps[Inexact] = True
        try:
            minor = amount.scaleb(places).quantize(Decimal(1))
        except Inexact:
            raise ValueError(f"{text} has more than the {places} decimals of {currency}") from None
    if abs(minor) > LARGEST:
        raise ValueError(f"{text} is too large")
    return int(minor)


def show(minor: int, currency: str) -> str:
    """`1,234.50 CNY`: with the currency's decimals and thousands separated."""
    places = decimals(currency)
    return f"{Decimal(minor).scaleb(-places):,.{places}f} {currency}"
