"""Money on the wire: integer minor units with a currency code, never a float.

Two currencies are never added. A sum over several of them is a list with one entry per currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217 alphabetic code, such as CNY."""


class CurrencyMismatch(ValueError):
    """Amounts of two currencies were to be added or compared."""


class Money(BaseModel):
    """An amount in the minor unit of its currency: 12.34 CNY is `{"minor": 1234, "currency": "CNY"}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minor: int
    currency: Currency

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(minor=self.minor + other.minor, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(minor=self.minor - other.minor, currency=self.currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be added: convert them first")


def per_currency(amounts: Iterable[Money]) -> list[Money]:
    """The sum as a list, one entry per currency, in the order of the codes."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.minor
    return [Money(minor=sums[currency], currency=currency) for currency in sorted(sums)]
