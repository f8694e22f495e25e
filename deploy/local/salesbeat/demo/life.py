"""What the company has lived through up to a day, as records. Pure: the same day gives the same records.

Everything that happens hangs on the person and the day on which it begins, not on the day of the asking. So a demo
that is run again on a later day finds its records, takes them further, and adds the days between.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import cached_property

from salesbeat.demo import calendar, company
from salesbeat.demo.company import OFFICES, PEOPLE, PRODUCTS, Office, Person, Product
from salesbeat.demo.days import Days, Holding
from salesbeat.demo.field import AFTER_ORDERS, BEFORE_ORDERS, Field
from salesbeat.demo.making import entered, later, luck, new_record, skill, within_hours, yuan
from salesbeat.importing.plan import Body, Record, Request

KINDS = (
    "regions", "offices", "people", "products", "customers", "contacts", "targets", *BEFORE_ORDERS, "orders",
    *AFTER_ORDERS,
)  # fmt: skip
"""In the order in which they are written."""
FIELD_DAYS = 15
"""Working days of field work before the present one, unless another number is asked for."""
MONTHS = 3
"""Whole months before the present one."""
EARLIER = timedelta(weeks=10)
"""So long before the first day the customers of its orders may have been found."""
GROWTH = timedelta(days=110)
"""Over this time the rising office comes to its present strength."""

WEEKDAYS = (0.9, 1.1, 1.15, 1.1, 0.95, 0.5, 0.5)
"""How much is ordered from Monday to Sunday; at weekends only where they are worked."""
ORDERS = (0.42, 0.12, 0.03)
"""How likely a first, a second and a third order of a person's day are."""
NEW_CUSTOMERS = 0.08
"""How likely somebody finds a new customer in a week."""
TARGET = 660_000
"""Yuan that a usual salesperson is to sell in a month."""

RETURNS = ("数量与报价单不一致,请与客户核实", "缺少收货联系人与电话", "型号与技术协议不符,请更正")
CANCELLATIONS = ("客户项目暂停", "客户改用其他品牌", "客户预算未获批准", "重复下单")
AMENDMENTS = ("客户现场未就绪,推迟交货", "客户追加数量")
PAYMENTS = ("预付30%,货到付70%", "款到发货", "月结30天", "货到验收后7天内付款", "承兑汇票")
PAPERS = ("送货单", "合格证", "说明书", "增值税发票", "验收单")
LOSSES = ("与竞争对手签订了年度协议", "公司迁往外地,不再采购")


