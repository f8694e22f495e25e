"""One suite for the flows that leave it as they found it; others start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WISH
from tests.flows.company import Company, write
from tests.flows.suite import Suite


@pytest.fixture(scope="session")
def company(scratch: Path) -> Company:
    return write(scratch / "company")


@pytest.fixture(scope="session")
def suite(scratch: Path, company: Company) -> Iterator[Suite]:
    """A running suite that holds the small company."""
    suite = Suite(scratch / "suite", {"SALESBEAT_BROKER": WISH})
    with suite.running():
        suite.salesbeat("import", company.mapping, company.folder)
        yield suite
