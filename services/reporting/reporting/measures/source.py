"""What every source of facts has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from contracts.topics import Topic
from kernel.permissions import Confidential, sees
from reporting.totals import Contribution


@dataclass(frozen=True, slots=True)
class Shape:
    """The parts of a measure as answers show them."""

    counts: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    """Each a list with one entry per currency."""
    shown: bool = True
    """False for counts that only a formula shows."""
    confidential: Mapping[str, Confidential] = field(default_factory=dict)
    """The parts that only some roles see, as on the records that they are the sums of: kernel/permissions.py."""

    def seen_by(self, role: str) -> Shape:
        """The parts that a role sees."""
        hidden = {part for part, what in self.confidential.items() if not sees(role, what)}
        if not hidden:
            return self
        return replace(
            self,
            counts=tuple(part for part in self.counts if part not in hidden),
            amounts=tuple(part for part in self.amounts if part not in hidden),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What an aggregate's state says to reporting."""

    row: Mapping[str, str | None]
    """What the drill-down shows of it."""
    contributions: list[Contribution] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """An aggregate type whose events become facts."""

    name: str
    """As `as_of` calls it, such as orders."""
    prefix: str
    """As facts and `after=` call one of them, such as order."""
    topic: Topic
    measures: Mapping[str, Shape]
    read: Callable[[bytes], Reading]
    """Pure: from the state's JSON. Raises msgspec.DecodeError when it does not suit."""
