"""How much memory a gate takes: klines of a baseline are not held, of problems the first are."""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kline_harness.gate import GateStatus, Problem
from kline_harness.gate.results import ProblemKind, Problems

from tests.cases.made import SECOND, write_trades
from tests.cases.test_memory import MAY_NS, peaks_mb, sparse

DAYS = 2
LIMIT_MB = 290
SUITE = """[[case]]
name = "seconds"
trades = "GNUUSDT-trades.csv"
intervals = "1s"
audit = "off"
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's peaks")
def test_a_baseline_of_days_of_seconds_is_not_held(tmp_path: Path) -> None:
    trades = [one for one in sparse() if one.time_ns < MAY_NS + DAYS * 86_400 * SECOND]
    write_trades(tmp_path / "GNUUSDT-trades.csv", trades)
    (tmp_path / "suite.toml").write_text(SUITE, encoding="utf-8")
    words: list[str | Path] = [sys.executable, "-m", "kline_harness", "gate", "--update"]
    code, peaks, output = peaks_mb([*words, tmp_path / "suite.toml", "--work", tmp_path / "work"])
    assert code == 0, output
    # 412 MB where all lines were held as text, and xz looked back on 64 MB of them.
    assert max(peaks.values()) < LIMIT_MB, peaks
    packed = tmp_path / "suite.baseline" / "seconds.klines.csv.xz"
    with lzma.open(packed, "rt", encoding="utf-8") as file:
        opens = [line.split(",", 3)[2] for line in file][1:]
    assert opens == sorted(set(opens))
    assert (opens[0], opens[-1]) == ("2024-05-01T00:00:00Z", "2024-05-02T23:37:02Z")


def test_of_many_problems_the_first_are_kept() -> None:
    def found() -> Iterator[Problem]:
        for number in range(1_000):
            kind = ProblemKind.NO_BASELINE if number < 999 else ProblemKind.KLINE
            yield Problem(kind, f"kline {number}")

    many = Problems(found())
    assert [problem.message for problem in many.listed] == [
        f"kline {number}" for number in range(200)
    ]
    assert (many.total, many.more) == (1_000, 800)
    assert many.status is GateStatus.RED  # the last one's, which is not listed
    assert many.sentence == "kline 0 (and 999 more)"
    both = Problems([Problem(ProblemKind.BROKEN, "no file")]) + many
    assert (both.total, both.more, len(both.listed)) == (1_001, 801, 200)
    assert both.status is GateStatus.BROKEN
    assert both.sentence == "no file (and 1,000 more)"
