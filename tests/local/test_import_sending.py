"""Sending an import: what is tried again, what a rerun does, and what the error file brings back."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from salesbeat import cli
from salesbeat.importing import command, send
from salesbeat.importing.verdicts import Became, Verdict
from salesbeat.refusals import Refused
from tests.local.import_gateway import Gateway, problem

MAPPING = """\
mapping: 1
name: small
files:
  staff: {file: staff.csv}
  clients: {file: clients.csv}
  deals: {file: deals.csv}
  items: {file: items.csv}
regions: {from: staff, distinct: true, key: office, name: office}
offices: {from: staff, distinct: true, key: office, name: office, region: office}
people:
  from: staff
  key: name
  name: name
  role: {constant: salesperson}
  office: office
  manager: boss
  joined_on: {constant: "2026-01-01"}
products: {from: items, distinct: true, key: product, name: product}
customers: {from: clients, key: name, name: name, owner: owner, phone: phone}
contacts: {from: clients, where: {contact: {empty: false}}, customer: name, name: contact}
orders:
  from: deals
  where: {state: {not: draft}}
  key: number
  customer: client
  received: day
  lines: {from: items, order: deal, product: product, quantity: pieces, unit_price: price}
  steps:
    confirmed: {on: won, promised_date: {column: won, plus_days: 9}, payment_method: {constant: cash}}
