"""Settings of a process: environment variables that begin with SALESBEAT_.

A wrong setting stops the process with one sentence that says which and why.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.mongo import Driver

PREFIX = "SALESBEAT_"


class WrongSetting(SystemExit):
    """Ends the process with the sentence on standard error."""


class Settings(BaseSettings):
    """What every process of the suite can be told."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    mongodb_uri: str = "mongodb://127.0.0.1:27017"
    mongodb_database: str = ""
    """Name of the service's own database; its own name where nothing is said."""
    mongodb_driver: Driver = "pymongo"
    kafka_bootstrap: str = "127.0.0.1:9092"
    """host:port of one or more brokers, with commas between."""
    kafka_idempotence: bool = True
    """Off for the embedded broker only, which takes no idempotent producer."""
    kafka_fetch_wait_ms: Annotated[int, Field(ge=1, le=30_000)] = 500
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    connections: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """How many HTTP connections one process takes at the same time."""
    jwks_url: str = "http://127.0.0.1:8700/.well-known/jwks.json"
    issuer: str = "http://127.0.0.1:8700"
    audience: str = "salesbeat"
    claim_name: str = "name"
    claim_role: str = "role"
    claim_person: str = "person"
    claim_office: str = "office"
    claim_region: str = "region"
    claim_offices: str = "offices"
    claim_rights: str = "rights"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    """auto: JSON unless standard output is a terminal."""
    otlp_endpoint: str | None = None
    """Where spans are sent (OTLP over HTTP, such as http://collector:4318); nowhere without it."""
    shutdown_seconds: Annotated[int, Field(ge=1, le=600)] = 20
    """How long a stop waits for what is under way."""

    @field_validator("mongodb_uri")
    @classmethod
    def _mongodb(cls, uri: str) -> str:
        if not re.match(r"mongodb(\+srv)?://.+", uri):
            raise ValueError("it must begin with mongodb:// or mongodb+srv:// and name a host")
        return uri

    @field_validator("kafka_bootstrap")
    @classmethod
    def _bootstrap(cls, servers: str) -> str:
        for server in servers.split(","):
            if not re.fullmatch(r"\S+:\d{1,5}", server.strip()):
                raise ValueError(f"{server.strip()!r} is not of the form host:port")
        return servers

    @field_validator("jwks_url", "issuer", "otlp_endpoint")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https?://[^/\s]+", url):
            raise ValueError("it must be a URL that begins with http:// or https://")
        return url

    @classmethod
    def load(cls) -> Self:
        """The settings of this process. Raises WrongSetting, which ends it with a sentence."""
        try:
            return cls()
        except ValidationError as error:
            raise WrongSetting(sentence(error)) from None


def sentence(error: ValidationError) -> str:
    """What is wrong with the settings, in a line each."""
    lines = []
    for fault in error.errors():
        name = f"{PREFIX}{'_'.join(str(part) for part in fault['loc'])}".upper()
        why = str(fault["msg"]).removeprefix("Value error, ")
        given = "" if fault["type"] == "missing" else f" is {fault['input']!r}:"
        lines.append(f"The setting {name}{given} {why}.")
    return "\n".join(lines)
