"""What the gateway can be told: environment variables that begin with SALESBEAT_."""

from __future__ import annotations

import re
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from chassis.settings import PREFIX, Settings, WrongSetting
from gateway.addresses import Proxies


class GatewaySettings(Settings):
    """Times are in seconds unless the name says otherwise."""

    port: int = Field(8700, ge=1, le=65_535)
    health_host: str = "127.0.0.1"
    """Where `/ready` and `/metrics` are served, and nowhere else."""
    health_port: int = Field(8701, ge=1, le=65_535)
    trusted_proxies: str = ""
    """Addresses and networks of the reverse proxies whose `X-Forwarded-For` counts, with commas between."""
    customers_url: str = "http://127.0.0.1:8711"
    orders_url: str = "http://127.0.0.1:8721"
    visits_url: str = "http://127.0.0.1:8731"
    reporting_url: str = "http://127.0.0.1:8751"
    timezone: str = "Asia/Shanghai"
    """Which day it is for callers without an office (IANA name)."""

    identity: Literal["embedded", "oidc"] = "embedded"
    """embedded: accounts in the gateway's own database, for one machine.
    oidc: tokens of an outside provider, told by jwks_url, issuer, audience and the claim_ settings."""
    bootstrap_admin_login: str | None = None
    """Makes the first administrator where there is no account at all."""
    bootstrap_admin_password: SecretStr | None = None
    access_minutes: int = Field(10, ge=1, le=60)
    refresh_days: int = Field(14, ge=1, le=90)
    login_failures: int = Field(5, ge=1)
    """Wrong passwords of one login at one address that cost no time."""
    address_failures: int = Field(50, ge=1)
    """Wrong passwords at one address, of logins that are not known there, that cost no time."""
    login_window_minutes: int = Field(5, ge=1)
    """Failures are forgotten when there was none for that long."""

    deadline: float = Field(15, gt=0)
    """Until an upstream's answer must have begun."""
    attempts: int = Field(3, ge=1, le=10)
    breaker_failures: int = Field(8, ge=1)
    breaker_open: float = Field(2, gt=0)
    body_limit: int = Field(10 * 1024 * 1024, ge=1024)
    """Bytes of one request that is passed on; the gateway's own routes take `gate.OWN_BODY_LIMIT`."""

    rate_per_second: float = Field(100, gt=0)
    rate_burst: int = Field(300, ge=1)
    rate_import_per_second: float = Field(2000, gt=0)
    """For callers with the right to import."""
    rate_import_burst: int = Field(2000, ge=1)
    rate_anonymous_per_second: float = Field(20, gt=0)
    """For each address whose requests carry no valid token."""
    rate_anonymous_burst: int = Field(60, ge=1)
    cors_origins: str = ""
    """Origins of web pages that may call from a browser, with commas between; none by default."""

    @property
    def origins(self) -> list[str]:
        return [origin.strip().rstrip("/") for origin in self.cors_origins.split(",") if origin.strip()]

    @field_validator("customers_url", "orders_url", "visits_url", "reporting_url")
    @classmethod
    def _upstream(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^/\s?#]+/?", url):
            raise ValueError("it must be a service's address without a path, such as http://127.0.0.1:8711")
        return url.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, proxies: str) -> str:
        try:
            Proxies(proxies)
        except ValueError as error:
            raise ValueError(f"it must list addresses and networks such as 10.0.0.5, 10.1.0.0/16: {error}") from None
        return proxies

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("it must be an IANA time zone, such as Asia/Shanghai") from None
        return name

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: str) -> str:
        for origin in filter(None, (part.strip() for part in origins.split(","))):
            if not re.fullmatch(r"https?://[^/\s*]+/?", origin):
                raise ValueError("it must list origins such as https://sales.example.com, with commas between")
        return origins

    @classmethod
    def load(cls) -> Self:
        settings = super().load()
        if fault := settings.fault():
            raise WrongSetting(fault)
        return settings

    def fault(self) -> str | None:
        """What does not fit together, as a sentence."""
        if self.health_port == self.port:
            return f"{PREFIX}HEALTH_PORT and {PREFIX}PORT are both {self.port}: give the inner door a port of its own."
        bootstrap = (self.bootstrap_admin_login is not None, self.bootstrap_admin_password is not None)
        if self.identity == "oidc":
            silent = [name.upper() for name in ("jwks_url", "issuer") if name not in self.model_fields_set]
            if silent:
                names = " and ".join(f"{PREFIX}{name}" for name in silent)
                return f"{PREFIX}IDENTITY is oidc, so {names} must name the outside provider."
            if any(bootstrap):
                return (
                    f"{PREFIX}IDENTITY is oidc, so there are no accounts here: "
                    f"remove {PREFIX}BOOTSTRAP_ADMIN_LOGIN and {PREFIX}BOOTSTRAP_ADMIN_PASSWORD."
                )
        if any(bootstrap) and not all(bootstrap):
            return f"{PREFIX}BOOTSTRAP_ADMIN_LOGIN and {PREFIX}BOOTSTRAP_ADMIN_PASSWORD come together: set both."
        return None
