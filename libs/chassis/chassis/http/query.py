"""The query of a request: a parameter that the route does not take is refused, as it would be dropped in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote_to_bytes

from fastapi import params
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params

from chassis.fields import forbidden_character
from chassis.problems import FieldError, Invalid

MOST_PARAMETERS = 100
"""Parameters of one request; the most that a route takes is a few dozen filters."""
NAMED = 20
"""How many faults an answer names."""


class Query:
    """What a route takes in its query: each name, and whether it may be said several times."""

    def __init__(self, known: Mapping[str, bool]) -> None:
        self._several = dict(known)
        self._listed = sorted(known)

    @classmethod
    def of(cls, dependant: Dependant) -> Query:
        """As the route and its dependencies declare it."""
        return cls(
            {
                field.alias: field_annotation_is_sequence(field.field_info.annotation)
                for field in get_flat_params(dependant)
                if isinstance(field.field_info, params.Query)
            }
        )

    def check(self, query_string: bytes) -> list[tuple[str, str]]:
        """The parameters as pairs. Raises Invalid for a name that the route does not take, a value that would be
        dropped, and characters that no value may hold."""
        if not query_string:
            return []
        pairs = _pairs(query_string)
        unknown = [name for name in dict.fromkeys(name for name, _ in pairs) if name not in self._several]
        if unknown:
            raise self._unknown(unknown)
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen and not self._several[name]:
                raise _repeated(name)
            seen.add(name)
        check_characters(pairs)
        return pairs

    def _unknown(self, names: list[str]) -> Invalid:
        known = ", ".join(self._listed)
        takes = f"This address takes: {known}." if known else "This address takes no parameters."
        takes_zh = f"可用的参数:{known}。" if known else "此地址不接受任何参数。"
        nearest = {name: self._nearest(name) for name in names[:NAMED]}
        errors = [
            FieldError(
                name[:100],
                "There is no such parameter." + (f" Did you mean {near}?" if near else ""),
                "没有这个参数。" + (f"您是否想用 {near}?" if near else ""),
            )
            for name, near in nearest.items()
        ]
        shown = ", ".join(name[:100] for name in names[:5])
        return Invalid(
            "unknown_parameter",
            f"Unknown parameter: {shown}. {takes}",
            f"未知参数:{shown}。{takes_zh}",
            errors=errors,
            known=self._listed,
            nearest=next((near for near in nearest.values() if near), None),
        )

    def _nearest(self, name: str) -> str | None:
        found = difflib.get_close_matches(name[:100].lower(), self._listed, n=1, cutoff=0.6)
        return found[0] if found else None


def check_characters(pairs: Iterable[tuple[str, str]]) -> None:
    """Raises Invalid for a value with a control character, such as NUL, of which no stored value has one."""
    for name, value in pairs:
        if (character := forbidden_character(value)) is not None:
            raise Invalid(
                "forbidden_character",
                f"{name} holds the character {character}: remove it.",
                f"{name} 包含不允许的字符 {character}:请删除。",
                field=name,
            )


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        unquote_to_bytes(query_string.replace(b"+", b" ")).decode()
        return parse_qsl(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise Invalid(
            "invalid_query",
            "The query is not valid UTF-8: write its characters in percent-encoded UTF-8, such as %E5%8C%97.",
            "查询字符串不是有效的 UTF-8:请使用百分号编码的 UTF-8,例如 %E5%8C%97。",
        ) from None
    except ValueError:
        raise Invalid(
            "invalid_query",
            f"The query has more than {MOST_PARAMETERS} parameters.",
            f"查询参数超过 {MOST_PARAMETERS} 个。",
        ) from None


def _repeated(name: str) -> Invalid:
    return Invalid(
        "repeated_parameter",
        f"The parameter {name} takes one value: say it once.",
        f"参数 {name} 只能有一个值:请只写一次。",
        field=name,
    )
