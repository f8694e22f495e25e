"""The arithmetic of order lines: price, discount, total, cost and margin. Pure, exact, in minor units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

from contracts.money import Money
from contracts.orders import OrderLine, Product
from contracts.refusals import NotPossible

LARGEST = 2**53 - 1
"""The largest amount in minor units: what every reader of JSON still holds exactly."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line as it is asked for. Without `unit_price` the list price counts, or the price the order already has."""

    product: str
    quantity: Decimal
    unit_price: Money | None = None
    discount: Money | None = None
    discount_percent: Decimal | None = None


def times(factor: Decimal, minor: int) -> int:
    """factor x minor, rounded half up to the minor unit."""
    with localcontext() as exact:
        exact.prec = 60  # 15 digits of a quantity and 16 of an amount must not be rounded on the way
        return int((factor * minor).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def priced(
    wanted: Sequence[Wanted],
    products: Mapping[str, Product],
    *,
    currency: str | None = None,
    former: Sequence[OrderLine] = (),
    inactive_too: bool = False,
) -> list[OrderLine]:
    """The lines with their amounts, all in one currency: the given one, else that of the first line's price.

    former: the lines that these replace; what is on them may be ordered further, at the price it has there.
    inactive_too: products that are no longer sold are taken as well. Raises NotPossible naming the line and field.
    """
    agreed = {line.product: line for line in reversed(former)}
    lines: list[OrderLine] = []
    for index, want in enumerate(wanted):
        product = products.get(want.product)
        before = agreed.get(want.product)
        if product is None:
            raise _at(index, "product", "unknown_product", "There is no such product.", "没有此产品。")
        if not (product.active or before or inactive_too):
            raise _at(
                index, "product", "inactive_product", f"{product.code} is no longer sold.", f"{product.code} 已停售。"
            )
        unit_price = want.unit_price or (before.unit_price if before else product.price)
        currency = currency or unit_price.currency
        if unit_price.currency != currency:
            raise _at(
                index,
                "unit_price",
                "currency_mixed",
                f"The order is in {currency}: give this line's price in {currency}, or make another order.",
                f"订单币种为 {currency}:请用 {currency} 填写单价,或另开订单。",
            )
        lines.append(_line(index, want, product, unit_price))
    if sum(line.amount.minor for line in lines) > LARGEST:
        raise NotPossible("too_large", "The order's total is too large.", "订单总额过大。", field="lines")
    return lines


def total(lines: Sequence[OrderLine]) -> Money:
    amount = lines[0].amount
    for line in lines[1:]:
        amount += line.amount
    return amount


def at_cost(
    lines: Sequence[OrderLine], products: Mapping[str, Product], former: Sequence[OrderLine] = ()
) -> list[OrderLine]:
    """The lines with today's cost of a unit; a line that stands unchanged in `former` keeps the cost it has there.

    The cost stays unknown where the product has none in the order's currency.
    """
    kept = list(former)
    found: list[OrderLine] = []
    for line in lines:
        same = next((old for old in kept if agreed_alike(old, line)), None)
        if same is not None:
            kept.remove(same)
            cost = same.unit_cost
        else:
            cost = products[line.product].cost
            cost = cost if cost is not None and cost.currency == line.amount.currency else None
        found.append(line.model_copy(update={"unit_cost": cost}))
    return found


def margin(lines: Sequence[OrderLine]) -> Money | None:
    """Gross margin 毛利: total less cost (domain.md O-20); None while a line's cost is unknown."""
    left = total(lines)
    for line in lines:
        if line.unit_cost is None:
            return None
        left -= Money(minor=times(line.quantity, line.unit_cost.minor), currency=line.unit_cost.currency)
    return left


def agreed_alike(one: OrderLine, other: OrderLine) -> bool:
    """Whether two lines promise the customer the same."""
    return (one.product, one.quantity, one.unit_price, one.discount) == (
        other.product,
        other.quantity,
        other.unit_price,
        other.discount,
    )


def _line(index: int, want: Wanted, product: Product, unit_price: Money) -> OrderLine:
    gross = times(want.quantity, unit_price.minor)
    if gross > LARGEST:
        raise _at(index, "quantity", "too_large", "The line's amount is too large.", "该行金额过大。")
    if unit_price.minor < 0:
        raise _at(index, "unit_price", "negative", "A price is not below zero.", "单价不能为负。")
    if want.discount is not None and want.discount.currency != unit_price.currency:
        raise _at(
            index,
            "discount",
            "currency_mixed",
            f"The order is in {unit_price.currency}: so is its discount.",
            f"订单币种为 {unit_price.currency}:折扣应使用同一币种。",
        )
    if want.discount is not None:
        discount = want.discount.minor
    else:
        discount = times((want.discount_percent or Decimal(0)) / 100, gross)
    if not 0 <= discount <= gross:
        raise _at(
            index,
            "discount" if want.discount is not None else "discount_percent",
            "discount_beyond_line",
            f"A discount lies between 0 and the line's gross amount, {gross} minor units.",
            f"折扣应介于 0 与该行原价 {gross}(最小货币单位)之间。",
        )
    currency = unit_price.currency
    return OrderLine(
        product=product.id,
        name=product.name,
        quantity=_plain(want.quantity),
        unit_price=unit_price,
        discount=Money(minor=discount, currency=currency),
        amount=Money(minor=gross - discount, currency=currency),
    )


def _plain(quantity: Decimal) -> Decimal:
    """Without exponent and needless zeros, so that it reads the same everywhere."""
    text = format(quantity, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _at(index: int, field: str, code: str, en: str, zh: str) -> NotPossible:
    return NotPossible(code, en, zh, field=f"lines.{index}.{field}")
