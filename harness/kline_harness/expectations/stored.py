"""The stored klines, a piece at a time, as the columns that the suite looks at.

Stored decimals become integers of one scale; what needs more than one row becomes a column of its
own. So the suite compares integers and booleans, never a float.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kline_harness.expectations.roll_ups import equals_lower
from kline_harness.expectations.series import LatestOpens, SeriesOrder
from kline_harness.expectations.table import (
    IDS,
    PRICES,
    QUANTITIES,
    QUOTES,
    Rows,
    StoredTable,
    integers,
)
from kline_harness.interval import Interval
from kline_harness.quote_rule import Amounts, QuoteRules, is_ruled_by_name
from kline_harness.units import BoolArray, ExactArray, Int64Array, mask

_NS_PER_US = 1_000
_SUMS = (*QUANTITIES, *QUOTES, "count")


class StoredKlines:
    """The columns of the suite; `contract_size` is what a contract is worth, if it was given."""

    def __init__(self, table: StoredTable, contract_size: Decimal | None = None) -> None:
        self.table = table
        order = SeriesOrder(table)
        self.repeated = order.repeated
        self._rise = order.trade_ids_rise()
        self._goes_on = order.goes_on()
        self._equals_lower = equals_lower(order)
        self._steps = order.steps()
        self.quotes = QuoteRules(contract_size)
        by_name = [is_ruled_by_name(symbol, contract_size) for symbol in table.symbols]
        self._by_name = np.array(by_name, dtype=np.bool_)
        for start, piece in table.pieces((*PRICES[1:3], *_SUMS)):
            for symbol, _, amounts in self._amounts(start, self._values(piece)):
                self.quotes.add(symbol, amounts)

    def pieces(self) -> Iterator[dict[str, Any]]:
        """Yield the columns that the suite looks at, by name, in the order of the table."""
        latest = LatestOpens(self.table)
        for start, piece in self.table.pieces():
            rows: Rows = np.arange(start, start + piece.num_rows, dtype=np.int32)
            before_us = latest.before(rows) // _NS_PER_US
            yield self._columns(rows, piece) | {"latest_open_time_before_us": before_us}

    def _values(self, piece: pa.Table) -> dict[str, ExactArray]:
        names = [name for name in (*PRICES, *_SUMS) if name in piece.column_names]
        return {name: self.table.exact(piece[name], name) for name in names}

    def _columns(self, rows: Rows, piece: pa.Table) -> dict[str, Any]:
        start, steps = int(rows[0]), self._steps
        here = slice(start, start + piece.num_rows)
        values = self._values(piece)
        amounts = [mask(values[name] >= 0) for name in _SUMS]
        within, nothing = self._quotes(start, values)
        return {
            **self.identity(rows),
            "complete": _complete(piece),
            "close_time_us": integers(piece["close_time"]),
            "aligned_open_time_us": self.table.times(Interval.open_times_ns, rows) // _NS_PER_US,
            "expected_close_time_us": self.table.times(Interval.close_times_ns, rows) // _NS_PER_US,
            "klines_missing_before": np.array([steps.missing.get(row, 0) for row in rows.tolist()]),
            **values,
            "has_trades": values["count"] != 0,
            "has_volume": mask(values["volume"] != 0),
            "has_quote": mask(values["quote_volume"] != 0) | nothing,
            "prices_positive": np.logical_and.reduce([mask(values[n] > 0) for n in PRICES]),
            "no_amount_negative": np.logical_and.reduce(amounts),
            "quote_within_prices": within,
            "flat_if_quiet": _flat_if_quiet(values, steps.no_jump[here]),
            "trade_ids_rise": self._rise[here],
            "equals_lower_klines": self._equals_lower[here],
            "series_goes_on": self._goes_on[here],
        }

    def identity(self, rows: Rows) -> dict[str, Any]:
        """Return what names some rows: symbol, interval and open time."""
        # Late: pandas is the worker's.
        import pandas

        table, series = self.table, self.table.series[rows]
        texts = {
            "symbol": (table.symbol_of(series), table.symbols),
            "interval": (table.text_of(series), table.intervals),
        }
        named = {
            name: pandas.Categorical.from_codes(codes, categories=pandas.Index(names))
            for name, (codes, names) in texts.items()
        }
        return {**named, "open_time_us": table.open_ns[rows] // _NS_PER_US}

    def _quotes(self, start: int, values: dict[str, ExactArray]) -> tuple[BoolArray, BoolArray]:
        """Tell which quote volumes are within their prices, and which could only be 0.

        A row that breaks a simpler rule is reported for that.
        """
        within = np.ones(len(values["count"]), dtype=np.bool_)
        nothing = np.zeros(len(within), dtype=np.bool_)
        for symbol, rows, amounts in self._amounts(start, values):
            within[rows] = ~self.quotes.outside(symbol, amounts)
            nothing[rows] = self.quotes.rounds_to_nothing(symbol, amounts)
        if not within.all():
            within |= _broken(values, nothing)
        return within, nothing

    def _amounts(
        self, start: int, values: dict[str, ExactArray]
    ) -> Iterator[tuple[str, Int64Array, Amounts]]:
        table = self.table
        symbols = table.symbol_of(table.series[start : start + len(values["count"])])
        every = Amounts(
            values["low"],
            values["high"],
            values["volume"],
            values["quote_volume"],
            (values["taker_buy_volume"], values["taker_buy_quote_volume"]),
            values["count"],
            *(table.scale(name) for name in ("low", "volume", "quote_volume")),
        )
        codes = np.unique(symbols)
        # Symbols that the rule does not tell apart go together.
        named = self._by_name[codes]
        groups: list[list[int]] = [codes[~named].tolist(), *([c] for c in codes[named].tolist())]
        for group in groups:
            rows = np.flatnonzero(np.isin(symbols, group))
            if len(rows):
                alone = every if len(rows) == len(symbols) else every.take(rows)
                yield table.symbols[group[0]], rows, alone


def _flat_if_quiet(values: dict[str, ExactArray], no_jump: BoolArray) -> BoolArray:
    """Tell for rows without trades whether all prices are the close before, true otherwise."""
    prices = [values[name] for name in PRICES]
    flat: BoolArray = np.logical_and.reduce([mask(price == prices[0]) for price in prices])
    return (flat & no_jump) | mask(values["count"] != 0)


def _broken(values: dict[str, ExactArray], nothing: BoolArray) -> BoolArray:
    """Find the rows that break a rule of their prices and amounts other than the quote's."""
    low, high, count = values["low"], values["high"], values["count"]
    ends = [mask((values[name] < low) | (values[name] > high)) for name in ("open", "close")]
    negative = [mask(values[name] < 0) for name in _SUMS]
    taker = [
        mask(values[f"taker_buy_{name}"] > values[name]) for name in ("volume", "quote_volume")
    ]
    quiet = count == 0
    unlike = [quiet != mask(values["volume"] == 0)]
    unlike.append((quiet != mask(values["quote_volume"] == 0)) & ~nothing)
    broken: BoolArray = np.logical_or.reduce([*ends, *negative, *taker, *unlike])
    return broken | mask(high < low)


def _complete(piece: pa.Table) -> BoolArray:
    """Tell for each row whether it has a value in every column.

    Of trades without ids a kline has neither of the two ids.
    """
    complete = np.ones(piece.num_rows, dtype=np.bool_)
    for name in piece.column_names:
        if name not in IDS and piece[name].null_count:
            complete &= ~pc.is_null(piece[name]).to_numpy()
    first, last = (pc.is_null(piece[name]).to_numpy() for name in IDS)
    traded = integers(piece["count"]) != 0
    complete &= (first == last) & (traded | ~first)
    return complete
