"""Who is asking: a token that does not hold in every respect is nobody's."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chassis import identity
from chassis.identity import KEYS_FRESH_FOR, LEEWAY, Caller, Claims, Verifier, listed_session
from chassis.problems import Unauthenticated, Unavailable

ISSUER, AUDIENCE = "https://id.example", "salesbeat"
SECRET = "a secret that is long enough for HMAC with SHA-256"


class Key:
    """A signing key of the provider, or of somebody else."""

    def __init__(self, kid: str | None, algorithm: str = "ES256") -> None:
        self.kid, self.algorithm = kid, algorithm
        if algorithm == "ES256":
            self.private: Any = ec.generate_private_key(ec.SECP256R1())
            public = ECAlgorithm.to_jwk(self.private.public_key())
        else:
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            public = RSAAlgorithm.to_jwk(self.private.public_key())
        self.public = {**json.loads(public), "use": "sig", "alg": algorithm, **({"kid": kid} if kid else {})}

    def sign(self, **claims: Any) -> str:
        return jwt.encode(said(**claims), self.private, self.algorithm, {"kid": self.kid} if self.kid else None)


def said(**claims: Any) -> dict[str, Any]:
    """A good token's claims, with others in place of some; None leaves one out."""
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "exp": now + 600, "name": "Li Na", "role": "salesperson"}
    return {name: value for name, value in {**whole, **claims}.items() if value is not None}


