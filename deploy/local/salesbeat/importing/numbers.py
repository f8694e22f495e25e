"""Numbers and amounts as people and programs write them. Whatever may mean two things is refused, never guessed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from chassis import money
from contracts.money import Money
from salesbeat.importing.refused import Refused, shown

_NAMES = {
    "RMB": "CNY",
    "CN¥": "CNY",
    "元": "CNY",
    "圆": "CNY",
    "人民币": "CNY",
    "JP¥": "JPY",
    "円": "JPY",
    "日元": "JPY",
    "US$": "USD",
    "美元": "USD",
    "HK$": "HKD",
    "港元": "HKD",
    "港币": "HKD",
    "NT$": "TWD",
    "新台币": "TWD",
    "S$": "SGD",
    "A$": "AUD",
    "AU$": "AUD",
    "C$": "CAD",
    "CA$": "CAD",
    "NZ$": "NZD",
    "R$": "BRL",
    "€": "EUR",
    "欧元": "EUR",
    "£": "GBP",
    "英镑": "GBP",
    "₹": "INR",
    "₩": "KRW",
    "₽": "RUB",
    "₺": "TRY",
    "฿": "THB",
    "₫": "VND",
    "₱": "PHP",
    "₦": "NGN",
    "₴": "UAH",
    "₪": "ILS",
    "zł": "PLN",
}
"""Signs and words that mean one currency."""
_SEVERAL = {
    "¥": ("CNY", "JPY"),
    "$": ("USD", "CAD", "AUD", "NZD", "HKD", "TWD", "SGD", "MXN", "CLP", "COP", "ARS"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
}
"""Signs that several currencies share."""
_MARKS = sorted([*_NAMES, *_SEVERAL], key=len, reverse=True)
_SIGNS = "+-−－"
_BLANKS = "\u00a0\u2007\u2009\u202f "
_APOSTROPHES = "'’ʼ＇"
LONGEST = 30
"""Digits of a number: far more than an amount may have."""


@dataclass(frozen=True, slots=True)
class Written:
    """A number as a cell writes it. `currencies`: those that its sign or code may mean; none where it has neither."""

    number: Decimal
    mark: str = ""
    currencies: tuple[str, ...] = ()


@lru_cache(50_000)
def parse_number(text: str, decimal: str, thousands: str) -> Written:
    """The number, and the currency that stands before or behind it.

    Understood are one sign before or behind, brackets for a minus, and full-width digits. Raises Refused for anything
    else, also for groups that are not of three digits or that begin with 0: `1.5` is not 15 and `0.500` is not 500.
    """
    rest = unicodedata.normalize("NFKC", text) if any("０" <= c <= "９" or c in "．，￥" for c in text) else text
    rest = rest.replace("￥", "¥").strip(_BLANKS + "\t")
    negative = brackets = rest.startswith("(") and rest.endswith(")")
    if brackets:
        rest = rest[1:-1].strip(_BLANKS)
    signed = brackets
    mark = ""
    while rest:
        if rest[0] in _SIGNS or rest[-1] in _SIGNS:
            at = 0 if rest[0] in _SIGNS else -1
            if signed:
                raise _no_number(text, decimal, thousands)
            signed, negative = True, rest[at] != "+"
            rest = (rest[1:] if at == 0 else rest[:-1]).strip(_BLANKS)
            continue
        found = _mark(rest)
        if not found:
            break
        if mark:
            raise _no_number(text, decimal, thousands)
        mark = found
        rest = (rest[len(found) :] if rest.startswith(found) else rest[: -len(found)]).strip(_BLANKS)
    currencies = _currencies(mark, text) if mark else ()
    whole, point, fraction = rest.partition(decimal)
    whole = _without_groups(whole, thousands)
    if not whole and point and thousands != decimal:
        whole = "0"  # .5 is how many programs write 0.5
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()) or not whole or (point and not fraction) or len(digits) > LONGEST:
        raise _no_number(text, decimal, thousands)
    number = Decimal(f"{whole}.{fraction or 0}")
    return Written(-number if negative else number, mark, currencies)


def _without_groups(whole: str, thousands: str) -> str:
    """The digits before the decimal sign; not digits where the groups are not right."""
    if not thousands:
        return whole
    alike = _BLANKS if thousands == " " else _APOSTROPHES if thousands == "'" else thousands
    groups = re.split(f"[{re.escape(alike)}]", whole)
    if len(groups) == 1:
        return whole
    first, *others = groups
    # Nobody writes a group before the decimal sign that begins with 0: the sign divides decimals then.
    if not 1 <= len(first) <= 3 or first.startswith("0") or any(len(group) != 3 for group in others):
        return "?"
    return "".join(groups)


def _mark(text: str) -> str:
    """The currency sign, word or code at either end of a number."""
    for mark in _MARKS:
        if text.startswith(mark) or text.endswith(mark):
            return mark
    code = re.match(r"[A-Za-z]{2,}(?=[^A-Za-z])", text) or re.search(r"(?<=[^A-Za-z])[A-Za-z]{2,}$", text)
    return code.group() if code else ""


def _currencies(mark: str, text: str) -> tuple[str, ...]:
    """The currencies that a mark may mean. Raises Refused where it is none."""
    if mark in _SEVERAL:
        return _SEVERAL[mark]
    code = _NAMES.get(mark) or _NAMES.get(mark.upper()) or mark.upper()
    try:
        money.decimals(code)
    except ValueError:
        raise Refused(f"{shown(text)} is no amount: `{mark}` is no currency of ISO 4217") from None
    return (code,)


def _no_number(text: str, decimal: str, thousands: str) -> Refused:
    return Refused(
        f"{shown(text)} is no number with decimal sign `{decimal}`"
        + (f" and thousands sign `{thousands}`" if thousands else " and no thousands sign")
        + ": say with `decimal:` and `thousands:` how numbers are written"
    )


def plain_number(written: Written, text: str) -> Decimal:
    """The number of a cell that is no amount. Raises Refused where it has a currency."""
    if written.mark:
        raise Refused(f"{shown(text)} has a currency, and a plain number is wanted here")
    return written.number


def currency_of(written: Written, text: str, likely: str) -> str:
    """The currency that a cell names. Of a sign that several share it is `likely`, if that is one of them.

    Raises Refused where it may be several.
    """
    if len(written.currencies) == 1:
        return written.currencies[0]
    if likely in written.currencies:
        return likely
    raise Refused(
        f"{shown(text)}: `{written.mark}` may be {', '.join(written.currencies[:4])} …: say which with `currency:`"
    )


def to_money(number: Decimal, currency: str) -> Money:
    """Raises Refused where the number has more decimals than the currency."""
    try:
        return Money(minor=money.parse(format(number, "f"), currency), currency=currency)
    except ValueError as error:
        raise Refused(f"{number} {currency}: {error}") from None
