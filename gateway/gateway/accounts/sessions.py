"""Refresh tokens. Each is used once and replaced; a reused one ends its whole family.

A family is one sign-in on one device: one document, whose `current` is the hash of the only refresh token
that counts. Whoever shows another token of the family shows one that was spent already: it was stolen, or
the thief was faster. Either way nobody can tell who is who, so both must sign in again (RFC 9700 §4.14.2).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from chassis import clock
from chassis.ids import new_id
from chassis.mongo import Database
from chassis.problems import Unauthenticated


class Sessions:
    """idle: how long a family lives without being used."""

    def __init__(self, database: Database, idle: timedelta) -> None:
        self._kept = database["sessions"]
        self._idle = idle

    async def prepare(self) -> None:
        await self._kept.create_index("expires_at", expireAfterSeconds=0)
        await self._kept.create_index("account")

    async def start(self, account: str) -> str:
        """The first refresh token of a new family."""
        family, secret, now = new_id(), _secret(), clock.now()
        await self._kept.insert_one(
            {
                "_id": family,
                "account": account,
                "current": _hash(secret),
                "started_at": now,
                "expires_at": now + self._idle,
                "revoked": None,
            }
        )
        return f"{family}.{secret}"

    async def account_of(self, token: str) -> str:
        """Whose it is, if it may be used now. Raises Unauthenticated; a spent token ends its family."""
        family, secret = _parts(token)
        kept = await self._kept.find_one({"_id": family})
        if kept is None or kept["revoked"] or kept["expires_at"] <= clock.now():
            raise _over()
        if not secrets.compare_digest(kept["current"], _hash(secret)):
            await self._reused(family)
        return kept["account"]

    async def rotate(self, token: str) -> str:
        """Spend the token for its successor. Of two that try at once one gets it, and the family ends."""
        family, secret = _parts(token)
        successor, now = _secret(), clock.now()
        spent = await self._kept.find_one_and_update(
            {"_id": family, "current": _hash(secret), "revoked": None, "expires_at": {"$gt": now}},
            {"$set": {"current": _hash(successor), "expires_at": now + self._idle}},
        )
        if spent is None:
            await self._reused(family)
        return f"{family}.{successor}"

    async def end(self, token: str) -> None:
        """Sign out: the family ends, whichever of its tokens is shown. Unknown ones are ended already."""
        family, _ = _parts(token)
        await self._revoke({"_id": family}, "signed_out")

    async def end_all(self, account: str, reason: str) -> None:
        await self._revoke({"account": account}, reason)

    async def _reused(self, family: str) -> None:
        await self._revoke({"_id": family}, "reused")
        raise _over()

    async def _revoke(self, which: dict[str, str], reason: str) -> None:
        await self._kept.update_many({**which, "revoked": None}, {"$set": {"revoked": reason}})


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _hash(secret: str) -> str:
    """The secret has 256 random bits, so a fast hash keeps it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _parts(token: str) -> tuple[str, str]:
    family, dot, secret = token.partition(".")
    if not dot:
        raise _over()
    return family, secret


def _over() -> Unauthenticated:
    return Unauthenticated("session_over", "The session is over: sign in again.", "会话已结束:请重新登录。")
