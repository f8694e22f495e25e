"""The administrator of a suite on this machine: made at the first `up`, kept for its user alone."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from salesbeat.private import make_private

LOGIN = "admin"


@dataclass(frozen=True, slots=True)
class Credentials:
    login: str
    password: str


def read(file: Path) -> Credentials | None:
    """None where no `up` has been yet."""
    try:
        return Credentials(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None


def read_or_make(file: Path) -> Credentials:
    """The credentials in the file, which only its owner can read; made where there is none."""
    if kept := read(file):
        return kept
    made = Credentials(LOGIN, secrets.token_urlsafe(18))
    make_private(file.parent)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump(asdict(made), opened)
    return made
