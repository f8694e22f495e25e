"""`salesbeat import`: reads and plans everything, sends it, and says what became of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from chassis.identity import Caller
from salesbeat.importing import mapping as mappings
from salesbeat.importing import plan as plans
from salesbeat.importing import tables
from salesbeat.importing.mapping import KINDS
from salesbeat.importing.marked import Mistake
from salesbeat.importing.mended import read as read_mended
from salesbeat.importing.plan import Plan, Record
from salesbeat.importing.refused import shown
from salesbeat.importing.rehearsal import ADMINISTRATOR, rehearse
from salesbeat.importing.send import Sender, Stopped
from salesbeat.importing.verdicts import Became, Verdict, Verdicts
from salesbeat.plain import plain
from salesbeat.refusals import Refused
from salesbeat.session import Session

SHOWN = 10
"""Refused records whose reasons are printed; the error file has all."""
LINE_EVERY = 5.0
"""Seconds between two lines about one kind, where there is no terminal."""


async def run(
    mapping: Path,
    folder: Path,
    *,
    dry_run: bool = False,
    errors: Path | None = None,
    verdicts: Path | None = None,
    mended: Path | None = None,
    mended_encoding: str | None = None,
    in_flight: int = 16,
    session: Session | None,
    console: Console | None = None,
) -> int:
    """Import; answers the exit status: 0, or 1 where something was refused.

    errors: where refused rows go; verdicts: where a verdict per row goes. mended: a mended error file, in
    `mended_encoding` if somebody says it. session: None for a dry run.
    Raises Refused, for a mapping with mistakes with a sentence for each.
    """
    console = console or _console()
    plan = read(mapping, folder, mended, mended_encoding)
    stopped: BaseException | None = None
    made = Verdicts(left_out=plan.skipped if mended is None else [one for one in plan.skipped if one[1].mended])
    with showing(console) as progress:

        def done(record: Record, verdict: Verdict) -> None:
            made.add(record, verdict)
            progress.step(record.kind)

        sender = None
        caller = ADMINISTRATOR
        if not dry_run:
            assert session is not None  # noqa: S101 - only a dry run does without
            sender = Sender(session.client, in_flight=in_flight, done=done)
            try:
                caller = await sender.begin()
            except (Stopped, asyncio.CancelledError) as reason:
                stopped = reason
        unchecked = await _rehearse(plan, caller, progress)
        chosen = {kind: [record for record in plan.records[kind] if mended is None or record.mended] for kind in KINDS}
        for kind in KINDS:
            for record in chosen[kind]:
                if record.problems:
                    made.add(record, Verdict(Became.REFUSED, "; ".join(record.problems)))
        if dry_run:
            for record in _good(chosen):
                made.add(record, Verdict(Became.GOOD))
        elif sender is not None and stopped is None:
            try:
                await _send(plan, chosen, sender, progress)
            except (Stopped, asyncio.CancelledError) as reason:
                stopped = reason
    if not dry_run:
        reached = {id(record) for record, _ in made.of_records}
        for record in _good(chosen):
            if id(record) not in reached:
                made.add(record, Verdict(Became.NOT_REACHED))
    if unchecked:
        console.print(f"{unchecked:,} requests could not be checked beforehand: the services decide about them.")
    _report(made, console, errors or Path(f"{plan.mapping.name}-errors.csv"), dry_run=dry_run)
    if verdicts is not None:
        made.write(verdicts)
        _say(console, f"A verdict for each row: {verdicts}")
    if stopped is not None:
        raise stopped
    return 1 if made.refused() else 0


def read(mapping: Path, folder: Path, mended: Path | None = None, mended_encoding: str | None = None) -> Plan:
    """The plan of an import, not rehearsed yet. Raises Refused with a sentence for each mistake."""
    try:
        read_mapping = mappings.read(mapping)
        replace = None if mended is None else lambda rows: read_mended(mended, mended_encoding, rows)
        read_tables = tables.read(read_mapping, folder, mapping.name, replace)
        return plans.build(read_mapping, read_tables, mapping.name)
    except Mistake as mistake:
        raise Refused("\n".join(mistake.sentences)) from None


async def rehearsed(mapping: Path, folder: Path, mended: Path | None = None) -> Plan:
    """The plan of an import, with everything noted on its records that a service would refuse."""
    plan = read(mapping, folder, mended)
    await rehearse(plan)
    return plan


def _good(chosen: dict[str, list[Record]]) -> Iterator[Record]:
    return (record for kind in KINDS for record in chosen[kind] if not record.problems)


async def _rehearse(plan: Plan, caller: Caller, progress: Showing) -> int:
    """Answers how many requests could not be checked beforehand."""
    total = sum(not record.problems for kind in KINDS for record in plan.records[kind])
    progress.begin("check", total)
    failed = await rehearse(plan, caller, lambda record: progress.step("check"))
    progress.end("check", said=False)
    return failed


async def _send(plan: Plan, chosen: dict[str, list[Record]], sender: Sender, progress: Showing) -> None:
    for kind in KINDS:
        wanted = {record.id for record in chosen[kind] if not record.problems}
        if not wanted:
            continue
        progress.begin(kind, len(wanted))
        for layer in plan.layers(kind):
            await sender.send([record for record in layer if record.id in wanted])
        progress.end(kind)


class Showing:
    """How far each kind is: a bar on a terminal, elsewhere a line now and then."""

    def __init__(self, console: Console, bars: Progress | None) -> None:
        self._console = console
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._done: Counter[str] = Counter()
        self._totals: dict[str, int] = {}
        self._said = 0.0

    def begin(self, kind: str, total: int) -> None:
        self._totals[kind] = total
        self._said = time.monotonic()
        if self._bars is not None:
            self._tasks[kind] = self._bars.add_task(kind, total=total)

    def step(self, kind: str) -> None:
        self._done[kind] += 1
        if self._bars is not None:
            self._bars.advance(self._tasks[kind])
        elif time.monotonic() - self._said >= LINE_EVERY:
            self._line(kind)

    def end(self, kind: str, *, said: bool = True) -> None:
        """said: whether a line tells it where there is no terminal."""
        if self._bars is None and said:
            self._line(kind)

    def _line(self, kind: str) -> None:
        self._said = time.monotonic()
        self._console.print(f"{kind:10} {self._done[kind]:,} of {self._totals[kind]:,}", soft_wrap=True)


@contextmanager
def showing(console: Console) -> Iterator[Showing]:
    if not console.is_terminal:
        yield Showing(console, None)
        return
    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        yield Showing(console, bars)


def _report(made: Verdicts, console: Console, errors: Path, *, dry_run: bool) -> None:
    console.print(summary(made))
    refused = made.refused()
    for record, reason in refused[:SHOWN]:
        _say(console, f"{record.place()}: {record.kind} {shown(record.key)}: {reason}")
    if len(refused) > SHOWN:
        console.print(f"… and {len(refused) - SHOWN} more.")
    kept = [(record, verdict.reason) for record, verdict in made.of_records if verdict.became is Became.KEPT]
    for record, reason in kept[:SHOWN]:
        _say(console, f"{record.place()}: {record.kind} {shown(record.key)} {reason}")
    if len(kept) > SHOWN:
        console.print(f"… and {len(kept) - SHOWN} more differ: --verdicts FILE lists all.")
    if count := made.write_errors(errors):
        rows = "row is" if count == 1 else "rows are"
        _say(
            console,
            f"{count} refused {rows} in {errors}: mend them there and give the same command again "
            f"with --mended {errors}",
        )
    if dry_run:
        console.print("Nothing was sent: this was a dry run.")


def summary(made: Verdicts, kinds: Sequence[str] = KINDS) -> Table:
    """What became of the records of each kind."""
    counted = {kind: counts for kind in kinds if (counts := made.counts(kind))}
    columns = [became for became in Became if any(counts[became] for counts in counted.values())]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for became in columns:
        table.add_column(became.value, justify="right")
    for kind, counts in counted.items():
        table.add_row(kind, *(f"{counts[became]:,}" if counts[became] else "" for became in columns))
    return table


def _say(console: Console, text: str) -> None:
    """A line with texts of the files, which are shown as they are: they mean nothing to the terminal."""
    console.print(plain(text), markup=False, highlight=False, emoji=False, soft_wrap=True)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=300)
