"""Free-form fields: objects whose keys a user chooses, kept in a form that no database interprets.

MongoDB and its drivers give a meaning to some keys: `$ref` and `$id` make a reference, a dot is a path, a NUL byte ends
the key. So each `dict[str, ...]` field of a published state is stored as a list,

    {"$ref": "shops", "a.b": "1"}   ->   [{"name": "$ref", "value": "shops"}, {"name": "a.b", "value": "1"}]

and read back as the object that it was. On the bus and over HTTP the field stays an object. The fields are found once
in the model's annotations, at any depth; a model without such fields costs nothing.

To search or index a free-form field, use `attributes.name` and `attributes.value` within one `$elemMatch`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from chassis.mongo import as_mapping

__all__ = ["StoredForm", "as_pairs", "from_pairs", "stored_form"]

_LEAVES = (str, int, float, bool, bytes, type(None))
_LISTS = (list, tuple, set, frozenset)


class _Converter(NamedTuple):
    store: Callable[[Any], Any]
    """From the JSON form of a value to what is stored. It never changes its argument."""
    read: Callable[[Any], Any]
    """Back again. It also takes the object that older versions have stored."""


class StoredForm:
    """How the states of one model are stored."""

    def __init__(self, converters: Mapping[str, _Converter]) -> None:
        self._converters = tuple(converters.items())

    def store(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What is stored for the JSON form of a state: the same dict where the model has no free-form field."""
        if not self._converters:
            return fields
        stored = dict(fields)
        for name, converter in self._converters:
            if name in stored:
                stored[name] = converter.store(stored[name])
        return stored

    def read(self, stored: dict[str, Any]) -> dict[str, Any]:
        """The JSON form of a stored state; the same dict where the model has no free-form field."""
        if not self._converters:
            return stored
        fields = dict(stored)
        for name, converter in self._converters:
            if name in fields:
                fields[name] = converter.read(fields[name])
        return fields


@cache
def stored_form(model: type[BaseModel]) -> StoredForm:
    """The stored form of a model. Raises TypeError for a union in which it cannot tell two free-form members apart."""
    return StoredForm(_fields_of(model, ()))


def as_pairs(value: Any) -> Any:
    """Any JSON value with each object, at any depth, as a list of names and values that is marked as one."""
    if isinstance(value, Mapping):
        return {"pairs": [{"name": name, "value": as_pairs(each)} for name, each in value.items()]}
    if isinstance(value, list | tuple):
        return [as_pairs(each) for each in value]
    return value


def from_pairs(stored: Any) -> Any:
    """The JSON value that `as_pairs` has stored, or the plain one that an older version has."""
    value = as_mapping(stored)
    if isinstance(value, list):
        return [from_pairs(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if value.keys() == {"pairs"} and isinstance(value["pairs"], list):
        return {pair["name"]: from_pairs(pair["value"]) for pair in value["pairs"]}
    return {name: from_pairs(each) for name, each in value.items()}


def _fields_of(model: type[BaseModel], within: tuple[type, ...]) -> dict[str, _Converter]:
    found = {
        name: _converter(field.annotation, (*within, model), f"{model.__name__}.{name}")
        for name, field in model.model_fields.items()
    }
    return {name: converter for name, converter in found.items() if converter is not None}


def _converter(annotation: Any, within: tuple[type, ...], where: str) -> _Converter | None:
    """The converter of a value of that type; None where it can be stored as it is."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _converter(arguments[0], within, where)
    if origin is Union or origin is types.UnionType:
        return _of_union([_converter(each, within, where) for each in arguments], where)
    if annotation is Any or annotation is object:
        return _ANYTHING
    kind = origin or annotation
    if not isinstance(kind, type):
        return None
    if issubclass(kind, BaseModel):
        if kind in within:  # it contains itself: each level is looked at when it is met
            return _Converter(lambda value: stored_form(kind).store(value), lambda value: stored_form(kind).read(value))
        return _of_model(_fields_of(kind, within))
    if issubclass(kind, Mapping):
        return _of_object(_converter(arguments[1], within, where) if arguments else _ANYTHING)
    if issubclass(kind, _LISTS) or (arguments and not issubclass(kind, _LEAVES) and hasattr(kind, "__iter__")):
        items = [_converter(each, within, where) for each in dict.fromkeys(arguments) if each is not Ellipsis]
        return _of_list(_of_union(items, where))
    return None


_ANYTHING = _Converter(as_pairs, from_pairs)


def _of_union(members: list[_Converter | None], where: str) -> _Converter | None:
    found = [member for member in members if member is not None]
    if len(found) > 1:
        raise TypeError(f"{where}: only one member of a union may have free-form fields.")
    if not found:
        return None
    (only,) = found
    return _Converter(
        lambda value: only.store(value) if isinstance(value, dict | list) else value,
        lambda value: only.read(value) if not isinstance(value, _LEAVES) else value,
    )


def _of_model(fields: Mapping[str, _Converter]) -> _Converter | None:
    if not fields:
        return None
    form = StoredForm(fields)
    return _Converter(form.store, form.read)


def _of_object(item: _Converter | None) -> _Converter:
    def store(value: Any) -> Any:
        if value is None:
            return None
        return [{"name": name, "value": item.store(each) if item else each} for name, each in value.items()]

    def read(stored: Any) -> Any:
        value = as_mapping(stored)
        if isinstance(value, list):
            return {pair["name"]: item.read(pair["value"]) if item else pair["value"] for pair in value}
        if isinstance(value, Mapping):  # an older version has stored the object itself
            return {name: item.read(each) if item else each for name, each in value.items()}
        return value

    return _Converter(store, read)


def _of_list(item: _Converter | None) -> _Converter | None:
    if item is None:
        return None
    return _Converter(
        lambda value: [item.store(each) for each in value] if isinstance(value, list) else value,
        lambda value: [item.read(each) for each in value] if isinstance(value, list) else value,
    )
