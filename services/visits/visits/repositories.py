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
from visits.absence.model import claims as absence_claims
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
        self.absences = Repository(database, "absences", ABSENCES, Absence, keys=absence_claims)
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
        """Make the indexes; harmless to repeat. tests/visits/test_visits_indexes.py holds the queries to them."""
        by_day = [{"keys": [(field, 1), ("business_date", 1), ("_id", 1)]} for field in LISTED_BY]
        in_order = {"keys": [("business_date", 1), ("_id", 1)]}
        moves = {"keys": [("office", 1), ("region", 1), ("business_date", 1)]}
        # One plan and one report for each person and day.
        one_a_day = {"keys": [("owner", 1), ("business_date", 1)], "unique": True}
        waiting = {"keys": [("status", 1), ("submission.at", 1), ("_id", 1)]}
        returned = {"keys": [("owner", 1), ("status", 1), ("returned.at", 1), ("_id", 1)]}
        await self.policies.prepare()
        await self.absences.prepare(
            *by_day,
            in_order,
            moves,
            {"keys": [("keys.days", 1)], "unique": True, "partialFilterExpression": {"keys.days": {"$exists": True}}},
            {"keys": [("deputy", 1), ("status", 1), ("last_day", 1)]},
            {"keys": [("status", 1), ("business_date", 1), ("_id", 1)]},
            {"keys": [("office", 1), ("kind", 1), ("status", 1), ("returned_on", 1), ("long_away_alerted", 1)]},
            {"keys": [("returned_on", 1), ("long_away_alerted", 1)]},
        )
        # A stop's id is the id of its visit, so no two plans have it; two plans without stops share none.
        stop_ids = {
            "keys": [("stops.id", 1)],
            "unique": True,
            "partialFilterExpression": {"stops.id": {"$exists": True}},
        }
        await self.plans.prepare(
            one_a_day,
            *by_day[1:],
            in_order,
            moves,
            stop_ids,
            {"keys": [("in_force.id", 1)]},
            waiting,
            returned,
            {"keys": [("office", 1), ("status", 1), ("business_date", 1)]},
        )
        await self.visits.prepare(
            *by_day,
            in_order,
            moves,
            {"keys": [("customer", 1), ("business_date", 1)]},
            {"keys": [("plan", 1)]},
            {"keys": [("orders.order", 1)]},
            {"keys": [("report", 1)]},
            {"keys": [("office", 1), ("status", 1), ("business_date", 1)]},
        )
        await self.calls.prepare(*by_day, in_order)
        # A line's id is the id of its complaint, so no two reports have it.
        line_ids = {
            "keys": [("sections.complaints.id", 1)],
            "unique": True,
            "partialFilterExpression": {"sections.complaints.id": {"$exists": True}},
        }
        await self.reports.prepare(one_a_day, *by_day[1:], in_order, moves, waiting, returned, line_ids)
        await self.complaints.prepare({"keys": [("report", 1)]})
        await self.duties.prepare(
            *by_day,
            in_order,
            moves,
            {"keys": [("status", 1), ("due_at", 1)]},
            {"keys": [("owner", 1), ("status", 1), ("business_date", -1), ("_id", 1)]},
        )
        await self.market_reports.prepare(
            *by_day,
            in_order,
            moves,
            {"keys": [("status", 1), ("acknowledge_by", 1), ("look_again_at", 1), ("_id", 1)]},
            {"keys": [("recipient", 1), ("status", 1), ("acknowledge_by", 1), ("_id", 1)]},
        )
        await self.meetings.prepare(*by_day, in_order, moves, {"keys": [("participants.person", 1)]})
        await self.tasks.prepare(
            *by_day, in_order, moves, {"keys": [("owner", 1), ("status", 1), ("due", 1), ("_id", 1)]}
        )
        await self._prepare_copies()
        await self._prepare_batches()

    async def _prepare_copies(self) -> None:
        known = self.known
        for copies, keys in (
            (known.orders, [("confirmation.credit.person", 1), ("confirmation.business_date", 1)]),
            (known.orders, [("visit", 1)]),
            (known.orders, [("owner", 1), ("business_date", 1), ("customer", 1)]),
            (known.people, [("postings.office", 1)]),
            (known.people, [("postings.role", 1)]),
            (known.people, [("postings.manager", 1)]),
            (known.targets, [("person", 1), ("month", 1)]),
        ):
            await copies.collection.create_index(keys)

    async def _prepare_batches(self) -> None:
        """Most commands are done, so the indexes of the held ones hold these only."""
        commands, held = self.database["batch_commands"], {"verdict": "held"}
        for name, keys, only in (
            ("held_in_order", [("whose", 1), ("occurred_at", 1), ("_id", 1)], held),
            ("held_since", [("whose", 1), ("since", 1)], held),
            ("held_of_visit", [("whose", 1), ("visit", 1)], held),
            ("waiting_for_visit", [("visit", 1)], held),
            ("held_and_ready", [("whose", 1), ("ready", 1), ("occurred_at", 1)], {**held, "ready": True}),
        ):
            await commands.create_index(keys, partialFilterExpression=only, name=name)
        await commands.create_index([("forget_at", 1)], expireAfterSeconds=0, name="forgotten")
