"""The contract of the aggregator seam: what any aggregator must satisfy, whatever it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from random import Random
from typing import Any, TypeAlias

from kline_harness.columns import Columns
from kline_harness.interfaces import AccountingAggregator, Aggregator, FeedSlice
from kline_harness.kline import Emission, Life
from kline_harness.ledger import TradeAccount, judge, trade_equations
from kline_harness.tape import Tape
from kline_harness.testing.specification import slice_of
from kline_harness.testing.subject_kit import rough_feed
from kline_harness.units import NS_PER_HOUR, format_exact

MakeAggregator: TypeAlias = Callable[[], Aggregator]
EmissionRows: TypeAlias = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]

# The kit's feeds are about these; an aggregator that must know its symbols is made with them.
SYMBOLS = ("ALFAUSDT", "BRAVOUSDT")
_EVENTS_CUT_EVERYWHERE = 60


def check_aggregator(make: MakeAggregator, *, balances: bool = True, rounds: int = 5) -> None:
    """Hold an aggregator to the seam: the slice law, rows in order, accounts that balance.

    `make` returns a new aggregator of `SYMBOLS`. With `balances` false its accounts may leave
    trades out; one without accounts is not asked for them.

    Raises AssertionError for the first thing that is wrong.
    """
    check_empty(make)
    for seed in range(rounds):
        feed = slice_of(rough_feed(Random(seed))[:-1])
        check_every_cut(make, feed.cut(_EVENTS_CUT_EVERYWHERE)[0], balances=balances)
        check_random_cuts(make, feed, Random(seed), balances=balances)


def check_empty(make: MakeAggregator) -> None:
    """Hold an aggregator to a feed without events, and to no feed at all.

    Raises AssertionError where it publishes before the end, or accounts for trades.
    """
    nothing = FeedSlice(Tape.empty())
    for pieces in ([], [nothing], [nothing, nothing]):
        emissions, accounts = run(make(), pieces)
        check_rows(emissions)
        received = any(account.received for account in accounts.values())
        hold(not received, "a feed without trades: expected no trade in the accounts")
        early = any(len(emission.klines) for emission in emissions[:-1])
        hold(not early, "a feed without events: expected no klines before the end")


def check_every_cut(make: MakeAggregator, whole: FeedSlice, *, balances: bool = True) -> None:
    """Cut a feed in two at each place, and into single events.

    Raises AssertionError where the outcome differs from that of the whole feed.
    """
    cuts = [[cut] for cut in range(len(whole) + 1)]
    _hold_cuts(make, whole, [*cuts, list(range(1, len(whole)))], balances=balances)


def check_random_cuts(
    make: MakeAggregator, whole: FeedSlice, random: Random, *, balances: bool = True
) -> None:
    """Cut a feed at several places drawn.

    Raises AssertionError where the outcome differs from that of the whole feed.
    """
    cuts = sorted(random.choices(range(len(whole) + 1), k=random.randrange(1, 12)))
    _hold_cuts(make, whole, [cuts], balances=balances)


def _hold_cuts(
    make: MakeAggregator, whole: FeedSlice, every: Iterable[list[int]], *, balances: bool
) -> None:
    expected = outcome(make(), [whole], balances=balances)
    for cuts in every:
        same = outcome(make(), cut_at(whole, cuts), balances=balances) == expected
        hold(same, f"the slice law: expected the same outcome for slices cut at events {cuts}")


def cut_at(whole: FeedSlice, cuts: Sequence[int]) -> Iterator[FeedSlice]:
    """Yield the slices of one feed between cuts."""
    done = 0
    for cut in sorted(cuts):
        head, whole = whole.cut(cut - done)
        done = cut
        yield head
    yield whole


def outcome(aggregator: Aggregator, pieces: Iterable[FeedSlice], *, balances: bool = True) -> Any:
    """Run a feed and return everything published, after the checks that need no second run."""
    emissions, accounts = run(aggregator, pieces)
    check_rows(emissions)
    if balances:
        found = judge(trade_equations(accounts)).findings
        hold(not found, f"accounts that balance: expected no finding, found {found[:1]}")
    return emission_rows(emissions), {
        symbol: asdict(account) for symbol, account in accounts.items()
    }


def run(
    aggregator: Aggregator, pieces: Iterable[FeedSlice]
) -> tuple[list[Emission], Mapping[str, TradeAccount]]:
    """Feed the pieces, finish an hour after the last event, return emissions and accounts."""
    emissions = []
    now = 0
    for piece in pieces:
        now = max([now, *(signal.at_ns for signal in piece.signals)])
        if len(piece.trades):
            now = max(now, int(piece.trades.arrival_ns.max()))
        emissions.append(aggregator.advance(piece))
    emissions.append(aggregator.finish(now + NS_PER_HOUR))
    accounts = aggregator.accounts() if isinstance(aggregator, AccountingAggregator) else {}
    return emissions, accounts


def check_rows(emissions: Sequence[Emission]) -> None:
    """Hold emissions to rows of known instruments, published in the order of their instants.

    Raises AssertionError for the first row that is wrong.
    """
    klines_at = events_at = 0
    for emission in emissions:
        klines, events = emission.klines, emission.events
        same = klines.instruments == events.instruments
        hold(same, "an emission: expected klines and events of the same instruments")
        known = range(len(klines.instruments))
        for row in range(len(klines)):
            hold(int(klines.symbol[row]) in known, f"kline {row}: expected a known instrument")
            ordered = klines_at <= klines.at_ns[row]
            hold(ordered, f"kline {row}: expected an instant not before the last one's")
            klines_at = klines.at_ns[row]
        for row in range(len(events)):
            is_tick = events.life[row] == Life.TICK
            names = (events.symbol[row] == -1) == (events.interval[row] == -1) == is_tick
            hold(names, f"event {row}: expected a symbol and an interval, of a tick neither")
            of_known = is_tick or int(events.symbol[row]) in known
            hold(of_known, f"event {row}: expected a known instrument")
            ordered = events_at <= events.at_ns[row]
            hold(ordered, f"event {row}: expected an instant not before the last one's")
            events_at = events.at_ns[row]


def emission_rows(emissions: Sequence[Emission]) -> EmissionRows:
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


def hold(right: Any, said: str) -> None:
    """Fail as a test does, under python -O too."""
    if not right:
        raise AssertionError(said)
