"""The dry run refuses exactly what the run refuses: the rehearsal against the real services over a real MongoDB."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from chassis.identity import Caller
from chassis.mongo import Database
from salesbeat.importing import command
from salesbeat.importing.mapping import KINDS
from salesbeat.importing.plan import Plan, Record
from salesbeat.importing.rehearsal import rehearse
from salesbeat.importing.send import Sender
from salesbeat.importing.verdicts import Became, Verdict
from tests.doors import caller as somebody
from tests.local.import_services import services

MAPPING = """\
mapping: 1
name: many
files:
  staff: {file: staff.csv}
  goods: {file: goods.csv}
  clients: {file: clients.csv}
  talks: {file: talks.csv}
  deals: {file: deals.csv}
regions: {from: staff, distinct: true, key: area, name: area}
offices:
  from: staff
  distinct: true
  key: office
  name: office
  region: area
  timezone: zone
people:
  from: staff
  key: id
  name: name
  role: role
  office: {column: office, translate: {Lab: ""}}
  phone: phone
  email: mail
  manager: boss
  joined_on: since
  left_on: until
products: {from: goods, key: id, code: code, name: name, unit: unit, price: price, cost: cost, currency: money}
customers:
  from: clients
  key: id
  name: name
  kind: kind
  owner: owner
  phone: phone
  tax_id: tax
  channel: channel
  address: {text: street, city: town, latitude: lat, longitude: lon}
  attributes: {size: size}
  prospect_since: since
contacts: {from: talks, key: id, customer: client, name: name, phone: phone, email: mail, decision_role: says}
orders:
  from: deals
  key: id
  customer: client
  owner: agent
  received: day
  currency: money
  external_ref: ref
  requested_date: wanted
  note: note
  lines: {product: good, quantity: pieces, unit_price: price, discount_percent: percent}
  steps:
    verified: {on: checked}
    confirmed: {on: won, promised_date: promised, payment_method: pays, told_at: told}
    allocated: {on: planned, assignee: planner, due: due}
    delivered: {on: sent, receiver: receiver}
    handover: {on: papers, documents: {column: documents, split: ";"}, receiver: receiver}
    closed: {on: closed}
    cancelled: {on: off_on, reason: why}
