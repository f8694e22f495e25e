"""Events of the field work: plans, visits, calls, daily and market reports, forms, meetings, tasks, absences.

domain.md V-01 to V-20 and A3. Every record carries `owner` (whose work it is), `office` and `region` as they
were on its business date.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from contracts.envelope import Imported, Published
from contracts.money import Money
from contracts.steps import Reasoned, Step

TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""A time of day in the office's zone, such as 09:30."""

DueTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d(\+1)?$")]
"""A cut-off in the office's zone: 22:00 on the day itself, or 09:00+1 on the morning after."""


class Submission(Step):
    """A step for which a time is set. `at` is when it is said to have happened, `recorded_at` when it came here."""

    recorded_at: AwareDatetime | None = None
    """The server's time, UTC; None in what was written before both times were kept."""


class Owned(Published):
    """Whose work it is, where they worked on the business date, and that date by their office's calendar."""

    id: str
    owner: str
    office: str
    region: str
    business_date: date
    imported: Imported | None = None


# --- daily visit plan 每日访问计划表 (V-01, V-02) ---------------------------------------------------


class Purpose(StrEnum):
    """What a visit is for (L209)."""

    NEW_CUSTOMER = "new_customer"
    MARKET_RESEARCH = "market_research"
    COLLECTION = "collection"
    SERVICE = "service"
    COMPLAINT = "complaint"
    ORDER = "order"
    OTHER = "other"


class SalesStep(StrEnum):
    """The six-step sales process (L227): 计划, 客户开发, 约见面谈, 产品推介, 成交, 售后."""

    PLANNING = "planning"
    DEVELOPMENT = "development"
    APPOINTMENT = "appointment"
    PRESENTATION = "presentation"
    CLOSING = "closing"
    AFTER_SALES = "after_sales"


class Stop(Published):
    """One stop of a plan; the visit that comes of it has the same id."""

    id: str
    customer: str | None = None
    customer_name: str | None = None
    area: str | None = None
    """Where; needed where no customer is named."""
    starts: TimeOfDay
    ends: TimeOfDay
    purposes: list[Purpose]
    step: SalesStep | None = None
    note: str | None = None


class Signature(Step):
    """核签: signed by another person of the reporting line, or by a deputy."""

    instructions: str | None = None
    """批示."""
    deputy_for: str | None = None


class PlanStatus(StrEnum):
    """draft → submitted → signed / returned; signed → amended (a new draft revision) → submitted; closed."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    SIGNED = "signed"
    CLOSED = "closed"


class PlanRevision(Published):
    """What a revision said when it was signed."""

    revision: int
    stops: list[Stop]
    submission: Submission
    signature: Signature
    returns: int = 0
    """How often the form had been returned when this revision was signed."""


class VisitPlan(Owned):
    status: PlanStatus
    revision: int
    stops: list[Stop]
    note: str | None = None
    submission: Submission | None = None
    first_submitted_at: AwareDatetime | None = None
    """When it was handed in for the first time: by this it is on time or late, however often it is returned."""
    first_arrived_at: AwareDatetime | None = None
    """When that first submission came here; of an import, when it is said to have happened."""
    due_at: AwareDatetime | None = None
    """The office's cut-off, as it was in force at the first submission."""
    late: bool = False
    """Handed in after the office's cut-off, or said to be in time and come here more than its sync_grace later."""
    late_arrival: bool = False
    """Said to be in time, but it came here more than the office's sync_grace after the cut-off: it counts as late."""
    returned: Reasoned | None = None
    returns: int = 0
    signature: Signature | None = None
    """Of the present revision."""
    amendment_reason: str | None = None
    revisions: list[PlanRevision] = []
    """The signed revisions, oldest first, the present one with them once it is signed."""
    committed: list[str] | None = None
    """Stops of the last revision that was signed before the day began; None where none was (A4, plan adherence)."""
    in_force: list[Stop] | None = None
    """What the day goes by: the stops of the revision that was submitted or signed last; None before the first
    submission. A returned amendment gives way to the revision that was signed before it."""
    executed_unsigned: bool = False
    """The office's cut-off of the day passed before anybody had signed: flagged, never dropped (A3)."""


