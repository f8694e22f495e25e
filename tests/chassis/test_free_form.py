"""Objects whose keys a user chooses are stored in a form that nothing interprets, and read back as they were said."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.aggregate import Repository
from chassis.free_form import as_pairs, from_pairs, stored_form
from chassis.ids import new_id
from chassis.mongo import Database
from chassis.scope import everything
from contracts.envelope import Published
from tests.chassis.parcels import Parcel, ParcelEvent, ParcelTopic, by, happened

ALL = everything("a test of the chassis")

DANGEROUS = {
    "$ref": "shops",
    "$id": "17",
    "$db": "other",
    "a.b": "dotted",
    ".": "a dot",
    "": "empty",
    "$": "a dollar",
    "__proto__": "of a prototype",
    "n\0ul": "a NUL byte",
    "x" * 5_000: "long",
    "属性": "值",
}


class Line(Published):
    notes: dict[str, str] = {}
    amount: int = 1


class Form(Parcel):
    attributes: dict[str, str] = {}
    lines: list[Line] = []
    tree: dict[str, Line] = {}
    pair: tuple[Line, Line] | None = None
    other: dict[str, dict[str, int]] | None = None
    anything: Any = None
    """Even where the contract says nothing."""


def form(**fields: Any) -> Form:
    return Form(id=new_id(), place="here", **fields)


@pytest.fixture
def forms(both_drivers: Database) -> Repository[Form]:
    return Repository(both_drivers, "forms", ParcelTopic(), Form)


EVERYWHERE = {
    "attributes": DANGEROUS,
    "lines": [Line(notes=DANGEROUS), Line()],
    "tree": {key: Line(notes=DANGEROUS) for key in DANGEROUS},
    "pair": (Line(notes=DANGEROUS), Line()),
    "other": {key: {"$ref": 1, "$id": 2} for key in DANGEROUS},
    "anything": {"$ref": [DANGEROUS], "pairs": [1]},
}


async def test_whatever_the_keys_are_a_record_is_read_back_as_it_was_said(forms: Repository[Form]) -> None:
    state = form(**EVERYWHERE)
    await forms.create(state, happened(ParcelEvent.SENT), by(), ALL)
    assert (await forms.get(state.id, ALL)).state == state
    [listed] = await forms.find(ALL)
    assert listed.fields == state.model_dump(mode="json")
    changed = state.model_copy(update={"attributes": {"$id": "only"}})
    await forms.change(state.id, ALL, lambda _: (changed, happened(ParcelEvent.MOVED)), by())
    assert (await forms.get(state.id, ALL)).state == changed


async def test_on_the_bus_free_form_fields_stay_objects(forms: Repository[Form]) -> None:
    state = form(attributes=DANGEROUS)
    await forms.create(state, happened(ParcelEvent.SENT), by(), ALL)
    document = await forms.collection.find_one({"_id": state.id})
    assert orjson.loads(document["outbox"][0]["event"])["data"]["attributes"] == DANGEROUS
    assert orjson.loads(await forms.restatement(state.id))["data"]["attributes"] == DANGEROUS


async def test_a_free_form_field_that_an_older_version_has_stored_as_an_object_is_still_read(
    forms: Repository[Form],
) -> None:
    state = form()
    await forms.create(state, happened(ParcelEvent.SENT), by(), ALL)
    for stored in ({"colour": "red"}, {"$ref": "shops", "$id": "17"}):
        await forms.collection.update_one({"_id": state.id}, {"$set": {"attributes": stored}})
        assert (await forms.get(state.id, ALL)).state.attributes == stored
        assert (await forms.find(ALL))[0].fields["attributes"] == stored


async def test_a_free_form_field_can_be_searched(forms: Repository[Form]) -> None:
    await forms.create(form(attributes={"colour": "red"}), happened(ParcelEvent.SENT), by(), ALL)
    await forms.create(form(attributes={"colour": "blue"}), happened(ParcelEvent.SENT), by(), ALL)
    found = await forms.find(ALL, {"attributes": {"$elemMatch": {"name": "colour", "value": "red"}}})
    assert [each.state.attributes for each in found] == [{"colour": "red"}]


def test_a_model_without_free_form_fields_is_stored_as_it_is() -> None:
    fields = Parcel(id="1", place="here").model_dump(mode="json")
    assert stored_form(Parcel).store(fields) is fields
    assert stored_form(Parcel).read(fields) is fields


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["$ref", "$id", "pairs"]), inner),
    max_leaves=20,
)


@given(JSON)
def test_any_json_value_survives_being_stored_as_pairs(value: Any) -> None:
    assert from_pairs(as_pairs(value)) == value
