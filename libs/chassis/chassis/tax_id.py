"""What is a tax id, and by what two are known to be the same.

Forms of other systems need something in the field, so people write `N/A` or `000000` there. Such a text is a word for
none, and is taken as none. Of what is left every country's tax id holds a digit.
"""

from __future__ import annotations

import re
import unicodedata

_NONE = frozenset(
    {
        "na", "none", "null", "nil", "no", "not", "nan", "empty", "blank", "unknown", "undefined", "missing",
        "pending", "tbd", "tba", "tbc", "todo", "test", "testing", "dummy", "sample", "example", "demo",
        "default", "notavailable", "notapplicable", "notassigned", "notknown", "notax", "notaxid", "novat",
        "noid", "nothing", "exempt", "private", "keine", "kein", "unbekannt", "aucun", "aucune", "neant",
        "inconnu", "ninguno", "ninguna", "nessuno", "nenhum", "nulo", "нет", "отсутствует", "なし", "無し",
        "未定", "ไม่มี", "không", "khong", "yok", "brak", "无", "無", "没有", "無有", "暂无", "尚无", "无税号",
        "没有税号", "暂无税号", "未知", "不详", "不明", "未填", "未填写", "未提供", "未登记", "空", "空白",
        "待定", "待补", "待补充", "待填", "待确认", "个人", "自然人", "测试", "缺", "缺失", "否", "免税",
        "同上",
    }
)  # fmt: skip
"""Words for none, as `_bare` writes them."""
_ROW = "123456789"
"""What people type when a form insists on a number."""


class NotATaxId(ValueError):
    """The text is neither a tax id nor a word for none."""


def tax_id(text: str | None) -> str | None:
    """The text without the blanks around it; None for a word for none. Raises NotATaxId for what holds no digit."""
    if text is None or _is_none(bare := _bare(text)):
        return None
    if not any(sign.isdecimal() for sign in bare):
        raise NotATaxId(text)
    return text.strip()


def tax_key(text: str | None) -> str | None:
    """Its letters and digits in capitals, by which two are the same; None for what is none."""
    if text is None or _is_none(bare := _bare(text)) or not any(sign.isdecimal() for sign in bare):
        return None
    return bare.upper()


def _bare(text: str) -> str:
    """Its letters and digits in small letters; the digits of every script are 0 to 9."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (sign for sign in folded if unicodedata.category(sign)[0] in "LNM")
    return "".join(str(digit) if (digit := unicodedata.decimal(sign, None)) is not None else sign for sign in kept)


def _is_none(bare: str) -> bool:
    """A word for none, one sign again and again (0, 000000, xxxx, 99999999), or the row of digits (123456)."""
    row = len(bare) >= 3 and _ROW.startswith(bare)
    return len(set(bare)) < 2 or row or bare in _NONE or re.sub(r"\d+$", "", bare) in ("test", "dummy")
