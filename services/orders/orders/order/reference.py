"""When two orders of a customer have the same reference (`external_ref`). Pure.

References that differ only in case, in width or in blanks are the same, because people type them in from paper. All
other characters tell references apart: PO-71 and PO-7-1 are two. What stands for "none" is no reference.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from contracts.orders import Order, OrderStatus

PLACEHOLDERS = frozenset(
    {
        "0", "n/a", "na", "n.a.", "none", "null", "nil", "nan", "tbd", "tba", "unknown", "x", "xx", "xxx",
        "无", "無", "没有", "沒有", "暂无", "暫無", "待定", "待补", "不详", "口头", "电话",
    }
)  # fmt: skip
"""What people write where a form wants a reference and there is none."""


def reference_key(customer: str, external_ref: str | None) -> str | None:
    """What two orders share that have the same reference of the same customer; None where there is no reference."""
    text = " ".join(unicodedata.normalize("NFKC", external_ref or "").casefold().split())
    if text in PLACEHOLDERS or not any(character.isalnum() for character in text):
        return None
    return f"{customer}\n{text}"


def keys(order: Order) -> dict[str, Any]:
    """Private fields of an order: `reference` to look it up, and `sole_reference`, which only one order may have.

    A cancelled order frees its reference; one that repeats another on purpose shares it.
    """
    key = reference_key(order.customer, order.external_ref)
    if key is None or order.status is OrderStatus.CANCELLED:
        return {}
    return {"reference": key} if order.repeat_of else {"reference": key, "sole_reference": key}
