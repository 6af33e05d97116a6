"""A subject that counts a trade at the very boundary in the wrong kline: the finding says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.replays import ROOT, UM_DAY, replay

TRADES = UM_DAY / "ALFAUSDT-trades-2024-05-15.zip"
KLINES = UM_DAY / "ALFAUSDT-1m-2024-05-15.zip"
SUBJECT = ROOT / "docs" / "examples" / "subjects" / "aggregator.py"
BEFORE = "ours are the same trades with a trade at the very boundary counted in the kline before it"
AFTER = (
    "ours are the same trades with a trade in the last millisecond before a boundary counted in "
    "the kline after it"
)
CLASS = f"""
import sys

sys.path.insert(0, {str(ROOT / "docs" / "examples")!r})
from own_aggregator import Klines


class Bugged(Klines):
    def __init__(self, intervals):
        super().__init__(intervals, boundary_bug=True)


class Early(Klines):
    def __init__(self, intervals):
        super().__init__(intervals)
        self._bug_ns = -1_000_000
"""


def test_an_example_subject_with_its_bug(tmp_path: Path) -> None:
    subject = f"process:{sys.executable} {SUBJECT} --bug"
    words = ("--klines", KLINES, "--intervals=1m", "--audit=off", "--aggregator", subject)
    ran = replay(tmp_path / "run", TRADES, *words)
    assert ran.exit_code == 1
    assert BEFORE in ran.run["sentence"]
    assert "first trade" not in ran.run["sentence"]


def test_without_its_bug_nothing_is_said(tmp_path: Path) -> None:
    subject = f"process:{sys.executable} {SUBJECT}"
    words = ("--klines", KLINES, "--intervals=1m", "--audit=off", "--aggregator", subject)
    ran = replay(tmp_path / "run", TRADES, *words)
    assert ran.exit_code == 0, ran.output
    assert "the same trades" not in ran.run["sentence"]


@pytest.mark.parametrize(("name", "told"), [("Bugged", BEFORE), ("Early", AFTER)])
def test_a_class_in_a_file(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "bugged.py").write_text(CLASS)
    words = ("--klines", KLINES, "--intervals=1m", "--audit=off")
    ran = replay(tmp_path / "run", TRADES, *words, "--aggregator", f"{tmp_path}/bugged.py:{name}")
    assert ran.exit_code == 1
    assert told in ran.run["sentence"], ran.run["sentence"]
