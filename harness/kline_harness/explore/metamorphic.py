"""Laws that need no oracle: a changed feed must change the finals in a known way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.loader import called
from kline_harness.checks.reference import run_through
from kline_harness.columns import Instrument, same_rows, unequal_rows
from kline_harness.interfaces import Aggregator, FeedSlice
from kline_harness.interval import INTERVALS, Interval
from kline_harness.kline import FIELDS, PRICE_FIELDS, QUOTE_FIELDS, KlineBatch
from kline_harness.replay.assembly import Substitutions
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.roll_up import roll_up
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.signals import SignalOptions
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_DAY, is_among
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "metamorphic"
NOT_CHECKED = ("months, which have no length to shift by",)
# A whole number of every interval up to a week, and of three days.
SHIFT_NS = 21 * NS_PER_DAY

Make = Callable[[], Aggregator]


def metamorphic(scenario: Scenario, trade_set: TradeSet, substitutions: Substitutions) -> Verdict:
    """Hold an aggregator to every law on some trades."""
    intervals = scenario.intervals
    symbols = [instrument.symbol for instrument in trade_set.tape.instruments]

    def make() -> Aggregator:
        made = substitutions.aggregator
        if made is None:
            return scenario.make_aggregator(symbols)
        aggregator: Aggregator = called(made, intervals, symbols)
        return aggregator

    plain = _finals(make, scenario, trade_set.tape, trade_set.until_ns)
    laws: dict[str, Callable[[], bool]] = {
        "split_changes_nothing": lambda: same_rows(
            plain, _finals(make, scenario, trade_set.tape, trade_set.until_ns, rows=37)
        ),
        "shift_moves_times": lambda: _shifted(make, scenario, trade_set, plain),
        "scale_multiplies_prices": lambda: _scaled(make, scenario, trade_set, plain),
        "rename_renames": lambda: _renamed(make, scenario, trade_set, plain),
        "short_klines_add_up": lambda: all(
            _adds_up(plain, low, high)
            for low in intervals
            for high in intervals
            if low != high and low.refines(high)
        ),
    }
    findings = [Finding(CHECK, law, Severity.ERROR) for law, holds in laws.items() if not holds()]
    return Verdict.of(CHECK, {"laws": len(laws), "klines": len(plain)}, findings, NOT_CHECKED)


def _finals(
    make: Make, scenario: Scenario, tape: Tape, until_ns: int | None, rows: int = 1 << 18
) -> KlineBatch:
    feed = Feed(iter([tape]), SignalOptions(clock=scenario.clock), int, until_ns, rows)
    pieces: Sequence[FeedSlice] = list(feed)
    return run_through(make(), pieces, feed.end_ns)


def _shifted(make: Make, scenario: Scenario, trade_set: TradeSet, plain: KlineBatch) -> bool:
    times = ("event_time_ns", "arrival_ns")
    tape = trade_set.tape.with_columns({n: getattr(trade_set.tape, n) + SHIFT_NS for n in times})
    until_ns = None if trade_set.until_ns is None else trade_set.until_ns + SHIFT_NS
    moved = _finals(make, scenario, tape, until_ns)
    fixed = np.array([INTERVALS[int(code)].length_ns is not None for code in plain.interval])
    if len(moved) != len(plain):
        return not fixed.all()
    back = moved.with_columns({n: getattr(moved, n) - SHIFT_NS for n in ("open_time_ns", "at_ns")})
    return same_rows(plain.take(fixed), back.take(fixed))


def _scaled(make: Make, scenario: Scenario, trade_set: TradeSet, plain: KlineBatch) -> bool:
    tape = trade_set.tape
    scaled = tape.with_columns({"price": tape.price * 10, "quote": tape.quote * 10})
    names = (*PRICE_FIELDS, *QUOTE_FIELDS)
    larger = plain.with_columns({n: getattr(plain, n) * 10 for n in names})
    return same_rows(larger, _finals(make, scenario, scaled, trade_set.until_ns))


def _renamed(make: Make, scenario: Scenario, trade_set: TradeSet, plain: KlineBatch) -> bool:
    tape = trade_set.tape
    renamed = Tape.build(
        tuple(_rename(i) for i in tape.instruments),
        {name: getattr(tape, name) for name in tape.column_names()},
    )
    if not isinstance(make(), ExactAggregator) and scenario.aggregator != "exact":
        # An aggregator that is told its symbols does not know the new ones.
        return True
    finals = _finals(make, scenario, renamed, trade_set.until_ns)
    back = KlineBatch.build(
        tuple(_rename(i, back=True) for i in finals.instruments),
        {name: getattr(finals, name) for name in finals.column_names()},
    )
    return same_rows(plain, back)


def _rename(instrument: Instrument, *, back: bool = False) -> Instrument:
    symbol = instrument.symbol
    name = symbol.removesuffix("X") if back else f"{symbol}X"
    scales = (instrument.price_scale, instrument.quantity_scale, instrument.quote_scale)
    return Instrument(name, *scales)


def _adds_up(finals: KlineBatch, low: Interval, high: Interval) -> bool:
    """Tell whether each long kline is the sum of its short ones, where all of them are there."""
    code_low, code_high = INTERVALS.index(low), INTERVALS.index(high)
    for symbol in np.unique(finals.symbol).tolist():
        mine = finals.take(finals.symbol == symbol)
        longs = mine.take(mine.interval == code_high)
        made, whole = roll_up(mine.take(mine.interval == code_low), high)
        made = made.take(whole)
        longs = longs.take(is_among(longs.open_time_ns, made.open_time_ns))
        sums = made.take(np.searchsorted(made.open_time_ns, longs.open_time_ns))
        if unequal_rows(longs, sums, FIELDS).any():
            return False
    return True
