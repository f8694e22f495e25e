"""The field work of the company as records: plans, visits, reports, leave, meetings, what was seen and asked. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chassis.ids import derived_id
from salesbeat.demo import calendar, words
from salesbeat.demo.company import LIVE, OFFICES, PEOPLE, WEAK, Office, Person
from salesbeat.demo.days import (
    EXECUTED,
    LOOKED_AHEAD,
    Away,
    Day,
    Days,
    Fate,
    PlanFate,
    ReportFate,
    Stop,
    absent,
    away_in,
    head_of,
    office_of,
    signer,
    team_of,
    trip_city,
)
from salesbeat.demo.making import between, entered, identity, luck, new_record, yuan
from salesbeat.importing.plan import Body, Record, Request

BEFORE_ORDERS = ("visit-policies", "absences", "visit-plans", "visits")
"""The kinds that are written before the orders, in order: an order names the visit in which it was won."""
AFTER_ORDERS = ("meetings", "daily-reports", "market-reports", "tasks")
"""Those that are written after them: a report looks at the visits and orders of its day."""
BATCH = "/api/v1/visits/batch"

Skip = Callable[[Body], bool]
Contacts = Callable[[Record], list[Record]]


class Field:
    """since: the first day of visits; last: the day up to which everything is known."""

    def __init__(
        self, since: date, last: date, people: Mapping[str, Record], offices: Mapping[str, Record], days: Days,
        contacts: Contacts,
    ) -> None:  # fmt: skip
        self.since, self.last = since, last
        self.people, self.offices, self.days = people, offices, days
        self._contacts = contacts
        self._visits: dict[str, Record] = {}

    def before_orders(self) -> dict[str, list[Record]]:
        coming = calendar.after(self.last, 1)
        made = (
            [self.policy(office) for office in OFFICES],
            list(self._absences()),
            [plan for day in self._days(coming) if (plan := self.plan(day)) is not None],
            [visits for day in self._days(self.last) if (visits := self.visits(day)) is not None],
        )
        return dict(zip(BEFORE_ORDERS, made, strict=True))

    def after_orders(self) -> dict[str, list[Record]]:
        made = (
            list(self._meetings()),
            [report for day in self._days(self.last) if (report := self.report(day)) is not None],
            list(self._market_reports()),
            list(self._tasks()),
        )
        return dict(zip(AFTER_ORDERS, made, strict=True))

    def _days(self, last: date) -> Iterator[Day]:
        for day in calendar.workdays(self.since, last):
            for office in OFFICES:
                for seller in team_of(office):
                    if (lived := self.days.of(seller, day)) is not None:
                        yield lived

    def _mondays(self, *, ahead: timedelta = timedelta(0)) -> Iterator[date]:
        monday = self.since - timedelta(days=self.since.weekday())
        while monday <= self.last + ahead:
            yield monday
            monday += timedelta(weeks=1)

    # --- rules, leave and trips -------------------------------------------------------------------

    def policy(self, office: Office) -> Record:
        """From when on forms are due. It is a change of what stands there already, under the office's id."""
        body = {"forms_from": self.since.isoformat()}
        whole = self.offices[office.code]
        record = Record("visit-policies", office.code, whole.id, [], needs=[whole])
        path = f"/api/v1/visit-policies/{whole.id}"
        record.requests.append(Request(path, body, lambda policy: _due_since(policy, self.since), method="PATCH"))
        return record

    def _absences(self) -> Iterator[Record]:
        for person in PEOPLE:
            if person.role in ("salesperson", "office_head"):
                for monday in self._mondays(ahead=LOOKED_AHEAD):
                    away = away_in(person, monday)
                    if away is not None and away.days[-1] >= self.since and away.applied_on <= self.last:
                        yield self._absence(away)

    def _absence(self, away: Away) -> Record:
        chance, office = luck("absence", away.key), office_of(away.person)
        me = self.people[away.person.login]
        at = between(chance, away.applied_on, "09:00", "17:00", office)
        trip = away.kind == "trip"
        body: Body = {
            "kind": away.kind,
            "first_day": away.days[0].isoformat(),
            "last_day": away.days[-1].isoformat(),
            "reason": words.TRIP if trip else chance.choice(words.LEAVE),
            **({"place": trip_city(away)} if trip else {}),
            **({"deputy": self.people[away.deputy.login].id} if away.deputy else {}),
            **entered(at, me),
        }
        record = self._begin("absences", away.key, body, at, me)
        step = self._stepper(record)
        decided = between(chance, calendar.after(away.applied_on, 1), "09:00", "12:00", office)
        boss = _above(away.person, decided.date())
        if away.fate == "refused":
            step("refusal", decided, boss, {"reason": words.LEAVE_REFUSED}, _decided)
            return record
        step("approval", decided, boss, {"reason": "同意"}, _decided)
        if away.fate == "cancelled":
            gone = between(chance, calendar.after(away.applied_on, 2), "09:00", "12:00", office)
            step("cancellation", gone, away.person, {}, lambda absence: absence["status"] == "cancelled")
        elif trip:
            back = between(chance, away.days[-1], "17:40", "20:30", office)
            step("return", back, away.person, {}, lambda absence: absence.get("returned_on") is not None)
        return record

    # --- plans ------------------------------------------------------------------------------------

    def plan(self, day: Day) -> Record | None:
        """The day's plan; None where there was none, or nobody had begun it yet."""
        chance, office, me = luck("plan", day.key), day.office, self.people[day.seller.login]
        eve = calendar.after(day.day, -1)
        at = between(chance, eve, "15:30", "16:30", office)
        if day.plan is PlanFate.MISSING or at.date() > self.last:
            return None
        stops = day.planned if day.plan in EXECUTED else self._meant(day, chance)
        body = {**self.plan_body(day, stops), **entered(at, me)}
        customers = [stop.customer for stop in stops if stop.customer]
        record = self._begin("visit-plans", day.key, body, at, me, *customers)
        # The day that is still to be played is left to whoever plays it: its plans are not handed in yet.
        if day.plan is PlanFate.DRAFT or (office.code == LIVE and day.day > self.last):
            return record
        self._plan_steps(record, day, chance, eve)
        return record

    def plan_body(self, day: Day, stops: list[Stop] | None = None) -> Body:
        """The plan as it is drafted; without other stops, with the day's."""
        return {
            "business_date": day.day.isoformat(),
            "stops": [_planned(stop) for stop in (day.planned if stops is None else stops) if not stop.added],
            **({"note": f"{trip_city(day.away)}出差"} if day.away else {}),
        }

    def _plan_steps(self, record: Record, day: Day, chance: random.Random, eve: date) -> None:
        step, office, fate = self._stepper(record), day.office, day.plan

        def submit(at: datetime) -> None:
            step("submission", at, day.seller, {}, _handed_in(at))

        def sign(at: datetime, revision: int = 1) -> None:
            said = {"instructions": chance.choice(words.PLAN_SIGNED)} if chance.random() < 0.15 else {}
            step("signature", at, signer(office, at.date()), said, lambda plan: len(plan["revisions"]) >= revision)

        def change(at: datetime, said: Body) -> None:
            step("change", at, day.seller, said, _handed_in(at), method="PATCH")

        if fate is PlanFate.LATE:
            late = between(chance, day.day, "09:05", "10:20", office)
            submit(late)
            if chance.random() < 0.7:
                sign(late + timedelta(minutes=chance.randint(20, 120)))
            return
        submit(between(chance, eve, "16:35", "18:30", office))
        evening = between(chance, eve, "18:40", "19:40", office)
        if fate in (PlanFate.RETURNED, PlanFate.LEFT_RETURNED):
            reason = {"reason": chance.choice(words.PLAN_RETURNS)}
            step("return", evening, signer(office, eve), reason, lambda plan: plan["returns"] > 0)
            if fate is PlanFate.RETURNED:
                change(evening + timedelta(minutes=25), {"note": "已按批示修改"})
                submit(evening + timedelta(minutes=30))
                sign(evening + timedelta(minutes=75))
        elif fate is PlanFate.SIGNED_LATE:
            sign(between(chance, day.day, "07:40", "08:50", office))
        elif fate is not PlanFate.UNSIGNED:
            sign(evening)
            if fate is PlanFate.AMENDED:
                reason = {"reason": chance.choice(words.AMENDMENTS)}
                amended = evening + timedelta(minutes=40)
                step("amendment", amended, day.seller, reason, lambda plan: plan["revision"] > 1)
                change(amended + timedelta(minutes=5), {"stops": [_planned(stop) for stop in day.planned]})
                submit(amended + timedelta(minutes=6))
                sign(amended + timedelta(minutes=45), revision=2)

    def _meant(self, day: Day, chance: random.Random) -> list[Stop]:
        """The stops of a plan that was never handed in: the day did not go by it."""
        meant = [stop for stop in day.stops if stop.starts != "12:10"][: chance.randint(1, 2)]
        return [
            Stop(identity("meant", f"{day.key} {n}"), True, stop.starts, stop.ends, stop.customer, stop.area,
                 stop.purposes, Fate.MISSED, stop.came, stop.left, {})
            for n, stop in enumerate(meant)
        ]  # fmt: skip

    # --- visits -----------------------------------------------------------------------------------

    def visits(self, day: Day) -> Record | None:
        """The day's visits and calls as one batch, as a telephone brings them; then the grades of them."""
        if day.key in self._visits:
            return self._visits[day.key]
        me = self.people[day.seller.login]
        commands = sorted(self.commands(day), key=lambda command: command["occurred_at"])
        if not commands:
            return None
        record = Record("visits", day.key, identity("visits", day.key), [], at=_midnight(day))
        record.needs = [me, *(stop.customer for stop in day.stops if stop.customer)]
        record.requests.append(Request(BATCH, {"commands": commands}, name="batch"))
        chance = luck("grades", day.key)
        for stop in day.made:
            at = between(chance, calendar.after(day.day, 1), "08:40", "09:30", day.office)
            grade, graded = chance.choices((2, 3, 4, 5), (1, 4, 5, 1))[0], chance.random() < 0.06
            if graded and at.date() <= self.last:
                said = {"grade": grade, **entered(at, self.people[signer(day.office, at.date()).login])}
                record.requests.append(Request(f"/api/v1/visits/{stop.id}/evaluation", said, name="evaluation"))
        self._visits[day.key] = record
        return record

    def commands(self, day: Day) -> Iterator[Body]:
        """Everything that somebody did on that day, as commands of a batch; not in order."""
        for stop in day.stops:
            yield from self.of_stop(day, stop)
        yield from self._calls(day)

    def of_stop(self, day: Day, stop: Stop) -> Iterator[Body]:
        """What was done about a stop, as commands of a batch, each with its own id and time."""
        chance, me = luck("visit", stop.id), self.people[day.seller.login]

        def said(name: str, at: datetime, body: Body, number: int = 0) -> Body:
            return {
                "id": derived_id("demo commands", f"{stop.id} {name} {number}"),
                "command": name,
                "visit": stop.id,
                "occurred_at": at.isoformat(),
                "body": {**body, "on_behalf_of": me.id},
            }

        if stop.fate is Fate.MISSED:
            return
        if stop.fate is Fate.CANCELLED:
            yield said("cancellation", stop.came - timedelta(minutes=chance.randint(20, 90)),
                       {"reason": chance.choice(words.CANCELLED)})  # fmt: skip
            return
        if stop.fate is Fate.MOVED:
            to = calendar.after(day.day, chance.randint(1, 4)).isoformat()
            yield said("move", stop.came - timedelta(minutes=chance.randint(20, 90)),
                       {"to": to, "reason": chance.choice(words.MOVED)})  # fmt: skip
            return
        by_hand = chance.random() < 0.07
        arrival = {"declared": by_hand, **self._position(day, stop, chance)}
        if stop.planned:
            yield said("check_in", stop.came, arrival)
        else:
            place = {"customer": stop.customer.id} if stop.customer else {"area": stop.area}
            unplanned = {**place, "purposes": stop.purposes, **_step(stop), "check_in": arrival}
            yield said("unplanned", stop.came, {**unplanned, "import_source": f"demo:visits:{stop.id}"})
        leaving = {"declared": by_hand, **self._position(day, stop, chance)}
        if stop.fate is Fate.NOT_MET:
            soon = stop.came + timedelta(minutes=chance.randint(5, 20))
            yield said("not_met", soon, {"reason": chance.choice(words.NOT_MET), **leaving})
        else:
            yield said("completion", stop.left, {**self._came_of(stop, chance), **leaving})
        for number, (kind, (least, most)) in enumerate(words.COSTS.items()):
            usual = {"transport": 0.35, "meal": 0.1, "lodging": 0.0}.get(kind, 0.03)
            if day.away is not None and kind == "lodging" and stop is day.stops[-1]:
                usual = 1.0
            if chance.random() < usual:
                body = {"type": kind, "amount": yuan(chance.randint(least, most))}
                yield said("cost", stop.left + timedelta(minutes=2), body, number)

    def _came_of(self, stop: Stop, chance: random.Random) -> Body:
        results = []
        for purpose in stop.purposes:
            outcome = stop.outcomes[purpose]
            result: Body = {
                "purpose": purpose,
                "outcome": outcome,
                "note": chance.choice(words.RESULTS[purpose][outcome]),
            }
            if purpose == "collection" and outcome == "achieved":
                result["amount"] = yuan(chance.randint(8, 120) * 500)
            results.append(result)
        body: Body = {"results": results, **self._met(stop, chance)}
        if chance.random() < 0.5:
            due = calendar.after(stop.came.date(), chance.randint(1, 8)).isoformat()
            body["next_step"] = {"text": chance.choice(words.NEXT), "due": due}
        return body

    def _met(self, stop: Stop, chance: random.Random) -> Body:
        if stop.customer is not None and (known := self._contacts(stop.customer)):
            return {"contact_met": chance.choice(known).id}
        return {"contact_name": chance.choice("王李张刘陈杨黄赵周吴") + chance.choice(("工", "经理", "主管"))}

    def _position(self, day: Day, stop: Stop, chance: random.Random) -> Body:
        """Near the customer's address mostly; sometimes somewhere else, sometimes none."""
        kind, north, east = chance.random(), chance.uniform(-1, 1), chance.uniform(-1, 1)
        if kind < 0.08:
            return {}
        latitude, longitude = day.office.centre
        spread = 0.06
        if stop.customer is not None:
            address = stop.customer.requests[0].body["addresses"][0]
            latitude, longitude = address["latitude"], address["longitude"]
            spread = 0.0018 if kind > 0.12 else 0.05
        return {
            "position": {
                "latitude": round(latitude + spread * north, 5),
                "longitude": round(longitude + spread * east, 5),
                "accuracy_m": chance.choice((8, 12, 20, 35)),
            }
        }

    def _calls(self, day: Day) -> Iterator[Body]:
        chance, me = luck("calls", day.key), self.people[day.seller.login]
        held = [stop.customer for stop in day.stops if stop.customer]
        for number in range(chance.choices((0, 1, 2, 3, 4), (1, 3, 4, 3, 1))[0]):
            begin = between(chance, day.day, "08:40", "17:50", day.office)
            seconds = chance.choice((25, 70, 130, 200, 340, 520))
            call = identity("calls", f"{day.key} {number}")
            customer = chance.choice(held) if held and chance.random() < 0.7 else None
            yield {
                "id": derived_id("demo commands", call),
                "command": "call",
                "occurred_at": (begin + timedelta(seconds=seconds)).isoformat(),
                "body": {
                    "id": call,
                    "direction": chance.choice(("outgoing", "outgoing", "incoming")),
                    "started_at": begin.isoformat(),
                    "seconds": seconds,
                    "result": chance.choice(words.CALLS) if seconds > 25 else words.CALLS[-1],
                    **({"customer": customer.id} if customer else {}),
                    "on_behalf_of": me.id,
                    "import_source": f"demo:calls:{day.key} {number}",
                },
            }

    # --- daily reports ----------------------------------------------------------------------------

    def report(self, day: Day) -> Record | None:
        if day.report is ReportFate.MISSING:
            return None
        chance, office, me = luck("report", day.key), day.office, self.people[day.seller.login]
        at = between(chance, day.day, "17:45", "18:30", office)
        body = {"business_date": day.day.isoformat(), **entered(at, me)}
        customers = [stop.customer for stop in day.stops if stop.customer]
        visits = self.visits(day)
        needs = [me, *customers, *([visits] if visits else [])]
        record = self._begin("daily-reports", day.key, body, at, *needs)
        step = self._stepper(record)
        written = at + timedelta(minutes=12)
        step("edit", written, day.seller, self.sections(day), _handed_in(written), method="PATCH")
        if day.report is not ReportFate.DRAFT:
            self._report_steps(record, day, chance)
        return record

    def _report_steps(self, record: Record, day: Day, chance: random.Random) -> None:
        step, office, fate = self._stepper(record), day.office, day.report
        morning = calendar.after(day.day, 2 if office.code == WEAK and chance.random() < 0.4 else 1)
        signing = between(chance, morning, "08:45", "10:15", office)

        def submit(at: datetime) -> None:
            step("submission", at, day.seller, {}, _handed_in(at))

        def sign(at: datetime, revision: int = 1) -> None:
            by, said = signer(office, at.date()), {}
            if chance.random() < 0.45:
                said["instructions"] = chance.choice(words.INSTRUCTIONS)
                if chance.random() < 0.15:
                    due = calendar.after(at.date(), chance.randint(2, 5)).isoformat()
                    said["task"] = {"text": chance.choice(words.TASKS), "due": due}
            step("signature", at, by, said, lambda report: len(report["revisions"]) >= revision)

        def edit(at: datetime, said: Body) -> None:
            step("edit", at, day.seller, said, _handed_in(at), method="PATCH")

        if fate is ReportFate.LATE:
            submit(between(chance, calendar.after(day.day, 1), "07:30", "08:30", office))
            sign(signing)
            return
        submit(between(chance, day.day, "19:00", "20:50", office))
        if fate in (ReportFate.RETURNED, ReportFate.LEFT_RETURNED):
            reason = {"reason": chance.choice(words.REPORT_RETURNS)}
            step("return", signing, signer(office, signing.date()), reason, lambda report: report["returns"] > 0)
            if fate is ReportFate.RETURNED:
                again = between(chance, signing.date(), "12:00", "13:20", office)
                edit(again, {"other": "已按批示补充洽谈结果"})
                submit(again + timedelta(minutes=4))
                sign(between(chance, signing.date(), "16:30", "17:40", office))
        elif fate is ReportFate.UNSIGNED:
            if chance.random() < 0.7:  # somebody has reminded the head of it
                sign(between(chance, calendar.after(day.day, 6), "08:45", "10:15", office))
        else:
            sign(signing)
            if fate is ReportFate.CORRECTED:
                begun = between(chance, signing.date(), "11:00", "11:40", office)
                reason = {"reason": chance.choice(words.CORRECTIONS)}
                step("correction", begun, day.seller, reason, lambda report: report["revision"] > 1)
                market = [{"competitor": words.COMPETITORS[0], "text": chance.choice(words.MARKET)}]
                edit(begun + timedelta(minutes=5), {"market": market})
                submit(begun + timedelta(minutes=6))
                sign(between(chance, signing.date(), "17:00", "17:50", office), revision=2)

    def sections(self, day: Day) -> Body:
        """What somebody types into the day's report; what stays empty is said to be."""
        chance = luck("sections", day.key)
        held = [stop.customer for stop in day.made if stop.customer]
        body: Body = {
            "attendance": {
                "kind": "trip" if day.away else "present",
                "began": f"08:{chance.randint(10, 40)}",
                "ended": f"1{chance.choice((7, 8))}:{chance.randint(10, 55)}",
            },
            "talks": [
                {"visit": stop.id, "comment": luck("missed", stop.id).choice(words.MISSED)}
                for stop in day.planned
                if stop.fate is Fate.MISSED
            ],
            "collections": self._collected(day),
            "complaints": [],
            "market": [],
            "opinions": [],
            "news": [],
        }
        if held and chance.random() < 0.04:
            severity = chance.choice(("information", "affects_sales"))
            line = {"id": identity("complaint", day.key), "customer": chance.choice(held).id}
            body["complaints"] = [{**line, "severity": severity, "text": chance.choice(words.COMPLAINTS)}]
        if chance.random() < 0.3:
            body["market"] = [
                {"competitor": chance.choice(words.COMPETITORS), "text": chance.choice(words.MARKET)},
            ]
        for section, texts, often in (("opinions", words.OPINIONS, 0.3), ("news", words.NEWS, 0.18)):
            if held and chance.random() < often:
                body[section] = [{"customer": chance.choice(held).id, "text": chance.choice(texts)}]
        if chance.random() < 0.92:
            body["reflections"] = chance.choice(words.REFLECTIONS)
        if chance.random() < 0.12:
            body["other"] = chance.choice(words.OTHER)
        said = {name for name in ("complaints", "market", "opinions", "news", "reflections", "other") if body.get(name)}
        empty = {"complaints", "market", "opinions", "news", "reflections", "other"} - said
        if not day.stops:
            empty.add("talks")
        return {**body, "none": sorted(empty)}

    def _collected(self, day: Day) -> list[Body]:
        total = 0
        for stop in day.made:
            for command in self.of_stop(day, stop):
                if command["command"] == "completion":
                    total += sum(result.get("amount", {}).get("minor", 0) for result in command["body"]["results"])
        return [{"minor": total, "currency": "CNY"}] if total else []

    # --- meetings ---------------------------------------------------------------------------------

    def _meetings(self) -> Iterator[Record]:
        for office in OFFICES:
            for day in calendar.workdays(self.since, self.last):
                yield from self._of_day(office, day)

    def _of_day(self, office: Office, day: date) -> Iterator[Record]:
        head = head_of(office)
        if absent(head, day) is not None:
            return
        chance = luck("meetings", office.code, day)
        if calendar.after(day, -1).isocalendar()[:2] != day.isocalendar()[:2]:  # the first of its week
            yield self._meeting(office, day, "weekly", chance)
            if chance.random() < 0.3:
                yield self._talk(office, day, chance)
        else:
            yield self._meeting(office, day, "morning", chance)

    def _meeting(self, office: Office, day: date, kind: str, chance: random.Random) -> Record:
        head, team = head_of(office), team_of(office)
        planned = between(chance, day, "07:50", "08:05", office)
        record = self._planned_meeting(office, day, kind, team, planned, {})
        step = self._stepper(record)
        if kind == "morning" and chance.random() < 0.04:
            reason = {"reason": "主任临时赴客户处理投诉"}
            step(
                "cancellation",
                planned + timedelta(minutes=10),
                head,
                reason,
                lambda meeting: meeting["status"] == "cancelled",
            )
            return record
        here = {person.login: absent(person, day) is None and chance.random() > 0.04 for person in team}
        if not any(here.values()):
            here[team[0].login] = True
        texts = words.WEEKLY if kind == "weekly" else words.MORNING
        actions = []
        if kind == "weekly":
            for person in chance.sample(team, chance.randint(0, 2)):
                due = calendar.after(day, chance.randint(2, 4)).isoformat()
                text = chance.choice(words.WEEKLY_TASKS)
                actions.append({"text": text, "assignee": self.people[person.login].id, "due": due})
        held: Body = {
            "attendance": [{"person": self.people[login].id, "attended": attended} for login, attended in here.items()],
            "decisions": chance.sample(texts, 2 if kind == "weekly" else 1),
            "actions": actions,
        }
        at = planned + timedelta(minutes=60 if kind == "weekly" else 25)
        step("holding", at, head, held, _held)
        if kind == "weekly":
            step("closure", at + timedelta(minutes=70), head, {}, lambda meeting: meeting["status"] == "closed")
        return record

    def _talk(self, office: Office, day: date, chance: random.Random) -> Record:
        """An interview or a coaching of one of the team."""
        head, person = head_of(office), chance.choice(team_of(office))
        kind = chance.choice(("interview", "coaching"))
        at = between(chance, day, "16:00", "17:00", office)
        trigger = {"trigger": chance.choice(words.COACHED)} if kind == "coaching" else {}
        record = self._planned_meeting(office, day, kind, [person], at, trigger)
        step = self._stepper(record)
        found = chance.choice(words.FOUND if kind == "coaching" else words.INTERVIEWED)
        held = {"attendance": [{"person": self.people[person.login].id, "attended": True}], "findings": found}
        step("holding", at + timedelta(minutes=40), head, held, _held)
        if kind == "coaching":
            reviewed = between(chance, calendar.after(day, 5), "16:00", "17:00", office)
            said = {"review": chance.choice(words.REVIEWED)}
            step("closure", reviewed, head, said, lambda meeting: meeting["status"] == "closed")
        return record

    def _planned_meeting(
        self, office: Office, day: date, kind: str, people: list[Person], at: datetime, more: Body
    ) -> Record:
        head = self.people[head_of(office).login]
        them = [self.people[person.login] for person in people]
        participants = [person.id for person in them]
        body = {
            "kind": kind,
            "business_date": day.isoformat(),
            "participants": participants,
            **more,
            **entered(at, head),
        }
        return self._begin("meetings", f"{office.code} {day} {kind}", body, at, head, *them)

    # --- the market, tasks ------------------------------------------------------------------------

    def _market_reports(self) -> Iterator[Record]:
        for day in self._days(self.last):
            chance = luck("market", day.key)
            at = [stop for stop in day.made if stop.customer and stop.fate is Fate.COMPLETED]
            if at and chance.random() < 0.04:
                yield self._market_report(day, chance.choice(at), chance)

    def _market_report(self, day: Day, stop: Stop, chance: random.Random) -> Record:
        me, office, visits = self.people[day.seller.login], day.office, self.visits(day)
        kind = chance.choice(list(words.SITUATIONS))
        text, impact = words.SITUATIONS[kind]
        at = stop.left + timedelta(minutes=chance.randint(5, 30))
        body = {
            "kind": kind,
            "severity": chance.choice(("information", "affects_sales", "affects_sales", "serious")),
            "text": text,
            "sales_impact": impact,
            "visit": stop.id,
            **entered(at, me),
        }
        needs = [one for one in (stop.customer, visits) if one is not None]
        record = self._begin("market-reports", day.key, body, at, me, *needs)
        step, fate = self._stepper(record), chance.random()
        if fate < 0.1:
            return record  # nobody has read it
        read = at + timedelta(minutes=chance.randint(20, 200))
        step("acknowledgement", read, signer(office, read.date()), {}, lambda report: report["status"] != "submitted")
        if fate < 0.75:
            acting = read + timedelta(minutes=chance.randint(5, 40))
            due = calendar.after(acting.date(), chance.randint(2, 5)).isoformat()
            action = {"id": identity("action", day.key), "text": chance.choice(words.ACTIONS)}
            said = {**action, "assignee": me.id, "due": due}
            step("action", acting, signer(office, acting.date()), said, lambda report: bool(report["actions"]))
        if fate > 0.4:
            done = between(chance, calendar.after(read.date(), chance.randint(3, 6)), "10:00", "16:00", office)
            said = {"reason": chance.choice(words.CLOSED)}
            step("closure", done, signer(office, done.date()), said, lambda report: report["status"] == "closed")
        return record

    def _tasks(self) -> Iterator[Record]:
        """What heads ask for between times (V-20)."""
        for day in self._days(self.last):
            chance, office = luck("task", day.key), day.office
            if chance.random() < 0.06 and absent(head_of(office), day.day) is None:
                at = between(chance, day.day, "11:00", "17:00", office)
                due = calendar.after(day.day, chance.randint(1, 4))
                head, me = self.people[head_of(office).login], self.people[day.seller.login]
                text = chance.choice(words.TASKS)
                body = {"assignee": me.id, "text": text, "due": due.isoformat(), **entered(at, head)}
                record = self._begin("tasks", day.key, body, at, head, me)
                if chance.random() < 0.8:
                    done = between(chance, due, "10:00", "17:00", office)
                    said = {"result": chance.choice(words.TASK_RESULTS)}
                    self._stepper(record)("completion", done, day.seller, said, lambda task: task["status"] != "open")
                yield record

    # --- how records are made ---------------------------------------------------------------------

    def _begin(self, kind: str, key: str, body: Body, at: datetime, *needs: Record) -> Record:
        return new_record(kind, key, body, needs=list({need.id: need for need in needs}.values()), at=at)

    def _stepper(self, record: Record) -> Callable[..., None]:
        """Adds the steps of a record that have happened so far; what follows one that has not has not either."""

        def step(name: str, at: datetime, by: Person, said: Body, skip: Skip, method: str = "POST") -> None:
            if at.date() > self.last:
                return
            body = {**said, **entered(at, self.people[by.login])}
            noun = "" if method == "PATCH" else f"/{name}"
            path = f"/api/v1/{record.kind}/{record.id}{noun}"
            replaces = name in ("amendment", "correction")
            record.requests.append(Request(path, body, skip, name, method, versioned=replaces))

        return step


