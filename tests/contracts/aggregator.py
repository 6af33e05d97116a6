"""The contract of the aggregator seam: what any aggregator must satisfy, whatever it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from random import Random
from typing import Any

from kline_harness.columns import Columns
from kline_harness.interfaces import (
    AccountingAggregator,
    AddSymbol,
    Aggregator,
    FeedSlice,
    Pull,
    RemoveSymbol,
)
from kline_harness.kline import Emission, Life
from kline_harness.ledger import judge, trade_equations
from kline_harness.units import format_exact
from kline_harness.verdict import Validity

from tests.feeds import (
    MINUTE,
    SECOND,
    T0,
    Item,
    TradeSpec,
    build,
    clean_run,
    cut_at,
    items,
)

Make = Callable[[], Aggregator]
Told = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]

# The kit's feeds are about these; an aggregator that must know its symbols is made with them.
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
    """Hold an aggregator to the contract.

    `make` returns a new aggregator; with `balances` false its accounts may leave trades out.
    """
    check_empty(make)
    for text in SMALL_FEEDS:
        check_every_cut(make, build(items(text)), balances=balances)
    for seed in range(rounds):
        check_random_cuts(make, build(large_run(Random(seed))), Random(seed), balances=balances)


def check_empty(make: Make) -> None:
    """A feed without events, and no feed at all: nothing but rows of the end, no trades."""
    for pieces in ([], [build([])], [build([]), build([])]):
        emissions, accounts = run(make(), pieces)
        check_rows(emissions)
        assert not any(account.received for account in accounts.values())
        assert all(len(emission.klines) == 0 for emission in emissions[:-1])


def check_every_cut(make: Make, whole: FeedSlice, *, balances: bool = True) -> None:
    """Cutting a feed in two changes nothing, wherever it is cut."""
    expected = outcome(make(), [whole], balances=balances)
    for cut in range(len(whole) + 1):
        assert outcome(make(), cut_at(whole, [cut]), balances=balances) == expected, cut
    each = cut_at(whole, range(1, len(whole)))
    assert outcome(make(), each, balances=balances) == expected


def check_random_cuts(
    make: Make, whole: FeedSlice, random: Random, *, balances: bool = True
) -> None:
    """Cutting a feed at many places changes nothing."""
    expected = outcome(make(), [whole], balances=balances)
    cuts = sorted(random.choices(range(len(whole) + 1), k=random.randrange(1, 12)))
    assert outcome(make(), cut_at(whole, cuts), balances=balances) == expected, cuts


def outcome(aggregator: Aggregator, pieces: Iterable[FeedSlice], *, balances: bool = True) -> Any:
    """Run a feed and return everything told, after the checks that need no second run."""
    emissions, accounts = run(aggregator, pieces)
    check_rows(emissions)
    if balances:
        verdict = judge(trade_equations(accounts))
        assert verdict.findings == ()
        assert verdict.validity is Validity.VALID
    return told(emissions), {symbol: asdict(account) for symbol, account in accounts.items()}


def run(
    aggregator: Aggregator, pieces: Iterable[FeedSlice]
) -> tuple[list[Emission], Mapping[str, Any]]:
    """Feed the pieces, finish an hour after the last event, return emissions and accounts."""
    emissions = []
    now = T0
    for piece in pieces:
        for signal in piece.signals:
            now = max(now, signal.at_ns)
        if len(piece.trades):
            now = max(now, int(piece.trades.arrival_ns.max()))
        emissions.append(aggregator.advance(piece))
    emissions.append(aggregator.finish(now + 60 * MINUTE))
    assert isinstance(aggregator, AccountingAggregator)
    return emissions, aggregator.accounts()


def check_rows(emissions: Sequence[Emission]) -> None:
    """Rows name known instruments, and published instants never go back."""
    klines_at = events_at = 0
    for emission in emissions:
        klines, events = emission.klines, emission.events
        assert klines.instruments == events.instruments
        for row in range(len(klines)):
            assert 0 <= klines.symbol[row] < len(klines.instruments)
            assert klines_at <= klines.at_ns[row]
            klines_at = klines.at_ns[row]
        for row in range(len(events)):
            is_tick = events.life[row] == Life.TICK
            assert (events.symbol[row] == -1) == (events.interval[row] == -1) == is_tick
            assert -1 <= events.symbol[row] < len(events.instruments)
            assert events_at <= events.at_ns[row]
            events_at = events.at_ns[row]


def told(emissions: Sequence[Emission]) -> Told:
    """Return klines and events as plain rows: symbols as text, numbers as exact decimal text."""
    return (
        [row for emission in emissions for row in plain_rows(emission.klines)],
        [row for emission in emissions for row in plain_rows(emission.events)],
    )


def plain_rows(table: Columns) -> list[tuple[Any, ...]]:
    """Return a table's rows in a form that does not depend on scales or symbol codes."""
    names = table.column_names()
    scales = {
        **dict.fromkeys(table.price_columns(), "price_scale"),
        **dict.fromkeys(table.quantity_columns(), "quantity_scale"),
        **dict.fromkeys(table.quote_columns(), "quote_scale"),
    }
    rows = []
    for values in zip(*(getattr(table, name).tolist() for name in names), strict=True):
        instrument = table.instruments[values[0]] if values[0] >= 0 else None
        plain: list[Any] = [instrument.symbol if instrument else None]
        for name, value in zip(names[1:], values[1:], strict=True):
            scaled = name in scales
            plain.append(
                format_exact(value, getattr(instrument, scales[name])) if scaled else value
            )
        rows.append(tuple(plain))
    return rows


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
        AddSymbol(now, symbol, now, "9", "12", "8", "10", "77", "770"),
        AddSymbol(now, symbol, now),
        RemoveSymbol(now, symbol),
    ]
    return random.choice(choices)
