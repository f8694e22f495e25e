"""What an access token says, and the gateway's own short token."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chassis import clock
from chassis.identity import SERVICE
from chassis.ids import new_id
from gateway.accounts.keys import SigningKeys
from gateway.accounts.model import Account

SERVICE_LIFE = timedelta(minutes=1)


class Tokens:
    """Issues access tokens. life: how long one counts."""

    def __init__(self, keys: SigningKeys, issuer: str, audience: str, life: timedelta) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self.life = life
        self._own: tuple[str, float] = ("", 0.0)

    async def issue(self, account: Account, standing: Mapping[str, Any], session: str) -> str:
        """standing: role, office, region and offices, as the sales organisation says today. session: ends it."""
        return await self._signed(
            {
                "sub": account.id,
                "name": standing.get("name") or account.name,
                "role": standing["role"],
                "person": account.person,
                "office": standing.get("office"),
                "region": standing.get("region"),
                "offices": list(standing.get("offices") or []),
                "rights": account.rights,
                "sid": session,
            },
            self.life,
        )

    async def own(self) -> str:
        """The gateway's own token, with which it asks the services; renewed at half its life."""
        token, until = self._own
        if time.monotonic() >= until:
            token = await self._signed({"sub": "/gateway", "name": "gateway", "role": SERVICE}, SERVICE_LIFE)
            self._own = token, time.monotonic() + SERVICE_LIFE.total_seconds() / 2
        return token

    async def _signed(self, claims: dict[str, Any], life: timedelta) -> str:
        now = clock.now()
        return await self._keys.sign(
            {
                **{name: value for name, value in claims.items() if value is not None},
                "iss": self._issuer,
                "aud": self._audience,
                "iat": now,
                "nbf": now,
                "exp": now + life,
                "jti": new_id(),
            }
        )
