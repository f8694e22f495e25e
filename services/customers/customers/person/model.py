"""Somebody of the sales organisation, from `joined_on` to `left_on`, with one posting after another. Pure.

    register ──> on the roster ──> left
                  └── posted ──┘

A posting is in force from its first day until the next one's; those before it never change (domain.md A1, A8.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from contracts.envelope import Happened
from contracts.refusals import NotPossible, WrongState
from contracts.staff import Office, Person, PersonEvent, Posting, Role
from customers.customer.identity import numbers_in

OFFICE_NEEDED = frozenset({Role.SALESPERSON, Role.OFFICE_HEAD, Role.CLERK})
"""Roles whose work is that of an office."""


def posting(
    role: Role,
    valid_from: date,
    *,
    office: Office | None,
    region: str | None,
    manager: str | None,
    offices_served: Sequence[str],
) -> Posting:
    """A posting from that day on; the region of somebody in an office is the office's on it.

    Raises NotPossible (office_needed, region_needed, other_region).
    """
    if office is None and role in OFFICE_NEEDED:
        raise NotPossible(
            "office_needed", f"A {role} works in an office: name it.", "该角色须隶属办事处:请填写。", field="office"
        )
    if office is None and region is None and role is Role.REGIONAL_SUPERVISOR:
        raise NotPossible(
            "region_needed",
            "A regional supervisor leads a region: name it.",
            "区域主管须负责一个区域。",
            field="region",
        )
    own = office.region_on(valid_from) if office else region
    if region is not None and region != own:
        raise NotPossible(
            "other_region",
            f"The office belongs to another region on {valid_from}: leave the region out.",
            f"该办事处在 {valid_from} 属于其他区域:请不要填写区域。",
            field="region",
        )
    return Posting(
        valid_from=valid_from,
        role=role,
        office=office.id if office else None,
        region=own,
        manager=manager,
        offices_served=[served for served in dict.fromkeys(offices_served) if office is None or served != office.id],
    )


def register(person: Person, at: datetime, day: date, regions: Sequence[str] = ()) -> tuple[Person, Happened]:
    """Raises NotPossible for dates or a telephone number that make no sense.

    regions: the countries by whose numbering plans the telephone number is read, the nearest first.
    """
    numbers_in(person.phone, regions)
    _sound(person)
    return person, Happened(PersonEvent.REGISTERED, at, day)


def update(
    person: Person, changes: Mapping[str, Any], at: datetime, day: date, regions: Sequence[str] = ()
) -> tuple[Person, Happened | None]:
    """Another name, number, e-mail or telephone; nothing happens when nothing changes."""
    changed = person.model_copy(update=dict(changes))
    if changed == person:
        return person, None
    if changed.phone != person.phone:
        numbers_in(changed.phone, regions)
    return changed, Happened(PersonEvent.UPDATED, at, day)


def post(person: Person, new: Posting, at: datetime) -> tuple[Person, Happened]:
    """Another role, place or manager from a day on. Past postings never change."""
    last = person.postings[-1]
    if new.valid_from <= last.valid_from:
        raise NotPossible(
            "past_entry",
            f"The present posting began on {last.valid_from}: the next one must begin on a later day.",
            f"现任职自 {last.valid_from} 开始:新任职须从更晚的日期开始。",
            field="valid_from",
        )
    if person.left_on is not None and new.valid_from >= person.left_on:
        raise NotPossible(
            "has_left",
            f"{person.name} is on the roster until {person.left_on}: a posting must begin before that day.",
            f"{person.name} 于 {person.left_on} 离职:任职须早于该日开始。",
            field="valid_from",
        )
    return person.model_copy(update={"postings": [*person.postings, new]}), Happened(
        PersonEvent.POSTED, at, new.valid_from
    )


def leave(person: Person, left_on: date, at: datetime) -> tuple[Person, Happened]:
    """left_on is the first day on which they are no longer on the roster."""
    if person.left_on is not None:
        raise WrongState("departure", "left", ())
    left = person.model_copy(update={"left_on": left_on})
    _sound(left)
    return left, Happened(PersonEvent.LEFT, at, left_on)


def check_line(person_id: str, new: Posting, others: Mapping[str, Person]) -> None:
    """Raises NotPossible (reporting_loop) where the person would report to themselves, directly or through others.

    others: everybody who can be reached upwards from the new manager. The line is followed on the first day of
    the new posting and on every later one on which it changes.
    """
    later = {entry.valid_from for other in others.values() for entry in other.postings}
    for day in sorted({new.valid_from, *(day for day in later if day > new.valid_from)}):
        manager, through = new.manager, list[str]()
        while manager is not None and manager in others and manager != person_id and len(through) < len(others):
            through.append(others[manager].name)
            in_force = others[manager].posting_on(day)
            manager = in_force.manager if in_force else None
        if manager == person_id:
            raise NotPossible(
                "reporting_loop",
                f"The reporting line ({' → '.join(through) or 'oneself'}) would lead back to where it begins "
                f"on {day}: choose another manager.",
                f"汇报关系({' → '.join(through) or '本人'})在 {day} 将形成循环:请选择其他上级。",
                field="manager",
            )


def managers(person: Person, since: date) -> set[str]:
    """Whom they report to on that day or later."""
    last = max((p.valid_from for p in person.postings if p.valid_from <= since), default=since)
    return {p.manager for p in person.postings if p.valid_from >= last and p.manager is not None}


def _sound(person: Person) -> None:
    if person.left_on is not None and person.left_on <= person.joined_on:
        raise NotPossible(
            "left_before_joined",
            f"left_on must be later than joined_on, {person.joined_on}.",
            f"离职日期必须晚于入职日期 {person.joined_on}。",
            field="left_on",
        )
