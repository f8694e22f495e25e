"""What somebody's working day was: where they meant to go, what came of it, which forms they handed in. Pure.

Everything hangs on the person and the day alone, so a demo that is run on a later day tells the same days.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from salesbeat.demo import calendar, words
from salesbeat.demo.company import OFFICES, PEOPLE, WEAK, Office, Person
from salesbeat.demo.making import between, identity, luck, skill
from salesbeat.importing.plan import Record

SLOTS = (("09:00", "10:15"), ("10:30", "11:45"), ("13:30", "14:40"), ("15:00", "16:10"), ("16:30", "17:30"))
EXTRA_SLOT = ("12:10", "12:55")
"""When an unplanned visit is squeezed in."""
OUTCOMES = ("achieved", "progress", "no_result")
LOOKED_AHEAD = timedelta(days=14)
"""So far ahead leave and trips may have been applied for."""
ORDERED_IN_A_VISIT = 0.75
"""How likely an order of a day on which one was agreed in a visit is that one."""


class Fate(StrEnum):
    """What becomes of a stop."""

    COMPLETED = "completed"
    NOT_MET = "not_met"
    MISSED = "missed"
    CANCELLED = "cancelled"
    MOVED = "moved"


class PlanFate(StrEnum):
    SIGNED = "signed"
    SIGNED_LATE = "signed_late"
    """On the day itself: not what the day is measured by."""
    LATE = "late"
    """Handed in after the cut-off."""
    RETURNED = "returned"
    """And handed in again."""
    LEFT_RETURNED = "left_returned"
    AMENDED = "amended"
    UNSIGNED = "unsigned"
    DRAFT = "draft"
    """Never handed in."""
    MISSING = "missing"


class ReportFate(StrEnum):
    SIGNED = "signed"
    LATE = "late"
    RETURNED = "returned"
    LEFT_RETURNED = "left_returned"
    CORRECTED = "corrected"
    UNSIGNED = "unsigned"
    DRAFT = "draft"
    MISSING = "missing"


EXECUTED = frozenset(PlanFate) - {PlanFate.DRAFT, PlanFate.MISSING}
"""Plans whose stops the day goes by."""


@dataclass(slots=True)
class Stop:
    """A stop of a plan, or an unplanned visit, and what came of it."""

    id: str
    planned: bool
    starts: str
    ends: str
    customer: Record | None
    area: str | None
    purposes: list[str]
    fate: Fate
    came: datetime
    left: datetime
    outcomes: dict[str, str]
    added: bool = False
    """It stands in the amended plan only."""

    @property
    def sold(self) -> bool:
        return self.fate is Fate.COMPLETED and self.outcomes.get("order") == "achieved" and self.customer is not None


@dataclass(slots=True)
class Away:
    """Leave or a trip, with all of its days."""

    key: str
    person: Person
    kind: str
    days: list[date]
    fate: str
    """approved, refused or cancelled."""
    applied_on: date
    deputy: Person | None = None

    @property
    def approved(self) -> bool:
        return self.fate == "approved"


@dataclass(slots=True)
class Day:
    """Somebody's working day. away: the approved trip of which it is a day."""

    seller: Person
    office: Office
    day: date
    plan: PlanFate
    report: ReportFate
    stops: list[Stop] = field(default_factory=list)
    away: Away | None = None

    @property
    def key(self) -> str:
        return f"{self.seller.login} {self.day}"

    @property
    def planned(self) -> list[Stop]:
        return [stop for stop in self.stops if stop.planned]

    @property
    def made(self) -> list[Stop]:
        """Visits to which somebody went."""
        return [stop for stop in self.stops if stop.fate in (Fate.COMPLETED, Fate.NOT_MET)]


Holding = tuple[Record, date | None]
"""A customer, and from when on it orders (None: it does not)."""


