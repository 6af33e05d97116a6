"""The compiled loop is the reading version: the same to the bit, whatever the feed and the cuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.compiled import library
from kline_harness.interfaces import AddSymbol, FeedSlice, Pull, RemoveSymbol, Tick
from kline_harness.interval import parse_interval
from kline_harness.klagg import fold as klagg_fold
from kline_harness.klagg import fold_loop as fold
from kline_harness.klagg.aggregator import KlaggAggregator
from kline_harness.klagg.quirks import FAITHFUL, FIXED, Quirk
from kline_harness.klagg.records import BarRecord, DatabaseRow
from kline_harness.klagg.slots import Slot, SymbolSlots
from kline_harness.klagg.ticker import Ticker
from kline_harness.kline import Emission
from kline_harness.tape import TradeKind
from kline_harness.testing.aggregator_kit import cut_at

from tests.contracts.aggregator import SMALL_FEEDS, check_aggregator, emission_rows
from tests.feeds import DAY, HOUR, MINUTE, SECOND, T0, Item, TradeSpec, feed, items, slices

pytestmark = pytest.mark.skipif(library.LIBRARY is None, reason="nothing was compiled")

SYMBOLS = ("ALFA", "BETA", "GAMA")


class Stepwise(KlaggAggregator):
    """The model with nothing taken together: every trade is added to every bar by itself."""

    def _open_window(self, row: SymbolSlots) -> None:
        row.close_window()


@dataclass
class Case:
    """A feed and a model."""

    run: list[Item]
    intervals: list[str] = field(default_factory=lambda: ["1m", "5m", "1h"])
    quirks: frozenset[Quirk] = FAITHFUL
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, kind: type[KlaggAggregator] = KlaggAggregator) -> KlaggAggregator:
        intervals = [parse_interval(text) for text in self.intervals]
        return kind(intervals, SYMBOLS[:2], self.quirks, max_symbols=3, **self.options)


@contextmanager
def folding(few: int = 0, answers: int = 99, records: int = 99, gaps: int = 99) -> Iterator[None]:
    """Let slices of any length go through the loop, and its logs run full."""
    patch = pytest.MonkeyPatch()
    patch.setattr(klagg_fold, "WORTH_TRADES", 0)
    patch.setattr(klagg_fold, "WORTH_STRETCH", few)
    patch.setattr(klagg_fold, "_FEW", few)
    for name, size in (("ANSWERS", answers), ("RECORDS", records), ("GAPS", gaps)):
        patch.setattr(fold, f"LOG_{name}", size)
    try:
        yield
    finally:
        patch.undo()


def outcome(model: KlaggAggregator, pieces: Sequence[FeedSlice]) -> list[Any]:
    """Return everything that can be told of a run, floats to the bit; or how it failed."""
    emissions: list[Emission] = []
    try:
        emissions += [model.advance(piece) for piece in pieces]
        held = [state(model)]
        emissions.append(model.finish(0))
    except (ArithmeticError, ValueError, AssertionError) as error:
        return [type(error).__name__]
    accounts = {symbol: asdict(account) for symbol, account in model.accounts().items()}
    answers = [(a.at_ns, a.kind, [record_of(r) for r in a.records]) for a in model.pulls]
    return [emission_rows(emissions), accounts, answers, model.observations(), held, state(model)]


def state(model: KlaggAggregator) -> list[Any]:
    """Return what is inside: instant, slots, changes, ids seen."""
    board = model._board
    board.settle()
    slots = [[bits(slot) for slot in row.slots] for row in board.rows]
    seen = {code: (runs._starts, runs._ends) for code, runs in model._seen.items()}
    return [model.now_ns, slots, board.changed.tolist(), seen]


def bits(slot: Slot) -> list[Any]:
    """Return a slot's fields, amounts to the bit."""
    plain = [getattr(slot, f.name) for f in fields(Slot) if f.name not in AMOUNTS]
    return [*plain[1:], *map(hexed, slot.amounts())]


AMOUNTS = {"open", "high", "low", "close", "volume", "quote_volume"}
AMOUNTS |= {"taker_buy_volume", "taker_buy_quote_volume"}


def record_of(record: BarRecord) -> list[Any]:
    head = [record.symbol, record.interval, record.open_time_ns, record.count, record.is_final]
    return (
        head
        + [getattr(record, name) for name in sorted(AMOUNTS)]
        + [hexed(amount) for amount in record.amounts]
    )


def hexed(amount: Any) -> str:
    """Return a float to the bit; a sum of nothing is the integer 0 in either arithmetic."""
    return float(amount).hex() if isinstance(amount, float) or not amount else str(amount)


# --- feeds -------------------------------------------------------------------------------------

INTERVALS = ["1s", "1m", "3m", "5m", "1h", "1d", "3d", "1w", "1M"]
TEXTS = ("0", "100", "1e308", "inf", "nan", "0.1", "99.999999")


