"""The HTTP door of customer files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from chassis.aggregate import Command
from chassis.entries import (
    Change,
    Entry,
    Id,
    LongText,
    NewEntry,
    Text,
    any_past,
    import_right_needed,
    imported,
    on_behalf,
    record_id,
)
from chassis.fields import BodyPart, Day
from chassis.identity import Caller, CallerDep
from chassis.paging import Paging, sorted_by
from chassis.problems import Invalid
from chassis.service import CommandDep, VersionedCommandDep, answer, answer_page, routes
from contracts.customers import Address, Contact, CustomerKind, CustomerStatus, DecisionRole, Likeness
from customers import rights
from customers.customer import commands, model, queries
from customers.doors import Email, Phone, RecordId, repositories, when
from customers.repositories import Repositories

router = routes("customers")

Filter = Annotated[str | None, Query(max_length=200)]


class Place(BodyPart):
    """An address: a text, a city or coordinates in degrees, both or neither; 0, 0 is no place."""

    text: LongText | None = None
    city: Text | None = None
    country: Text | None = None
    latitude: Annotated[float, Field(allow_inf_nan=False, json_schema_extra={"minimum": -90, "maximum": 90})] | None = (
        None
    )
    longitude: (
        Annotated[float, Field(allow_inf_nan=False, json_schema_extra={"minimum": -180, "maximum": 180})] | None
    ) = None

    def address(self) -> Address:
        return Address.model_validate(self.model_dump() | {"text": self.text or ""})


Places = Annotated[list[Place], Field(max_length=20)]
Attributes = Annotated[dict[Text, LongText], Field(max_length=100)]
Ids = Annotated[list[Id], Field(max_length=100)]


Kinds = Annotated[list[Likeness], Field(max_length=len(Likeness))]
NOT_DUPLICATE_OF = "Customers of the same name, telephone number or tax id that are different ones."
ALLOW_ALIKE = (
    "Kinds of likeness that do not refuse this customer, such as the switchboard or the tax id of several branches. "
    "For imports, which do not know the others' ids."
)
TAX_ID = "A word for none, such as N/A, 0, 无, -, none, null, 000000 or test, is taken as none."


class NewCustomer(NewEntry):
    name: Text
    kind: CustomerKind = CustomerKind.ENTERPRISE
    owner: Id | None = Field(None, description="Who holds it; the caller's own person without it.")
    phone: Phone | None = None
    tax_id: Text | None = Field(None, description=TAX_ID)
    addresses: Places = []
    source: Text | None = Field(None, description="Coded lead source, such as exhibition.")
    channel: Text | None = None
    attributes: Attributes = {}
    prospect_since: Day | None = Field(None, description="The day of the entry without it.")
    not_duplicate_of: Ids = Field([], description=NOT_DUPLICATE_OF)
    allow_alike: Kinds = Field([], description=ALLOW_ALIKE)


class CustomerChange(Change):
    name: Text | None = None
    kind: CustomerKind | None = None
    phone: Phone | None = None
    tax_id: Text | None = Field(None, description=TAX_ID)
    addresses: Places | None = None
    source: Text | None = None
    channel: Text | None = None
    attributes: Attributes | None = None
    not_duplicate_of: Ids | None = Field(None, description=NOT_DUPLICATE_OF)
    allow_alike: Kinds | None = Field(None, description=ALLOW_ALIKE)

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"name", "kind", "addresses", "attributes", "not_duplicate_of", "allow_alike"})


class Reasoned(Entry):
    reason: LongText


class Reactivation(Entry):
    reason: LongText | None = None


class Assignment(Entry):
    owner: Id
    valid_from: Day


class NewContact(NewEntry):
    name: Text
    title: Text | None = None
    phone: Phone | None = None
    email: Email | None = None
    decision_role: DecisionRole | None = None
    referred_by: Id | None = Field(None, description="Another contact of the same customer.")


class ContactChange(Change):
    name: Text | None = None
    title: Text | None = None
    phone: Phone | None = None
    email: Email | None = None
    decision_role: DecisionRole | None = None
    referred_by: Id | None = None

    @classmethod
    def needed(cls) -> frozenset[str]:
        return frozenset({"name"})


class ContactDeparture(Entry):
    left_on: Day


def _may_share(caller: Caller, kinds: list[Likeness]) -> tuple[Likeness, ...]:
    """Raises Forbidden where somebody without the right to import would let every likeness pass."""
    if kinds and not any_past(caller):
        raise import_right_needed("allow_alike")
    return tuple(kind for kind in Likeness if kind in kinds)


async def _entry(
    request: Request, caller: Caller, command: Command, body: Entry
) -> tuple[Repositories, Command, datetime]:
    """Whether the caller may enter this at all, for whom it is entered, and when it happened."""
    rights.may_keep(caller)
    known = repositories(request)
    imported(caller, body)
    at = when(body)
    await rights.may_speak_for(known, caller, body, at)
    return known, on_behalf(command, body), at


@router.post("/customers", status_code=201, summary="Register a customer")
async def register(request: Request, caller: CallerDep, command: CommandDep, body: NewCustomer) -> Response:
    """A new prospect. 409 `duplicate_customer` where there is one of the same name, telephone number or tax id.

    `candidates` are those that the caller may see, and `alike` says which value each has in common with the new one:
    open one of them, or declare yours a different one with `not_duplicate_of`. `elsewhere` says that there is one
    outside the caller's area.
    """
    known, command, at = await _entry(request, caller, command, body)
    owner = body.owner or body.on_behalf_of or caller.person
    if owner is None:
        raise Invalid("owner_needed", "Name the owner.", "请填写客户负责人。", field="owner")
    new = commands.NewCustomer(
        id=record_id(body, command, "customers"),
        name=body.name,
        kind=body.kind,
        owner=owner,
        phone=body.phone,
        tax_id=body.tax_id,
        addresses=tuple(place.address() for place in body.addresses),
        source=body.source,
        channel=body.channel,
        attributes=body.attributes,
        prospect_since=body.prospect_since,
        not_duplicate_of=tuple(dict.fromkeys(body.not_duplicate_of)),
        may_share=_may_share(caller, body.allow_alike),
        imported=imported(caller, body),
    )
    return answer(await commands.register(known, caller, command, new, at), 201, f"/api/v1/customers/{new.id}")


@router.patch("/customers/{customer_id}", summary="Change a customer file")
async def update(
    request: Request, caller: CallerDep, command: VersionedCommandDep, customer_id: RecordId, body: CustomerChange
) -> Response:
    """409 `duplicate_customer` as at registration."""
    known, command, at = await _entry(request, caller, command, body)
    changes = body.said()
    if (allowed := changes.pop("allow_alike", None)) is not None:
        changes["may_share"] = list(_may_share(caller, allowed))
    if body.addresses is not None:
        changes["addresses"] = [place.address() for place in body.addresses]
    return answer(await commands.update(known, caller, command, customer_id, changes, at))


@router.post("/customers/{customer_id}/qualification", summary="A prospect is worth the visits")
async def qualify(
    request: Request, caller: CallerDep, command: CommandDep, customer_id: RecordId, body: Entry
) -> Response:
    known, command, at = await _entry(request, caller, command, body)
    stored = await commands.step(
        known, caller, command, customer_id, at, lambda customer, day: model.qualify(customer, at, day)
    )
    return answer(stored)


@router.post("/customers/{customer_id}/activation", summary="Make a customer active by hand")
async def activate(
    request: Request, caller: CallerDep, command: CommandDep, customer_id: RecordId, body: Reasoned
) -> Response:
    """Credited to whoever holds it on the day. The first confirmed order does this by itself."""
    known, command, at = await _entry(request, caller, command, body)
    stored = await commands.step(
        known, caller, command, customer_id, at, lambda customer, day: model.activate(customer, at, day, body.reason)
    )
    return answer(stored)


@router.post("/customers/{customer_id}/dormancy", summary="A customer has stopped buying")
async def set_dormant(
    request: Request, caller: CallerDep, command: CommandDep, customer_id: RecordId, body: Reasoned
) -> Response:
    """An order that is confirmed later makes it active again."""
    known, command, at = await _entry(request, caller, command, body)
    stored = await commands.step(
        known, caller, command, customer_id, at, lambda customer, day: model.set_dormant(customer, at, day, body.reason)
    )
    return answer(stored)


@router.post("/customers/{customer_id}/loss", summary="A customer is lost")
async def lose(
    request: Request, caller: CallerDep, command: CommandDep, customer_id: RecordId, body: Reasoned
) -> Response:
    """An order that is confirmed later makes it active again."""
    known, command, at = await _entry(request, caller, command, body)
    stored = await commands.step(
        known, caller, command, customer_id, at, lambda customer, day: model.lose(customer, at, day, body.reason)
    )
    return answer(stored)


@router.post("/customers/{customer_id}/reactivation", summary="A dormant or lost customer is won back")
async def reactivate(
    request: Request, caller: CallerDep, command: CommandDep, customer_id: RecordId, body: Reactivation
) -> Response:
    """Active again, or a prospect again where it never bought anything."""
    known, command, at = await _entry(request, caller, command, body)
    stored = await commands.step(
        known, caller, command, customer_id, at, lambda customer, day: model.reactivate(customer, at, day, body.reason)
    )
    return answer(stored)


@router.post("/customers/{customer_id}/owner", summary="Give a customer to somebody else")
async def assign(
    request: Request, caller: CallerDep, command: CommandDep, customer_id: RecordId, body: Assignment
) -> Response:
    """From `valid_from`, today or later; past credit stays. For supervisors, of people within their scope."""
    rights.may_assign(caller)
    known, command, at = await _entry(request, caller, command, body)
    return answer(await commands.assign(known, caller, command, customer_id, body.owner, body.valid_from, at))


@router.post("/customers/{customer_id}/contacts", status_code=201, summary="Add a contact")
async def add_contact(
    request: Request, caller: CallerDep, command: CommandDep, customer_id: RecordId, body: NewContact
) -> Response:
    """Answers the customer with all its contacts."""
    known, command, at = await _entry(request, caller, command, body)
    contact = Contact(
        id=record_id(body, command, f"contacts of {customer_id}"),
        name=body.name,
        title=body.title,
        phone=body.phone,
        email=body.email,
        decision_role=body.decision_role,
        referred_by=body.referred_by,
    )
    stored = await commands.add_contact(known, caller, command, customer_id, at, contact)
    return answer(stored, 201, f"/api/v1/customers/{customer_id}")


@router.patch("/customers/{customer_id}/contacts/{contact_id}", summary="Change a contact")
async def change_contact(
    request: Request,
    caller: CallerDep,
    command: VersionedCommandDep,
    customer_id: RecordId,
    contact_id: RecordId,
    body: ContactChange,
) -> Response:
    known, command, at = await _entry(request, caller, command, body)
    return answer(await commands.change_contact(known, caller, command, customer_id, at, contact_id, body.said()))


@router.post("/customers/{customer_id}/contacts/{contact_id}/departure", summary="A contact leaves the customer")
async def contact_leaves(
    request: Request,
    caller: CallerDep,
    command: CommandDep,
    customer_id: RecordId,
    contact_id: RecordId,
    body: ContactDeparture,
) -> Response:
    known, command, at = await _entry(request, caller, command, body)
    stored = await commands.step(
        known,
        caller,
        command,
        customer_id,
        at,
        lambda customer, day: model.contact_leaves(customer, contact_id, body.left_on, at, day),
    )
    return answer(stored)


@router.get("/customers/{customer_id}", summary="One customer")
async def one(request: Request, caller: CallerDep, customer_id: RecordId) -> Response:
    return answer(await queries.one(repositories(request), caller, customer_id))


@router.get("/customers", summary="Customers")
async def page(
    request: Request,
    caller: CallerDep,
    paging: Annotated[Paging, sorted_by("name", "registered_at", "id")],
    owner: Filter = None,
    office: Filter = None,
    region: Filter = None,
    status: Annotated[CustomerStatus | None, Query()] = None,
    kind: Annotated[CustomerKind | None, Query()] = None,
    source: Filter = None,
    q: Annotated[str | None, Query(max_length=200, description="A part of the name.")] = None,
) -> Response:
    """Those that the caller may see."""
    given = {"owner": owner, "office": office, "region": region, "status": status, "kind": kind, "source": source}
    return answer_page(await queries.page(repositories(request), caller, given, q, paging))
