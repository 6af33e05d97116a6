"""One symbol's trades of one file, looked at tape by tape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.archives.trades import coin_margined
from kline_harness.checks.files import SAME_SIDE_MIN, edge_limit_ns
from kline_harness.columns import Instrument
from kline_harness.id_rule import IdRule
from kline_harness.inspection.tally import EXAMPLES_MAX, Tally
from kline_harness.ranges import Ranges, RangeSet, size
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import (
    BoolArray,
    ExactArray,
    format_exact,
    multiply,
    rescale,
)

# A longer run of ids is too much for one insurance fund or ADL trade.
_LONE_IDS_MAX = 1


class TradeAudit:
    """Looks at the trades of one symbol in the order of their file; memory for id gaps only.

    `layout` and `market` as in `FileInfo`; `coverage` the [start, end) that the name claims;
    `first_line` is the line of the first row, None where rows are not lines. Without `ids_stated`
    the reader numbered the trades itself, and nothing is said of ids; `id_rule` says
    which ids its source leaves out; without `sides_stated` nothing is said of sides.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        layout: str,
        market: str | None,
        coverage: tuple[int, int] | None,
        first_line: int | None,
        ids_stated: bool = True,
        id_rule: IdRule = IdRule.EVERY_ID,
        sides_stated: bool = True,
        contract_size: Decimal | None = None,
    ) -> None:
        self._tally = tally
        self._layout = layout
        self._market = market
        self._coverage = coverage
        self._first_line = first_line
        self._ids_stated = ids_stated
        self._id_rule = id_rule
        self._is_aggregated = layout == "aggTrades"
        self._sides_stated = sides_stated
        self._contract_size = contract_size
        self.ids = RangeSet()
        self._raw_ids = RangeSet()
        self._last: Tape | None = None
        self._span_ns: tuple[int, int] | None = None
        self._silence_ns = 0
        self._market_trades = 0
        self._makers = 0
        self.rows = 0

    @property
    def in_order(self) -> bool:
        """Whether ids rose from row to row."""
        return not any(map(self._tally.count, ("ids_backwards", "duplicate_ids")))

    @property
    def raw_ids(self) -> Ranges:
        """The ids of the raw trades in aggregates; none of other files."""
        return self._raw_ids.ranges

    def add(self, tape: Tape, instrument: Instrument) -> None:
        """Look at the next rows."""
        if self._ids_stated:
            self._ids(tape)
        self._order(tape)
        self._times(tape)
        self._amounts(tape, instrument)
        if self._layout == "stream" and not self._is_aggregated:
            self._is_aggregated = bool(np.any(tape.first_id != tape.trade_id))
        if self._is_aggregated:
            self._aggregates(tape)
        self.rows += len(tape)
        self._last = tape[len(tape) - 1 :]

    def finish(self) -> None:
        """Judge what only the whole file shows."""
        if self._ids_stated and self._id_rule is not IdRule.UNKNOWN:
            self._missing()
        if self._coverage is not None and self._span_ns is not None:
            self._edges(*self._coverage, *self._span_ns)
        trades, makers = self._market_trades, self._makers
        if self._sides_stated and trades >= SAME_SIDE_MIN and makers in (0, trades):
            example = {"trades": trades, "buyer_is_maker": makers}
            self._tally.add("maker_never_changes", 1, example)

    def _ids(self, tape: Tape) -> None:
        self._doubled("duplicate_ids", self.ids.add(tape.trade_id, tape.trade_id + 1))

    def _doubled(self, kind: str, ranges: Ranges) -> None:
        self._tally.add(kind, size(ranges), *_shown(ranges, self._tally.room(kind)))

    def _order(self, tape: Tape) -> None:
        before = [self._last] if self._last is not None else []
        ids = np.concatenate([*(last.trade_id for last in before), tape.trade_id])
        times = np.concatenate([*(last.event_time_ns for last in before), tape.event_time_ns])
        back = ids[1:] < ids[:-1]
        steps = np.diff(times)
        recorded = self._layout == "stream"
        kind = "received_out_of_order" if recorded else "ids_backwards"
        start = 1 - len(before)

        def example(row: int) -> dict[str, Any]:
            return {
                **self._place(row + start, tape),
                "before": {"trade_id": int(ids[row]), "time_ns": int(times[row])},
            }

        self._note(kind, back, example)
        self._note("time_backwards", (steps < 0) & ~back & (not recorded), example)
        if len(steps):
            self._silence_ns = max(self._silence_ns, int(steps.max()))

    def _times(self, tape: Tape) -> None:
        times = tape.event_time_ns
        low, high = int(times.min()), int(times.max())
        if self._span_ns is None:
            self._span_ns = low, high
        self._span_ns = min(low, self._span_ns[0]), max(high, self._span_ns[1])
        if self._coverage is not None:
            start, end = self._coverage
            if low < start or high >= end:
                self._rows("time_outside_name", (times < start) | (times >= end), tape)

    def _amounts(self, tape: Tape, instrument: Instrument) -> None:
        odd = tape.kind != TradeKind.MARKET
        self._market_trades += int(np.count_nonzero(~odd))
        self._makers += int(np.count_nonzero(tape.buyer_is_maker & ~odd))
        if odd.any():
            self._rows("sentinel_rows", tape.kind == TradeKind.SENTINEL, tape)
            self._rows("zero_quantity", tape.kind == TradeKind.ZERO_QUANTITY, tape)
        free = tape.price == 0
        if free.any():
            self._rows("zero_price", free & (tape.quantity != 0), tape)
        if self._layout != "aggTrades" and self._layout != "stream":
            self._quotes(tape, instrument)

    def _quotes(self, tape: Tape, instrument: Instrument) -> None:
        """Compare with the product at the finer of both scales, to one unit of the stated one."""
        if self._market == "cm":
            derived, product = coin_margined(
                instrument, tape.price, tape.quantity, self._contract_size
            )
            scale = derived.quote_scale
        else:
            product = multiply(tape.price, tape.quantity)
            scale = instrument.price_scale + instrument.quantity_scale
        finest = max(scale, instrument.quote_scale)
        stated: ExactArray = rescale(tape.quote, finest - instrument.quote_scale)
        exact: ExactArray = rescale(product, finest - scale)
        # COIN-M base quantities are quotients: always rounded.
        rounded = self._market == "cm" or instrument.quote_scale < scale
        unit = 10 ** (finest - min(scale, instrument.quote_scale)) if rounded else 0
        wrong = np.asarray(abs(stated - exact) > unit, dtype=np.bool_)

        def example(row: int) -> dict[str, Any]:
            return {
                **self._place(row, tape),
                "stated": format_exact(stated[row], finest),
                "price_times_quantity": format_exact(exact[row], finest),
            }

        self._note("quote_not_product", wrong, example)

    def _aggregates(self, tape: Tape) -> None:
        first, last = tape.first_id, tape.last_id
        inverted = (first > last) | (first < 0)
        if inverted.any():
            self._rows(
                "first_id_after_last", inverted & (tape.kind == TradeKind.MARKET), tape, raw=True
            )
            first, last = first[~inverted], last[~inverted]
        self._doubled("overlapping_aggregates", self._raw_ids.add(first, last + 1))

    def _missing(self) -> None:
        lone = 0 if self._id_rule is IdRule.EVERY_ID else _LONE_IDS_MAX
        own = self.ids.missing()
        leaves_out = self._id_rule is IdRule.FUND_TRADES and not self._is_aggregated
        self._gaps("ids_missing", own, lone if leaves_out else 0)
        if self._is_aggregated and len(own) == 0:
            # Missing aggregates take their raw trades with them: that is one loss, told once.
            self._gaps("raw_ids_missing", self._raw_ids.missing(), lone)

    def _gaps(self, kind: str, gaps: Ranges, lone: int) -> None:
        short = gaps[:, 1] - gaps[:, 0] <= lone
        for name, ranges in (("lone_ids_missing", gaps[short]), (kind, gaps[~short])):
            self._tally.add(name, size(ranges), *_shown(ranges, EXAMPLES_MAX))

    def _edges(self, start: int, end: int, first: int, last: int) -> None:
        limit = edge_limit_ns(self._silence_ns)
        for kind, silence, time in (
            ("starts_late", first - start, first),
            ("stops_early", end - last, last),
        ):
            if silence > limit:
                evidence = {
                    "time_ns": time,
                    "silence_ns": silence,
                    "longest_silence_within_ns": self._silence_ns,
                }
                self._tally.add(kind, 1, evidence)

    def _rows(self, kind: str, rows: BoolArray, tape: Tape, *, raw: bool = False) -> None:
        def example(row: int) -> dict[str, Any]:
            ids = {"first_id": int(tape.first_id[row]), "last_id": int(tape.last_id[row])}
            return {**self._place(row, tape), **(ids if raw else {})}

        self._note(kind, rows, example)

    def _note(self, kind: str, rows: BoolArray, example: Callable[[int], dict[str, Any]]) -> None:
        count = int(np.count_nonzero(rows))
        if count:
            some = np.flatnonzero(rows)[: self._tally.room(kind)]
            self._tally.add(kind, count, *(example(int(row)) for row in some))

    def _place(self, row: int, tape: Tape) -> dict[str, Any]:
        place = {"time_ns": int(tape.event_time_ns[row])}
        if self._ids_stated:
            place = {"trade_id": int(tape.trade_id[row]), **place}
        if self._first_line is not None:
            place["line"] = self._first_line + self.rows + row
        return place


def _shown(ranges: Ranges, room: int) -> Iterable[dict[str, Any]]:
    return [
        {"first_id": int(start), "last_id": int(end) - 1, "ids": int(end - start)}
        for start, end in ranges[:room]
    ]
