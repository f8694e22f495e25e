"""Events of the customer file 客户档案 (domain.md C-01, C-02, C-04, C-07)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import AwareDatetime

from contracts.envelope import Imported, Published
from contracts.staff import Dated, in_force


class CustomerKind(StrEnum):
    ENTERPRISE = "enterprise"
    OUTLET = "outlet"
    DEALER = "dealer"
    PERSON = "person"


class CustomerStatus(StrEnum):
    """Life cycle: prospect → qualified → active → dormant → lost (domain.md A3)."""

    PROSPECT = "prospect"
    QUALIFIED = "qualified"
    ACTIVE = "active"
    DORMANT = "dormant"
    LOST = "lost"


class DecisionRole(StrEnum):
    """What a contact decides (L241)."""

    GATEKEEPER = "gatekeeper"
    USER = "user"
    BUYER = "buyer"
    DECISION_MAKER = "decision_maker"


class Likeness(StrEnum):
    """By what two customers may be taken for the same one."""

    NAME = "name"
    PHONE = "phone"
    TAX_ID = "tax_id"


class Contact(Published):
    id: str
    name: str
    title: str | None = None
    phone: str | None = None
    email: str | None = None
    decision_role: DecisionRole | None = None
    referred_by: str | None = None
    """Another contact of the same customer who gave the introduction."""
    left_on: date | None = None


class Address(Published):
    text: str
    """Empty where only the city or the coordinates are known."""
    city: str | None = None
    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Ownership(Dated):
    """Who holds the customer from a business date on. Past entries never change."""

    owner: str
    office: str
    region: str


class Activation(Published):
    """What made a prospect an active customer: the first confirmed order, or a decision by hand (C-02).

    Of several orders it is the one with the smallest (business_date, order), so that the order in which
    their events arrive does not matter.
    """

    order: str | None = None
    """None where it was made active by hand."""
    business_date: date
    developed_by: str
    """Who held the customer on that date and is credited."""
    office: str
    region: str


class Customer(Published):
    id: str
    name: str
    kind: CustomerKind = CustomerKind.ENTERPRISE
    status: CustomerStatus
    owner: str
    """Current owner, office and region, repeated from `ownership` for filters."""
    office: str
    region: str
    ownership: list[Ownership]
    phone: str | None = None
    """As it was typed."""
    phone_numbers: list[str] = []
    """The numbers in `phone` as RFC 3966 writes them, without `tel:`: +862155551234, +862155551234;ext=801, or
    95588;phone-context=+86 for one that is dialled inside its country or town only."""
    tax_id: str | None = None
    addresses: list[Address] = []
    contacts: list[Contact] = []
    source: str | None = None
    """Coded lead source, such as exhibition (C-03)."""
    channel: str | None = None
    attributes: dict[str, str] = {}
    """Further facts that the company keeps about its customers, by name."""
    prospect_since: date
    activation: Activation | None = None
    status_reason: str | None = None
    """Why it became lost, dormant or active by hand."""
    idle_since: AwareDatetime | None = None
    """When it became dormant or lost, while it is; an order that is confirmed later makes it active again."""
    not_duplicate_of: list[str] = []
    """Other customers of the same name, telephone number or tax id that somebody has declared to be different."""
    may_share: list[Likeness] = []
    """Kinds of which it may share the value with others, such as the switchboard of several branches; by an import."""
    registered_at: AwareDatetime
    imported: Imported | None = None

    def held_on(self, day: date) -> Ownership:
        """Who held it on that day; before the first entry, the first holder."""
        return in_force(self.ownership, day) or self.ownership[0]


class CustomerEvent(StrEnum):
    REGISTERED = "sales.customer.registered"
    UPDATED = "sales.customer.updated"
    QUALIFIED = "sales.customer.qualified"
    ACTIVATED = "sales.customer.activated"
    ACTIVATION_CORRECTED = "sales.customer.activation_corrected"
    REACTIVATED = "sales.customer.reactivated"
    DORMANT = "sales.customer.dormant"
    LOST = "sales.customer.lost"
    OWNER_CHANGED = "sales.customer.owner_changed"
    REGION_CHANGED = "sales.customer.region_changed"
    CONTACT_ADDED = "sales.customer.contact_added"
    CONTACT_CHANGED = "sales.customer.contact_changed"
    CONTACT_DEPARTED = "sales.customer.contact_departed"
    RESTATED = "sales.customer.restated"