"""
FILES = {
    "staff.csv": "name,office,boss\nBo,Lyon,Ann\nAnn,Lyon,\nCy,Oslo,Ann\n",
    "clients.csv": "name,owner,phone,contact\nAcme,Bo,021-55551001,Zoe\nBolt,Cy,021-55551002,\n",
    "deals.csv": (
        "number,client,day,won,state\n"
        "D3,Acme,2026-03-03,,open\nD1,Acme,2026-03-01,2026-03-05,won\nD2,Bolt,2026-03-02,2026-03-06,won\n"
        "D4,Bolt,2026-03-04,,draft\n"
    ),
    "items.csv": "deal,product,pieces,price\nD1,Nut,2,10.50\nD1,Nail,1,3\nD2,Nut,1,10\nD3,Nail,4,3\nD4,Nail,1,3\n",
}


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    for name, text in FILES.items():
        (made / name).write_text(text, encoding="utf-8")
    (tmp_path / "small.yaml").write_text(MAPPING, encoding="utf-8")
    return made


class Result:
    def __init__(self, status: int | None, said: str, verdicts: list[dict[str, str]], refusal: str = "") -> None:
        self.status = status
        self.said = said
        self.verdicts = verdicts
        self.refusal = refusal

    def counts(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        for row in self.verdicts:
            found.setdefault(row["kind"], Counter())[row["verdict"]] += 1
        return found

    def all(self) -> Counter[str]:
        return Counter(row["verdict"] for row in self.verdicts)


@pytest.fixture
def run(gateway: Gateway, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    class Sender(send.Sender):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more, sleep=gateway.sleep, now=lambda: gateway.seconds)

    monkeypatch.setattr(command, "Sender", Sender)

    async def imported(**options: Any) -> Result:
        console = Console(width=200, record=True, quiet=False, file=(tmp_path / "said").open("w"))
        verdicts = tmp_path / "verdicts.csv"
        refusal, status = "", None
        options = {"errors": tmp_path / "errors.csv", "verdicts": verdicts, "in_flight": 4, **options}
        try:
            status = await command.run(
                tmp_path / "small.yaml",
                folder,
                session=gateway,
                console=console,
                **options,  # type: ignore[arg-type]
            )
        except Refused as refused:
            refusal = str(refused)
        console.file.close()
        rows = read(verdicts) if verdicts.exists() else []
        return Result(status, (tmp_path / "said").read_text(), rows, refusal)

    return imported


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def mend(path: Path, **cells: str) -> None:
    """Fill cells of every row of an error file."""
    rows = read(path)
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows([row | {name: cell for name, cell in cells.items() if row[name]} for row in rows])


async def test_each_row_becomes_its_record(gateway: Gateway, run: Any) -> None:
    result = await run()
    assert result.status == 0, result.said
    assert {kind: dict(counts) for kind, counts in result.counts().items()} == {
        "regions": {"created": 3},
        "offices": {"created": 3},
        "people": {"created": 3},
        "products": {"created": 5},
        "customers": {"created": 2},
        "contacts": {"created": 1, "left out": 1},
        "orders": {"created": 7, "left out": 2},
    }
    orders = {order["imported"]["source"]: order for order in gateway.of("orders")}
    first = orders["small:orders:D1"]
    assert first["status"] == "confirmed"
    assert first["confirmation"]["promised_date"] == "2026-03-14"
    assert [line["unit_price"] for line in first["lines"]] == [
        {"minor": 1050, "currency": "CNY"},
        {"minor": 300, "currency": "CNY"},
    ]
    assert orders["small:orders:D3"]["status"] == "received"
    assert gateway.of("customers")[0]["contacts"][0]["name"] == "Zoe"
    assert 1 < gateway.most_under_way <= 4


async def test_orders_are_numbered_in_the_order_of_their_dates(gateway: Gateway, run: Any) -> None:
    await run()
    lyon = [order for order in gateway.of("orders") if not order["imported"]["source"].endswith("D2")]
    assert [order["imported"]["source"][-2:] for order in sorted(lyon, key=lambda order: order["number"])] == [
        "D1",
        "D3",
    ]


async def test_managers_are_written_before_their_people(gateway: Gateway, run: Any) -> None:
    await run()
    assert next(body["name"] for _, body in gateway.posts("/people")) == "Ann"


async def test_a_rerun_changes_nothing(gateway: Gateway, run: Any) -> None:
    await run()
    before = {id: record["version"] for id, record in gateway.records.items()}
    gateway.later(seconds=10)
    gateway.asked.clear()
    result = await run()
    assert result.status == 0
    assert {id: record["version"] for id, record in gateway.records.items()} == before
    assert result.all() == {"already there": 24, "left out": 3}
    # No step and no contact is sent again: a creation answers how far the record is.
    assert len(gateway.posts()) == 14


async def test_later_steps_are_added_to_an_order_that_is_there(gateway: Gateway, run: Any, folder: Path) -> None:
    await run()
    gateway.later(seconds=10)
    (folder / "deals.csv").write_text(FILES["deals.csv"].replace("2026-03-03,,open", "2026-03-03,2026-03-09,won"))
    result = await run()
    assert result.counts()["orders"] == {"already there": 5, "completed": 2, "left out": 2}


async def test_a_row_that_changed_after_its_import_is_told_and_not_written(
    gateway: Gateway, run: Any, folder: Path
) -> None:
    await run()
    gateway.later(seconds=10)
    (folder / "clients.csv").write_text(FILES["clients.csv"].replace("55551001", "55551077"))
    result = await run()
    assert result.status == 0
    assert result.counts()["customers"] == {"already there": 1, "differs": 1}
    assert "another phone, and stays as it is" in result.said
    assert [customer["phone"] for customer in gateway.of("customers")] == ["021-55551001", "021-55551002"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_connection_doubles_nothing(gateway: Gateway, run: Any, when: str) -> None:
    lost: set[tuple[str, bytes]] = set()

    def lose(request: httpx.Request) -> Exception | None:
        if request.method == "GET" or (one := (request.url.path, request.content)) in lost:
            return None
        lost.add(one)
        return httpx.ReadError("connection lost")

    setattr(gateway, when, lose)
    result = await run()
    assert result.status == 0
    assert result.all() == {"created": 24, "left out": 3}
    assert len(gateway.of("orders")) == 3
    assert len(gateway.of("customers")[0]["contacts"]) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_gateway_is_asked_again(gateway: Gateway, run: Any, status: int) -> None:
    left = 12

    def busy(_: httpx.Request) -> httpx.Response | None:
        nonlocal left
        left -= 1
        return problem(status, "busy_now") if left > 0 else None

    gateway.before = busy
    assert (await run()).all() == {"created": 24, "left out": 3}


async def test_as_long_as_the_gateway_says(gateway: Gateway, run: Any) -> None:
    waits = iter([problem(429, "rate_limited", **{"Retry-After": "30"})])
    gateway.before = lambda request: next(waits, None)
    await run()
    assert gateway.seconds >= 30


async def test_a_dead_gateway_ends_it_with_a_sentence_and_the_rerun_goes_on(gateway: Gateway, run: Any) -> None:
    def dead(request: httpx.Request) -> Exception | None:
        return httpx.ConnectError("refused") if request.url.path == "/api/v1/customers" else None

    gateway.before = dead
    result = await run()
    assert result.status is None
    assert "has not taken a request for 120 s (refused)" in result.refusal
    assert "goes on from there" in result.refusal
    assert result.counts()["people"] == {"created": 3}
    assert result.counts()["orders"] == {"not reached": 7, "left out": 2}
    gateway.before = lambda request: None
    gateway.later(seconds=300)
    again = await run()
    assert again.status == 0
    assert again.counts()["people"] == {"already there": 3}
    assert again.counts()["orders"]["created"] == 7


async def test_a_service_that_lags_behind_is_waited_for(gateway: Gateway, run: Any) -> None:
    def lag(request: httpx.Request) -> httpx.Response | None:
        late = request.url.path == "/api/v1/orders" and gateway.seconds < 20
        return problem(422, "unknown_customer") if late else None

    gateway.before = lag
    assert (await run()).all() == {"created": 24, "left out": 3}


async def test_a_service_that_never_learns_is_waited_for_once(gateway: Gateway, run: Any) -> None:
    def deaf(request: httpx.Request) -> httpx.Response | None:
        return problem(422, "unknown_product") if request.url.path == "/api/v1/orders" else None

    gateway.before = deaf
    result = await run(in_flight=1)
    assert result.counts()["orders"] == {"refused": 7, "left out": 2}
    assert send.LAG < gateway.seconds < send.LAG + 3 * send.LAG_AGAIN + 2 * send.LONGEST_PAUSE


async def test_what_nobody_wrote_is_not_waited_for(gateway: Gateway, run: Any) -> None:
    def deaf(request: httpx.Request) -> httpx.Response | None:
        return problem(422, "unknown_region") if request.url.path == "/api/v1/customers" else None

    gateway.before = deaf
    await run()
    assert gateway.seconds > 0  # a customer's owner works in an office of a region
    gateway.seconds = 0
    gateway.before = lambda request: (
        problem(422, "unknown_customer") if request.url.path == "/api/v1/products" else None
    )
    assert (await run()).counts()["products"] == {"refused": 5}
    assert gateway.seconds == 0


async def test_what_needs_a_refused_record_is_refused_at_once(gateway: Gateway, run: Any) -> None:
    gateway.before = lambda request: (
        problem(409, "duplicate", "There is such a customer.") if b'"name":"Bolt"' in request.content else None
    )
    result = await run()
    assert result.status == 1
    said = {(row["kind"], row["key"]): row["reason"] for row in result.verdicts if row["verdict"] == "refused"}
    assert said == {
        ("customers", "Bolt"): "There is such a customer.",
        ("orders", "D2"): "needs customer `Bolt`, which is refused",
    }
    assert gateway.seconds == 0


async def test_a_refused_step_is_told_by_its_name(gateway: Gateway, run: Any) -> None:
    gateway.before = lambda request: (
        problem(422, "date_too_early", "Too early.") if request.url.path.endswith("/confirmation") else None
    )
    result = await run()
    assert {row["reason"] for row in result.verdicts if row["verdict"] == "refused"} == {"confirmed: Too early."}


async def test_a_step_that_somebody_took_meanwhile_is_done(gateway: Gateway, run: Any) -> None:
    def taken(request: httpx.Request) -> None:
        if request.url.path.endswith("/confirmation"):
            order = gateway.records[request.url.path.split("/")[4]]
            order.update(status="closed", confirmation={"by": "somebody"})

    gateway.before = taken  # type: ignore[assignment]
    assert (await run()).status == 0


async def test_without_the_right_to_import_nothing_is_sent(gateway: Gateway, run: Any) -> None:
    gateway.rights = []
    result = await run()
    assert "no right to import" in result.refusal
    assert not gateway.posts()


async def test_a_right_that_is_taken_away_ends_it(gateway: Gateway, run: Any) -> None:
    gateway.before = lambda request: problem(403, "import_right_needed") if request.method == "POST" else None
    assert "import_right_needed" in (await run()).refusal
    assert len(gateway.posts()) <= 4


async def test_a_dry_run_sends_nothing(gateway: Gateway, run: Any, folder: Path) -> None:
    (folder / "deals.csv").write_text(FILES["deals.csv"].replace("2026-03-01", "yesterday"))
    result = await run(dry_run=True)
    assert result.status == 1
    assert gateway.asked == []
    assert result.counts()["orders"] == {"good": 4, "refused": 3, "left out": 2}
    assert "`yesterday` is no date written as YYYY-MM-DD" in result.said
    assert "Nothing was sent" in result.said


def test_a_dry_run_needs_no_suite(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALESBEAT_STATE", str(tmp_path / "nothing"))
    said = CliRunner().invoke(cli.app, ["import", str(tmp_path / "small.yaml"), str(folder), "--dry-run"])
    assert said.exit_code == 0, said.output
    assert "Nothing was sent" in said.output


async def test_refused_rows_are_mended_and_fed_again(gateway: Gateway, run: Any, folder: Path, tmp_path: Path) -> None:
    (folder / "deals.csv").write_text(FILES["deals.csv"].replace("2026-03-01", "the 1st"))
    result = await run()
    assert result.status == 1
    assert "--mended" in result.said
    errors = tmp_path / "errors.csv"
    rows = read(errors)
    assert [(row["(file)"], row["(line)"]) for row in rows] == [
        ("deals.csv", "3"),
        ("items.csv", "2"),
        ("items.csv", "3"),
    ]
    assert rows[0]["day"] == "the 1st"
    assert "orders D1: column `day` (`orders.received`): `the 1st` is no date" in rows[0]["(reason)"]
    mend(errors, day="2026-03-01")
    gateway.later(seconds=10)
    gateway.asked.clear()
    again = await run(mended=errors)
    assert again.status == 0
    assert again.all() == {"created": 3, "already there": 5}
    assert again.counts()["orders"] == {"created": 3}
    assert len(gateway.of("orders")) == 3
    # The whole again, as it was: what was mended stays.
    final = await run()
    assert final.counts()["orders"]["refused"] == 3
    assert len(gateway.of("orders")) == 3


async def test_a_mended_file_may_come_from_a_spreadsheet(
    gateway: Gateway, run: Any, folder: Path, tmp_path: Path
) -> None:
    (folder / "clients.csv").write_text(
        "name,owner,phone,contact\n张三公司,Nobody,021-55551001,李四\n", encoding="utf-8"
    )
    (folder / "deals.csv").write_text("number,client,day,won,state\n")
    (folder / "items.csv").write_text("deal,product,pieces,price\n")
    assert (await run()).status == 1
    errors = tmp_path / "errors.csv"
    mend(errors, owner="Bo")
    errors.write_bytes(errors.read_text(encoding="utf-8").replace(",", ";").encode("gbk"))
    assert (await run(mended=errors)).status == 0
    assert gateway.of("customers")[0]["name"] == "张三公司"
    assert gateway.of("customers")[0]["contacts"][0]["name"] == "李四"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "lacks the columns (file) and (line)"),
        ("(file),(line)\n", "has no rows"),
        ("(file),(line)\ndeals.csv,x\n", "must be the row's line"),
        ("(file),(line)\ndeals.csv,99\n", "names line 99 of `deals.csv`"),
    ],
)
async def test_what_is_no_error_file_is_refused(
    gateway: Gateway, run: Any, tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "mended.csv").write_text(text)
    assert sentence in (await run(mended=tmp_path / "mended.csv")).refusal
    assert gateway.asked == []


async def test_lines_without_an_order_get_a_verdict_too(gateway: Gateway, run: Any, folder: Path) -> None:
    (folder / "items.csv").write_text(FILES["items.csv"] + "D9,Nut,1,1\n")
    result = await run()
    assert [row["reason"] for row in result.verdicts if row["verdict"] == "refused"] == [
        "column `deal` (`orders.lines.order`): there is no order with the key `D9`"
    ]


async def test_the_summary_counts_each_kind(run: Any) -> None:
    result = await run()
    lines = {line.split()[0]: line.split()[1:] for line in result.said.splitlines() if line and line[0].isalpha()}
    assert lines["orders"] == ["3", "2"]
    assert lines["people"] == ["3"]


def test_every_verdict_has_its_column() -> None:
    from salesbeat.importing.plan import Record
    from salesbeat.importing.verdicts import Verdicts

    made = Verdicts([(Record("orders", "k", "i", []), Verdict(became)) for became in Became])
    assert len(command.summary(made).columns) == 1 + len(Became)
