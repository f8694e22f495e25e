"""The gateway checks its own tokens with its own keys, and refuses those of disabled accounts at once."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from chassis.identity import Caller, Verifier
from chassis.mongo import PyMongoError
from chassis.problems import Unauthenticated
from gateway.accounts.keys import SigningKeys
from gateway.accounts.store import Accounts

LOOK_AGAIN_AFTER = 2.0
"""Seconds until a disabled account is refused here; services follow when its token expires."""


class OwnVerifier(Verifier):
    def __init__(self, keys: SigningKeys, accounts: Accounts, issuer: str, audience: str) -> None:
        super().__init__("", issuer, audience, refresh_interval=1.0)
        self._taken = float("-inf")
        self._signing = keys
        self._accounts = accounts
        self._disabled: frozenset[str] = frozenset()
        self._looked = float("-inf")

    async def verify(self, token: str) -> Caller:
        if self._taken != self._signing.loaded:  # a rotation counts here at once
            with suppress(ValueError):  # no key yet
                self._take(self._signing.key_set())
                self._taken = self._signing.loaded
        caller = await super().verify(token)
        if time.monotonic() - self._looked > LOOK_AGAIN_AFTER:
            self._looked = time.monotonic()
            with suppress(PyMongoError):  # a signed token goes on counting while the database is away
                self._disabled = await self._accounts.disabled()
        if caller.id in self._disabled:
            raise Unauthenticated("account_disabled", "This account is disabled.", "该账号已停用。")
        return caller

    async def _download(self) -> Any:
        try:
            await self._signing.load()
        except PyMongoError as error:
            raise ValueError(f"the gateway's database does not answer: {error}") from error
        return self._signing.key_set()
