"""Halted, lost, silent: told apart from quiet, and from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pytest
from kline_harness.checks.continuity import ContinuityWatch
from kline_harness.checks.stretches import Stretch, Why
from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.pairs import compare
from kline_harness.comparison.series_rows import RowsInMemory
from kline_harness.comparison.stored import Stored
from kline_harness.interval import parse_interval
from kline_harness.kline import FIELDS

from tests.comparison.story import MINUTE, START, SYMBOL, chunks, table_of, tape_of, trades
from tests.oracle import OracleKline, OracleTrade, klines

BRAVO = "BRAVOUSDT"
WITHOUT_COUNTS = tuple(name for name in FIELDS if name != "count")


def told(
    recorded: Sequence[OracleTrade],
    theirs: Sequence[OracleKline] | None = None,
    *,
    ours: Sequence[OracleKline] | None = None,
    fields: tuple[str, ...] = FIELDS,
    unnumbered: Sequence[str] = (),
) -> list[Stretch]:
    watch = ContinuityWatch()
    for tape in chunks(tape_of(recorded), 3):
        watch.add(tape)
    tables = [
        table_of(klines([t for t in recorded if t.symbol == symbol], "1m"), "1m", symbol)
        for symbol in sorted({trade.symbol for trade in recorded})
    ]
    if ours is not None:
        tables[0] = table_of(ours, "1m")
    stored = Stored.of(pa.concat_tables(tables).unify_dictionaries())
    minute, references = parse_interval("1m"), []
    if theirs is not None:
        references = [
            ReferenceKlines(SYMBOL, minute, RowsInMemory(table_of(theirs, "1m")), fields, "f")
        ]
    found = compare(stored, references, {SYMBOL: Coverage(((START, START + 2**50),))})
    judged = watch.verdict(stored, [minute], found, references, unnumbered)
    return watch.stretches(judged, stored, [minute], references, unnumbered)


def halt(first: int, stop: int) -> Stretch:
    return Stretch(SYMBOL, Why.HALTED, START + first * MINUTE, START + stop * MINUTE)


def without(rows: Sequence[OracleKline], *places: int) -> list[OracleKline]:
    return [row for place, row in enumerate(rows) if place not in places]


RECORDED = trades("1 100x1, 250 101x1, 301 100x1")
MINUTES = klines(RECORDED, "1m")


def test_no_row_of_the_exchange_s_and_contiguous_ids_are_a_halt() -> None:
    assert told(RECORDED, without(MINUTES, 1, 2, 3)) == [halt(1, 4)]
    assert told(RECORDED, without(MINUTES, 2)) == [halt(2, 3)]


def test_rows_of_the_exchange_s_are_quiet() -> None:
    assert told(RECORDED, MINUTES) == []


def test_missing_ids_are_no_halt() -> None:
    recorded = trades("1 100x1, 250 101x1 id=9, 301 100x1")
    rows = klines(recorded, "1m")
    assert [one.why for one in told(recorded, without(rows, 1, 2, 3))] == [Why.LOST]


def test_a_row_that_is_missing_though_there_were_trades_is_no_halt() -> None:
    recorded = trades("1 100x1, 130 101x1, 250 100x1")
    assert told(recorded, without(klines(recorded, "1m"), 1, 2, 3)) == []


def test_sources_that_leave_quiet_rows_out_or_state_no_ids_tell_no_halt() -> None:
    theirs = without(MINUTES, 1, 2, 3)
    assert told(RECORDED, theirs, fields=WITHOUT_COUNTS) == []
    assert told(RECORDED, theirs, unnumbered=[SYMBOL]) == []


@pytest.mark.parametrize("ours", [(1, 2, 3), (2,)])
def test_a_halt_in_which_neither_side_has_klines(ours: tuple[int, ...]) -> None:
    theirs = without(MINUTES, 1, 2, 3)
    assert told(RECORDED, theirs, ours=without(MINUTES, *ours)) == [halt(1, 4)]
    # Klines that state no trade ids cannot tell that nothing is missing between them.
    unnumbered = [replace(row, first_trade_id=-1, last_trade_id=-1) for row in MINUTES]
    assert told(RECORDED, theirs, ours=without(unnumbered, *ours)) == []


def test_before_the_first_and_after_the_last_row_nothing_is_told() -> None:
    assert told(RECORDED, MINUTES[4:]) == []
    assert told(RECORDED, MINUTES[:1]) == []


def test_klines_over_missing_ids_are_lost() -> None:
    recorded = trades("1 100x1, 250 101x1 id=9, 301 100x1")
    lost = Stretch(SYMBOL, Why.LOST, START + MINUTE, START + 4 * MINUTE)
    assert told(recorded) == [lost]
    # Unless the exchange's klines are flat there too.
    assert told(recorded, klines(recorded, "1m")) == []


def test_all_symbols_still_are_silent_where_the_exchange_says_nothing() -> None:
    bravo = [replace(trade, symbol=BRAVO) for trade in trades("2 100x1, 252 101x1")]
    both = sorted([*RECORDED, *bravo], key=lambda trade: trade.time_ns)
    from_ns, until_ns = START + 2 * 10**9 + 1, START + 250 * 10**9
    silences = [Stretch(name, Why.SILENT, from_ns, until_ns) for name in (SYMBOL, BRAVO)]
    assert told(both) == silences
    # Its klines say of the one whether it was quiet or halted, and of the other nothing.
    assert told(both, MINUTES) == silences[1:]
    assert told(both, without(MINUTES, 1, 2, 3)) == [halt(1, 4), silences[1]]


def test_one_symbol_alone_is_quiet() -> None:
    assert told(RECORDED) == []