class Days:
    """customers: those that somebody holds on a day, known the day before."""

    def __init__(self, customers: Callable[[Person, date], list[Holding]]) -> None:
        self._customers = customers
        self._known: dict[tuple[str, date], Day | None] = {}

    def of(self, seller: Person, day: date) -> Day | None:
        """None on a day off and on leave."""
        if (seller.login, day) not in self._known:
            self._known[seller.login, day] = self._make(seller, day)
        return self._known[seller.login, day]

    def played(self, seller: Person, day: date) -> Day:
        """A day that goes by its plan, for whoever plays it: also on a day off. Otherwise it is the same one."""
        made = self._make(seller, day, at_all_events=True)
        assert made is not None  # noqa: S101 - it was asked for at all events
        return made

    def _make(self, seller: Person, day: date, *, at_all_events: bool = False) -> Day | None:
        away = absent(seller, day)
        if not at_all_events and (not calendar.is_workday(day) or (away is not None and away.kind == "leave")):
            return None
        office, chance = office_of(seller), luck("day", seller.login, day)
        made = Day(seller, office, day, _plan_fate(chance, office), _report_fate(chance, office), away=away)
        slots = sorted(chance.sample(SLOTS, chance.choices((2, 3, 4, 5), (1, 4, 4, 2))[0]))
        holdings = self._customers(seller, day)
        chance.shuffle(holdings)
        if at_all_events and made.plan not in (EXECUTED - {PlanFate.AMENDED}):
            made.plan = PlanFate.SIGNED
        planned = made.plan in EXECUTED
        if not planned:
            slots = slots[:2]
        for number, slot in enumerate(slots):
            made.stops.append(self._stop(made, number, slot, holdings, chance, planned=planned))
        if made.plan is PlanFate.AMENDED:
            if spare := [slot for slot in SLOTS if slot not in slots]:
                added = self._stop(made, 8, chance.choice(spare), holdings, chance, planned=True)
                added.added = True
                made.stops.append(added)
            else:
                made.plan = PlanFate.SIGNED
        if chance.random() < 0.14:
            made.stops.append(self._stop(made, 9, EXTRA_SLOT, holdings, chance, planned=False))
        made.stops.sort(key=lambda stop: stop.starts)
        return made

    def _stop(
        self,
        day: Day,
        number: int,
        slot: tuple[str, str],
        holdings: list[Holding],
        chance: random.Random,
        *,
        planned: bool,
    ) -> Stop:
        customer: Record | None = None
        area: str | None = None
        orders = False
        if day.away is not None:
            area = f"{trip_city(day.away)} {chance.choice(('开发区', '工业园', '高新区'))}"
        elif holdings and chance.random() < 0.76:
            customer, since = holdings.pop()
            orders = since is not None and since <= day.day
        else:
            area = f"{day.office.city} {chance.choice(words.AREAS[day.office.city])}"
        purposes = _purposes(chance, of_customer=customer is not None, orders=orders)
        came = between(chance, day.day, slot[0], slot[0], day.office) + timedelta(minutes=chance.randint(-4, 14))
        left = came + timedelta(minutes=chance.randint(25, 55 if slot != EXTRA_SLOT else 35))
        fates = (78, 9, 5, 5, 3) if planned else (88, 12, 0, 0, 0)
        good = 1.3 * skill(day.seller)
        return Stop(
            id=identity("stop", f"{day.key} {number}"),
            planned=planned,
            starts=slot[0],
            ends=slot[1],
            customer=customer,
            area=area,
            purposes=purposes,
            fate=chance.choices(list(Fate), fates)[0],
            came=came,
            left=left,
            outcomes={
                one: chance.choices(("achieved", "progress", "no_result"), (good, 1, 0.5))[0] for one in purposes
            },
        )

    def sale(self, seller: Person, day: date, number: int) -> Stop | None:
        """The visit in which an order of that day was won."""
        lived = self.of(seller, day)
        sold = [stop for stop in lived.stops if stop.sold] if lived else []
        chance = luck("sale", seller.login, day, number)
        return chance.choice(sold) if sold and chance.random() < ORDERED_IN_A_VISIT else None


