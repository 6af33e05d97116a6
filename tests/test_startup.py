"""What a command imports before it is needed: Python's own list, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DAY = ROOT / "fixtures" / "um-day" / "ALFAUSDT-aggTrades-2024-05-15.zip"
# Nothing of these is needed to read arguments.
HEAVY = {
    *("numpy", "pyarrow", "pandas", "simpy", "matplotlib", "great_expectations", "jinja2", "rich"),
    *(
        "isal",
        "dataclasses",
        "inspect",
        "kline_harness.replay",
        "kline_harness.archives",
        "kline_harness.report",
    ),
}
# What a replay without audit and report does without: other rooms' libraries, what Arrow imports
# to compute, the model of klagg, other exchanges' files.
UNUSED = {
    *("pandas", "matplotlib", "great_expectations", "jinja2", "scipy", "pyarrow.compute"),
    *("rich.progress", "kline_harness.report.page", "kline_harness.explore", "kline_harness.gate"),
    *("kline_harness.klagg.aggregator", "kline_harness.expectations.suite"),
}


def imported(*words: str) -> list[str]:
    """Return the modules that the command imports, in order."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kline_harness.cli", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return [line.rpartition("|")[2].strip() for line in lines[1:]]


@pytest.mark.parametrize("words", [("--help",), ("replay", "--help"), ("gate", "--help")])
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    found = imported(*words)
    assert HEAVY & set(found) == set()
    assert "argparse" in found
    # Python itself starts with some forty.
    assert len(found) < 110


def test_a_replay_imports_what_it_uses(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "run"))
    found = imported("replay", str(DAY), *out, "--audit", "off", "--no-report")
    assert UNUSED & set(found) == set()
    assert {"simpy", "pyarrow.parquet", "kline_harness.compiled.rows"} <= set(found)


def test_a_full_audit_leaves_the_suite_to_its_worker(tmp_path: Path) -> None:
    found = imported("replay", str(DAY), "--out", str(tmp_path / "run"), "--no-report")
    assert {"great_expectations", "pandas", "scipy"} & set(found) == set()
    # The worker is started first: what it imports takes longest.
    assert found.index("kline_harness.expectations.worker") < found.index("numpy")


def test_an_inspection_explains_no_klines() -> None:
    found = set(imported("inspect", str(DAY)))
    assert {"kline_harness.inspection.traded_klines", "numpy"} <= found
    assert UNUSED & found == set()
    proofs = {"kline_harness.comparison.explain", "kline_harness.comparison.causes.registry"}
    assert (proofs | {"simpy", "kline_harness.replay"}) & found == set()
