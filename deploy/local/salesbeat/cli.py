"""The `salesbeat` command: its words and options. What they do is in the module of the same name.

Heavy modules are imported where they are used: `salesbeat --help` and `salesbeat status` answer at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salesbeat.plain import plain
from salesbeat.refusals import Refused
from salesbeat.settings import KAFKA_BOOTSTRAP, LocalSettings

if TYPE_CHECKING:
    from rich.console import Console

    from salesbeat.dead_letters import Inbound, Outbound
    from salesbeat.session import Session


WIDE = 300
USUAL_WIDTH = 100
NARROWEST = 40


class App(typer.Typer):
    """Ends with the sentence of a refusal instead of a traceback."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except Refused as refusal:
            print(plain(str(refusal)), file=sys.stderr)  # noqa: T201 - the sentence, as it is
            raise SystemExit(1) from None


app = App(
    help="Salesbeat on this machine: start it, stop it, feed it, read its numbers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
letters_app = typer.Typer(help="What could not be handled or published.", no_args_is_help=True)
app.add_typer(letters_app, name="dead-letters")


class BrokerWish(StrEnum):
    AUTO = "auto"
    APACHE = "apache"
    EMBEDDED = "embedded"


class Cadence(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Level(StrEnum):
    COMPANY = "company"
    REGION = "region"
    OFFICE = "office"
    PERSON = "person"


AsJson = Annotated[bool, typer.Option("--json", help="For a program.")]
Url = Annotated[str | None, typer.Option(help="Another gateway than this machine's.")]
Login = Annotated[str | None, typer.Option(help="Who signs in there; the password: SALESBEAT_PASSWORD, or asked for.")]


@app.command()
def up(
    kafka: Annotated[BrokerWish | None, typer.Option(help="Which broker; SALESBEAT_BROKER says the same.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the processes.", min=1)] = 180,
) -> None:
    """Start the suite and wait until everything is ready."""
    from salesbeat import up as module

    if kafka is not None:
        os.environ["SALESBEAT_BROKER"] = kafka
    settings = LocalSettings.load()
    try:
        status = module.up(settings, _console(), wait)
    except KeyboardInterrupt:
        raise Refused("Not waited for; it goes on in the background: `salesbeat status`, `salesbeat down`.") from None
    raise typer.Exit(status)


@app.command()
def down() -> None:
    """Stop the suite; its data stays."""
    from salesbeat import up as module

    raise typer.Exit(module.down(LocalSettings.load(), _console()))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show how every process is. Ends with 1 unless all are ready."""
    from salesbeat import status as module

    raise typer.Exit(module.status(LocalSettings.load(), _console(), as_json=as_json))


@app.command()
def logs(
    process: Annotated[str | None, typer.Argument(help="Such as orders-worker, supervisor; default: all.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with the coming lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last ones.")] = 20,
) -> None:
    """Show the processes' logs."""
    from salesbeat import logs as module

    try:
        module.logs(LocalSettings.load(), process, follow=follow, lines=lines, say=typer.echo)
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command()
def progress(
    cadence: Annotated[Cadence, typer.Argument()],
    start: Annotated[str | None, typer.Option("--from", help="First period: 2017-03-14, 2017-W11, 2017-03.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last period; default: the present one.")] = None,
    level: Annotated[Level | None, typer.Option(help="Default: the widest that the caller may see.")] = None,
    unit: Annotated[str | None, typer.Option("--id", help="One region, office or person.")] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(help="Such as attainment,visits_done or orders_confirmed.margin; all; default: the usual ones."),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    login: Login = None,
) -> None:
    """Show daily, weekly or monthly progress, all pages of it."""
    from salesbeat import progress as module

    answer = _signed_in(url, login, lambda session: module.fetch(session, cadence, start, end, level, unit))
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=1))
    elif answer["items"]:
        names = [name.strip() for each in measures or () for name in each.split(",") if name.strip()]
        typer.echo(module.text(answer, _width(), names or None))
    else:
        typer.echo("Nothing happened in these periods.")


@app.command()
def resync(
    service: Annotated[str | None, typer.Argument(help="customers, orders, visits or reporting; default: all.")] = None,
    url: Url = None,
    login: Login = None,
) -> None:
    """Have services publish the state of everything again: fills a lost topic or a new consumer."""
    from contracts.topics import SERVICES

    if service is not None and service not in SERVICES:
        raise Refused(f"There is no service {service}: there are {', '.join(SERVICES)}.")

    async def all_of_them(session: Session) -> None:
        for name in [service] if service else SERVICES:
            answer = await session.post(f"/api/v1/resync/{name}")
            typer.echo(plain(f"{name}: {answer['restated']} published again"))

    _signed_in(url, login, all_of_them)


