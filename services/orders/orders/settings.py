"""Settings of orders, from the environment (prefix SALESBEAT_)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from pydantic import field_validator

from chassis.settings import Settings as Common


class Settings(Common):
    timezone: str = "Asia/Shanghai"
    """IANA name; decides the day on which a product changes. Orders go by their offices' own zones."""

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone: use an IANA name such as Asia/Shanghai") from None
        return value
