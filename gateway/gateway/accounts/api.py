"""The embedded provider's HTTP door: tokens, accounts, keys."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from chassis.fields import BodyPart, Line, OneLine
from chassis.http.route import ApiRoute
from chassis.identity import ADMINISTRATOR, CallerDep
from chassis.ids import derived_id
from chassis.mongo import PyMongoError
from chassis.paging import Paging, sorted_by
from chassis.problems import Forbidden
from chassis.service import CommandDep, VersionedCommandDep, routes
from contracts.staff import Role
from gateway.accounts.commands import Identity, Pair
from gateway.accounts.devices import COOKIE, KNOWN_FOR
from gateway.accounts.ended import EndedSessions
from gateway.accounts.keys import ALGORITHM, SigningKeys
from gateway.accounts.model import PASSWORD_MAX, Account, normal_login
from gateway.addresses import Proxies

NOT_KEPT = {"Cache-Control": "no-store"}

Login = Annotated[str, Field(min_length=1, max_length=100), OneLine]
Password = Annotated[str, Field(min_length=1, max_length=PASSWORD_MAX)]
Uuid = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", description="A UUID.")
]


AccountId = Annotated[str, Path(max_length=200)]


class Credentials(BodyPart):
    login: Login
    password: Password


class Refresh(BodyPart):
    refresh_token: Annotated[str, Field(max_length=200)]


class PasswordChange(BodyPart):
    current_password: Password
    new_password: Password


class NewAccount(BodyPart):
    """With `person` the role comes from their posting; without, give `role`."""

    id: Uuid | None = None
    login: Login
    password: Password
    name: Line | None = None
    person: Uuid | None = None
    role: Role | None = None
    rights: list[Literal["import"]] = []


class AccountChange(BodyPart):
    """Only what is given changes; null empties `person` or `role`."""

    name: Line = ""
    password: Password = ""
    person: Uuid | None = None
    role: Role | None = None
    rights: list[Literal["import"]] = []
    disabled: bool = False


class Rotation(BodyPart):
    withdraw: Annotated[
        bool, Field(description="The keys before, and every token they signed, count no more (a key has leaked).")
    ] = False


class TokenPair(BaseModel):
    access_token: str
    refresh_token: str
    expires_in: Annotated[int, Field(description="Seconds for which the access token counts.")]
    token_type: str


class AccountPage(BaseModel):
    items: list[Account]
    next_cursor: str | None


async def administrator(caller: CallerDep) -> None:
    if caller.role != ADMINISTRATOR:
        raise Forbidden("administrators_only", "Only an administrator may do this.", "只有管理员可以执行此操作。")


def _identity(request: Request) -> Identity:
    return request.app.state.identity


IdentityDep = Annotated[Identity, Depends(_identity)]
router = routes("accounts", "/accounts")
published = APIRouter(tags=["accounts"], route_class=ApiRoute)


@router.post("/token", response_model=TokenPair)
async def sign_in(body: Credentials, identity: IdentityDep, request: Request) -> Response:
    """Sign in. After several wrong passwords for a login at an address the next attempts are answered more slowly, and
    with 429 where more come than have a turn.
    """
    cookie = request.cookies.get(COOKIE)
    pair = await identity.sign_in(body.login, body.password, _address(request), cookie)
    answer = _pair(pair)
    issuer: str = request.app.state.settings.issuer
    answer.set_cookie(
        COOKIE,
        pair.device or "",
        max_age=int(KNOWN_FOR.total_seconds()),
        path="/api/v1/accounts/token",
        secure=issuer.startswith("https://"),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/refresh", response_model=TokenPair)
async def refresh(body: Refresh, identity: IdentityDep) -> Response:
    """Trade a refresh token for a new pair. Each counts once; using one again ends the session."""
    return _pair(await identity.refresh(body.refresh_token))


@router.post("/logout", status_code=204, response_class=Response)
async def sign_out(body: Refresh, identity: IdentityDep) -> None:
    """End the session of this refresh token, and its access tokens within 2 s. What is no token of it ends nothing."""
    await identity.sign_out(body.refresh_token)


@router.post("/password", status_code=204, response_class=Response)
async def change_password(body: PasswordChange, caller: CallerDep, identity: IdentityDep, request: Request) -> None:
    """Change one's own password. All sessions end, and their access tokens within 2 s: sign in again."""
    await identity.change_password(caller.id, body.current_password, body.new_password, _address(request))


