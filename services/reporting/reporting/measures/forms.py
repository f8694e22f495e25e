"""What a form that somebody owes contributes, on the day for which it is owed (domain.md V-18, A4).

- forms_due: every form that is owed; one that is excused by leave contributes nothing to any measure.
- forms_on_time, forms_late, forms_missing: what became of it. What is in none of them is not due yet.
- forms_returned: forms that were returned; `times` is how often.
- first_pass: of the forms that were submitted, those signed without having been returned.
"""

from __future__ import annotations

from datetime import date

import msgspec

from contracts.topics import FORM_DUTIES
from reporting.measures.source import Reading, Shape, Source
from reporting.totals import Cell, Contribution

BECAME = {"on_time": "forms_on_time", "late": "forms_late", "missing": "forms_missing"}


class _Duty(msgspec.Struct):
    """The part of contracts.visits.FormDuty that counts."""

    owner: str
    office: str
    region: str
    business_date: date
    form: str
    status: str
    returned: int = 0
    first_pass: bool | None = None


_decoder = msgspec.json.Decoder(_Duty)


def read(payload: bytes) -> Reading:
    duty = _decoder.decode(payload)
    row = {"form": duty.form, "status": duty.status}
    if duty.status == "excused":
        return Reading(row)
    cell = Cell(duty.business_date.isoformat(), duty.region, duty.office, duty.owner).key
    found = [Contribution("forms_due", cell, {"count": 1})]
    if (became := BECAME.get(duty.status)) is not None:
        found.append(Contribution(became, cell, {"count": 1}))
    if duty.returned:
        found.append(Contribution("forms_returned", cell, {"count": 1, "times": duty.returned}))
    if duty.status in ("on_time", "late"):
        found.append(Contribution("first_pass", cell, {"numerator": int(duty.first_pass is True), "denominator": 1}))
    return Reading(row, found)


_COUNT = Shape(counts=("count",))

SOURCE = Source(
    name="forms",
    prefix="form",
    topic=FORM_DUTIES,
    measures={
        "forms_due": _COUNT,
        "forms_on_time": _COUNT,
        "forms_late": _COUNT,
        "forms_missing": _COUNT,
        "forms_returned": Shape(counts=("count", "times")),
        "first_pass": Shape(counts=("numerator", "denominator"), shown=False),
    },
    read=read,
)
