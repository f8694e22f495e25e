"""Who may do what in this service (domain.md A1, A3, L44-47, L73-74, O-19).

    step                            who, by role
    receipt, correction             salesperson, office head, regional supervisor, clerk
    verification, return            clerk, office head: 内勤 check what the field brings in (L45)
    confirmation, amendment,        salesperson, office head, regional supervisor: sales agree with
    cancellation                    the customer (L46)
    allocation, delivery,           clerk, office head (L47, L74)
    handover, closure

An administrator and whoever holds the right to import take every step; top managers set goals and take none;
the owner 经营者 reads results only and no orders. A clerk who enters something for somebody of an office
served (L223) may take the steps that this person may take: by the posting in force on the business date of the entry.
Nobody verifies an order that they have received themselves, unless it is an import.

Who sees costs and margins: kernel/permissions.py, one table for all services.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from chassis.entries import IMPORT, Entry, any_past, import_right_needed
from chassis.identity import Caller
from chassis.problems import Forbidden, Invalid
from chassis.scope import Scope, everything, within
from contracts.orders import Order
from contracts.staff import Posting
from kernel.permissions import sees
from orders.known import Known

_FIELD = frozenset({"salesperson", "office_head", "regional_supervisor"})
_OFFICE = frozenset({"clerk", "office_head"})

STEPS: Mapping[str, frozenset[str]] = {
    "receipt": _FIELD | _OFFICE,
    "correction": _FIELD | _OFFICE,
    "verification": _OFFICE,
    "return": _OFFICE,
    "confirmation": _FIELD,
    "amendment": _FIELD,
    "cancellation": _FIELD,
    "allocation": _OFFICE,
    "delivery": _OFFICE,
    "handover": _OFFICE,
    "closure": _OFFICE,
}
"""The roles that take each step."""

SUPERVISORS = frozenset({"office_head", "regional_supervisor"})
"""Roles that may say whose order it is, within their scope."""


def may_price(caller: Caller) -> None:
    """Raises Forbidden for everybody but administrators, importers and top managers."""
    if caller.role != "top_manager" and not caller.may(IMPORT):
        raise Forbidden(
            None,
            "Only an administrator or a top manager may change products.",
            "只有管理员或高层主管可以修改产品。",
        )


def may_take(caller: Caller, step: str, speaks_for: Posting | None = None) -> None:
    """Raises Forbidden when neither the caller nor the person they speak for takes that step."""
    roles = {caller.role} | ({speaks_for.role.value} if speaks_for else set())
    if not roles & STEPS[step] and not caller.may(IMPORT):
        who = ", ".join(sorted(STEPS[step]))
        raise Forbidden(
            None, f"Your role takes no {step}: it is for {who}.", f"您的角色不能执行 {step}:可执行的角色为 {who}。"
        )


def may_verify(caller: Caller, by: str, order: Order) -> None:
    """Raises Forbidden for whoever received the order, in person or through somebody."""
    if not any_past(caller) and order.received_by in {by, caller.person, caller.id}:
        raise Forbidden(
            "own_order",
            "You received this order yourself: ask somebody else to check it.",
            "该订单由您本人受理:请由他人核实。",
        )


def may_read(caller: Caller) -> None:
    """Raises Forbidden for the owner, who looks at results only (L208)."""
    if caller.role == "owner":
        raise Forbidden(
            "results_only",
            "The owner's view shows results, not single orders: see the progress pages.",
            "经营者视图只看成果,不含订单明细:请查看进度页面。",
        )


def reach(caller: Caller) -> Scope:
    """Where the caller may write: an import is for anybody, everybody else writes what they see."""
    return everything("an import is for anybody") if caller.may(IMPORT) else within(caller)


def sees_costs(caller: Caller) -> bool:
    return sees(caller.role, "costs")


def sees_margins(caller: Caller) -> bool:
    return sees(caller.role, "margins")


async def speaks_for(known: Known, caller: Caller, body: Entry, at: datetime) -> Posting | None:
    """The posting of the person for whom a clerk enters this, on the business date of `at`; None for an own entry or
    an import.

    A clerk enters for people who work in an office served on that day. Raises Forbidden for everybody else, without
    telling whether there is such a person; Invalid (unknown_person) for an import that names nobody who is known.
    """
    if body.on_behalf_of is None or body.on_behalf_of == caller.person:
        return None
    if any_past(caller):
        await known.person(body.on_behalf_of, "on_behalf_of")
        return None
    if caller.role == "clerk":
        try:
            person = await known.person(body.on_behalf_of, "on_behalf_of")
        except Invalid:
            raise import_right_needed("on_behalf_of") from None
        place = await known.place(person, at)
        if place is not None and place.office.id in caller.offices:
            return place.posting
    raise import_right_needed("on_behalf_of")
