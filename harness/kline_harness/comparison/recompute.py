"""The kline of a set of trades, in exact integers: what every explanation is held to."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

import numpy as np

from kline_harness.columns import Instrument
from kline_harness.kline import PRICE_FIELDS, QUANTITY_FIELDS
from kline_harness.tape import Tape
from kline_harness.units import (
    ExactArray,
    Int64Array,
    multiply,
    rescale,
    sum_groups,
    to_decimal,
)

# The exchange states quote quantities to this many decimals.
ROUNDED_SCALE = 8
FIRST = ("open", "open_id", "first_raw")
LAST = ("close", "close_id", "last_raw")
ROUNDED = ("half_up", "taker_half_up", "down", "taker_down")
SUMS = ("rows", "volume", "quote", "count", "taker_volume", "taker_quote", *ROUNDED)
LOWEST, HIGHEST = ("low", "first_ns"), ("high", "last_ns")
NAMES = (*FIRST, *LOWEST, *LAST, *HIGHEST, *SUMS)

# Columns by name, one row per set of trades; and one such row as Python integers.
Sums: TypeAlias = dict[str, ExactArray]
Part: TypeAlias = dict[str, int]
Values: TypeAlias = dict[str, Decimal | int]


def sums_of(trades: Tape, starts: Int64Array) -> Sums:
    """Add up runs of trades of one symbol that begin at `starts`, one row for each.

    `half_up` and `down` are the quote sums with each row's price times quantity rounded to
    `ROUNDED_SCALE` decimals; `first_raw` and `last_raw` the outermost raw ids; `first_ns` and
    `last_ns` the outermost trade times; `rows` the number of rows added up.
    """
    buyer = ~trades.buyer_is_maker
    raw = trades.first_id >= 0
    sums = _ends(trades, starts)
    sums |= {
        "high": np.maximum.reduceat(trades.price, starts),
        "low": np.minimum.reduceat(trades.price, starts),
        "first_ns": np.minimum.reduceat(trades.event_time_ns, starts),
        "last_ns": np.maximum.reduceat(trades.event_time_ns, starts),
        "rows": np.diff(starts, append=len(trades)),
        "volume": sum_groups(trades.quantity, starts),
        "quote": sum_groups(trades.quote, starts),
        "count": sum_groups(np.where(raw, trades.last_id - trades.first_id + 1, 1), starts),
        "taker_volume": sum_groups(trades.quantity * buyer, starts),
        "taker_quote": sum_groups(trades.quote * buyer, starts),
    }
    return sums | _rounded(trades, starts, sums)


def _ends(trades: Tape, starts: Int64Array) -> Sums:
    ids = trades.trade_id
    lowest, highest = np.minimum.reduceat(ids, starts), np.maximum.reduceat(ids, starts)
    if np.all(ids[1:] >= ids[:-1]):
        first, last = starts, np.append(starts[1:], len(ids)) - 1
    else:
        sizes = np.diff(starts, append=len(ids))
        rows = np.arange(len(ids))
        first = np.minimum.reduceat(
            np.where(ids == np.repeat(lowest, sizes), rows, len(ids)), starts
        )
        last = np.maximum.reduceat(np.where(ids == np.repeat(highest, sizes), rows, -1), starts)
    return {
        "open": trades.price[first],
        "open_id": lowest,
        "first_raw": trades.first_id[first],
        "close": trades.price[last],
        "close_id": highest,
        "last_raw": trades.last_id[last],
    }


def _rounded(trades: Tape, starts: Int64Array, sums: Sums) -> Sums:
    instrument = trades.instruments[int(trades.symbol[0])]
    finer = product_scale(instrument) - ROUNDED_SCALE
    if finer <= 0 and product_scale(instrument) == instrument.quote_scale:
        whole = rescale(sums["quote"], -finer)
        bought = rescale(sums["taker_quote"], -finer)
        return dict(zip(ROUNDED, (whole, bought, whole, bought), strict=True))
    product = multiply(trades.price, trades.quantity)
    buyer = ~trades.buyer_is_maker
    if finer <= 0:
        down = half_up = rescale(product, -finer)
    else:
        unit = 10**finer
        half_up, down = (product + unit // 2) // unit, product // unit
    columns = (half_up, half_up * buyer, down, down * buyer)
    return {name: sum_groups(c, starts) for name, c in zip(ROUNDED, columns, strict=True)}


def product_scale(instrument: Instrument) -> int:
    """Return the scale of price times quantity."""
    return instrument.price_scale + instrument.quantity_scale


def part_of(trades: Tape) -> Part | None:
    """Add up all trades of a tape of one symbol; None without any."""
    if len(trades) == 0:
        return None
    sums = sums_of(trades, np.zeros(1, dtype=np.int64))
    return {name: int(sums[name][0]) for name in NAMES}


def total(sums: Sums, start: int, stop: int) -> Part | None:
    """Add up some neighbouring rows; None without any."""
    if start >= stop:
        return None
    first = start + int(np.argmin(sums["open_id"][start:stop]))
    last = start + int(np.argmax(sums["close_id"][start:stop]))
    part = {name: int(sums[name][first]) for name in FIRST}
    part |= {name: int(sums[name][last]) for name in LAST}
    part |= {name: int(sums[name][start:stop].min()) for name in LOWEST}
    part |= {name: int(sums[name][start:stop].max()) for name in HIGHEST}
    origin = np.zeros(1, dtype=np.int64)
    part |= {name: int(sum_groups(sums[name][start:stop], origin)[0]) for name in SUMS}
    return part


def merged(parts: Sequence[Part | None]) -> Part | None:
    """Add up sets of trades that have none in common; None when all are empty."""
    known = [part for part in parts if part is not None]
    if len(known) < 2:
        return known[0] if known else None
    first = min(known, key=lambda part: part["open_id"])
    last = max(known, key=lambda part: part["close_id"])
    whole = {name: first[name] for name in FIRST} | {name: last[name] for name in LAST}
    whole |= {name: sum(part[name] for part in known) for name in SUMS}
    whole |= {name: min(part[name] for part in known) for name in LOWEST}
    whole |= {name: max(part[name] for part in known) for name in HIGHEST}
    return whole


def values_of(part: Part, instrument: Instrument, rounding: str | None = None) -> Values:
    """Return the nine fields as exact numbers.

    `rounding` takes the quote volumes as sums of rounded quantities: ``half_up`` or ``down``.
    """
    scales = (instrument.price_scale, instrument.quantity_scale, instrument.quote_scale)
    quote = "quote"
    if rounding is not None:
        quote, scales = rounding, (*scales[:2], ROUNDED_SCALE)
    numbers: Values = {name: to_decimal(part[name], scales[0]) for name in PRICE_FIELDS}
    numbers |= {
        "volume": to_decimal(part["volume"], scales[1]),
        "quote_volume": to_decimal(part[quote], scales[2]),
        "count": part["count"],
        "taker_buy_volume": to_decimal(part["taker_volume"], scales[1]),
        "taker_buy_quote_volume": to_decimal(part[f"taker_{quote}"], scales[2]),
    }
    return numbers


def flat_values(price: Decimal | int) -> Values:
    """Return the nine fields of a kline without trades at a carried close."""
    zero = Decimal(0)
    return {
        **dict.fromkeys(PRICE_FIELDS, price),
        **dict.fromkeys((*QUANTITY_FIELDS, "quote_volume", "taker_buy_quote_volume"), zero),
        "count": 0,
    }


def rescaled(sums: Sums, old: Instrument, new: Instrument) -> Sums:
    """Bring sums to an instrument's finer scales; rounded ones keep theirs."""
    digits = {
        **dict.fromkeys(PRICE_FIELDS, new.price_scale - old.price_scale),
        **dict.fromkeys(("volume", "taker_volume"), new.quantity_scale - old.quantity_scale),
        **dict.fromkeys(("quote", "taker_quote"), new.quote_scale - old.quote_scale),
    }
    return {name: rescale(column, digits.get(name, 0)) for name, column in sums.items()}
