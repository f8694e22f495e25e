"""Settings of customers, from the environment (prefix SALESBEAT_): those that every service has."""

from __future__ import annotations

from chassis.settings import Settings as Common


class Settings(Common):
    """Time zones are the offices' own, so that there is nothing to set beside what all services share."""
