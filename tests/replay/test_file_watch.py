"""What is seen of a file of trades, against a walk over them one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.checks.files import FileWatch
from kline_harness.columns import Instrument
from kline_harness.tape import Tape, TradeKind

START, END = 100, 160
KINDS = (TradeKind.MARKET, TradeKind.MARKET, TradeKind.ADL)
TRADE = st.tuples(st.integers(80, 180), st.booleans(), st.sampled_from(KINDS), st.integers(1, 2))


def tape_of(trades: list[tuple[int, bool, TradeKind, int]]) -> Tape:
    times, makers, kinds, sizes = (list(column) for column in zip(*trades, strict=True))
    rows = np.arange(len(trades), dtype=np.int64)
    return Tape.of(
        Instrument.of("X", 0, 0),
        trade_id=rows,
        price=rows + 1,
        quantity=rows + 1,
        first_id=rows,
        last_id=rows + np.array(sizes) - 1,
        event_time_ns=np.array(times, dtype=np.int64),
        buyer_is_maker=np.array(makers, dtype=np.bool_),
        kind=np.array([kind.value for kind in kinds], dtype=np.int8),
    )


@given(
    st.lists(st.lists(TRADE, min_size=1, max_size=6), min_size=1, max_size=4),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_watch_sees_what_a_walk_sees(
    blocks: list[list[tuple[int, bool, TradeKind, int]]], ordered: bool, named: bool, stated: bool
) -> None:
    if ordered:
        flat = sorted((trade for block in blocks for trade in block), key=lambda trade: trade[0])
        blocks = [[flat.pop(0) for _ in block] for block in blocks]
    watch = FileWatch("x.csv", "X", (START, END) if named else None, ids_stated=stated)
    for block in blocks:
        watch.add(tape_of(block))
    trades = [trade for block in blocks for trade in block]
    inside = [t for t, *_ in trades if not named or START <= t < END]
    outside = [t for t, *_ in trades if named and not START <= t < END]
    silence = reached = 0
    for place, time in enumerate(inside):
        silence = max(silence, time - reached if place else 0)
        reached = max(reached, time)
    market = [maker for _, maker, kind, _ in trades if kind is TradeKind.MARKET]
    assert (watch.rows, watch.outside) == (len(trades), len(outside))
    assert watch.first_outside_ns == (outside[0] if outside else None)
    assert watch.span == ((min(inside), max(inside)) if inside else None)
    assert watch.silence_ns == silence
    assert (watch.market, watch.makers) == (len(market), sum(market))
    assert watch.is_aggregated is (stated and any(size > 1 for *_, size in trades))
