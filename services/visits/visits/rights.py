"""Who may write what in this service (domain.md A1, A3).

Everybody of an office writes their own forms. A clerk enters them for somebody of an office served, by
telephone or fax (L223); an import for anybody. Who may sign is decided by the reporting line (visits/line.py).
The owner 经营者 reads results only, and none of these forms (L208).
"""

from __future__ import annotations

from datetime import date, datetime

from chassis.entries import IMPORT, Entry, any_past, import_right_needed
from chassis.identity import ADMINISTRATOR, Caller
from chassis.problems import Forbidden, Invalid
from chassis.scope import Scope, everything, within
from contracts.staff import Person
from visits.known import Known

SUPERVISORS = frozenset({"office_head", "regional_supervisor", "top_manager", "administrator"})


async def whose(known: Known, caller: Caller, body: Entry, at: datetime) -> Person | None:
    """Whose form it is: the person named (import, or a clerk's entry for an office served), else the caller's own.

    at: the instant of the entry. The clerk serves the office in which the person works on the business date of that
    instant: not the one in which they worked before, nor the one to which they will go. None for an account without a
    person. Raises Forbidden without telling whether there is such a person.
    """
    if body.on_behalf_of is None or body.on_behalf_of == caller.person:
        return None if caller.person is None else await known.person(caller.person, "on_behalf_of")
    if any_past(caller):
        return await known.person(body.on_behalf_of, "on_behalf_of")
    if caller.role == "clerk":
        try:
            person = await known.person(body.on_behalf_of, "on_behalf_of")
        except Invalid:
            raise import_right_needed("on_behalf_of") from None
        posting = await known.posting_at(person, at)
        if posting is not None and posting.office in caller.offices:
            return person
    raise import_right_needed("on_behalf_of")


def needed(person: Person | None) -> Person:
    """Raises Forbidden for an account that belongs to nobody of the sales organisation."""
    if person is None:
        raise Forbidden(
            "person_needed",
            "This is somebody's form: sign in as a person, or name one in on_behalf_of.",
            "此表单属于个人:请以人员身份登录,或在 on_behalf_of 中指定人员。",
        )
    return person


def own(caller: Caller, person: Person | None, owner: str) -> None:
    """Raises Forbidden unless the form is the caller's own, or entered for the person whose it is."""
    if (person is None or person.id != owner) and not caller.may(IMPORT):
        raise Forbidden(
            "not_your_form",
            "Only the person whose form it is changes it: a supervisor signs or returns it.",
            "只有填报人本人可以修改:主管请签核或退回。",
        )


def may_read(caller: Caller) -> None:
    """Raises Forbidden for the owner, who looks at results only (L208)."""
    if caller.role == "owner":
        raise Forbidden(
            "results_only",
            "The owner's view shows results, not single forms: see the progress pages.",
            "经营者视图只看成果,不含过程表单:请查看进度页面。",
        )


async def customers_of(known: Known, caller: Caller, owner: str, day: date) -> tuple[Scope, ...]:
    """Which customers a form of that person and day may name: those whom the caller sees and who are the person's.

    A salesperson's are their own, an office head's those of the office, and so on up the line, by the posting in force
    on that day. An import, which brings what was so then, may name any.
    """
    if any_past(caller):
        return ()
    person = await known.people.get(owner)
    if person is None:
        return (within(caller),)
    posting = person.posting_nearest(day)
    offices = tuple(office for office in (posting.office, *posting.offices_served) if office)
    theirs = Caller(
        id=owner,
        name=person.name,
        role=posting.role.value,
        person=owner,
        office=posting.office,
        region=posting.region,
        offices=offices,
    )
    return within(caller), within(theirs)


def may_name_deputy(caller: Caller, owner: str, deputy: str) -> None:
    """Raises Forbidden where an importer would make themselves the deputy of somebody else, and so sign for them."""
    if deputy == caller.person != owner and any_past(caller) and caller.role != ADMINISTRATOR:
        raise Forbidden(
            "administrator_needed",
            "You would become this person's deputy by your own import: ask an administrator.",
            "您将通过自己的导入成为此人的代理人:请联系管理员办理。",
        )


def reach(caller: Caller) -> Scope:
    """Where the caller may write: an import is for anybody, everybody else writes what they see."""
    return everything("an import is for anybody") if caller.may(IMPORT) else within(caller)
