"""An office's rules of field work. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from contracts.envelope import Happened
from contracts.staff import Office
from contracts.visits import VisitPolicy, VisitPolicyEvent


def defaults(office: Office, day: date) -> VisitPolicy:
    """The rules of an office for which nothing has been set."""
    return VisitPolicy(id=office.id, owner=office.id, office=office.id, region=office.region_on(day))


def set_to(
    policy: VisitPolicy, changes: Mapping[str, Any], office: Office, at: datetime
) -> tuple[VisitPolicy, Happened]:
    """Other rules, in force at once: what was decided by the former ones stays decided."""
    day = office.business_date(at)
    changed = policy.model_copy(update={**changes, "region": office.region_on(day)})
    return changed, Happened(VisitPolicyEvent.SET, at, day)
