"""Refresh tokens. Each is used once and replaced; a reused one ends its whole family.

A family is one sign-in on one device: one document, whose `current` is the hash of the only refresh token
that counts, and whose `spent` holds the hashes of those before. Whoever shows a spent token has a stolen one, or the
thief was faster. Either way nobody can tell who is who, so both must sign in again (RFC 9700 §4.14.2). A secret that
was never issued shows nothing of the kind: it is refused, and the session goes on.

The family's id is also the claim `sid` of its access tokens, so that they end with it (see ended.py).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from chassis import clock
from chassis.identity import session_over
from chassis.mongo import Database, Document
from gateway.accounts.ended import EndedSessions

SPENT_KEPT = 2_000
"""Spent tokens of a session that are still recognised: two weeks of a refresh every ten minutes."""


class Sessions:
    """idle: how long a family lives without being used. ended: told of every family that ends."""

    def __init__(self, database: Database, idle: timedelta, ended: EndedSessions) -> None:
        self._kept = database["sessions"]
        self._idle = idle
        self._ended = ended

    async def prepare(self) -> None:
        await self._kept.create_index("expires_at", expireAfterSeconds=0)
        await self._kept.create_index("account")

    async def start(self, family: str, account: str) -> str:
        """The first refresh token of a new family with that id."""
        secret, now = _secret(), clock.now()
        await self._kept.insert_one(
            {
                "_id": family,
                "account": account,
                "current": _hash(secret),
                "spent": [],
                "started_at": now,
                "expires_at": now + self._idle,
                "revoked": None,
            }
        )
        return f"{family}.{secret}"

    async def of(self, token: str) -> tuple[str, str]:
        """Account and family, if the token may be used now. Raises Unauthenticated; a spent token ends its family."""
        family, secret = _parts(token)
        kept = await self._kept.find_one({"_id": family})
        if kept is None or kept["revoked"] or kept["expires_at"] <= clock.now():
            raise session_over()
        if not secrets.compare_digest(kept["current"], _hash(secret)):
            if _is_spent(kept, secret):
                await self._revoke({"_id": family}, "reused")
            raise session_over()
        return kept["account"], family

    async def rotate(self, token: str) -> str:
        """Spend the token for its successor. Of two that try at once one gets it, and the family ends."""
        family, secret = _parts(token)
        successor, now = _secret(), clock.now()
        spent = await self._kept.find_one_and_update(
            {"_id": family, "current": _hash(secret), "revoked": None, "expires_at": {"$gt": now}},
            {
                "$set": {"current": _hash(successor), "expires_at": now + self._idle},
                "$push": {"spent": {"$each": [_short(secret)], "$slice": -SPENT_KEPT}},
            },
        )
        if spent is None:
            await self.of(token)  # spent a moment ago, or its session has ended: either is refused
            raise session_over()
        return f"{family}.{successor}"

    async def end(self, token: str) -> None:
        """Sign out with any token of the family. Raises Unauthenticated for what is none of them; nothing ends then."""
        family, secret = _parts(token)
        kept = await self._kept.find_one({"_id": family})
        if kept is None or not (secrets.compare_digest(kept["current"], _hash(secret)) or _is_spent(kept, secret)):
            raise session_over()
        await self._revoke({"_id": family}, "signed_out")

    async def end_all(self, account: str, reason: str) -> None:
        await self._revoke({"account": account}, reason)

    async def _revoke(self, which: dict[str, str], reason: str) -> None:
        await self._kept.update_many({**which, "revoked": None}, {"$set": {"revoked": reason, "ended_at": clock.now()}})
        self._ended.look_now()


def _is_spent(kept: Document, secret: str) -> bool:
    return _short(secret) in kept.get("spent", ())


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _hash(secret: str) -> str:
    """The secret has 256 random bits, so a fast hash keeps it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _short(secret: str) -> str:
    """96 bits of the hash: enough to recognise one of two thousand."""
    return _hash(secret)[:24]


def _parts(token: str) -> tuple[str, str]:
    family, dot, secret = token.partition(".")
    if not dot:
        raise session_over()
    return family, secret