@st.composite
def runs(draw: st.DrawFn) -> list[Item]:
    """Draw stretches of trades as the exchange sends them, disturbed in between in every way."""
    run: list[Item] = []
    now = T0 + draw(st.sampled_from([0, 59 * SECOND, 5 * MINUTE, 23 * HOUR + 59 * MINUTE]))
    ids = dict.fromkeys(SYMBOLS, 1)
    symbols = draw(st.sampled_from([SYMBOLS[:1], SYMBOLS[:2], SYMBOLS]))
    for _ in range(draw(st.integers(1, 16))):
        what = draw(st.sampled_from(WHAT))
        step = draw(st.sampled_from([0, 1, SECOND, 20 * SECOND]))
        if what == "trades":
            for _ in range(draw(st.integers(1, 12))):
                now += step
                run.append(draw(plain_trades(symbols, now, ids)))
        elif what == "odd":
            run.append(draw(odd_trades(symbols, now, ids)))
        elif what == "tick":
            now += draw(st.sampled_from([0, MINUTE, MINUTE, 5 * MINUTE, 3 * HOUR]))
            run.append(Tick(now, now - now % MINUTE + draw(st.sampled_from([0, 0, MINUTE]))))
        elif what == "pull":
            run.append(Pull(now + draw(st.sampled_from([0, 0, 1])), False))
        else:
            run.append(draw(rare(symbols, now)))
    return run


WHAT = ["trades"] * 5 + ["pull"] * 3 + ["odd"] * 4 + ["tick"] * 2 + ["rare"]


@st.composite
def plain_trades(draw: st.DrawFn, symbols: Sequence[str], now: int, ids: dict[str, int]) -> Item:
    symbol = draw(st.sampled_from(symbols))
    trade_id = ids[symbol] = ids[symbol] + draw(st.sampled_from([1, 1, 1, 3]))
    return TradeSpec(
        *(symbol, trade_id),
        price=draw(st.sampled_from(["100", "100.1", "99.9", "100.30", "0.7", "12345.6789"])),
        quantity=draw(st.sampled_from(["1", "0.1", "0.2", "0.3", "0.001", "7000"])),
        event_time_ns=now,
        arrival_ns=now,
        buyer_is_maker=draw(st.booleans()),
        first_id=10 * trade_id,
        last_id=10 * trade_id + draw(st.integers(0, 9)),
    )


@st.composite
def odd_trades(draw: st.DrawFn, symbols: Sequence[str], now: int, ids: dict[str, int]) -> Item:
    """Late or early, seen before, out of order, of no market, fine, huge, or longer than it is."""
    plain = draw(plain_trades(symbols, now, ids))
    assert isinstance(plain, TradeSpec)
    changes: list[dict[str, Any]] = [
        {"event_time_ns": now - draw(st.sampled_from([1, MINUTE, 7 * MINUTE, DAY]))},
        {"event_time_ns": now + draw(st.sampled_from([1, MINUTE, MINUTE + 1, 7 * MINUTE]))},
        {"arrival_ns": now - draw(st.sampled_from([1, SECOND, MINUTE]))},
        {"trade_id": draw(st.integers(1, 30))},
        {"trade_id": 2**63 - 1},
        {"kind": draw(st.sampled_from(list(TradeKind)))},
        {"price": draw(st.sampled_from(["0", "0.00000001", "9" * 17, "1" + "0" * 40]))},
        {"quantity": draw(st.sampled_from(["0", "0.00000001", "9" * 17, "3" + "0" * 30]))},
        {"first_id": -1, "last_id": -1},
        {"first_id": 0, "last_id": draw(st.sampled_from([-5, 2**31 - 1, 2**31, 2**62]))},
    ]
    return TradeSpec(**{**asdict(plain), **draw(st.sampled_from(changes))})


