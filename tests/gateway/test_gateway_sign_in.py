"""Signing in, staying signed in, signing out, and who gets in no more."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import argon2
import httpx
import jwt
import pytest

from chassis import clock
from chassis.identity import Verifier, listed_session
from chassis.mongo import Database
from chassis.problems import Unauthenticated
from gateway.accounts.passwords import Passwords
from tests.gateway.conftest import ADMIN, Start, administrator, bearer, sign_in, until
from tests.gateway.standin import StandIn

PERSON = "0192f3a0-5b7c-7def-8123-456789abcdef"
STANDING = {
    "person": PERSON,
    "name": "王芳",
    "role": "clerk",
    "office": "sha",
    "region": "east",
    "offices": ["sha", "hgh"],
}


async def post(gateway: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await gateway.post(f"/api/v1/accounts{path}", json=body)


async def refresh(gateway: httpx.AsyncClient, pair: dict[str, Any]) -> httpx.Response:
    return await post(gateway, "/refresh", refresh_token=pair["refresh_token"])


async def account_of(gateway: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    body = {"login": "wang.fang", "password": "a good password", **wanted}
    made = await gateway.post("/api/v1/accounts", json=body, headers=await administrator(gateway))
    assert made.status_code == 201, made.text
    return made.json()


async def test_the_first_administrator_is_made_once_and_signs_in(start: Start, database: Database) -> None:
    gateway = await start()
    await start(bootstrap_admin_password="another one")
    assert await database["accounts"].count_documents({}) == 1
    pair = await sign_in(gateway, " Admin", ADMIN["password"])
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 600)
    me = (await gateway.get("/api/v1/me", headers=bearer(pair))).json()
    assert (me["name"], me["role"], me["person"], me["rights"]) == ("admin", "administrator", None, [])


async def test_a_wrong_password_and_an_unknown_login_are_answered_alike(gateway: httpx.AsyncClient) -> None:
    wrong = await post(gateway, "/token", login="admin", password="not it")
    unknown = await post(gateway, "/token", login="nobody", password="not it")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["code"] == "login_failed"


async def test_an_unknown_login_costs_a_hash_of_the_same_parameters() -> None:
    passwords = Passwords()
    kept = await passwords.hash("a good password")
    assert argon2.extract_parameters(passwords._nobodys) == argon2.extract_parameters(kept)
    assert await passwords.match(kept, "a good password")
    assert not await passwords.match(None, "a good password")
    passwords.close()


async def test_a_right_password_forgives_the_wrong_ones_before(gateway: httpx.AsyncClient) -> None:
    for _ in range(3):
        for _ in range(4):
            assert (await post(gateway, "/token", login="admin", password="guess")).status_code == 401
        await sign_in(gateway, **ADMIN)


async def test_a_refresh_token_counts_once_and_its_reuse_ends_the_session(gateway: httpx.AsyncClient) -> None:
    first = await sign_in(gateway, **ADMIN)
    elsewhere = await sign_in(gateway, **ADMIN)
    second = (await refresh(gateway, first)).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await gateway.get("/api/v1/me", headers=bearer(second))).status_code == 200

    reused = await refresh(gateway, first)
    assert (reused.status_code, reused.json()["code"]) == (401, "session_over")
    assert (await refresh(gateway, second)).status_code == 401
    assert (await refresh(gateway, elsewhere)).status_code == 200


async def test_of_two_refreshes_at_once_one_wins_at_most(gateway: httpx.AsyncClient) -> None:
    pair = await sign_in(gateway, **ADMIN)
    answers = await asyncio.gather(*(refresh(gateway, pair) for _ in range(4)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) <= 1
    for winner in won:  # the others have shown a spent token
        assert (await refresh(gateway, winner)).status_code == 401


@pytest.mark.parametrize("token", ["", "nonsense", "0192f3a0-5b7c-7def-8123-456789abcdef.guess", "." * 200])
async def test_a_made_up_refresh_token_is_refused(gateway: httpx.AsyncClient, token: str) -> None:
    assert (await post(gateway, "/refresh", refresh_token=token)).status_code == 401


async def test_an_unused_session_ends_by_itself(gateway: httpx.AsyncClient) -> None:
    pair = await sign_in(gateway, **ADMIN)
    with clock.set_to(clock.now() + timedelta(days=15)):
        assert (await refresh(gateway, pair)).status_code == 401


async def test_signing_out_ends_the_session(gateway: httpx.AsyncClient) -> None:
    pair = await sign_in(gateway, **ADMIN)
    other = await sign_in(gateway, **ADMIN)
    assert (await post(gateway, "/logout", refresh_token=pair["refresh_token"])).status_code == 204
    assert (await refresh(gateway, pair)).status_code == 401
    assert (await gateway.get("/api/v1/me", headers=bearer(pair))).json()["code"] == "session_over"
    assert (await post(gateway, "/logout", refresh_token=pair["refresh_token"])).status_code == 204
    assert (await gateway.get("/api/v1/me", headers=bearer(other))).status_code == 200
    assert (await refresh(gateway, other)).status_code == 200


def session_of(pair: dict[str, Any]) -> str:
    return jwt.decode(pair["access_token"], options={"verify_signature": False})["sid"]


@pytest.mark.parametrize("path", ["/logout", "/refresh"])
async def test_a_made_up_secret_ends_no_session(gateway: httpx.AsyncClient, path: str) -> None:
    pair = await sign_in(gateway, **ADMIN)
    other = await sign_in(gateway, **ADMIN)
    family, _, secret = pair["refresh_token"].partition(".")
    assert family == session_of(pair)
    made_up = [
        f"{family}.made-up",
        f"{family}.",
        f"{family}.{secret[:-1]}",
        f"{family}.{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        f"{family}.{other['refresh_token'].partition('.')[2]}",
        f"{family}.{pair['access_token'][:100]}",
        f"{family}.\x00",
        f"0192f3a0-5b7c-7def-8123-456789abcdef.{secret}",
        family,
        "",
    ]
    for token in made_up:
        refused = await post(gateway, path, refresh_token=token)
        assert (refused.status_code, refused.json()["code"]) == (401, "session_over"), token
    lone = await gateway.post(
        f"/api/v1/accounts{path}",
        content=f'{{"refresh_token": "{family}.\\ud800"}}',
        headers={"Content-Type": "application/json"},
    )
    assert 400 <= lone.status_code < 500
    for good in (pair, other):
        assert (await gateway.get("/api/v1/me", headers=bearer(good))).status_code == 200
        assert (await refresh(gateway, good)).status_code == 200


async def test_any_token_of_the_session_ends_it(gateway: httpx.AsyncClient) -> None:
    first = await sign_in(gateway, **ADMIN)
    second = (await refresh(gateway, first)).json()
    assert session_of(first) == session_of(second)
    assert (await post(gateway, "/logout", refresh_token=first["refresh_token"])).status_code == 204
    for pair in (first, second):
        assert (await gateway.get("/api/v1/me", headers=bearer(pair))).status_code == 401
    assert (await refresh(gateway, second)).status_code == 401


async def test_a_reused_refresh_token_ends_the_access_tokens_too(gateway: httpx.AsyncClient) -> None:
    first = await sign_in(gateway, **ADMIN)
    second = (await refresh(gateway, first)).json()
    assert (await refresh(gateway, first)).status_code == 401
    for pair in (first, second):
        assert (await gateway.get("/api/v1/me", headers=bearer(pair))).status_code == 401


async def refused_soon(verifier: Verifier, token: str) -> float:
    """Seconds until a service refuses the token."""
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(10):
        while True:
            try:
                await verifier.verify(token)
            except Unauthenticated:
                return asyncio.get_running_loop().time() - began
            await asyncio.sleep(0.02)


def a_service(gateway: httpx.AsyncClient) -> Verifier:
    """Checks tokens as a service does that is reached directly."""
    return Verifier(f"{gateway.base_url}/.well-known/jwks.json", "http://127.0.0.1:8700", "salesbeat")


@pytest.mark.parametrize("how", ["password", "signed out", "disabled", "set password", "other role", "right lost"])
async def test_whoever_may_come_in_no_more_is_refused_within_two_seconds_everywhere(start: Start, how: str) -> None:
    gateway = await start()
    another = await start()  # a second gateway over the same database
    account = await account_of(gateway, role="owner", rights=["import"])
    pair = await sign_in(gateway, "wang.fang", "a good password")
    service = a_service(gateway)
    assert (await service.verify(pair["access_token"])).id == account["id"]
    assert (await another.get("/api/v1/me", headers=bearer(pair))).status_code == 200
    admin = {**await administrator(gateway), "If-Match": '"1"'}
    address = f"/api/v1/accounts/{account['id']}"
    changes = {
        "disabled": {"disabled": True},
        "set password": {"password": "another good one"},
        "other role": {"role": "top_manager"},
        "right lost": {"rights": []},
    }
    if how == "password":
        body = {"current_password": "a good password", "new_password": "another good one"}
        done = await gateway.post("/api/v1/accounts/password", json=body, headers=bearer(pair))
    elif how == "signed out":
        done = await post(gateway, "/logout", refresh_token=pair["refresh_token"])
    else:
        done = await gateway.patch(address, json=changes[how], headers=admin)
    assert done.status_code in (200, 204), done.text

    assert (await gateway.get("/api/v1/me", headers=bearer(pair))).status_code == 401
    assert await refused_soon(service, pair["access_token"]) < 2
    began = asyncio.get_running_loop().time()
    await until(lambda: another.get("/api/v1/me", headers=bearer(pair)), 401)
    assert asyncio.get_running_loop().time() - began < 2
    if how not in ("disabled", "signed out", "right lost", "other role"):
        again = await sign_in(gateway, "wang.fang", "another good one")
        assert (await service.verify(again["access_token"])).id == account["id"]
        assert (await gateway.get("/api/v1/me", headers=bearer(again))).status_code == 200


async def test_a_service_that_is_started_later_refuses_the_tokens_of_ended_sessions(gateway: httpx.AsyncClient) -> None:
    pair = await sign_in(gateway, **ADMIN)
    await post(gateway, "/logout", refresh_token=pair["refresh_token"])
    with pytest.raises(Unauthenticated, match="session_over"):
        await a_service(gateway).verify(pair["access_token"])


async def test_an_ended_session_is_listed_until_its_tokens_have_expired(start: Start, database: Database) -> None:
    gateway = await start(access_minutes=1)
    pair = await sign_in(gateway, **ADMIN)
    await post(gateway, "/logout", refresh_token=pair["refresh_token"])
    listed = (await gateway.get("/.well-known/ended-sessions.json")).json()
    assert list(listed["ended"]) == [listed_session(session_of(pair))]
    assert session_of(pair) not in str(listed)
    newer = {"since": listed["as_of"] + 5}
    assert (await gateway.get("/.well-known/ended-sessions.json", params=newer)).json()["ended"] == {}
    with clock.set_to(clock.now() + timedelta(minutes=2)):
        await asyncio.sleep(0.6)
        assert (await gateway.get("/.well-known/ended-sessions.json")).json()["ended"] == {}


async def test_who_signs_in_or_refreshes_while_the_password_changes_keeps_no_old_session(
    gateway: httpx.AsyncClient, database: Database
) -> None:
    pairs = [await sign_in(gateway, **ADMIN) for _ in range(3)]
    change = {"current_password": ADMIN["password"], "new_password": "a new password"}
    changed, *others = await asyncio.gather(
        gateway.post("/api/v1/accounts/password", json=change, headers=bearer(pairs[0])),
        *(post(gateway, "/token", **ADMIN) for _ in range(6)),
        *(refresh(gateway, pair) for pair in pairs),
    )
    assert changed.status_code == 204
    given = [answer.json() for answer in others if answer.status_code == 200]
    await asyncio.sleep(0.3)
    for pair in [*pairs, *given]:
        assert (await refresh(gateway, pair)).status_code == 401
        assert (await gateway.get("/api/v1/me", headers=bearer(pair))).status_code == 401
    assert await database["sessions"].count_documents({"revoked": None}) == 0
    await sign_in(gateway, "admin", "a new password")


async def test_a_changed_password_ends_every_session(gateway: httpx.AsyncClient) -> None:
    pair = await sign_in(gateway, **ADMIN)
    address, headers = "/api/v1/accounts/password", bearer(pair)
    wrong = {"current_password": "guess", "new_password": "a new password"}
    assert (await gateway.post(address, json=wrong, headers=headers)).json()["code"] == "wrong_password"
    weak = {"current_password": ADMIN["password"], "new_password": "short"}
    answered = await gateway.post(address, json=weak, headers=headers)
    assert (answered.status_code, answered.json()["errors"][0]["field"]) == (422, "new_password")
    good = {"current_password": ADMIN["password"], "new_password": "a new password"}
    assert (await gateway.post(address, json=good, headers=headers)).status_code == 204
    assert (await refresh(gateway, pair)).status_code == 401
    assert (await post(gateway, "/token", **ADMIN)).status_code == 401
    await sign_in(gateway, "admin", "a new password")


async def test_who_a_person_is_comes_from_the_sales_organisation(
    gateway: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    customers = services["customers"]
    address = f"/api/v1/people/{PERSON}/standing"
    customers.tell(address, STANDING)
    await account_of(gateway, person=PERSON, rights=["import"])
    pair = await sign_in(gateway, "wang.fang", "a good password")
    me = (await gateway.get("/api/v1/me", headers=bearer(pair))).json()
    assert me == {
        "id": me["id"],
        "name": "王芳",
        "role": "clerk",
        "person": PERSON,
        "office": "sha",
        "region": "east",
        "offices": ["sha", "hgh"],
        "rights": ["import"],
    }
    customers.tell(address, {**STANDING, "role": "office_head", "office": "hgh", "offices": []})
    pair = (await refresh(gateway, pair)).json()
    me = (await gateway.get("/api/v1/me", headers=bearer(pair))).json()
    assert (me["role"], me["offices"]) == ("office_head", ["hgh"])

    # It was asked in the gateway's own name, by a token that any service can check.
    verifier = Verifier(f"{gateway.base_url}/.well-known/jwks.json", "http://127.0.0.1:8700", "salesbeat")
    token = customers.asked_for(address)[0].headers["Authorization"].removeprefix("Bearer ")
    caller = await verifier.verify(token)
    assert (caller.id, caller.role) == ("/gateway", "service")
    said = jwt.decode(token, options={"verify_signature": False})
    assert said["exp"] - said["iat"] == 60


@pytest.mark.parametrize("role", ["service", "", None, "everything"])
async def test_a_posting_without_a_role_of_the_organisation_gives_no_token(
    gateway: httpx.AsyncClient, services: dict[str, StandIn], role: str | None
) -> None:
    services["customers"].tell(f"/api/v1/people/{PERSON}/standing", {**STANDING, "role": role})
    await account_of(gateway, person=PERSON)
    refused = await post(gateway, "/token", login="wang.fang", password="a good password")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_on_roster")


async def test_who_has_left_the_roster_gets_no_token(gateway: httpx.AsyncClient, services: dict[str, StandIn]) -> None:
    address = f"/api/v1/people/{PERSON}/standing"
    services["customers"].tell(address, STANDING)
    await account_of(gateway, person=PERSON)
    pair = await sign_in(gateway, "wang.fang", "a good password")
    services["customers"].tell(address, {"code": "not_found"}, status=404)
    for answered in (
        await refresh(gateway, pair),
        await post(gateway, "/token", login="wang.fang", password="a good password"),
    ):
        assert (answered.status_code, answered.json()["code"]) == (403, "not_on_roster")


async def test_an_outage_of_the_sales_organisation_costs_no_session(
    gateway: httpx.AsyncClient, services: dict[str, StandIn]
) -> None:
    services["customers"].tell(f"/api/v1/people/{PERSON}/standing", STANDING)
    await account_of(gateway, person=PERSON)
    pair = await sign_in(gateway, "wang.fang", "a good password")
    await services["customers"].stop()
    away = await refresh(gateway, pair)
    assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json")
    assert int(away.headers["retry-after"]) > 0
    await services["customers"].start()
    await until(lambda: refresh(gateway, pair), 200)


async def test_a_disabled_account_is_refused_with_the_tokens_it_has(gateway: httpx.AsyncClient) -> None:
    account = await account_of(gateway, role="owner")
    pair = await sign_in(gateway, "wang.fang", "a good password")
    headers = {**await administrator(gateway), "If-Match": '"1"'}
    changed = await gateway.patch(f"/api/v1/accounts/{account['id']}", json={"disabled": True}, headers=headers)
    assert changed.json()["disabled"] is True
    assert (await refresh(gateway, pair)).status_code == 401
    assert (await post(gateway, "/token", login="wang.fang", password="a good password")).status_code == 401
    refused = await until(lambda: gateway.get("/api/v1/me", headers=bearer(pair)), 401)
    assert refused.json()["code"] == "account_disabled"


async def test_the_key_set_is_public_checks_tokens_and_survives_a_restart(start: Start) -> None:
    gateway = await start()
    pair = await sign_in(gateway, **ADMIN)
    again = await start()
    [key] = (await again.get("/.well-known/jwks.json")).json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (await again.get("/api/v1/me", headers=bearer(pair))).status_code == 200
    caller = await Verifier(f"{again.base_url}/.well-known/jwks.json", "http://127.0.0.1:8700", "salesbeat").verify(
        pair["access_token"]
    )
    assert caller.role == "administrator"


async def test_a_new_key_leaves_tokens_valid_and_a_withdrawn_one_takes_them_along(gateway: httpx.AsyncClient) -> None:
    old = await sign_in(gateway, **ADMIN)
    address = "/api/v1/accounts/keys/rotation"
    assert (await gateway.post(address, json={}, headers=bearer(old))).status_code == 200
    new = await sign_in(gateway, **ADMIN)
    assert len((await gateway.get("/.well-known/jwks.json")).json()["keys"]) == 2
    service = a_service(gateway)
    for pair in (old, new):
        assert (await gateway.get("/api/v1/me", headers=bearer(pair))).status_code == 200
        assert (await service.verify(pair["access_token"])).role == "administrator"
    assert (await gateway.post(address, json={"withdraw": True}, headers=bearer(new))).status_code == 200
    for pair in (old, new):
        assert (await gateway.get("/api/v1/me", headers=bearer(pair))).status_code == 401
    with pytest.raises(Unauthenticated):
        await a_service(gateway).verify(old["access_token"])
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(refused_soon(service, pair["access_token"]) for pair in (old, new)))
    assert asyncio.get_running_loop().time() - began < 2


async def test_no_answer_and_no_document_holds_a_password(gateway: httpx.AsyncClient, database: Database) -> None:
    account = await account_of(gateway, role="owner")
    assert "password" not in account
    listed = (await gateway.get("/api/v1/accounts", headers=await administrator(gateway))).text
    assert "argon2" not in listed
    assert "a good password" not in listed
    pair = await sign_in(gateway, **ADMIN)
    kept = str([document async for document in database["sessions"].find()])
    assert pair["refresh_token"].partition(".")[2] not in kept
    kept = str([document async for document in database["accounts"].find()])
    assert "a good password" not in kept
    assert "$argon2id$" in kept
