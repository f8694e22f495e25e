"""Logs that are cut, and the one line that says why a process is not well."""

from __future__ import annotations

from pathlib import Path

import pytest

from salesbeat import logfile
from salesbeat.refusals import Refused
from salesbeat.settings import LocalSettings


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["starting", "The setting X is wrong."], "The setting X is wrong."),
        (
            ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'x'", ""],
            "ModuleNotFoundError: ",
        ),
        (['{"event": "batch tried again", "level": "warning", "reason": "away"}'], "batch tried again reason=away"),
        (
            [
                '{"s":"E","c":"STORAGE","msg":"Cannot open","attr":{"error":"disk full"}}',
                '{"s":"I","c":"-","msg":"Bye"}',
            ],
            "Cannot open disk full",
        ),
    ],
)
def test_the_last_reason(tmp_path: Path, lines: list[str], reason: str) -> None:
    log = tmp_path / "one.log"
    log.write_text("ERROR of an earlier life\n")
    start = log.stat().st_size
    with log.open("a") as file:
        file.write("\n".join(lines))
    assert (logfile.last_reason(log, start) or "").startswith(reason)


def test_a_log_is_cut_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    with log.open("a") as writer:
        for number in range(6):
            writer.write(f"{number}" * 20)
            writer.flush()
            logfile.rotate(log, largest=10, kept=3)
        writer.write("end")
    assert log.read_text() == "end"
    assert {file.name: file.read_text()[0] for file in tmp_path.glob("*.log.*")} == {
        "one.log.1": "5",
        "one.log.2": "4",
        "one.log.3": "3",
    }


def test_without_settings_it_is_port_8700() -> None:
    settings = LocalSettings.load({})
    assert settings.url == "http://127.0.0.1:8700"
    assert settings.state == Path.cwd() / ".salesbeat"


@pytest.mark.parametrize("base", ["x", "0", "65500", "-1"])
def test_a_wrong_base_port_is_said(base: str) -> None:
    with pytest.raises(Refused, match="SALESBEAT_BASE_PORT"):
        LocalSettings.load({"SALESBEAT_BASE_PORT": base})


def test_a_wrong_broker_is_said() -> None:
    with pytest.raises(Refused, match="auto, apache, embedded"):
        LocalSettings.load({"SALESBEAT_BROKER": "rabbit"})
