"""Aggregators that raise or end the program: no valid run, and no crash of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.cli import run as command
from kline_harness.errors import UsageError

from tests.replays import UM_DAY

SUBJECT = """
import sys
from kline_harness.aggregators.exact import ExactAggregator

class Advances(ExactAggregator):
    def advance(self, feed):
        {does}

class Finishes(ExactAggregator):
    def finish(self, at_ns):
        {does}
"""
DOES = ["sys.exit(0)", "raise ValueError('boom')", "raise SystemExit"]


def subject(tmp_path: Path, does: str, text: str = SUBJECT) -> str:
    path = tmp_path / "subject.py"
    path.write_text(text.format(does=does))
    return str(path)


@pytest.mark.parametrize("name", ["Advances", "Finishes"])
@pytest.mark.parametrize("does", DOES)
def test_a_replay_is_not_valid(tmp_path: Path, name: str, does: str) -> None:
    words = ["replay", str(UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"), "--intervals", "1m"]
    words += ["--audit", "off", "--no-report", "--out", str(tmp_path / "run")]
    assert command([*words, "--aggregator", f"{subject(tmp_path, does)}:{name}"]) in (1, 3)
    findings = (tmp_path / "run" / "findings.ndjson").read_text()
    assert '"check":"subject"' in findings


@pytest.mark.parametrize("does", DOES)
def test_check_aggregator_fails_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], does: str
) -> None:
    assert command(["check-aggregator", f"{subject(tmp_path, does)}:Advances", "--failed"]) == 1
    assert ("boom" if "boom" in does else "sys.exit") in capsys.readouterr().out


def test_a_file_that_ends_the_program_when_it_is_imported(tmp_path: Path) -> None:
    name = f"{subject(tmp_path, '', 'import sys; sys.exit(0)')}:Any"
    with pytest.raises(UsageError, match=r"sys\.exit\(0\)"):
        command(["check-aggregator", name])
