"""The sign-off queue 核签: what was submitted by those below somebody, the longest waiting first.

By the reporting line as it is today in the office of each form, deputies of superiors who are away with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chassis import clock
from chassis.aggregate import Repository, Stored
from chassis.identity import Caller
from chassis.paging import Page, Paging
from chassis.problems import Forbidden
from chassis.scope import everything
from contracts.staff import Office
from contracts.visits import AbsenceStatus, DailyReport, Form, Owned, VisitPlan
from visits import rights
from visits.line import Signer
from visits.repositories import Repositories

OLDEST_FIRST: Final = "submission.at"
SOON_ENOUGH: Final = timedelta(hours=24)
"""A report that waits longer is overdue: it is read in the evening or the next morning (A1, D2)."""
AT_ONCE: Final = 100
"""Forms that are looked at in one go."""

_LINE = everything("the reporting line decides which of them are the caller's to sign")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan or report that waits for a signature.

    age_hours: whole hours since its submission. late: it was handed in after the cut-off. overdue: the signature is,
    because the plan's day has begun, or the report waits for more than a day. deputy_for: whose place is taken.
    """

    kind: Form
    form: VisitPlan | DailyReport
    owner_name: str
    submitted_at: datetime
    age_hours: int
    overdue: bool
    deputy_for: str | None

    @property
    def shown(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "id": self.form.id,
            "owner": self.form.owner,
            "owner_name": self.owner_name,
            "office": self.form.office,
            "region": self.form.region,
            "business_date": self.form.business_date,
            "revision": self.form.revision,
            "submitted_at": self.submitted_at,
            "age_hours": self.age_hours,
            "late": self.form.late,
            "overdue": self.overdue,
            "deputy_for": self.deputy_for,
        }


class Below:
    """Who stands below the caller now; each person is asked for once."""

    def __init__(self, repositories: Repositories, caller: Caller, now: datetime) -> None:
        self._repositories = repositories
        self._caller = caller
        self._now = now
        self._signers: dict[tuple[str, str], Signer | None] = {}
        self._offices: dict[str, Office] = {}

    async def anybody(self) -> bool:
        """Whether there can be anybody at all: cheap to ask for most people."""
        person = self._caller.person
        if person is None or self._caller.role in rights.SUPERVISORS:
            return person is not None
        if await self._repositories.known.people.find({"postings.manager": person}):
            return True
        # A day to either side, for the time zones.
        days = [(self._now + timedelta(days=shift)).date().isoformat() for shift in (-1, 1)]
        where = {
            "deputy": person,
            "status": AbsenceStatus.APPROVED,
            "business_date": {"$lte": days[1]},
            "last_day": {"$gte": days[0]},
        }
        return bool(await self._repositories.absences.find(_LINE, where, limit=1))

    async def office(self, office_id: str) -> Office:
        if office_id not in self._offices:
            self._offices[office_id] = await self._repositories.known.office(office_id)
        return self._offices[office_id]

    async def signer(self, form: Owned) -> Signer | None:
        """The caller as somebody who may sign that form, None for who may not."""
        key = (form.owner, form.office)
        if key not in self._signers:
            today = (await self.office(form.office)).business_date(self._now)
            try:
                self._signers[key] = await self._repositories.line.signer(self._caller, form.owner, today)
            except Forbidden:
                self._signers[key] = None
        return self._signers[key]

    async def of(
        self, repository: Repository[Any], where: dict[str, Any], paging: Paging
    ) -> AsyncIterator[tuple[Stored[Any], Signer]]:
        """Those of the forms that the caller may sign, in the order of `paging`, from its cursor on to the end."""
        wanted = replace(paging, limit=AT_ONCE)
        while True:
            found = await repository.page(_LINE, where, wanted)
            for stored in found.items:
                if (signer := await self.signer(stored.state)) is not None:
                    yield stored, signer
            if found.next_cursor is None:
                return
            wanted = replace(wanted, cursor=found.next_cursor)


async def page(repositories: Repositories, caller: Caller, paging: Paging) -> Page[Waiting]:
    """What waits for the caller's signature; nothing for who signs nothing."""
    now = clock.now()
    below = Below(repositories, caller, now)
    if not await below.anybody():
        return Page([])
    rows: list[dict[str, Any]] = []
    for kind, repository in ((Form.PLAN, repositories.plans), (Form.REPORT, repositories.reports)):
        taken = 0
        async for stored, signer in below.of(repository, {"status": "submitted"}, paging):
            waiting = await _waiting(repositories, below, kind, stored.state, signer, now)
            at = stored.state.model_dump(mode="json", include={"submission": {"at"}})
            rows.append({"_id": stored.state.id, **at, "waiting": waiting})
            taken += 1
            if taken > paging.limit:
                break
    rows.sort(key=lambda row: (row["submission"]["at"], row["_id"]), reverse=paging.sort.startswith("-"))
    return paging.page(rows[: paging.limit + 1], lambda row: row["waiting"])


async def _waiting(
    repositories: Repositories,
    below: Below,
    kind: Form,
    form: VisitPlan | DailyReport,
    signer: Signer,
    now: datetime,
) -> Waiting:
    assert form.submission is not None  # noqa: S101 (a submitted form has one)
    person = await repositories.known.people.get(form.owner)
    age = now - form.submission.at
    if kind is Form.PLAN:
        overdue = (await below.office(form.office)).business_date(now) >= form.business_date
    else:
        overdue = age > SOON_ENOUGH
    return Waiting(
        kind=kind,
        form=form,
        owner_name=person.name if person else form.owner,
        submitted_at=form.submission.at,
        age_hours=max(0, int(age.total_seconds() // 3600)),
        overdue=overdue,
        deputy_for=signer.deputy_for,
    )
