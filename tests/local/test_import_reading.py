"""Somebody's files: how they are read, and that a mapping's mistake names its line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from salesbeat.importing import command
from salesbeat.importing.plan import Plan
from salesbeat.refusals import Refused

HEAD = "mapping: 1\nname: test\n"
PRODUCTS = HEAD + "files:\n  p: {file: p.csv%s}\nproducts: {from: p, key: code, name: name%s}\n"


@pytest.fixture
def plan(tmp_path: Path) -> Any:
    folder = tmp_path / "data"
    folder.mkdir()

    def planned(mapping: str, files: dict[str, str | bytes] | None = None) -> Plan:
        for name, text in (files or {}).items():
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        (tmp_path / "test.yaml").write_text(mapping, encoding="utf-8")
        return command.read(tmp_path / "test.yaml", folder)

    return planned


def bodies(plan: Plan, kind: str = "products") -> list[dict[str, Any]]:
    assert [record.problems for record in plan.records[kind] if record.problems] == []
    return [record.requests[0].body for record in plan.records[kind]]


def problems(plan: Plan, kind: str = "products") -> list[str]:
    return [problem for record in plan.records[kind] for problem in record.problems]


# --- the files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "raw"),
    [
        ("", "code,name\nA1,螺母\n".encode()),
        ("", "\ufeffcode,name\r\nA1,螺母\r\n".encode()),
        ("", 'code,name\n"A1"," 螺母 "\n'.encode()),
        ("", 'code , name\n\nA1,"螺母"\n\n'.encode()),
        (', delimiter: ";"', "code;name\nA1;螺母\n".encode()),
        (", delimiter: tab", "code\tname\nA1\t螺母\n".encode()),
        (', delimiter: "|", quote: "\'"', "code|name\n'A1'|'螺母'\n".encode()),
        (", encoding: gbk", "code,name\nA1,螺母\n".encode("gb18030")),
        (", encoding: utf-16", "code,name\nA1,螺母\n".encode("utf-16")),
        (", skip_lines: 2", "Products of 2026\nprinted today\ncode,name\nA1,螺母\n".encode()),
        (", header: [code, name]", "A1,螺母\n".encode()),
    ],
    ids=["plain", "bom", "quotes", "blanks", "semicolon", "tab", "other quote", "gbk", "utf16", "skipped", "headless"],
)
def test_files_of_any_make(plan: Any, more: str, raw: bytes) -> None:
    (body,) = bodies(plan(PRODUCTS % (more, ""), {"p.csv": raw}))
    assert (body["code"], body["name"]) == ("A1", "螺母")


def test_a_cell_may_hold_delimiters_quotes_and_lines(plan: Any) -> None:
    made = plan(PRODUCTS % ("", ""), {"p.csv": 'code,name\nA1,"a, ""b""\nc"\nA2,d\n'})
    assert bodies(made)[0]["name"] == 'a, "b"\nc'
    assert made.records["products"][1].row.number == 4


def test_several_files_are_one_table(plan: Any) -> None:
    made = plan(
        HEAD + "files: {p: {file: p-*.csv}}\nproducts: {from: p, key: code, name: name}\n",
        {"p-1.csv": "code,name\nA,a\n", "p-2.csv": "name,code\nb,B\n"},
    )
    assert [(record.key, record.row.file) for record in made.records["products"]] == [
        ("A", "p-1.csv"),
        ("B", "p-2.csv"),
    ]


def test_a_row_with_a_cell_too_many_is_refused_alone(plan: Any) -> None:
    made = plan(PRODUCTS % ("", ""), {"p.csv": "code,name\nA,a,lost\nB,b\n"})
    assert len(problems(made)) == 1
    assert "has 3 cells where the header has 2" in problems(made)[0]
    assert "lost" in problems(made)[0]


@pytest.mark.parametrize(
    ("style", "cell", "minor"),
    [
        ('decimal: ",", thousands: "."', "1.234,50", 123450),
        ('decimal: ",", thousands: " "', "1 234,5", 123450),
        ('thousands: ","', "¥1,234.50", 123450),
        ('thousands: "\'"', "CHF 1'234.50", 123450),
        ("decimal: '.'", "1234.5", 123450),
        ("currency: JPY", "1234", 1234),
        ("empty: [n/a, '-']", "n/a", 0),
        ("empty: [n/a, '-']", "-", 0),
    ],
)
def test_numbers_as_people_write_them(plan: Any, style: str, cell: str, minor: int) -> None:
    mapping = (
        HEAD + f"files:\n  p: {{file: p.csv, {style}}}\nproducts: {{from: p, key: code, name: code, price: price}}\n"
    )
    assert bodies(plan(mapping, {"p.csv": f'code,price\nA,"{cell}"\n'}))[0]["price"]["minor"] == minor


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("1,50", "is no number with decimal sign `.`"),
        ("1.005", "more than the 2 decimals"),
        ("ten", "is no number"),
        ("-1", "must not be negative"),
    ],
)
def test_what_is_no_price_is_refused_with_its_reason(plan: Any, cell: str, why: str) -> None:
    (problem,) = problems(plan(PRODUCTS % ("", ", price: price"), {"p.csv": f'code,name,price\nA,a,"{cell}"\n'}))
    assert problem.startswith("column `price`")
    assert "(`products.price`)" in problem
    assert why in problem


@pytest.mark.parametrize(
    ("pattern", "cell"),
    [
        ("YYYY-MM-DD", "2017-03-04"),
        ("M/D/YYYY", "3/4/2017"),
        ("DD.MM.YY", "04.03.17"),
        ("YYYYMMDD", "20170304"),
        ("D-MMM-YYYY", "4-Mar-2017"),
        ("YYYY年M月D日", "2017年3月4日"),
        ("[M/D/YYYY, DD.MM.YYYY]", "04.03.2017"),
        ("YYYY/MM/DD HH:mm", "2017/03/04 18:30"),
    ],
)
def test_dates_as_people_write_them(plan: Any, pattern: str, cell: str) -> None:
    mapping = (
        HEAD + f"defaults: {{dates: {pattern}}}\nfiles: {{p: {{file: p.csv}}}}\n"
        "people: {from: p, key: name, name: name, role: {constant: clerk}, joined_on: day}\n"
    )
    assert bodies(plan(mapping, {"p.csv": f"name,day\nAnn,{cell}\n"}), "people")[0]["joined_on"] == "2017-03-04"


def test_joins_look_ups_and_composed_texts(plan: Any) -> None:
    mapping = (
        HEAD
        + """\