class PlanEvent(StrEnum):
    DRAFTED = "sales.visit_plan.drafted"
    SUBMITTED = "sales.visit_plan.submitted"
    RETURNED = "sales.visit_plan.returned"
    SIGNED = "sales.visit_plan.signed"
    AMENDED = "sales.visit_plan.amended"
    EXECUTED_UNSIGNED = "sales.visit_plan.executed_unsigned"
    CLOSED = "sales.visit_plan.closed"
    REGION_CHANGED = "sales.visit_plan.region_changed"
    RESTATED = "sales.visit_plan.restated"


# --- visits 访问 (V-03, V-06, V-07, V-17, V-19) -----------------------------------------------------


class Position(Published):
    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    accuracy_m: float | None = Field(default=None, ge=0, le=20_100_000, allow_inf_nan=False)
    """Metres; half the way around the earth at most."""


class Verdict(StrEnum):
    """Whether the position fits the customer's address; it never blocks unless the office's policy says so."""

    VERIFIED = "verified"
    INVALID = "invalid"
    UNVERIFIED = "unverified"


class Presence(Step):
    """A check-in or check-out."""

    position: Position | None = None
    verdict: Verdict = Verdict.UNVERIFIED
    distance_m: int | None = None
    declared: bool = False
    """Entered afterwards, not by the device at the time."""
    recorded_at: AwareDatetime | None = None
    """When it came here: the server's time."""
    proposed: bool = False
    """A check-out that nobody made by the end of the office's day: a proposal, always declared, never measured."""


class Outcome(StrEnum):
    """What came of a purpose."""

    ACHIEVED = "achieved"
    PROGRESS = "progress"
    NO_RESULT = "no_result"


class PurposeResult(Published):
    purpose: Purpose
    outcome: Outcome
    note: str | None = None
    amount: Money | None = None
    """Collected or ordered, as the salesperson says; declared, not verified."""


class NextStep(Published):
    text: str
    due: date | None = None


class CostType(StrEnum):
    TRANSPORT = "transport"
    MEAL = "meal"
    LODGING = "lodging"
    GIFT = "gift"
    SAMPLE = "sample"
    OTHER = "other"


class VisitCost(Published):
    id: str
    type: CostType
    amount: Money
    note: str | None = None


class VisitOrder(Published):
    """An order that is attributed to the visit, as the orders service says (交易率)."""

    order: str
    number: str
    confirmed_on: date | None = None
    cancelled_on: date | None = None


class ReportSignature(Published):
    """The daily report in which the visit stands was signed: only then it counts as effective or as a deal."""

    report: str
    revision: int
    at: AwareDatetime


class Evaluation(Step):
    """The supervisor's grade of a visit's result (V-07): 1 (poor) to 5 (very good)."""

    grade: int = Field(ge=1, le=5)
    note: str | None = None


class Excuse(StrEnum):
    """Why nobody is expected at a planned stop: approved leave, a holiday of the office, or the person has left."""

    LEAVE = "leave"
    HOLIDAY = "holiday"
    LEFT = "left"


class VisitStatus(StrEnum):
    """planned → checked_in → completed / not_met; planned → missed / cancelled / moved / withdrawn / excused."""

    PLANNED = "planned"
    CHECKED_IN = "checked_in"
    COMPLETED = "completed"
    NOT_MET = "not_met"
    MISSED = "missed"
    CANCELLED = "cancelled"
    MOVED = "moved"
    WITHDRAWN = "withdrawn"
    EXCUSED = "excused"


