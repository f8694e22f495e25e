"""The table of `salesbeat status`."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from salesbeat.state import ProcessState, SuiteState
from salesbeat.status import table


@pytest.mark.parametrize("width", [80, 300])
def test_a_long_reason_takes_no_room_from_the_other_columns(width: int) -> None:
    process = ProcessState("orders-worker", 9701, 1, condition="not ready", reason="mongod [primary] is away, " * 100)
    process.restarts = 3
    suite = SuiteState(pid=1, born=1.0, url="http://127.0.0.1:9700", processes=[process])
    written = StringIO()
    Console(file=written, width=width, highlight=False).print(table(suite))
    head, row, *more = [line.rstrip() for line in written.getvalue().splitlines()]
    assert head.split() == ["process", "pid", "port", "state", "uptime", "restarts", "memory", "reason"]
    assert row.startswith("orders-worker")
    assert "9701  not ready" in row
    assert "mongod [primary]" in row
    assert row.endswith("…")
    assert not more, "a process has one line"
