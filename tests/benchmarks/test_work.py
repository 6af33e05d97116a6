"""The work of the benchmark's day, counted: held exactly, as no time can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.gate.counters import counters_of
from kline_harness.replay import Scenario, replay
from kline_harness.run_record import read_record

from tests.benchmarks.day import write_day

# Full audit without Great Expectations, all intervals from 1m to 1d.
DAY = {
    "rows_read": 20_000,
    "rows_fed": 20_000,
    "klines": 2_404,
    "events": 8_475,
    "simpy_events": 2_882,
    "batches": 4_246,
    "bytes_fed": 1_360_000,
    "bytes_emitted": 505_407,
    "deliveries": 13_283,
    "wake_ups": 5_686,
    "depth_peak": 25,
    "flushes": 1_440,
    "rows_written": 2_404,
    "parts": 1,
    "compared": 964,
}
# What may grow with the trades of a day: what is read and fed, and nothing behind the aggregator.
GROWING = {"bytes_read", "rows_read", "rows_fed", "bytes_fed"}


def counters(folder: Path, trades: int) -> dict[str, int]:
    day = write_day(folder, trades, symbol=f"DAY{trades}USDT")
    scenario = Scenario(expectations=False)
    outcome = replay(scenario, [day], [], folder / f"run-{trades}", command="", report=False)
    return counters_of(outcome, read_record(outcome.directory / "run.json"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    return counters(tmp_path_factory.mktemp("work"), 20_000)


def test_the_work_of_a_day(work: dict[str, int]) -> None:
    # How small a zip is depends on who packs it.
    assert work == DAY | {"bytes_read": work["bytes_read"]}


def test_work_behind_the_aggregator_does_not_grow_with_trades(
    work: dict[str, int], tmp_path: Path
) -> None:
    more = counters(tmp_path, 60_000)
    for name, count in work.items():
        if name in GROWING:
            assert more[name] > 2 * count, name
        else:
            # Not to the digit: where a minute's first trade falls moves a few events.
            assert more[name] == pytest.approx(count, rel=0.01), name
    # A day has 1,440 minutes: each wakes the writer, and then its timer does.
    assert more["simpy_events"] < 3 * 1_440