class Visit(Owned):
    status: VisitStatus
    planned: bool
    plan: str | None = None
    committed: bool = False
    """Its stop stands in the last revision of the plan that was signed before the day began."""
    customer: str | None = None
    customer_name: str | None = None
    area: str | None = None
    starts: TimeOfDay | None = None
    ends: TimeOfDay | None = None
    purposes: list[Purpose]
    step: SalesStep | None = None
    check_in: Presence | None = None
    check_out: Presence | None = None
    position_required: bool = False
    """What the office's policy said at the check-in: it counts as effective only if that was verified."""
    contact_met: str | None = None
    """Id of the customer's contact, where it is one of the file."""
    contact_name: str | None = None
    results: list[PurposeResult] = []
    next_step: NextStep | None = None
    costs: list[VisitCost] = []
    orders: list[VisitOrder] = []
    reason: str | None = None
    """Why it was cancelled, moved or missed, or why nobody was met."""
    moved_to: date | None = None
    excused: Excuse | None = None
    """Why it is excused; None unless it is."""
    report: str | None = None
    """The daily report in which it stands."""
    signed: ReportSignature | None = None
    corrected_after: int = 0
    """The signed revision of the report after which it was corrected: only a later one counts as its signature."""
    evaluation: Evaluation | None = None


class VisitEvent(StrEnum):
    PLANNED = "sales.visit.planned"
    REPLANNED = "sales.visit.replanned"
    CHECKED_IN = "sales.visit.checked_in"
    COMPLETED = "sales.visit.completed"
    NOT_MET = "sales.visit.not_met"
    CORRECTED = "sales.visit.corrected"
    MISSED = "sales.visit.missed"
    CANCELLED = "sales.visit.cancelled"
    MOVED = "sales.visit.moved"
    WITHDRAWN = "sales.visit.withdrawn"
    EXCUSED = "sales.visit.excused"
    DUE_AGAIN = "sales.visit.due_again"
    CHECK_OUT_PROPOSED = "sales.visit.check_out_proposed"
    COST_RECORDED = "sales.visit.cost_recorded"
    ORDER_ATTRIBUTED = "sales.visit.order_attributed"
    REPORTED = "sales.visit.reported"
    SIGNED = "sales.visit.signed"
    EVALUATED = "sales.visit.evaluated"
    REGION_CHANGED = "sales.visit.region_changed"
    RESTATED = "sales.visit.restated"


# --- phone calls 电话 (V-14) ------------------------------------------------------------------------


class Direction(StrEnum):
    OUTGOING = "outgoing"
    INCOMING = "incoming"


class Call(Owned):
    direction: Direction
    customer: str | None = None
    customer_name: str | None = None
    contact_name: str | None = None
    started_at: AwareDatetime
    seconds: int = Field(ge=0)
    result: str | None = None
    external_id: str | None = None
    """The telephone system's own id; one call is logged once."""


class CallEvent(StrEnum):
    LOGGED = "sales.call.logged"
    CORRECTED = "sales.call.corrected"
    RESTATED = "sales.call.restated"


# --- daily report 每日销售报告表 (V-04, V-05) --------------------------------------------------------


class Presentness(StrEnum):
    """出勤."""

    PRESENT = "present"
    LEAVE = "leave"
    TRIP = "trip"
    ABSENT = "absent"


class Attendance(Published):
    kind: Presentness
    began: TimeOfDay | None = None
    ended: TimeOfDay | None = None
    note: str | None = None
    gap: str | None = None
    """What does not fit between attendance and visits, as the system sees it."""


class TalkLine(Published):
    """洽谈结果 of one visit."""

    visit: str
    customer: str | None = None
    customer_name: str | None = None
    status: VisitStatus
    planned: bool
    contact_name: str | None = None
    results: list[PurposeResult] = []
    next_step: NextStep | None = None
    comment: str | None = None
    check_out_proposed: bool = False
    """Nobody made the check-out by the end of the day, so its time is a proposal."""


class Severity(StrEnum):
    INFORMATION = "information"
    AFFECTS_SALES = "affects_sales"
    SERIOUS = "serious"


class ComplaintLine(Published):
    """客诉处理: published as a field complaint with the line's id; number and fate come from the complaints service."""

    id: str
    customer: str
    customer_name: str | None = None
    visit: str | None = None
    severity: Severity
    text: str
    number: str | None = None
    fate: str | None = None
    answer_version: int = 0
    """Version of the complaint that said number and fate."""


class Ratio(Published):
    """实绩与比率 in one currency; `ratio` in basis points (10000 = 100 %), None without a target."""

    currency: str
    actual: int
    target: int | None = None
    ratio: int | None = None


