"""Who may write what in this service (domain.md A1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis import clock
from chassis.aggregate import Command
from chassis.entries import IMPORT, Entry, any_past, import_right_needed, on_behalf
from chassis.identity import ADMINISTRATOR, SERVICE, Caller
from chassis.problems import Forbidden, NotFound
from chassis.scope import Scope, everything, within
from contracts.customers import Customer, Ownership
from contracts.staff import Office, Person, Posting, Role
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


async def organising(repositories: Repositories, caller: Caller, command: Command, body: Entry) -> Command:
    """The command of an entry about the organisation, with the person for whom it is entered.

    Raises Forbidden for everybody but administrators and importers, Invalid (unknown_person) for an entry for nobody.
    """
    may_organise(caller)
    if body.on_behalf_of is not None:
        await repositories.person(body.on_behalf_of, "on_behalf_of")
    return on_behalf(command, body)


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


def may_take_from(caller: Caller, customer: Customer, entry: Ownership) -> None:
    """Raises Forbidden where an import would bring a customer into the importer's own sight that is not in it."""
    scope = within(caller)
    seen = scope.allows(customer.owner, customer.office, customer.region)
    if not seen and scope.allows(entry.owner, entry.office, entry.region):
        raise _administrator_needed(
            "This customer would come into your own area: ask an administrator.",
            "该客户将进入您自己的管辖范围:请联系管理员办理。",
        )


def may_ask_standing(caller: Caller, person_id: str) -> None:
    """Raises Forbidden for everybody but services, administrators and the person."""
    if caller.role not in (SERVICE, ADMINISTRATOR) and caller.person != person_id:
        raise Forbidden(None, "You may ask for your own standing only.", "您只能查询自己的任职信息。")


def may_move_office(caller: Caller) -> None:
    """Raises Forbidden for those who do not see every office: a move opens an office to another supervisor."""
    may_organise(caller)
    if within(caller).filter:
        raise _administrator_needed(
            "Moving an office opens it to another supervisor: ask an administrator.",
            "调整办事处所属区域会改变主管的查看范围:请联系管理员。",
        )


def may_post(caller: Caller, person_id: str, new: Posting, offices: Sequence[Office], before: Person | None) -> None:
    """Raises Forbidden where an import would grant more than the importer has (importing is no right over rights).

    new: the posting; offices: its own and those served; before: the person as they are, None for somebody new.
    Without the role of an administrator nobody posts themselves, nor names themselves as a superior, nor posts
    somebody into a role above salesperson or out of one. Clerks and the service desk see whole offices: whoever sees
    these offices, too, may post them.
    """
    may_organise(caller)
    if caller.role == ADMINISTRATOR:
        return
    may_let_go(caller, person_id, before)
    if new.manager is not None and new.manager == caller.person:
        raise _administrator_needed(
            "You would become the superior of this person: ask an administrator.",
            "您将成为此人的上级:请联系管理员办理。",
        )
    scope = within(caller)
    seen = all(scope.allows(None, office.id, office.region_on(new.valid_from)) for office in offices)
    if new.role not in _grantable(caller) or ((new.role is not Role.SALESPERSON or new.offices_served) and not seen):
        raise _administrator_needed(
            f"An import posts salespeople; the role {new.role} with these offices needs an administrator.",
            f"导入权限只能登记业务员任职;角色 {new.role} 及所选办事处须由管理员办理。",
        )


def may_let_go(caller: Caller, person_id: str, before: Person | None) -> None:
    """Raises Forbidden where an importer would end a posting that they could not have granted, or their own."""
    may_organise(caller)
    if caller.role == ADMINISTRATOR:
        return
    if person_id == caller.person:
        raise _administrator_needed(
            "Nobody posts themselves: ask an administrator.", "不能为自己办理任职:请联系管理员。"
        )
    if before is None:
        return
    now = before.posting_nearest(clock.now().date() - timedelta(days=1))  # no zone is further behind
    if {posting.role for posting in before.postings if posting.valid_from >= now.valid_from} - _grantable(caller):
        raise _administrator_needed(
            "This person has or will have a role above salesperson: ask an administrator.",
            "此人现任或将任高于业务员的角色:请联系管理员办理。",
        )


def _grantable(caller: Caller) -> frozenset[Role]:
    """The roles that an importer may give to others: never more than they have."""
    if not within(caller).filter:
        return frozenset({Role.SALESPERSON, Role.CLERK, Role.SERVICE_DESK})
    own = {role for role in (Role.CLERK, Role.SERVICE_DESK) if role.value == caller.role}
    return frozenset({Role.SALESPERSON, *own})


def _administrator_needed(en: str, zh: str) -> Forbidden:
    return Forbidden("administrator_needed", en, zh)


async def may_speak_for(repositories: Repositories, caller: Caller, body: Entry, at: datetime) -> None:
    """Raises Forbidden unless it is an import, or a clerk's entry for somebody of an office that they serve.

    The posting on the day of the entry decides. Raises Invalid (unknown_person) for an import for nobody.
    """
    if body.on_behalf_of is None or body.on_behalf_of == caller.person:
        return
    if any_past(caller):
        await repositories.person(body.on_behalf_of, "on_behalf_of")
        return
    if caller.role == "clerk":
        try:
            person = (await repositories.people.get(body.on_behalf_of, ORGANISATION)).state
        except NotFound:
            raise import_right_needed("on_behalf_of") from None
        posting = await repositories.posting_at(person, at)
        if posting is not None and posting.office in caller.offices:
            return
    raise import_right_needed("on_behalf_of")
