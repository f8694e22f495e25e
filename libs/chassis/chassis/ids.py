"""Ids: UUIDs as lower-case text.

New records get a UUIDv7, which sorts by the time it was made. A record that must get the same id each
time it is brought in (an import, a repeated command) gets one derived from what identifies it.
"""

from __future__ import annotations

import uuid

import uuid6

_NAMESPACE = uuid.UUID("6f0a3c52-6f0c-5c0e-9a53-5a1e5bea7000")


def new_id() -> str:
    """A UUIDv7; those of one process ascend."""
    return str(uuid6.uuid7())


def derived_id(namespace: str, text: str) -> str:
    """The same id for the same namespace and text, for ever and everywhere (UUIDv5)."""
    return str(uuid.uuid5(_NAMESPACE, f"{namespace}\x1f{text}"))


def is_id(text: str) -> bool:
    """Whether the text is a UUID of any version in its canonical lower-case form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
