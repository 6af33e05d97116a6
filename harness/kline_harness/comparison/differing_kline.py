"""One differing kline with its trades, and what it becomes when causes are undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import Instrument
from kline_harness.comparison.agreed import Agreed
from kline_harness.comparison.compare import Difference
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.exchange_rows import Absence, OtherRow, RowPlace
from kline_harness.comparison.recompute import (
    Part,
    Values,
    flat_values,
    merged,
    part_of,
    values_of,
)
from kline_harness.comparison.retained_trades import RetainedTrades
from kline_harness.comparison.retention import BORDER_NS, among
from kline_harness.kline import FIELDS
from kline_harness.tape import Tape, TradeKind
from kline_harness.trade_ids import Gap, Gaps
from kline_harness.units import BoolArray, Int64Array, decimal_text, format_exact

TRADES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class KlineContext:
    """What is known beside the trades: all of it may be empty.

    `previous_close` is the close of the exchange's kline before; `alternatives` are other files'
    klines of the same time; `undone` is, by fault name, what was kept of the symbol's
    trades as they were before a fault was injected. `row` is where the exchange's row stands,
    `absence` what its other files say where it has none; `busiest` the most trades and the most
    volume of any other kline of its file, `prices` the lowest and highest price of those;
    `states_quiet` tells whether that has rows of klines without trades, `omits_quiet` whether
    its source documents that it has none; `agreed` is what shorter intervals have settled.
    """

    coverage: Coverage = field(default_factory=lambda: Coverage(()))
    previous_close: Decimal | int | None = None
    alternatives: tuple[OtherRow, ...] = ()
    undone: tuple[tuple[str, RetainedTrades], ...] = ()
    row: RowPlace = field(default_factory=RowPlace)
    absence: Absence = field(default_factory=Absence)
    busiest: Mapping[str, Decimal] = field(default_factory=dict)
    states_quiet: bool = False
    agreed: Agreed = field(default_factory=Agreed)
    omits_quiet: bool = False
    prices: tuple[Decimal, Decimal] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DifferingKline:
    """A differing kline, the trades around it, and which of them its aggregator applied.

    `rows` are single trades from a little before its open time to a little after its close, by
    time; `ordinary` is the sum of all other applied trades inside.
    """

    kline: Difference
    instrument: Instrument
    rows: Tape
    applied: BoolArray
    ordinary: Part | None
    late_ids: Int64Array
    gaps: tuple[Gap, ...]
    evidence: RetainedTrades
    context: KlineContext

    @property
    def inside(self) -> BoolArray:
        """Mark the rows that lie in the kline."""
        return within(self.rows, self.kline)

    def start(self) -> Hypothesis:
        """Return what the aggregator applied, nothing undone."""
        return Hypothesis(self.rows, self.applied, self.ordinary)


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """The trades that make a case's kline once some causes are undone.

    `included` says which of `rows` count, `ordinary` is the sum of those not kept one by one.
    `rounding` is the rule for quote quantities. `settled` is set where a cause is only consistent
    with the difference, with what that rests on; `doubt` says what is lacking to believe it.
    """

    rows: Tape
    included: BoolArray
    ordinary: Part | None
    rounding: str | None = None
    settled: Mapping[str, Any] | None = None
    doubt: str | None = None
    undone: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def after(self, cause: str, evidence: Mapping[str, Any], **changes: Any) -> Hypothesis:
        """Return the state with one more cause undone."""
        return replace(self, undone=(*self.undone, (cause, evidence)), **changes)

    def part(self, case: DifferingKline) -> Part | None:
        """Add up the trades that count and lie in the kline."""
        inside = self.included & within(self.rows, case.kline)
        own = part_of(self.rows.take(inside)) if inside.any() else None
        return merged([self.ordinary, own])

    def values(self, case: DifferingKline) -> Values | None:
        """Return the kline's nine fields; None without a trade in it or before it."""
        part = self.part(case)
        if part is not None:
            return values_of(part, case.instrument, self.rounding)
        price = self.carried(case)
        return None if price is None else flat_values(price)

    def carried(self, case: DifferingKline) -> Decimal | None:
        """Return the price before the kline: of the highest id in the last cell with trades."""
        times = self.rows.event_time_ns
        rows = np.flatnonzero(self.included & (times < case.kline.open_time_ns))
        if len(rows) == 0:
            return None
        opens = case.evidence.plan.cell.open_times_ns(times[rows])
        last = rows[opens == opens.max()]
        row = last[int(np.argmax(self.rows.trade_id[last]))]
        price = int(self.rows.price[row])
        return Decimal(format_exact(price, case.instrument.price_scale))

    def equals_theirs(self, case: DifferingKline) -> bool:
        """Tell whether the kline equals the exchange's in every compared field."""
        return equal(self.values(case), case.kline.theirs, case.kline.compared)

    def is_ours(self, case: DifferingKline) -> bool:
        """Tell whether the kline is the one that the aggregator published, in what it states.

        One that was not published is that of no trades, before any price was known or at an
        edge: else a flat kline was due, and that it is missing has nothing to do with trades.
        """
        if case.kline.ours is None:
            unknown = not case.kline.whole or self.carried(case) is None
            return unknown and self.part(case) is None
        return equal(self.values(case), case.kline.ours, tuple(case.kline.ours))


