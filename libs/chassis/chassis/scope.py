"""Caller -> the only filter that opens owned rows (domain.md A1, A9.8).

    salesperson                            own rows
    office_head                            the office
    regional_supervisor                    the region
    clerk, service_desk                    the office and those served besides it
    top_manager, administrator, service    everything
    owner 经营者, anybody else              nothing: the owner reads aggregates only

Owned rows carry `owner`, `office` and `region` as they were on their business date.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chassis.identity import Caller


class Scope:
    """Which owned rows may be opened. Only `within` and `everything` make one."""

    __slots__ = ("_field", "_values")

    def __init__(self, key: object, field: str | None, values: tuple[str, ...]) -> None:
        if key is not _KEY:
            raise TypeError("a Scope is made by within(caller) or everything(reason) only")
        object.__setattr__(self, "_field", field)
        object.__setattr__(self, "_values", values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Scope does not change")

    def __repr__(self) -> str:
        return f"Scope({self.filter})"

    @property
    def filter(self) -> dict[str, Any]:
        """A MongoDB filter on `owner`, `office` or `region`.

        It is wrapped in `$and`, so that a filter merged with it can never replace it.
        """
        if self._field is None:
            return {}
        if not self._values:
            return {"$and": [{"_id": {"$in": []}}]}
        one = self._values[0] if len(self._values) == 1 else {"$in": list(self._values)}
        return {"$and": [{self._field: one}]}

    def allows(self, owner: str | None, office: str | None, region: str | None) -> bool:
        """The same for a row that is already at hand."""
        if self._field is None:
            return True
        return {"owner": owner, "office": office, "region": region}[self._field] in self._values


_KEY: Final = object()
_NOTHING = Scope(_KEY, "owner", ())
_EVERYTHING = Scope(_KEY, None, ())

_REACH: dict[str, Callable[[Caller], Scope]] = {
    "salesperson": lambda caller: _own("owner", caller.person),
    "office_head": lambda caller: _own("office", caller.office),
    "regional_supervisor": lambda caller: _own("region", caller.region),
    "clerk": lambda caller: _own("office", *caller.offices),
    "service_desk": lambda caller: _own("office", *caller.offices),
    "top_manager": lambda _: _EVERYTHING,
    "administrator": lambda _: _EVERYTHING,
    "service": lambda _: _EVERYTHING,
}


def within(caller: Caller) -> Scope:
    """What that caller may open; nothing for a role that is not known here."""
    reach = _REACH.get(caller.role)
    return reach(caller) if reach else _NOTHING


def everything(reason: str) -> Scope:
    """All rows, for the bus door and timers, which act for nobody. The reason is for the reader."""
    if not reason:
        raise ValueError("everything() needs a reason")
    return _EVERYTHING


def _own(field: str, *values: str | None) -> Scope:
    return Scope(_KEY, field, tuple(value for value in values if value))
