"""By what two customer files are recognised as the same customer: name, telephone number, tax id. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from contracts.customers import Customer
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


def name_key(name: str) -> str:
    """The name without case, width, punctuation and legal form; the whole name where nothing else would be left."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", name).casefold().replace("_", " "))
    whole = "".join(words)
    while words:
        if words[-1] in _LEGAL_FORMS:
            words.pop()
            continue
        # Chinese is written without spaces: its legal form is the end of the last word.
        form = next((form for form in _LEGAL_FORMS if not form.isascii() and words[-1].endswith(form)), None)
        if form is None:
            break
        words[-1] = words[-1].removesuffix(form)
        if not words[-1]:
            words.pop()
    return "".join(words) or whole


def phone_key(phone: str | None) -> str | None:
    """Its digits without the international prefix of China and without a trunk zero; None for fewer than five."""
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", phone or ""))
    if digits.startswith("0086"):
        digits = digits[4:]
    elif digits.startswith("86") and len(digits) in (12, 13):
        digits = digits[2:]
    digits = digits.lstrip("0")
    return digits if len(digits) >= 5 else None


def tax_key(tax_id: str | None) -> str | None:
    """Its letters and digits, in capitals."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", tax_id or "")).upper() or None


def check_phone(phone: str | None, field: str = "phone") -> None:
    """Raises NotPossible (not_a_phone) for a text that holds no telephone number."""
    if phone is not None and phone_key(phone) is None:
        raise NotPossible(
            "not_a_phone",
            f"{phone} is no telephone number: write one such as 021-5555 1234 or +86 139 0000 0000, or leave it out.",
            f"{phone} 不是电话号码:请填写如 021-5555 1234 或 +86 139 0000 0000 的号码,或留空。",
            field=field,
        )


def likenesses(name: str, phone: str | None, tax_id: str | None) -> list[str]:
    """What a customer is recognised by; two that share one are taken for the same until somebody says otherwise."""
    return list(_likenesses(name, phone, tax_id))


def claims(customer: Customer) -> list[str]:
    """What nobody else may claim; a unique index holds it, so that two entries at the same moment cannot both win.

    One that was declared different from its likes claims name and number for itself only. A tax id names one
    legal person: it is never shared.
    """
    own = f"#{customer.id}" if customer.not_duplicate_of else ""
    return [
        likeness if likeness.startswith("tax:") else likeness + own
        for likeness in _likenesses(customer.name, customer.phone, customer.tax_id)
    ]


def _likenesses(name: str, phone: str | None, tax_id: str | None) -> Iterator[str]:
    yield f"name:{name_key(name)}"
    if (number := phone_key(phone)) is not None:
        yield f"phone:{number}"
    if (tax := tax_key(tax_id)) is not None:
        yield f"tax:{tax}"
