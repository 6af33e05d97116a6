"""The small markets on which canaries are run: every trap of the rules in a few hundred trades."""

from __future__ import annotations

from random import Random

import numpy as np
from kline_harness.columns import Instrument, concat
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MILLISECOND, NS_PER_MINUTE

# Monday 2024-01-01 00:00 UTC.
START_NS = 1_704_067_200_000_000_000
MINUTES = 13
DAYS = 70
SYMBOLS = ("ALFAUSDT", "BETAUSDT")
_QUIET = {"ALFAUSDT": (4, 5, 9), "BETAUSDT": (2, 7)}
_FUND_MINUTE = 3


def minutes() -> Tape:
    """Return thirteen minutes of two symbols.

    Every traded minute has a trade in its first and in its last millisecond and one at the
    price of its first; some minutes are quiet; one trade is of the insurance fund.
    """
    tapes = [_symbol_minutes(symbol, Random(number)) for number, symbol in enumerate(SYMBOLS)]
    joined = concat(tapes)
    return joined.take(np.argsort(joined.arrival_ns, kind="stable"))


def days() -> Tape:
    """Return seventy days of one symbol, a trade every six hours."""
    random = Random(7)
    times = [START_NS + n * 6 * NS_PER_HOUR for n in range(DAYS * NS_PER_DAY // (6 * NS_PER_HOUR))]
    prices = [10_000 + random.randrange(-500, 501) for _ in times]
    return _tape(SYMBOLS[0], random, times, prices, fund=-1)


def _symbol_minutes(symbol: str, random: Random) -> Tape:
    times: list[int] = []
    prices: list[int] = []
    fund, price = -1, 10_000
    for minute in range(MINUTES):
        if minute in _QUIET[symbol]:
            continue
        inside = sorted(random.sample(range(1_000, 59_000), 6))
        opened = price = max(100, price + random.randrange(-40, 41))
        if minute == _FUND_MINUTE:
            fund = len(times) + 3
        for millisecond in (0, *inside, 59_950, 59_999):
            times.append(START_NS + minute * NS_PER_MINUTE + millisecond * NS_PER_MILLISECOND)
            price += random.randrange(-15, 16)
            prices.append(opened if millisecond in (0, 59_999) else price)
        price = opened
    return _tape(symbol, random, times, prices, fund)


def _tape(symbol: str, random: Random, times: list[int], prices: list[int], fund: int) -> Tape:
    rows = len(times)
    sizes = [random.randrange(1, 4) for _ in times]
    stops = np.cumsum(sizes) + 5_000
    kinds = np.zeros(rows, dtype=np.int8)
    if fund >= 0:
        kinds[fund] = TradeKind.INSURANCE_FUND
        prices[fund] *= 2
    return Tape.of(
        Instrument.of(symbol, 2, 3),
        trade_id=np.arange(700, 700 + rows, dtype=np.int64),
        price=np.array(prices, dtype=np.int64),
        quantity=np.array([random.randrange(1, 5_000) for _ in times], dtype=np.int64),
        first_id=stops - np.array(sizes, dtype=np.int64),
        last_id=stops - 1,
        event_time_ns=np.array(times, dtype=np.int64),
        buyer_is_maker=np.array([random.randrange(2) == 1 for _ in times]),
        kind=kinds,
    )
