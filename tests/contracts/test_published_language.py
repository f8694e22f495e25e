"""The committed schemas say what the models say, and nothing that breaks a reader gets in."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

import contracts
from contracts.describe import asyncapi, incompatibilities, schema
from contracts.envelope import Event, read
from contracts.topics import DEAD_LETTERS, SERVICES, TOPICS, Topic

HERE = Path(contracts.__file__).parent
SAMPLES = Path(__file__).parent / "samples"
BY_TYPE = {event_type.value: topic for topic in TOPICS for event_type in topic.types}

each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


@each_topic
def test_a_committed_schema_is_what_the_models_say(topic: Topic) -> None:
    committed = json.loads((HERE / "schemas" / f"{topic.name}.json").read_text())
    assert incompatibilities(committed, schema(topic)) == [], "a change like this needs a .v2 beside the .v1"
    assert committed == json.loads(json.dumps(schema(topic))), "run: python libs/contracts/generate.py"


@pytest.mark.parametrize("service", SERVICES)
def test_a_committed_asyncapi_document_is_what_the_topics_say(service: str) -> None:
    committed = yaml.safe_load((HERE / "asyncapi" / f"{service}.yaml").read_text())
    assert committed == asyncapi(service), "run: python libs/contracts/generate.py"


def test_every_topic_has_one_owner_among_the_services_and_a_version() -> None:
    # The complaints service is still to come.
    assert {topic.owner for topic in TOPICS} - {"complaints"} == set(SERVICES)
    names = [topic.name for topic in TOPICS]
    assert len(set(names)) == len(names)
    assert all(name.endswith(".v1") for name in (*names, *DEAD_LETTERS))


def test_every_event_type_belongs_to_its_topic_and_each_topic_can_be_restated() -> None:
    for topic in TOPICS:
        prefix = topic.name.removesuffix("v1")
        assert all(event_type.startswith(prefix) for event_type in topic.types)
        assert f"{prefix}restated" in set(topic.types)


ORDER = schema(next(topic for topic in TOPICS if topic.name == "sales.order.v1"))


def changed(edit) -> dict:  # type: ignore[no-untyped-def]
    new = deepcopy(ORDER)
    edit(new)
    return new


def order_of(document: dict) -> dict:
    return document["$defs"]["Order"]


def test_an_optional_field_may_be_added() -> None:
    new = changed(lambda d: order_of(d)["properties"].update(colour={"type": "string", "default": "red"}))
    assert incompatibilities(ORDER, new) == []


def test_an_event_type_may_be_added() -> None:
    new = changed(lambda d: d["properties"]["type"]["enum"].append("sales.order.praised"))
    assert incompatibilities(ORDER, new) == []


def test_other_words_break_nobody() -> None:
    new = changed(lambda d: order_of(d).update(description="Another text", title="Another title"))
    assert incompatibilities(ORDER, new) == []


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda d: order_of(d)["properties"].pop("note"), id="an optional field is gone"),
        pytest.param(lambda d: order_of(d)["properties"].pop("number"), id="a required field is gone"),
        pytest.param(lambda d: order_of(d)["required"].append("note"), id="a field becomes required"),
        pytest.param(lambda d: order_of(d)["required"].remove("number"), id="a field is no longer sure to come"),
        pytest.param(
            lambda d: (
                order_of(d)["properties"].update(colour={"type": "string"}),
                order_of(d)["required"].append("colour"),
            ),
            id="a required field is added",
        ),
        pytest.param(lambda d: order_of(d)["properties"]["number"].update(type="integer"), id="another type"),
        pytest.param(lambda d: order_of(d)["properties"]["lines"].update(minItems=1), id="a new bound"),
        pytest.param(lambda d: d["$defs"]["OrderStatus"]["enum"].append("lost"), id="a new value of a closed list"),
        pytest.param(lambda d: d["$defs"]["OrderStatus"]["enum"].remove("closed"), id="a value of a list is gone"),
        pytest.param(lambda d: d["$defs"]["Money"]["properties"]["minor"].update(type="number"), id="deep in a value"),
        pytest.param(
            lambda d: d["properties"]["type"]["enum"].remove("sales.order.closed"), id="an event type is gone"
        ),
    ],
)
def test_anything_else_is_refused_in_both_directions(edit) -> None:  # type: ignore[no-untyped-def]
    new = changed(edit)
    assert incompatibilities(ORDER, new)


def test_readers_ignore_what_they_do_not_know_and_writers_forbid_it() -> None:
    topic = BY_TYPE["sales.region.registered"]
    state = {"id": "r", "code": "E", "name": "East", "colour": "red"}
    assert read(topic.state, state).model_dump(exclude_none=True) == {"id": "r", "code": "E", "name": "East"}
    with pytest.raises(ValueError, match="colour"):
        topic.state(**state)


def samples() -> list[Path]:
    return sorted(SAMPLES.glob("*/*.json"))


@pytest.mark.parametrize("path", samples(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_sample_is_an_event_of_its_type(path: Path) -> None:
    document = json.loads(path.read_text())
    topic = BY_TYPE[path.parent.name]
    event = Event[topic.state].model_validate(document)
    assert event.type == path.parent.name
    assert event.source == topic.source
    assert event.dataschema == topic.dataschema
    assert event.subject == event.partitionkey == document["data"]["id"]


def test_every_event_type_that_is_said_has_a_sample() -> None:
    told = {path.parent.name for path in samples()}
    # Restatements are said by the chassis alone: tests/chassis holds their form.
    spoken = {event for event, topic in BY_TYPE.items() if topic.owner in SERVICES and not event.endswith(".restated")}
    silent = spoken - told
    assert silent == set()
