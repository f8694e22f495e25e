"""Who may write what in this service (domain.md A1)."""

from __future__ import annotations

from chassis.entries import IMPORT, Entry, any_past, import_right_needed
from chassis.identity import ADMINISTRATOR, SERVICE, Caller
from chassis.problems import Forbidden, NotFound
from chassis.scope import Scope, everything, within
from contracts.customers import Ownership
from customers.repositories import ORGANISATION, Repositories

KEEPERS = frozenset(
    {"salesperson", "office_head", "regional_supervisor", "top_manager", "clerk", "service_desk", "administrator"}
)
"""Roles that keep customer files; the owner reads results only."""
ASSIGNERS = frozenset({"office_head", "regional_supervisor", "top_manager", "administrator"})
"""Roles that may give a customer to somebody else: the supervisors of both sides (C-07)."""


def reach(caller: Caller) -> Scope:
    """Where the caller may enter customers: an import is for anybody, everybody else enters what they see."""
    return everything("an import is for anybody") if caller.may(IMPORT) else within(caller)


def may_organise(caller: Caller) -> None:
    """Raises Forbidden for everybody but administrators and importers."""
    if not caller.may(IMPORT):
        raise Forbidden(None, "Only an administrator may change the organisation.", "只有管理员可以修改组织架构。")


def may_keep(caller: Caller) -> None:
    """Raises Forbidden for a role that keeps no customer files; importers may."""
    if caller.role not in KEEPERS and not caller.may(IMPORT):
        raise Forbidden()


def may_assign(caller: Caller) -> None:
    """Raises Forbidden for a role that decides about no territory; importers may."""
    if caller.role not in ASSIGNERS and not caller.may(IMPORT):
        raise Forbidden(
            None,
            "Ask your supervisor: only they may give a customer to somebody else.",
            "请联系您的主管:只有主管可以调整客户归属。",
        )


def may_give_to(caller: Caller, entry: Ownership) -> None:
    """Raises Forbidden where the new holder is none of the caller's own people; importers may give to anybody."""
    if not any_past(caller) and not within(caller).allows(entry.owner, entry.office, entry.region):
        raise Forbidden(
            "owner_out_of_reach",
            "This person is outside your area: choose somebody of it, or ask the supervisor of both areas.",
            "此人不在您的管辖范围内:请选择辖区内人员,或请双方的上级主管处理。",
        )


def may_ask_standing(caller: Caller, person_id: str) -> None:
    """Raises Forbidden for everybody but services, administrators and the person."""
    if caller.role not in (SERVICE, ADMINISTRATOR) and caller.person != person_id:
        raise Forbidden(None, "You may ask for your own standing only.", "您只能查询自己的任职信息。")


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