"""
LONG = "x" * 201
VERY_LONG = "y" * 2001
STAFF = [
    "id,area,office,zone,name,role,phone,mail,boss,since,until",
    "A,North,Lyon,Europe/Paris,Ann,office_head,,ann@example.com,,2020-01-01,",
    "B,North,Lyon,Europe/Paris,Bo,salesperson,+33 1 42 68 53 00,,A,2020-01-01,",
    "C,North,Lyon,Europe/Paris,Cy,salesperson,,,A,2022-01-01,2024-01-01",
    "D,North,Lyon,Europe/Paris,Di,salesperson,12,,A,2020-01-01,",
    "E,North,Lyon,Europe/Paris,Ed,salesperson,,no mail,A,2020-01-01,",
    "F,North,Lyon,Europe/Paris,Fay,boss,,,,2020-01-01,",
    "G,North,Lyon,Europe/Paris,Gus,salesperson,,,A,2020-01-01,2019-01-01",
    "H,North,Lab,Asia/Shanghai,Hal,salesperson,,,A,2020-01-01,",
    "I,North,Lab,Asia/Shanghai,Ivy,top_manager,,,,2020-01-01,",
    f"J,North,Lyon,Europe/Paris,{LONG},salesperson,,,A,2020-01-01,",
    "K,South,Oslo,Europe/Oslo,Kim,salesperson,,,,2020-01-01,",
    "L,South,Oslo,Europe/Oslo,Lea,salesperson,,,M,2020-01-01,",
    "M,South,Oslo,Europe/Oslo,Mo,office_head,,,L,2020-01-01,",
]
GOODS = [
    "id,code,name,unit,price,cost,money",
    "N,N,Nut,pcs,10,8,CNY",
    "O,N,Nut again,pcs,10,8,CNY",
    "P,P,Nail,pcs,10.50,,CNY",
    f"Q,{LONG},Long code,pcs,1,,CNY",
    "R,R,Ring,pcs,99999999999999999,,CNY",
    "S,S,Saw,pcs,5,4,USD",
    "T,T,,pcs,5,4,USD",
    "U,U,Unit,,5,,JPY",
]


ORDER_COLUMNS = (
    "id", "client", "agent", "day", "money", "ref", "wanted", "note", "good", "pieces", "price", "percent",
    "checked", "won", "promised", "pays", "told", "planned", "planner", "due", "sent", "receiver", "papers",
    "documents", "closed", "off_on", "why",
)  # fmt: skip


def deals(chance: random.Random, count: int) -> list[str]:
    """Rows of orders: each a good one with some cells that may or may not be right."""
    fields = [
        "id",
        "client",
        "agent",
        "day",
        "money",
        "ref",
        "wanted",
        "note",
        "good",
        "pieces",
        "price",
        "percent",
        "checked",
        "won",
        "promised",
        "pays",
        "told",
        "planned",
        "planner",
        "due",
        "sent",
        "receiver",
        "papers",
        "documents",
        "closed",
        "off_on",
        "why",
    ]
    good = {"client": "1", "agent": "B", "day": "2023-05-10", "good": "N", "pieces": "2", "price": "10", "money": "CNY"}
    life = {
        "checked": "2023-05-10", "won": "2023-05-11", "promised": "2023-06-01", "pays": "cash",
        "planned": "2023-05-12", "sent": "2023-06-01", "receiver": "Zoe", "papers": "2023-06-02", "documents": "a;b",
        "closed": "2023-06-03",
    }  # fmt: skip
    odd = {
        "client": ["2", "3", "4", "none", "9", "10"],
        "agent": ["C", "D", "I", "K", "B", ""],
        "day": ["2019-01-01", "2023-05-10T23:30:00", "2023-05-10T16:00:00Z", "2031-01-01", "1900-01-01", "soon"],
        "money": ["USD", "XYZ", "JPY", "EUR"],
        "ref": ["R1", "r1", "R2", LONG, "N/A", "R1"],
        "wanted": ["2020-01-01", "2024-01-01"],
        "note": ["fine", VERY_LONG, "a\tb"],
        "good": ["P", "R", "S", "U", "missing"],
        "pieces": ["0", "-1", "0.5", "0.0005", "9999999999999", "1e3", "three"],
        "price": ["", "0", "-1", "99999999999999999999", "1.005", "70000000000000"],
        "percent": ["5", "101", "5%", "33.33333", "-3"],
        "checked": ["2023-05-09", "2023-05-10", ""],
        "won": ["2023-05-10", "2023-05-01", "2023-05-11 09:00", ""],
        "promised": ["2023-01-01", "", "2023-05-11"],
        "pays": ["", LONG, "net 30"],
        "told": ["2023-05-09", "2023-05-10", "2023-05-11 10:00", "2030-01-01"],
        "planner": ["C", "I", "A", "none"],
        "due": ["2023-01-01", "2023-07-01"],
        "sent": ["2023-05-01", "2023-05-12", ""],
        "receiver": ["", LONG],
        "papers": ["", "2023-05-30"],
        "documents": ["", ";".join(["d"] * 101), LONG],
        "closed": ["2023-06-02", ""],
        "off_on": ["2023-05-11", "2023-07-01"],
        "why": ["", "changed mind", VERY_LONG],
    }
    steps = list(life)
    rows = [",".join(fields)]
    for number in range(count):
        cells = dict.fromkeys(fields, "") | good
        for name in steps[: chance.choice((0, 0, 1, 4, 5, 7, 9, len(steps)))]:
            cells[name] = life[name]
        for name in chance.sample(list(odd), chance.choice((0, 1, 1, 1, 2, 3))):
            cells[name] = chance.choice(odd[name])
        rows.append(",".join({**cells, "id": f"D{number}"}.values()))
    return rows


def clients(chance: random.Random, count: int) -> list[str]:
    good = {"name": "", "owner": "B", "since": "2021-03-01"}
    fields = ["id", "name", "kind", "owner", "phone", "tax", "channel", "street", "town", "lat", "lon", "size", "since"]
    odd = {
        "name": ["Acme Ltd", "ACME", "ＡＣＭＥ", "C++ Labs", "C Labs", "ร้านดี", "ร้านดู", "...", LONG, "a\u202eb"],
        "kind": ["dealer", "shop", "person"],
        "owner": ["C", "D", "H", "I", "none", "K"],
        "phone": ["+33 1 42 68 53 01", "01 42 68 53 01", "1.38E+10", "2026-11-27", "021-55551001", "+86 21 5555 1001"],
        "tax": ["T-1", "T1", "N/A", "0", "无", "DE 999", LONG],
        "channel": ["web", LONG],
        "street": ["1 Rue", VERY_LONG],
        "town": ["Lyon", LONG],
        "lat": ["45.75", "0", "91", "x"],
        "lon": ["4.85", "0", "181"],
        "size": ["10", VERY_LONG],
        "since": ["2019-01-01", "", "2031-01-01", "2022-06-01"],
    }  # fmt: skip
    rows = [",".join(fields)]
    for number in range(1, count + 1):
        cells = dict.fromkeys(fields, "") | good | {"id": str(number), "name": f"Customer {number}"}
        for name in chance.sample(list(odd), chance.choice((0, 1, 1, 2, 3)) if number > 3 else 0):
            cells[name] = chance.choice(odd[name])
        rows.append(",".join(cells.values()))
    return rows


TALKS = [
    "id,client,name,phone,mail,says",
    "1,1,Zoe,+33 1 42 68 53 07,zoe@example.com,buyer",
    "2,1,Yan,abc,,",
    "3,1,Xu,,nobody,",
    "4,1,Wu,,,chief",
    f"5,1,{LONG},,,",
    "6,none,Vi,,,",
    "7,2,Vi,,,user",
]


@pytest.fixture
def company(tmp_path: Path) -> Any:
    """The mapping and a folder with many rows, of which some are wrong in each way that a field can be."""

    def written(seed: int) -> tuple[Path, Path]:
        chance = random.Random(seed)
        folder = tmp_path / f"data{seed}"
        folder.mkdir()
        tables = {"staff": STAFF, "goods": GOODS, "talks": TALKS}
        tables |= {"clients": clients(chance, 60), "deals": deals(chance, 160)}
        for name, rows in tables.items():
            (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        (tmp_path / "many.yaml").write_text(MAPPING, encoding="utf-8")
        return tmp_path / "many.yaml", folder

    return written


async def sent_unrehearsed(plan: Plan, client: Any) -> dict[tuple[str, str], Verdict]:
    """What the services say to each record that the plan alone has nothing against, one after the other."""
    found: dict[tuple[str, str], Verdict] = {}

    def done(record: Record, verdict: Verdict) -> None:
        found[record.kind, record.key] = verdict

    async with client as opened:
        sender = Sender(opened, in_flight=1, done=done)
        await sender.begin()
        for kind in KINDS:
            for layer in plan.layers(kind):
                await sender.send(layer)
    return found


IMPORTER = somebody("clerk", rights=("import",))


@pytest.mark.parametrize(("seed", "who"), [(1, "administrator"), (2, "administrator"), (3, "importer")])
async def test_the_rehearsal_refuses_what_the_services_refuse(
    company: Any, mongo: str, database: Database, seed: int, who: str
) -> None:
    caller: Caller = IMPORTER if who == "importer" else somebody("administrator")
    mapping, folder = company(seed)
    plan, rehearsed = command.read(mapping, folder), command.read(mapping, folder)
    assert await rehearse(rehearsed, caller) == 0
    of_plan = {record.id for kind in KINDS for record in plan.records[kind] if record.problems}
    expected = {
        (record.kind, record.key): "; ".join(record.problems)
        for kind in KINDS
        for record in rehearsed.records[kind]
        if record.id not in of_plan
    }
    async with services(mongo, database, caller) as running:
        verdicts = await sent_unrehearsed(plan, running.client)
    answered = {
        place: verdict.reason if verdict.became is Became.REFUSED else "" for place, verdict in verdicts.items()
    }
    wrong = {
        place: (expected[place], answered[place])
        for place in expected
        if bool(expected[place]) is not bool(answered[place])
    }
    assert wrong == {}
    # And they say the same, but for needs, which the run tells without their place.
    differ = {
        place: (expected[place], answered[place])
        for place in expected
        if expected[place] != answered[place] and not answered[place].startswith("needs ")
    }
    assert differ == {}
    refused = [place for place, reason in expected.items() if reason]
    assert len(refused) > 30
    # An importer who is no administrator brings no managers, and whoever needs one is refused with them.
    assert len(expected) - len(refused) > (5 if who == "importer" else 60)
    assert len(of_plan) > 20


async def test_a_dry_run_and_the_run_give_each_row_the_same_verdict(
    company: Any, mongo: str, database: Database, tmp_path: Path
) -> None:
    mapping, folder = company(4)
    quiet = Console(file=io.StringIO(), width=300)
    options: dict[str, Any] = {"errors": tmp_path / "errors.csv", "console": quiet}
    dry = await command.run(mapping, folder, dry_run=True, verdicts=tmp_path / "dry.csv", session=None, **options)
    async with services(mongo, database, somebody("administrator")) as running:
        session: Any = running
        run = await command.run(mapping, folder, verdicts=tmp_path / "run.csv", session=session, **options)
        sent = list(running.sent)
        running.sent.clear()
        again = await command.run(mapping, folder, verdicts=tmp_path / "again.csv", session=session, **options)
        sent_again = list(running.sent)
    assert (dry, run, again) == (1, 1, 1)

    def read(name: str) -> list[tuple[str, ...]]:
        rows = csv.reader((tmp_path / name).read_text(encoding="utf-8-sig").splitlines())
        return [tuple(row) for row in rows]

    good = {"good": "created"}
    assert [(*row[:4], good.get(row[4], row[4]), row[5]) for row in read("dry.csv")] == read("run.csv")
    # A second run finds each record there, references and likenesses too, and takes no step again.
    same = {"already there": "created"}
    assert [(*row[:4], same.get(row[4], row[4]), row[5]) for row in read("again.csv")] == read("run.csv")
    assert {line.split("/")[-1] for line in sent_again if line.startswith("POST")} <= set(KINDS)
    # No order is left half done: each order that was begun was taken through all its steps.
    refused = {row[3] for row in read("run.csv") if row[2] == "orders" and row[4] == "refused"}
    plan = command.read(mapping, folder)
    begun = {record.key for record in plan.records["orders"] if any(record.id in one for one in sent)}
    assert begun.isdisjoint(refused)


# --- customers and orders that are like others ----------------------------------------------------

BRANCHES = """\
mapping: 1
name: chain
files: {{c: {{file: c.csv}}, o: {{file: o.csv}}, places: {{rows: [{{x: x}}]}}}}
regions: {{from: places, key: {{constant: North}}, name: {{constant: North}}}}
offices: {{from: places, key: {{constant: Lyon}}, name: {{constant: Lyon}}, region: {{constant: North}}}}
people:
  from: places
  key: {{constant: Bo}}
  name: {{constant: Bo}}
  role: {{constant: salesperson}}
  office: {{constant: Lyon}}
  joined_on: {{constant: "2000-01-01"}}