@router.post("", status_code=201, response_model=Account, dependencies=[Depends(administrator)])
async def create(body: NewAccount, identity: IdentityDep, command: CommandDep) -> Response:
    """Make an account (administrators). The same `id` or Idempotency-Key with the same content answers 200 and
    changes nothing.
    """
    wanted = body.model_dump()
    if body.id is None and command.key is not None:
        wanted["id"] = derived_id("accounts", command.key)
    account, new = await identity.create(**wanted)
    return _account(account, 201 if new else 200)


@router.get("", response_model=AccountPage, dependencies=[Depends(administrator)])
async def page(
    identity: IdentityDep,
    paging: Annotated[Paging, sorted_by("login")],
    login: Annotated[str | None, Query(max_length=100)] = None,
    person: Annotated[str | None, Query(max_length=36)] = None,
    disabled: bool | None = None,
) -> Response:
    """List accounts (administrators)."""
    asked = (("login", login and normal_login(login)), ("person", person), ("disabled", disabled))
    where = {name: value for name, value in asked if value is not None}
    found = await identity.accounts.page(paging, where)
    items = [account.model_dump(mode="json") for account in found.items]
    return JSONResponse({"items": items, "next_cursor": found.next_cursor}, headers=NOT_KEPT)


@router.post("/keys/rotation", dependencies=[Depends(administrator)])
async def rotate(body: Rotation, request: Request) -> dict[str, str]:
    """A new signing key (administrators). Tokens signed before go on counting, unless withdrawn."""
    keys: SigningKeys = request.app.state.keys
    return {"kid": await keys.rotate(withdraw=body.withdraw)}


@router.get("/{id}", response_model=Account, dependencies=[Depends(administrator)])
async def read(id: AccountId, identity: IdentityDep) -> Response:
    """Read an account (administrators)."""
    return _account(await identity.accounts.get(id))


@router.patch("/{id}", response_model=Account, dependencies=[Depends(administrator)])
async def change(id: AccountId, body: AccountChange, identity: IdentityDep, command: VersionedCommandDep) -> Response:
    """Change an account (administrators): name, password, person or role, rights, disabled."""
    changes = body.model_dump(exclude_unset=True)
    return _account(await identity.change(id, command.expected or 0, changes))


@published.get("/.well-known/jwks.json")
async def key_set(request: Request) -> Response:
    """The public keys that check access tokens (RFC 7517)."""
    keys: SigningKeys = request.app.state.keys
    with suppress(PyMongoError):  # the keys known go on counting while the database is away
        await keys.fresh()
    return JSONResponse(keys.key_set(), headers={"Cache-Control": "no-cache"})  # a new key signs at once


@published.get("/.well-known/ended-sessions.json")
async def ended_sessions(
    request: Request,
    since: Annotated[float, Query(ge=0, le=1e11, allow_inf_nan=False, description="Seconds since 1970.")] = 0,
) -> Response:
    """The sessions that ended since then and whose access tokens have not expired: by `ended`, the first 32 digits of
    the SHA-256 of the claim `sid`, and when the last token of each expires (seconds since 1970). `keys`: the ids of the
    keys that count now.
    """
    ended: EndedSessions = request.app.state.ended
    keys: SigningKeys = request.app.state.keys
    with suppress(PyMongoError):
        await keys.fresh()
    listed = await ended.since(since)
    kids = [key["kid"] for key in keys.key_set()["keys"]]
    return JSONResponse({**asdict(listed), "keys": kids}, headers={"Cache-Control": "no-cache"})


@published.get("/.well-known/openid-configuration")
async def discovery(request: Request) -> dict[str, Any]:
    """Where what is (OpenID Connect Discovery 1.0)."""
    issuer: str = request.app.state.settings.issuer  # never `Host`, which is whatever the caller says
    base = issuer.rstrip("/")
    return {
        "issuer": issuer,
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "token_endpoint": f"{base}/api/v1/accounts/token",
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["sub", "name", "role", "person", "office", "region", "offices", "rights", "sid"],
    }


def _pair(pair: Pair) -> Response:
    return JSONResponse({name: value for name, value in asdict(pair).items() if name != "device"}, headers=NOT_KEPT)


def _account(account: Account, status: int = 200) -> Response:
    headers = {"ETag": f'"{account.version}"', **NOT_KEPT}
    if status == 201:
        headers["Location"] = f"/api/v1/accounts/{account.id}"
    return JSONResponse(account.model_dump(mode="json"), status, headers)


def _address(request: Request) -> str:
    proxies: Proxies = request.app.state.proxies
    return proxies.client(request.scope)
