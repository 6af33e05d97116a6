"""Faults of trades: each turns rows of the tape into other rows, one trade at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from kline_harness.faults.draw import Draw
from kline_harness.faults.fault import Fault
from kline_harness.faults.record import FaultRecord
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_DAY, NS_PER_MILLISECOND, NS_PER_SECOND, BoolArray, Int64Array


@dataclass(frozen=True, slots=True)
class OrderedTrades:
    """Trades on their way: `order` ranks rows of one arrival, equal for a row and its copy."""

    tape: Tape
    order: Int64Array

    def take(self, rows: Any) -> OrderedTrades:
        """Return the rows of an index array or a mask."""
        return OrderedTrades(self.tape.take(rows), self.order[rows])

    def changed(self, columns: dict[str, Any]) -> OrderedTrades:
        """Return the same rows with some columns replaced."""
        return OrderedTrades(self.tape.with_columns(columns), self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFault(Fault):
    """A fault of single trades, and which trades it strikes.

    It strikes trades of `symbol` (all symbols without one) whose trade time lies in
    [from_ns, until_ns), each with probability `rate`; or exactly those of `ids`, if there are
    any. `number` replaces its place in the scenario's list in what is drawn, so that a fault
    strikes the same trades when others are taken away.
    """

    # The time that the window is of.
    TIME: ClassVar[str] = "event_time_ns"

    symbol: str | None = None
    from_ns: int | None = None
    until_ns: int | None = None
    rate: float = field(default=0.001, metadata={"most": 1})
    ids: tuple[int, ...] = ()
    number: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError("expected a rate from 0 to 1")

    def struck(self, tape: Tape, draw: Draw) -> BoolArray:
        """Tell which rows it strikes."""
        rows = self._in_time(tape)
        for code, instrument in enumerate(tape.instruments):
            mine = tape.symbol == code
            if self.symbol not in (None, instrument.symbol):
                rows &= ~mine
            elif self.ids:
                rows &= ~mine | np.isin(tape.trade_id, self.ids)
            elif self.rate < 1:
                rows[mine] &= draw.chosen(instrument.symbol, tape.trade_id[mine], self.rate)
        return rows

    def strike(self, ordered: OrderedTrades, rows: BoolArray, draw: Draw) -> OrderedTrades:
        """Return what becomes of the trades."""
        raise NotImplementedError

    def apply(self, ordered: OrderedTrades, draw: Draw, record: FaultRecord) -> OrderedTrades:
        """Strike, and record what was struck."""
        rows = self.struck(ordered.tape, draw)
        if not rows.any():
            return ordered
        record.add_trades(ordered.tape, rows)
        return self.strike(ordered, rows, draw)

    def only(self, symbol: str, ids: tuple[int, ...]) -> Self:
        """Return the same fault on given trades of one symbol."""
        return replace(self, symbol=symbol, ids=ids)

    def _in_time(self, tape: Tape) -> BoolArray:
        rows = np.ones(len(tape), dtype=np.bool_)
        if self.from_ns is not None:
            rows &= getattr(tape, self.TIME) >= self.from_ns
        if self.until_ns is not None:
            rows &= getattr(tape, self.TIME) < self.until_ns
        return rows

    def _amounts(self, tape: Tape, rows: BoolArray, draw: Draw, limit: int) -> Int64Array:
        """Return a drawn whole number below `limit` for each struck row, 0 for the others."""
        amounts = np.zeros(len(tape), dtype=np.int64)
        for code, instrument in enumerate(tape.instruments):
            mine = rows & (tape.symbol == code)
            amounts[mine] = draw.below(instrument.symbol, tape.trade_id[mine], limit)
        return amounts


@dataclass(frozen=True, slots=True, kw_only=True)
class _LeftOut(TradeFault):
    """A fault whose trades never arrive."""

    TOLD_BY: ClassVar[tuple[str, ...]] = ("feed.trade_id_gap", "feed.trades_missing_at_edge")

    def strike(self, ordered: OrderedTrades, rows: BoolArray, draw: Draw) -> OrderedTrades:
        """Leave the rows out."""
        return ordered.take(~rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTrades(_LeftOut):
    """Trades that never arrive."""

    KIND: ClassVar[str] = "drop_trades"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateTrades(TradeFault):
    """Trades that arrive twice, the second time `after_ns` later.

    With `altered` the copy has twice the quantity: two sources that differ on one id.
    """

    KIND: ClassVar[str] = "duplicate_trades"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("feed.trade_repeated",)

    after_ns: int = 0
    altered: bool = False

    def strike(self, ordered: OrderedTrades, rows: BoolArray, draw: Draw) -> OrderedTrades:
        """Add a copy of each row directly behind it."""
        where = np.flatnonzero(rows)
        every = np.concatenate([np.arange(len(rows)), where])
        is_copy = np.arange(len(every)) >= len(rows)
        place = np.argsort(every, kind="stable")
        copied, is_copy = ordered.take(every[place]), is_copy[place]
        tape = copied.tape
        columns: dict[str, Any] = {
            "arrival_ns": tape.arrival_ns + np.where(is_copy, self.after_ns, 0)
        }
        if self.altered:
            for name in ("quantity", "quote"):
                columns[name] = getattr(tape, name) * np.where(is_copy, 2, 1)
        return copied.changed(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReorderTrades(TradeFault):
    """Trades that later ones overtake: each arrives up to `within_ns` later, as drawn."""

    KIND: ClassVar[str] = "reorder_trades"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("feed.trade_out_of_order", "feed.trade_delayed")

    within_ns: int = 2 * NS_PER_SECOND

    def strike(self, ordered: OrderedTrades, rows: BoolArray, draw: Draw) -> OrderedTrades:
        """Let the rows arrive later."""
        amounts = self._amounts(ordered.tape, rows, draw, max(1, self.within_ns))
        later = np.where(rows, amounts + 1, 0)
        return ordered.changed({"arrival_ns": ordered.tape.arrival_ns + later})


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayTrades(TradeFault):
    """Trades that arrive `by_ns` later, and up to `jitter_ns` more, as drawn."""

    KIND: ClassVar[str] = "delay_trades"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("feed.trade_delayed", "feed.trade_out_of_order")

    by_ns: int = 500 * NS_PER_MILLISECOND
    jitter_ns: int = 0

    def strike(self, ordered: OrderedTrades, rows: BoolArray, draw: Draw) -> OrderedTrades:
        """Let the rows arrive later."""
        amounts = self._amounts(ordered.tape, rows, draw, self.jitter_ns + 1)
        later = np.where(rows, amounts + self.by_ns, 0)
        return ordered.changed({"arrival_ns": ordered.tape.arrival_ns + later})


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongTime(TradeFault):
    """Trades whose trade time is `by_ns` too late, or too early with `backwards`."""

    KIND: ClassVar[str] = "wrong_time"
    TOLD_BY: ClassVar[tuple[str, ...]] = (
        *("feed.trade_delayed", "feed.time_after_arrival", "feed.trade_time_backwards"),
    )

    by_ns: int = field(default=NS_PER_SECOND, metadata={"most": 31 * NS_PER_DAY})
    backwards: bool = False

    def strike(self, ordered: OrderedTrades, rows: BoolArray, draw: Draw) -> OrderedTrades:
        """Shift the trade times."""
        by_ns = -self.by_ns if self.backwards else self.by_ns
        shifted = ordered.tape.event_time_ns + np.where(rows, by_ns, 0)
        return ordered.changed({"event_time_ns": shifted})


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelRows(TradeFault):
    """Trades replaced by what the exchange puts for an invalid one: zeros, raw ids -1."""

    KIND: ClassVar[str] = "sentinel_rows"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("feed.not_market",)

    def strike(self, ordered: OrderedTrades, rows: BoolArray, draw: Draw) -> OrderedTrades:
        """Overwrite the rows."""
        return ordered.changed(
            {
                **{n: _set(ordered.tape, n, rows, 0) for n in ("price", "quantity", "quote")},
                **{n: _set(ordered.tape, n, rows, -1) for n in ("first_id", "last_id")},
                "kind": _set(ordered.tape, "kind", rows, TradeKind.SENTINEL),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroQuantity(TradeFault):
    """Trades whose quantity became zero."""

    KIND: ClassVar[str] = "zero_quantity"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("feed.not_market",)

    def strike(self, ordered: OrderedTrades, rows: BoolArray, draw: Draw) -> OrderedTrades:
        """Overwrite the amounts."""
        return ordered.changed(
            {
                **{name: _set(ordered.tape, name, rows, 0) for name in ("quantity", "quote")},
                "kind": _set(ordered.tape, "kind", rows, TradeKind.ZERO_QUANTITY),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect(_LeftOut):
    """A connection that is down: no trade that would arrive in [from_ns, until_ns) ever does."""

    KIND: ClassVar[str] = "disconnect"
    TIME: ClassVar[str] = "arrival_ns"

    rate: float = field(default=1.0, metadata={"most": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownMidBurst(_LeftOut):
    """An aggregator that is shut down at `at_ns`: what would arrive or tick later never does.

    What is published until then is drained, and the open klines with it.
    """

    KIND: ClassVar[str] = "shutdown"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("feed.trades_missing_at_edge",)

    rate: float = field(default=1.0, metadata={"most": 1})
    at_ns: int

    def _in_time(self, tape: Tape) -> BoolArray:
        rows: BoolArray = tape.arrival_ns >= self.at_ns
        return rows


def _set(tape: Tape, name: str, rows: BoolArray, value: int) -> Any:
    column = getattr(tape, name).copy()
    column[rows] = value
    return column
