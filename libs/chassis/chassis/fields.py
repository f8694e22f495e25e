"""Types of single fields that every service shares: texts, days, instants, numbers.

    Line        a name or another text of one line: no control characters, no bidirectional overrides
    Paragraph   a text of several lines: newline and tab are allowed besides
    Day         a calendar day between FIRST_DAY and LAST_DAY
    Instant     a time with its zone, within the same years
    BodyPart    the base of every body and of every part of one

Errors of these types have a type of their own, so that problems.py says them in Chinese too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

FIRST_DAY: Final = date(1900, 1, 1)
LAST_DAY: Final = date(2199, 12, 31)
"""Between them every zone, week and month can be computed, and no company's record lies outside."""

LARGEST_INTEGER: Final = 2**63 - 1
"""The database stores integers of 64 bits."""

# Lone surrogates cannot be printed as UTF-8; U+2028 and U+2029 end a line; U+202A to U+202E and U+2066 to U+2069 change
# the order in which the rest of the line is shown, so that a name looks like another one.
_NEVER: Final = "\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff"
_IN_A_LINE: Final = re.compile(f"[\x00-\x1f\x7f-\x9f{_NEVER}]")
_IN_A_PARAGRAPH: Final = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_NEVER}]")
_LINE_ENDS: Final = re.compile("\r\n?")


def forbidden_character(text: str) -> str | None:
    """The first character that no text of one line may hold, such as U+0000; None where there is none."""
    found = _IN_A_LINE.search(text)
    return _named(found) if found else None


def _one_line(text: str) -> str:
    if (found := _IN_A_LINE.search(text)) is not None:
        raise PydanticCustomError(
            "line_characters",
            "A text of one line may not hold control characters or characters that change the direction: "
            "remove {character}.",
            {"character": _named(found)},
        )
    return text


def _several_lines(text: str) -> str:
    if (found := _IN_A_PARAGRAPH.search(text)) is not None:
        raise PydanticCustomError(
            "paragraph_characters",
            "Besides newline and tab, a text may not hold control characters or characters that change the direction: "
            "remove {character}.",
            {"character": _named(found)},
        )
    return text


def _named(found: re.Match[str]) -> str:
    return f"U+{ord(found[0]):04X}"


def _visible(text: str) -> str:
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise PydanticCustomError("nothing_visible", "This needs at least one visible character.")
    return text


def _newlines(text: object) -> object:
    """Line ends as the text has them on another system are newlines."""
    return _LINE_ENDS.sub("\n", text) if isinstance(text, str) else text


OneLine: Final = AfterValidator(_one_line)
"""For a text with limits of its own: `Annotated[str, StringConstraints(max_length=50), OneLine]`."""

SeveralLines: Final = AfterValidator(_several_lines)

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), OneLine, AfterValidator(_visible)
]
"""A name or another short text."""

Paragraph = Annotated[
    str,
    BeforeValidator(_newlines),
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2000),
    SeveralLines,
    AfterValidator(_visible),
]
"""A reason or a note. CR and CRLF become newlines."""


def _in_the_years(year: Callable[[object], int], example: str) -> AfterValidator:
    def checked(value: object) -> object:
        if not FIRST_DAY.year <= year(value) <= LAST_DAY.year:
            raise PydanticCustomError(
                "year_out_of_range",
                "The year lies between {first} and {last}, such as {example}.",
                {"first": FIRST_DAY.year, "last": LAST_DAY.year, "example": example},
            )
        return value

    return AfterValidator(checked)


Day = Annotated[date, _in_the_years(lambda value: value.year, "2026-11-24")]  # type: ignore[attr-defined]
"""A calendar day, FIRST_DAY to LAST_DAY."""

Instant = Annotated[AwareDatetime, _in_the_years(lambda value: value.year, "2026-11-24T09:30:00+08:00")]  # type: ignore[attr-defined]
"""A time with its zone, in the years of FIRST_DAY to LAST_DAY."""


class BodyPart(BaseModel):
    """Base of every body and of every part of one: unknown fields are refused, numbers are finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
