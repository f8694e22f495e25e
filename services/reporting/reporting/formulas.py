"""Rates, computed when they are asked for, each by a named and versioned formula (domain.md A4).

Totals hold counts and sums only. A formula that changes gets a new version beside the old one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernel.permissions import Confidential, sees
from reporting.totals import Totals


@dataclass(frozen=True, slots=True)
class Formula:
    """A rate over the totals of a period.

    compute: from the totals of the whole period, and of its days up to and including today.
    """

    id: str
    sources: tuple[str, ...]
    """The measures whose facts are behind it."""
    compute: Callable[[Totals, Totals], dict[str, Any]]
    confidential: Confidential | None = None
    """What a role must see to see this rate, where it is made of costs or margins: kernel/permissions.py."""

    def seen_by(self, role: str) -> bool:
        return self.confidential is None or sees(role, self.confidential)

    def answer(self, total: Totals, elapsed: Totals) -> dict[str, Any]:
        return {**self.compute(total, elapsed), "formula": self.id}


PLACES = 10_000
"""Parts of one that a rate is said in."""


def rate(numerator: int, denominator: int) -> dict[str, Any]:
    """Four places, rounded half up (away from zero) from the exact value, are enough to read; the exact value is in its
    parts. None when nothing is to be divided by."""
    value = None
    if denominator:
        # Whole numbers only: a float would decide a half by its own error, and `round` takes the even neighbour.
        above, below = 2 * abs(numerator) * PLACES + abs(denominator), 2 * abs(denominator)
        value = (above // below) / PLACES * (1 if numerator * denominator >= 0 else -1)
    return {"value": value, "numerator": numerator, "denominator": denominator}


def amounts(total: Totals, path: str) -> dict[str, int]:
    """The sums under a path such as orders_confirmed/amount, by currency."""
    return {name.removeprefix(f"{path}/"): minor for name, minor in total.items() if name.startswith(f"{path}/")}


def net_sales(total: Totals, currency: str) -> int:
    """Confirmed less cancelled, in minor units."""
    return total.get(f"orders_confirmed/amount/{currency}", 0) - total.get(f"orders_cancelled/amount/{currency}", 0)


def _on_time_completion(total: Totals, _: Totals) -> dict[str, Any]:
    """Orders whose handover was complete by the promised date / confirmed orders promised in the period."""
    return rate(total.get("on_time_completion/numerator", 0), total.get("on_time_completion/denominator", 0))


def _attainment(total: Totals, _: Totals) -> dict[str, Any]:
    """Net sales of the period / its target."""
    return _per_currency(total, amounts(total, "sales_target/amount"))


def _pace(total: Totals, elapsed: Totals) -> dict[str, Any]:
    """Net sales of the period / the part of its target that falls on the working days so far, today included.

    That is attainment / (elapsed working days / working days), with each person's target and office calendar
    weighing in as much as they should in a region or the company.
    """
    due = amounts(elapsed, "sales_target/amount")
    return _per_currency(total, {currency: due.get(currency, 0) for currency in amounts(total, "sales_target/amount")})


def _per_currency(total: Totals, targets: dict[str, int]) -> dict[str, Any]:
    """One rate in the target's currency; with targets in several, one for each, since they cannot be added."""
    if len(targets) > 1:
        each = [{"currency": c, **rate(net_sales(total, c), target)} for c, target in sorted(targets.items())]
        return {"value": None, "numerator": None, "denominator": None, "by_currency": each}
    for currency, target in targets.items():
        return {**rate(net_sales(total, currency), target), "currency": currency}
    return rate(0, 0)


def _effective_visit_rate(total: Totals, _: Totals) -> dict[str, Any]:
    """Effective visits / actual visits (done and not met), those in signed reports only."""
    return rate(total.get("visits_effective/count", 0), total.get("signed_visits/actual", 0))


def _deal_rate(total: Totals, _: Totals) -> dict[str, Any]:
    """Visits with a deal / actual visits, those in signed reports only.

    Beside it `planned`, as other houses reckon it: the same deals / planned stops in signed reports. It exceeds 1
    where enough was sold on unplanned visits.
    """
    deals = total.get("visits_deal/count", 0)
    planned = {**rate(deals, total.get("signed_visits/stops", 0)), "formula": "deal_rate.planned.v1"}
    return {**rate(deals, total.get("signed_visits/actual", 0)), "planned": planned}


def _plan_adherence(total: Totals, _: Totals) -> dict[str, Any]:
    """Stops visited on the planned day / stops in the last revision signed before the day began."""
    return rate(total.get("plan_adherence/numerator", 0), total.get("plan_adherence/denominator", 0))


def _cost_per_visit(total: Totals, _: Totals) -> dict[str, Any]:
    """Visit costs in minor units / actual visits (done and not met), one rate for each currency of the costs."""
    visits = total.get("visits_done/count", 0) + total.get("visits_not_met/count", 0)
    costs = sorted(amounts(total, "visit_cost/amount").items())
    if len(costs) > 1:
        each = [{"currency": currency, **rate(cost, visits)} for currency, cost in costs]
        return {"value": None, "numerator": None, "denominator": None, "by_currency": each}
    for currency, cost in costs:
        return {**rate(cost, visits), "currency": currency}
    return rate(0, visits)


def _form_timeliness(total: Totals, _: Totals) -> dict[str, Any]:
    """Forms submitted on time / forms due."""
    return rate(total.get("forms_on_time/count", 0), total.get("forms_due/count", 0))


def _first_pass(total: Totals, _: Totals) -> dict[str, Any]:
    """Forms signed without having been returned / forms submitted."""
    return rate(total.get("first_pass/numerator", 0), total.get("first_pass/denominator", 0))


_SALES = ("orders_confirmed", "orders_cancelled", "sales_target")

FORMULAS: dict[str, Formula] = {
    "on_time_completion": Formula("on_time_completion.v1", ("on_time_completion",), _on_time_completion),
    "attainment": Formula("attainment.v1", _SALES, _attainment),
    "pace": Formula("pace.v1", _SALES, _pace),
    "plan_adherence": Formula("plan_adherence.v1", ("plan_adherence",), _plan_adherence),
    "effective_visit_rate": Formula(
        "effective_visit_rate.v1", ("visits_effective", "signed_visits"), _effective_visit_rate
    ),
    "deal_rate": Formula("deal_rate.v1", ("visits_deal", "signed_visits"), _deal_rate),
    "cost_per_visit": Formula("cost_per_visit.v1", ("visit_cost", "visits_done", "visits_not_met"), _cost_per_visit),
    "form_timeliness": Formula("form_timeliness.v1", ("forms_due", "forms_on_time"), _form_timeliness),
    "first_pass": Formula("first_pass.v1", ("first_pass",), _first_pass),
}
