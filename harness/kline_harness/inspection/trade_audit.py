"""One symbol's trades of one file, looked at tape by tape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.archives.coin_margined import coin_margined
from kline_harness.checks.files import FileWatch, is_one_sided
from kline_harness.checks.row_laws import ContractSize, not_products
from kline_harness.columns import Instrument
from kline_harness.id_rule import IdRule, are_too_many
from kline_harness.inspection.tally import EXAMPLES_MAX, Tally
from kline_harness.ranges import Ranges, RangeSet, size
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import BoolArray, format_exact

# A longer run of ids is too much for one insurance fund or ADL trade.
_LONE_IDS_MAX = 1


class TradeAudit:
    """Looks at the trades of one symbol in the order of their file; memory for id gaps only.

    `watch` follows the file's times and sides, as in a replay, and knows what the file states: of
    ids that the reader made up nothing is said. `layout` and `market` as in `FileInfo`;
    `first_line` is the line of the first row, None where rows are not lines; `id_rule` says
    which ids its source leaves out.
    """

    def __init__(
        self,
        tally: Tally,
        watch: FileWatch,
        *,
        layout: str,
        market: str | None,
        first_line: int | None,
        id_rule: IdRule = IdRule.EVERY_ID,
        contract_size: Decimal | None = None,
    ) -> None:
        self._tally = tally
        self.watch = watch
        self._layout = layout
        self._market = market
        self._first_line = first_line
        self._id_rule = id_rule
        self._is_aggregated = layout == "aggTrades"
        self._contract_size = contract_size
        self._size = ContractSize()
        self.ids = RangeSet()
        self._raw_ids = RangeSet()
        self._last: Tape | None = None

    @property
    def in_order(self) -> bool:
        """Whether ids rose from row to row."""
        return not any(map(self._tally.count, ("ids_backwards", "duplicate_ids")))

    @property
    def raw_ids(self) -> Ranges:
        """The ids of the raw trades in aggregates; none of other files."""
        return self._raw_ids.ranges

    @property
    def _seen(self) -> RangeSet:
        return self._raw_ids if self._is_aggregated else self.ids

    def add(self, tape: Tape, instrument: Instrument) -> None:
        """Look at the next rows."""
        if self.watch.ids_stated:
            self._ids(tape)
        self._order(tape)
        self._times(tape)
        self._amounts(tape, instrument)
        if self._layout == "stream" and not self._is_aggregated:
            self._is_aggregated = bool(np.any(tape.first_id != tape.trade_id))
        if self._is_aggregated:
            self._aggregates(tape)
        self.watch.add(tape)
        self._last = tape[len(tape) - 1 :]

    def finish(self) -> None:
        """Judge what only the whole file shows."""
        watch = self.watch
        if watch.ids_stated and self._id_rule is not IdRule.UNKNOWN:
            self._missing()
        for kind, is_so, time_ns, silence_ns in watch.edges():
            evidence = {"time_ns": time_ns, "silence_ns": silence_ns}
            evidence["longest_silence_within_ns"] = watch.silence_ns
            if kind == "stops_early" or not watch.is_from_first:
                self._tally.add(kind, is_so, evidence)
        if watch.rows and not watch.market:
            self._tally.add("nothing_applied", 1, {"rows": watch.rows})
        self._tally.add("kind_not_known", watch.unknown, {"trades": watch.unknown})
        if is_one_sided([watch]):
            example = {"trades": watch.market, "buyer_is_maker": watch.makers}
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

    def _times(self, tape: Tape) -> None:
        if self.watch.claimed is not None:
            times, (start, end) = tape.event_time_ns, self.watch.claimed
            self._rows("time_outside_name", (times < start) | (times >= end), tape)

    def _amounts(self, tape: Tape, instrument: Instrument) -> None:
        odd = tape.kind != TradeKind.MARKET
        if odd.any():
            self._rows("sentinel_rows", tape.kind == TradeKind.SENTINEL, tape)
            self._rows("zero_quantity", tape.kind == TradeKind.ZERO_QUANTITY, tape)
        free = tape.price == 0
        if free.any():
            self._rows("zero_price", free & (tape.quantity != 0), tape)
        if self._layout != "aggTrades" and self._layout != "stream":
            self._quotes(tape, instrument)

    def _quotes(self, tape: Tape, instrument: Instrument) -> None:
        product, scale = None, None
        if self._market == "cm" and self._contract_size is None:
            # Nobody knows better than the rows how large a contract is.
            wrong, stated, finest = self._size.others(tape), tape.quote, instrument.quote_scale
            self._note(
                "quote_not_product",
                wrong,
                lambda row: self._place(row, tape) | {"stated": format_exact(stated[row], finest)},
            )
            return
        if self._market == "cm":
            derived, product = coin_margined(
                instrument, tape.price, tape.quantity, self._contract_size
            )
            scale = derived.quote_scale
        wrong, stated, exact, finest = not_products(tape, instrument, product, scale)

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
            # Missing aggregates take their raw trades with them: that is one loss, reported once.
            self._gaps("raw_ids_missing", self._raw_ids.missing(), lone)

    def _gaps(self, kind: str, gaps: Ranges, lone: int) -> None:
        short = gaps[:, 1] - gaps[:, 0] <= lone
        many = are_too_many(int(np.count_nonzero(short)), size(self._seen.ranges))
        single = "many_lone_ids_missing" if many else "lone_ids_missing"
        for name, ranges in ((single, gaps[short]), (kind, gaps[~short])):
            self._tally.add(name, size(ranges), *_shown(ranges, EXAMPLES_MAX))

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
        if self.watch.ids_stated:
            place = {"trade_id": int(tape.trade_id[row]), **place}
        if self._first_line is not None:
            place["line"] = self._first_line + self.watch.rows + row
        return place


def _shown(ranges: Ranges, room: int) -> Iterable[dict[str, Any]]:
    return [
        {"first_id": int(start), "last_id": int(end) - 1, "ids": int(end - start)}
        for start, end in ranges[:room]
    ]
