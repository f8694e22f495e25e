"""`python -m gateway`: starts, says what is wrong with its settings, stops."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from chassis.mongo import Database
from salesbeat.ports import free_port, wait_for

COMMAND = [sys.executable, "-m", "gateway"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"PORT": "door"}, "SALESBEAT_PORT is 'door'"),
        ({"ORDERS_URL": "127.0.0.1:8721"}, "SALESBEAT_ORDERS_URL"),
        ({"ORDERS_URL": "http://127.0.0.1:8721/api"}, "without a path"),
        ({"TIMEZONE": "Asia/Nowhere"}, "IANA time zone"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8, proxy"}, "SALESBEAT_TRUSTED_PROXIES"),
        ({"PORT": "8700", "HEALTH_PORT": "8700"}, "SALESBEAT_HEALTH_PORT"),
        ({"CORS_ORIGINS": "*"}, "SALESBEAT_CORS_ORIGINS"),
        ({"IDENTITY": "ldap"}, "'embedded' or 'oidc'"),
        ({"IDENTITY": "oidc"}, "SALESBEAT_JWKS_URL and SALESBEAT_ISSUER"),
        ({"BOOTSTRAP_ADMIN_LOGIN": "admin"}, "set both"),
        (
            {
                "IDENTITY": "oidc",
                "JWKS_URL": "https://login.example.com/keys",
                "ISSUER": "https://login.example.com",
                "BOOTSTRAP_ADMIN_LOGIN": "admin",
                "BOOTSTRAP_ADMIN_PASSWORD": "secret horse",
            },
            "no accounts here",
        ),
    ],
)
def test_a_wrong_setting_stops_it_with_a_sentence(settings: dict[str, str], said: str) -> None:
    environment = {**os.environ, **{f"SALESBEAT_{name}": value for name, value in settings.items()}}
    ended = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "secret horse" not in ended.stderr


async def test_an_inner_door_that_cannot_be_opened_stops_it_with_a_sentence(mongo: str, database: Database) -> None:
    port = free_port()
    settings = {"PORT": str(free_port()), "HEALTH_PORT": str(port), "MONGODB_URI": mongo}
    environment = {**os.environ, **{f"SALESBEAT_{name}": value for name, value in settings.items()}}
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", port):
        ended = await asyncio.to_thread(
            subprocess.run,
            COMMAND,
            env={**environment, "SALESBEAT_MONGODB_DATABASE": database.name},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode != 0
    assert f"SALESBEAT_HEALTH_PORT: 127.0.0.1:{port} cannot be had" in ended.stdout + ended.stderr


async def test_it_serves_and_stops_when_told(mongo: str, database: Database, tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "PORT": str(port),
        "HEALTH_PORT": str(free_port()),
        "MONGODB_URI": mongo,
        "MONGODB_DATABASE": database.name,
        "BOOTSTRAP_ADMIN_LOGIN": "admin",
        "BOOTSTRAP_ADMIN_PASSWORD": "correct horse",
        "LOG_FORMAT": "json",
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            env={**os.environ, **{f"SALESBEAT_{name}": value for name, value in settings.items()}},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        assert await wait_for(port, 60)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert (await client.get("/live")).status_code == 200
            async with asyncio.timeout(60):
                while True:
                    credentials = {"login": "admin", "password": "correct horse"}
                    answered = await client.post("/api/v1/accounts/token", json=credentials)
                    if answered.status_code == 200:
                        break
                    await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode in (0, -signal.SIGTERM)
    said = log.read_text()
    assert '"event": "request"' in said
    assert "correct horse" not in said
    assert answered.json()["refresh_token"] not in said
