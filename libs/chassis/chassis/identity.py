"""Token -> Caller.

A service never trusts the network: it checks every token again. Tokens are JWTs signed with ES256 or
RS256 by the provider whose key set stands at `jwks_url`; nothing else is accepted.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from chassis.problems import Unauthenticated, Unavailable

if TYPE_CHECKING:  # only where tokens are checked: its cryptography is 8 MB that no worker needs
    import jwt

log = structlog.get_logger(__name__)

ALGORITHMS = ("ES256", "RS256")
LEEWAY = 30
"""Seconds by which the clocks of the provider and of this machine may differ."""
KEYS_FRESH_FOR = 300
"""Seconds after which the key set is fetched again, so that a withdrawn key stops counting."""
FETCH_TIMEOUT = 3.0
CACHED_TOKENS = 10_000
"""Verifying ES256 costs 163 µs, a look-up 2 µs; ten thousand callers take about 10 MB."""

ADMINISTRATOR = "administrator"
SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking.

    id: the account (the token's `sub`). person: who of the sales organisation that is, where the account
    belongs to somebody. offices: the office and those served besides it.
    """

    id: str
    name: str
    role: str
    person: str | None = None
    office: str | None = None
    region: str | None = None
    offices: tuple[str, ...] = ()
    rights: frozenset[str] = frozenset()

    def may(self, right: str) -> bool:
        """Whether the caller has a right of its own besides its role; an administrator has every one."""
        return self.role == ADMINISTRATOR or right in self.rights

    @classmethod
    def service(cls, name: str) -> Caller:
        """A service acting by itself, at the bus door or by a timer."""
        return cls(id=f"/{name}", name=name, role=SERVICE)


@dataclass(frozen=True, slots=True)
class Claims:
    """Where a token says what; a dot leads into an object (`salesbeat.role`)."""

    name: str = "name"
    role: str = "role"
    person: str = "person"
    office: str = "office"
    region: str = "region"
    offices: str = "offices"
    rights: str = "rights"

    def caller(self, token: Mapping[str, Any]) -> Caller:
        """Raises Unauthenticated when a claim is not of its type."""
        said = {field.name: _at(token, getattr(self, field.name)) for field in fields(self)}
        for single in ("name", "role", "person", "office", "region"):
            if said[single] is not None and not isinstance(said[single], str):
                raise _refused("token_claims", f"The token's claim {getattr(self, single)} must be a text.")
        for several in ("offices", "rights"):
            said[several] = said[several] or []
            if not isinstance(said[several], list) or not all(isinstance(entry, str) for entry in said[several]):
                raise _refused("token_claims", f"The token's claim {getattr(self, several)} must be a list of texts.")
        own = [said["office"]] if said["office"] else []
        return Caller(
            id=token["sub"],
            name=said["name"] or token["sub"],
            role=said["role"] or "",
            person=said["person"] or None,
            office=said["office"] or None,
            region=said["region"] or None,
            offices=tuple(dict.fromkeys([*own, *said["offices"]])),
            rights=frozenset(said["rights"]),
        )


