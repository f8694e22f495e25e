"""Amounts of lines: exact, rounded half up, never below zero, never of two currencies."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.money import Money
from contracts.orders import Product
from contracts.refusals import NotPossible
from orders.order.lines import LARGEST, Wanted, at_cost, margin, numbered, priced, times, total

unhurried = settings(deadline=None)  # the machine may be busy
quantities = st.integers(1, 10**9).map(lambda n: Decimal(n).scaleb(-3))
prices = st.integers(0, 10**6)
percents = st.integers(0, 1_000_000).map(lambda n: Decimal(n).scaleb(-4))


def product(name: str = "p", price: int = 100, currency: str = "CNY", cost: int | None = None) -> Product:
    return Product(
        id=name,
        code=name,
        name=name,
        price=Money(minor=price, currency=currency),
        cost=None if cost is None else Money(minor=cost, currency=currency),
    )


def half_up(exact: Fraction) -> int:
    """The nearest whole number; a half goes up."""
    return int(exact + Fraction(1, 2)) if exact >= 0 else -int(-exact + Fraction(1, 2))


@unhurried
@given(st.decimals(min_value=0, max_value=10**12, places=3), st.integers(0, LARGEST))
def test_a_product_is_rounded_half_up_from_its_exact_value(factor: Decimal, minor: int) -> None:
    assert times(factor, minor) == half_up(Fraction(factor) * minor)


@pytest.mark.parametrize(("quantity", "amount"), [("0.5", 1), ("1.5", 2), ("2.5", 3), ("0.499", 0), ("1.499", 1)])
def test_a_half_goes_up(quantity: str, amount: int) -> None:
    (line,) = priced([Wanted("p", Decimal(quantity))], {"p": product(price=1)})
    assert line.amount.minor == amount


@unhurried
@given(quantities, prices, st.one_of(st.none(), percents))
def test_the_net_amount_is_rounded_half_up_and_the_discount_is_the_rest(
    quantity: Decimal, price: int, percent: Decimal | None
) -> None:
    (line,) = priced([Wanted("p", quantity, discount_percent=percent)], {"p": product(price=price)})
    gross = Fraction(quantity) * price
    assert line.amount.minor == half_up(gross * (100 - Fraction(percent or 0)) / 100)
    assert line.discount.minor == half_up(gross) - line.amount.minor
    assert 0 <= line.amount.minor <= half_up(gross)


@pytest.mark.parametrize("currency", ["CNY", "JPY", "KWD"])
@pytest.mark.parametrize(
    ("quantity", "price", "percent", "net"),
    [
        ("1", 150, "5", 143),  # 142.5
        ("1", 150, "15", 128),  # 127.5
        ("3", 150, "5", 428),  # 427.5
        ("1", 1, "50", 1),  # 0.5
        ("1", 1, "50.0001", 0),
        ("0.333", 150, "5", 47),  # 47.4525, and not 95 % of 50
        ("2.5", 199, "7", 463),  # 462.675
        ("1", 150, "0", 150),
        ("1", 150, "100", 0),
        ("999999999999.999", 9007, "0.0001", 9006990992999991),  # beyond what a float holds exactly
    ],
)
def test_a_percentage_in_numbers(quantity: str, price: int, percent: str, net: int, currency: str) -> None:
    wanted = [Wanted("p", Decimal(quantity), discount_percent=Decimal(percent))]
    (line,) = priced(wanted, {"p": product(price=price, currency=currency)})
    exact = Fraction(quantity) * price * (100 - Fraction(percent)) / 100
    assert line.amount.minor == net == half_up(exact)
    assert line.discount.minor == half_up(Fraction(quantity) * price) - net


@unhurried
@given(quantities, prices, st.integers(-10, 10**12))
def test_a_discount_lies_within_its_line(quantity: Decimal, price: int, discount: int) -> None:
    gross = half_up(Fraction(quantity) * price)
    wanted = [Wanted("p", quantity, discount=Money(minor=discount, currency="CNY"))]
    if 0 <= discount <= gross:
        (line,) = priced(wanted, {"p": product(price=price)})
        assert line.amount.minor == gross - discount
    else:
        with pytest.raises(NotPossible) as refused:
            priced(wanted, {"p": product(price=price)})
        assert (refused.value.code, refused.value.field) == ("discount_beyond_line", "lines.0.discount")


@unhurried
@given(st.lists(st.tuples(quantities, prices, prices), min_size=1, max_size=8))
def test_total_and_margin_are_the_sums_of_the_lines(rows: list[tuple[Decimal, int, int]]) -> None:
    products = {str(n): product(str(n), price, cost=cost) for n, (_, price, cost) in enumerate(rows)}
    lines = at_cost(priced([Wanted(str(n), row[0]) for n, row in enumerate(rows)], products), products)
    assert total(lines).minor == sum(half_up(Fraction(quantity) * price) for quantity, price, _ in rows)
    left = margin(lines)
    assert left is not None
    assert left.minor == total(lines).minor - sum(half_up(Fraction(quantity) * cost) for quantity, _, cost in rows)


@unhurried
@given(st.lists(st.sampled_from(["CNY", "USD", "JPY"]), min_size=1, max_size=6), st.sampled_from(["CNY", "USD", None]))
def test_an_order_has_one_currency(currencies: list[str], currency: str | None) -> None:
    products = {str(n): product(str(n), currency=code) for n, code in enumerate(currencies)}
    wanted = [Wanted(name, Decimal(1)) for name in products]
    expected = currency or currencies[0]
    if set(currencies) == {expected}:
        assert {line.amount.currency for line in priced(wanted, products, currency=currency)} == {expected}
    else:
        with pytest.raises(NotPossible) as refused:
            priced(wanted, products, currency=currency)
        first = next(n for n, code in enumerate(currencies) if code != expected)
        assert (refused.value.code, refused.value.field) == ("currency_mixed", f"lines.{first}.unit_price")


def test_a_discount_has_the_currency_of_its_line() -> None:
    with pytest.raises(NotPossible) as refused:
        priced([Wanted("p", Decimal(1), discount=Money(minor=1, currency="USD"))], {"p": product()})
    assert (refused.value.code, refused.value.field) == ("currency_mixed", "lines.0.discount")


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ([Wanted("p", Decimal("999999999999.999"), Money(minor=LARGEST, currency="CNY"))], "lines.0.quantity"),
        ([Wanted("p", Decimal(1), Money(minor=LARGEST, currency="CNY"))] * 2, "lines"),
    ],
)
def test_an_amount_that_readers_of_json_cannot_hold_is_refused(wanted: list[Wanted], field: str) -> None:
    with pytest.raises(NotPossible) as refused:
        priced(wanted, {"p": product()})
    assert (refused.value.code, refused.value.field) == ("too_large", field)


def test_without_a_price_the_list_price_counts_and_later_the_one_that_was_agreed() -> None:
    agreed, _ = numbered(priced([Wanted("p", Decimal(1), Money(minor=90, currency="CNY"))], {"p": product()}), 0)
    (again,) = priced([Wanted(id="1", quantity=Decimal(2))], {"p": product(price=500)}, former=agreed)
    assert again.unit_price.minor == 90
    (listed,) = priced([Wanted("p", Decimal(2))], {"p": product(price=500)})
    assert listed.unit_price.minor == 500


def test_what_is_no_longer_sold_is_ordered_further_only_on_a_line_that_is_there() -> None:
    gone = product().model_copy(update={"active": False})
    with pytest.raises(NotPossible) as refused:
        priced([Wanted("p", Decimal(1))], {"p": gone})
    assert (refused.value.code, refused.value.field) == ("inactive_product", "lines.0.product")
    former, _ = numbered(priced([Wanted("p", Decimal(1))], {"p": product()}), 0)
    assert priced([Wanted(id="1", quantity=Decimal(2))], {"p": gone}, former=former)
    assert priced([Wanted("p", Decimal(1))], {"p": gone}, inactive_too=True)
    with pytest.raises(NotPossible) as refused:
        priced([Wanted("p", Decimal(1)), Wanted("q", Decimal(1))], {"p": product()})
    assert (refused.value.code, refused.value.field) == ("unknown_product", "lines.1.product")


@unhurried
@given(quantities)
def test_a_quantity_reads_the_same_everywhere(quantity: Decimal) -> None:
    (line,) = priced([Wanted("p", quantity)], {"p": product(price=0)})
    assert line.quantity == quantity
    said = str(line.quantity)
    assert "E" not in said.upper()
    assert not ("." in said and said.endswith(("0", ".")))


def test_a_unit_cost_stays_with_its_line_and_is_unknown_in_another_currency() -> None:
    cheap = {"p": product(cost=40)}
    agreed, _ = numbered(at_cost(priced([Wanted("p", Decimal(1))], cheap), cheap), 0)
    dear = {"p": product(cost=70)}
    twice = priced([Wanted("p", Decimal(1)), Wanted(id="1", quantity=Decimal(9))], dear, former=agreed)
    costs = [line.unit_cost.minor for line in at_cost(twice, dear, agreed) if line.unit_cost]
    assert costs == [70, 40]
    dollars = priced([Wanted("p", Decimal(1), Money(minor=5, currency="USD"))], dear)
    (line,) = at_cost(dollars, dear)
    assert line.unit_cost is None
    assert margin([line]) is None


def test_a_margin_that_readers_of_json_cannot_hold_is_refused() -> None:
    costly = {"p": product(price=1, cost=LARGEST)}
    lines = at_cost(priced([Wanted("p", Decimal("999999999999.999"))], costly), costly)
    with pytest.raises(NotPossible) as refused:
        margin(lines)
    assert (refused.value.code, refused.value.field) == ("too_large", "lines")


@unhurried
@given(
    st.lists(st.tuples(quantities, prices, percents), min_size=1, max_size=6),
    st.data(),
)
def test_the_total_is_the_sum_of_the_lines_whatever_is_changed(
    rows: list[tuple[Decimal, int, Decimal]], data: st.DataObject
) -> None:
    products = {str(n): product(str(n), price) for n, (_, price, _) in enumerate(rows)}
    wanted = [Wanted(str(n), row[0], discount_percent=row[2]) for n, row in enumerate(rows)]
    lines, last = numbered(priced(wanted, products), 0)
    before = {line.id: line for line in lines}
    chosen = data.draw(st.lists(st.sampled_from(sorted(before)), min_size=1, unique=True))
    changes = [Wanted(id=line_id, quantity=data.draw(st.none() | quantities)) for line_id in chosen]
    now, _ = numbered(priced(changes, {}, former=lines), last)
    assert [line.id for line in now] == chosen
    assert total(now).minor == sum(line.amount.minor for line in now)
    for change, line in zip(changes, now, strict=True):
        old = before[line.id]
        if change.quantity is None:
            assert line == old
        else:
            gross = Fraction(change.quantity) * old.unit_price.minor
            assert (line.product, line.unit_price) == (old.product, old.unit_price)
            assert line.discount_percent == old.discount_percent
            assert line.amount.minor == half_up(gross * (100 - Fraction(old.discount_percent or 0)) / 100)


def test_rounding_does_not_depend_on_who_else_computes_here() -> None:
    with localcontext() as careless:
        careless.prec = 3
        careless.rounding = ROUND_HALF_UP
        assert times(Decimal("123456789.123"), 987654321) == half_up(Fraction("123456789.123") * 987654321)