def equal(
    left: Mapping[str, Decimal | int] | None,
    right: Mapping[str, Decimal | int] | None,
    fields: Sequence[str],
) -> bool:
    """Tell whether two klines are equal as numbers in some fields; no kline equals nothing."""
    if left is None or right is None:
        return False
    return all(left[name] == right[name] for name in fields)


def within(rows: Tape, kline: Difference) -> BoolArray:
    """Mark the trades that lie in a kline by their trade time."""
    times = rows.event_time_ns
    inside: BoolArray = (times >= kline.open_time_ns) & (times < kline.close_time_ns)
    return inside


def make_case(
    kline: Difference, evidence: RetainedTrades, gaps: Gaps, context: KlineContext
) -> DifferingKline:
    """Gather what belongs to one differing kline."""
    refused = evidence.plan.refused
    rows, in_cell = _around(kline, evidence)
    late = refused.late.get(kline.interval.text, np.empty(0, dtype=np.int64))
    applied = ~among(rows.trade_id, late)
    applied &= ~among(rows.trade_id, refused.other)
    keep = ~(in_cell & within(rows, kline))
    touching = gaps.touching(kline.open_time_ns, kline.close_time_ns)
    return DifferingKline(
        kline,
        evidence.instrument,
        rows.take(keep),
        applied[keep],
        evidence.ordinary(kline.open_time_ns, kline.close_time_ns),
        late,
        tuple(touching),
        evidence,
        context,
    )


def _around(kline: Difference, evidence: RetainedTrades) -> tuple[Tape, NDArray[np.bool_]]:
    """Return the kept rows near a kline, from the last price before it on."""
    times = evidence.rows.event_time_ns
    first = int(np.searchsorted(times, kline.open_time_ns))
    place = int(np.searchsorted(evidence.applied_everywhere, first))
    if place:
        # Everything since the last cell of which every interval applied a trade may have set the
        # price before.
        last_ns = int(times[evidence.applied_everywhere[place - 1]])
        first = int(np.searchsorted(times, evidence.plan.cell.open_time_ns(last_ns)))
    first = min(first, int(np.searchsorted(times, kline.open_time_ns - BORDER_NS)))
    stop = int(np.searchsorted(times, kline.close_time_ns + BORDER_NS))
    return evidence.rows[first:stop], evidence.in_cell[first:stop]


def mattering(rows: Tape, which: BoolArray, kline: Difference) -> NDArray[np.intp]:
    """Return those of some trades that lie in a kline; else the last before, for its price."""
    inside = np.flatnonzero(which & within(rows, kline))
    if len(inside):
        return inside
    before = np.flatnonzero(which & (rows.event_time_ns < kline.open_time_ns))
    return before[-1:]


def trade_evidence(rows: Tape, which: NDArray[Any]) -> dict[str, Any]:
    """Return some trades as data: how many, and the first of them in text."""
    chosen = np.flatnonzero(which) if which.dtype == np.bool_ else which
    instrument = rows.instruments[0]
    listed = [
        {
            "id": int(rows.trade_id[row]),
            "time_ns": int(rows.event_time_ns[row]),
            "price": format_exact(int(rows.price[row]), instrument.price_scale),
            "quantity": format_exact(int(rows.quantity[row]), instrument.quantity_scale),
            "kind": TradeKind(int(rows.kind[row])).name,
        }
        for row in chosen[:TRADES_SHOWN].tolist()
    ]
    return {"trades": len(chosen), "first_trades": listed}


def texts(values: Mapping[str, Decimal | int] | None) -> dict[str, str] | None:
    """Return a kline's fields as plain decimal text."""
    if values is None:
        return None
    return {name: decimal_text(values[name]) for name in FIELDS if name in values}
