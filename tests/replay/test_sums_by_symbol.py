"""What is added up by symbol is the same however trades are cut, and whichever symbols come."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.columns import by_symbol, concat
from kline_harness.replay.tallies import COLUMNS, TradeTally, trade_sums
from kline_harness.tape import Tape, TradeKind
from kline_harness.trade_ids import IdBook, IdRuns
from numpy.typing import NDArray

from tests.tapes import Event, events, feed_slice

CUTS = st.lists(st.integers(0, 40), max_size=6)


def pieces(feed: list[Event], cuts: list[int]) -> list[Tape]:
    """Return trades piece by piece; each piece has the symbols and scales that it needs."""
    trades = [event for event in feed if event.symbol is not None]
    bounds = [0, *sorted(min(cut, len(trades)) for cut in cuts), len(trades)]
    parts = [trades[start:stop] for start, stop in pairwise(bounds)]
    return [feed_slice(part).trades for part in parts if part]


def whole(tapes: list[Tape]) -> Tape:
    return concat(tapes) if tapes else Tape.empty()


@settings(max_examples=60)
@given(events(symbols=("AAA", "BBB", "CCC")), CUTS, st.booleans())
def test_a_tally_is_the_sum_of_its_trades(feed: list[Event], cuts: list[int], alike: bool) -> None:
    tapes = pieces(feed, cuts)
    if alike:
        # All with the same symbols, which is how a run's slices are.
        tapes = [tape.over(whole(tapes).instruments) for tape in tapes]
    tally = TradeTally()
    for place, tape in enumerate(tapes):
        tally.add(tape)
        if place < 2:
            # Whoever asks in between changes nothing.
            assert tally.symbols() <= {"AAA", "BBB", "CCC"}
    every = whole(tapes)
    for symbol in ("AAA", "BBB", "CCC"):
        mine = every.take(every.of_symbol(symbol))
        assert tally.rows[symbol] == len(mine)
        for kind in TradeKind:
            assert tally.of(symbol, kind) == trade_sums(mine, mine.kind == kind)


def test_a_tally_beyond_64_bits_is_exact() -> None:
    event = Event(10**18, 10**18, "AAA", 1)
    one = feed_slice([event]).trades
    large = one.with_columns({"quantity": np.array([2**62]), "quote": np.array([2**62])})
    tally = TradeTally()
    for _ in range(5):
        tally.add(large)
    found = tally.of("AAA", TradeKind.MARKET)
    unit = 10**18
    assert {name: found[name] for name in COLUMNS} == {
        "count": 5,
        **dict.fromkeys(COLUMNS[1:], 5 * 2**62 * unit),
    }


@settings(max_examples=100)
@given(events(symbols=("AAA", "BBB", "CCC")), CUTS, st.booleans(), st.booleans())
def test_runs_of_ids_are_those_of_each_symbol(
    feed: list[Event], cuts: list[int], alike: bool, dense: bool
) -> None:
    """Also with ids that follow one another, as recorded ones nearly always do."""
    if dense:
        feed = [replace(event, id=place // 2, raw_trades=10) for place, event in enumerate(feed)]
    tapes = pieces(feed, cuts)
    if alike:
        tapes = [tape.over(whole(tapes).instruments) for tape in tapes]
    book, expected = IdBook(), dict[str, IdRuns]()
    for place, tape in enumerate(tapes):
        book.add(tape)
        if place < 2:
            # Whoever asks in between changes nothing.
            assert set(book.runs) <= {"AAA", "BBB", "CCC"}
        for code, mine in by_symbol(tape):
            runs = expected.setdefault(tape.instruments[code].symbol, IdRuns())
            runs.add(mine.trade_id, mine.first_id, mine.last_id, mine.event_time_ns)
    assert sorted(book.runs) == sorted(expected)
    for symbol, runs in expected.items():
        # Asked twice: nothing is put there again.
        assert np.array_equal(book.runs[symbol]._runs, runs._runs)
        assert np.array_equal(book.runs[symbol]._runs, runs._runs)


def test_asking_for_each_symbol_puts_the_ends_of_runs_there_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    symbols = [f"S{number:02}" for number in range(40)]
    book, calls, end_at = IdBook(), 0, IdRuns.end_at
    for piece in range(3):
        rows = [Event(piece * 10**9, piece * 10**9, symbol, piece + 1) for symbol in symbols]
        book.add(feed_slice(rows).trades)

    def counted(runs: IdRuns, end: NDArray[np.int64]) -> None:
        nonlocal calls
        calls += 1
        end_at(runs, end)

    monkeypatch.setattr(IdRuns, "end_at", counted)
    assert [book.runs[symbol].count() for symbol in symbols] == [3] * 40
    assert calls == len(symbols)
