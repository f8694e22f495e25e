"""What somebody has to do now, read from what is stored: so it survives restarts, and ends when it is done.

    form_due, form_missing                    own plans and reports: due now, or missing in the last seven days
    plan_returned, report_returned            own ones that came back
    plan_to_sign, report_to_sign              of those below, or of those below somebody for whom one is the deputy
    absence_to_decide, trip_long_away         the same
    task                                      own open ones
    market_report_to_acknowledge              those that name one as their recipient

The most urgent is the first: by what is due, then by what waits the longest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from chassis import clock
from chassis.identity import Caller
from chassis.mongo import ASCENDING, DESCENDING
from chassis.paging import Paging
from chassis.scope import everything
from contracts.visits import (
    AbsenceStatus,
    DailyReport,
    Form,
    FormStatus,
    MarketReportStatus,
    PlanStatus,
    ReportStatus,
    TaskStatus,
    VisitPlan,
)
from visits.repositories import Repositories
from visits.sign_off import queries as sign_offs

BACK: Final = timedelta(days=7)
"""A form that is missing for longer is a matter of the statistics."""
MOST: Final = 50
"""Of one kind; whoever has more to do than that finds them in the lists."""

_OWN = everything("their own, or addressed to them")
_FORMS = {Form.PLAN: ("visit plan", "访问计划"), Form.REPORT: ("daily report", "日报")}


@dataclass(frozen=True, slots=True)
class Reminder:
    """One thing to do. id: of the record it is about; due: a day or an instant."""

    kind: str
    id: str
    en: str
    zh: str
    since: datetime | None = None
    due: date | datetime | None = None

    def shown(self, language: str) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "id": self.id,
            "title": self.zh if language == "zh-CN" else self.en,
            "since": self.since,
            "due": self.due,
        }

    @property
    def urgency(self) -> tuple[datetime, datetime, str]:
        due = self.due
        if due is not None and not isinstance(due, datetime):
            due = datetime.combine(due, time.max, UTC)
        latest = datetime.max.replace(tzinfo=UTC)
        return due or latest, self.since or latest, self.id


async def of(repositories: Repositories, caller: Caller) -> list[Reminder]:
    """What the caller has to do, the most urgent first; nothing for an account that belongs to nobody."""
    if caller.person is None:
        return []
    now = clock.now()
    found = await asyncio.gather(
        _duties(repositories, caller.person, now),
        _returned(repositories, caller.person),
        _to_sign(repositories, caller),
        _tasks(repositories, caller.person),
        _market_reports(repositories, caller.person),
        _absences(repositories, caller, now),
    )
    return sorted((reminder for reminders in found for reminder in reminders), key=lambda one: one.urgency)


async def _duties(repositories: Repositories, person: str, now: datetime) -> list[Reminder]:
    where = {
        "owner": person,
        "status": {"$in": [FormStatus.DUE, FormStatus.MISSING]},
        "business_date": {"$gte": (now - BACK).date().isoformat()},
    }
    newest = (("business_date", DESCENDING), ("_id", ASCENDING))
    reminders = []
    for stored in await repositories.duties.find(_OWN, where, sort=newest, limit=MOST):
        duty = stored.state
        en, zh = _FORMS[duty.form]
        # The timer that marks it may not have come by yet.
        if duty.status is FormStatus.MISSING or duty.due_at < now:
            said = (
                "form_missing",
                f"Your {en} of {duty.business_date} is missing.",
                f"{duty.business_date} 的{zh}未提交。",
            )
        else:
            said = ("form_due", f"Your {en} of {duty.business_date} is due.", f"{duty.business_date} 的{zh}待提交。")
        reminders.append(Reminder(said[0], duty.id, said[1], said[2], due=duty.due_at))
    return reminders


async def _returned(repositories: Repositories, person: str) -> list[Reminder]:
    oldest = (("returned.at", ASCENDING), ("_id", ASCENDING))
    plans = await repositories.plans.find(
        _OWN, {"owner": person, "status": PlanStatus.RETURNED}, sort=oldest, limit=MOST
    )
    reports = await repositories.reports.find(
        _OWN, {"owner": person, "status": ReportStatus.RETURNED}, sort=oldest, limit=MOST
    )
    forms: Sequence[VisitPlan | DailyReport] = [*(one.state for one in plans), *(one.state for one in reports)]
    reminders = []
    for form in forms:
        kind = Form.PLAN if isinstance(form, VisitPlan) else Form.REPORT
        en, zh = _FORMS[kind]
        reason = form.returned.reason if form.returned else ""
        reminders.append(
            Reminder(
                f"{kind.value}_returned",
                form.id,
                f"Your {en} of {form.business_date} was returned: {reason}",
                f"{form.business_date} 的{zh}被退回:{reason}",
                since=form.returned.at if form.returned else None,
            )
        )
    return reminders


async def _to_sign(repositories: Repositories, caller: Caller) -> list[Reminder]:
    waiting = await sign_offs.page(repositories, caller, Paging(MOST, sort=sign_offs.OLDEST_FIRST))
    reminders = []
    for one in waiting.items:
        en, zh = _FORMS[one.kind]
        day = one.form.business_date
        reminders.append(
            Reminder(
                f"{one.kind.value}_to_sign",
                one.form.id,
                f"Sign the {en} of {one.owner_name} of {day}.",
                f"请核签 {one.owner_name} {day} 的{zh}。",
                since=one.submitted_at,
                due=day if one.kind is Form.PLAN else one.submitted_at + sign_offs.SOON_ENOUGH,
            )
        )
    return reminders


async def _tasks(repositories: Repositories, person: str) -> list[Reminder]:
    where = {"owner": person, "status": TaskStatus.OPEN}
    # Those without a day come last, so they must not take the places of the others.
    dated = await repositories.tasks.find(
        _OWN, {**where, "due": {"$ne": None}}, sort=(("due", ASCENDING), ("_id", ASCENDING)), limit=MOST
    )
    undated = (
        await repositories.tasks.find(_OWN, {**where, "due": None}, limit=MOST - len(dated))
        if (len(dated) < MOST)
        else []
    )
    return [
        Reminder(
            "task",
            task.id,
            f"Task: {task.text}",
            f"任务:{task.text}",
            since=task.assigned_at,
            due=task.due,
        )
        for task in (stored.state for stored in [*dated, *undated])
    ]


async def _market_reports(repositories: Repositories, person: str) -> list[Reminder]:
    found = await repositories.market_reports.find(
        _OWN,
        {"recipient": person, "status": MarketReportStatus.SUBMITTED},
        sort=(("acknowledge_by", ASCENDING), ("_id", ASCENDING)),
        limit=MOST,
    )
    return [
        Reminder(
            "market_report_to_acknowledge",
            report.id,
            f"Acknowledge the market report: {_short(report.text)}",
            f"请确认市场状况反映:{_short(report.text)}",
            since=report.submission.at,
            due=report.acknowledge_by,
        )
        for report in (stored.state for stored in found)
    ]


async def _absences(repositories: Repositories, caller: Caller, now: datetime) -> list[Reminder]:
    below = sign_offs.Below(repositories, caller, now)
    if not await below.anybody():
        return []
    reminders: list[Reminder] = []
    applied = {"status": AbsenceStatus.APPLIED}
    async for stored, _ in below.of(repositories.absences, applied, Paging(sort="business_date")):
        absence = stored.state
        name = await _name(repositories, absence.owner)
        reminders.append(
            Reminder(
                "absence_to_decide",
                absence.id,
                f"Decide on the {absence.kind} of {name} from {absence.business_date} to {absence.last_day}.",
                f"请审批 {name} {absence.business_date} 至 {absence.last_day} 的"
                f"{'出差' if absence.kind == 'trip' else '请假'}。",
                since=absence.application.at if absence.application else None,
                due=absence.business_date,
            )
        )
        if len(reminders) == MOST:
            break
    told = {"status": AbsenceStatus.APPROVED, "returned_on": None, "long_away_alerted": {"$ne": None}}
    longest = 0
    async for stored, _ in below.of(repositories.absences, told, Paging(sort="business_date")):
        absence = stored.state
        name = await _name(repositories, absence.owner)
        reminders.append(
            Reminder(
                "trip_long_away",
                absence.id,
                f"{name} has been away since {absence.business_date}: ask how they are.",
                f"{name} 自 {absence.business_date} 出差至今:请予以关心。",
            )
        )
        longest += 1
        if longest == MOST:
            break
    return reminders


async def _name(repositories: Repositories, person: str) -> str:
    found = await repositories.known.people.get(person)
    return found.name if found else person


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
