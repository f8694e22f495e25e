"""By what two customer files are recognised as the same customer: name, telephone number, tax id. Pure.

A likeness refuses somebody's work until they say that theirs is a different customer. So these keys keep whatever may
tell two apart, which is the opposite of a search key.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from chassis import phone as phones
from chassis import tax_id as tax_ids
from contracts.customers import Address, Customer, Likeness
from contracts.refusals import NotPossible

# Longest first, so that 有限责任公司 is not taken for 公司 alone.
_LEGAL_FORMS = (
    "股份有限公司",
    "有限责任公司",
    "有限公司",
    "集团公司",
    "incorporated",
    "corporation",
    "company",
    "limited",
    "公司",
    "corp",
    "gmbh",
    "llc",
    "ltd",
    "inc",
    "plc",
    "co",
)
_MEANT = frozenset("#&@%*")
"""Signs that tell names apart, besides those of mathematics, money and pictures: C#, A&B, 50% Off."""
_SEPARATING = frozenset("|~<>=^`¨´¯¸")
_REGISTERED = str.maketrans("", "", "®™℠©℗")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−﹘", "-") | dict.fromkeys("・•‧∙⋅", "·"))
# Case: the capital of ı is I, and the small letter of İ is written i̇.
_TURKISH = (("i\u0307", "i"), ("ı", "i"))


def name_key(name: str) -> str:
    """The name without case, width, punctuation and legal form; the whole name where nothing else would be left.

    Combining marks are parts of their letters. A separator between two digits stays (1-23 is not 12-3), and so does a
    sign that carries a meaning (C++ is not C).
    """
    words = list(_words(_folded(name)))
    whole = _joined(words)
    while words:
        last = words[-1].text
        if last in _LEGAL_FORMS or last == "&":  # Smith & Co.
            words.pop()
            continue
        # Chinese is written without spaces: its legal form is the end of the last word.
        form = next((form for form in _LEGAL_FORMS if not form.isascii() and last.endswith(form)), None)
        if form is None:
            break
        words[-1] = words[-1]._replace(text=last.removesuffix(form))
        if not words[-1].text:
            words.pop()
    return _joined(words) or whole


def is_name(name: str) -> bool:
    """Whether it holds a letter or a digit."""
    return any(unicodedata.category(sign)[0] in "LN" for sign in unicodedata.normalize("NFKC", name))


class _Word(NamedTuple):
    before: str
    """The first sign of what lies between it and the word before, a blank where there is no other."""
    text: str


def _folded(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name.translate(_REGISTERED)).casefold()
    for written, meant in _TURKISH:
        folded = folded.replace(written, meant)
    folded = unicodedata.normalize("NFC", folded.translate(_DASHES))
    return "".join(str(d) if (d := unicodedata.decimal(sign, None)) is not None else sign for sign in folded)


def _words(folded: str) -> Iterator[_Word]:
    before, text = "", ""
    visible = [sign for sign in folded if not _invisible(sign)]
    for place, sign in enumerate(visible):
        if _belongs(sign, visible[place + 1 :]):
            text += sign
            continue
        if text:
            yield _Word(before, text)
            before, text = "", ""
        if not before.strip():
            before = " " if sign.isspace() else sign
    if text:
        yield _Word(before, text)


def _invisible(sign: str) -> bool:
    return unicodedata.category(sign) == "Cf" or "\ufe00" <= sign <= "\ufe0f" or sign in "\u034f\u115f\u1160"


def _belongs(sign: str, after: Sequence[str]) -> bool:
    """Whether a sign is a part of a word."""
    kind = unicodedata.category(sign)
    if kind[0] in "LNM":
        return True
    if sign == "#":  # C# is a name, #5 is a number
        following = next((each for each in after if not each.isspace()), "")
        return not following.isdecimal()
    return sign in _MEANT or (kind in ("Sm", "Sc", "So") and sign not in _SEPARATING)


def _joined(words: Iterable[_Word]) -> str:
    key = ""
    for word in words:
        between = key[-1:].isdecimal() and word.text[0].isdecimal()
        key += (word.before if between else "") + word.text
    return key


def numbers_in(phone: str | None, regions: Sequence[str] = (), field: str = "phone") -> list[str]:
    """The telephone numbers in a text, in the form by which they are compared. Raises NotPossible (not_a_phone).

    regions: the countries by whose numbering plan a number without a prefix is read, the nearest first.
    """
    if phone is None:
        return []
    try:
        return list(phones.phone_numbers(phone, *regions))
    except phones.NotAPhone:
        raise NotPossible(
            "not_a_phone",
            f"{phone} is no telephone number: write one such as 021-5555 1234 or +86 139 0000 0000, with its area code"
            " or its country's prefix, or leave it out.",
            f"{phone} 不是电话号码:请填写如 021-5555 1234 或 +86 139 0000 0000 的号码(含区号或国家代码),或留空。",
            field=field,
        ) from None


