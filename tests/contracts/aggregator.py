"""The aggregator kit over feeds with commands and pulls, which it does not have itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from random import Random

from kline_harness.interfaces import AddSymbol, Aggregator, Pull, RemoveSymbol
from kline_harness.klagg.ticker import Ticker
from kline_harness.testing import aggregator_kit
from kline_harness.testing.aggregator_kit import (
    EmissionRows,
    check_empty,
    check_every_cut,
    check_random_cuts,
    emission_rows,
    plain_rows,
    run,
)

from tests.feeds import MINUTE, SECOND, Item, TradeSpec, build, clean_run, items

__all__ = [
    "SMALL_FEEDS",
    "SYMBOLS",
    "EmissionRows",
    "check_aggregator",
    "emission_rows",
    "plain_rows",
    "run",
]

Make = Callable[[], Aggregator]

# These feeds are about these; an aggregator that must know its symbols is made with them.
SYMBOLS = ("ALFA", "BETA", "GAMA")

SMALL_FEEDS = (
    "",
    "tick 1:00",
    "ALFA 0:00 100x1",
    "ALFA 0:01 100x2 b; ALFA 0:59.999 101x1 s; ALFA 1:00 99x3; tick 1:00.1; tick 2:00.1",
    "ALFA 0:10 100x1; BETA 0:20 5x1; tick 1:00.1; ALFA 4:00 101x1; BETA 4:01 6x1; tick 5:00.1",
    "ALFA 0:30 100x1 #5; ALFA 0:20 99x1 #4; ALFA 0:40 98x1 #4; tick 1:00; ALFA 0:59 97x1 #6",
    "ALFA 0:30 100x1; ALFA 0:31 1x1 ADL; ALFA 0:32 0x0 SENTINEL; ALFA 1:30 100x1 #9:20-25",
    "ALFA 0:05 100x1; pull 0:06; tick 1:00; snapshot 1:01; remove ALFA 1:02; ALFA 1:03 2x2",
    "add GAMA 0:01 0:01 9 12 8 10 77 770; GAMA 0:02 11x1; tick 1:00; pull 1:01; tick 5:00",
    "tick 1:00; ALFA 1:01 100x1; tick 0:30; tick 5:00.1; tick 11:00.1; tick 61:00.1",
)


def check_aggregator(make: Make, *, balances: bool = True, rounds: int = 20) -> None:
    """Hold an aggregator to the contract, over the kit's feeds and these.

    `make` returns a new aggregator; with `balances` false its accounts may leave trades out.
    """
    aggregator_kit.check_aggregator(make, balances=balances, rounds=1)
    check_empty(make)
    for text in SMALL_FEEDS:
        check_every_cut(make, build(items(text)), balances=balances)
    for seed in range(rounds):
        check_random_cuts(make, build(large_run(Random(seed))), Random(seed), balances=balances)


def large_run(random: Random) -> list[Item]:
    """Return a run of some hundred events: clean trades, then disturbed here and there."""
    step = random.choice([SECOND, 20 * SECOND, 10 * MINUTE])
    run = clean_run(random, 150, step, SYMBOLS[:2])
    for _ in range(20):
        place = random.randrange(len(run))
        item = run[place]
        now = item.arrival_ns if isinstance(item, TradeSpec) else item.at_ns
        run.insert(place, _disturbance(random, run, now))
    return run


def _disturbance(random: Random, run: list[Item], now: int) -> Item:
    trades = [item for item in run if isinstance(item, TradeSpec)]
    old = random.choice(trades)
    again = TradeSpec(**{**asdict(old), "arrival_ns": now})
    late = TradeSpec(**{**asdict(old), "arrival_ns": now, "trade_id": 10**6 + random.randrange(99)})
    symbol = random.choice(SYMBOLS)
    choices: list[Item] = [
        again,
        late,
        Pull(now, random.random() < 0.5),
        AddSymbol(now, symbol, Ticker(now, "9", "12", "8", "10", "77", "770")),
        AddSymbol(now, symbol, Ticker(now)),
        RemoveSymbol(now, symbol),
    ]
    return random.choice(choices)
