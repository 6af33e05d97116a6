"""The options of klagg in a scenario, and the parts of klagg other than its aggregator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from kline_harness.errors import UsageError
from kline_harness.interfaces import (
    AddSymbol,
    Aggregator,
    Command,
    Duties,
    Pulls,
    RemoveSymbol,
    Subject,
    SubjectWatch,
)
from kline_harness.interval import Interval
from kline_harness.klagg.gateway import GatewayOptions
from kline_harness.klagg.quirks import FAITHFUL, FIXED, Quirk
from kline_harness.klagg.records import DatabaseRow
from kline_harness.klagg.snapshot_writer import SnapshotOptions
from kline_harness.klagg.ticker import Ticker
from kline_harness.units import INT64_MAX, NS_PER_MINUTE, Window

_NAMED = {"faithful": FAITHFUL, "fixed": FIXED}


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A stored kline that klagg starts from: the latest of a symbol, in each of `intervals`."""

    symbol: str
    intervals: tuple[Interval, ...]
    open_time_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str = "0"
    quote_volume: str = "0"
    count: int = 0
    taker_buy_volume: str = "0"
    taker_buy_quote_volume: str = "0"
    first_trade_id: int = field(default=-1, metadata={"least": -1})
    last_trade_id: int = field(default=-1, metadata={"least": -1})

    def row(self) -> DatabaseRow:
        """Return the row as the database holds it."""
        return DatabaseRow(**{f.name: getattr(self, f.name) for f in fields(DatabaseRow)})


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The model's options; those not explained here are `KlaggAggregator`'s.

    `quirks` is ``faithful`` (all of them), ``fixed`` (none), or a list such as ``["Q01", "Q07"]``
    (these alone) or ``["-Q03"]`` (all but this one); names such as ``late_uncounted`` do too.
    Without `symbols` those of the trade files are there from the start.
    """

    quirks: str | tuple[str, ...] = "faithful"
    symbols: tuple[str, ...] | None = None
    # What the column of symbols can number.
    max_symbols: int = field(default=1_000, metadata={"most": 32_767})
    map_delay_ns: int = 0
    unsubscribable: tuple[str, ...] = ()
    rollover_cap: int = 200_000
    future_bound_ns: int = NS_PER_MINUTE
    database: tuple[StoredRow, ...] = ()

    def __post_init__(self) -> None:
        parse_quirks(self.quirks)

    def make(self, intervals: Sequence[Interval], symbols: Sequence[str]) -> Aggregator:
        """Build the model; `symbols` are those of the trade files.

        Raises UsageError when the database lacks a row or there are too many symbols.
        """
        # Late: reading a scenario does not take the model.
        from kline_harness.klagg.aggregator import KlaggAggregator

        database = {
            (stored.symbol, interval.text): stored.row()
            for stored in self.database
            for interval in stored.intervals
        }
        return KlaggAggregator(
            intervals,
            symbols if self.symbols is None else self.symbols,
            parse_quirks(self.quirks),
            database=database or None,
            max_symbols=self.max_symbols,
            map_delay_ns=self.map_delay_ns,
            unsubscribable=self.unsubscribable,
            rollover_cap=self.rollover_cap,
            future_bound_ns=self.future_bound_ns,
        )


@dataclass(frozen=True)
class KlaggOptions(Subject):
    """klagg as a scenario describes it: its model, and who pulls deltas and full snapshots."""

    STATED: ClassVar[type] = Ticker

    klagg: ModelOptions = field(default_factory=ModelOptions)
    gateway: GatewayOptions | None = None
    snapshots: SnapshotOptions | None = None

    def make(self, intervals: Sequence[Interval], symbols: Sequence[str]) -> Aggregator:
        """Build the model; `symbols` are those of the trade files.

        Raises UsageError when the database lacks a row or there are too many symbols.
        """
        return self.klagg.make(intervals, symbols)

    def pulls(self) -> Pulls:
        """Return what gateway and snapshots pull."""
        period_ns = None if self.gateway is None else self.gateway.pull_period_ns
        return Pulls(period_ns, self.snapshots is not None)

    def duties(self, symbols: Sequence[str], commands: Sequence[Command]) -> Duties:
        """Return when each symbol is to be aggregated, and the stored klines continued."""
        model = self.klagg
        continued = {
            (stored.symbol, interval.text, stored.open_time_ns): stored.first_trade_id
            for stored in model.database
            for interval in stored.intervals
        }
        known = symbols if model.symbols is None else model.symbols
        return Duties(managed_times(model, known, commands), model.future_bound_ns, continued)

    def watch(self, aggregator: Aggregator) -> SubjectWatch:
        """Return what sees a run of the model and checks what was pulled."""
        # Late: reading a scenario does not take the model.
        from kline_harness.klagg.aggregator import KlaggAggregator
        from kline_harness.klagg.judge import KlaggWatch

        assert isinstance(aggregator, KlaggAggregator)
        return KlaggWatch(aggregator, self.gateway, self.snapshots)

    def channel_designs(self) -> Mapping[str, Callable[..., Any]]:
        """Return the queue that the broadcast replaced."""
        from kline_harness.klagg.queue import QueueChannel

        return {QueueChannel.design: QueueChannel}


def managed_times(
    model: ModelOptions, symbols: Sequence[str], commands: Sequence[Command]
) -> dict[str, list[Window]]:
    """Return when each symbol is to be aggregated, from the commands that can succeed.

    A trade at the instant of a command is processed before it.
    """
    since = dict.fromkeys(symbols, -INT64_MAX)
    times: dict[str, list[Window]] = {}
    for command in sorted(commands, key=lambda one: one.at_ns):
        if isinstance(command, RemoveSymbol) and command.symbol in since:
            window = Window(since.pop(command.symbol), command.at_ns)
            times.setdefault(command.symbol, []).append(window)
        elif isinstance(command, AddSymbol) and command.symbol not in since:
            fits = len(since) < model.max_symbols
            if fits and command.symbol not in model.unsubscribable:
                since[command.symbol] = command.at_ns
    for symbol, from_ns in since.items():
        times.setdefault(symbol, []).append(Window(from_ns, INT64_MAX))
    return times


def parse_quirks(given: str | Sequence[str]) -> frozenset[Quirk]:
    """Return the quirks that a scenario names.

    Raises UsageError for a name that is none.
    """
    words = [given] if isinstance(given, str) else list(given)
    named = {f"q{quirk.number:02}": quirk for quirk in Quirk} | {q.slug: q for q in Quirk}
    chosen: set[Quirk] = set(FAITHFUL if words and words[0].startswith("-") else FIXED)
    for word in words:
        name = word.removeprefix("-").lower()
        if word in _NAMED:
            chosen |= _NAMED[word]
        elif name not in named:
            raise UsageError(
                f"unknown quirk {word!r}: expected faithful, fixed, or a list of numbers such as "
                "Q01 or names such as late_uncounted; Q23, Q26 to Q29 and from Q31 on are not "
                "the aggregator's"
            )
        elif word.startswith("-"):
            chosen.discard(named[name])
        else:
            chosen.add(named[name])
    return frozenset(chosen)
