"""Trades known to be missing: nothing compared is unknown, and what was lost where is said."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kline_harness.interval import parse_intervals
from kline_harness.replay import Scenario
from kline_harness.replay import replay as run
from kline_harness.replay.assembly import Substitutions

from tests.mutants.kline_defects import NoGapFill
from tests.replays import UM_STREAM, Ran, replay

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
KLINES = UM_STREAM / "ALFAUSDT-1m-2024-05-15.csv"
# Each changes some klines of the recording, by a fault of trades or of the clock.
CHANGING = (
    'kind = "drop_trades"\nrate = 0.02',
    'kind = "wrong_time"\nrate = 0.05\nby = "60s"',
    'kind = "zero_quantity"\nrate = 0.05',
    'kind = "duplicate_trades"\nrate = 0.05\naltered = true',
    'kind = "disconnect"\nfrom = 2024-05-15T11:58:00Z\nuntil = 2024-05-15T12:00:00Z',
)


def struck(folder: Path, text: str, *words: str | Path) -> Ran:
    scenario = folder / "scenario.toml"
    scenario.write_text(f'intervals = ["1m"]\n{text}\n', encoding="utf-8")
    return replay(folder / "run", TRADES, "--scenario", scenario, *words, "--force")


def severities(ran: Ran, check: str) -> dict[str, str]:
    return {f["kind"]: f["severity"] for f in ran.findings() if f["check"] == check}


@pytest.mark.parametrize("fault", CHANGING)
def test_klines_that_a_fault_changed_and_nothing_compared_are_unknown(
    fault: str, tmp_path: Path
) -> None:
    ran = struck(tmp_path, f"[[faults]]\n{fault}")
    (told,) = ran.run["faults"]
    changed = told["effect"].get("klines", 0)
    if "duplicate" in fault:
        # A copy with other numbers is refused by its id; nothing tells which of the two is true.
        assert changed == 0
        assert (ran.exit_code, ran.run["verdict"]) == (3, "unknown")
        assert severities(ran, "trades")["duplicate_conflict"] == "doubt"
        return
    assert changed > 0
    # Where whole minutes are lost the ids around them make it an error.
    assert ran.exit_code in (1, 3)
    assert severities(ran, "faults")["changed_klines_not_compared"] == "doubt"


def test_a_day_without_faults_and_without_klines_is_valid(tmp_path: Path) -> None:
    assert struck(tmp_path, "").exit_code == 0


def test_trades_that_an_outage_kept_back_and_nothing_compared_are_unknown(tmp_path: Path) -> None:
    outage = "[[outages]]\nfrom = 2024-05-15T11:58:10Z\nuntil = 2024-05-15T11:58:12Z"
    ran = struck(tmp_path, outage)
    assert ran.exit_code == 3
    assert severities(ran, "trades")["kept_back"] == "doubt"
    compared = struck(tmp_path, outage, "--klines", KLINES)
    assert "kept_back" not in severities(compared, "trades")


def test_what_was_published_and_not_stored_is_said_so(tmp_path: Path) -> None:
    full = (
        '[writer]\npart_rows = 1\n[[faults]]\nkind = "disk_full"\nfrom_commit = 2\nuntil_commit = 4'
    )
    ran = struck(tmp_path, full, "--klines", KLINES)
    assert ran.exit_code == 1
    told = [f for f in ran.findings() if f["check"] == "comparison"]
    lost = [f for f in told if f["kind"] == "not_stored"]
    assert len(lost) == 2
    assert [f for f in told if f["kind"] == "missing"] == []
    rows = pq.read_table(ran.folder / "differences.parquet").to_pylist()
    published = {row["open_time"]: row["published_at"] for row in rows if row["class"] == "missing"}
    assert len(published) == 2
    # Each at the tick after its minute: the clock's grace is 100 ms and twice the latency.
    for opened, at in published.items():
        assert 60 < (at - opened).total_seconds() < 60.5


def test_what_was_not_published_is_missing(tmp_path: Path) -> None:
    scenario = Scenario(intervals=parse_intervals("1m"), expectations=False)
    mutant = Substitutions(aggregator=NoGapFill)
    outcome = run(
        scenario, [TRADES], [KLINES], tmp_path / "run",
        command="", report=False, substitutions=mutant,
    )  # fmt: skip
    assert outcome.comparison is not None
    missing = [d for d in outcome.comparison.differences if d.ours is None]
    assert len(missing) == 1
    assert not missing[0].not_stored
    assert outcome.validity.exit_code == 1
