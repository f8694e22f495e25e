"""Settings of customers, from the environment (prefix SALESBEAT_): those that every service has, and its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from chassis.phone import DEFAULT_REGION
from chassis.settings import Settings as Common


class Settings(Common):
    """Time zones are the offices' own."""

    phone_region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = DEFAULT_REGION
    """The country (ISO 3166) whose telephone numbers are written without a prefix, beside that of an office's zone."""
