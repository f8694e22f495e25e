"""kill -9 of workers and apis while an import runs: the same totals, nothing lost, nothing doubled."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.flows.company import write
from tests.flows.suite import Suite
from tests.flows.test_import_flow import eventually_right

pytestmark = pytest.mark.flow

VICTIMS = ("orders-worker", "reporting-worker", "reporting-api", "customers-worker", "orders-api")
ROUNDS = 2
BETWEEN = 1.5
"""Seconds from one death to the next: all of a round fit into the import even where nothing else is slow."""


def test_an_import_survives_the_death_of_every_process_that_it_goes_through(folder: Path) -> None:
    company = write(folder / "company", orders=400, seed=11)
    suite = Suite(folder / "suite")
    with suite.running():
        importing = suite.begin("import", company.mapping, company.folder)
        killed = 0
        for victim in VICTIMS * ROUNDS:
            try:
                importing.wait(timeout=BETWEEN)
                break
            except subprocess.TimeoutExpired:
                suite.kill(victim)
                killed += 1
        said = importing.communicate()[0]
        if importing.returncode:  # what was refused while a process was away is told, and comes with the next run
            suite.salesbeat("import", company.mapping, company.folder)
        assert killed >= len(VICTIMS), said
        eventually_right(suite, company)
        status = suite.salesbeat("status")
        assert "restart" in status.lower(), "a crashed process is reported"


def test_kills_while_the_numbers_are_added_up_leave_the_same_numbers(folder: Path) -> None:
    company = write(folder / "company", orders=200, seed=12)
    suite = Suite(folder / "suite")
    with suite.running():
        suite.salesbeat("import", company.mapping, company.folder)
        with suite.as_administrator() as admin:
            admin.timeout = 120
            for victim in ("reporting-worker", "orders-worker", "reporting-worker"):
                assert admin.post("/api/v1/resync/orders").status_code == 200
                time.sleep(0.3)
                suite.kill(victim)
        eventually_right(suite, company)
