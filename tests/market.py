"""An invented USD-M market's day, trade by trade: what the fixtures show in the exchange's formats.

Everything is drawn from the given generator, by integers only, so it is the same everywhere.
Prices are in ticks, quantities in steps, times in ms; minutes are numbered from midnight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

DAY = 1_715_731_200_000
"""2024-05-15 00:00 UTC."""

MINUTE = 60_000

RECORDED = range(11 * 60 + 54, 12 * 60 + 5)
"""The minutes of the recording: busy, with the noon boundary among them, and 12:02 quiet."""


@dataclass(frozen=True)
class Market:
    """What makes one symbol's day.

    Sweeps are (ms after midnight, fills in that one ms); edges are minutes with a pair of trades
    in the milliseconds around their opening; in quiet minutes nothing is traded.
    """

    symbol: str
    price_decimals: int
    quantity_decimals: int
    first_price: int
    moves: tuple[int, ...]
    first_id: int
    first_aggregate_id: int
    orders_per_minute: tuple[int, ...]
    minutes_per_burst: int
    busy: range
    quiet: frozenset[int]
    edges: tuple[int, ...]
    sweeps: tuple[tuple[int, int], ...]
    fund_at: int | None


@dataclass(frozen=True)
class Order:
    """One taker order: when, in how many fills, and whether at the last order's price and side."""

    time: int
    fills: int
    repeats: bool = False
    kind: str = "MARKET"


@dataclass(frozen=True)
class Fill:
    """One trade."""

    id: int
    price: int
    quantity: int
    time: int
    sell: bool
    kind: str


ALFA = Market(
    symbol="ALFAUSDT",
    price_decimals=2,
    quantity_decimals=3,
    first_price=315_025,
    moves=(-9, -4, -2, -1, 0, 0, 0, 1, 2, 4, 9),
    first_id=5_182_000_001,
    first_aggregate_id=2_204_500_001,
    orders_per_minute=(0, 1, 2, 3, 3, 4, 5, 6, 8, 9, 10),
    minutes_per_burst=35,
    busy=RECORDED,
    quiet=frozenset({12 * 60 + 2}),
    edges=(*range(60, 1440, 60), 1, 2, 479, 482, 717, 718, 719, 1439),
    sweeps=((12 * 60 * MINUTE, 140), (1_000_000, 117), (65_000_000, 104)),
    fund_at=DAY + (11 * 60 + 58) * MINUTE + 20_500,
)

BRAVO = Market(
    symbol="BRAVOUSDT",
    price_decimals=5,
    quantity_decimals=0,
    first_price=4_321,
    moves=(-1, 0, 0, 0, 0, 0, 0, 1),
    first_id=88_120_001,
    first_aggregate_id=31_900_001,
    orders_per_minute=(0, 0, 0, 1, 1, 2, 2, 3, 5),
    minutes_per_burst=100,
    busy=range(14 * 60 + 30, 14 * 60 + 36),
    quiet=frozenset(
        {*range(110, 206), *range(460, 472), *range(785, 792), *range(1170, 1174)}
        | {*range(1320, 1341)}
    ),
    edges=(1, 60, 240, 480, 720, 871, 872, 1080, 1439),
    sweeps=((50_000_123, 43),),
    fund_at=None,
)


def orders(market: Market, rng: Random) -> list[Order]:
    """The day's orders in time order, with the awkward moments put in by hand."""
    made = [Order(DAY, 1), Order(DAY + 1440 * MINUTE - 1, 1)]
    for minute in market.edges:
        # The same price and side a millisecond apart: only the minute between keeps them apart.
        boundary = DAY + minute * MINUTE
        made += [Order(boundary - 1, 1), Order(boundary, 2, repeats=True)]
    made += [Order(DAY + offset, fills) for offset, fills in market.sweeps]
    if market.fund_at is not None:
        # Amid fills that would be one aggregate if the fund trade did not take an id.
        made.append(Order(market.fund_at, 3))
        made.append(Order(market.fund_at, 1, repeats=True, kind="INSURANCE_FUND"))
        made.append(Order(market.fund_at, 2, repeats=True))
    for minute in sorted(set(range(1440)) - market.quiet):
        opened = DAY + minute * MINUTE
        count = rng.choice(market.orders_per_minute)
        if minute in market.busy:
            count = rng.randrange(80, 130)
        for _ in range(count):
            made.append(Order(opened + rng.randrange(MINUTE), rng.choice((1, 1, 1, 1, 2, 2, 3, 5))))
        if rng.randrange(market.minutes_per_burst) == 0:
            made += burst(opened + rng.randrange(MINUTE - 2_000), rng)
    # Sorting is stable: what was put in by hand stays together within its millisecond.
    return sorted(made, key=lambda order: order.time)


def burst(start: int, rng: Random) -> list[Order]:
    """Many small orders within two seconds, often at one price."""
    return [
        Order(start + rng.randrange(2_000), rng.choice((1, 1, 2)), repeats=rng.randrange(3) > 0)
        for _ in range(rng.randrange(20, 60))
    ]


def fills(market: Market, rng: Random) -> list[Fill]:
    """The day's trades in id order; a fund trade, 2 % off the market, is among them."""
    tape: list[Fill] = []
    price, sell = market.first_price, False
    for order in orders(market, rng):
        if tape and not order.repeats:
            price += rng.choice(market.moves)
            sell = rng.randrange(100) < (65 if sell else 35)
        for _ in range(order.fills):
            traded = price if order.kind == "MARKET" else price * 98 // 100
            quantity = 1 + rng.randrange(rng.choice((5, 50, 500, 5_000)))
            fill_id = market.first_id + len(tape)
            tape.append(Fill(fill_id, traded, quantity, order.time, sell, order.kind))
            if not order.repeats and rng.randrange(5) == 0:
                price += -1 if sell else 1
    return tape


def aggregates(tape: Sequence[Fill], *, split_minutes: bool = True) -> list[list[Fill]]:
    """Fills joined by the exchange's rule: ids in a row, one price, one side, within 100 ms.

    The exchange lets an aggregate straddle a minute; `split_minutes` does not, so that the
    aggregates give the same klines as the trades.
    """
    groups: list[list[Fill]] = []
    for fill in tape:
        if fill.kind != "MARKET":
            continue
        first, last = (groups[-1][0], groups[-1][-1]) if groups else (fill, fill)
        if (
            groups
            and fill.id == last.id + 1
            and (fill.price, fill.sell) == (first.price, first.sell)
            and fill.time - first.time < 100
            and (fill.time // MINUTE == first.time // MINUTE or not split_minutes)
        ):
            groups[-1].append(fill)
        else:
            groups.append([fill])
    return groups
