"""Inputs that no schema describes: each field of a request, once with each value that has broken a service somewhere.

A request begins as one that the schema allows, with the ids of real records, so that it comes as far as the rules and
the database. Then one value of it is replaced.
"""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from chassis.paging import _sum  # the check sum is no secret, and a forger has it too
from tests.fuzz.life import STEPS, Life
from tests.fuzz.values import BODIES, HEADERS, OF, RAW, TEXTS, VALUES

Json = dict[str, Any]

BY_NAME = {"office_id": "offices", "duty_id": "form-duties", "customer_id": "customers", "person_id": "people"}
"""A parameter of a path -> the list whose records it names, where that is not the segment before it."""

SAME = 6
"""How many inputs in a row meet the same record: most are refused and leave it as it was."""


@dataclass(frozen=True, slots=True)
class Input:
    """One request, without a token. operation: method and path as the OpenAPI document names them."""

    operation: str
    method: str
    target: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    who: str | None = None
    """Whose token it needs to come far; None for anybody's."""


@dataclass(slots=True)
class Records:
    """Ids of records that there are, by the segment of their list, and their last known versions.

    contacts: each with its customer.
    kept: records that no input may change, because the run needs them.
    """

    ids: dict[str, list[str]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    contacts: dict[str, str] = field(default_factory=dict)

    def any(self, kind: str, chance: random.Random, *, changed: bool = False) -> str:
        ids = [each for each in self.ids.get(kind, ()) if not (changed and each in self.kept)]
        return chance.choice(ids) if ids and chance.random() < 0.9 else "00000000-0000-4000-8000-000000000000"

    def met(self, kind: str, record: str, version: int) -> None:
        known = self.ids.setdefault(kind, [])
        if record not in known:
            known.append(record)
            if len(known) > 200:
                known.pop(0)
        self.versions[record] = version


class Requests:
    """Requests of an OpenAPI document, as the schema allows them, and with one value replaced."""

    def __init__(self, document: Json, records: Records, seed: int, life: Life | None = None) -> None:
        self._schemas: Json = document["components"]["schemas"]
        self._records = records
        self._chance = random.Random(seed)
        self._life = life
        self.operations: list[tuple[str, str, Json]] = [
            (path, method, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method in ("get", "post", "patch", "put", "delete")
        ]

    def of(self, path: str, method: str, operation: Json, count: int) -> Iterator[Input]:
        """That many: a tenth as they should be, the rest with an edge. Most meet a record whose next step it is."""
        kind, step = _named(path, method)
        made: Json | None = None
        for number in range(count):
            if self._life is None or self._chance.random() < 0.2:
                yield self._one(path, method, operation)
            elif step is None:
                yield self._one(path, method, operation, self._life.body(kind))
            else:
                if number % SAME == 0 and kind in STEPS:
                    made = self._life.record(kind, step) or made
                body = self._life.step(kind, step, made) if made is not None else self._life.body(kind, step)
                yield self._one(path, method, operation, body, made)

    def _one(
        self, path: str, method: str, operation: Json, right: Json | None = None, record: Json | None = None
    ) -> Input:
        """right: the body as it should be, where that is known. record: the one that the path names first."""
        chance = self._chance
        names = {"path": {}, "query": {}}
        for parameter in operation.get("parameters", ()):
            if parameter["in"] in names:
                names[parameter["in"]][parameter["name"]] = parameter
        body = self._body(operation) if right is None else right
        who = "administrator" if right is not None and chance.random() < 0.8 else None
        if right is not None and who is None:  # nobody else enters for others
            body = {name: value for name, value in right.items() if name not in ("on_behalf_of", "import_source")}
        headers = {"Content-Type": "application/json"} if body is not None else {}
        places = (
            ["path"] * bool(names["path"]) + ["query", "header"] + ["body", "body", "body", "raw"] * (body is not None)
        )
        where = chance.choice(places) if chance.random() < 0.9 else "nowhere"

        taken = {name: quote(self._id(path, name, method), safe="") for name in names["path"]}
        if "contact_id" in taken and self._records.contacts and chance.random() < 0.8:
            taken["contact_id"] = chance.choice(list(self._records.contacts))
            taken["customer_id"] = self._records.contacts[taken["contact_id"]]
        elif record is not None and taken:
            taken[next(iter(taken))] = record["id"]
            self._records.versions.setdefault(record["id"], record.get("version", 1))
        if where == "path":
            taken[chance.choice(list(taken))] = _quoted(chance.choice(TEXTS)) or "%20"
        target = path
        for name, value in taken.items():
            target = target.replace(f"{{{name}}}", value)

        asked = self._asked(names["query"])
        if where == "query":
            asked = self._edged(names["query"], asked)
        if asked:
            target += "?" + "&".join(asked)

        read = next((value for value in taken.values() if value in self._records.versions), None)
        if method in ("patch", "post") and read is not None and chance.random() < 0.9:
            version = self._records.versions[read] if "visit-policies" not in path else chance.choice([0, 1, 2, 3])
            headers["If-Match"] = f'"{version}"'
        if where == "header":
            name, value = chance.choice(HEADERS)
            headers[name] = value
        content: bytes | None = None
        if body is not None:
            if where == "raw":
                content = chance.choice(BODIES)
            else:
                content = _printed(self._replaced(body) if where == "body" else body)
        return Input(f"{method.upper()} {path}", method.upper(), target, content, headers, who)

    # --- as it should be --------------------------------------------------------------------------

    def _id(self, path: str, name: str, method: str) -> str:
        segments = path.split("/")
        before = segments[segments.index(f"{{{name}}}") - 1]
        if name == "cadence":
            return self._chance.choice(["day", "week", "month"])
        if name == "period":
            return self._chance.choice(["2025-01", "2025-03-14", "2025-W11", "2026-11"])
        if name in ("revision", "service"):
            return self._chance.choice(["1", "2", "customers", "orders", "visits", "reporting"])
        kind = BY_NAME.get(name, segments[3] if before not in self._records.ids else before)
        # An office's rules may change; the office itself is needed as it is.
        return self._records.any(kind, self._chance, changed=method != "get" and segments[3] == kind)

    def _asked(self, known: Mapping[str, Json]) -> list[str]:
        said = {}
        for name, parameter in known.items():
            if parameter.get("required") or self._chance.random() < 0.15:
                value = self._value(parameter["schema"], name)
                if value is not None and not isinstance(value, dict | list):
                    said[name] = str(value).lower() if isinstance(value, bool) else str(value)
        return [urlencode({name: value}) for name, value in said.items()]

    def _body(self, operation: Json) -> Any:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return None if content is None else self._value(content["schema"], "body")

    def _value(self, schema: Json, name: str, depth: int = 0) -> Any:
        """A value that the schema allows, mostly."""
        chance = self._chance
        if "$ref" in schema:
            return self._value(self._schemas[schema["$ref"].rpartition("/")[2]], name, depth + 1)
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                choices = [each for each in schema[several] if each.get("type") != "null"]
                return self._value(chance.choice(choices or schema[several]), name, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return chance.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return self._object(schema, name, depth)
        if kind == "array":
            least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
            length = min(max(least, chance.choice([0, 1, 1, 2])), most)
            return [self._value(schema.get("items", {}), name, depth + 1) for _ in range(length)]
        if kind == "integer":
            return self._number(schema, name)
        if kind == "number":
            return chance.choice([1, 0.5, 31.23, 121.47, 100])
        if kind == "boolean":
            return chance.random() < 0.5
        return self._text(schema, name)

    def _object(self, schema: Json, name: str, depth: int) -> Json:
        required = set(schema.get("required", ()))
        made = {
            each: self._value(inner, each, depth + 1)
            for each, inner in schema.get("properties", {}).items()
            if each in required
            or (each not in ("import_source", "on_behalf_of", "occurred_at") and self._chance.random() < 0.4)
        }
        if not schema.get("properties") and schema.get("additionalProperties"):
            made = {"sector": "machines", "rating": "A"}
        return made

    def _number(self, schema: Json, name: str) -> int:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
        most = schema.get("maximum", least + 10_000)
        return min(most, least + self._chance.choice([0, 1, 5, 100, 10_000]))

    def _text(self, schema: Json, name: str) -> str:
        chance = self._chance
        form = schema.get("format")
        if form == "date" or name in ("from", "to", "business_date", "valid_from", "first_day", "last_day"):
            return chance.choice(["2026-11-24", "2026-11-25", "2026-12-01", "2025-03-03"])
        if form == "date-time":
            return chance.choice(["2026-11-24T01:30:00Z", "2025-03-03T09:30:00+08:00"])
        if name in OF:
            return self._records.any(OF[name], chance)
        pattern = schema.get("pattern", "")
        if "A-Z]{3}" in pattern:
            return chance.choice(["CNY", "CNY", "USD", "JPY"])
        if "[01]" in pattern:
            return chance.choice(["09:00", "18:30", "08:15"])
        if "0[1-9]|1[0-2]" in pattern:
            return chance.choice(["2026-11", "2026-12", "2025-03"])
        if "0-9a-f" in pattern or name == "id":
            return str(UUID(int=chance.getrandbits(128), version=4))
        if name in ("quantity", "discount_percent", "percent"):
            return chance.choice(["1", "2.5", "10", "0.001"])
        if name in ("timezone",):
            return chance.choice(["Asia/Shanghai", "America/New_York", "Pacific/Apia"])
        if name in ("email",):
            return "a@example.com"
        if name in ("phone",):
            return f"021-{chance.randrange(10**7, 10**8)}"
        if name in ("code",):
            return "".join(chance.choices("ABCDEFGHIJKLMNOP", k=5))
        if name == "login":
            return f"user{chance.randrange(10**6)}"
        least = schema.get("minLength", 1)
        return (chance.choice(["华兴机械", "Müller & Söhne", "note", "Store 7"]) + f" {chance.randrange(1000)}").ljust(
            least, "x"
        )

    # --- with an edge -----------------------------------------------------------------------------

    def _edged(self, known: Mapping[str, Json], asked: list[str]) -> list[str]:
        """One parameter with an odd value, twice, or one that nobody knows."""
        chance = self._chance
        name = chance.choice([*known, *known, "ofice", "", "limit", "cursor"])
        value = _cursor(chance) if name == "cursor" and chance.random() < 0.8 else _quoted(chance.choice(TEXTS))
        rest = [each for each in asked if not each.startswith(f"{name}=")]
        return [*rest, f"{name}={value}", *([f"{name}={value}"] if chance.random() < 0.1 else [])]

    def _replaced(self, body: Any) -> Any:
        """The body with one of its values, or one more, replaced."""
        changed = copy.deepcopy(body)
        places = list(_places(changed))
        if not places:
            return self._chance.choice(VALUES)
        container, key = self._chance.choice(places)
        if isinstance(container, dict) and self._chance.random() < 0.05:
            container[self._chance.choice(["", "$set", "a.b", "x" * 300, "\x00", "ofice"])] = self._chance.choice(
                VALUES
            )
        elif isinstance(container, list) and self._chance.random() < 0.1:
            container.extend([container[key]] * 600)
        else:
            container[key] = copy.deepcopy(self._chance.choice(VALUES))
        return changed


def _named(path: str, method: str) -> tuple[str, str | None]:
    """The kind of record and the step of it that an address names: orders and verification."""
    segments = path.split("/")[3:]
    if len(segments) < 2:
        return "".join(segments), None
    if len(segments) == 2:
        return segments[0], "PATCH" if segments[1].startswith("{") else segments[1]
    return segments[0], segments[2] if len(segments) == 3 else "/".join(segments[2:])


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, each in inside:
        yield value, key
        yield from _places(each)


def _printed(body: Any) -> bytes:
    """JSON, with the values of RAW as they stand."""
    text = json.dumps(body)
    for n, raw in enumerate(RAW):
        text = text.replace(f'"\\u0000raw:{n}"', raw)
    return text.encode()


def _quoted(text: str) -> str:
    """As it goes into an address; what is percent-encoded already stays."""
    return quote(text, safe="%+,;*")


def _cursor(chance: random.Random) -> str:
    """A cursor with a right check sum, whose values no row has."""
    sort = chance.choice(
        ["id", "-id", "name", "-number", "number", "-business_date", "login", "-registered_at", 7, None]
    )
    value = chance.choice(["a", 2**63, 2**64 - 1, -1, 1.5, None, True, "\x00", {"$gt": ""}, ["a"], "x" * 1000])
    payload = json.dumps(
        [sort, *([value, chance.choice(["a", 1, None, 2**63])] if chance.random() < 0.7 else [value])]
    ).encode()
    return base64.urlsafe_b64encode(_sum(payload) + payload).rstrip(b"=").decode()
