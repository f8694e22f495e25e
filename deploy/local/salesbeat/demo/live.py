"""`salesbeat demo --live`: one office's day, today, at a readable pace, beside the numbers that it moves.

What stands already is gone on from: a plan that is a draft is handed in, a signed one is left. What happens has the
times of a working day as far as the present day has passed, and is pressed into the hours until now otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from chassis import clock, money
from chassis.ids import derived_id
from salesbeat.demo import calendar, words
from salesbeat.demo.company import LIVE, OFFICES, PRODUCTS, Person
from salesbeat.demo.days import Day, Stop, head_of, signer, team_of
from salesbeat.demo.life import Life
from salesbeat.demo.making import identity, luck
from salesbeat.importing.plan import Body, Record
from salesbeat.plain import plain
from salesbeat.refusals import Refused
from salesbeat.session import Session, why

OFFICE = next(office for office in OFFICES if office.code == LIVE)
ZONE = ZoneInfo(OFFICE.timezone)
BEGINS, ENDS = time(8), time(18, 40)
"""Of the working day that is played."""
AT_LEAST = timedelta(hours=2)
"""Into which the day is pressed when it has hardly begun."""

SETTLES = 5
"""Looks at the numbers after the last event, while they settle."""

MEASURES = (
    ("plan", "stops_planned"),
    ("done", "visits_done"),
    ("unmet", "visits_not_met"),
    ("missed", "visits_missed"),
    ("extra", "visits_unplanned"),
    ("effective", "visits_effective"),
    ("deals", "visits_deal"),
    ("orders", "orders_confirmed"),
)
"""Columns of the table, and what they are called in the progress. (+2): two wait for the signature."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens: by the clock of the day that is played, and what is done then."""

    at: datetime
    do: Callable[[datetime], Awaitable[str | None]]


