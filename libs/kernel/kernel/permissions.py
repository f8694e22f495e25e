"""Who sees costs and margins: one table for records, progress, the facts behind it, pages and exports.

A service asks `sees(role, what)` for each field or part that it shows. So a figure that is hidden on a record is
hidden in every sum of it too.

    role                          costs   margins   because
    salesperson                   no      yes       the personal sales detail shows the margin of own orders (O-19)
    office_head                   yes     yes       leads an office
    regional_supervisor           yes     yes       leads a region
    clerk                         yes     yes       keeps the books of the offices served (L73-78)
    service_desk                  no      no        serves customers, and sells nothing (L79-85)
    top_manager                   yes     yes       sets the goals
    owner                         no      yes       the results page has the margin (O1); the owner reads no record
    administrator, service        yes     yes       look after the data

A role that is not in the table sees neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Confidential = Literal["costs", "margins"]
"""costs: what a product costs the company. margins: what is left of a price after that, and what tells it."""

_COSTS: Final = frozenset({"office_head", "regional_supervisor", "clerk", "top_manager", "administrator", "service"})

SEES: Final[Mapping[Confidential, frozenset[str]]] = {
    "costs": _COSTS,
    "margins": _COSTS | {"salesperson", "owner"},
}
"""The roles that see each kind of figure."""


def sees(role: str, what: Confidential) -> bool:
    """Whether that role sees costs or margins, of records within its scope."""
    return role in SEES[what]
