"""Inputs that schemathesis makes of the OpenAPI document: such as it allows, and such as it does not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from tests.fuzz.edges import Input

BASE = "http://suite"


class Generated:
    """schemathesis's cases for each operation of the document, the same ones for the same seed."""

    def __init__(self, document: dict[str, Any], first_seed: int) -> None:
        self.document = document
        schema = schemathesis.openapi.from_dict(document)
        self._seed = first_seed
        found: list[Any] = [each.ok() for each in schema.get_all_operations()]  # type: ignore[attr-defined]
        self._operations = {(operation.path, operation.method.lower()): operation for operation in found}

    def of(self, path: str, method: str, count: int) -> Iterator[Input]:
        """About that many, half of each kind."""
        operation = self._operations.get((path, method))
        if operation is None:
            return
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            cases: list[Any] = []

            @seed(self._seed)
            @settings(
                max_examples=max(1, count // 2),
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=[*HealthCheck],  # type: ignore[list-item]
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def collect(case: Any, cases: list[Any] = cases) -> None:
                cases.append(case)

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    collect()
                except Exception:  # noqa: S112 - an operation without parameters has no wrong ones
                    continue
            for case in cases:
                if (made := _input(path, method, case)) is not None:
                    yield made


def _input(path: str, method: str, case: Any) -> Input | None:
    """As it goes on the wire; None for what no HTTP client would send."""
    try:
        prepared = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
    except (requests.RequestException, ValueError, UnicodeError):
        return None
    body = prepared.body
    content = body.encode() if isinstance(body, str) else body
    if content is not None and not isinstance(content, bytes):
        return None
    headers = {
        name: value if isinstance(value, str) else value.decode("latin-1")
        for name, value in prepared.headers.items()
        if name.lower()
        not in ("authorization", "content-length", "host", "user-agent", "accept-encoding", "connection")
    }
    target = (prepared.url or "").removeprefix(BASE) or "/"
    return Input(f"{method.upper()} {path}", (prepared.method or method).upper(), target, content, headers)
