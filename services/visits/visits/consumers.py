"""The bus door: copies of what the others own, then what field work does because of an event, its own ones too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from chassis.received import Received
from contracts.topics import (
    ABSENCES,
    COMPLAINTS,
    CUSTOMERS,
    DAILY_REPORTS,
    MARKET_REPORTS,
    MEETINGS,
    OFFICES,
    ORDERS,
    PEOPLE,
    TARGETS,
    VISIT_PLANS,
    VISIT_POLICIES,
    VISITS,
)
from visits import office_moves
from visits.batch import commands as batches
from visits.complaint_line import commands as complaint_lines
from visits.daily_report import commands as daily_reports
from visits.form_duty import commands as form_duties
from visits.market_report import commands as market_reports
from visits.meeting import commands as meetings
from visits.plan import commands as plans
from visits.repositories import Repositories
from visits.visit import excused_stops
from visits.visit import reactions as visits

Reaction = Callable[[Repositories, Sequence[Received]], Awaitable[None]]

REACTIONS: Mapping[str, tuple[Reaction, ...]] = {
    MARKET_REPORTS.name: (market_reports.react,),
    MEETINGS.name: (meetings.react,),
    VISIT_PLANS.name: (form_duties.plans_said, visits.follow_plans),
    DAILY_REPORTS.name: (
        form_duties.reports_said,
        complaint_lines.reports_said,
        daily_reports.follow_reports,
        plans.close_reported,
        visits.follow_reports,
    ),
    ORDERS.name: (visits.attribute_orders,),
    VISITS.name: (visits.attribute_to_visits, batches.touched),
    ABSENCES.name: (form_duties.absences_said, excused_stops.on_absences),
    OFFICES.name: (form_duties.offices_said, excused_stops.on_offices, office_moves.on_offices),
    PEOPLE.name: (form_duties.people_said, excused_stops.on_people),
    VISIT_POLICIES.name: (form_duties.policies_said,),
    COMPLAINTS.name: (complaint_lines.complaints_said,),
}
"""What is done because of the events of a topic. Each may be repeated and takes them in any order."""

COPIED = (OFFICES.name, PEOPLE.name, CUSTOMERS.name, ORDERS.name, TARGETS.name)
TOPICS = (*COPIED, *(topic for topic in REACTIONS if topic not in COPIED))


class Learner:
    """Handles a batch; the consumer commits its offsets when this returns. The same batch again changes nothing."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        known = repositories.known
        self._copies = {
            OFFICES.name: known.offices,
            PEOPLE.name: known.people,
            CUSTOMERS.name: known.customers,
            ORDERS.name: known.orders,
            TARGETS.name: known.targets,
        }

    async def take(self, events: Sequence[Received]) -> None:
        by_topic: defaultdict[str, list[Received]] = defaultdict(list)
        for event in events:
            by_topic[event.topic].append(event)
        for topic, copies in self._copies.items():
            if topic in by_topic:
                await copies.learn(by_topic[topic])
        for topic, reactions in REACTIONS.items():
            if topic in by_topic:
                for react in reactions:
                    await react(self._repositories, by_topic[topic])
