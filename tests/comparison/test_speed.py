"""A day of three million trades with two hundred differences is explained in seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.columns import Instrument, concat
from kline_harness.comparison.compare import Comparison, ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.explain import Witnesses, explain
from kline_harness.comparison.pairs import compare
from kline_harness.comparison.retained_trades import collect
from kline_harness.comparison.retention import Refused, retention_plan
from kline_harness.comparison.stored import Stored
from kline_harness.interfaces import FeedSlice, Tick
from kline_harness.interval import DEFAULT_INTERVALS
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.ledger import TradeAccount
from kline_harness.tape import Tape, TradeKind

from tests.comparison.story import MINUTE, NS, START, SYMBOL
from tests.machine import slowness

ROWS = 3_000_000
DAY_NS = 24 * 60 * MINUTE
BLOCK = 250_000


def day(rows: int) -> Tape:
    """Return a day of trades, some of the insurance fund."""
    draw = np.random.default_rng(7)
    times = START + np.sort(draw.integers(0, DAY_NS // 1_000_000, rows)) * 1_000_000
    kind = np.zeros(rows, dtype=np.int8)
    kind[:: rows // 60] = TradeKind.INSURANCE_FUND
    return Tape.of(
        Instrument.of(SYMBOL, 2, 3),
        trade_id=np.arange(1, rows + 1),
        price=6_000_000 + np.cumsum(draw.integers(-5, 6, rows)),
        quantity=draw.integers(1, 10_000, rows),
        event_time_ns=times,
        buyer_is_maker=draw.integers(0, 2, rows).astype(np.bool_),
        kind=kind,
    )


@dataclass(frozen=True)
class Made:
    """An aggregator's klines as a table, and its account of the trades."""

    table: pa.Table
    account: TradeAccount


def made_of(tape: Tape) -> Made:
    """Aggregate a tape in order of arrival, with a tick each minute."""
    tape = tape.take(np.argsort(tape.arrival_ns, kind="stable"))
    aggregator = ExactAggregator(DEFAULT_INTERVALS)
    ticks = [Tick(START + k * MINUTE + NS, START + k * MINUTE + NS) for k in range(1, 1441)]
    at_ns = np.array([tick.at_ns for tick in ticks])
    positions = np.searchsorted(tape.arrival_ns, at_ns, side="right").tolist()
    emission = aggregator.advance(FeedSlice(tape, tuple(ticks), tuple(positions)))
    klines: KlineBatch = concat([emission.klines, aggregator.finish(at_ns[-1]).klines])
    return Made(klines.to_arrow(), aggregator.accounts()[SYMBOL])


def explained(ours: Made, theirs: pa.Table, tape: Tape) -> tuple[Comparison, float, float]:
    """Compare and explain; returns the CPU seconds of each."""
    begin = time.process_time()
    stored, other = Stored.of(ours.table), Stored.of(theirs)
    references = [
        ReferenceKlines(SYMBOL, interval, other.rows_of(SYMBOL, interval.text), FIELDS, "made")
        for interval in DEFAULT_INTERVALS
    ]
    coverage = {SYMBOL: Coverage.of([(START, START + DAY_NS)])}
    found = compare(stored, references, coverage)
    compared = time.process_time()
    plans = {SYMBOL: retention_plan(found.differences, Refused.of(ours.account), stored)}
    pieces = (tape[start : start + BLOCK] for start in range(0, len(tape), BLOCK))
    evidence = collect(plans, pieces)
    told = explain(found, Witnesses(evidence, coverage, references))
    return told, compared - begin, time.process_time() - compared


@pytest.mark.slow
def test_two_hundred_differences_in_a_day() -> None:
    tape = day(ROWS)
    counted = made_of(tape.with_columns({"kind": np.zeros(ROWS, dtype=np.int8)}))
    late = np.flatnonzero(tape.event_time_ns % MINUTE > MINUTE - 2 * NS)[:: 100_000 // 40][:40]
    arrival = tape.arrival_ns.copy()
    arrival[late] += 5 * NS
    delayed = tape.with_columns({"arrival_ns": arrival})
    ours = made_of(delayed)
    found, compared_s, explained_s = explained(ours, counted.table, delayed)
    causes = {d.proof.cause if d.proof else None for d in found.differences}
    print(f"{len(found.differences)} differences, {compared_s:.2f} s + {explained_s:.2f} s")
    assert len(found.differences) >= 200
    assert causes <= {"fund_trade", "late_trade", "fund_trade+late_trade"}
    assert explained_s < 2 * slowness()
