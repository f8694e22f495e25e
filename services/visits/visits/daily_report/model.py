"""A person's daily sales report and its life (domain.md V-04, V-05, A3). Pure.

    draft ──> submitted ──> signed ──> correcting ──> submitted ──> signed …
                  └──> returned ──> submitted

Signing locks the report: its sections are frozen as a revision with their hash. A correction begins the next
revision; the last signed one counts until the new one is signed, and all stay readable (row 43). The report keeps
whether it was late by its first submission.

An edit says `drafted`, the submission of a later revision `corrected`. Each function returns the report after the
step and what has happened, or raises WrongState or NotPossible.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from contracts.envelope import Happened
from contracts.money import Money
from contracts.refusals import NotPossible, WrongState
from contracts.steps import Reasoned, Step
from contracts.visits import (
    Action,
    ComplaintLine,
    DailyReport,
    OrdersAndCollections,
    ReportEvent,
    ReportRevision,
    ReportStatus,
    Section,
    Sections,
    Signature,
    Submission,
)
from visits.daily_report import prefill
from visits.form_duty.cutoff import Deadline

Outcome = tuple[DailyReport, Happened]

UNLOCKED = frozenset({ReportStatus.DRAFT, ReportStatus.RETURNED, ReportStatus.CORRECTING})
ALLOWED: Mapping[str, frozenset[ReportStatus]] = {
    "edit": UNLOCKED,
    "prefill": UNLOCKED,
    "submission": UNLOCKED,
    "return": frozenset({ReportStatus.SUBMITTED}),
    "signature": frozenset({ReportStatus.SUBMITTED}),
    "correction": frozenset({ReportStatus.SIGNED}),
}
"""The states from which each step is possible."""

HANDED_IN = frozenset({ReportStatus.SUBMITTED, ReportStatus.SIGNED})
"""What it says has been said to the supervisor."""


def possible(status: ReportStatus) -> list[str]:
    """The steps that may follow in that state."""
    return [step for step, states in ALLOWED.items() if status in states]


def draft(report: DailyReport, step: Step, known: prefill.Facts) -> Outcome:
    """A new report, prefilled with what is known of the day."""
    return _written(report, prefill.filled_in(report.sections, known)), _happened(ReportEvent.DRAFTED, step)


def refill(report: DailyReport, step: Step, known: prefill.Facts) -> tuple[DailyReport, Happened | None]:
    """Prefilled again; what was typed stays."""
    _follows(report, "prefill")
    written = _written(report, prefill.filled_in(report.sections, known))
    return written, None if written == report else _happened(ReportEvent.DRAFTED, step)


def edit(report: DailyReport, step: Step, typed: Mapping[str, Any], known: prefill.Facts) -> Outcome:
    """What was typed into the sections that are named.

    typed: attendance, market, opinions, news, reflections, other as the contract has them; `comments` by visit;
    `complaints` all lines as they are to be (an answer stays with its line); `collections` as amounts;
    `none` the sections that are explicitly left empty. Raises NotPossible (section_not_empty, unknown_visit).
    """
    _follows(report, "edit")
    sections = prefill.filled_in(_typed(report.sections, typed), known)
    for section in typed.get("none", ()):
        if prefill.says_something(section, sections):
            raise NotPossible(
                "section_not_empty",
                f"The section {section} says something: empty it, or take it out of `none`.",
                f"栏目 {section} 已有内容:请清空该栏目,或从 none 中去掉。",
                field="none",
                section=section.value,
            )
    return _written(report, sections), _happened(ReportEvent.DRAFTED, step)


def submit(
    report: DailyReport, step: Submission, arrived_at: datetime, known: prefill.Facts, deadline: Deadline
) -> Outcome:
    """Handed in to the supervisor, with the visits and orders as they stand now.

    arrived_at: when it came here, or for an import when it is said to have happened. deadline: the office's for that
    day; it counts at the first submission. Raises NotPossible (sections_missing, visits_open, before_the_day).
    """
    _follows(report, "submission")
    if step.business_date < report.business_date:
        raise NotPossible(
            "before_the_day",
            f"The report is of {report.business_date}, which has not come yet.",
            f"该报告属于 {report.business_date},当天尚未开始。",
            field="occurred_at",
        )
    _after(step, report.returned or (report.revisions[-1].signature if report.revisions else None))
    sections = prefill.filled_in(report.sections, known)
    if lacking := prefill.missing(sections):
        names = ", ".join(lacking)
        raise NotPossible(
            "sections_missing",
            f"Fill in these sections, or name them in `none`: {names}.",
            f"以下栏目尚未填写,如确无内容请列入 none:{names}。",
            field="sections",
            sections=[section.value for section in lacking],
        )
    unexplained = [line for line in sections.talks if line.status in prefill.OPEN and not line.comment]
    if unexplained:
        names = ", ".join(line.customer_name or line.visit for line in unexplained)
        raise NotPossible(
            "visits_open",
            f"Close these visits, or explain each in its comment: {names}.",
            f"以下访问尚未结束,请先结束或在备注中说明:{names}。",
            field="sections.talks",
            visits=[line.visit for line in unexplained],
        )
    update: dict[str, Any] = {"status": ReportStatus.SUBMITTED, "submission": step}
    if report.first_submitted_at is None:
        update |= {
            "first_submitted_at": step.at,
            "first_arrived_at": arrived_at,
            "due_at": deadline.due_at,
            "late": deadline.late(step.at, arrived_at),
            "late_arrival": deadline.late_arrival(step.at, arrived_at),
        }
    event = ReportEvent.SUBMITTED if report.revision == 1 else ReportEvent.CORRECTED
    return _written(report, sections).model_copy(update=update), _happened(event, step)


def send_back(report: DailyReport, step: Step, reason: str) -> Outcome:
    """Returned to be mended; the reason is mandatory."""
    _follows(report, "return")
    _after(step, report.submission)
    update = {
        "status": ReportStatus.RETURNED,
        "returned": Reasoned(**dict(step), reason=reason),
        "returns": report.returns + 1,
    }
    return report.model_copy(update=update), _happened(ReportEvent.RETURNED, step)


def sign(report: DailyReport, signature: Signature, assignment: Action | None = None) -> Outcome:
    """核签: the sections are frozen with their hash, the report is locked. assignment: what 批示 asks."""
    _follows(report, "signature")
    _after(signature, report.submission)
    assert report.submission is not None  # noqa: S101 (a submitted report has one)
    frozen = ReportRevision(
        revision=report.revision,
        sections=report.sections,
        submission=report.submission,
        signature=signature,
        hash=digest(report.sections),
        returns=report.returns,
    )
    update: dict[str, Any] = {
        "status": ReportStatus.SIGNED,
        "signature": signature,
        "revisions": [*report.revisions, frozen],
    }
    if assignment is not None:
        update["assignments"] = [*report.assignments, assignment]
        update["tasks"] = [*report.tasks, assignment.task]
    return report.model_copy(update=update), _happened(ReportEvent.SIGNED, signature)


def correct(report: DailyReport, step: Step, reason: str) -> Outcome:
    """A new revision is begun; the signed one counts until the new one is signed."""
    _follows(report, "correction")
    _after(step, report.signature)
    update = {
        "status": ReportStatus.CORRECTING,
        "revision": report.revision + 1,
        "submission": None,
        "signature": None,
        "returned": None,
        "correction_reason": reason,
    }
    return report.model_copy(update=update), _happened(ReportEvent.CORRECTION_BEGUN, step)


def answer(
    report: DailyReport, line_id: str, *, number: str, fate: str, version: int, at: datetime, day: date
) -> tuple[DailyReport, Happened | None]:
    """Number and fate of a complaint, into its line, in every state; a frozen revision stays as it is.

    version: of the complaint that says so; an older one than is known, or a line that is gone, changes nothing.
    """
    lines = list(report.sections.complaints)
    for position, line in enumerate(lines):
        if line.id == line_id and line.answer_version < version:
            said = {"number": number, "fate": fate, "answer_version": version}
            lines[position] = line.model_copy(update=said)
            if (line.number, line.fate) == (number, fate):
                return report, None
            sections = report.sections.model_copy(update={"complaints": lines})
            happened = Happened(ReportEvent.COMPLAINT_ANSWERED, at, day)
            return report.model_copy(update={"sections": sections}), happened
    return report, None


def digest(sections: Sections) -> str:
    """SHA-256 of the sections in canonical JSON: sorted names, no blanks, UTF-8, what is at its default left out.

    So a section that the language learns later does not change the hash of an older report.
    """
    said = sections.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _typed(sections: Sections, typed: Mapping[str, Any]) -> Sections:
    update = {name: value for name, value in typed.items() if name in Sections.model_fields}
    if "comments" in typed:
        update["talks"] = _commented(sections, typed["comments"])
    if "complaints" in typed:
        update["complaints"] = _answered(sections.complaints, typed["complaints"])
    if "collections" in typed:
        figures = sections.orders_and_collections or OrdersAndCollections()
        collected: Sequence[Money] = typed["collections"]
        update["orders_and_collections"] = figures.model_copy(update={"collections": prefill.ratios(collected, ())})
    if "none" in typed:
        update["none"] = [section for section in Section if section in typed["none"]]
    return sections.model_copy(update=update)


def _commented(sections: Sections, comments: Mapping[str, str | None]) -> list[Any]:
    for visit in comments:
        check_visit(sections, visit, "talks")
    return [
        line.model_copy(update={"comment": comments[line.visit]}) if line.visit in comments else line
        for line in sections.talks
    ]


def check_visit(sections: Sections, visit: str, field: str) -> None:
    """Raises NotPossible for a visit that does not stand in the report."""
    if all(line.visit != visit for line in sections.talks):
        raise NotPossible(
            "unknown_visit",
            "This visit is not one of the report's: prefill the report again if it is new.",
            "该访问不在报告中:如为新访问,请重新预填。",
            field=field,
            visit=visit,
        )


def _answered(before: Sequence[ComplaintLine], lines: Sequence[ComplaintLine]) -> list[ComplaintLine]:
    known = {line.id: line for line in before}
    return [
        line.model_copy(update={name: getattr(known[line.id], name) for name in ("number", "fate", "answer_version")})
        if line.id in known
        else line
        for line in lines
    ]


def _written(report: DailyReport, sections: Sections) -> DailyReport:
    whole = len(Section)
    completeness = 100 * (whole - len(prefill.missing(sections))) // whole
    return report.model_copy(update={"sections": sections, "completeness": completeness})


def _follows(report: DailyReport, wanted: str) -> None:
    if report.status not in ALLOWED[wanted]:
        raise WrongState(wanted, report.status, possible(report.status))


def _after(step: Step, prior: Step | None) -> None:
    if prior is not None and step.at < prior.at:
        raise NotPossible(
            "before_prior_step",
            f"The step before it happened at {prior.at.isoformat()}: give a time after that.",
            f"上一步发生于 {prior.at.isoformat()}:请填写其后的时间。",
            field="occurred_at",
        )


def _happened(event: ReportEvent, step: Step) -> Happened:
    return Happened(event, step.at, step.business_date)
