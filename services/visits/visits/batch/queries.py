"""What the batches of the caller hold."""

from __future__ import annotations

from typing import Any

from chassis import clock
from chassis.identity import Caller
from visits.batch.commands import Book
from visits.repositories import Repositories


async def held(repositories: Repositories, caller: Caller) -> list[dict[str, Any]]:
    """The caller's own commands that wait for another one, oldest first."""
    return await Book(repositories, caller).held(clock.now())