async def play(
    session: Session,
    *,
    pace: float = 1.0,
    console: Console | None = None,
    now: Callable[[], datetime] = clock.now,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> None:
    """Play the day and end. pace: seconds between two events. Raises Refused where the company is not there."""
    console = console or Console(highlight=False)
    stage = Stage(session, now().astimezone(ZONE))
    await stage.check()
    console.print(
        f"{OFFICE.city}办事处, {stage.today}: {escape(plain(head_of(OFFICE).name))} and the team. Ctrl-C ends it.",
        soft_wrap=True,
    )
    happened = False
    with _shown(console) as show:
        await stage.look()
        show(stage.table())
        for event in sorted(stage.events(), key=lambda event: event.at):
            said = await event.do(stage.moment(event.at))
            if said is None:
                continue
            happened = True
            console.print(plain(f"{event.at:%H:%M}  {said}"), markup=False, soft_wrap=True)
            await stage.look()
            show(stage.table())
            await sleep(pace)
        # What the signatures do to the visits comes over the bus.
        for _ in range(SETTLES if happened else 0):
            await sleep(min(pace, 1.0))
            await stage.look()
            show(stage.table())
    if not console.is_terminal:
        console.print(stage.table())
    over = "The day is over." if happened else "The day was played before: nothing is left to happen."
    console.print(f"{over} The same numbers: salesbeat progress day --level person", soft_wrap=True)


class Stage:
    """The office on that day, and what was heard of it last. at: the present moment, by the office's clock."""

    def __init__(self, session: Session, at: datetime) -> None:
        self.session = session
        self.today = at.date()
        begin, end = (datetime.combine(self.today, each, ZONE) for each in (BEGINS, ENDS))
        self._said = (begin, end)
        last = min(at, end)
        first = begin if at >= end else max(at.replace(hour=0, minute=1), min(begin, last - AT_LEAST))
        self._real = (min(first, last), last)
        self._life = Life(self.today)
        self._field = self._life.field
        self._office = self._field.offices[OFFICE.code]
        self._after: str | None = None
        self._rows: dict[str, Body] = {}
        self._whole: Body = {}
        self._sold: set[str] = set()

    def moment(self, at: datetime) -> datetime:
        """The real moment of one of the day's: yesterday's stay, today's lie within the day so far."""
        if at.date() < self.today:
            return at
        (said_first, said_last), (first, last) = self._said, self._real
        share = (at - said_first) / (said_last - said_first)
        return min(last, max(first, first + share * (last - first))).replace(microsecond=0)

    async def check(self) -> None:
        answer = await self.session.client.get(f"/api/v1/offices/{self._office.id}")
        if answer.status_code == 404:
            raise Refused("The demo company is not here yet: `salesbeat demo` makes it.")
        if not answer.is_success:
            raise Refused(why(answer))

    def events(self) -> Iterator[Event]:
        """Everything that happens, in no order."""
        for number, seller in enumerate(team_of(OFFICE)):
            day = self._life.days.played(seller, self.today)
            yield from self._plan(day, number)
            for stop in day.stops:
                yield from self._visit(day, stop)
            yield from self._report(day, number)

    async def look(self) -> None:
        """Read the day's numbers; what was written last is waited for."""
        asked = {"from": self.today.isoformat(), "to": self.today.isoformat()}
        whole = await self.session.get(
            "/api/v1/progress/day", **asked, level="office", id=self._office.id, after=self._after
        )
        self._whole = whole["items"][0]["measures"] if whole["items"] else {}
        for seller in team_of(OFFICE):
            id = self._field.people[seller.login].id
            answer = await self.session.get("/api/v1/progress/day", **asked, level="person", id=id)
            self._rows[seller.login] = answer["items"][0]["measures"] if answer["items"] else {}

    def table(self) -> Table:
        made = Table(box=None, pad_edge=False, header_style="bold")
        made.add_column(f"{self.today}", no_wrap=True)
        for name in (*(name for name, _ in MEASURES), "yuan"):
            made.add_column(name, justify="right", no_wrap=True)
        for seller in team_of(OFFICE):
            made.add_row(seller.name, *_cells(self._rows.get(seller.login, {})))
        made.add_row(f"{OFFICE.city}办事处", *_cells(self._whole), style="bold")
        return made

    # --- what happens -----------------------------------------------------------------------------

    def _plan(self, day: Day, number: int) -> Iterator[Event]:
        """The first plan is returned once, the third comes this morning; the others in the evening before."""
        evening = calendar.after(self.today, -1)
        late = number == 2
        at = _on(self.today, 8, 5) if late else _on(evening, 17, 10 + 9 * number)
        name = day.seller.name
        plan = identity("visit-plans", day.key)
        path = f"/api/v1/visit-plans/{plan}"
        stops = self._field.plan_body(day)["stops"]

        async def submit(moment: datetime) -> str | None:
            there = await self._there(path)
            if there is None:
                body = {"id": plan, "business_date": self.today.isoformat(), "stops": stops}
                if not await self._do("/api/v1/visit-plans", body, day.seller, moment):
                    return f"{name}: {self._trouble}"
                there = await self._there(path)
            if there is None or there["status"] not in ("draft", "returned"):
                return None
            if not await self._do(f"{path}/submission", {}, day.seller, moment):
                return f"{name}: {self._trouble}"
            when = "今早" if late else "前一日傍晚"
            return f"{name} {when}提交访问计划,{len(there['stops'])} 站"

        async def send_back(moment: datetime) -> str | None:
            if not await self._is(path, "submitted"):
                return None
            reason = words.PLAN_RETURNS[0]
            boss = self._signer(moment)
            done = await self._do(f"{path}/return", {"reason": reason}, boss, moment)
            return f"{boss.name} 退回 {name} 的计划:{reason}" if done else None

        async def sign(moment: datetime) -> str | None:
            if not await self._is(path, "submitted"):
                return None
            done = await self._do(f"{path}/signature", {}, self._signer(moment), moment)
            return f"{self._signer(moment).name} 核签 {name} 的访问计划" if done else f"{name}: {self._trouble}"

        yield Event(at, submit)
        if number == 0:
            yield Event(at + timedelta(minutes=20), send_back)
            yield Event(at + timedelta(minutes=50), submit)
        yield Event(at + timedelta(minutes=15 if late else 75), sign)

    def _visit(self, day: Day, stop: Stop) -> Iterator[Event]:
        name = day.seller.name
        where = stop.customer.requests[0].body["name"] if stop.customer else stop.area
        commands = sorted(self._field.of_stop(day, stop), key=lambda command: command["occurred_at"])
        for command in commands:
            said = _of_visit(command, name, str(where))

            async def send(moment: datetime, command: Body = command, said: str = said) -> str | None:
                one = {**command, "id": derived_id("demo live", command["id"]), "occurred_at": moment.isoformat()}
                answer = await self._send("/api/v1/visits/batch", {"commands": [one]})
                if answer is None:
                    return f"{name}: {self._trouble}"
                result = answer["results"][0]
                if result["verdict"] != "done":
                    return None
                self._after = f"visit:{result['record']}@{result['version']}"
                return said

            yield Event(datetime.fromisoformat(command["occurred_at"]), send)
        if stop.sold:
            yield Event(stop.left + timedelta(minutes=3), lambda moment: self._order(day, stop, moment))

    async def _order(self, day: Day, stop: Stop, moment: datetime) -> str | None:
        """Ordered, checked by the clerk and confirmed to the customer."""
        assert stop.customer is not None  # noqa: S101 - only a customer orders
        chance, order = luck("live order", stop.id), identity("live order", stop.id)
        product = chance.choice(PRODUCTS)
        body = {
            "id": order,
            "customer": stop.customer.id,
            "owner": self._field.people[day.seller.login].id,
            "currency": "CNY",
            "channel": "visit",
            "visit": stop.id,
            "requested_date": calendar.after(self.today, 10).isoformat(),
            "lines": [
                {"product": identity("products", product.code), "quantity": str(chance.randint(1, product.most))}
            ],
        }
        path = f"/api/v1/orders/{order}"
        if await self._there(path) is not None or not await self._do("/api/v1/orders", body, day.seller, moment):
            return None
        clerk = self._life.clerk(OFFICE.code)
        await self._do(f"{path}/verification", {}, clerk, moment)
        confirmed = {
            "promised_date": calendar.after(self.today, 8).isoformat(),
            "payment_method": "预付30%,货到付70%",
            "customer_told_at": moment.isoformat(),
        }
        done = await self._do(f"{path}/confirmation", confirmed, day.seller, moment)
        if done is None:
            return f"{day.seller.name}: {self._trouble}"
        total = done["total"]
        customer = stop.customer.requests[0].body["name"]
        return f"{day.seller.name} 拿下订单 {done['number']}:{customer},{money.show(total['minor'], total['currency'])}"

    def _report(self, day: Day, number: int) -> Iterator[Event]:
        name, report = day.seller.name, identity("daily-reports", day.key)
        path = f"/api/v1/daily-reports/{report}"
        at = _on(self.today, 17, 50 + 2 * number)

        async def submit(moment: datetime) -> str | None:
            body = {"id": report, "business_date": self.today.isoformat()}
            there = await self._there(path)
            if there is None:
                there = await self._do("/api/v1/daily-reports", body, day.seller, moment)
            if there is None or there["status"] != "draft":
                return None if there else f"{name}: {self._trouble}"
            typed = self._field.sections(day)
            unclosed = [line for line in there["sections"]["talks"] if line["status"] in ("planned", "checked_in")]
            typed["talks"] = [{"visit": line["visit"], "comment": words.MISSED[0]} for line in unclosed]
            if there["sections"]["talks"]:
                typed["none"] = [section for section in typed["none"] if section != "talks"]
            edited = await self._do(path, typed, day.seller, moment, version=there["version"])
            done = edited and await self._do(f"{path}/submission", {}, day.seller, moment)
            return f"{name} 提交日报,完整度 {done['completeness']}%" if done else f"{name}: {self._trouble}"

        async def sign(moment: datetime) -> str | None:
            if not await self._is(path, "submitted"):
                return None
            instructions = luck("live", day.key).choice(words.INSTRUCTIONS)
            boss = self._signer(moment)
            done = await self._do(f"{path}/signature", {"instructions": instructions}, boss, moment)
            return f"{boss.name} 签核 {name} 的日报,批示:{instructions}" if done else f"{name}: {self._trouble}"

        yield Event(at, submit)
        yield Event(_on(self.today, 18, 10 + 6 * number), sign)

    # --- how it is said to the suite --------------------------------------------------------------

    def _signer(self, moment: datetime) -> Person:
        return signer(OFFICE, moment.date())

    async def _there(self, path: str) -> Body | None:
        answer = await self.session.client.get(path)
        return answer.json() if answer.is_success else None

    async def _is(self, path: str, status: str) -> bool:
        there = await self._there(path)
        return there is not None and there["status"] == status

    async def _do(
        self, path: str, body: Body, by: Person | Record, moment: datetime, version: int | None = None
    ) -> Body | None:
        """A command in that person's name. None, with the reason in `_trouble`, where it is refused."""
        person = by if isinstance(by, Record) else self._field.people[by.login]
        answer = await self._send(
            path, {**body, "occurred_at": moment.isoformat(), "on_behalf_of": person.id}, version=version
        )
        if answer is not None:
            # The numbers are made of orders and visits; what forms do to visits follows on the bus.
            self._after = f"order:{answer['id']}@{answer['version']}" if path.startswith("/api/v1/orders") else None
        return answer

    async def _send(self, path: str, body: Body, version: int | None = None) -> Body | None:
        method, headers = ("POST", {}) if version is None else ("PATCH", {"If-Match": f'"{version}"'})
        answer = await self.session.client.request(method, path, json=body, headers=headers)
        if answer.is_success:
            return answer.json()
        self._trouble = why(answer)
        return None

    _trouble = ""


@contextmanager
def _shown(console: Console) -> Iterator[Callable[[Table], None]]:
    """Where the table is shown: at the foot of a terminal; of anything else, only at the end."""
    if not console.is_terminal:
        yield lambda table: None
        return
    with Live(console=console, refresh_per_second=8) as live:
        yield lambda table: live.update(table, refresh=True)


def _cells(measures: Body) -> list[str]:
    cells = []
    for _, measure in MEASURES:
        said = measures.get(measure, {})
        pending = said.get("pending")
        cells.append(f"{said.get('count', 0)}" + (f" (+{pending})" if pending else ""))
    amounts = measures.get("orders_confirmed", {}).get("amount") or []
    return [
        *cells,
        "\n".join(f"{amount['minor'] // 100:,}" for amount in amounts),
    ]


def _of_visit(command: Body, name: str, where: str) -> str:
    body = command["body"]
    match command["command"]:
        case "check_in":
            return f"{name} 签到:{where}"
        case "unplanned":
            return f"{name} 计划外访问:{where}"
        case "completion":
            return f"{name} 完成:{where},{body['results'][0]['note']}"
        case "not_met":
            return f"{name} 未遇:{where},{body['reason']}"
        case "cancellation":
            return f"{name} 取消:{where},{body['reason']}"
        case "move":
            return f"{name} 改期:{where},{body['reason']}"
        case _:
            return f"{name} 费用:{where} {body['amount']['minor'] / 100:g} 元"


def _on(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour), ZONE) + timedelta(minutes=minute)