class Provider:
    """An identity provider's key set over HTTP."""

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys)
        self.fetched = 0
        self.away = False
        self.answer: Any = None
        self.ended: dict[str, float] | None = None
        """Ended sessions by their ids, and when; none where the provider does not tell."""
        self.looked: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ended":
            return self._ended(request)
        self.fetched += 1
        if self.away:
            raise httpx.ConnectError("no answer", request=request)
        listed = {} if self.ended is None else {"ended_sessions": "ended"}
        return httpx.Response(200, json=self.answer or {"keys": [key.public for key in self.keys], **listed})

    def _ended(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("no answer", request=request)
        since, now = float(request.url.params["since"]), time.time()
        self.looked.append(since)
        ended = {listed_session(session): now + 600 for session, at in (self.ended or {}).items() if at >= since}
        return httpx.Response(200, json={"ended": ended, "as_of": now, "keys": [key.kid for key in self.keys]})


class Hands:
    """The verifier's clocks, which a test may move on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(scope="module")
def key() -> Key:
    return Key("k1")


@pytest.fixture
def provider(key: Key, monkeypatch: pytest.MonkeyPatch) -> Provider:
    provider = Provider(key)
    client = functools.partial(httpx.AsyncClient, transport=httpx.MockTransport(provider))
    monkeypatch.setattr(identity.httpx, "AsyncClient", client)
    return provider


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(identity, "time", hands)
    return hands


@pytest.fixture
def verifier(provider: Provider, hands: Hands) -> Verifier:
    return Verifier("https://id.example/keys", ISSUER, AUDIENCE)


async def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(Unauthenticated) as found:
        await verifier.verify(token)
    assert found.value.headers["WWW-Authenticate"].endswith('error="invalid_token"')
    return found.value.code


async def test_a_good_token_is_a_caller(verifier: Verifier, key: Key) -> None:
    token = key.sign(person="li", office="sha", region="east", offices=["hgh", "sha"], rights=["import"])
    assert await verifier.verify(token) == Caller(
        id="u1",
        name="Li Na",
        role="salesperson",
        person="li",
        office="sha",
        region="east",
        offices=("sha", "hgh"),
        rights=frozenset({"import"}),
    )


async def test_rsa_keys_are_taken_too(verifier: Verifier, provider: Provider) -> None:
    provider.keys.append(other := Key("k2", "RS256"))
    assert (await verifier.verify(other.sign())).id == "u1"


async def test_a_provider_with_one_key_need_not_name_it(verifier: Verifier, provider: Provider) -> None:
    provider.keys = [unnamed := Key(None)]
    assert (await verifier.verify(unnamed.sign())).id == "u1"


FORGED: list[Any] = [
    pytest.param(lambda key: Key("k1").sign(), "token_signature", id="signed by another key of the same name"),
    pytest.param(lambda key: Key("k9").sign(), "token_key", id="signed by a key that the provider does not have"),
    pytest.param(lambda key: jwt.encode(said(), None, "none"), "token_algorithm", id="not signed at all"),
    pytest.param(
        lambda key: jwt.encode(said(), SECRET, "HS256", {"kid": "k1"}), "token_algorithm", id="signed with a secret"
    ),
    pytest.param(lambda key: _swapped(key.sign()), "token_signature", id="changed after it was signed"),
    pytest.param(lambda key: key.sign().rsplit(".", 1)[0] + ".", "token_signature", id="without its signature"),
    pytest.param(lambda key: key.sign(iss="https://evil.example"), "token_issuer", id="from another issuer"),
    pytest.param(lambda key: key.sign(aud="payroll"), "token_audience", id="for another audience"),
    pytest.param(lambda key: key.sign(exp=int(time.time()) - LEEWAY - 1), "token_expired", id="expired"),
    pytest.param(lambda key: key.sign(nbf=int(time.time()) + LEEWAY + 60), "token_not_yet_valid", id="not valid yet"),
    *(
        pytest.param(lambda key, claim=claim: key.sign(**{claim: None}), code, id=f"without {claim}")
        for claim, code in (
            ("exp", "token_claims"), ("iss", "token_claims"), ("aud", "token_claims"), ("sub", "token_claims"),
        )
    ),
    pytest.param(lambda key: key.sign(role=["administrator"]), "token_claims", id="with several roles"),
    pytest.param(lambda key: key.sign(rights="import"), "token_claims", id="with rights that are no list"),
    pytest.param(lambda key: key.sign(offices=[1]), "token_claims", id="with offices that are no texts"),
    pytest.param(lambda key: "not.a.token", "token_malformed", id="no token"),
    pytest.param(lambda key: "", "token_malformed", id="nothing"),
    *(
        pytest.param(lambda key, head=head: _headed(head), "token_malformed", id=f"under the header {head[:9]}")
        for head in ("[" * 20_000, '{"a":' * 5_000, "[]", "null", "7", '"ES"', '{"alg":"ES256","kid":[1]}', "\ud800x")
    ),
    pytest.param(lambda key: _headed('{"alg":["ES256"]}'), "token_algorithm", id="with several algorithms"),
    pytest.param(lambda key: _headed('{"alg":{}}'), "token_algorithm", id="with an algorithm that is no text"),
]  # fmt: skip


def _headed(head: str) -> str:
    """A token with that for its header."""
    first = jwt.utils.base64url_encode(head.encode("utf-8", "surrogatepass")).decode()
    return f"{first}.e30.c2ln"


def _swapped(token: str) -> str:
    """The same signature under other claims."""
    head, _, signature = token.split(".")
    payload = jwt.utils.base64url_encode(json.dumps(said(role="administrator")).encode()).decode()
    return f"{head}.{payload}.{signature}"


@pytest.mark.parametrize(("forge", "code"), FORGED)
async def test_a_token_that_does_not_hold_is_nobodys(
    verifier: Verifier, key: Key, forge: Callable[[Key], str], code: str
) -> None:
    assert await refused(verifier, forge(key)) == code
    assert (await verifier.verify(key.sign())).id == "u1"


async def test_clocks_may_differ_by_the_leeway(verifier: Verifier, key: Key) -> None:
    now = int(time.time())
    assert await verifier.verify(key.sign(exp=now - LEEWAY + 10))
    assert await verifier.verify(key.sign(nbf=now + LEEWAY - 10))


async def test_a_token_is_checked_once_and_forgotten_when_it_expires(
    verifier: Verifier, key: Key, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = key.sign(exp=int(time.time()) - 10)
    await verifier.verify(token)
    monkeypatch.setattr(identity, "LEEWAY", 0)
    assert (await verifier.verify(token)).id == "u1", "checked again, it would have expired"
    hands.ahead = LEEWAY
    assert await refused(verifier, token) == "token_expired"


async def test_what_is_remembered_is_bounded(verifier: Verifier, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "CACHED_TOKENS", 3)
    for n in range(10):
        await verifier.verify(key.sign(sub=str(n)))
    assert len(verifier._verified) == 3


# --- the key set ----------------------------------------------------------------------------------


async def test_made_up_key_ids_fetch_the_key_set_once_per_interval(
    verifier: Verifier, provider: Provider, key: Key, hands: Hands
) -> None:
    await verifier.verify(key.sign())
    assert provider.fetched == 1
    hands.ahead += 6
    forged = [Key(f"made-up-{n}").sign() for n in range(50)]
    began = time.monotonic()
    for _ in range(3):
        assert set(await asyncio.gather(*(refused(verifier, token) for token in forged))) == {"token_key"}
    assert provider.fetched <= 2 + (time.monotonic() - began) / verifier._refresh_interval


async def test_a_key_that_signs_right_after_the_key_set_was_fetched_is_waited_for(
    verifier: Verifier, provider: Provider, key: Key
) -> None:
    await verifier.verify(key.sign())
    provider.keys.append(newer := Key("k2"))
    assert (await verifier.verify(newer.sign())).id == "u1"
    provider.keys = [Key("k3"), Key("k4")]
    callers = await asyncio.gather(*(verifier.verify(each.sign()) for each in provider.keys))
    assert len(callers) == 2


async def test_a_new_key_is_no_reason_to_refuse_while_the_provider_is_away(
    verifier: Verifier, provider: Provider, key: Key
) -> None:
    await verifier.verify(key.sign())
    provider.away = True
    newer = Key("k2")
    with pytest.raises(Unavailable, match="identity_unavailable"):
        await verifier.verify(newer.sign())
    provider.away = False
    provider.keys.append(newer)
    assert await verifier.verify(newer.sign())


async def test_a_flood_of_made_up_keys_is_told_to_come_back(
    verifier: Verifier, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verifier.verify(key.sign())
    monkeypatch.setattr(identity, "MOST_WAITING", 3)
    forged = Key("made-up").sign()
    answers = await asyncio.gather(*(verifier.verify(forged) for _ in range(10)), return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert (kinds.count(Unauthenticated), kinds.count(Unavailable)) == (3, 7)


async def test_many_callers_at_the_start_fetch_the_key_set_once(
    verifier: Verifier, provider: Provider, key: Key
) -> None:
    callers = await asyncio.gather(*(verifier.verify(key.sign(sub=str(n))) for n in range(20)))
    assert [caller.id for caller in callers] == [str(n) for n in range(20)]
    assert provider.fetched == 1


async def test_a_new_key_is_learnt_when_its_first_token_comes(
    verifier: Verifier, provider: Provider, key: Key, hands: Hands
) -> None:
    await verifier.verify(key.sign())
    provider.keys.append(newer := Key("k2"))
    hands.ahead += 6
    assert await verifier.verify(newer.sign())
    assert await verifier.verify(key.sign())


async def test_a_withdrawn_key_takes_its_tokens_along(
    verifier: Verifier, provider: Provider, key: Key, hands: Hands
) -> None:
    token = key.sign()
    await verifier.verify(token)
    provider.keys = [Key("k2")]
    hands.ahead += KEYS_FRESH_FOR - 10
    assert await verifier.verify(token), "within the time that a key set counts"
    hands.ahead += 20
    assert await refused(verifier, token) == "token_key"


async def test_a_provider_that_is_away_costs_nobody_who_is_known_anything(
    verifier: Verifier, provider: Provider, key: Key, hands: Hands
) -> None:
    token = key.sign()
    await verifier.verify(token)
    provider.away = True
    hands.ahead += KEYS_FRESH_FOR + 1
    assert await verifier.verify(token)
    assert await verifier.verify(key.sign(sub="u2"))


@pytest.mark.parametrize("answer", [None, {"keys": []}, {"keys": "k1"}, ["k1"], {"keys": [{"kty": "oct", "k": "x"}]}])
async def test_without_any_key_set_it_is_unavailable_and_not_refused(
    verifier: Verifier, provider: Provider, key: Key, hands: Hands, answer: Any
) -> None:
    provider.away, provider.answer = answer is None, answer
    with pytest.raises(Unavailable, match="identity_unavailable"):
        await verifier.verify(key.sign())
    provider.away, provider.answer = False, None
    hands.ahead += 6
    assert await verifier.verify(key.sign())


async def test_keys_for_other_purposes_are_passed_over(verifier: Verifier, provider: Provider, key: Key) -> None:
    encrypting = {**Key("k2").public, "use": "enc"}
    provider.answer = {"keys": [{"kty": "oct", "kid": "k3", "k": "c2VjcmV0"}, {"kty": "?"}, encrypting, key.public]}
    assert await verifier.verify(key.sign())


# --- ended sessions -------------------------------------------------------------------------------


@pytest.fixture
def telling(provider: Provider) -> Provider:
    """A provider that tells which sessions have ended."""
    provider.ended = {}
    return provider


def end(provider: Provider, session: str) -> None:
    assert provider.ended is not None
    provider.ended[session] = time.time()


async def test_a_token_of_an_ended_session_is_refused_within_two_seconds(
    verifier: Verifier, telling: Provider, key: Key, hands: Hands
) -> None:
    token, other = key.sign(sid="s1"), key.sign(sid="s2")
    assert await verifier.verify(token)
    assert await verifier.verify(other)
    end(telling, "s1")
    hands.ahead += 1.1  # what remains of the two seconds is the provider's own
    assert await refused(verifier, token) == "session_over"
    assert await refused(verifier, key.sign(sid="s1", jti="another")) == "session_over"
    assert await verifier.verify(other)


async def test_the_list_is_asked_for_once_a_second_and_only_for_what_is_new(
    verifier: Verifier, telling: Provider, key: Key, hands: Hands
) -> None:
    tokens = [key.sign(sid=f"s{n}") for n in range(20)]
    await asyncio.gather(*(verifier.verify(token) for token in tokens))
    await asyncio.gather(*(verifier.verify(token) for token in tokens))
    assert telling.looked == [0.0]
    hands.ahead += 1.1
    await asyncio.gather(*(verifier.verify(token) for token in tokens))
    assert len(telling.looked) == 2
    assert time.time() - telling.looked[1] < identity.OVERLAP + 5


async def test_an_ended_session_stays_ended_while_the_provider_is_away(
    verifier: Verifier, telling: Provider, key: Key, hands: Hands
) -> None:
    ended, good = key.sign(sid="s1"), key.sign(sid="s2")
    end(telling, "s1")
    assert await refused(verifier, ended) == "session_over"
    telling.away = True
    for _ in range(3):
        hands.ahead += 1.1
        assert await refused(verifier, ended) == "session_over"
        assert await verifier.verify(good)
    telling.away = False
    end(telling, "s2")
    hands.ahead += 1.1
    async with asyncio.timeout(10):
        while True:  # nobody waits for a provider that was away: the first question goes beside the requests
            try:
                await verifier.verify(good)
            except Unauthenticated:
                break
            hands.ahead += 1.1
            await asyncio.sleep(0.01)


async def test_a_withdrawn_key_counts_no_more_within_two_seconds_where_the_provider_tells(
    verifier: Verifier, telling: Provider, key: Key, hands: Hands
) -> None:
    token = key.sign(sid="s1")
    assert await verifier.verify(token)
    fetched = telling.fetched
    hands.ahead += 1.1
    assert await verifier.verify(token)
    assert telling.fetched == fetched, "nothing has changed"
    telling.keys = [newer := Key("k2")]
    hands.ahead += 1.1
    assert await refused(verifier, token) == "token_key"
    assert await verifier.verify(newer.sign(sid="s1"))


async def test_a_token_without_a_session_needs_no_list(verifier: Verifier, telling: Provider, key: Key) -> None:
    assert await verifier.verify(key.sign())
    assert telling.looked == []


async def test_a_provider_that_does_not_tell_is_not_asked(verifier: Verifier, provider: Provider, key: Key) -> None:
    assert await verifier.verify(key.sign(sid="s1"))
    assert provider.looked == []


# --- claims ---------------------------------------------------------------------------------------


def test_a_provider_may_call_its_claims_otherwise() -> None:
    claims = Claims(name="preferred_username", role="salesbeat.role", offices="salesbeat.serves")
    told = {"sub": "u1", "preferred_username": "lina", "salesbeat": {"role": "clerk", "serves": ["sha", "hgh"]}}
    caller = claims.caller(told)
    assert (caller.name, caller.role, caller.offices) == ("lina", "clerk", ("sha", "hgh"))


def test_a_token_that_says_nothing_of_a_role_has_none() -> None:
    caller = Claims().caller({"sub": "u1", "office": ""})
    assert caller == Caller(id="u1", name="u1", role="")


def test_an_administrator_has_every_right_and_others_those_they_were_given() -> None:
    assert Caller("a", "a", "administrator").may("import")
    assert Caller("c", "c", "clerk", rights=frozenset({"import"})).may("import")
    assert not Caller("c", "c", "clerk", rights=frozenset({"import"})).may("export")
    assert not Caller("t", "t", "top_manager").may("import")