def _purposes(chance: random.Random, *, of_customer: bool, orders: bool) -> list[str]:
    if not of_customer:
        return chance.choices((["new_customer"], ["market_research"], ["new_customer", "market_research"]), (4, 2, 2))[
            0
        ]
    if not orders:
        return chance.choices((["new_customer"], ["new_customer", "other"], ["service"]), (6, 2, 1))[0]
    likely = {"order": 9, "service": 5, "collection": 6, "complaint": 1, "market_research": 1, "other": 1}
    first = chance.choices(list(likely), list(likely.values()))[0]
    second = chance.choices(list(likely), list(likely.values()))[0]
    return [first] if second == first or chance.random() < 0.6 else [first, second]


def _plan_fate(chance: random.Random, office: Office) -> PlanFate:
    weak = 2 if office.code == WEAK else 1
    weights = {
        PlanFate.SIGNED: 66, PlanFate.SIGNED_LATE: 8, PlanFate.LATE: 6 * weak, PlanFate.RETURNED: 6,
        PlanFate.LEFT_RETURNED: 1, PlanFate.AMENDED: 4, PlanFate.UNSIGNED: 5 * weak, PlanFate.DRAFT: 1.5,
        PlanFate.MISSING: 2.5 * weak,
    }  # fmt: skip
    return chance.choices(list(weights), list(weights.values()))[0]


def _report_fate(chance: random.Random, office: Office) -> ReportFate:
    weak = 2 if office.code == WEAK else 1
    weights = {
        ReportFate.SIGNED: 72, ReportFate.LATE: 7 * weak, ReportFate.RETURNED: 6, ReportFate.LEFT_RETURNED: 1,
        ReportFate.CORRECTED: 4, ReportFate.UNSIGNED: 4 * weak, ReportFate.DRAFT: 1.5, ReportFate.MISSING: 3 * weak,
    }  # fmt: skip
    return chance.choices(list(weights), list(weights.values()))[0]


# --- leave and trips --------------------------------------------------------------------------------


def away_in(person: Person, monday: date) -> Away | None:
    """Leave or a trip that somebody has asked for in that week; at most one."""
    chance = luck("away", person.login, monday)
    days = list(calendar.workdays(monday, monday + timedelta(days=6)))
    leads = person.role == "office_head"
    kind = chance.choices(("leave", "trip", None), (9, 0, 91) if leads else (9, 6, 85))[0]
    if kind is None or len(days) < 3:
        return None
    first = chance.randrange(len(days) - 2)
    some = days[first : first + (chance.choice((1, 1, 2)) if kind == "leave" else chance.choice((2, 3)))]
    fate = chance.choices(("approved", "refused", "cancelled"), (8, 1, 1))[0] if kind == "leave" else "approved"
    return Away(
        key=f"{person.login} {monday}",
        person=person,
        kind=kind,
        days=some,
        fate=fate,
        applied_on=calendar.after(some[0], -chance.randint(3, 6)),
        deputy=_deputy(person) if leads else None,
    )


def absent(person: Person, day: date) -> Away | None:
    """The approved leave or trip of that day."""
    away = away_in(person, day - timedelta(days=day.weekday()))
    return away if away is not None and away.approved and day in away.days else None


def signer(office: Office, day: date) -> Person:
    """Who signs the office's forms on that day: the head, or whoever stands in for them."""
    head = head_of(office)
    away = absent(head, day)
    if away is None or away.deputy is None:
        return head
    return away.deputy if absent(away.deputy, day) is None else _manager(head)


def head_of(office: Office) -> Person:
    return next(person for person in PEOPLE if person.role == "office_head" and person.office == office.code)


def team_of(office: Office) -> list[Person]:
    return [person for person in PEOPLE if person.role == "salesperson" and person.office == office.code]


def office_of(person: Person) -> Office:
    return _OFFICES[person.office or ""]


def trip_city(away: Away) -> str:
    return luck("trip", away.key).choice(words.TRIPS[office_of(away.person).city])


def _deputy(head: Person) -> Person:
    """The head of the region's other office."""
    office = office_of(head)
    return next(head_of(other) for other in OFFICES if other.region == office.region and other != office)


def _manager(person: Person) -> Person:
    return next(other for other in PEOPLE if other.login == person.manager)


_OFFICES: Mapping[str, Office] = {office.code: office for office in OFFICES}
