"""A tiny language for feeds, and feeds drawn at random.

``feed("ABC 0:00.5 100x2 b; tick 1:00.1")`` is a trade of symbol ABC half a second after T0
(Monday 2024-01-01 00:00:00 UTC), 2 at 100 bought by the taker, then a clock tick. Items are
separated by semicolons or lines and are processed in the order written:

* ``SYMBOL TIME PRICExQUANTITY [b|s] [#ID] [#ID:FIRST-LAST] [@ARRIVAL] [KIND]``: ids count up
  from 1 per symbol where not given; KIND is a name of `TradeKind`.
* ``tick TIME [@ARRIVAL]``
* ``pull TIME`` and ``snapshot TIME``: a request for what changed, and for everything.
* ``add SYMBOL TIME FIRST_TIME [OPEN HIGH LOW CLOSE VOLUME QUOTE]``; a FIRST_TIME of ``none`` is 0.
* ``remove SYMBOL TIME``

A TIME is ``[[hours:]minutes:]seconds`` after T0. Arrival, where not given, is the item's time or
the arrival of the item before, whichever is later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import strategies as st
from kline_harness.aggregators.per_event import exact_column
from kline_harness.columns import Instrument
from kline_harness.interfaces import AddSymbol, FeedSlice, Pull, RemoveSymbol, Signal, Tick
from kline_harness.klagg.ticker import Ticker
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import format_exact, parse_exact

from tests.oracle import OracleEvent, OracleTick, OracleTrade

T0 = 1_704_067_200_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class TradeSpec:
    """A trade as text and times; a run of these and signals is built into a feed slice."""

    symbol: str
    trade_id: int
    price: str
    quantity: str
    event_time_ns: int
    arrival_ns: int
    buyer_is_maker: bool = False
    first_id: int | None = None
    last_id: int | None = None
    kind: TradeKind = TradeKind.MARKET


Item = TradeSpec | Signal


def at(text: str) -> int:
    """Return the instant that ``[[hours:]minutes:]seconds`` names, after T0."""
    seconds = Decimal(0)
    for part in text.removeprefix("-").split(":"):
        seconds = seconds * 60 + Decimal(part)
    return T0 + int(seconds * SECOND) * (-1 if text.startswith("-") else 1)


def feed(text: str) -> FeedSlice:
    """Return the feed that a text describes."""
    return build(items(text))


def items(text: str) -> list[Item]:
    """Return the items that a text describes."""
    parsed: list[Item] = []
    next_id: dict[str, int] = {}
    now = 0
    for line in text.replace("\n", ";").split(";"):
        words = line.split()
        if not words:
            continue
        item = _signal(words, now) or _trade(words, now, next_id)
        now = max(now, item.arrival_ns if isinstance(item, TradeSpec) else item.at_ns)
        parsed.append(item)
    return parsed


def _signal(words: list[str], now: int) -> Signal | None:
    verb, rest = words[0], words[1:]
    if verb == "tick":
        time_ns = at(rest[0])
        return Tick(at(rest[1][1:]) if len(rest) > 1 else max(now, time_ns), time_ns)
    if verb in ("pull", "snapshot"):
        return Pull(max(now, at(rest[0])), verb == "snapshot")
    if verb == "remove":
        return RemoveSymbol(max(now, at(rest[1])), rest[0])
    if verb == "add":
        first = 0 if rest[2:3] in ([], ["none"]) else at(rest[2])
        return AddSymbol(max(now, at(rest[1])), rest[0], Ticker(first, *rest[3:]))
    return None


def _trade(words: list[str], now: int, next_id: dict[str, int]) -> TradeSpec:
    symbol, time, amount, *options = words
    price, quantity = amount.split("x")
    trade_id, first_id, last_id = next_id.get(symbol, 1), None, None
    arrival, maker, kind = max(now, at(time)), False, TradeKind.MARKET
    for option in options:
        if option in ("b", "s"):
            maker = option == "s"
        elif option[0] == "@":
            arrival = at(option[1:])
        elif option[0] == "#":
            own, _, raw = option[1:].partition(":")
            trade_id = int(own)
            if raw:
                first_id, last_id = map(int, re.findall(r"(-?\d+)-(-?\d+)", raw)[0])
        else:
            kind = TradeKind[option]
    next_id[symbol] = max(next_id.get(symbol, 1), trade_id + 1)
    return TradeSpec(
        symbol, trade_id, price, quantity, at(time), arrival, maker, first_id, last_id, kind
    )


def build(run: Sequence[Item]) -> FeedSlice:
    """Return the slice of a run of items, each symbol at the coarsest scales that hold it."""
    trades = [item for item in run if isinstance(item, TradeSpec)]
    signals: list[Signal] = []
    positions: list[int] = []
    seen = 0
    for item in run:
        if isinstance(item, TradeSpec):
            seen += 1
        else:
            signals.append(item)
            positions.append(seen)
    return FeedSlice(tape(trades), tuple(signals), tuple(positions))


def tape(trades: Sequence[TradeSpec]) -> Tape:
    """Return trades as a tape."""
    if not trades:
        return Tape.empty()
    instruments: dict[str, Instrument] = {}
    for trade in trades:
        new = Instrument.of(trade.symbol, _scale(trade.price), _scale(trade.quantity))
        known = instruments.get(trade.symbol, new)
        finest = known.finest(new)
        instruments[trade.symbol] = Instrument.of(
            trade.symbol, finest.price_scale, finest.quantity_scale
        )
    codes = {symbol: code for code, symbol in enumerate(instruments)}
    prices = [_scaled(t.price, instruments[t.symbol].price_scale) for t in trades]
    quantities = [_scaled(t.quantity, instruments[t.symbol].quantity_scale) for t in trades]
    quotes = [price * quantity for price, quantity in zip(prices, quantities, strict=True)]
    ids = [trade.trade_id for trade in trades]
    columns = {
        "symbol": np.array([codes[trade.symbol] for trade in trades], dtype=np.int16),
        "trade_id": np.array(ids),
        "price": exact_column(prices),
        "quantity": exact_column(quantities),
        "quote": exact_column(quotes),
        "first_id": np.array([t.trade_id if t.first_id is None else t.first_id for t in trades]),
        "last_id": np.array([t.trade_id if t.last_id is None else t.last_id for t in trades]),
        "event_time_ns": np.array([trade.event_time_ns for trade in trades]),
        "arrival_ns": np.array([trade.arrival_ns for trade in trades]),
        "buyer_is_maker": np.array([trade.buyer_is_maker for trade in trades]),
        "kind": np.array([trade.kind for trade in trades], dtype=np.int8),
    }
    return Tape.build(tuple(instruments.values()), columns)


def _scale(text: str) -> int:
    return parse_exact(text)[1]


def _scaled(text: str, scale: int) -> int:
    value, own = parse_exact(text)
    return value * int(10 ** (scale - own))


def slices(run: Sequence[Item], cuts: Sequence[int]) -> Iterator[FeedSlice]:
    """Yield the slices between cuts, each built on its own: scales and symbols differ."""
    for start, stop in pairwise([0, *sorted(cuts), len(run)]):
        yield build(run[start:stop])


def oracle_events(run: Sequence[Item]) -> list[OracleEvent]:
    """Return the trades and ticks of a run as the oracle takes them."""
    events: list[OracleEvent] = []
    for item in run:
        if isinstance(item, Tick):
            events.append(OracleTick(item.time_ns))
        elif isinstance(item, TradeSpec):
            events.append(
                OracleTrade(
                    id=item.trade_id,
                    price=Decimal(item.price),
                    quantity=Decimal(item.quantity),
                    first_id=item.trade_id if item.first_id is None else item.first_id,
                    last_id=item.trade_id if item.last_id is None else item.last_id,
                    time_ns=item.event_time_ns,
                    buyer_is_maker=item.buyer_is_maker,
                    symbol=item.symbol,
                    arrival_ns=item.arrival_ns,
                    kind=item.kind.name,
                )
            )
    return events


# --- at random ---------------------------------------------------------------------------------

# Instants around the boundaries of the intervals, and inside; the far ones cost many flat klines.
_BASES = (0, MINUTE, 2 * MINUTE, 5 * MINUTE, 9 * MINUTE, HOUR)
_FAR_BASES = (*_BASES, 5 * HOUR, DAY, 7 * DAY)


def _instants(bases: tuple[int, ...]) -> list[int]:
    offsets = (-1_000_000, 0, 1_000_000, 30 * SECOND, 59_999_000_000)
    return sorted({T0 + base + offset for base in bases for offset in offsets})


@st.composite
def wild_runs(draw: st.DrawFn, symbols: tuple[str, ...] = ("ALFA", "BETA")) -> list[Item]:
    """Draw a run with ties, late and early trades, duplicates, gaps, bad kinds and odd ticks."""
    run: list[Item] = []
    now = T0 - HOUR
    instants = _instants(draw(st.sampled_from([_BASES] * 7 + [_FAR_BASES])))
    for _ in range(draw(st.integers(0, 25))):
        instant = draw(st.sampled_from(instants))
        now = max(now, draw(st.sampled_from([now, instant])))
        if draw(st.integers(0, 4)) == 0:
            run.append(Tick(now, instant))
            continue
        trade_id = draw(st.integers(1, 30))
        run.append(
            TradeSpec(
                draw(st.sampled_from(symbols)),
                trade_id,
                draw(st.sampled_from(["100", "100.5", "99.25", "7", "0.0001"])),
                draw(st.sampled_from(["1", "2.5", "0.001", "0.1", "0.2"])),
                event_time_ns=instant,
                arrival_ns=now,
                buyer_is_maker=draw(st.booleans()),
                first_id=10 * trade_id,
                last_id=10 * trade_id + draw(st.integers(0, 9)),
                kind=draw(st.sampled_from([TradeKind.MARKET] * 5 + list(TradeKind))),
            )
        )
    return run


@st.composite
def clean_runs(draw: st.DrawFn, symbols: tuple[str, ...] = ("ALFA", "BETA")) -> list[Item]:
    """Draw a run as the exchange sends it: times and ids rise, ticks follow their minute."""
    seed = draw(st.integers(0, 2**32))
    trades = draw(st.integers(0, 60))
    step = draw(st.sampled_from([100_000_000, 7 * SECOND, 50 * SECOND, 20 * MINUTE]))
    return clean_run(Random(seed), trades, step, symbols)


def clean_run(random: Random, trades: int, step_ns: int, symbols: Sequence[str]) -> list[Item]:
    """Return a run of trades about `step_ns` apart, with a tick after every minute."""
    run: list[Item] = []
    now = T0 + random.randrange(HOUR) // 1_000_000 * 1_000_000
    minute = now - now % MINUTE + MINUTE
    ids = dict.fromkeys(symbols, 0)
    price = 10_000
    for _ in range(trades):
        now += random.randrange(2 * step_ns) // 1_000_000 * 1_000_000
        while minute <= now:
            run.append(Tick(minute, minute))
            minute += MINUTE
        symbol = random.choice(list(symbols))
        first = ids[symbol] + 1
        last = ids[symbol] = first + random.randrange(3)
        price = max(1, price + random.randrange(-50, 51))
        run.append(
            TradeSpec(
                symbol,
                # Aggregates have their own ids; here each is that of its first raw trade.
                first,
                format_exact(price, 2),
                format_exact(random.randrange(1, 5_000), 3),
                event_time_ns=now,
                arrival_ns=now,
                buyer_is_maker=random.random() < 0.5,
                first_id=first,
                last_id=last,
            )
        )
    return run
