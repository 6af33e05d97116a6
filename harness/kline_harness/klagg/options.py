"""How the klagg model is set up by a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from kline_harness.errors import UsageError
from kline_harness.interfaces import Aggregator
from kline_harness.interval import Interval
from kline_harness.klagg.quirks import FAITHFUL, FIXED, Quirk
from kline_harness.klagg.records import DatabaseRow
from kline_harness.units import NS_PER_MINUTE

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
class KlaggOptions:
    """The klagg model's options; those not explained here are `KlaggAggregator`'s.

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
        # Late: these options are part of every scenario, the model is not.
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
