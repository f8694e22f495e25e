"""One OpenAPI document for everything behind the gateway, made of the services' own."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Response

from chassis.problems import CONTENT_TYPE, SCHEMA, Problem
from gateway.upstream import Refused, Upstream

Json = dict[str, Any]

FRESH_FOR = 60.0
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
OPEN_TO_ALL = {
    "/api/v1/accounts/token",
    "/api/v1/accounts/refresh",
    "/api/v1/accounts/logout",
    "/.well-known/jwks.json",
    "/.well-known/ended-sessions.json",
    "/.well-known/openid-configuration",
}
"""Paths that take no token."""
PROCESS_PATHS = {"/live", "/ready", "/metrics"}
BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token."}
ERRORS = {
    "401": "Not signed in, or the token is not (or no longer) valid.",
    "429": "Too many requests; Retry-After says when to come back.",
    "503": "A service does not answer; Retry-After says when to come back.",
    "504": "A service did not answer in time.",
}
ABOUT = (
    "The sales process of a field-sales organisation: customers, orders, visits, targets and daily, weekly and monthly "
    "progress. Errors are application/problem+json with a stable code; Accept-Language (en, zh-CN) chooses the "
    "texts. POST takes an Idempotency-Key; a repeated one answers the first result."
)


class MergedOpenApi:
    """Fetched when somebody asks, and kept for a minute if every service answered. Those who ask while it is being made
    get the next one together.
    """

    def __init__(self, own: Json, upstreams: Mapping[str, Upstream]) -> None:
        self._own = own
        self._upstreams = upstreams
        self._kept: tuple[bytes, float] | None = None
        self._making = asyncio.Lock()

    async def document(self) -> bytes:
        """The document as JSON."""
        asked = time.monotonic()
        async with self._making:
            if self._kept is None or asked > self._kept[1]:
                self._kept = await self._made()
            return self._kept[0]

    async def _made(self) -> tuple[bytes, float]:
        """The document, and until when it counts (monotonic)."""
        began = time.monotonic()
        answers = await asyncio.gather(*(_fetch(upstream) for upstream in self._upstreams.values()))
        found = dict(zip(self._upstreams, answers, strict=True))
        silent = [name for name, answer in found.items() if answer is None]
        documents = {"gateway": self._own, **{name: answer for name, answer in found.items() if answer}}
        # Off the event loop: it copies and walks through megabytes.
        document = await asyncio.to_thread(_encoded, documents, silent)
        return document, began + (0 if silent else FRESH_FOR)


def install(app: FastAPI, upstreams: Mapping[str, Upstream]) -> None:
    """Serve the merged document where FastAPI serves the app's own."""
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != app.openapi_url]
    merged: MergedOpenApi | None = None

    async def document() -> Response:
        nonlocal merged
        merged = merged or MergedOpenApi(app.openapi(), upstreams)
        return Response(await merged.document(), media_type="application/json")

    app.add_api_route("/openapi.json", document, include_in_schema=False)


def _encoded(documents: Mapping[str, Json], silent: Sequence[str]) -> bytes:
    document = merge(documents)
    if silent:
        document["info"]["description"] += (
            f"\n\n**Incomplete:** {', '.join(silent)} did not answer, so not every path is listed. Reload later."
        )
    return orjson.dumps(document)


async def _fetch(upstream: Upstream) -> Json | None:
    try:
        answer = await upstream.get("/openapi.json", {}, deadline=3.0)
    except (Problem, Refused):
        return None
    return answer if isinstance(answer, dict) and isinstance(answer.get("paths"), dict) else None


def merge(documents: Mapping[str, Json]) -> Json:
    """Paths side by side; a component whose name means something else in another document gets its service's prefix."""
    schemas: Json = {"Problem": SCHEMA}
    paths: Json = {}
    tags: list[Json] = []
    for service, original in documents.items():
        document = copy.deepcopy(original)
        _adopt(service, document, schemas)
        for path, item in document["paths"].items():
            if path in PROCESS_PATHS:
                continue
            for method in METHODS:
                if operation := item.get(method):
                    _describe(service, path, operation)
            paths.setdefault(path, {}).update(item)
        tags.append({"name": service})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Salesbeat", "version": "1", "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": tags,
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": {"bearer": BEARER}},
    }


def _adopt(service: str, document: Json, schemas: Json) -> None:
    """Move the document's schemas into `schemas`, renaming those that clash, and its references with them."""
    own: Json = document.get("components", {}).get("schemas", {})
    own.pop("HTTPValidationError", None)  # refusals are problem documents
    own.pop("ValidationError", None)
    own.pop("Problem", None)
    clashing = {name for name in own if name in schemas and schemas[name] != own[name]}
    while True:  # what refers to a renamed schema is no longer the same either
        more = {name for name in own if name not in clashing and name in schemas and _refers(own[name], clashing)}
        if not more:
            break
        clashing |= more
    renamed = {name: f"{service.capitalize()}{name}" for name in clashing}
    _rename(document, renamed)
    for name, described in own.items():
        schemas[renamed.get(name, name)] = described


def _refers(node: Any, names: set[str]) -> bool:
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str) and ref.rpartition("/")[2] in names:
            return True
        return any(_refers(value, names) for value in node.values())
    return isinstance(node, list) and any(_refers(value, names) for value in node)


def _rename(node: Any, renamed: Mapping[str, str]) -> None:
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str):
            start, _, name = ref.rpartition("/")
            if name in renamed and start == "#/components/schemas":
                node["$ref"] = f"{start}/{renamed[name]}"
        for value in node.values():
            _rename(value, renamed)
    elif isinstance(node, list):
        for value in node:
            _rename(value, renamed)


def _describe(service: str, path: str, operation: Json) -> None:
    operation["tags"] = [service]
    if "operationId" in operation:
        operation["operationId"] = f"{service}_{operation['operationId']}"
    operation.pop("security", None)
    responses: Json = operation.setdefault("responses", {})
    for status in list(responses):
        if status == "422" or status.startswith(("4", "5")):
            responses[status] = _problem(responses[status].get("description") or "A refusal.")
    if path in OPEN_TO_ALL:
        operation["security"] = []
    for status, text in ERRORS.items():
        if not (status == "401" and path in OPEN_TO_ALL):
            responses.setdefault(status, _problem(text))


def _problem(text: str) -> Json:
    if text == "Validation Error":
        text = "The input is not valid; `errors` names the fields."
    return {"description": text, "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
