"""What was stored is read a few times for a comparison, however many series there are."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from kline_harness.comparison import stored
from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.pairs import compare
from kline_harness.comparison.series_rows import RowsInMemory
from kline_harness.comparison.stored import Stored, in_memory
from kline_harness.interval import parse_interval
from kline_harness.kline import FIELDS, SCHEMA

SYMBOLS = [f"S{number:02}USDT" for number in range(60)]
MINUTES, PIECES = 20, 5
START_US = 1_715_731_200_000_000


def pieces() -> list[pa.Table]:
    """Return minute klines of all symbols as they are published: minute by minute, in pieces."""
    rows = [
        {
            "symbol": symbol,
            "interval": "1m",
            "open_time": START_US + minute * 60_000_000,
            "close_time": START_US + (minute + 1) * 60_000_000,
            **{name: Decimal(100 + place) for name in FIELDS if name != "count"},
            "count": minute,
            "first_trade_id": 1,
            "last_trade_id": 2,
            "finalized_at": (START_US + (minute + 1) * 60_000_000) * 1_000,
            "trigger": "tick",
        }
        for minute in range(MINUTES)
        for place, symbol in enumerate(SYMBOLS)
    ]
    step = len(rows) // PIECES
    return [
        pa.Table.from_pylist(rows[start : start + step], schema=SCHEMA)
        for start in range(0, len(rows), step)
    ]


class Reads:
    """Reads pieces, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def read(self, table: pa.Table, names: Sequence[str] | None) -> pa.Table:
        self.count += 1
        return table if names is None else table.select(list(names))


def test_the_pieces_are_read_a_few_times_for_all_series() -> None:
    tables = pieces()
    reads = Reads()
    ours = Stored([partial(reads.read, table) for table in tables])
    whole = pa.concat_tables(tables).to_pylist()
    references = []
    for symbol in reversed(SYMBOLS):
        theirs = [row for row in whole if row["symbol"] == symbol]
        if symbol == SYMBOLS[7]:
            theirs[3]["volume"] += 1
        rows = RowsInMemory(pa.Table.from_pylist(theirs, schema=SCHEMA))
        references.append(ReferenceKlines(symbol, parse_interval("1m"), rows, FIELDS, symbol))
    span = (START_US * 1_000, (START_US + MINUTES * 60_000_000) * 1_000)
    covers = {symbol: Coverage((span,)) for symbol in SYMBOLS}
    before = reads.count
    found = compare(ours, references, covers)
    assert [one.symbol for one in found.series] == list(reversed(SYMBOLS))
    assert [(one.symbol, one.fields) for one in found.differences] == [(SYMBOLS[7], ("volume",))]
    assert sum(one.identical for one in found.series) == len(SYMBOLS) * MINUTES - 1
    assert reads.count - before <= 4 * PIECES


def test_how_often_pieces_are_read_does_not_grow_with_the_klines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored, "_TOGETHER_ROWS", 2 * MINUTES)
    tables = pieces()
    reads = Reads()
    ours = Stored([partial(reads.read, table) for table in tables])
    before = reads.count
    found = list(ours.in_turn([(symbol, "1m") for symbol in SYMBOLS], ("open_time", "low")))
    assert [len(series) for series in found] == [MINUTES] * len(SYMBOLS)
    rows = np.arange(MINUTES)
    lows = [series.take(rows)["low"].unique().to_pylist() for series in found]
    assert lows == [[Decimal(100 + place)] for place in range(len(SYMBOLS))]
    # Three series at a time, and not two.
    assert reads.count - before <= len(SYMBOLS) // 3 * PIECES


def test_series_are_found_whatever_their_names_numbers_are_in_each_piece() -> None:
    """Each piece has a dictionary of its own: in the order in which its symbols come."""
    rows = [row for table in pieces() for row in table.to_pylist()]
    mixed = [
        {**row, "interval": ("1m", "1h", "5m")[place * 7 % 11 % 3], "count": place}
        for place, row in enumerate(rows)
    ]
    cuts = [0, 7, 50, 51, 400, len(mixed)]
    tables = [pa.Table.from_pylist(mixed[a:b], schema=SCHEMA) for a, b in pairwise(cuts)]
    ours = Stored([in_memory(table) for table in tables])
    assert len(ours) == len(mixed)
    # In the order in which they come.
    assert list(ours.rows) == list(dict.fromkeys((r["symbol"], r["interval"]) for r in mixed))
    for symbol, interval in ours.rows:
        mine = [r["count"] for r in mixed if (r["symbol"], r["interval"]) == (symbol, interval)]
        assert ours.integers(symbol, interval, "count").tolist() == mine


def test_the_pieces_are_read_a_few_times_for_the_klines_of_symbols_that_ours_lack() -> None:
    tables = pieces()
    reads = Reads()
    ours = Stored([partial(reads.read, table) for table in tables])
    mine = [row for row in pa.concat_tables(tables).to_pylist() if row["symbol"] == SYMBOLS[7]]
    for minute, row in enumerate(mine):
        row["close"] += minute
    references = []
    for number in range(200):
        # One of them is the exchange's file of a symbol of ours under another name.
        theirs = mine if number != 150 else [dict(row, close=Decimal(107)) for row in mine]
        rows = RowsInMemory(pa.Table.from_pylist(theirs, schema=SCHEMA))
        symbol = f"OTHER{number:03}USDT"
        references.append(ReferenceKlines(symbol, parse_interval("1m"), rows, FIELDS, symbol))
    before = reads.count
    found = compare(ours, references, {})
    said = {
        one.symbol: one.detail for one in found.not_compared if one.reason == "nothing_compared"
    }
    assert len(said) == 200
    assert [symbol for symbol, text in said.items() if "at the same times" in text] == [
        "OTHER150USDT"
    ]
    assert f"theirs are our {SYMBOLS[7]} klines at the same times: 20 of 20" in said["OTHER150USDT"]
    # Twenty symbols are looked at, each once, and the one that agrees once more.
    assert reads.count - before <= 30 * PIECES