class OrdersAndCollections(Published):
    """货款回收或订货目标达成的实绩与比率."""

    orders_confirmed: int = 0
    orders: list[Ratio] = []
    collections: list[Ratio] = []
    collections_declared: bool = True
    """Typed by the salesperson, until the collections ledger exists."""


class MarketLine(Published):
    """竞争者市场信息."""

    competitor: str
    text: str
    visit: str | None = None


class CustomerLine(Published):
    """客户反映意见 or 客户最新动态."""

    customer: str | None = None
    customer_name: str | None = None
    text: str


class Section(StrEnum):
    """The nine sections (L211)."""

    ATTENDANCE = "attendance"
    TALKS = "talks"
    COMPLAINTS = "complaints"
    ORDERS_AND_COLLECTIONS = "orders_and_collections"
    MARKET = "market"
    OPINIONS = "opinions"
    NEWS = "news"
    REFLECTIONS = "reflections"
    OTHER = "other"


class Sections(Published):
    attendance: Attendance | None = None
    talks: list[TalkLine] = []
    complaints: list[ComplaintLine] = []
    orders_and_collections: OrdersAndCollections | None = None
    market: list[MarketLine] = []
    opinions: list[CustomerLine] = []
    news: list[CustomerLine] = []
    reflections: str | None = None
    other: str | None = None
    none: list[Section] = []
    """Sections that the salesperson has explicitly left empty."""


class Action(Published):
    id: str
    text: str
    assignee: str
    due: date | None = None
    task: str | None = None
    """The task that it became; the task's `source_id` is the action's id."""
    assigned: Step | None = None
    """When, and by whom."""


class ReportStatus(StrEnum):
    """draft → submitted → returned / signed; signed → correcting (a new revision) → submitted."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    SIGNED = "signed"
    CORRECTING = "correcting"


class ReportRevision(Published):
    """A signed revision, readable for ever."""

    revision: int
    sections: Sections
    submission: Submission
    signature: Signature
    hash: str
    """SHA-256 of the sections in canonical JSON."""
    returns: int = 0
    """How often the report had been returned when this revision was signed."""


class DailyReport(Owned):
    status: ReportStatus
    revision: int
    sections: Sections
    submission: Submission | None = None
    first_submitted_at: AwareDatetime | None = None
    """When it was handed in for the first time: by this it is on time or late, however often it is returned."""
    first_arrived_at: AwareDatetime | None = None
    """When that first submission came here; of an import, when it is said to have happened."""
    late: bool = False
    """Handed in after the office's cut-off, or said to be in time and come here more than its sync_grace later."""
    late_arrival: bool = False
    """Said to be in time, but it came here more than the office's sync_grace after the cut-off: it counts as late."""
    due_at: AwareDatetime | None = None
    returned: Reasoned | None = None
    returns: int = 0
    signature: Signature | None = None
    correction_reason: str | None = None
    completeness: int = 0
    """Share of the nine sections that are filled or explicitly none, in percent."""
    tasks: list[str] = []
    """Tasks that its instructions became."""
    assignments: list[Action] = []
    """What those instructions ask of whom, one for each signature that names a task."""
    revisions: list[ReportRevision] = []


class ReportEvent(StrEnum):
    DRAFTED = "sales.daily_report.drafted"
    SUBMITTED = "sales.daily_report.submitted"
    RETURNED = "sales.daily_report.returned"
    SIGNED = "sales.daily_report.signed"
    CORRECTION_BEGUN = "sales.daily_report.correction_begun"
    CORRECTED = "sales.daily_report.corrected"
    COMPLAINT_ANSWERED = "sales.daily_report.complaint_answered"
    REGION_CHANGED = "sales.daily_report.region_changed"
    RESTATED = "sales.daily_report.restated"


class FieldComplaint(Owned):
    """A complaint that was raised in a daily report (V-10): once for each line, with the line's id."""

    report: str
    visit: str | None = None
    customer: str
    customer_name: str | None = None
    severity: Severity
    text: str
    raised_at: AwareDatetime
    withdrawn: bool = False
    """A correction of the report has taken the line out."""
    report_version: int = 0
    """Version of the report whose words these are."""


