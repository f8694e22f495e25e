"""A route that loses nothing of a request in silence: its query, its path and its body are checked before it is asked.

FastAPI ignores what it does not know and takes a body of any size. Here a request is refused, in this order, for a
parameter that the route does not take, a body that is too large or no JSON, and only then for its fields. Whoever
brings no valid token is told that first.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope

from chassis import identity, problems
from chassis.http import json_body
from chassis.http.query import Query, check_characters
from chassis.problems import BodyTooLarge, Problem, UnsupportedMediaType

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a body, unless the route says otherwise; a record's event must fit into one message of the bus."""
UNSIGNED_LIMIT: Final = 16 * 1024
"""Bytes of a body that comes without a token."""

F = TypeVar("F", bound=Callable[..., Any])


def takes(*, most_bytes: int = BODY_LIMIT, most_values: int = json_body.MOST_VALUES) -> Callable[[F], F]:
    """For a route whose body may be larger than others: `@takes(most_bytes=8 * 1024 * 1024)` below its decorator."""

    def noted(endpoint: F) -> F:
        endpoint.__dict__.update(most_bytes=most_bytes, most_values=most_values)
        return endpoint

    return noted


class ApiRequest(Request):
    """A request whose body has been read and parsed already, within its limits."""

    def __init__(self, scope: Scope, receive: Receive, raw: bytes, parsed: Any) -> None:
        super().__init__(scope, receive)
        self.raw = raw
        self.parsed = parsed

    async def body(self) -> bytes:
        return self.raw

    async def json(self) -> Any:
        return self.parsed

    @property
    def canonical(self) -> bytes:
        """The JSON of the body in its canonical form; no body and an empty object are the same."""
        return json_body.canonical(self.parsed) if self.raw else b"{}"


class ApiRoute(APIRoute):
    """The class of all routes that `chassis.service.routes` declares."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        query = Query.of(self.dependant)
        signed = _asks_for_a_token(self.dependant)
        most_bytes: int = getattr(self.endpoint, "most_bytes", BODY_LIMIT)
        most_values: int = getattr(self.endpoint, "most_values", json_body.MOST_VALUES)
        takes_body = self.body_field is not None

        async def checked(request: Request) -> Response:
            try:
                query.check(request.scope["query_string"])
                check_characters((name, str(value)) for name, value in request.path_params.items())
                raw = await _read(request, most_bytes)
                parsed = _parsed(request, raw, most_values) if raw else None
                if not takes_body:
                    _not_taken(parsed)
            except Problem:
                if signed:
                    await _known(request)
                raise
            return await answer(ApiRequest(request.scope, request.receive, raw, parsed))

        return checked


async def _known(request: Request) -> None:
    """Raises Unauthenticated: somebody whom nobody knows learns nothing else."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise problems.Unauthenticated()
    request.state.caller = await request.app.state.verifier.verify(token)


async def _read(request: Request, most: int) -> bytes:
    """The body. Raises BodyTooLarge as soon as it is known to be, ClientLeft."""
    if not request.headers.get("authorization"):
        most = min(most, UNSIGNED_LIMIT)
    said = request.headers.get("content-length")
    if said is None and "transfer-encoding" not in request.headers:
        said = "0" if request.method in ("GET", "HEAD") else None
    if said == "0":
        return b""
    if said is not None and said.isdecimal() and int(said[:20]) > most:
        raise BodyTooLarge(int(said[:20]), most)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise problems.ClientLeft()
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise BodyTooLarge(size, most)
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _parsed(request: Request, raw: bytes, most_values: int) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType(kind)
    return json_body.parse(raw, most_values)


def _not_taken(parsed: Any) -> None:
    """Raises Invalid for fields that were sent to an address without any."""
    if parsed not in (None, {}):
        raise problems.Invalid(
            "body_not_taken",
            "This address takes no fields: send no body, or an empty object.",
            "此地址不接受任何字段:请不要发送请求体,或发送空对象。",
            field="body",
        )


def _asks_for_a_token(dependant: Dependant) -> bool:
    return dependant.call is identity.caller or any(_asks_for_a_token(each) for each in dependant.dependencies)