files:
  p:
    file: p.csv
    joins: {to: f, on: {family: id}}
  f: {file: f.csv}
  prices: {file: prices.csv}
products:
  from: p
  key: "{code}-{size}"
  name: "{f.name} {code} {size}"
  family: {column: [f.name, family], case: upper}
  price:
    lookup:
      from: prices
      on: {code: product}
      where: {kind: list}
      sort: since
      descending: true
      take: amount
"""
    )
    files = {
        "p.csv": "code,size,family\nA,1,9\nB,,8\n",
        "f.csv": "id,name\n9,Nuts\n",
        "prices.csv": "product,kind,since,amount\nA,list,2026-01-01,1\nA,list,2026-03-01,3\nA,net,2026-05-01,5\n",
    }
    first, second = bodies(plan(mapping, files))
    assert (first["code"], first["name"], first["family"], first["price"]["minor"]) == ("A-1", "Nuts A 1", "NUTS", 300)
    assert (second["code"], second["name"], second["family"]) == ("B-", "B", "8")


def test_a_look_up_that_finds_several_asks_which(plan: Any) -> None:
    mapping = HEAD + (
        "files: {p: {file: p.csv}, q: {file: q.csv}}\n"
        "products: {from: p, key: code, name: {lookup: {from: q, on: {code: code}, take: name}}}\n"
    )
    made = plan(mapping, {"p.csv": "code\nA\n", "q.csv": "code,name\nA,x\nA,y\n"})
    assert "say with `sort:` which" in problems(made)[0]


def test_choices_translations_and_defaults(plan: Any) -> None:
    mapping = (
        HEAD
        + """\
files: {p: {file: p.csv}}
products:
  from: p
  key: code
  name:
    choose:
      - when: {kind: [x, y]}
        use: {column: kind, translate: {x: Axe}, otherwise: keep}
      - use: {constant: other}
  unit: {column: unit, default: piece}
  family: {column: kind, extract: "([a-z])"}