class FieldComplaintEvent(StrEnum):
    RAISED = "sales.field_complaint.raised"
    CHANGED = "sales.field_complaint.changed"
    WITHDRAWN = "sales.field_complaint.withdrawn"
    RESTATED = "sales.field_complaint.restated"


# --- market situation report 市场状况反映表 (V-09) ---------------------------------------------------


class MarketReportKind(StrEnum):
    PRODUCT_OPINION = "product_opinion"
    COMPETITOR = "competitor"
    DEALER_COMPLAINT = "dealer_complaint"
    PERSONNEL_CHANGE = "personnel_change"


class MarketReportStatus(StrEnum):
    SUBMITTED = "submitted"
    ACKNOWLEDGED = "acknowledged"
    ACTION_ASSIGNED = "action_assigned"
    CLOSED = "closed"


class Escalation(Published):
    """The acknowledge timer of a level ran out; the next level is told, once."""

    level: int
    to: str
    at: AwareDatetime
    missed_by: str | None = None
    """Whose time ran out."""


class MarketReport(Owned):
    status: MarketReportStatus
    kind: MarketReportKind
    severity: Severity
    text: str
    sales_impact: str | None = None
    visit: str | None = None
    customer: str | None = None
    customer_name: str | None = None
    submission: Submission
    level: int = 0
    """How many levels it has been escalated."""
    recipient: str | None = None
    """Who has to acknowledge it now."""
    acknowledge_by: AwareDatetime
    escalations: list[Escalation] = []
    acknowledgement: Submission | None = None
    actions: list[Action] = []
    closure: Reasoned | None = None


class MarketReportEvent(StrEnum):
    SUBMITTED = "sales.market_report.submitted"
    ESCALATED = "sales.market_report.escalated"
    ACKNOWLEDGED = "sales.market_report.acknowledged"
    ACTION_ASSIGNED = "sales.market_report.action_assigned"
    CLOSED = "sales.market_report.closed"
    REGION_CHANGED = "sales.market_report.region_changed"
    RESTATED = "sales.market_report.restated"


# --- forms discipline 报表上交 (V-18) ---------------------------------------------------------------


class Form(StrEnum):
    PLAN = "plan"
    REPORT = "report"


class FormStatus(StrEnum):
    """due → on_time / missing; missing → late; excused by leave."""

    DUE = "due"
    ON_TIME = "on_time"
    LATE = "late"
    MISSING = "missing"
    EXCUSED = "excused"


class FormDuty(Owned):
    """One form that a person owes for one day: due by the office's calendar less approved leave."""

    form: Form
    status: FormStatus
    due_at: AwareDatetime
    arrive_by: AwareDatetime | None = None
    """`due_at` and the office's sync_grace: what is said to be in time must have come here by then."""
    submitted_at: AwareDatetime | None = None
    """When it is said to have been handed in for the first time."""
    arrived_at: AwareDatetime | None = None
    """When that came here; of an import, when it is said to have happened."""
    late_arrival: bool = False
    """Said to be in time, but it came here after `arrive_by`: it counts as late."""
    returned: int = 0
    """How often it was returned."""
    signed_at: AwareDatetime | None = None
    first_pass: bool | None = None
    """Signed without having been returned; None until it is signed."""
    completeness: int | None = None
    """In percent, of what was handed in."""
    form_version: int = 0
    """Version of the plan or report from which all this is known; 0 while there is none."""


class FormDutyEvent(StrEnum):
    DUE = "sales.form_duty.due"
    SUBMITTED = "sales.form_duty.submitted"
    MISSING = "sales.form_duty.missing"
    RETURNED = "sales.form_duty.returned"
    SIGNED = "sales.form_duty.signed"
    EXCUSED = "sales.form_duty.excused"
    DUE_AGAIN = "sales.form_duty.due_again"
    REGION_CHANGED = "sales.form_duty.region_changed"
    RESTATED = "sales.form_duty.restated"


# --- meetings, coaching, tasks, absences (V-08, V-12, V-13, V-15, V-20) -----------------------------


class MeetingKind(StrEnum):
    """早会, 晚会, 周会, 面谈, 指导."""

    MORNING = "morning"
    EVENING = "evening"
    WEEKLY = "weekly"
    INTERVIEW = "interview"
    COACHING = "coaching"


