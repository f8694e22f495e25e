"""What became of each record and of each row, and the error file: refused rows, to be mended and fed again."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from salesbeat.importing.mapping import KINDS
from salesbeat.importing.mended import FILE, LINE, REASON, protected
from salesbeat.importing.plan import Record
from salesbeat.importing.tables import Row
from salesbeat.refusals import Refused


class Became(StrEnum):
    CREATED = "created"
    COMPLETED = "completed"
    """It was there; further steps of it were written."""
    THERE = "already there"
    """Nothing was changed."""
    KEPT = "differs"
    """It was there and says something else than the row; it was not changed."""
    REFUSED = "refused"
    LEFT_OUT = "left out"
    """By a filter of the mapping."""
    GOOD = "good"
    """Of a dry run: it would be sent."""
    NOT_REACHED = "not reached"
    """The import stopped before it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    became: Became
    reason: str = ""
    code: str = ""
    """Of the problem with which a service refused it."""


@dataclass(slots=True)
class Verdicts:
    """The verdicts of one import."""

    of_records: list[tuple[Record, Verdict]] = field(default_factory=list)
    left_out: list[tuple[str, Row]] = field(default_factory=list)

    def add(self, record: Record, verdict: Verdict) -> None:
        self.of_records.append((record, verdict))

    def counts(self, kind: str) -> Counter[Became]:
        """Records by what became of them; of those left out, rows, as they are no records."""
        counts = Counter(verdict.became for record, verdict in self.of_records if record.kind == kind)
        if left_out := sum(1 for other, _ in self.left_out if other == kind):
            counts[Became.LEFT_OUT] = left_out
        return counts

    def refused(self) -> list[tuple[Record, str]]:
        return [(record, verdict.reason) for record, verdict in self.of_records if verdict.became is Became.REFUSED]

    def rows(self) -> Iterator[tuple[str, str, Row, Verdict]]:
        """Kind, key, row and verdict, for each row and each kind that is read from it, in the order of the kinds."""
        found: defaultdict[str, list[tuple[str, Row, Verdict]]] = defaultdict(list)
        for record, verdict in self.of_records:
            found[record.kind] += [(record.key, row, verdict) for row in record.rows]
        for kind, row in self.left_out:
            found[kind].append(("", row, Verdict(Became.LEFT_OUT)))
        for kind in KINDS:
            for key, row, verdict in sorted(found[kind], key=lambda one: (one[1].file, one[1].number)):
                yield kind, key, row, verdict

    def write(self, path: Path) -> None:
        """A verdict per row, as CSV."""
        lines = [
            (row.file, str(row.number), kind, key, verdict.became.value, verdict.reason)
            for kind, key, row, verdict in self.rows()
        ]
        _write(path, [("file", "line", "kind", "key", "verdict", "reason"), *lines])

    def write_errors(self, path: Path) -> int:
        """The refused rows as they stood in their files, each once with all its reasons; answers how many.

        Rows that the mapping itself holds are left out: they are mended there.
        """
        reasons: dict[tuple[str, int], list[str]] = {}
        rows: dict[tuple[str, int], Row] = {}
        for record, reason in self.refused():
            for row in record.rows:
                if row.file.startswith("("):
                    continue
                place = (row.file, row.number)
                rows[place] = row
                said = f"{record.kind} {record.key}: {reason}"
                if said not in reasons.setdefault(place, []):
                    reasons[place].append(said)
        if not rows:
            return 0
        places = sorted(rows)
        columns = list(dict.fromkeys(column for place in places for column in rows[place].source))
        lines = [
            (file, str(line), " | ".join(reasons[file, line]), *(rows[file, line].source.get(c, "") for c in columns))
            for file, line in places
        ]
        _write(path, [(FILE, LINE, REASON, *columns), *lines])
        return len(rows)


def _write(path: Path, lines: list[tuple[str, ...]]) -> None:
    try:
        # With a byte order mark, without which spreadsheets take UTF-8 for something else.
        with path.open("w", encoding="utf-8-sig", newline="") as opened:
            csv.writer(opened).writerows([protected(cell) for cell in line] for line in lines)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from None
