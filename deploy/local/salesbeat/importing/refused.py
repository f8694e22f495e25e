"""Why a value of a row cannot be used, and how a cell is quoted in a sentence."""

from __future__ import annotations

LONGEST_SHOWN = 80


class Refused(Exception):
    """A value of a row cannot be used; the text says why and is shown beside the row's place."""


def shown(text: str) -> str:
    """A cell in a sentence: in backticks, and of a long one its beginning."""
    return f"`{text}`" if len(text) <= LONGEST_SHOWN else f"`{text[:LONGEST_SHOWN]}…` ({len(text):,} characters)"