products: {{from: places, key: {{constant: P}}, name: {{constant: P}}}}
customers:
  from: c
  key: id
  name: name
  owner: {{constant: Bo}}
  phone: phone
  tax_id: tax
  address: {{text: street, city: town, latitude: lat, longitude: lon}}
  {customers}
orders:
  from: o
  key: id
  customer: client
  received: {{constant: "2026-01-01"}}
  external_ref: ref
  lines: {{product: {{constant: P}}, unit_price: {{constant: "1"}}}}
  {orders}
"""


@pytest.fixture
def chain(tmp_path: Path) -> Any:
    async def rehearsed(clients: list[str], deals: Sequence[str] = (), customers: str = "", orders: str = "") -> Plan:
        rows = ["id,name,phone,tax,street,town,lat,lon", *clients]
        (tmp_path / "c.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        (tmp_path / "o.csv").write_text("\n".join(["id,client,ref", *deals]) + "\n", encoding="utf-8")
        text = BRANCHES.format(customers=customers, orders=orders)
        (tmp_path / "chain.yaml").write_text(text, encoding="utf-8")
        return await command.rehearsed(tmp_path / "chain.yaml", tmp_path)

    return rehearsed


def reasons(plan: Plan, kind: str) -> list[str]:
    return ["; ".join(record.problems) for record in plan.records[kind]]


TWO = ["1,Acme Lyon,021-55551001,TAX 1,,,,", "2,Acme Nice,021 5555 1001,TAX 1,,,,"]


async def test_a_customer_that_is_like_another_row_names_it_its_likeness_and_what_to_do(chain: Any) -> None:
    first, second = reasons(await chain(TWO), "customers")
    assert first == ""
    assert second == (
        "is like `Acme Lyon` (c.csv line 2) by telephone number `021 5555 1001` (column `phone`, `customers.phone`) "
        "and tax id `TAX 1` (column `tax`, `customers.tax_id`): mend one, leave it out, "
        "or say `allow_alike: [phone, tax_id]` if they are two customers"
    )


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("allow_alike: [phone, tax_id]", True),
        ("allow_alike: phone", False),
        ("allow_alike: [name]", False),
        ("same_name: allow", False),
    ],
)
async def test_the_mapping_allows_each_kind_of_likeness_by_itself(chain: Any, said: str, taken: bool) -> None:
    first, second = reasons(await chain(TWO, customers=said), "customers")
    assert first == ""
    assert (second == "") is taken


async def test_two_customers_of_one_name_are_allowed_as_before(chain: Any) -> None:
    rows = ["1,Acme,,,,,,", "2,ACME Ltd,,,,,,"]
    assert [reason[:7] for reason in reasons(await chain(rows), "customers")] == ["", "is like"]
    assert reasons(await chain(rows, customers="same_name: allow"), "customers") == ["", ""]
    assert reasons(await chain(rows, customers="allow_alike: name"), "customers") == ["", ""]


@pytest.mark.parametrize("tax", ["N/A", "0", "无", "-", "none"])
async def test_words_for_no_tax_id_make_nobody_alike(chain: Any, tax: str) -> None:
    rows = [f"1,Acme,,{tax},,,,", f"2,Bolt,,{tax},,,,"]
    assert reasons(await chain(rows), "customers") == ["", ""]


@pytest.mark.parametrize("phone", ["1.38E+10", "2026-11-27", "12", "abc"])
async def test_what_is_no_telephone_number_is_refused_with_its_cell(chain: Any, phone: str) -> None:
    (reason,) = reasons(await chain([f"1,Acme,{phone},,,,,"]), "customers")
    assert reason.startswith("column `phone`")
    assert phone in reason
    assert "(`customers.phone`)" in reason


async def test_coordinates_without_an_address_text_are_kept(chain: Any) -> None:
    plan = await chain(["1,Acme,,,,,45.75,4.85", "2,Bolt,,,,Lyon,,"])
    assert reasons(plan, "customers") == ["", ""]
    bodies = [record.requests[0].body for record in plan.records["customers"]]
    assert bodies[0]["addresses"] == [{"latitude": 45.75, "longitude": 4.85}]
    assert bodies[1]["addresses"] == [{"city": "Lyon"}]


@pytest.mark.parametrize(("lat", "lon"), [("0", "0"), ("45.75", ""), ("", "4.85"), ("91", "4"), ("45", "181")])
async def test_coordinates_that_are_no_place_refuse_their_row(chain: Any, lat: str, lon: str) -> None:
    (reason,) = reasons(await chain([f"1,Acme,,,Rue 1,,{lat},{lon}"]), "customers")
    assert "`lat`" in reason or "`lon`" in reason


async def test_a_second_order_with_a_customer_s_reference_is_refused_unless_the_mapping_allows_it(chain: Any) -> None:
    rows = ["1,Acme,,,,,,", "2,Bolt,,,,,,"]
    deals = ["A,1,R 7", "B,1,r 7", "C,2,R 7", "D,1,", "E,1,"]
    found = reasons(await chain(rows, deals), "orders")
    assert [bool(reason) for reason in found] == [False, True, False, False, False]
    assert found[1] == (
        "column `ref`, cell `r 7` (`orders.external_ref`): order `A` (o.csv line 2) of this customer has the same "
        "reference: mend one, or say `same_reference: allow` if they are two orders"
    )
    allowed = await chain(rows, deals, orders="same_reference: allow")
    assert reasons(allowed, "orders") == [""] * 5
    assert allowed.records["orders"][1].requests[0].body["repeat_of"] == allowed.records["orders"][0].id


async def test_what_another_import_has_brought_is_taken_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("id,client,agent,good,pieces\nA,7,Bo,N,2\nB,8,Cy,M,0.0001\n")
    (tmp_path / "later.yaml").write_text(
        "mapping: 1\nname: later\nnamespace: chain\ndefaults: {timezone: America/Chicago}\nfiles: {o: {file: o.csv}}\n"
        "orders:\n  from: o\n  key: id\n  customer: client\n  owner: agent\n  received: {constant: '2026-01-01'}\n"
        "  currency: {constant: USD}\n  lines: {product: good, quantity: pieces}\n"
        "  steps:\n    confirmed: {on: {constant: '2026-01-02'}, promised_date: {constant: '2026-01-03'},"
        " payment_method: {constant: cash}}\n"
    )
    plan = await command.rehearsed(tmp_path / "later.yaml", tmp_path)
    first, second = reasons(plan, "orders")
    assert first == ""
    assert second.startswith("column `pieces`")