def begins(today: date) -> date:
    """The first day of the demo's life."""
    month = today.year * 12 + today.month - 1 - MONTHS
    return date(month // 12, month % 12 + 1, 1)


def field_begins(today: date, days: int = FIELD_DAYS) -> date:
    """The first of so many working days of field work; not before the demo's life begins."""
    return max(calendar.after(today, -days), begins(today))


def records(today: date, since: date | None = None) -> dict[str, list[Record]]:
    """Everything that has happened until the day before, by kind, each kind in the order in which it is written.

    since: the first day of field work; as many working days back as is usual without it.
    """
    return Life(today, since).records()


class Life:
    def __init__(self, today: date, since: date | None = None) -> None:
        self.first = begins(today)
        self.last = today - timedelta(days=1)
        self.offices = {office.code: office for office in OFFICES}
        self._contacts: dict[str, list[Record]] = {}
        self.sellers = [person for person in PEOPLE if person.role == "salesperson"]
        self.since = since or field_begins(today)
        self.days = Days(self._held)

    @cached_property
    def field(self) -> Field:
        return Field(self.since, self.last, self._people, self._offices, self.days, self.contacts)

    def records(self) -> dict[str, list[Record]]:
        orders = [order for seller in self.sellers for order in self._orders(seller)]
        customers = [customer for found in self._customers.values() for customer, _, _ in found]
        made = {
            "regions": list(self._regions.values()),
            "offices": list(self._offices.values()),
            "people": list(self._people.values()),
            "products": list(self._products.values()),
            "customers": sorted(customers, key=_begun),
            "contacts": [contact for customer in customers for contact in self.contacts(customer)],
            "targets": [target for seller in self.sellers for target in self._targets(seller)],
            **self.field.before_orders(),
            "orders": sorted(orders, key=_begun),
            **self.field.after_orders(),
        }
        assert tuple(made) == KINDS  # noqa: S101 - the order of writing
        return made

    # --- the organisation -------------------------------------------------------------------------

    @cached_property
    def _regions(self) -> dict[str, Record]:
        return {
            code: new_record("regions", code, {"code": code, "name": name}) for code, name in company.REGIONS.items()
        }

    @cached_property
    def _offices(self) -> dict[str, Record]:
        return {office.code: self._office(office) for office in OFFICES}

    def _office(self, office: Office) -> Record:
        body = {
            "code": office.code,
            "name": f"{office.city}办事处",
            "region": self._regions[office.region].id,
            "timezone": office.timezone,
            "workdays": [1, 2, 3, 4, 5],
            "holidays": [day.isoformat() for day in sorted(calendar.HOLIDAYS)],
            "extra_workdays": [day.isoformat() for day in sorted(calendar.EXTRA_WORKDAYS)],
            "opened_on": office.opened_on.isoformat(),
        }
        return new_record("offices", office.code, body, needs=[self._regions[office.region]])

    @cached_property
    def _people(self) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for number, person in enumerate(PEOPLE, 1):  # managers stand before their people
            chance = luck("person", person.login)
            joined = date(2022, 3, 1) + timedelta(days=chance.randrange(1000))
            body: Body = {
                "name": person.name,
                "number": f"HC{number:03}",
                "email": f"{person.login}@hengchuan.example.com",
                "phone": f"138 0000 {number:04}",
                "role": person.role,
                "joined_on": joined.isoformat(),
            }
            needs: list[Record] = []
            if person.manager:
                needs.append(found[person.manager])
                body["manager"] = found[person.manager].id
            if person.office:
                needs.append(self._offices[person.office])
                body["office"] = self._offices[person.office].id
            if person.region:
                needs.append(self._regions[person.region])
                body["region"] = self._regions[person.region].id
            if person.serves:
                needs += [self._offices[code] for code in person.serves]
                body["offices_served"] = [self._offices[code].id for code in person.serves]
            found[person.login] = new_record("people", person.login, body, needs=needs)
        return found

    @cached_property
    def _products(self) -> dict[str, Record]:
        return {product.code: new_record("products", product.code, _product(product)) for product in PRODUCTS}

    def clerk(self, office: str) -> Record:
        clerk = next(p for p in PEOPLE if p.role == "clerk" and office in (p.office, *p.serves))
        return self._people[clerk.login]

    def _targets(self, seller: Person) -> Iterator[Record]:
        """One for each month, published some days before it begins."""
        month = self.first
        while month <= self.last:
            name = f"{month:%Y-%m}"
            chance = luck("target", seller.login, name)
            # Nobody's target falls as far as the weak office's sales have.
            usual = TARGET * skill(seller) * max(self.offices[seller.office or ""].pull, 0.75)
            amount = round(usual * chance.uniform(0.95, 1.15) / 10_000) * 10_000
            supervisor = next(
                p for p in PEOPLE if p.login == next(q.manager for q in PEOPLE if q.login == seller.manager)
            )
            person, by = self._people[seller.login], self._people[supervisor.login]
            at = within_hours(chance, calendar.after(month, -3), self.offices[seller.office or ""])
            body = {"person": person.id, "month": name, "amount": yuan(amount), **entered(at, by)}
            yield new_record("targets", f"{seller.login} {name}", body, needs=[person, by], at=at)
            month = (month + timedelta(days=31)).replace(day=1)

    # --- customers --------------------------------------------------------------------------------

    @cached_property
    def _customers(self) -> dict[str, list[tuple[Record, float, date | None]]]:
        """Of each salesperson: the customers, how likely each orders, and from when on (None: never)."""
        found: dict[str, list[tuple[Record, float, date | None]]] = {}
        for office in OFFICES:
            team = [seller for seller in self.sellers if seller.office == office.code]
            for place, seller in enumerate(team):
                own = [self._old(office, seller, place * 3 + number) for number in range(3)]
                monday = self.first - EARLIER
                monday -= timedelta(days=monday.weekday())
                while monday <= self.last:
                    number = 12 + (monday - date(2024, 1, 1)).days // 7 * len(team) + place
                    if (new := self._new(office, seller, monday, number)) is not None:
                        own.append(new)
                    monday += timedelta(weeks=1)
                found[seller.login] = own
        return found

    def _old(self, office: Office, seller: Person, number: int) -> tuple[Record, float, date | None]:
        """A customer from before Salesbeat."""
        chance = luck("customer", office.code, number)
        day = calendar.after(date(2025, 2, 10) + timedelta(days=chance.randrange(240)), 1)
        record = self._customer(office, seller, number, day, chance)
        fate = chance.random() if number % 3 == 2 else 0.0
        if fate < 0.5:
            day = calendar.after(day, chance.randint(5, 25))
            self._step(record, chance, office, seller, day, "activation", "上线前已成交的老客户")
            return record, chance.uniform(0.6, 1.6), day
        if fate < 0.75:
            day = calendar.after(day, chance.randint(5, 25))
            self._step(record, chance, office, seller, day, "qualification")
            return record, 0.4, day
        if fate < 0.9:
            day = calendar.after(day, chance.randint(20, 60))
            self._step(record, chance, office, seller, day, "loss", chance.choice(LOSSES))
        return record, 0.0, None

    def _new(
        self, office: Office, seller: Person, monday: date, number: int
    ) -> tuple[Record, float, date | None] | None:
        """A customer whom somebody finds in a week, or none."""
        chance = luck("customer", office.code, number)
        days = list(calendar.workdays(monday, monday + timedelta(days=6)))
        if not days or chance.random() > NEW_CUSTOMERS * (0.5 + office.pull / 2):
            return None
        day = chance.choice(days)
        if day > self.last:
            return None
        record = self._customer(office, seller, number, day, chance)
        fate, wait = chance.random(), chance.randint(3, 10)
        if fate < 0.8:
            day = calendar.after(day, wait)
            self._step(record, chance, office, seller, day, "qualification")
            return record, 2.0, calendar.after(day, 2)
        if fate < 0.9:
            self._step(record, chance, office, seller, calendar.after(day, 15 + wait), "loss", chance.choice(LOSSES))
        return record, 0.0, None

    def _customer(self, office: Office, seller: Person, number: int, day: date, chance: random.Random) -> Record:
        firsts, seconds = company.BRANDS
        names = len(firsts) * len(seconds) * len(company.TRADES)
        # A step that shares no factor with the number of names visits each of them once.
        rank = (number * 2503 + OFFICES.index(office) * 617) % names
        brand, trade = divmod(rank, len(company.TRADES))
        trade = company.TRADES[trade]
        kind = chance.choices(("enterprise", "dealer", "outlet"), (8, 3, 1))[0]
        form = {"enterprise": "有限公司", "dealer": "经销有限公司", "outlet": "门市部"}[kind]
        name = f"{office.city}{firsts[brand % len(firsts)]}{seconds[brand // len(firsts)]}{trade}{form}"
        at = within_hours(chance, day, office)
        person = self._people[seller.login]
        road = f"{chance.choice(company.ROADS)}{chance.randint(1, 399)}号"
        body = {
            "name": name,
            "kind": kind,
            "owner": person.id,
            "phone": f"{office.area_code}-5{number:0{office.local_digits - 1}}",
            "tax_id": f"91{OFFICES.index(office) + 1:02}00MA{number:06}HC",
            "addresses": [
                {"text": f"{office.city}市{road}", "city": office.city, "country": "中国", **_place(office, number)}
            ],
            "source": chance.choice(company.SOURCES),
            "channel": "dealer" if kind == "dealer" else "direct",
            "attributes": {"行业": company.INDUSTRIES[trade], "规模": chance.choice(("大型", "中型", "中型", "小型"))},
            "prospect_since": day.isoformat(),
            **entered(at, person),
        }
        return new_record("customers", f"{office.code} {number}", body, needs=[person], at=at)

    def _step(
        self,
        customer: Record,
        chance: random.Random,
        office: Office,
        seller: Person,
        day: date,
        noun: str,
        reason: str | None = None,
    ) -> None:
        if day > self.last:
            return
        body = {
            **({"reason": reason} if reason else {}),
            **entered(within_hours(chance, day, office), self._people[seller.login]),
        }
        path = f"/api/v1/customers/{customer.id}/{noun}"
        customer.requests.append(Request(path, body, _CUSTOMER_STEPS[noun], noun))

    def contacts(self, customer: Record) -> list[Record]:
        if customer.id not in self._contacts:
            self._contacts[customer.id] = list(self._contacts_of(customer))
        return self._contacts[customer.id]

    def _held(self, seller: Person, day: date) -> list[Holding]:
        """The customers whom somebody visits on that day: known the day before, and not lost by then."""
        return [
            (customer, since)
            for customer, _, since in self._customers[seller.login]
            if _begun(customer).date() < day and self._found_lately(customer, day) and not _lost(customer, day)
        ]

    def _contacts_of(self, customer: Record) -> Iterator[Record]:
        chance = luck("contacts", customer.key)
        roles = [("采购经理", "buyer"), ("总经理", "decision_maker"), ("设备主管", "user"), ("前台", "gatekeeper")]
        said = {name: customer.requests[0].body[name] for name in ("occurred_at", "on_behalf_of")}
        for number, (title, role) in enumerate(chance.sample(roles, chance.choices((1, 2, 3), (4, 5, 1))[0])):
            body = {
                "name": chance.choice(company.SURNAMES) + chance.choice(company.GIVEN),
                "title": title,
                "phone": f"139 0000 {chance.randrange(10_000):04}",
                "decision_role": role,
                **said,
            }
            record = new_record("contacts", f"{customer.key} {number}", body)
            record.within = customer
            path = f"/api/v1/customers/{customer.id}/contacts"
            record.requests = [Request(path, record.requests[0].body, _has_contact(record.id))]
            yield record

    # --- orders -----------------------------------------------------------------------------------

    def _orders(self, seller: Person) -> Iterator[Record]:
        office = self.offices[seller.office or ""]
        for day in calendar.workdays(self.first, self.last):
            for number, likely in enumerate(ORDERS):
                # Only whether it exists depends on the present day, never what it is.
                chance = luck("order", seller.login, day, number)
                if chance.random() < likely * self._pull(office, day) * skill(seller) * WEEKDAYS[day.weekday()]:
                    buyers = [
                        (customer, weight)
                        for customer, weight, since in self._customers[seller.login]
                        if since is not None and since <= day and self._found_lately(customer, day)
                    ]
                    if buyers:
                        customers, weights = zip(*buyers, strict=True)
                        buyer = chance.choices(customers, weights)[0]
                        yield self._order(seller, office, buyer, day, number, chance)

    def _found_lately(self, customer: Record, day: date) -> bool:
        """New customers count for some weeks only, so that a demo that begins later knows the same ones."""
        at = customer.at
        return at is None or at.date() < date(2025, 12, 31) or at.date() >= day - EARLIER

    def _pull(self, office: Office, day: date) -> float:
        if office.code != company.RISING:
            return office.pull
        return 0.4 + 1.2 * max(0.0, 1 - (self.last - day) / GROWTH)

    def _order(
        self, seller: Person, office: Office, customer: Record, day: date, number: int, chance: random.Random
    ) -> Record:
        person, clerk = self._people[seller.login], self.clerk(office.code)
        at = within_hours(chance, day, office)
        won = self.days.sale(seller, day, number) if day >= self.since else None
        if won is not None and won.customer is not None:
            customer, at = won.customer, won.left
        chosen = chance.sample(PRODUCTS, chance.choices((1, 2, 3, 4), (4, 3, 2, 1))[0])
        lines = [self._line(product, chance) for product in chosen]
        body = {
            "customer": customer.id,
            "owner": person.id,
            "currency": "CNY",
            "channel": chance.choice(("phone", "visit", "visit", "wechat", "email")),
            **({"channel": "visit", "visit": won.id} if won else {}),
            "requested_date": calendar.after(day, chance.randint(8, 20)).isoformat(),
            "lines": lines,
            **entered(at, person),
        }
        needs = [person, customer, *(self._products[product.code] for product in chosen)]
        if won and (lived := self.days.of(seller, day)) and (visits := self.field.visits(lived)):
            needs.append(visits)
        record = new_record("orders", f"{seller.login} {day} {number}", body, needs=needs, at=at)
        for name, moment, by, more in self._steps(seller, office, chance, at, lines):
            if moment.date() > self.last:
                break
            said = entered(moment, person if by == "seller" else clerk)
            if name == "confirmation":
                more = {**more, "customer_told_at": (moment - timedelta(minutes=10)).isoformat(), "told_by": person.id}
            if name == "allocation":
                more = {**more, "assignee": clerk.id}
            method, path = ("PATCH", "") if name == "correction" else ("POST", f"/{name}")
            path = f"/api/v1/orders/{record.id}{path}"
            done = _done(_MARKS.get(name, name))
            record.requests.append(Request(path, {**more, **said}, done, name, method, versioned=name == "amendment"))
        return record

    def _line(self, product: Product, chance: random.Random) -> Body:
        line: Body = {"product": self._products[product.code].id, "quantity": str(chance.randint(1, product.most))}
        kind = chance.random()
        if kind < 0.15:
            line["unit_price"] = yuan(round(product.price * chance.uniform(0.9, 0.98)))
        elif kind < 0.4:
            line["discount_percent"] = chance.choice(("2", "3", "5", "8"))
        return line

    def _steps(
        self, seller: Person, office: Office, chance: random.Random, at: datetime, lines: list[Body]
    ) -> Iterator[tuple[str, datetime, str, Body]]:
        """Name, moment, who (seller or clerk) and what is said of each step of an order's life."""
        fate = chance.random()
        late = chance.random() < (0.35 if office.code == company.WEAK else 0.13)
        if 0.04 <= fate < 0.1:
            at = later(chance, at, 0, office)
            yield "return", at, "clerk", {"reason": chance.choice(RETURNS)}
            if fate < 0.05:
                return  # nobody has seen to it
            at = later(chance, at, chance.randint(1, 4), office)
            yield "correction", at, "seller", {"note": "已与客户核实并更正"}
        if fate < 0.02:
            yield "cancellation", later(chance, at, chance.randint(1, 3), office), "seller", _reason(chance)
            return
        at = later(chance, at, chance.choice((0, 0, 0, 1)), office)
        yield "verification", at, "clerk", {}
        if fate < 0.04:
            yield "cancellation", later(chance, at, chance.randint(1, 4), office), "seller", _reason(chance)
            return
        at = later(chance, at, chance.choice((0, 0, 1, 1, 2)), office)
        promised = calendar.after(at.date(), chance.randint(5, 14))
        payment = chance.choice(PAYMENTS)
        yield "confirmation", at, "seller", {"promised_date": promised.isoformat(), "payment_method": payment}
        if 0.1 <= fate < 0.13:
            yield "cancellation", later(chance, at, chance.randint(1, 4), office), "seller", _reason(chance)
            return
        if 0.13 <= fate < 0.2:
            at = later(chance, at, 1, office)
            if fate < 0.17:
                promised = calendar.after(promised, chance.randint(3, 6))
                yield "amendment", at, "seller", {"reason": AMENDMENTS[0], "promised_date": promised.isoformat()}
            else:
                # The service numbers the lines of an order from 1; what is not said about one stays.
                more = [{"id": str(at), "quantity": str(int(line["quantity"]) + 1)} for at, line in enumerate(lines, 1)]
                yield "amendment", at, "seller", {"reason": AMENDMENTS[1], "lines": more}
        at = later(chance, at, chance.choice((0, 1, 1, 2)), office)
        yield "allocation", at, "clerk", {"due": max(promised, at.date()).isoformat()}
        arrives = calendar.after(promised, chance.randint(1, 7) if late else -chance.randint(1, 3))
        at = within_hours(chance, max(arrives, calendar.after(at.date(), 1)), office)
        receiver = chance.choice(company.SURNAMES) + chance.choice(("师傅", "经理", "主管"))
        yield "delivery", at, "clerk", {"receiver": receiver}
        at = later(chance, at, chance.randint(4, 8) if chance.random() < 0.12 else chance.choice((0, 0, 1)), office)
        papers = list(PAPERS[: chance.randint(3, 5)])
        yield "handover", at, "clerk", {"documents": papers, "receiver": receiver}
        yield "closure", later(chance, at, chance.randint(1, 4), office), "clerk", {}


_MARKS = {"return": "returned", "closure": "closure", "amendment": "amendments"}
"""The field of an order that shows a step, where it is not named like it."""

_CUSTOMER_STEPS: dict[str, Callable[[Body], bool]] = {
    "qualification": lambda customer: customer.get("status") != "prospect",
    "activation": lambda customer: customer.get("activation") is not None,
    "loss": lambda customer: customer.get("status") == "lost",
}


def _done(mark: str) -> Callable[[Body], bool]:
    return lambda order: bool(order.get(mark))


def _has_contact(contact: str) -> Callable[[Body], bool]:
    return lambda customer: any(there["id"] == contact for there in customer.get("contacts", []))


def _begun(record: Record) -> datetime:
    assert record.at is not None  # noqa: S101 - customers and orders have a beginning
    return record.at


def _lost(customer: Record, day: date) -> bool:
    return any(
        step.name == "loss" and datetime.fromisoformat(step.body["occurred_at"]).date() <= day
        for step in customer.requests
    )


def _place(office: Office, number: int) -> Body:
    """Where in the city somebody's address is; in degrees."""
    chance, (latitude, longitude) = luck("place", office.code, number), office.centre
    return {
        "latitude": round(latitude + chance.uniform(-0.08, 0.08), 5),
        "longitude": round(longitude + chance.uniform(-0.08, 0.08), 5),
    }


def _product(product: Product) -> Body:
    return {
        "code": product.code,
        "name": product.name,
        "family": product.family,
        "unit": product.unit,
        "price": yuan(product.price),
        "cost": yuan(product.cost),
    }


def _reason(chance: random.Random) -> Body:
    return {"reason": chance.choice(CANCELLATIONS)}