"""
    )
    made = bodies(plan(mapping, {"p.csv": "code,kind,unit\n1,x,\n2,y,box\n3,z,\n"}))
    assert [(body["name"], body["unit"], body["family"]) for body in made] == [
        ("Axe", "piece", "x"),
        ("y", "box", "y"),
        ("other", "piece", "z"),
    ]


@pytest.mark.parametrize(
    ("condition", "codes"),
    [
        ("{n: {at_least: 2}}", "BC"),
        ("{n: {above: 2}}", "C"),
        ("{n: {below: 2}}", "A"),
        ("{n: {at_most: 2}}", "AB"),
        ("{day: {before: 2026-02-01}}", "A"),
        ("{day: {on_or_after: 2026-02-01}}", "BC"),
        ("{code: {matches: '[AC]'}}", "AC"),
        ("{code: {not: [A, B]}}", "C"),
        ("{code: [A, B]}", "AB"),
        ("{code: B}", "B"),
        ("[{code: A}, {n: '3'}]", "AC"),
        ("{code: {empty: false}, n: '1'}", "A"),
    ],
)
def test_filters(plan: Any, condition: str, codes: str) -> None:
    text = "code,name,n,day\nA,a,1,2026-01-31\nB,b,2,2026-02-01\nC,c,3,2026-02-02\n"
    made = plan(PRODUCTS % ("", f", where: {condition}"), {"p.csv": text})
    assert "".join(record.key for record in made.records["products"]) == codes
    assert len(made.skipped) == 3 - len(codes)


def test_a_filter_that_cannot_read_its_cell_refuses_the_row_alone(plan: Any) -> None:
    made = plan(PRODUCTS % ("", ", where: {n: {above: 1}}"), {"p.csv": "code,name,n\nA,a,many\nB,b,2\n"})
    assert [bool(record.problems) for record in made.records["products"]] == [False, True]


def test_a_filter_on_lines_that_cannot_be_read_refuses_the_line_alone(plan: Any) -> None:
    mapping = (
        HEAD
        + """\
files: {c: {rows: [{id: C}]}, o: {file: o.csv}, l: {file: l.csv}}
orders:
  from: o
  key: id
  customer: {constant: C}
  owner: {constant: Bo}
  received: day
  lines: {from: l, where: {n: {above: 1}}, order: order, product: {constant: P}, quantity: n, unit_price: {constant: 1}}
"""
    )
    made = plan(mapping, {"o.csv": "id,day\nO,2026-01-01\n", "l.csv": "order,n\nO,many\nO,2\nO,1\nX,3\n"})
    assert problems(made, "orders") == [
        "`orders.lines`: a filter cannot read the column `n`: `many` is no number with decimal sign `.` "
        "and no thousands sign: say with `decimal:` and `thousands:` how numbers are written",
        "column `order` (`orders.lines.order`): there is no order with the key `X`",
    ]
    assert len(made.records["orders"][0].requests[0].body["lines"]) == 1
    assert [row.number for _, row in made.skipped] == [4]


def test_an_amount_of_a_line_is_kept_to_the_cent(plan: Any) -> None:
    mapping = (
        HEAD
        + """\
files: {o: {file: o.csv}}
orders:
  from: o
  key: id
  customer: {constant: C}
  owner: {constant: Bo}
  received: {constant: "2026-01-01"}
  lines: {product: {constant: P}, quantity: n, amount: amount}
"""
    )
    (body,) = bodies(plan(mapping, {"o.csv": "id,n,amount\nO,3,100\n"}), "orders")
    (line,) = body["lines"]
    assert 3 * line["unit_price"]["minor"] - line["discount"]["minor"] == 10000


STEPS = (
    HEAD
    + """\
files: {o: {file: o.csv}}
orders:
  from: o
  key: id
  customer: {constant: C}
  owner: {constant: Bo}
  received: day
  lines: {product: {constant: P}, unit_price: {constant: 1}}
  steps:
    confirmed: {on: won, promised_date: won, payment_method: {constant: cash}}
    delivered: {on: sent, receiver: {constant: Zoe}}
    closed: {on: closed}
    cancelled: {on: off, reason: {constant: changed mind}}
"""
)


def test_steps_that_must_lie_between_are_taken_too(plan: Any) -> None:
    made = plan(STEPS, {"o.csv": "id,day,won,sent,closed,off\nO,2026-01-01,2026-01-02,2026-01-09,,\n"})
    assert problems(made, "orders") == []
    taken = [(request.name, request.body["occurred_at"][:10]) for request in made.records["orders"][0].requests]
    assert taken == [
        ("creation", "2026-01-01"),
        ("verified", "2026-01-02"),
        ("confirmed", "2026-01-02"),
        ("allocated", "2026-01-02"),
        ("delivered", "2026-01-09"),
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (
            "O,2026-01-05,2026-01-02,,,",
            "column `won`, cell `2026-01-02` (`orders.steps.confirmed.on`): "
            "2026-01-02 is before the step before it (2026-01-05)",
        ),
        (
            "O,2026-01-01,,2026-01-09,,",
            "column `sent`, cell `2026-01-09` (`orders.steps.delivered.on`): "
            "the step `allocated` comes before `delivered`",
        ),
        ("O,2026-01-01,2026-01-02,,2026-01-09,", "the step `handover` comes before `closed`"),
        ("O,2026-01-01,2026-01-02,2026-01-03,,2026-01-09", "it is too late for that"),
        ("O,,2026-01-02,,,", "column `day` (`orders.received`): is empty"),
    ],
)
def test_steps_that_cannot_follow_are_refused(plan: Any, row: str, why: str) -> None:
    assert why in problems(plan(STEPS, {"o.csv": f"id,day,won,sent,closed,off\n{row}\n"}), "orders")[0]


def test_an_order_is_received_in_the_zone_of_its_owner(plan: Any) -> None:
    mapping = (
        HEAD
        + """\
