"""`salesbeat demo`: sends the company's life, makes accounts, and says how to sign in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chassis import clock
from chassis.ids import derived_id
from salesbeat.demo import life
from salesbeat.demo.company import OFFICES, PEOPLE, REGIONS, Person
from salesbeat.demo.send import FieldSender
from salesbeat.importing.command import showing, summary
from salesbeat.importing.plan import Record, Request, layers
from salesbeat.importing.verdicts import Became, Verdict, Verdicts
from salesbeat.plain import plain
from salesbeat.refusals import Refused
from salesbeat.session import Session

PASSWORD = "hengchuan-demo"  # noqa: S105 - it opens made-up data, and is printed
IN_FLIGHT = 16
ZONE = ZoneInfo("Asia/Shanghai")


async def run(
    session: Session, *, days: int | None = None, today: date | None = None, console: Console | None = None
) -> None:
    """Fill the suite with the company's life up to yesterday. Run again, it adds what has happened since.

    days: working days of field work, life.FIELD_DAYS without it; never fewer than there are already. today: in
    Shanghai; the present day without it. Raises Refused when something was not taken.
    """
    console = console or Console(highlight=False)
    today = today or clock.now().astimezone(ZONE).date()
    since = await field_since(session, today, days)
    records = {**life.records(today, since), "accounts": list(accounts())}
    made = Verdicts()
    console.print(
        f"恒川流体设备 is made up: {len(PEOPLE)} people in {len(OFFICES)} offices of {len(REGIONS)} regions, "
        f"from {life.begins(today)} to yesterday, with their visits and reports from {since} on.",
        soft_wrap=True,
    )
    with showing(console) as progress:

        def done(record: Record, verdict: Verdict) -> None:
            made.add(record, verdict)
            progress.step(record.kind)

        sender = FieldSender(session.client, in_flight=IN_FLIGHT, done=done)
        await sender.begin()
        for kind, ones in records.items():
            progress.begin(kind, len(ones))
            for layer in layers(ones):
                await sender.send(layer)
            progress.end(kind)
    console.print(summary(made, list(records)))
    if refused := made.refused():
        # What needs a refused record says only that.
        reasons = Counter(f"{record.kind}: {reason}" for record, reason in refused if not reason.startswith("needs "))
        several = "\n".join(f"  {count} × {reason}" for reason, count in reasons.most_common(10))
        raise Refused(f"{len(refused)} records of the demo were not taken:\n{several}")
    _say(session, console, new=any(verdict.became is Became.CREATED for _, verdict in made.of_records))


async def field_since(session: Session, today: date, days: int | None) -> date:
    """The first day of field work: the one of the run before, so that no day is left out, or an earlier one."""
    wanted = life.field_begins(today, days or life.FIELD_DAYS)
    office = derived_id("salesbeat demo", f"offices:{OFFICES[0].code}")
    answer = await session.client.get(f"/api/v1/visit-policies/{office}")
    begun = answer.json().get("forms_from") if answer.is_success else None
    return min(wanted, date.fromisoformat(begun)) if begun else wanted


def accounts() -> Iterator[Record]:
    """Ways to sign in as some of the people, of every role."""
    for person in PEOPLE:
        if person.account:
            record = Record("accounts", person.login, derived_id("salesbeat demo", f"accounts:{person.login}"), [])
            body = {
                "id": record.id,
                "login": person.login,
                "password": PASSWORD,
                "name": person.name,
                "person": derived_id("salesbeat demo", f"people:{person.login}"),
            }
            record.requests.append(Request("/api/v1/accounts", body))
            yield record


def _say(session: Session, console: Console, *, new: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("login", "name", "role", "place"):
        table.add_column(column)
    for person in PEOPLE:
        if person.account:
            table.add_row(person.login, person.name, f"{person.title} ({person.role})", _place(person))
    console.print(f"\nSign in at {escape(plain(session.url))} with the password [bold]{PASSWORD}[/] as", soft_wrap=True)
    console.print(table)
    console.print("\nIts numbers: salesbeat progress month --level office" if new else "\nNothing new has happened.")


def _place(person: Person) -> str:
    if person.office is not None:
        return next(f"{office.city}办事处" for office in OFFICES if office.code == person.office)
    return REGIONS[person.region] if person.region else ""
