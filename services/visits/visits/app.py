"""The api process of visits."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from chassis.service import Store, http_app, resync_router
from visits.absence.api import router as absences
from visits.batch.api import router as batches
from visits.call.api import router as calls
from visits.daily_report.api import router as daily_reports
from visits.form_duty.api import router as form_duties
from visits.market_report.api import router as market_reports
from visits.meeting.api import router as meetings
from visits.plan.api import router as plans
from visits.policy.api import router as policies
from visits.reminder.api import router as reminders
from visits.repositories import Repositories
from visits.settings import Settings
from visits.sign_off.api import router as sign_offs
from visits.task.api import router as tasks
from visits.visit.api import router as visits

ROUTERS: tuple[APIRouter, ...] = (
    tasks,
    policies,
    plans,
    batches,  # before visits: its addresses would be taken for a visit's id
    visits,
    calls,
    market_reports,
    meetings,
    daily_reports,
    absences,
    form_duties,
    reminders,
    sign_offs,
)


def app(settings: Settings) -> FastAPI:
    """The field work over HTTP."""
    store = Store("visits", settings)
    repositories = Repositories(store.database)
    return http_app(
        "visits",
        settings,
        routers=[*ROUTERS, resync_router("visits", repositories.all)],
        store=store,
        prepare=repositories.prepare,
        state={"repositories": repositories},
    )
