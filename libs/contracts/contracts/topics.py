"""Every topic as code: name, key, partitions, retention, owner, and the types it carries.

Topics are never auto-created; `salesbeat up` and deploy/kafka make them from this page.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from contracts.complaints import Complaint, ComplaintEvent
from contracts.customers import Customer, CustomerEvent
from contracts.envelope import Published
from contracts.orders import Order, OrderEvent, Product, ProductEvent
from contracts.reporting import Target, TargetEvent
from contracts.staff import Office, OfficeEvent, Person, PersonEvent, Region, RegionEvent
from contracts.visits import (
    Absence,
    AbsenceEvent,
    Call,
    CallEvent,
    DailyReport,
    FieldComplaint,
    FieldComplaintEvent,
    FormDuty,
    FormDutyEvent,
    MarketReport,
    MarketReportEvent,
    Meeting,
    MeetingEvent,
    PlanEvent,
    ReportEvent,
    Task,
    TaskEvent,
    Visit,
    VisitEvent,
    VisitPlan,
    VisitPolicy,
    VisitPolicyEvent,
)

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
VISIT_PLANS = Topic("sales.visit_plan.v1", "visits", VisitPlan, PlanEvent, partitions=6)
VISITS = Topic("sales.visit.v1", "visits", Visit, VisitEvent, partitions=6)
CALLS = Topic("sales.call.v1", "visits", Call, CallEvent, partitions=6)
DAILY_REPORTS = Topic("sales.daily_report.v1", "visits", DailyReport, ReportEvent, partitions=6)
FORM_DUTIES = Topic("sales.form_duty.v1", "visits", FormDuty, FormDutyEvent, partitions=6)
# Some a day for each office: two replicas share them.
FIELD_COMPLAINTS = Topic("sales.field_complaint.v1", "visits", FieldComplaint, FieldComplaintEvent, partitions=2)
MARKET_REPORTS = Topic("sales.market_report.v1", "visits", MarketReport, MarketReportEvent, partitions=2)
MEETINGS = Topic("sales.meeting.v1", "visits", Meeting, MeetingEvent, partitions=2)
TASKS = Topic("sales.task.v1", "visits", Task, TaskEvent, partitions=2)
ABSENCES = Topic("sales.absence.v1", "visits", Absence, AbsenceEvent, partitions=2)
VISIT_POLICIES = Topic("sales.visit_policy.v1", "visits", VisitPolicy, VisitPolicyEvent, partitions=1)
# Its service is still to come; visits listens to it already.
COMPLAINTS = Topic("sales.complaint.v1", "complaints", Complaint, ComplaintEvent, partitions=2)

OF_VISITS = (
    VISIT_PLANS,
    VISITS,
    CALLS,
    DAILY_REPORTS,
    FORM_DUTIES,
    FIELD_COMPLAINTS,
    MARKET_REPORTS,
    MEETINGS,
    TASKS,
    ABSENCES,
    VISIT_POLICIES,
)

TOPICS = (REGIONS, OFFICES, PEOPLE, CUSTOMERS, PRODUCTS, ORDERS, TARGETS, *OF_VISITS, COMPLAINTS)

SERVICES = ("customers", "orders", "visits", "reporting")


def dead_letters(group: str) -> str:
    """The topic for records that a consumer group can never handle."""
    return f"{group}.dlq.v1"


DEAD_LETTERS = tuple(dead_letters(service) for service in SERVICES)
