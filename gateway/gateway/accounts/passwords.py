"""Passwords as argon2id hashes, worked out off the event loop."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.problems import Unavailable
from gateway.accounts.model import normal_password

# OWASP's least for argon2id (19 MiB, two passes, one lane): about 25 ms, and 40 accounts in a second.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

MOST_UNDER_WAY = 200
"""Hashes under way and waiting: five seconds of work on one core."""


class Passwords:
    """Hashes and checks; two at a time, so that a storm of log-ins takes neither all cores nor 19 MiB each."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2, "argon2")
        self._under_way = 0
        self._nobodys = _HASHER.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        return await self._run(_HASHER.hash, normal_password(password))

    async def match(self, kept: str | None, password: str) -> bool:
        """Whether the password belongs to the hash. Without a hash it takes the same time, and says no."""
        right = await self._run(_verify, kept or self._nobodys, normal_password(password))
        return right and kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether the hash was made at another cost than today's."""
        return _HASHER.check_needs_rehash(kept)

    async def _run(self, work, *arguments):
        """Raises Unavailable where more wait than can be worked off while their callers wait."""
        if self._under_way >= MOST_UNDER_WAY:
            raise Unavailable(
                "sign_in_busy",
                "Too many people sign in at this moment: try again in a few seconds.",
                "当前登录人数过多:请几秒后重试。",
                retry_after=3,
            )
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _verify(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
