"""The ES256 keys that sign tokens.

Several can be published at once: a new key signs from its first second, and the one before stays in the
key set until the last token that it signed has expired. Readers fetch the set again when they meet an
unknown key id.
"""

from __future__ import annotations

import base64
import hashlib
import time
from datetime import timedelta
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from chassis import clock
from chassis.mongo import Database

ALGORITHM = "ES256"
RELOAD_AFTER = 1.0
"""Seconds after which another gateway's rotation is noticed here. A service that meets a new key asks any of them."""
ENDED_SESSIONS = "ended-sessions.json"
"""Where the ended sessions are listed, seen from the key set."""


class SigningKeys:
    """The keys, kept in the gateway's database so that tokens survive a restart.

    published_for: how long a key stays in the set after it signs no more; longer than its tokens live.
    """

    def __init__(self, database: Database, published_for: timedelta) -> None:
        self._kept = database["keys"]
        self._published_for = published_for
        self._keys: list[dict[str, Any]] = []
        self.loaded = float("-inf")
        """When the keys were read (monotonic)."""

    async def prepare(self) -> None:
        """Make the first key where there is none; two gateways that do so at once publish both."""
        await self._kept.create_index("gone_at", expireAfterSeconds=0)
        await self.load()
        if not self._signing():
            await self.rotate()

    async def load(self) -> None:
        kept = await self._kept.find().to_list(None)
        self._keys = [
            {**key, "private": serialization.load_pem_private_key(key["pem"].encode(), None)}
            for key in sorted(kept, key=lambda key: (key["made_at"], key["_id"]), reverse=True)
        ]
        self.loaded = time.monotonic()

    async def fresh(self) -> None:
        """Read them again where another gateway may have changed them."""
        if time.monotonic() - self.loaded > RELOAD_AFTER or not self._signing():
            await self.load()

    async def rotate(self, *, withdraw: bool = False) -> str:
        """A new signing key; its id. With `withdraw` the ones before, and their tokens, count no more at once."""
        private = ec.generate_private_key(ec.SECP256R1())
        kid = _thumbprint(_public(private))
        now = clock.now()
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        await self._kept.insert_one({"_id": kid, "pem": pem.decode(), "made_at": now, "gone_at": None})
        if withdraw:
            await self._kept.delete_many({"_id": {"$ne": kid}})
        else:
            await self._kept.update_many(
                {"_id": {"$ne": kid}, "gone_at": None}, {"$set": {"gone_at": now + self._published_for}}
            )
        await self.load()
        return kid

    async def sign(self, claims: dict[str, Any]) -> str:
        await self.fresh()
        key = self._signing()[0]
        return jwt.encode(claims, key["private"], ALGORITHM, headers={"kid": key["_id"]})

    def key_set(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517), and where the ended sessions are listed."""
        now = clock.now()
        return {
            "keys": [
                {**_public(key["private"]), "kid": key["_id"], "alg": ALGORITHM, "use": "sig"}
                for key in self._keys
                if key["gone_at"] is None or key["gone_at"] > now
            ],
            "ended_sessions": ENDED_SESSIONS,
        }

    def _signing(self) -> list[dict[str, Any]]:
        return [key for key in self._keys if key["gone_at"] is None]


def _public(private: Any) -> dict[str, Any]:
    public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {name: public[name] for name in ("kty", "crv", "x", "y")}


def _thumbprint(public: dict[str, Any]) -> str:
    """RFC 7638."""
    digest = hashlib.sha256(orjson.dumps(public, option=orjson.OPT_SORT_KEYS)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
