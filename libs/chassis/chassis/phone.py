"""What is a telephone number, and by what two numbers are known to be the same one (libphonenumber's numbering plans).

People write a number in many ways, and spreadsheets write other things into the same column. A text is taken if it is
one number, or several of which each is one:

- a number that is valid in its country, with the international prefix or without it,
- a short number of the country, such as 95588 or 10086, written without separators,
- a number without its area code, seven or eight digits: it is known only to those who are there.

Anything else is refused: dates, amounts, `1.38E+10`, words.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, ValidationResult, shortnumberinfo

DEFAULT_REGION = "CN"
"""ISO 3166 code of the country whose numbers are written without a prefix, where nobody says another."""


class NotAPhone(ValueError):
    """The text is no telephone number."""


_LABEL = re.compile(
    r"^(?:tel(?:ephone)?|phone|mobile|mob|cell|fax|office|电话|手机|座机|固话|传真|联系电话|热线)\s*[.:]?\s*(?=[+(\d])",
    re.IGNORECASE,
)
_BODY = re.compile(r"[+(\d][\d\s()./+-]*[\s)]*")
_EXTENSION = re.compile(
    r"(?P<body>.*\d\)?)[\s,;.(]*(?:;ext=|extension|extn?|x|#|转|分机号?|内线)[\s.:]*(?P<ext>\d{1,7})\)?", re.IGNORECASE
)
_TAIL = re.compile(r"(?P<body>.*\d)\s*-\s*(?P<ext>\d{1,6})")
_BETWEEN = re.compile(r"[/;,、|\n]|\s(?:or|and|或|和)\s")
_YEAR_FIRST = re.compile(r"(?P<y>(?:19|20)\d\d)[-./ ]?(?P<m>\d\d?)[-./ ]?(?P<d>\d\d?)")
_YEAR_LAST = re.compile(r"(?P<a>\d\d?)[-./ ](?P<b>\d\d?)[-./ ](?P<y>(?:19|20)\d\d)")
_NORTH_AMERICAN = re.compile(r"1[-. ]\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}")
_AMOUNT = re.compile(r"\d[\d\s]*\.\d{1,2}")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−~·・"), "-")


def phone_numbers(text: str, *regions: str) -> tuple[str, ...]:
    """The numbers in a text, each once, in the form of RFC 3966 without `tel:`.

    Such as `+862155551234`, `+862155551234;ext=801`, or `95588;phone-context=+86` for a number that is dialled inside
    its country or town only. regions: ISO 3166 codes of the countries by whose plan a number without a prefix is read,
    the nearest first; DEFAULT_REGION is asked last. Raises NotAPhone.
    """
    plain = _plain(text)
    order = tuple(dict.fromkeys((*regions, DEFAULT_REGION)))
    if (whole := _one(plain, order)) is not None:
        return (whole,)
    parts = [part.strip() for part in _BETWEEN.split(plain)]
    found = [_one(part, order) for part in parts] if len(parts) > 1 else [None]
    numbers = tuple(dict.fromkeys(number for number in found if number is not None))
    if not numbers or None in found or _date(plain):
        raise NotAPhone(text)
    return numbers


@cache
def region_of_zone(timezone: str) -> str | None:
    """The country (ISO 3166) of an IANA time zone, such as CN for Asia/Shanghai; None where it has none, as UTC."""
    zones, links = _zones()
    for _ in range(4):  # links lead to links
        if timezone in zones:
            return zones[timezone]
        if timezone not in links:
            return None
        timezone = links[timezone]
    return None


@cache
def _zones() -> tuple[dict[str, str], dict[str, str]]:
    folder = files("tzdata") / "zoneinfo"
    rows = [line.split("\t") for line in (folder / "zone.tab").read_text("utf-8").splitlines() if line[:1] != "#"]
    lines = [line.split() for line in (folder / "tzdata.zi").read_text("utf-8").splitlines()]
    return {row[2]: row[0] for row in rows if len(row) > 2}, {ln[2]: ln[1] for ln in lines if ln[:1] == ["L"]}


def _plain(text: str) -> str:
    """Its digits are 0 to 9, its signs those of a keyboard, invisible ones are gone, and so is a word before it."""
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES)
    kept = "".join(
        str(digit) if (digit := unicodedata.decimal(sign, None)) is not None else sign
        for sign in folded
        if unicodedata.category(sign) != "Cf"
    ).strip()
    return _LABEL.sub("", kept.removeprefix("tel:"))


def _one(text: str, regions: tuple[str, ...]) -> str | None:
    extension = ""
    if match := _EXTENSION.fullmatch(text):
        text, extension = match["body"], match["ext"]
    if not _BODY.fullmatch(text) or text.count("+") > 1 or _AMOUNT.fullmatch(text) or _date(text):
        return None
    number = _number(text, regions)
    if number is None and not extension and (match := _TAIL.fullmatch(text)):
        # 021-55551234-801 is how an extension is written in China.
        number, extension = _number(match["body"], regions), match["ext"]
    if number is None:
        return None
    return f"{number};ext={extension}" if extension else number


def _number(text: str, regions: tuple[str, ...]) -> str | None:
    digits = re.sub(r"\D", "", text)
    if not digits or len(set(digits)) == 1:
        return None
    foreign = "+" in text or digits.startswith("00")
    if foreign:
        written = f"+{digits.lstrip('0')}"
        if (number := _read(written, None)) is None:
            return None
        if phonenumbers.is_valid_number(number):
            return _e164(number)
        reason = phonenumbers.is_possible_number_with_reason(number)
        if reason == ValidationResult.IS_POSSIBLE:  # the plan may be younger than ours
            return _e164(number) if not _short(number) else _local(number)
        return _local(number) if reason == ValidationResult.IS_POSSIBLE_LOCAL_ONLY else None
    read = [number for region in regions if (number := _read(text, region)) is not None]
    for number in read:
        if phonenumbers.is_valid_number(number):
            return _e164(number)
        if text.isdigit() and _short(number):
            return _local(number)
    # Other systems leave out the plus. Eleven digits that begin with 1 are more often a mistyped Chinese mobile number.
    abroad = _read(f"+{digits}", None) if digits[0] != "1" or _NORTH_AMERICAN.fullmatch(text) else None
    if abroad is not None and len(digits) > 9 and phonenumbers.is_valid_number(abroad):
        return _e164(abroad)
    if read and len(digits) in (7, 8) and digits[0] not in "01" and text[0] != "+" and _might_be_local(read[0]):
        return _local(read[0])
    return None


def _read(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


def _short(number: PhoneNumber) -> bool:
    return shortnumberinfo.is_valid_short_number(number)


def _might_be_local(number: PhoneNumber) -> bool:
    return phonenumbers.is_possible_number_with_reason(number) in (
        ValidationResult.IS_POSSIBLE,
        ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
    )


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _local(number: PhoneNumber) -> str:
    return f"{phonenumbers.national_significant_number(number)};phone-context=+{number.country_code}"


def _date(text: str) -> bool:
    """Whether a text is a day of the calendar, as a spreadsheet writes one."""
    for pattern in (_YEAR_FIRST, _YEAR_LAST):
        if match := pattern.fullmatch(text.strip()):
            said: dict[str, Any] = {name: int(value) for name, value in match.groupdict().items()}
            pairs = [(said["m"], said["d"])] if "m" in said else [(said["a"], said["b"]), (said["b"], said["a"])]
            return any(_day(said["y"], month, day) for month, day in pairs)
    return False


def _day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
