"""What every command's body may say besides its own fields: when it happened, for whom, brought in from where."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from chassis import clock, ids
from chassis.aggregate import Command
from chassis.fields import BodyPart, Instant, Line, OneLine, Paragraph
from chassis.identity import Caller
from chassis.problems import Forbidden, Invalid
from contracts.envelope import Imported

IMPORT = "import"
"""The right to bring in records of any past day, for anybody."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=200), OneLine]
"""The id of another record."""
Text = Line
"""A name or another short text."""
LongText = Paragraph
"""A reason or a note."""


def _uuid(text: str) -> str:
    if not ids.is_id(text):
        raise ValueError("An id is a UUID in lower case, such as 0192f3a0-5b7c-7def-8123-456789abcdef.")
    return text


NewId = Annotated[str, AfterValidator(_uuid)]
"""An id that the caller chooses for something new."""


class Entry(BodyPart):
    """Base of every command's body. Unknown fields are refused: a misspelt one must not be lost silently."""

    occurred_at: Instant | None = Field(None, description="When it happened in the field; now without it.")
    on_behalf_of: Id | None = Field(None, description="The person whose entry this is: for clerks and imports.")
    import_source: Annotated[str, StringConstraints(min_length=1, max_length=500), OneLine] | None = Field(
        None, description="What the record was read from: for imports."
    )


class Reasoned(Entry):
    """A step that must say why."""

    reason: LongText


class NewEntry(Entry):
    """Base of every body that makes a record."""

    id: NewId | None = Field(None, description="Any UUID; sending the same one again is a repetition.")


class Change(Entry):
    """Base of a PATCH: only the fields that are sent change, and those that a record must have cannot be emptied."""

    @field_validator("*", mode="before")
    @classmethod
    def _kept(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name in cls.needed():
            raise ValueError("This cannot be emptied: leave it out to keep it.")
        return value

    @classmethod
    def needed(cls) -> frozenset[str]:
        """The fields that cannot be emptied."""
        return frozenset()

    def said(self) -> dict[str, Any]:
        """The fields that are to change. Raises Invalid when there is none."""
        changes = {name: getattr(self, name) for name in self.model_fields_set if name not in Entry.model_fields}
        if not changes:
            raise Invalid("nothing_said", "Name at least one field to change.", "请至少给出一个要修改的字段。")
        return changes


def record_id(body: NewEntry, command: Command, kind: str) -> str:
    """The id of the record to make: the one given, else the same for the same Idempotency-Key, else a new one."""
    return body.id or (ids.derived_id(kind, command.key) if command.key else ids.new_id())


def author(caller: Caller, body: Entry) -> str:
    """Whose act it is: the person named, else the caller's own person, else the account."""
    return body.on_behalf_of or caller.person or caller.id


def on_behalf(command: Command, body: Entry) -> Command:
    """The command with the person for whom it was entered."""
    return command if body.on_behalf_of is None else replace(command, on_behalf_of=body.on_behalf_of)


def any_past(caller: Caller) -> bool:
    """Whether the caller may enter what happened any time ago."""
    return caller.may(IMPORT)


def imported(caller: Caller, body: Entry) -> Imported | None:
    """Who brings it in and from where, for an import. Raises Forbidden without the right to."""
    if body.import_source is None:
        return None
    if not caller.may(IMPORT):
        raise import_right_needed("import_source")
    return Imported(by=caller.id, at=clock.now().replace(microsecond=0), source=body.import_source)


def import_right_needed(field: str) -> Forbidden:
    return Forbidden(
        "import_right_needed",
        f"{field} needs the right to import: leave it out, or ask an administrator for the right.",
        f"使用 {field} 需要导入权限:请去掉该字段,或向管理员申请权限。",
    )
