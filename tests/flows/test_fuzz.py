"""A short run of the fuzzer over the whole API; `make fuzz` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.__main__ import with_a_suite

pytestmark = pytest.mark.flow

INPUTS = 800


def test_no_input_brings_about_an_error_of_the_server(scratch: Path) -> None:
    """A suite of its own, because it holds a lot of nonsense afterwards."""
    folder = scratch / "fuzz"
    folder.mkdir()
    report = with_a_suite(folder, INPUTS, seed=11)
    assert report.failures == [], str(report)
    assert report.logged == [], str(report)
    assert "no dead letters" in report.dead_letters, str(report)
    assert report.inputs > INPUTS * 0.9
    # They come as far as the rules and the database, not only to the schema.
    assert len(report.reached) > len(report.operations) * 0.5, str(report)
