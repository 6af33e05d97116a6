"""Running ahead in batches and one event per trade leave the same bytes behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.columns import Columns, Rows, gather
from kline_harness.explore.sampler import draw_scenario
from kline_harness.interfaces import FeedSlice
from kline_harness.interval import parse_interval
from kline_harness.replay.memory_run import run_in_memory
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.simulation import Fidelity, Simulation
from kline_harness.units import NS_PER_MINUTE

from tests.contracts.aggregator import check_aggregator
from tests.mutants.stage import MINUTES, START_NS, minutes
from tests.replays import UM_STREAM, replay
from tests.tapes import Event, events, feed_slice

INTERVALS = tuple(parse_interval(text) for text in ("1m", "5m", "1h"))
MARKET = TradeSet(minutes(), until_ns=START_NS + MINUTES * NS_PER_MINUTE)


class Recorder:
    """A consumer that remembers what it was told, and when."""

    name = "recorder"
    timer_period_ns: int | None = 1_000_000_000

    def __init__(self) -> None:
        self.log: list[tuple[str, int, int]] = []
        self.rows: list[Rows[Any]] = []

    def rows_until_flush(self) -> None:
        """Every value is handed over at its own instant."""

    def take(self, now_ns: int, rows: Rows[Any]) -> None:
        self.rows.append(rows)
        self.log.extend([("row", now_ns, 1)] * len(rows))

    def on_lag(self, now_ns: int, missed: int) -> None:
        self.log.append(("lag", now_ns, missed))

    def on_timer(self, now_ns: int) -> None:
        self.log.append(("timer", now_ns, 0))

    def on_close(self, now_ns: int) -> None:
        self.log.append(("close", now_ns, 0))


def simulate(
    feed: FeedSlice, cuts: list[int], fidelity: Fidelity, service_ns: int
) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]], list[list[list[int]]]]:
    pieces, done, rest = [], 0, feed
    for cut in sorted(cuts):
        head, rest = rest.cut(max(0, min(cut, len(feed)) - done))
        done = max(done, min(cut, len(feed)))
        pieces.append(head)
    simulation = Simulation(
        ExactAggregator(INTERVALS), [*pieces, rest], ChannelOptions(klines=4, life=4), fidelity
    )
    klines, life = Recorder(), Recorder()
    options = ListenerOptions(service_ns=service_ns)
    simulation.listen_to_klines(klines, klines.take, options)
    simulation.listen_to_life(life, life.take, options)
    last = [e.at_ns for e in feed.signals] + feed.trades.arrival_ns.tolist()
    simulation.run(lambda: max(last, default=0))
    values = [_columns(recorder) for recorder in (klines, life)]
    return klines.log, life.log, values


def _columns(recorder: Recorder) -> list[list[int]]:
    if not recorder.rows:
        return []
    table: Columns = gather(recorder.rows)
    return [getattr(table, name).tolist() for name in table.column_names()]


@settings(max_examples=60, deadline=None)
@given(
    events(),
    st.lists(st.integers(0, 40), max_size=4),
    st.sampled_from([0, 1_000_000, 30_000_000_000]),
)
def test_a_consumer_cannot_tell_the_fidelity(
    feed: list[Event], cuts: list[int], service_ns: int
) -> None:
    ordered = sorted(feed, key=lambda e: e.at_ns)
    piece = feed_slice(ordered)
    batch = simulate(piece, cuts, Fidelity.BATCH, service_ns)
    assert batch == simulate(piece, [], Fidelity.TRADE, service_ns)
    assert batch == simulate(piece, [], Fidelity.BATCH, service_ns)


def test_the_exact_aggregator_keeps_the_contract() -> None:
    check_aggregator(lambda: ExactAggregator(INTERVALS))
    check_aggregator(lambda: ExactAggregator([parse_interval("3m"), parse_interval("1M")]))


@pytest.mark.parametrize("seed", range(0, 60, 4))
def test_checks_and_ledger_are_the_same_in_the_same_order(seed: int) -> None:
    """With faults of every kind: what was refused first depends on the order of arrival alone."""
    base = Scenario(intervals=INTERVALS[:2])
    drawn = draw_scenario(seed, base, MARKET)
    batch, trade = (
        run_in_memory(replace(drawn, fidelity=fidelity), MARKET, opinion=False)
        for fidelity in (Fidelity.BATCH, Fidelity.TRADE)
    )
    assert [check.to_dict() for check in batch.checks] == [
        check.to_dict() for check in trade.checks
    ]
    assert batch.findings == trade.findings
    assert batch.equations == trade.equations


def test_rejected_trades_are_listed_in_one_order(tmp_path: Path) -> None:
    """A zero quantity arrives before the sentinels, whose kind comes first by name."""
    path = Path("fixtures/cases/crashes/ORDERUSDT-aggTrades.csv")
    batch, trade = (
        replay(tmp_path / fidelity, path, "--fidelity", fidelity).findings()
        for fidelity in ("batch", "trade")
    )
    assert batch == trade
    assert [f["kind"] for f in batch if f["check"] == "trades"][:2] == [
        "rejected_sentinel",
        "rejected_zero_quantity",
    ]


@pytest.mark.parametrize("words", [(), ("--audit", "off")])
def test_run_folders_are_the_same_bytes(words: tuple[str, ...], tmp_path: Path) -> None:
    stream = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    folders = []
    for fidelity in ("batch", "trade"):
        ran = replay(tmp_path / fidelity, stream, *words, "--fidelity", fidelity)
        assert ran.exit_code == 0
        folders.append(ran.folder)
    names = sorted(p.relative_to(folders[0]) for p in folders[0].rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(folders[1]) for p in folders[1].rglob("*") if p.is_file())
    for name in names:
        if name.name == "timings.json":
            continue
        one, two = ((folder / name).read_bytes() for folder in folders)
        if name.name == "run.json":
            two = two.replace(b'"fidelity": "trade"', b'"fidelity": "batch"')
            two = two.replace(b"--fidelity trade", b"--fidelity batch")
        assert one == two, name
