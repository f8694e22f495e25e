"""A device that has signed in is known again by a cookie, wherever it is and whoever shares its address.

The cookie opens nothing. It says only that this device has signed in with that login since its password last changed,
so that its attempts are counted by themselves (see throttle.py). Nothing is stored for a device: the cookie is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import suppress
from datetime import timedelta

from chassis import clock
from chassis.ids import new_id
from chassis.mongo import Database, DuplicateKey
from chassis.problems import Unavailable
from gateway.accounts.model import Account

COOKIE = "salesbeat-device"
KNOWN_FOR = timedelta(days=30)
LONGEST = 200
"""Characters of a cookie that is looked at."""


class Devices:
    def __init__(self, database: Database) -> None:
        self._kept = database["secrets"]
        self._key: bytes | None = None

    async def prepare(self) -> None:
        """Make the key that signs the cookies where there is none."""
        await self._load()

    async def cookie(self, account: Account, device: str | None) -> str:
        """The cookie of a device that has just signed in; `device` is its id where it was known before."""
        said = f"{device or new_id()}.{int((clock.now() + KNOWN_FOR).timestamp())}"
        return f"{said}.{_signature(await self._load(), said, account)}"

    async def known(self, cookie: str | None, account: Account | None) -> str | None:
        """The device's id, if it has signed in to the account within the last month."""
        if cookie is None or account is None or len(cookie) > LONGEST:
            return None
        said, _, signature = cookie.rpartition(".")
        device, _, expires = said.partition(".")
        right = _signature(await self._load(), said, account)
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), right.encode()):
            return None
        return device if int(expires) > clock.now().timestamp() else None

    async def _load(self) -> bytes:
        if self._key is None:
            with suppress(DuplicateKey):  # made by another gateway at the same moment
                await self._kept.update_one(
                    {"_id": "devices"}, {"$setOnInsert": {"key": secrets.token_bytes(32)}}, upsert=True
                )
            if (kept := await self._kept.find_one({"_id": "devices"})) is None:
                raise Unavailable()
            self._key = bytes(kept["key"])
        return self._key


def _signature(key: bytes, said: str, account: Account) -> str:
    whole = f"{said}\n{account.id}\n{account.password_changed_at.timestamp():.3f}"
    return hmac.new(key, whole.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
