"""Accounts are made and changed by administrators alone, and some mistakes are not possible."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from chassis.ids import new_id
from tests.gateway.conftest import Start, administrator, bearer, sign_in

OWNER = {"login": "owner", "password": "a good password", "role": "owner"}
ROUTES = [
    ("GET", ""),
    ("POST", ""),
    ("GET", "/{id}"),
    ("PATCH", "/{id}"),
    ("POST", "/keys/rotation"),
]


async def made(gateway: httpx.AsyncClient, **wanted: Any) -> httpx.Response:
    return await gateway.post("/api/v1/accounts", json={**OWNER, **wanted})


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_administrators_get_at_accounts(signed_in: httpx.AsyncClient, method: str, path: str) -> None:
    owner = (await made(signed_in)).json()
    headers = bearer(await sign_in(signed_in, "owner", "a good password"))
    address = f"/api/v1/accounts{path}".replace("{id}", owner["id"])
    body = None if method == "GET" else {"disabled": True} if method == "PATCH" else OWNER if not path else {}
    refused = await signed_in.request(method, address, json=body, headers={**headers, "If-Match": '"1"'})
    assert (refused.status_code, refused.json()["code"]) == (403, "administrators_only")
    refused = await signed_in.request(method, address, json=body, headers={"Authorization": ""})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", ["owner", "top_manager"])
async def test_the_right_to_import_opens_no_way_to_more(signed_in: httpx.AsyncClient, role: str) -> None:
    importer = (await made(signed_in, role=role, rights=["import"])).json()
    headers = bearer(await sign_in(signed_in, "owner", "a good password"))
    itself = f"/api/v1/accounts/{importer['id']}"
    for change in ({"role": "administrator"}, {"rights": ["import"]}, {"person": new_id(), "role": None}):
        refused = await signed_in.patch(itself, json=change, headers={**headers, "If-Match": '"1"'})
        assert (refused.status_code, refused.json()["code"]) == (403, "administrators_only")
    for other in ({"role": "administrator"}, {"role": None, "person": new_id()}, {"rights": ["import"]}):
        body = {"login": "another", "password": "a good password", "role": "owner", **other}
        refused = await signed_in.post("/api/v1/accounts", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "administrators_only")
    me = (await signed_in.get("/api/v1/me", headers=headers)).json()
    assert (me["role"], me["rights"]) == (role, ["import"])


async def test_an_account_is_made_read_listed_and_changed(signed_in: httpx.AsyncClient) -> None:
    answered = await made(signed_in, login=" Chief.Owner ", name="老板", rights=["import"])
    account = answered.json()
    assert answered.headers["location"] == f"/api/v1/accounts/{account['id']}"
    assert (account["login"], account["name"], account["rights"]) == ("chief.owner", "老板", ["import"])
    assert (await signed_in.get(answered.headers["location"])).json() == account
    found = (await signed_in.get("/api/v1/accounts", params={"login": "CHIEF.owner"})).json()
    assert found == {"items": [account], "next_cursor": None}

    changed = await signed_in.patch(
        f"/api/v1/accounts/{account['id']}", json={"role": "top_manager"}, headers={"If-Match": '"1"'}
    )
    assert (changed.json()["role"], changed.json()["rights"], changed.headers["etag"]) == (
        "top_manager",
        ["import"],
        '"2"',
    )


async def test_the_list_comes_in_pages(signed_in: httpx.AsyncClient) -> None:
    for n in range(4):
        await made(signed_in, login=f"owner{n}")
    seen, cursor = [], None
    for _ in range(3):
        params = {"limit": 2, "sort": "-login", **({"cursor": cursor} if cursor else {})}
        page = (await signed_in.get("/api/v1/accounts", params=params)).json()
        seen += [account["login"] for account in page["items"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == (["owner3", "owner2", "owner1", "owner0", "admin"], None)


async def test_a_change_says_what_it_was_decided_on(signed_in: httpx.AsyncClient) -> None:
    address = f"/api/v1/accounts/{(await made(signed_in)).json()['id']}"
    assert (await signed_in.patch(address, json={"name": "a"})).status_code == 428
    assert (await signed_in.patch(address, json={"name": "a"}, headers={"If-Match": '"1"'})).status_code == 200
    stale = await signed_in.patch(address, json={"name": "b"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"2"')
    unknown = await signed_in.patch(f"/api/v1/accounts/{new_id()}", json={"name": "b"}, headers={"If-Match": '"1"'})
    assert unknown.status_code == 404


@pytest.mark.parametrize("repeat", [{"id": "0192f3a0-5b7c-7def-8123-456789abcdef"}, {}])
async def test_a_repeated_creation_changes_nothing(signed_in: httpx.AsyncClient, repeat: dict[str, str]) -> None:
    signed_in.headers["Idempotency-Key"] = "made once"
    first = await made(signed_in, **repeat)
    again = await made(signed_in, **repeat)
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    other = await made(signed_in, **repeat, name="Another")
    assert other.status_code == 409


async def test_a_login_and_a_person_have_one_account(signed_in: httpx.AsyncClient) -> None:
    person = new_id()
    assert (await made(signed_in)).status_code == 201
    assert (await made(signed_in, login="OWNER")).json()["code"] == "login_taken"
    assert (await made(signed_in, login="a", role=None, person=person)).status_code == 201
    assert (await made(signed_in, login="b", role=None, person=person)).json()["code"] == "person_has_account"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "aaaaaaaaaa"}, "password"),
        ({"login": "the same word", "password": "The Same Word"}, "password"),
        ({"role": "salesperson"}, "person"),
        ({"role": None}, "person"),
        ({"person": "0192f3a0-5b7c-7def-8123-456789abcdef"}, "role"),
        ({"person": "../people/other", "role": None}, "person"),
        ({"role": "service"}, "role"),
        ({"rights": ["everything"]}, "rights.0"),
        ({"admin": True}, "admin"),
    ],
)
async def test_what_no_account_can_be(signed_in: httpx.AsyncClient, wanted: dict[str, Any], field: str) -> None:
    refused = await made(signed_in, **wanted)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_the_last_administrator_stays(signed_in: httpx.AsyncClient) -> None:
    [first] = (await signed_in.get("/api/v1/accounts")).json()["items"]
    address = "/api/v1/accounts/"
    for change in ({"disabled": True}, {"role": "owner"}):
        refused = await signed_in.patch(address + first["id"], json=change, headers={"If-Match": '"1"'})
        assert refused.status_code == 409, refused.text

    second = (await made(signed_in, role="administrator")).json()
    answers = await asyncio.gather(
        *(
            signed_in.patch(address + account["id"], json={"disabled": True}, headers={"If-Match": '"1"'})
            for account in (first, second)
        )
    )
    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert 200 not in sorted(answer.status_code for answer in answers)[1:]


async def test_a_set_password_ends_the_sessions_of_its_account(start: Start) -> None:
    gateway = await start()
    headers = await administrator(gateway)
    account = (await gateway.post("/api/v1/accounts", json=OWNER, headers=headers)).json()
    pair = await sign_in(gateway, "owner", "a good password")
    await gateway.patch(
        f"/api/v1/accounts/{account['id']}", json={"password": "another good one"}, headers={**headers, "If-Match": "1"}
    )
    refused = await gateway.post("/api/v1/accounts/refresh", json={"refresh_token": pair["refresh_token"]})
    assert refused.status_code == 401
    await sign_in(gateway, "owner", "another good one")
