"""Tables of columns: joining keeps every number and every row's symbol."""

from __future__ import annotations

import pickle
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from kline_harness.columns import Instrument, Rows, concat, gather, reordered
from kline_harness.kline import Life, LifeBatch
from kline_harness.units import to_decimal

from tests.tapes import Event, events, feed_slice


def _tick(instruments: tuple[Instrument, ...]) -> LifeBatch:
    one = np.ones(1, dtype=np.int64)
    small = np.ones(1, dtype=np.int8)
    return LifeBatch(
        instruments, np.array([-1], dtype=np.int16), small * Life.TICK, -small, one, one, one, small
    )


def test_a_row_of_no_symbol_stays_one() -> None:
    a, b = Instrument.of("AAA", 1, 1), Instrument.of("BBB", 1, 1)
    joined = concat([_tick((a,)), _tick((b, a)), _tick(())])
    assert joined.symbol.tolist() == [-1, -1, -1]


@settings(max_examples=100, deadline=None)
@given(events())
def test_joining_trades_of_any_scales_keeps_their_numbers(feed: list[Event]) -> None:
    tape = feed_slice(feed).trades
    wanted = [(e.symbol, e.price, e.quantity) for e in feed if e.symbol is not None]
    told = [
        (
            tape.symbol_text(row),
            to_decimal(int(tape.price[row]), tape.instruments[int(tape.symbol[row])].price_scale),
            to_decimal(
                int(tape.quantity[row]), tape.instruments[int(tape.symbol[row])].quantity_scale
            ),
        )
        for row in range(len(tape))
    ]
    assert told == wanted
    assert all(isinstance(price, Decimal) for _, price, _ in told)


def test_neighbouring_runs_of_rows_are_one_cut() -> None:
    tape = feed_slice([Event(1, 1, "AAA", n) for n in range(6)]).trades
    rows = Rows.all(tape)
    joined = gather([rows[:2], rows[2:3], rows[3:3], rows[4:6]])
    assert joined.trade_id.tolist() == [0, 1, 2, 4, 5]


def test_rows_in_another_order_go_to_another_process_as_they_are() -> None:
    names = ("AAA", "BBB", "AAA", "BBB")
    trades = feed_slice([Event(n, n, name, n) for n, name in enumerate(names)]).trades
    rows = np.arange(len(trades), dtype=np.int64)[::-1]
    there = pickle.loads(pickle.dumps(reordered(trades, rows, rows)))
    assert type(there) is type(trades)
    for name in trades.column_names():
        assert getattr(there, name).tolist() == getattr(trades, name)[::-1].tolist()