files: {x: {rows: [{id: X, zone: Asia/Urumqi, day: 2026-01-02}]}}
regions: {from: x, key: {constant: North}, name: {constant: North}}
offices: {from: x, key: zone, name: zone, region: {constant: North}, timezone: zone}
people: {from: x, key: id, name: id, role: {constant: salesperson}, office: zone, joined_on: day}
products: {from: x, key: id, name: id}
customers: {from: x, key: id, name: id, owner: id}
orders: {from: x, key: id, customer: id, received: day, lines: {product: id, unit_price: {constant: 1}}}
"""
    )
    assert bodies(plan(mapping), "orders")[0]["occurred_at"] == "2026-01-02T12:00:00+06:00"


def test_the_same_rows_give_the_same_requests(plan: Any) -> None:
    files = {"p.csv": "code,name\nA,a\nB,b\n"}
    keys = [
        [request.key for record in plan(PRODUCTS % ("", ""), files).records["products"] for request in record.requests]
    ]
    keys.append([r.requests[0].key for r in plan(PRODUCTS % ("", ""), files).records["products"]])
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2


# --- mistakes -------------------------------------------------------------------------------------

GOOD = """\
mapping: 1
name: test
defaults:
  currency: CNY
files:
  p:
    file: p.csv
  q:
    file: q.csv
products:
  from: p
  key: code
  name: name
  price: price
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "sentence"),
    [
        ("mapping: 1", "mapping: 2", 1, "`2` does not fit `mapping`"),
        ("name: test\n", "name: My Company\n", 2, "must look like"),
        ("name: test\n", "", 1, "lacks `name`"),
        ("currency: CNY", "currency: yuan", 4, "`yuan` does not fit `defaults.currency`"),
        ("currency: CNY", "timezone: Mars/Base", 4, "is no IANA time zone"),
        ("currency: CNY", "dates: DD.MM", 4, "must have a year, a month and a day"),
        ("currency: CNY", "currencies: CNY", 4, "did you mean `currency`?"),
        ("currency: CNY", "time: noon", 4, "`noon` does not fit"),
        ("file: p.csv", "fiel: p.csv", 7, "did you mean `file`?"),
        ("file: p.csv", "delimiter: x", 6, "needs either `file`"),
        ("file: p.csv", "file: r.csv", 7, "has no file `r.csv`; it has p.csv, q.csv"),
        ("file: p.csv", "file: p.csv\n    encoding: klingon", 7, "is no encoding"),
        ("file: p.csv", 'file: p.csv\n    delimiter: ";"', 7, "one column only"),
        (
            "file: p.csv",
            "file: p.csv\n    translate: {colour: {r: red}}",
            7,
            "`colour`, but the columns are: code, name",
        ),
        ("file: p.csv", "file: p.csv\n    joins: {to: z, on: {code: x}}", 8, "`z` is none of the `files:`"),
        ("file: p.csv", "file: p.csv\n    joins: {to: q, on: {code: x}}", 8, "`x` is no column of `q`"),
        ("file: p.csv", "file: p.csv\n    where: {code: {like: A}}", 8, "`like` is not a key"),
        ("file: p.csv", "file: p.csv\n    where: {code: {matches: '('}}", 8, "is no regular expression"),
        ("products:", "produts:", 10, "did you mean `products`?"),
        ("from: p", "from: pp", 11, "`pp` is none of the `files:`"),
        ("key: code", "", 10, "lacks `key`"),
        ("name: name", "name: title", 13, "`title` is no column of `p`: its columns are code, name, price"),
        ("name: name", 'name: "{name} {title}"', 13, "`title` is no column"),
        ("name: name", "name: {colum: name}", 13, "did you mean `column`?"),
        ("name: name", "name: {column: name, constant: x}", 13, "comes from one place"),
        ("name: name", "name: {case: upper}", 13, "needs one of `column`"),
        ("name: name", "name: {column: name, case: big}", 13, "does not fit"),
        ("price: price", "price: price\n  price: code", 15, "second time (first in line 14)"),
        ("price: price", "price: {lookup: {from: z, on: {code: x}, take: y}}", 14, "`z` is none of the `files:`"),
        ("price: price", "price: {lookup: {from: q, on: {code: x}, take: code}}", 14, "`x` is no column of `q`"),
        ("price: price", "price: [", 15, "this is not YAML"),
        ("price: price", "price: {column: price, times: many}", 14, "`many` is no number"),
        ("price: price", "price: {column: price, by: name}", 14, "refers to no other record"),
        ("price: price", "where: {price: {above: high}}", 14, "`high` is no number"),
        ("price: price", "where: {price: {before: 1.2.26}}", 14, "`1.2.26` is no date"),
        (
            "price: price",
            "price: price\ncustomers: {from: p, key: code, name: name, owner: {column: name, by: nam}}",
            15,
            "`nam` is nothing to find by: did you mean `name`?",
        ),
        ("price: price", "where: {size: L}", 14, "`size` is no column"),
    ],
)
def test_a_mistake_names_its_line(plan: Any, old: str, new: str, line: int, sentence: str) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(Refused) as refused:
        plan(GOOD.replace(old, new, 1), {"p.csv": "code,name,price\nA,a,1\n", "q.csv": "code\nA\n"})
    said = str(refused.value)
    places = [int(found) for found in re.findall(r"test\.yaml, line (\d+)", said)]
    assert line in places, said
    assert sentence in said


