"""Tokens of an outside provider."""

from __future__ import annotations

import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.gateway.conftest import Start
from tests.gateway.standin import StandIn

ISSUER = "https://login.example.com"
KEY = ec.generate_private_key(ec.SECP256R1())


def token(key: Any = KEY, algorithm: str = "ES256", **claims: Any) -> str:
    now = int(time.time())
    said = {"sub": "u-1", "iss": ISSUER, "aud": "salesbeat", "iat": now, "exp": now + 60, "realm": {"role": "owner"}}
    return jwt.encode(said | claims, key, algorithm, headers={"kid": "outside"})


@pytest.fixture
async def gateway(start: Start, services: dict[str, StandIn]) -> httpx.AsyncClient:
    public = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    services["customers"].tell("/keys", {"keys": [{**public, "kid": "outside", "use": "sig"}]})
    return await start(
        identity="oidc",
        jwks_url=f"{services['customers'].url}/keys",
        issuer=ISSUER,
        claim_role="realm.role",
        mongodb_uri="mongodb://127.0.0.1:1",  # there are no accounts, so it is not asked
    )


async def test_an_outside_token_is_taken_and_passed_on(
    gateway: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    me = (await gateway.get("/api/v1/me", headers=headers)).json()
    assert (me["id"], me["role"]) == ("u-1", "owner")
    assert (await gateway.get("/api/v1/orders", headers=headers)).status_code == 200
    assert services["orders"].asked[0].headers["Authorization"] == headers["Authorization"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.example.com"},
        {"aud": "another"},
        {"exp": int(time.time()) - 120},
        {"nbf": int(time.time()) + 86_400},  # these are made when the tests are collected
        {"key": ec.generate_private_key(ec.SECP256R1())},
        {"key": "a shared secret that is long enough for HS256", "algorithm": "HS256"},
    ],
)
async def test_a_token_that_does_not_hold_reaches_no_service(
    gateway: httpx.AsyncClient, services: dict[str, StandIn], wrong: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {token(**wrong)}"}
    assert (await gateway.get("/api/v1/orders", headers=headers)).status_code == 401
    assert (await gateway.get("/api/v1/me", headers=headers)).status_code == 401
    assert services["orders"].asked == []


@pytest.mark.parametrize("path", ["/api/v1/accounts/token", "/api/v1/accounts", "/.well-known/jwks.json"])
async def test_there_are_no_accounts_here(gateway: httpx.AsyncClient, path: str) -> None:
    answered = await gateway.post(path, json={}, headers={"Authorization": f"Bearer {token()}"})
    assert (answered.status_code, answered.json()["code"]) == (404, "no_such_route")
    assert path not in (await gateway.get("/openapi.json")).json()["paths"]
