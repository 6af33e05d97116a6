"""What each stage of a replay costs: ``scripts/bench``; in a test run, once and small."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.archives import open_trades
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.columns import Rows, concat
from kline_harness.compiled.memory import keep_freed_memory
from kline_harness.interfaces import FeedSlice, Pulls
from kline_harness.interval import DEFAULT_INTERVALS, parse_interval
from kline_harness.klagg.options import ModelOptions
from kline_harness.kline import Emission, KlineBatch, LifeBatch
from kline_harness.simulation.feed import Feed, streamed
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.signals import SignalOptions
from kline_harness.simulation.simulation import Simulation
from kline_harness.storage.parquet_writer import ParquetWriter
from kline_harness.tape import Tape
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.day import DAY_MS, MS_PER_DAY, write_day
from tests.replays import replay

TRADES = int(os.environ.get("BENCH_TRADES", "20000"))
END_NS = (DAY_MS + MS_PER_DAY) * 1_000_000


@pytest.fixture(scope="session", autouse=True)
def memory_as_the_command_has_it() -> None:
    keep_freed_memory()


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("BENCH_DIR")
    return write_day(Path(kept) if kept else tmp_path_factory.mktemp("day"), TRADES)


@pytest.fixture(scope="session")
def tapes(day: Path) -> list[Tape]:
    return list(open_trades(day).chunks())


def _feed(tapes: list[Tape], options: SignalOptions | None = None) -> Iterator[FeedSlice]:
    return iter(Feed(streamed(iter(tapes)), options or SignalOptions(), until_ns=END_NS))


@pytest.fixture(scope="session")
def emissions(tapes: list[Tape]) -> list[Emission]:
    aggregator = ExactAggregator(DEFAULT_INTERVALS)
    return [aggregator.advance(piece) for piece in _feed(tapes)]


class Replayed:
    """An aggregator that publishes again what another one did: the simulation's cost alone."""

    def __init__(self, emissions: list[Emission]) -> None:
        self._left = iter(emissions)

    def advance(self, feed: FeedSlice) -> Emission:
        return next(self._left)

    def finish(self, at_ns: int) -> Emission:
        return Emission(KlineBatch.empty(), LifeBatch.empty())

    def accounts(self) -> dict[str, Any]:
        return {}


@pytest.mark.benchmark(group="read")
def test_read(benchmark: BenchmarkFixture, day: Path) -> None:
    rows = benchmark(lambda: sum(len(tape) for tape in open_trades(day).chunks()))
    assert rows == TRADES


@pytest.mark.benchmark(group="aggregate")
def test_aggregate_twelve_intervals(benchmark: BenchmarkFixture, tapes: list[Tape]) -> None:
    def run() -> int:
        aggregator = ExactAggregator(DEFAULT_INTERVALS)
        return sum(len(aggregator.advance(piece).klines) for piece in _feed(tapes))

    assert benchmark(run) == 2404


@pytest.mark.benchmark(group="klagg over seven intervals")
@pytest.mark.parametrize("pull_period_ms", [None, 500])
@pytest.mark.parametrize("quirks", ["faithful", "fixed"])
def test_klagg(
    benchmark: BenchmarkFixture, tapes: list[Tape], quirks: str, pull_period_ms: int | None
) -> None:
    intervals = [parse_interval(text) for text in ["1m", "5m", "15m", "30m", "1h", "4h", "1d"]]
    symbols = [instrument.symbol for instrument in tapes[0].instruments]
    period_ns = None if pull_period_ms is None else pull_period_ms * 1_000_000
    feed = list(_feed(tapes, SignalOptions(pulls=Pulls(period_ns))))

    def run() -> int:
        model = ModelOptions(quirks).make(intervals, symbols)
        return sum(len(model.advance(piece).klines) for piece in feed)

    assert benchmark.pedantic(run, rounds=3) == 1903  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="simulate")
def test_simulate(
    benchmark: BenchmarkFixture, tapes: list[Tape], emissions: list[Emission], tmp_path: Path
) -> None:
    feed = list(_feed(tapes))

    def run() -> int:
        auditor, checker = CompletenessAuditor(), LifecycleChecker()
        simulation = Simulation(Replayed(emissions), feed)
        simulation.listen_to_klines(auditor, auditor.on_rows, ListenerOptions())
        simulation.listen_to_life(checker, checker.on_rows, ListenerOptions())
        records = simulation.run(lambda: END_NS)
        return records[0].consumers[0].delivered

    assert benchmark(run) == 2404


@pytest.mark.benchmark(group="store")
def test_store(
    benchmark: BenchmarkFixture, emissions: list[Emission], tmp_path_factory: pytest.TempPathFactory
) -> None:
    klines = concat([emission.klines for emission in emissions])

    def run() -> int:
        writer = ParquetWriter(tmp_path_factory.mktemp("klines"))
        writer.on_rows(0, Rows.all(klines))
        writer.on_close(1)
        return writer.counters.committed

    assert benchmark(run) == 2404


@pytest.mark.benchmark(group="whole")
@pytest.mark.parametrize("audit", ["off", "full"])
def test_whole_replay(benchmark: BenchmarkFixture, day: Path, audit: str, tmp_path: Path) -> None:
    """In this process, so without imports; full includes Great Expectations in its worker."""
    ran = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: replay(tmp_path / "run", day, "--audit", audit), rounds=3, iterations=1
    )
    assert ran.exit_code == 0
    assert ran.check("trades")["counts"]["received"] == TRADES