def _above(person: Person, day: date) -> Person:
    """Who decides on somebody's leave on that day."""
    if person.role == "salesperson":
        return signer(office_of(person), day)
    return next(other for other in PEOPLE if other.login == person.manager)


def _planned(stop: Stop) -> Body:
    place: Body = {"customer": stop.customer.id} if stop.customer else {"area": stop.area}
    return {
        "id": stop.id, **place, "starts": stop.starts, "ends": stop.ends, "purposes": stop.purposes, **_step(stop)
    }  # fmt: skip


def _step(stop: Stop) -> Body:
    step = words.STEPS.get(stop.purposes[0])
    return {"step": step} if step else {}


def _midnight(day: Day) -> datetime:
    return datetime.combine(day.day, time.min, ZoneInfo(day.office.timezone))


# --- whether a step was taken before, by the record as it stands --------------------------------------


def _due_since(policy: Body, since: date) -> bool:
    return policy.get("forms_from") is not None and date.fromisoformat(policy["forms_from"]) <= since


def _decided(absence: Body) -> bool:
    return absence["status"] != "applied"


def _held(meeting: Body) -> bool:
    return meeting["status"] != "planned"


def _handed_in(at: datetime) -> Skip:
    """Handed in at that time or later, in whichever revision."""
    return lambda form: (submitted := _last_submission(form)) is not None and submitted >= at


def _last_submission(form: Mapping[str, Any]) -> datetime | None:
    steps = [form.get("submission"), *(revision["submission"] for revision in form.get("revisions", ()))]
    moments = [datetime.fromisoformat(step["at"]) for step in steps if step]
    return max(moments) if moments else None
