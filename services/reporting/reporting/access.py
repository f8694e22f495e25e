"""Who may ask for whose progress (domain.md A1, L208).

salesperson                            own numbers
office_head, clerk, service_desk       their offices and the people of these
regional_supervisor                    the region, its offices and people
top_manager, administrator, service    everything
owner 经营者                           company, regions, offices: results, and no named daily process data
"""

from __future__ import annotations

from chassis.identity import Caller
from chassis.problems import Forbidden, NotFound
from chassis.scope import Scope, everything, within
from reporting.totals import LEVELS

_LEVELS: dict[str, tuple[str, ...]] = {
    "salesperson": ("person",),
    "office_head": ("office", "person"),
    "clerk": ("office", "person"),
    "service_desk": ("office", "person"),
    "regional_supervisor": ("region", "office", "person"),
    "top_manager": LEVELS,
    "administrator": LEVELS,
    "service": LEVELS,
    "owner": ("company", "region", "office"),
}


def widest(caller: Caller) -> str:
    """The level that a caller is shown who names none. Raises Forbidden for a role that reads no progress."""
    levels = _LEVELS.get(caller.role)
    if not levels:
        raise Forbidden()
    return levels[0]


def reach(caller: Caller, level: str, named: bool) -> Scope:
    """The scope that the caller's questions of that level go through.

    named: whether one unit is asked for; then a level out of reach is 404 like any unit out of reach.
    Raises Forbidden, NotFound.
    """
    widest(caller)
    if caller.role == "owner":
        if level == "person":
            raise results_only()
        return everything("the owner sees the results of all units above a person")
    if level not in _LEVELS[caller.role]:
        if named:
            raise NotFound()
        most = _LEVELS[caller.role][0]
        raise Forbidden(
            "level_too_high",
            f"You see the level {most} and below: ask with level={most}.",
            f"您可查看的最高级别为 {most}:请使用 level={most}。",
        )
    return within(caller)


def may_drill(caller: Caller) -> None:
    """Raises Forbidden for the owner, who looks at results only."""
    if caller.role == "owner":
        raise results_only()


def results_only() -> Forbidden:
    return Forbidden(
        "results_only",
        "The owner's view shows results of offices, regions and the company, not single people or records.",
        "经营者视图只看成果:仅提供办事处、区域与公司的结果,不含个人与明细。",
    )
