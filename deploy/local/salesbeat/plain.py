"""Texts of records and files as a terminal may show them: they are read, and change nothing on the screen."""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
    r"|[\ud800-\udfff]"
)
"""Control characters, line separators, bidirectional marks and overrides, and halves of characters."""


def plain(text: str) -> str:
    """The text with every character that a terminal obeys written as its code, such as \\x1b or \\u202e.

    It may still hold what Rich takes for markup, such as [closed]: print it with `markup=False`, or escape it.
    """
    return _CONTROL.sub(lambda found: _code(found.group()), text)


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