@app.command("import")
def import_(
    mapping: Annotated[Path, typer.Argument(help="The mapping file.", exists=True, dir_okay=False)],
    folder: Annotated[Path, typer.Argument(help="The folder with the CSV files.", exists=True, file_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, change nothing.")] = False,
    errors: Annotated[Path | None, typer.Option(help="Where refused rows are written, to be mended.")] = None,
    verdicts: Annotated[Path | None, typer.Option(help="Where what became of each row is written.")] = None,
    mended: Annotated[
        Path | None, typer.Option(help="A mended error file: only its rows are sent.", exists=True, dir_okay=False)
    ] = None,
    mended_encoding: Annotated[
        str | None, typer.Option(help="The encoding of the mended file, such as gbk, where it does not show.")
    ] = None,
    in_flight: Annotated[int, typer.Option(min=1, max=64, help="Requests under way at once.")] = 16,
    url: Url = None,
    login: Login = None,
) -> None:
    """Import somebody's CSV files through the API."""
    from salesbeat.importing import command

    async def work(session: Session | None) -> int:
        return await command.run(
            mapping,
            folder,
            dry_run=dry_run,
            errors=errors,
            verdicts=verdicts,
            mended=mended,
            mended_encoding=mended_encoding,
            in_flight=in_flight,
            session=session,
        )

    # A dry run needs no suite.
    raise typer.Exit(asyncio.run(work(None)) if dry_run else _signed_in(url, login, work))


@app.command()
def demo(
    days: Annotated[int | None, typer.Option(min=1, max=70, help="Working days of visits and reports.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Play one day of an office, today, before your eyes.")] = False,
    pace: Annotated[float, typer.Option(min=0, max=60, help="Seconds between two events of --live.")] = 1.0,
    url: Url = None,
    login: Login = None,
) -> None:
    """Fill the suite with a made-up company and some months of its life; or play one of its days."""
    from salesbeat import demo as module

    if live and days is not None:
        raise Refused("--days belongs to the filling, --live plays today: give one of them.")
    if live:
        try:
            _signed_in(url, login, lambda session: module.play(session, pace=pace))
        except KeyboardInterrupt:
            typer.echo("Ended. What has happened stays; the same command goes on from there.")
    else:
        _signed_in(url, login, lambda session: module.run(session, days=days))


@letters_app.command("list")
def letters_list(
    service: Annotated[str | None, typer.Argument(help="customers, orders, visits or reporting; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List them, with the reason of each. Ends with 1 where the broker or the database cannot be asked."""
    from rich.markup import escape
    from rich.table import Table

    from salesbeat import dead_letters

    settings = LocalSettings.load()
    inbound, outbound, refusals = _dead_letters(settings, service)
    given_back = dead_letters.redriven(settings.state)
    rows = [{**letter.row, "redriven_at": given_back.get(letter.mark)} for letter in inbound]
    rows += [{**letter.row, "redriven_at": letter.redriven_at} for letter in outbound]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    elif rows:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in rows[0]:
            table.add_column(column.replace("_", " "))
        for row in rows:
            table.add_row(*(escape(str(value or "")) for value in row.values()))
        _console().print(table)
    elif not refusals:
        typer.echo("There are no dead letters.")
    for refusal in refusals:
        typer.echo(str(refusal), err=True)
    raise typer.Exit(1 if refusals else 0)


@letters_app.command("show")
def letters_show(id: Annotated[str, typer.Argument(help="Such as orders:12.")]) -> None:
    """Show one whole."""
    from salesbeat import dead_letters

    inbound, outbound, refusals = _dead_letters(LocalSettings.load(), id.partition(":")[0])
    letter = _picked([*inbound, *outbound], id, refusals)
    for name, value in letter.details.items():
        typer.echo(f"{name}: {value}")
    typer.echo("")
    content = letter.content.decode(errors="replace")
    with contextlib.suppress(ValueError):  # what is no JSON is shown as it is: that may be its very fault
        content = json.dumps(json.loads(content), ensure_ascii=False, indent=1)
    if isinstance(letter, dead_letters.Inbound) and letter.left_at_its_place:
        content = f"(too large to be set aside; it still stands at {letter.came_from})"
    typer.echo(content)


@letters_app.command("redrive")
def letters_redrive(
    ids: Annotated[list[str] | None, typer.Argument(help="Such as orders:12.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not given back before.")] = False,
) -> None:
    """Give them another chance: a record goes to its topic again, an event into the outbox of its record."""
    from chassis import clock
    from salesbeat import dead_letters, state

    if bool(ids) == everything:
        raise Refused("Say which, such as `salesbeat dead-letters redrive orders:12`, or --all.")
    settings = LocalSettings.load()
    inbound, outbound, refusals = _dead_letters(settings, None)
    given_back = dead_letters.redriven(settings.state)
    given_back |= {letter.id: letter.redriven_at for letter in outbound if letter.redriven_at}
    if ids:
        chosen = [_picked([*inbound, *outbound], id, refusals) for id in dict.fromkeys(ids)]
    else:
        chosen = [letter for letter in inbound if letter.mark not in given_back]
        chosen += [letter for letter in outbound if letter.redriven_at is None]
    records = [letter for letter in chosen if isinstance(letter, dead_letters.Inbound)]
    events = [letter for letter in chosen if isinstance(letter, dead_letters.Outbound)]
    if records:
        suite = state.running(settings.state)
        idempotent = not (suite and (suite.broker or "").startswith("embedded"))
        asyncio.run(dead_letters.redrive(_bootstrap(settings), records, idempotent=idempotent))
        dead_letters.remember(settings.state, records, clock.now().isoformat())
    if events:
        asyncio.run(dead_letters.redrive_outbound(_mongodb(settings), events))
    for letter in chosen:
        before = given_back.get(letter.mark if isinstance(letter, dead_letters.Inbound) else letter.id)
        done = (
            f"published to {letter.said('topic')}"
            if isinstance(letter, dead_letters.Inbound)
            else "put back into the outbox of its record"
        )
        typer.echo(f"{letter.id} {done}{f' again (before: {before})' if before else ''}")
    if not chosen and not refusals:
        typer.echo("There is nothing to give back.")
    for refusal in refusals:
        typer.echo(str(refusal), err=True)
    raise typer.Exit(1 if refusals else 0)


def _dead_letters(settings: LocalSettings, service: str | None) -> tuple[list[Inbound], list[Outbound], list[Refused]]:
    """Those of the topics, those of the databases, and what could not be asked. Raises Refused."""
    from contracts.topics import SERVICES
    from salesbeat import dead_letters

    if service is not None and service not in SERVICES:
        raise Refused(f"There is no service {service}: there are {', '.join(SERVICES)}.")
    services = [service] if service else SERVICES
    inbound: list[Inbound] = []
    outbound: list[Outbound] = []
    refusals: list[Refused] = []
    try:
        inbound = asyncio.run(dead_letters.read(_bootstrap(settings), services))
    except Refused as refusal:
        refusals.append(refusal)
    try:
        outbound = asyncio.run(dead_letters.read_outbound(_mongodb(settings), services))
    except Refused as refusal:
        refusals.append(refusal)
    return inbound, outbound, refusals


def _picked(letters: list[Inbound | Outbound], id: str, refusals: list[Refused]) -> Inbound | Outbound:
    """Raises Refused: there is none, or not everything could be asked."""
    for letter in letters:
        if letter.id == id:
            return letter
    if refusals:
        raise refusals[0]
    raise Refused(f"No dead letter is called {id}: `salesbeat dead-letters list` shows them.")


def _mongodb(settings: LocalSettings) -> str:
    """Where the database is: one's own, or that of the suite."""
    from salesbeat import mongod

    return settings.mongodb_uri or mongod.uri(settings.port("mongod"))


def _bootstrap(settings: LocalSettings) -> str:
    """Where the broker is: one's own, or that of the running suite. Raises Refused."""
    from salesbeat import state

    if settings.kafka_bootstrap:
        return settings.kafka_bootstrap
    suite = state.running(settings.state)
    if suite is None or suite.kafka_bootstrap is None:
        raise Refused(
            f"Salesbeat does not run, so there is no broker: `salesbeat up`, or name one in {KAFKA_BOOTSTRAP}."
        )
    return suite.kafka_bootstrap


def _signed_in(url: str | None, login: str | None, work: Callable[[Session], Any]) -> Any:
    """Do the work with a session: this machine's administrator, or somebody at another gateway. Raises Refused."""
    import httpx

    from salesbeat.session import Session, unreachable

    if (url is None) != (login is None):
        raise Refused("--url and --login come together.")
    settings = LocalSettings.load()

    async def within() -> Any:
        if url and login:
            session = Session.elsewhere(url, login, lambda text: typer.prompt(text, hide_input=True))
        else:
            session = Session.local(settings)
        async with session:
            try:
                done = work(session)
                return await done if inspect.isawaitable(done) else done
            except httpx.TransportError as error:
                raise Refused(unreachable(session.url, error)) from error

    return asyncio.run(within())


def _width() -> int:
    """Cells of a line: the terminal's, or what COLUMNS says; 100 where there is neither, as in a pipe."""
    import shutil

    return max(shutil.get_terminal_size((USUAL_WIDTH, 0)).columns, NARROWEST)


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    # What is no terminal has no width: a pipe gets whole lines.
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


if __name__ == "__main__":
    app()
