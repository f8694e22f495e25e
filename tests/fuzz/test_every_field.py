"""Every route and every field of every body, without a database: nothing is forgotten when one is added."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

import pytest
from fastapi import FastAPI, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

import customers.app
import customers.settings
import gateway.app
import gateway.settings
import orders.app
import orders.settings
import reporting.app
import reporting.settings
import visits.app
import visits.settings
from chassis.fields import BodyPart
from chassis.http.route import ApiRoute
from contracts.money import Money
from reporting.target.api import NewTarget, Revision
from visits.batch.api import OneCommand

APPS: dict[str, FastAPI] = {
    "customers": customers.app.app(customers.settings.Settings()),
    "orders": orders.app.app(orders.settings.Settings()),
    "visits": visits.app.app(visits.settings.Settings()),
    "reporting": reporting.app.app(reporting.settings.Settings()),
    "gateway": gateway.app.app(gateway.settings.GatewaySettings()),
}
ROUTES = [(name, route) for name, app in APPS.items() for route in app.routes if isinstance(route, APIRoute)]
SECRETS = {"password", "current_password", "new_password", "refresh_token"}
"""They may hold any character: they are compared, and shown to nobody."""

FREE = {(OneCommand, "body")}
"""The fields of another body: that one checks them."""
CHECKED_LATER = {(NewTarget, "amount"), (Revision, "amount")}
"""The command says what is wrong with the amount (tests/reporting/test_targets.py)."""

CONTROL = ["a\x00b", "a\x07b", "a\x1b[2Jb", "a\x7fb", "a\x85b", "a\u202eb", "a\u2066b", "a\u2028b"]
SEVERAL_LINES = ["a\nb", "a\tb"]
LONG_AGO = ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"]


def models(annotation: Any, seen: set[type] | None = None) -> Iterator[type[BaseModel]]:
    """The model of a body, and all that it is made of."""
    seen = set() if seen is None else seen
    for each in (annotation, *get_args(annotation)):
        if inspect.isclass(each) and issubclass(each, BaseModel) and each not in seen:
            seen.add(each)
            yield each
            for field in each.model_fields.values():
                yield from models(field.annotation, seen)
        elif each is not annotation:
            yield from models(each, seen)


def bodies() -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {}
    for _, route in ROUTES:
        if route.body_field is not None:
            found |= dict.fromkeys(models(route.body_field.field_info.annotation))
    return list(found)


BODIES = bodies()
FIELDS = [
    pytest.param(model, name, field, id=f"{model.__module__}.{model.__name__}.{name}")
    for model in BODIES
    for name, field in model.model_fields.items()
]


def kinds(annotation: Any) -> set[type]:
    """The plain types among what a field may hold."""
    if get_origin(annotation) is Annotated:
        return kinds(get_args(annotation)[0])
    if arguments := get_args(annotation):
        return set().union(*(kinds(each) for each in arguments if each is not Ellipsis))
    return {annotation} if inspect.isclass(annotation) else set()


def adapter(model: type[BaseModel], field: FieldInfo) -> TypeAdapter[Any]:
    annotation = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter(annotation, config=None if _is_model(field) else model.model_config)


def _is_model(field: FieldInfo) -> bool:
    return any(inspect.isclass(kind) and issubclass(kind, BaseModel) for kind in kinds(field.annotation))


def taken(adapter: TypeAdapter[Any], value: Any) -> bool:
    """Whether it is valid by itself, in a list, or as a key or a value."""
    for said in (value, [value], {"x": value}, *([{value: "x"}] if isinstance(value, str) else [])):
        try:
            adapter.validate_python(said)
        except ValidationError:
            continue
        return True
    return False


@pytest.mark.parametrize(("service", "route"), [pytest.param(*each, id=f"{each[0]} {each[1].path}") for each in ROUTES])
def test_every_route_checks_its_query_and_its_body(service: str, route: APIRoute) -> None:
    if route.path != "/openapi.json":
        assert isinstance(route, ApiRoute), "declare it on chassis.service.routes()"


def test_the_bodies_of_all_services_are_found() -> None:
    assert len(BODIES) > 50
    assert {model.__module__.partition(".")[0] for model in BODIES} >= {
        "customers", "orders", "visits", "reporting", "gateway",
    }  # fmt: skip


@pytest.mark.parametrize("model", BODIES, ids=lambda model: f"{model.__module__}.{model.__name__}")
def test_a_body_refuses_unknown_fields(model: type[BaseModel]) -> None:
    assert issubclass(model, BodyPart) or model.model_config.get("extra") == "forbid"


@pytest.mark.parametrize(("model", "name", "field"), FIELDS)
def test_a_text_refuses_control_characters_and_changes_of_direction(
    model: type[BaseModel], name: str, field: FieldInfo
) -> None:
    if str in kinds(field.annotation) and name not in SECRETS and (model, name) not in FREE:
        checked = adapter(model, field)
        assert [text for text in CONTROL if taken(checked, text)] == []
        if not taken(checked, "a\nb"):
            assert [text for text in SEVERAL_LINES if taken(checked, text)] == []


@pytest.mark.parametrize(("model", "name", "field"), FIELDS)
def test_a_number_is_finite_and_fits_into_64_bits(model: type[BaseModel], name: str, field: FieldInfo) -> None:
    checked, held = adapter(model, field), kinds(field.annotation)
    if held & {int, float, Decimal} and not _is_model(field):
        odd: list[Any] = [float("inf"), float("-inf"), float("nan"), "1e999", "-1e999", "Infinity", "NaN"]
        if Decimal in held:  # printed in full, it would fill the memory
            odd += ["1e-999999", "1E+999999"]
        assert [value for value in odd if taken(checked, value)] == []
        if int in held and model is not Money:
            assert [value for value in (2**63, -(2**63) - 1, 10**40, str(10**40)) if taken(checked, value)] == []
    if Money in held and (model, name) not in CHECKED_LATER:
        assert not taken(checked, {"minor": 2**63, "currency": "CNY"})
        assert not taken(checked, {"minor": 1, "currency": "ZZZ"})


@pytest.mark.parametrize(("model", "name", "field"), FIELDS)
def test_a_day_and_an_instant_can_be_computed_with(model: type[BaseModel], name: str, field: FieldInfo) -> None:
    checked, held = adapter(model, field), kinds(field.annotation)
    if date in held:
        assert [day for day in LONG_AGO if taken(checked, day)] == []
    if datetime in held:
        assert [day for day in LONG_AGO if taken(checked, f"{day}T00:00:00Z")] == []
        assert not taken(checked, "2026-11-24T09:30:00"), "an instant says its zone"


PARAMETERS = [
    pytest.param(parameter, id=f"{service} {route.methods} {route.path} {parameter.alias}")
    for service, route in ROUTES
    for parameter in get_flat_params(route.dependant)
    if isinstance(parameter.field_info, params.Query | params.Path)
]


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_parameter_is_bounded(parameter: Any) -> None:
    """A day lies in the years of the calendar, a number fits into 64 bits, a text has a greatest length."""

    def valid(value: str) -> bool:
        return not parameter.validate(value)[1] or not parameter.validate([value])[1]

    held = kinds(parameter.field_info.annotation)
    if date in held:
        assert [day for day in LONG_AGO if valid(day)] == []
    if datetime in held:
        assert [day for day in LONG_AGO if valid(f"{day}T00:00:00Z")] == []
    if int in held:
        assert [number for number in ("9" * 19, "-" + "9" * 19, "9" * 5000) if valid(number)] == []
    if str in held and not any(inspect.isclass(kind) and issubclass(kind, Enum) for kind in held):
        assert not valid("x" * 2001)
