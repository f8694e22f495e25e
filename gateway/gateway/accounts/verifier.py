"""The gateway checks its own tokens with its own keys, and refuses those of ended sessions and disabled accounts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from chassis.identity import Caller, Verifier
from chassis.mongo import PyMongoError
from chassis.problems import Unauthenticated
from gateway.accounts.ended import EndedSessions
from gateway.accounts.keys import SigningKeys
from gateway.accounts.store import Accounts

LOOK_AGAIN_AFTER = 1.0
"""Seconds after which the database is asked again which accounts are disabled."""


class OwnVerifier(Verifier):
    look_again_after = 0.25
    """Seconds until a session is refused that another gateway has ended; one that ended here is refused at once."""

    def __init__(self, keys: SigningKeys, accounts: Accounts, ended: EndedSessions, issuer: str, audience: str) -> None:
        super().__init__("", issuer, audience, refresh_interval=0.2)  # the keys come from its own database
        self._ended_sessions = ended
        ended.readers.append(self.look_now)
        self._taken = float("-inf")
        self._signing = keys
        self._accounts = accounts
        self._disabled: frozenset[str] = frozenset()
        self._disabled_known_at = float("-inf")

    async def verify(self, token: str) -> Caller:
        if self._taken != self._signing.loaded:  # a rotation counts here at once
            with suppress(ValueError):  # no key yet
                self._take(self._signing.key_set())
                self._taken = self._signing.loaded
        return await super().verify(token)

    def look_now(self) -> None:
        super().look_now()
        self._disabled_known_at = float("-inf")

    async def _refuse_ended(self, caller: Caller, session: str) -> None:
        if time.monotonic() - self._disabled_known_at > LOOK_AGAIN_AFTER:
            self._disabled_known_at = time.monotonic()
            with suppress(PyMongoError):  # a signed token goes on counting while the database is away
                self._disabled = await self._accounts.disabled()
        if caller.id in self._disabled:
            raise Unauthenticated("account_disabled", "This account is disabled.", "该账号已停用。")
        await super()._refuse_ended(caller, session)

    async def _download(self) -> Any:
        try:
            await self._signing.load()
        except PyMongoError as error:
            raise ValueError(f"the gateway's database does not answer: {error}") from error
        return self._signing.key_set()

    async def _download_ended(self, since: float) -> Mapping[str, float]:
        try:
            listed = await self._ended_sessions.since(since)
        except PyMongoError as error:
            raise ValueError(f"the gateway's database does not answer: {error}") from error
        self._newest = listed.as_of
        return listed.ended
