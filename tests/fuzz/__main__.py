"""`make fuzz`: a suite of its own with a small company, thousands of odd inputs, and what they were answered.

    python -m tests.fuzz [--inputs 20000] [--seed 1] [--only PART] [--url URL --login LOGIN --password PASSWORD]

Ends with status 1 if any answer was one of 5xx, or did not come. With --url it asks a suite that is running already,
which will hold a lot of nonsense afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import httpx

from tests.conftest import WISH
from tests.flows.company import write
from tests.flows.suite import Suite
from tests.fuzz.life import Json, Life
from tests.fuzz.run import Fuzz, Report

FAST = {
    "SALESBEAT_RATE_PER_SECOND": "100000",
    "SALESBEAT_RATE_BURST": "100000",
    "SALESBEAT_RATE_IMPORT_PER_SECOND": "100000",
    "SALESBEAT_RATE_IMPORT_BURST": "100000",
    "SALESBEAT_RATE_ANONYMOUS_PER_SECOND": "100000",
    "SALESBEAT_RATE_ANONYMOUS_BURST": "100000",
}
"""Settings under which no input is refused for coming too soon."""
SALESPERSON = {"login": "fuzz-seller", "password": "a password for the fuzzer"}


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz")
    asked.add_argument("--inputs", type=int, default=20_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", default="", help="a part of the paths to ask")
    asked.add_argument("--url", help="a suite that is running already")
    asked.add_argument("--login", default="admin")
    asked.add_argument("--password", default="")
    said = asked.parse_args()
    if said.url:
        report = fuzz(said.url, {"login": said.login, "password": said.password}, said.inputs, said.seed, said.only)
    else:
        with tempfile.TemporaryDirectory(prefix="salesbeat-fuzz-") as folder:
            report = with_a_suite(Path(folder), said.inputs, said.seed, said.only)
    print(report)  # noqa: T201 - this is a command
    return 1 if report.failures or report.logged else 0


def with_a_suite(folder: Path, inputs: int, seed: int, only: str = "") -> Report:
    """A suite in that folder, with a small company, asked and ended."""
    company = write(folder / "company", orders=60)
    suite = Suite(folder / "suite", {"SALESBEAT_BROKER": WISH, **FAST})
    with suite.running():
        suite.salesbeat("import", company.mapping, company.folder)
        administrator = json.loads((suite.folder / "credentials.json").read_text())
        report = fuzz(suite.url, administrator, inputs, seed, only)
        report.logged = _errors(suite.folder / "logs")
        report.dead_letters = suite.salesbeat("dead-letters", "list").strip()
        return report


def _errors(logs: Path) -> list[str]:
    """What the processes that answer have logged as an error."""
    lines = [line for log in sorted(logs.glob("*")) if "worker" not in log.name for line in _lines(log)]
    return [line for line in lines if '"level": "error"' in line]


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def fuzz(url: str, administrator: dict[str, str], inputs: int, seed: int, only: str = "") -> Report:
    """As an administrator and as a salesperson with customers of their own, who gets an account where there is none."""

    def sign_in(login: str, password: str) -> httpx.Client:
        asked = {"login": login, "password": password}
        answered = httpx.post(f"{url}/api/v1/accounts/token", json=asked, timeout=60, trust_env=False)
        assert answered.status_code == 200, answered.text
        headers = {"Authorization": f"Bearer {answered.json()['access_token']}"}
        return httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)

    with sign_in(administrator["login"], administrator["password"]) as admin:
        life = a_life(admin)
        body = {**SALESPERSON, "person": life.seller}
        made = admin.post("/api/v1/accounts", json=body, headers={"Idempotency-Key": "the fuzzer's seller"})
        assert made.status_code in (200, 201, 409), made.text
        accounts = [account["id"] for account in admin.get("/api/v1/accounts").json()["items"]]
        tokens = {
            "administrator": lambda: sign_in(administrator["login"], administrator["password"]),
            "salesperson": lambda: sign_in(SALESPERSON["login"], SALESPERSON["password"]),
        }
        kept = [life.seller, life.head, life.office, life.region, *accounts]
        return Fuzz(url, tokens, seed, kept, life).run(inputs, only=only)


def a_life(admin: httpx.Client) -> Life:
    """Of a salesperson with a manager, who holds a customer."""

    def items(kind: str, **asked: str) -> list[Json]:
        answered = admin.get(f"/api/v1/{kind}", params={"limit": "200", **asked})
        assert answered.status_code == 200, answered.text
        return answered.json()["items"]

    people = {each["id"]: each["postings"][-1] for each in items("people", role="salesperson")}
    product = next(each["id"] for each in items("products") if each["active"] and each["price"]["currency"] == "CNY")
    for customer in items("customers"):
        posting = people.get(customer["owner"])
        if posting and posting["manager"]:
            seller = customer["owner"]
            return Life(
                admin, seller, posting["manager"], posting["office"], posting["region"], customer["id"], product
            )
    raise AssertionError("nobody with a manager holds a customer here")


if __name__ == "__main__":
    sys.exit(main())