def tax_id_in(text: str | None) -> str | None:
    """The tax id; None for a word for none, such as N/A, 0 or 无. Raises NotPossible (not_a_tax_id)."""
    try:
        return tax_ids.tax_id(text)
    except tax_ids.NotATaxId:
        raise NotPossible(
            "not_a_tax_id",
            f"{text} is no tax id, because it holds no digit: correct it, or leave it out.",
            f"{text} 不是税号(不含数字):请更正,或留空。",
            field="tax_id",
        ) from None


def check_places(addresses: Sequence[Address]) -> None:
    """Raises NotPossible for an address that says nothing, and for coordinates that are no place of a customer."""
    for number, address in enumerate(addresses):
        field = f"addresses.{number}"
        latitude, longitude = address.latitude, address.longitude
        if (latitude is None) != (longitude is None):
            raise NotPossible(
                "invalid_input",
                "latitude and longitude belong together: give both or neither.",
                "latitude 与 longitude 须同时填写或同时留空。",
                field=field,
            )
        if latitude is None or longitude is None:
            if not address.text and not address.city:
                raise NotPossible(
                    "no_address",
                    "An address has a text, a city or coordinates: give one of them, or leave the address out.",
                    "地址须包含文字、城市或坐标之一:请填写,或去掉该地址。",
                    field=field,
                )
        elif not (abs(latitude) <= 90 and abs(longitude) <= 180):
            swapped = abs(latitude) <= 180 and abs(longitude) <= 90
            raise NotPossible(
                "not_on_earth",
                "latitude is -90 to 90 and longitude -180 to 180 degrees"
                + (
                    f": {latitude}, {longitude} seem to be swapped."
                    if swapped
                    else f": {latitude}, {longitude} is not."
                ),
                "latitude 应在 -90 至 90 之间,longitude 应在 -180 至 180 之间"
                + (f":{latitude}, {longitude} 似乎写反了。" if swapped else f":{latitude}, {longitude} 超出范围。"),
                field=f"{field}.latitude" if abs(latitude) > 90 else f"{field}.longitude",
            )
        elif abs(latitude) < NOWHERE and abs(longitude) < NOWHERE:
            raise NotPossible(
                "no_place",
                "0, 0 lies in the sea and is what a device says that knows no place: leave the coordinates out.",
                "坐标 0, 0 位于海上,通常表示设备未获得定位:请去掉坐标。",
                field=f"{field}.latitude",
            )


NOWHERE = 0.001
"""Degrees, about 100 m: coordinates that lie nearer to 0, 0 are no place."""


def likenesses(customer: Customer, kinds: Collection[Likeness] = tuple(Likeness)) -> list[str]:
    """What a customer is recognised by; two that share one are taken for the same until somebody says otherwise."""
    return [value for kind, value in _likenesses(customer) if kind in kinds]


def alike(one: Customer, other: Customer) -> list[Likeness]:
    """The kinds of likeness that two customers share."""
    shared = set(likenesses(one)) & set(likenesses(other))
    return list(dict.fromkeys(kind for kind, value in _likenesses(one) if value in shared))


def claims(customer: Customer) -> list[str]:
    """What nobody else may claim; a unique index holds it beside the locks of the commands.

    One that was declared different from its likes, or whose value may be shared, claims the value for itself only.
    """
    own = f"#{customer.id}"
    return [
        value + own if customer.not_duplicate_of or kind in customer.may_share else value
        for kind, value in _likenesses(customer)
    ]


def said_value(customer: Customer, kind: Likeness) -> str:
    """The value of that kind as somebody typed it."""
    return {Likeness.NAME: customer.name, Likeness.PHONE: customer.phone, Likeness.TAX_ID: customer.tax_id}[kind] or ""


def _likenesses(customer: Customer) -> Iterator[tuple[Likeness, str]]:
    yield Likeness.NAME, f"name:{name_key(customer.name)}"
    for number in customer.phone_numbers or _read_before(customer.phone):
        yield Likeness.PHONE, f"phone:{number}"
    if (tax := tax_ids.tax_key(customer.tax_id)) is not None:
        yield Likeness.TAX_ID, f"tax:{tax}"


def _read_before(phone: str | None) -> tuple[str, ...]:
    """The numbers of a file that was written when they were not kept yet; none where its text is no number."""
    if phone is None:
        return ()
    try:
        return phones.phone_numbers(phone)
    except phones.NotAPhone:
        return ()
