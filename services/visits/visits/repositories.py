"""Everything that this service keeps, and its indexes."""

from __future__ import annotations

from typing import Any

from chassis.aggregate import Repository
from chassis.mongo import Database
from contracts.topics import (
    ABSENCES,
    CALLS,
    DAILY_REPORTS,
    FIELD_COMPLAINTS,
    FORM_DUTIES,
    MARKET_REPORTS,
    MEETINGS,
    TASKS,
    VISIT_PLANS,
    VISIT_POLICIES,
    VISITS,
)
from contracts.visits import (
    Absence,
    Call,
    DailyReport,
    FieldComplaint,
    FormDuty,
    MarketReport,
    Meeting,
    Task,
    Visit,
    VisitPlan,
    VisitPolicy,
)
from visits.known import Known
from visits.line import Line

LISTED_BY = ("owner", "office", "region")


class Repositories:
    """The aggregates of field work, and the copies of what the others own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.plans = Repository(database, "plans", VISIT_PLANS, VisitPlan)
        self.visits = Repository(database, "visits", VISITS, Visit)
        self.calls = Repository(database, "calls", CALLS, Call)
        self.reports = Repository(database, "daily_reports", DAILY_REPORTS, DailyReport)
        self.complaints = Repository(database, "field_complaints", FIELD_COMPLAINTS, FieldComplaint)
        self.duties = Repository(database, "form_duties", FORM_DUTIES, FormDuty)
        self.market_reports = Repository(database, "market_reports", MARKET_REPORTS, MarketReport)
        self.meetings = Repository(database, "meetings", MEETINGS, Meeting)
        self.tasks = Repository(database, "tasks", TASKS, Task)
        self.absences = Repository(database, "absences", ABSENCES, Absence)
        self.policies = Repository(database, "policies", VISIT_POLICIES, VisitPolicy)
        self.known = Known(database)
        self.line = Line(self.known, self.absences)

    @property
    def all(self) -> tuple[Repository[Any], ...]:
        """In the order in which they need each other."""
        return (
            self.policies,
            self.absences,
            self.plans,
            self.visits,
            self.calls,
            self.reports,
            self.complaints,
            self.duties,
            self.market_reports,
            self.meetings,
            self.tasks,
        )

    async def prepare(self) -> None:
        """Make the indexes; harmless to repeat."""
        by_day = [{"keys": [(field, 1), ("business_date", 1), ("_id", 1)]} for field in LISTED_BY]
        # One plan and one report for each person and day.
        one_a_day = {"keys": [("owner", 1), ("business_date", 1)], "unique": True}
        await self.policies.prepare()
        await self.absences.prepare(*by_day)
        waiting = {"keys": [("status", 1), ("submission.at", 1), ("_id", 1)]}
        await self.plans.prepare(one_a_day, *by_day[1:], {"keys": [("stops.id", 1)]}, waiting)
        await self.visits.prepare(*by_day, {"keys": [("customer", 1), ("business_date", 1)]}, {"keys": [("plan", 1)]})
        await self.calls.prepare(*by_day)
        await self.reports.prepare(one_a_day, *by_day[1:], waiting)
        confirmed = [("confirmation.credit.person", 1), ("confirmation.business_date", 1)]
        await self.known.orders.collection.create_index(confirmed)
        await self.complaints.prepare({"keys": [("report", 1)]})
        await self.duties.prepare(*by_day, {"keys": [("status", 1), ("due_at", 1)]})
        await self.market_reports.prepare(*by_day, {"keys": [("status", 1), ("acknowledge_by", 1)]})
        await self.meetings.prepare(*by_day)
        await self.tasks.prepare(*by_day, {"keys": [("status", 1), ("owner", 1)]})
