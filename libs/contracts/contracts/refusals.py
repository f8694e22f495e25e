"""What a model says when a rule refuses something. Pure: the HTTP door makes a problem document of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class NotPossible(ValueError):
    """Something that a rule refuses.

    `code` is stable and meant for programs, the texts say what to do, `field` names the input at fault
    (lines.0.quantity), `extras` become further members of the answer.
    """

    def __init__(self, code: str, en: str, zh: str, *, field: str | None = None, **extras: Any) -> None:
        super().__init__(en)
        self.code = code
        self.en = en
        self.zh = zh
        self.field = field
        self.extras = extras


class WrongState(NotPossible):
    """The step does not follow from the state that the record is in: right in itself, but not now."""

    def __init__(self, wanted: str, state: str, possible: Iterable[str]) -> None:
        choices = list(possible)
        super().__init__(
            "wrong_state",
            f"The state is {state}, which allows no {wanted}. Possible now: {', '.join(choices) or 'nothing more'}.",
            f"当前状态为 {state},不能执行 {wanted}。当前可执行:{'、'.join(choices) or '无'}。",
            state=state,
            possible=choices,
        )
