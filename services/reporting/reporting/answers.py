"""The questions about progress: totals by period and unit, and the facts behind a number."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from chassis import clock
from chassis.identity import Caller
from chassis.mongo import Database, Document
from chassis.paging import Page, decode_cursor, encode_cursor
from chassis.problems import Invalid, NotFound
from reporting import access
from reporting.formulas import FORMULAS, amounts
from reporting.ledgers import Known, Ledger, Standing, Wanted
from reporting.measures import SHAPES, Shape
from reporting.organisation import Organisation
from reporting.periods import Cadence, Period
from reporting.totals import COMPANY, Node, Totals, add_up

MEASURES = tuple(dict.fromkeys([*(name for name, shape in SHAPES.items() if shape.shown), *FORMULAS]))


@dataclass(frozen=True, slots=True)
class Row:
    """One period of one unit, before its numbers are read."""

    period: Period
    name: str
    unit: str
    nodes: tuple[str, ...]
    """Usually one; several where the unit moved, or the week lies in two months."""


class Answers:
    """Reads the totals and facts. `zone` decides what today is for the company and its regions.

    `at`, wherever it is asked for, is the instant whose knowledge counts, and which is "now" for that answer; None for
    the present.
    """

    def __init__(self, database: Database, organisation: Organisation, zone: str) -> None:
        self._database = database
        self._organisation = organisation
        self._zone = zone

    def today(self, at: datetime | None = None) -> date:
        return (at or clock.now()).astimezone(ZoneInfo(self._zone)).date()

    def _ledger(self, at: datetime | None) -> Ledger:
        return Standing(self._database) if at is None else Known(self._database, at)

    async def page(
        self,
        caller: Caller,
        cadence: Cadence,
        periods: Sequence[Period],
        level: str,
        unit: str | None,
        limit: int,
        cursor: str | None,
        at: datetime | None = None,
    ) -> Page[Document]:
        """What happened in these periods, by period and the unit's name; only what the caller may see.

        A unit without anything in a period is not listed. Raises Forbidden, NotFound, Invalid (a bad cursor).
        """
        wanted = await self._wanted(caller, level, unit)
        ledger = self._ledger(at)
        sort = _sort(f"progress/{cadence}/{level}", at)
        after = _place(cursor, sort, 3)
        if after is not None:
            periods = [period for period in periods if period.first.isoformat() >= after[0]]
        rows: list[Row] = []
        chunk = 1
        while periods and len(rows) <= limit:
            # Twice as many each time: a full page reads little, an empty span is through soon.
            now, periods = periods[:chunk], periods[chunk:]
            chunk *= 2
            rows += await self._rows(ledger, wanted, cadence, now, after, limit + 1)
        shown = rows[:limit]
        items = await self._items(ledger, level, cadence, shown, at, caller.role)
        more = encode_cursor(_key(shown[-1]), sort) if len(rows) > limit else None
        return Page(items, more)

    async def facts(
        self,
        caller: Caller,
        period: Period,
        level: str,
        unit: str | None,
        measure: str | None,
        limit: int,
        cursor: str | None,
        at: datetime | None = None,
    ) -> Page[Document]:
        """The facts behind a number, by date and id. `limit` counts source records: one that both confirmed
        and cancelled an order is two rows. Raises Forbidden, NotFound, Invalid."""
        access.may_drill(caller)
        measures = _stored(measure)
        wanted = await self._wanted(caller, level, unit)
        ledger = self._ledger(at)
        sort = _sort(f"facts/{period.text}/{level}/{unit}/{measure}", at)
        after = _place(cursor, sort, 2)
        nodes = await ledger.nodes(wanted, _months([period]))
        rows: list[Document] = []
        last = ("", "")
        left = limit
        for day in (d.isoformat() for d in period.days()):
            if after is not None and day < after[0]:
                continue
            active = [Node.of(n["_id"]) for n in nodes if int(day[8:]) in n["active"]]
            here = [node for node in active if node.month == day[:7]]
            if not here:
                continue
            beyond = after[1] if after is not None and day == after[0] else ""
            found = await ledger.facts(day, here, measures, beyond, left + 1)
            for fact in found:
                if left == 0:
                    return Page(await self._named(rows), encode_cursor(last, sort))
                rows += _rows_of(fact, measures, day, here, caller.role)
                last = (day, fact["_id"])
                left -= 1
        return Page(await self._named(rows))

    async def _wanted(self, caller: Caller, level: str, unit: str | None) -> Wanted:
        """The units asked for, within what the caller may see. Raises Forbidden, NotFound."""
        wanted = Wanted(access.reach(caller, level, named=unit is not None), level, unit)
        if level == COMPANY:
            if unit not in (None, COMPANY):
                raise NotFound()
        elif unit is not None:
            known = await self._database["totals"].find_one(wanted.filter, {"_id": 1})
            if known is None and not await self._organisation.has(caller, level, unit):
                raise NotFound()
        return wanted

    async def _rows(
        self,
        ledger: Ledger,
        wanted: Wanted,
        cadence: Cadence,
        periods: Sequence[Period],
        after: tuple[Any, ...] | None,
        most: int,
    ) -> list[Row]:
        """The rows of these periods after that place, in order; of each period at most so many."""
        level = wanted.level
        whole_months = cadence == "month"
        by_month: defaultdict[str, list[Document]] = defaultdict(list)
        for document in await ledger.nodes(wanted, _months(periods), days=not whole_months):
            by_month[document["_id"].partition("/")[0]].append(document)
        units = {_unit(document["_id"]) for documents in by_month.values() for document in documents}
        names = await self._organisation.names(level, sorted(units))
        rows: list[Row] = []
        for period in periods:
            nodes: defaultdict[str, list[str]] = defaultdict(list)
            for month in _months([period]):
                days = {day.day for day in period.days() if f"{day:%Y-%m}" == month}
                for document in by_month.get(month, ()):
                    if whole_months or not days.isdisjoint(document["active"]):
                        nodes[_unit(document["_id"])].append(document["_id"])
            # Thousands of units make a page of fifty: only its own become rows.
            first = period.first.isoformat()
            places = sorted((first, names.get(unit, unit), unit) for unit in nodes)
            rest = places if after is None else places[bisect_right(places, after) :]
            rows += [Row(period, name, unit, tuple(sorted(nodes[unit]))) for _, name, unit in rest[:most]]
        return rows

    async def _items(
        self, ledger: Ledger, level: str, cadence: Cadence, rows: Sequence[Row], at: datetime | None, role: str
    ) -> list[Document]:
        today = self.today(at)
        offices = {path[1] for row in rows for key in row.nodes if len(path := Node.of(key).path) > 1}
        zones = await self._organisation.zones(sorted(offices)) if offices else {}
        now = at or clock.now()
        earliest = min([today, *(now.astimezone(ZoneInfo(zone)).date() for zone in zones.values())])
        # The days of a past month are not needed: its total says it all.
        by_day = cadence != "month" or any(row.period.last >= earliest for row in rows)
        days = {f"{day:%d}" for row in rows for day in row.period.days()} if by_day else None
        documents = await ledger.totals({key for row in rows for key in row.nodes}, days)
        items: list[Document] = []
        for row in rows:
            totals: list[Totals] = []
            elapsed: list[Totals] = []
            for key in row.nodes:
                if not by_day:
                    totals.append(documents[key]["total"])
                    elapsed.append(documents[key]["total"])
                    continue
                node = Node.of(key)
                zone = zones.get(node.path[1]) if len(node.path) > 1 else None
                until = now.astimezone(ZoneInfo(zone)).date() if zone else today
                for day in row.period.days():
                    if f"{day:%Y-%m}" == node.month and (bucket := documents[key]["days"].get(f"{day:%d}")):
                        totals.append(bucket)
                        if day <= until:
                            elapsed.append(bucket)
            items.append(
                {
                    "period": row.period.text,
                    "level": level,
                    "id": row.unit,
                    "name": row.name,
                    "measures": shown(add_up(totals), add_up(elapsed), role),
                }
            )
        return items

    async def _named(self, rows: list[Document]) -> list[Document]:
        names = await self._organisation.names("person", sorted({row["person"] for row in rows}))
        for row in rows:
            row["person_name"] = names.get(row["person"])
        return rows


def shown(total: Totals, elapsed: Totals, role: str) -> Document:
    """Totals as answers show them: every measure, counts as they are, money as a list by currency.

    Parts that the role does not see on a record are left out here too.
    """
    answer: Document = {
        name: _parts(name, total, SHAPES[name].seen_by(role))
        for name in MEASURES
        if name in SHAPES and SHAPES[name].shown
    }
    return answer | {
        name: formula.answer(total, elapsed) for name, formula in FORMULAS.items() if formula.seen_by(role)
    }


def _parts(name: str, total: Totals, shape: Shape) -> Document:
    return {part: total.get(f"{name}/{part}", 0) for part in shape.counts} | {
        part: [{"minor": minor, "currency": currency} for currency, minor in amounts(total, f"{name}/{part}").items()]
        for part in shape.amounts
    }


def _stored(measure: str | None) -> list[str]:
    """The stored measures behind a name that answers show. Raises Invalid."""
    if measure is None:
        return list(SHAPES)
    if measure in FORMULAS:
        return list(FORMULAS[measure].sources)
    if measure in SHAPES:
        return [measure]
    known = ", ".join(MEASURES)
    raise Invalid(None, f"measure is one of: {known}.", f"measure 可为:{known}。", field="measure")


def _rows_of(fact: Document, measures: Sequence[str], day: str, nodes: Sequence[Node], role: str) -> list[Document]:
    prefix, _, aggregate_id = fact["_id"].partition(":")
    rows: list[Document] = []
    for said in fact["counts"]:
        date_of, region, office, person = said["cell"].split("/")
        path = (region, office, person)
        if date_of != day or not any(path[: len(n.path)] == n.path for n in nodes):
            continue
        for measure in said["measures"]:
            if measure not in measures:
                continue
            rows.append(
                {
                    "kind": prefix,
                    "id": aggregate_id,
                    "version": fact["version"],
                    "measure": measure,
                    "date": day,
                    "person": person,
                    "office": office,
                    "region": region,
                    **fact["row"],
                    **_parts(measure, said["values"], SHAPES[measure].seen_by(role)),
                }
            )
    return rows


def _months(periods: Sequence[Period]) -> list[str]:
    return sorted({f"{day:%Y-%m}" for period in periods for day in (period.first, period.last)})


def _unit(key: str) -> str:
    """The unit of a node, by its key."""
    _, _, path = key.partition("/")
    return path.rpartition("/")[2] or COMPANY


def _key(row: Row) -> tuple[str, str, str]:
    return (row.period.first.isoformat(), row.name, row.unit)


def _sort(question: str, at: datetime | None) -> str:
    """Names a question, so that its cursors fit no other."""
    return question if at is None else f"{question}@{at.isoformat()}"


def _place(cursor: str | None, sort: str, length: int) -> tuple[Any, ...] | None:
    """Where the page before ended. Raises Invalid."""
    if cursor is None:
        return None
    values = decode_cursor(cursor, sort)
    if len(values) != length or not all(isinstance(value, str) for value in values):
        raise Invalid("invalid_cursor", "Begin again without a cursor.", "请去掉 cursor 重新开始。", field="cursor")
    return values
