"""Who may write what in this service (domain.md A1)."""

from __future__ import annotations

from chassis.entries import IMPORT, Entry, any_past, import_right_needed
from chassis.identity import Caller
from chassis.problems import Forbidden, NotFound
from customers.repositories import ORGANISATION, Repositories

KEEPERS = frozenset(
    {"salesperson", "office_head", "regional_supervisor", "top_manager", "clerk", "service_desk", "administrator"}
)
"""Roles that keep customer files; the owner reads results only."""
ASSIGNERS = frozenset({"office_head", "regional_supervisor", "top_manager", "administrator"})
"""Roles that may give a customer to somebody else: the supervisors of both sides (C-07)."""


def may_organise(caller: Caller) -> None:
    """Raises Forbidden for everybody but administrators and importers."""
    if not caller.may(IMPORT):
        raise Forbidden(None, "Only an administrator may change the organisation.", "只有管理员可以修改组织架构。")


def may_keep(caller: Caller) -> None:
    """Raises Forbidden for a role that keeps no customer files."""
    if caller.role not in KEEPERS:
        raise Forbidden()


def may_assign(caller: Caller) -> None:
    """Raises Forbidden for a role that decides about no territory."""
    if caller.role not in ASSIGNERS:
        raise Forbidden(
            None,
            "Ask your supervisor: only they may give a customer to somebody else.",
            "请联系您的主管:只有主管可以调整客户归属。",
        )


async def may_speak_for(repositories: Repositories, caller: Caller, body: Entry) -> None:
    """Raises Forbidden unless it is an import, or a clerk's entry for somebody of an office that they serve."""
    if body.on_behalf_of is None or any_past(caller) or body.on_behalf_of == caller.person:
        return
    if caller.role == "clerk":
        try:
            person = (await repositories.people.get(body.on_behalf_of, ORGANISATION)).state
        except NotFound:
            raise import_right_needed("on_behalf_of") from None
        if person.postings[-1].office in caller.offices:
            return
    raise import_right_needed("on_behalf_of")