def test_all_mistakes_are_told_at_once(plan: Any) -> None:
    with pytest.raises(Refused) as refused:
        plan(GOOD.replace("name: name", "nam: name").replace("currency", "curency"))
    assert len(str(refused.value).splitlines()) == 3  # the name is missing, too


@pytest.mark.parametrize(
    ("more", "raw", "sentence"),
    [
        ("", b"code;name\nA;a\n", 'say `delimiter: ";"`'),
        ("", b"code,name\nA,\xe4\n", "its line 2 shows it"),
        ("", b"code,code\nA,a\n", "has the column `code` twice"),
        ("", b"", "is empty"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(plan: Any, more: str, raw: bytes, sentence: str) -> None:
    with pytest.raises(Refused, match=re.escape(sentence)):
        plan(PRODUCTS % (more, ""), {"p.csv": raw})


# --- a real data set ------------------------------------------------------------------------------

HERE = Path(__file__).parents[2]
MAVEN = Path(os.environ.get("SALESBEAT_MAVEN_CRM") or HERE.parent / "shared/data/maven-crm")
MONTHS = {
    "2017-03": (531, 1_134_672),
    "2017-04": (285, 721_932),
    "2017-05": (438, 1_025_713),
    "2017-06": (531, 1_338_466),
    "2017-07": (308, 696_932),
    "2017-08": (446, 1_050_059),
    "2017-09": (503, 1_235_264),
    "2017-10": (279, 731_980),
    "2017-11": (406, 938_943),
    "2017-12": (511, 1_131_573),
}


@pytest.mark.skipif(not MAVEN.is_dir(), reason="the data set is no part of the repository")
def test_the_crm_data_set_gives_its_own_totals() -> None:
    made = command.read(HERE / "deploy/local/mappings/maven-crm.yaml", MAVEN)
    assert {kind: len(records) for kind, records in made.records.items()} == {
        "regions": 3,
        "offices": 3,
        "people": 41,
        "products": 7,
        "customers": 85,
        "contacts": 0,
        "orders": 4238,
    }
    assert [problem for kind in made.records for problem in problems(made, kind)] == []
    months: dict[str, tuple[int, int]] = {}
    for record in made.records["orders"]:
        (confirmed,) = [request.body for request in record.requests if request.name == "confirmed"]
        (line,) = record.requests[0].body["lines"]
        assert line["unit_price"]["currency"] == "USD"
        count, minor = months.get(confirmed["occurred_at"][:7], (0, 0))
        months[confirmed["occurred_at"][:7]] = (count + 1, minor + line["unit_price"]["minor"])
    assert {month: (count, minor // 100) for month, (count, minor) in sorted(months.items())} == MONTHS
    assert sum(minor for _, minor in months.values()) == 10_005_534_00
