"""The arithmetic of order lines: price, discount, total, cost and margin. Pure, exact, in minor units.

With a percentage the net amount is rounded half up, once, from its exact value, and the discount is the rest. (Rounding
the discount and subtracting it would round the net amount down: 1.50 less 5 % is 1.43.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from contracts.money import Money
from contracts.orders import OrderLine, Product
from contracts.refusals import NotPossible

LARGEST = 2**53 - 1
"""The largest amount in minor units: what every reader of JSON still holds exactly."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line as it is asked for; None is what was not said.

    id: the line of the order that it is about. What is not said about that line stays as it is. A line without an id
    is a new one: it needs product and quantity, and costs the list price without `unit_price`.
    """

    product: str | None = None
    quantity: Decimal | None = None
    unit_price: Money | None = None
    discount: Money | None = None
    discount_percent: Decimal | None = None
    id: str | None = None


def times(factor: Decimal, minor: int) -> int:
    """factor x minor, rounded half up to the minor unit."""
    return less_percent(factor, minor, Decimal(0))


def less_percent(factor: Decimal, minor: int, percent: Decimal) -> int:
    """factor x minor less the percentage, rounded half up to the minor unit once."""
    with localcontext() as exact:
        exact.prec = 60  # 15 digits of a quantity, 16 of an amount and 7 of a percentage are kept exactly
        return int((factor * minor * (100 - percent) / 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def priced(
    wanted: Sequence[Wanted],
    products: Mapping[str, Product],
    *,
    currency: str | None = None,
    former: Sequence[OrderLine] = (),
    inactive_too: bool = False,
) -> list[OrderLine]:
    """The lines with their amounts, all in one currency: the given one, else that of the first line's price.

    former: the lines that these replace. A line that names the id of one of them is that line, changed in what is
    said; new lines have no id yet (`numbered`). inactive_too: products that are no longer sold are taken as well.
    Raises NotPossible naming the line and the field.
    """
    standing = {line.id: line for line in former}
    named = {want.id for want in wanted}
    left_out = [line for line in former if line.id not in named]
    lines: list[OrderLine] = []
    for index, want in enumerate(wanted):
        if want.id is not None:
            if any(other.id == want.id for other in wanted[:index]):
                raise _twice(index, want.id)
            before = _named(index, want.id, standing)
            unit_price = want.unit_price or before.unit_price
            currency = _one_currency(index, unit_price, currency)
            line = _changed(index, want, before, unit_price)
        else:
            product = _sold(index, want, products, inactive_too)
            unit_price = want.unit_price or product.price
            currency = _one_currency(index, unit_price, currency)
            _loses_nothing(index, want, product, left_out)
            line = _new(index, want, product, unit_price)
        lines.append(line)
    if sum(line.amount.minor for line in lines) > LARGEST:
        raise NotPossible("too_large", "The order's total is too large.", "订单总额过大。", field="lines")
    return lines


def numbered(lines: Sequence[OrderLine], last: int) -> tuple[list[OrderLine], int]:
    """The lines with an id for each that has none, and the highest number given so far; `last` is the one before."""
    found: list[OrderLine] = []
    for line in lines:
        if not line.id:
            last += 1
            line = line.model_copy(update={"id": str(last)})
        found.append(line)
    return found, last


def total(lines: Sequence[OrderLine]) -> Money:
    amount = lines[0].amount
    for line in lines[1:]:
        amount += line.amount
    return amount


def at_cost(
    lines: Sequence[OrderLine], products: Mapping[str, Product], former: Sequence[OrderLine] = ()
) -> list[OrderLine]:
    """The lines with today's cost of a unit; a line that is one of `former`, by its id, keeps the cost it has there.

    The cost stays unknown where the product has none in the order's currency.
    """
    kept = {line.id: line.unit_cost for line in former if line.id}
    found: list[OrderLine] = []
    for line in lines:
        if line.id in kept:
            cost = kept[line.id]
        else:
            cost = products[line.product].cost
            cost = cost if cost is not None and cost.currency == line.amount.currency else None
        found.append(line.model_copy(update={"unit_cost": cost}))
    return found


def margin(lines: Sequence[OrderLine]) -> Money | None:
    """Gross margin 毛利: total less cost (domain.md O-20); None while a line's cost is unknown.

    Raises NotPossible for one that readers of JSON cannot hold.
    """
    left = total(lines)
    for line in lines:
        if line.unit_cost is None:
            return None
        left -= Money(minor=times(line.quantity, line.unit_cost.minor), currency=line.unit_cost.currency)
    if abs(left.minor) > LARGEST:
        raise NotPossible(
            "too_large",
            "The order's margin is too large an amount: check the quantities and what the products cost.",
            "订单毛利金额过大:请检查数量与产品成本。",
            field="lines",
        )
    return left


def _named(index: int, line_id: str, standing: Mapping[str, OrderLine]) -> OrderLine:
    if line_id not in standing:
        ids = ", ".join(standing) or "-"
        raise _at(
            index,
            "id",
            "unknown_line",
            f"The order has no line {line_id}. Its lines: {ids}. Leave the id out for a new line.",
            f"订单没有编号为 {line_id} 的明细行。现有明细行:{ids}。新增明细行请不要填写 id。",
        )
    return standing[line_id]


def _twice(index: int, line_id: str) -> NotPossible:
    return _at(
        index,
        "id",
        "line_twice",
        f"Line {line_id} is named twice: name each line once, and leave the id out for a new line.",
        f"明细行 {line_id} 出现了两次:每行只能出现一次,新增明细行请不要填写 id。",
    )


def _sold(index: int, want: Wanted, products: Mapping[str, Product], inactive_too: bool) -> Product:
    """The product of a new line. Raises NotPossible where none is named, or where it cannot be ordered."""
    if want.product is None:
        raise _at(
            index, "product", "missing", "A new line needs a product and a quantity.", "新增明细行需要产品和数量。"
        )
    product = products.get(want.product)
    if product is None:
        raise _at(index, "product", "unknown_product", "There is no such product.", "没有此产品。")
    if not (product.active or inactive_too):
        raise _at(
            index, "product", "inactive_product", f"{product.code} is no longer sold.", f"{product.code} 已停售。"
        )
    return product


def _loses_nothing(index: int, want: Wanted, product: Product, left_out: Sequence[OrderLine]) -> None:
    """Raises NotPossible for a line without an id that may be meant for one that is left out, and would lose what was
    agreed for that one: its own price, or its discount."""
    for line in left_out:
        if line.product != product.id:
            continue
        price = want.unit_price is None and line.unit_price != product.price
        discount = want.discount is None and want.discount_percent is None and line.discount.minor != 0
        if price or discount:
            raise _at(
                index,
                "id",
                "line_id_needed",
                f"Line {line.id} of the order has this product at a price or a discount of its own. Give id {line.id} "
                "to keep them; for a new line instead, say its unit_price and its discount.",
                f"订单的明细行 {line.id} 是同一产品,且有议定的单价或折扣。若要保留,请填写 id {line.id};"
                "若确为新增明细行,请写明 unit_price 和 discount。",
            )


def _one_currency(index: int, unit_price: Money, currency: str | None) -> str:
    """The order's currency. Raises NotPossible where the line's price has another one."""
    if currency is not None and unit_price.currency != currency:
        raise _at(
            index,
            "unit_price",
            "currency_mixed",
            f"The order is in {currency}: give this line's price in {currency}, or make another order.",
            f"订单币种为 {currency}:请用 {currency} 填写单价,或另开订单。",
        )
    return unit_price.currency


def _new(index: int, want: Wanted, product: Product, unit_price: Money) -> OrderLine:
    if want.quantity is None:
        raise _at(
            index, "quantity", "missing", "A new line needs a product and a quantity.", "新增明细行需要产品和数量。"
        )
    amounts = _amounts(index, want.quantity, unit_price, want.discount, want.discount_percent)
    return OrderLine(product=product.id, name=product.name, **amounts)


def _changed(index: int, want: Wanted, line: OrderLine, unit_price: Money) -> OrderLine:
    """The line with what is said about it. Its percentage goes on to hold where another quantity or price is said."""
    if want.product is not None and want.product != line.product:
        raise _at(
            index,
            "product",
            "product_of_line",
            f"Line {line.id} is of another product: leave that line out, and add a line without an id.",
            f"明细行 {line.id} 属于另一产品:请去掉该行,并新增一行(不填写 id)。",
        )
    quantity = line.quantity if want.quantity is None else want.quantity
    discount, percent = want.discount, want.discount_percent
    if discount is None and percent is None:
        if (quantity, unit_price) == (line.quantity, line.unit_price):
            return line
        percent = line.discount_percent
        discount = line.discount if percent is None else None
    return line.model_copy(update=_amounts(index, quantity, unit_price, discount, percent))


def _amounts(
    index: int, quantity: Decimal, unit_price: Money, discount: Money | None, percent: Decimal | None
) -> dict[str, Any]:
    """What a line says of its amounts, by field."""
    currency = unit_price.currency
    gross = times(quantity, unit_price.minor)
    if gross > LARGEST:
        raise _at(index, "quantity", "too_large", "The line's amount is too large.", "该行金额过大。")
    if unit_price.minor < 0:
        raise _at(index, "unit_price", "negative", "A price is not below zero.", "单价不能为负。")
    if discount is not None and discount.currency != currency:
        raise _at(
            index,
            "discount",
            "currency_mixed",
            f"The order is in {currency}: so is its discount.",
            f"订单币种为 {currency}:折扣应使用同一币种。",
        )
    if discount is not None:
        net = gross - discount.minor
    elif percent is not None:
        net = less_percent(quantity, unit_price.minor, percent)
    else:
        net = gross
    if not 0 <= net <= gross:
        raise _at(
            index,
            "discount" if discount is not None else "discount_percent",
            "discount_beyond_line",
            f"A discount lies between 0 and the line's gross amount, {gross} minor units.",
            f"折扣应介于 0 与该行原价 {gross}(最小货币单位)之间。",
        )
    return {
        "quantity": _plain(quantity),
        "unit_price": unit_price,
        "discount": Money(minor=gross - net, currency=currency),
        "discount_percent": _plain(percent) if discount is None and percent else None,
        "amount": Money(minor=net, currency=currency),
    }


def _plain(number: Decimal) -> Decimal:
    """Without exponent and needless zeros, so that it reads the same everywhere."""
    text = format(number, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _at(index: int, field: str, code: str, en: str, zh: str) -> NotPossible:
    return NotPossible(code, en, zh, field=f"lines.{index}.{field}")