@st.composite
def rare(draw: st.DrawFn, symbols: Sequence[str], now: int) -> Item:
    symbol = draw(st.sampled_from(symbols))
    choice = draw(st.integers(0, 3))
    if choice == 0:
        return Pull(now, True)
    if choice == 1:
        return RemoveSymbol(now, symbol)
    first = draw(st.sampled_from([0, now, now - 90 * SECOND]))
    texts = [draw(st.sampled_from(TEXTS)) for _ in range(6)] if choice == 2 else []
    return AddSymbol(now, symbol, Ticker(first, *texts))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a feed, any set of quirks, and options that matter to the loop."""
    some = st.frozensets(st.sampled_from(sorted(Quirk, key=lambda quirk: quirk.number)))
    quirks = draw(st.one_of(st.just(FAITHFUL), st.just(FIXED), some))
    chosen = st.lists(st.sampled_from(INTERVALS), min_size=1, max_size=4, unique=True)
    intervals = draw(st.one_of(st.just(["1m", "5m", "1h"]), chosen))
    options: dict[str, Any] = {
        "map_delay_ns": draw(st.sampled_from([0, SECOND])),
        "future_bound_ns": draw(st.sampled_from([MINUTE, 0, 2**70])),
        "rollover_cap": draw(st.sampled_from([400, 400, 3])),
    }
    if draw(st.booleans()):
        options["database"] = {
            (symbol, interval): draw(database_rows())
            for symbol in SYMBOLS
            for interval in intervals
        }
    return Case(draw(runs()), intervals, quirks, options)


@st.composite
def database_rows(draw: st.DrawFn) -> DatabaseRow:
    texts = (draw(st.sampled_from(TEXTS)) for _ in range(8))
    count = draw(st.sampled_from([0, 5, 2**62, 2**70]))
    prices = (next(texts), next(texts), next(texts), next(texts))
    volumes = (next(texts), next(texts))
    return DatabaseRow(T0, *prices, *volumes, count, next(texts), next(texts), 1, 20)


# --- laws --------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(cases(), st.data())
def test_the_loop_is_the_reading_version(case: Case, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(case.run)), max_size=3))
    pieces = list(slices(case.run, cuts))
    reading = case.make()
    reading._folding = None
    expected = outcome(reading, pieces)
    limits = data.draw(st.sampled_from([(), (32,), (0, 1), (32, 3), (0, 99, 1, 1), (32, 99, 1)]))
    with folding(*limits):
        assert outcome(case.make(), pieces) == expected


# In flight are trades of a symbol just removed: their ids are the highest of the next one's bar.
IN_FLIGHT = """ALFA 0:01 100x1 #1; BETA 0:01 5x1 #5; remove ALFA 0:02; ALFA 0:02.5 99x1 #900;
               BETA 0:03.1 6x1 #6; BETA 0:03.2 7x1 #7; pull 0:04"""
FIRST_IN_FLIGHT = """ALFA 0:01 100x1 #1; BETA 0:01 5x1 #5; remove ALFA 0:59.5; pull 0:59.5;
                     ALFA 1:00.1 99x1 #900; BETA 1:01 6x1 #6; BETA 1:02 7x1 #7; pull 1:03"""
AHEAD = """ALFA 0:01 100x1; ALFA 0:02 100x1; ALFA 0:02.9 101x1 @0:02.5; ALFA 0:03 99x1;
           ALFA 0:03.5 98x1 #9223372036854775807; ALFA 0:03.6 97x1"""
CLOSES_TOLD = """ALFA 0:57 100x1; ALFA 0:58 101x1; pull 0:58; ALFA 0:59 102x1; pull 0:59;
                 ALFA 1:00 103x1; ALFA 1:01 104x1; pull 1:02; ALFA 1:03 105x1; pull 1:04"""
KNOWN = (*SMALL_FEEDS, IN_FLIGHT, FIRST_IN_FLIGHT, AHEAD, CLOSES_TOLD)


@pytest.mark.parametrize("quirks", [FAITHFUL, FIXED, frozenset({Quirk.MISROUTED_IN_FLIGHT})])
@pytest.mark.parametrize("text", KNOWN)
def test_the_loop_is_the_reading_version_where_it_is_known_to_matter(
    text: str, quirks: frozenset[Quirk]
) -> None:
    options = {"map_delay_ns": SECOND, "future_bound_ns": 0}
    case = Case(items(text), quirks=quirks, options=options)
    reading = case.make()
    reading._folding = None
    expected = outcome(reading, [feed(text)])
    with folding():
        assert outcome(case.make(), [feed(text)]) == expected


@settings(max_examples=150, deadline=None)
@given(cases())
def test_the_reading_version_is_one_trade_at_a_time(case: Case) -> None:
    pieces = list(slices(case.run, []))
    stepwise, reading = case.make(Stepwise), case.make()
    stepwise._folding = reading._folding = None
    assert outcome(reading, pieces) == outcome(stepwise, pieces)


@settings(max_examples=100, deadline=None)
@given(cases(), st.data())
def test_cuts_change_nothing(case: Case, data: st.DataObject) -> None:
    (whole,) = slices(case.run, [])
    cuts = data.draw(st.lists(st.integers(0, len(whole)), min_size=1, max_size=4))
    with folding():
        expected = outcome(case.make(), [whole])
        assert outcome(case.make(), list(cut_at(whole, cuts))) == expected


@pytest.mark.parametrize("quirks", [FAITHFUL, FIXED], ids=["faithful", "fixed"])
def test_the_loop_keeps_the_contract(quirks: frozenset[Quirk]) -> None:
    with folding():
        balances = Quirk.LATE_UNCOUNTED not in quirks
        check_aggregator(Case([], quirks=quirks).make, balances=balances, rounds=10)
