"""Every topic as code: name, key, partitions, retention, owner, and the types it carries.

Topics are never auto-created; `salesbeat up` and deploy/kafka make them from this page.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from contracts.customers import Customer, CustomerEvent
from contracts.envelope import Published
from contracts.orders import Order, OrderEvent, Product, ProductEvent
from contracts.reporting import Target, TargetEvent
from contracts.staff import Office, OfficeEvent, Person, PersonEvent, Region, RegionEvent

FOREVER = -1


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic per aggregate type; its key is the aggregate's id, so order per aggregate holds."""

    name: str
    owner: str
    """The only service that writes it."""
    state: type[Published]
    """What every event of the topic carries as `data`."""
    types: type[StrEnum]
    partitions: int
    retention_ms: int = FOREVER
    """The log is the source for rebuilds and for other company systems."""

    @property
    def source(self) -> str:
        return f"/{self.owner}"

    @property
    def dataschema(self) -> str:
        """Names the schema of the topic's events; the major version is the topic's."""
        return f"urn:salesbeat:{self.name}"


# Few writers: one partition keeps the organisation's history in one order.
REGIONS = Topic("sales.region.v1", "customers", Region, RegionEvent, partitions=1)
OFFICES = Topic("sales.office.v1", "customers", Office, OfficeEvent, partitions=1)
PEOPLE = Topic("sales.person.v1", "customers", Person, PersonEvent, partitions=1)
PRODUCTS = Topic("sales.product.v1", "orders", Product, ProductEvent, partitions=1)
TARGETS = Topic("sales.target.v1", "reporting", Target, TargetEvent, partitions=1)
# Six divide evenly among 1, 2, 3 or 6 replicas of a worker.
CUSTOMERS = Topic("sales.customer.v1", "customers", Customer, CustomerEvent, partitions=6)
ORDERS = Topic("sales.order.v1", "orders", Order, OrderEvent, partitions=6)

TOPICS = (REGIONS, OFFICES, PEOPLE, CUSTOMERS, PRODUCTS, ORDERS, TARGETS)

SERVICES = ("customers", "orders", "reporting")


def parked(group: str) -> str:
    """The topic for records that a consumer group can never handle."""
    return f"{group}.parked.v1"


PARKED = tuple(parked(service) for service in SERVICES)