class Verifier:
    """Checks tokens: signature, algorithm, issuer, audience, times.

    refresh_interval: the least time between two fetches of the key set, so that forged key ids cannot
    make this service hammer the provider.
    """

    def __init__(
        self,
        jwks_url: str,
        issuer: str,
        audience: str,
        *,
        claims: Claims = Claims(),
        refresh_interval: float = 5.0,
    ) -> None:
        self._jwks_url = jwks_url
        self._issuer = issuer
        self._audience = audience
        self._claims = claims
        self._refresh_interval = refresh_interval
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._printed: dict[str | None, Any] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()
        self._verified: dict[bytes, tuple[Caller, float]] = {}

    async def verify(self, token: str) -> Caller:
        """Raises Unauthenticated for a token that does not hold, Unavailable while no key set can be had."""
        digest = hashlib.sha256(token.encode()).digest()
        await self._keep_fresh()
        if (known := self._verified.get(digest)) is not None:
            if time.time() < known[1]:
                return known[0]
            del self._verified[digest]
        caller, until = await self._check(token)
        if len(self._verified) >= CACHED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = caller, until
        return caller

    async def _check(self, token: str) -> tuple[Caller, float]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise _refused("token_malformed", "The token is not a JWT.", "令牌格式有误。") from None
        if header.get("alg") not in ALGORITHMS:
            raise _refused(
                "token_algorithm",
                f"The token must be signed with {' or '.join(ALGORITHMS)}.",
                f"令牌签名算法必须为 {' 或 '.join(ALGORITHMS)}。",
            )
        key = await self._key(header.get("kid"))
        try:
            said = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise _refused(
                "token_expired", "The token has expired: sign in again.", "令牌已过期:请重新登录。"
            ) from None
        except jwt.InvalidIssuerError:
            raise _refused(
                "token_issuer", "The token comes from another provider.", "令牌来自其他身份提供方。"
            ) from None
        except jwt.InvalidAudienceError:
            raise _refused("token_audience", "The token is meant for another system.", "令牌不适用于本系统。") from None
        except (jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError):
            raise _refused("token_not_yet_valid", "The token is not valid yet.", "令牌尚未生效。") from None
        except jwt.MissingRequiredClaimError as error:
            raise _refused(
                "token_claims", f"The token lacks the claim {error.claim}.", f"令牌缺少声明 {error.claim}。"
            ) from None
        except jwt.InvalidTokenError:
            raise _refused("token_signature", "The token's signature does not hold.", "令牌签名无效。") from None
        return self._claims.caller(said), float(said["exp"]) + LEEWAY

    async def _key(self, kid: str | None) -> jwt.PyJWK:
        if (key := self._known(kid)) is None:
            await self._fetch(unless=lambda: self._known(kid) is not None)
            key = self._known(kid)
        if key is None:
            raise _refused("token_key", "The token's key is not known: sign in again.", "令牌签名密钥未知:请重新登录。")
        return key

    def _known(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None and len(self._keys) == 1:  # RFC 7515 §4.1.4: kid is optional
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _keep_fresh(self) -> None:
        since = self._fetched
        if time.monotonic() - since > KEYS_FRESH_FOR:
            await self._fetch(unless=lambda: self._fetched != since)

    async def _fetch(self, unless: Any) -> None:
        """One fetch at a time, and not again within the interval. Raises Unavailable while there are no keys at all."""
        async with self._fetching:
            if unless():
                return
            if time.monotonic() - self._tried >= self._refresh_interval:
                self._tried = time.monotonic()
                try:
                    self._take(await self._download())
                    self._fetched = time.monotonic()
                except (httpx.HTTPError, ValueError) as error:
                    # Known keys go on counting: the provider's outage must not become everybody's.
                    log.warning("key_set_unreachable", url=self._jwks_url, error=repr(error))
            if not self._keys:
                raise Unavailable(
                    "identity_unavailable",
                    "Tokens cannot be checked, because the identity provider does not answer: try again shortly.",
                    "身份提供方无响应,暂时无法校验令牌:请稍后再试。",
                )

    async def _download(self) -> Any:
        async with httpx.AsyncClient(timeout=FETCH_TIMEOUT) as client:
            return (await client.get(self._jwks_url)).raise_for_status().json()

    def _take(self, key_set: Any) -> None:
        """Raises ValueError where it is no key set, or none of its keys can be used."""
        if not isinstance(key_set, dict) or not isinstance(key_set.get("keys"), list):
            raise ValueError("not a key set: it has no list named keys")
        import jwt

        keys: dict[str | None, jwt.PyJWK] = {}
        printed: dict[str | None, Any] = {}
        for entry in key_set["keys"]:
            try:
                key = jwt.PyJWK(entry)
            except (jwt.PyJWTError, AttributeError, TypeError):
                continue  # a key for some other purpose
            if key.algorithm_name in ALGORITHMS and entry.get("use", "sig") == "sig":
                keys[key.key_id] = key
                printed[key.key_id] = entry
        if not keys:
            raise ValueError(f"the key set holds no key for {' or '.join(ALGORITHMS)}")
        if any(printed.get(kid) != entry for kid, entry in self._printed.items()):
            self._verified.clear()  # a withdrawn key takes its tokens along
        self._keys, self._printed = keys, printed


_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token of the identity provider.")


async def caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """FastAPI dependency: who is asking. Raises Unauthenticated."""
    if credentials is None:
        raise Unauthenticated()
    found: Caller = await request.app.state.verifier.verify(credentials.credentials)
    request.state.caller = found
    return found


CallerDep = Annotated[Caller, Depends(caller)]


def _refused(code: str, en: str, zh: str | None = None) -> Unauthenticated:
    return Unauthenticated(code, en, zh or "令牌声明有误。")


def _at(token: Mapping[str, Any], path: str) -> Any:
    value: Any = token
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
