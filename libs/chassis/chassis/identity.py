"""Token -> Caller.

A service never trusts the network: it checks every token again. Tokens are JWTs signed with ES256 or
RS256 by the provider whose key set stands at `jwks_url`; nothing else is accepted.

A provider may say which sessions have ended before their tokens expire. Its key set then has the member
`ended_sessions`, the address of a list (relative to the key set's own address), and its tokens carry the claim `sid`.
The list is asked for again every `LOOK_AGAIN_AFTER` while requests come. Its member `keys` names the keys that count,
so that a withdrawn one is noticed as soon.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urljoin

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
LOOK_AGAIN_AFTER = 1.0
"""Seconds after which the list of ended sessions is asked for again. The provider's own list may be half a second
old, so that an ended session is refused everywhere within 2 s."""
LOOK_TIMEOUT = 1.0
OVERLAP = 10.0
"""Seconds by which a question for newly ended sessions reaches back, for the provider's clocks may differ."""
OUTDATED = float("-inf")
"""When the key set was fetched, where it must be fetched again."""
MOST_WAITING = 200
"""Requests that wait for the key set at the same time; further ones are told to come back."""
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

    refresh_interval: the least time in seconds between two fetches of the key set, so that forged key ids cannot
    make this service hammer the provider. A token whose key is not known waits for the next fetch: it is refused
    only by a key set that is newer than the token.
    """

    look_again_after = LOOK_AGAIN_AFTER

    def __init__(
        self,
        jwks_url: str,
        issuer: str,
        audience: str,
        *,
        claims: Claims = Claims(),
        refresh_interval: float = 1.0,
    ) -> None:
        self._jwks_url = jwks_url
        self._issuer = issuer
        self._audience = audience
        self._claims = claims
        self._refresh_interval = refresh_interval
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._printed: dict[str | None, Any] = {}
        self._fetched = self._tried = OUTDATED
        self._fetching = asyncio.Lock()
        self._failing = False
        self._waiting = 0
        self._verified: dict[bytes, tuple[Caller, float, str]] = {}
        self._ended_at: str | None = None
        """Where the provider lists its ended sessions."""
        self._ended: dict[str, float] = {}
        """Ended session -> when its last token expires (seconds since 1970)."""
        self._newest = 0.0
        self._listed_keys: frozenset[str] | None = None
        """Ids of the keys that the list of ended sessions named last."""
        self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._provider_answers = True

    async def verify(self, token: str) -> Caller:
        """Raises Unauthenticated for a token that does not hold, Unavailable while no key set can be had."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        await self._keep_fresh()
        if (known := self._verified.get(digest)) is not None:
            if time.time() < known[1]:
                await self._refuse_ended(known[0], known[2])
                return known[0] if self._fetched != OUTDATED else await self._by_new_keys(digest, token)
            del self._verified[digest]
        caller, until, session = await self._check(token)
        await self._refuse_ended(caller, session)
        if len(self._verified) >= CACHED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = caller, until, session
        return caller if self._fetched != OUTDATED else await self._by_new_keys(digest, token)

    async def _by_new_keys(self, digest: bytes, token: str) -> Caller:
        """The provider has just said that its keys have changed: the token's own may be withdrawn."""
        await self._fetch(unless=lambda: self._fetched != OUTDATED, wait=True)
        if (known := self._verified.get(digest)) is not None:
            return known[0]
        return (await self._check(token))[0]

    async def _check(self, token: str) -> tuple[Caller, float, str]:
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
        session = said.get("sid")
        return (
            self._claims.caller(said),
            float(said["exp"]) + LEEWAY,
            listed_session(session) if isinstance(session, str) else "",
        )

    async def _key(self, kid: str | None) -> jwt.PyJWK:
        """Raises Unauthenticated where a key set that is newer than this call lacks the key, Unavailable where none
        can be had.
        """
        if (key := self._known(kid)) is not None:
            return key
        asked = time.monotonic()
        if self._waiting >= MOST_WAITING:
            raise _cannot_check()
        self._waiting += 1
        try:
            await self._fetch(unless=lambda: self._known(kid) is not None or self._tried >= asked, wait=True)
        finally:
            self._waiting -= 1
        if (key := self._known(kid)) is not None:
            return key
        if self._fetched < asked:
            raise _cannot_check()
        raise _refused("token_key", "The token's key is not known: sign in again.", "令牌签名密钥未知:请重新登录。")

    def _known(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None and len(self._keys) == 1:  # RFC 7515 §4.1.4: kid is optional
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _keep_fresh(self) -> None:
        since = self._fetched
        if time.monotonic() - since > KEYS_FRESH_FOR:
            if self._failing and self._keys and self._fetching.locked():
                return  # somebody is asking a provider that does not answer: the others need not wait for it
            await self._fetch(unless=lambda: self._fetched != since)

    async def _fetch(self, unless: Callable[[], bool], *, wait: bool = False) -> None:
        """One fetch at a time, and not again within the interval: `wait` for its end, else go on with what is known.
        Raises Unavailable while there are no keys at all.
        """
        async with self._fetching:
            if unless():
                return
            pause = self._tried + self._refresh_interval - time.monotonic()
            if wait and pause > 0 and self._keys:
                await asyncio.sleep(pause)
                pause = 0.0
            if pause <= 0:
                began = self._tried = time.monotonic()
                try:
                    self._take(await self._download())
                    self._fetched = began  # what has changed since then may be missing
                    self._failing = False
                except (httpx.HTTPError, ValueError) as error:
                    # Known keys go on counting: the provider's outage must not become everybody's.
                    log.warning("key_set_unreachable", url=self._jwks_url, error=repr(error))
                    self._failing = True
            if not self._keys:
                raise _cannot_check()

    async def _download(self) -> Any:
        return await _downloaded(self._jwks_url, FETCH_TIMEOUT)

    # --- sessions that ended before their tokens expire ---

    async def _refuse_ended(self, caller: Caller, session: str) -> None:
        """Raises Unauthenticated where the token's session has ended."""
        if self._ended_at is None or not session:
            return
        age = time.monotonic() - self._looked
        if age > self.look_again_after:
            if self._looking is None:
                self._looking = asyncio.create_task(self._look())
            # While the provider does not answer, nobody waits for it: what is known goes on counting.
            if self._provider_answers:
                await asyncio.shield(self._looking)
        if session in self._ended:
            raise session_over()

    def look_now(self) -> None:
        """A session has just ended: the next token is checked by a new list."""
        self._looked = float("-inf")

    async def _look(self) -> None:
        try:
            began = time.monotonic()
            ended = await self._download_ended(self._newest - OVERLAP)
            now = time.time()
            for session, expires in ended.items():
                self._ended[session] = expires
            if len(self._ended) > len(ended):
                self._ended = {session: expires for session, expires in self._ended.items() if expires > now}
            self._looked = began
            self._provider_answers = True
        except (httpx.HTTPError, ValueError, TypeError) as error:
            self._looked = time.monotonic()
            if self._provider_answers:
                log.warning("ended_sessions_unreachable", url=self._ended_at, error=repr(error))
            self._provider_answers = False
        finally:
            self._looking = None

    async def _download_ended(self, since: float) -> Mapping[str, float]:
        """Ended sessions, and when their last tokens expire. Raises httpx.HTTPError, ValueError, TypeError."""
        url = f"{self._ended_at}?since={max(since, 0):.3f}"
        said = await _downloaded(url, LOOK_TIMEOUT)
        if not isinstance(said, dict) or not isinstance(said.get("ended"), dict):
            raise ValueError("not a list of ended sessions: it has no object named ended")
        ended = {str(session): float(expires) for session, expires in said["ended"].items()}
        self._newest = float(said["as_of"])
        if isinstance(said.get("keys"), list):
            self._compare_keys(frozenset(str(kid) for kid in said["keys"]))
        return ended

    def _compare_keys(self, listed: frozenset[str]) -> None:
        before = self._listed_keys if self._listed_keys is not None else self._keys.keys()
        if listed != before:
            self._fetched = OUTDATED
        self._listed_keys = listed

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
        listed = key_set.get("ended_sessions")
        self._ended_at = urljoin(self._jwks_url, listed) if isinstance(listed, str) else None


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


def listed_session(id: str) -> str:
    """The form in which the list of ended sessions names a session: it tells strangers nothing."""
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def session_over() -> Unauthenticated:
    return Unauthenticated("session_over", "The session is over: sign in again.", "会话已结束:请重新登录。")


def _cannot_check() -> Unavailable:
    return Unavailable(
        "identity_unavailable",
        "Tokens cannot be checked, because the identity provider does not answer: try again shortly.",
        "身份提供方无响应,暂时无法校验令牌:请稍后再试。",
    )


@cache
def _trusted() -> ssl.SSLContext:
    """Made once: it takes 20 ms."""
    return httpx.create_ssl_context()


async def _downloaded(url: str, seconds: float) -> Any:
    """The JSON at that address. Raises httpx.HTTPError, ValueError."""
    async with httpx.AsyncClient(timeout=seconds, verify=_trusted()) as client:
        return (await client.get(url)).raise_for_status().json()


def _refused(code: str, en: str, zh: str | None = None) -> Unauthenticated:
    return Unauthenticated(code, en, zh or "令牌声明有误。")


def _at(token: Mapping[str, Any], path: str) -> Any:
    value: Any = token
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