class MeetingStatus(StrEnum):
    PLANNED = "planned"
    HELD = "held"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Participant(Published):
    person: str
    attended: bool | None = None


class Meeting(Owned):
    """`owner` holds it."""

    kind: MeetingKind
    status: MeetingStatus
    participants: list[Participant]
    trigger: str | None = None
    """Why somebody is interviewed or coached."""
    findings: str | None = None
    decisions: list[str] = []
    actions: list[Action] = []
    holding: Step | None = None
    closure: Step | None = None
    """The minutes are complete; a coaching was reviewed."""
    review: str | None = None
    """What came of a coaching."""
    cancellation: Reasoned | None = None


class MeetingEvent(StrEnum):
    PLANNED = "sales.meeting.planned"
    HELD = "sales.meeting.held"
    CLOSED = "sales.meeting.closed"
    CANCELLED = "sales.meeting.cancelled"
    REGION_CHANGED = "sales.meeting.region_changed"
    RESTATED = "sales.meeting.restated"


class TaskSource(StrEnum):
    AD_HOC = "ad_hoc"
    REPORT = "report"
    MEETING = "meeting"
    MARKET_REPORT = "market_report"


class TaskStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class Task(Owned):
    """`owner` has to do it."""

    status: TaskStatus
    text: str
    assigned_by: str
    assigned_at: AwareDatetime | None = None
    due: date | None = None
    source: TaskSource = TaskSource.AD_HOC
    source_id: str | None = None
    completion: Step | None = None
    result: str | None = None
    cancellation: Reasoned | None = None


class TaskEvent(StrEnum):
    ASSIGNED = "sales.task.assigned"
    DONE = "sales.task.done"
    CANCELLED = "sales.task.cancelled"
    REGION_CHANGED = "sales.task.region_changed"
    RESTATED = "sales.task.restated"


class AbsenceKind(StrEnum):
    LEAVE = "leave"
    TRIP = "trip"


class AbsenceStatus(StrEnum):
    APPLIED = "applied"
    APPROVED = "approved"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Absence(Owned):
    """Leave 请假 or a trip 出差; `business_date` is its first day."""

    kind: AbsenceKind
    status: AbsenceStatus
    last_day: date
    """Inclusive."""
    reason: str
    place: str | None = None
    deputy: str | None = None
    """Who signs in their place meanwhile."""
    application: Step | None = None
    decision: Reasoned | None = None
    cancellation: Step | None = None
    returned_on: date | None = None
    """Back from a trip."""
    long_away_alerted: date | None = None
    """The day on which somebody was told that the trip has become long (L77)."""


class AbsenceEvent(StrEnum):
    APPLIED = "sales.absence.applied"
    APPROVED = "sales.absence.approved"
    REFUSED = "sales.absence.refused"
    CANCELLED = "sales.absence.cancelled"
    RETURNED = "sales.absence.returned"
    LONG_AWAY = "sales.absence.long_away"
    REGION_CHANGED = "sales.absence.region_changed"
    RESTATED = "sales.absence.restated"


class VisitPolicy(Published):
    """An office's rules of field work; its id is the office's. Times are of the office's zone."""

    id: str
    owner: str
    """The office's id again: a policy belongs to an office, not to a person."""
    office: str
    region: str
    forms_from: date | None = None
    """The first day for which forms are due; None: none yet."""
    plan_due: TimeOfDay = "09:00"
    """On the day itself."""
    report_due: DueTime = "22:00"
    """On the day itself, or with +1 on the day after."""
    sync_grace: int = Field(default=120, ge=0, le=2_880)
    """Minutes after a cut-off within which what is said to be in time must have come here."""
    position_required: bool = False
    """A visit counts as effective only with a verified position."""
    radius_m: int = Field(default=500, ge=10, le=100_000)
    long_away_days: int = Field(default=7, ge=1, le=365)
    acknowledge_hours: int = Field(default=4, ge=1, le=240)
    """For a market situation report, before it goes to the next level."""


class VisitPolicyEvent(StrEnum):
    SET = "sales.visit_policy.set"
    RESTATED = "sales.visit_policy.restated"
