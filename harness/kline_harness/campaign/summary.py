"""What is known of a stretch of a symbol's trades: small, and added up in the order of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from kline_harness.replay.tallies import COLUMNS, trade_sums
from kline_harness.tape import Tape
from kline_harness.units import format_exact

NOTHING = dict.fromkeys(COLUMNS, 0)


@dataclass(frozen=True, slots=True)
class EdgeTrade:
    """The first or the last trade of a stretch: its instant, ids and price."""

    time_ns: int
    trade_id: int
    first_id: int
    last_id: int
    price: str

    @staticmethod
    def of(trades: Tape, row: int) -> EdgeTrade:
        """Return a row of a tape."""
        instrument = trades.instruments[int(trades.symbol[row])]
        return EdgeTrade(
            int(trades.event_time_ns[row]),
            int(trades.trade_id[row]),
            int(trades.first_id[row]),
            int(trades.last_id[row]),
            format_exact(int(trades.price[row]), instrument.price_scale),
        )


@dataclass(frozen=True, slots=True)
class TradeSummary:
    """A stretch of one symbol's trades: `a + b` is that of a and then b.

    `TradeSummary()` is that of nothing.
    `trades` rows of the source; `sums` of count, volumes and quote volumes, the amounts in units
    of 1e-18; `digest_rows` stand for them in the digests. `odd` says why the trades themselves
    have to be read again: trades that are not plain, or that do not follow one another.
    Adding is associative; that it keeps the order is why it does not commute.
    """

    trades: int = 0
    digest_rows: int = 0
    source_bytes: int = 0
    first: EdgeTrade | None = None
    last: EdgeTrade | None = None
    sums: dict[str, int] = field(default_factory=lambda: dict(NOTHING))
    odd: tuple[str, ...] = ()

    def __add__(self, other: TradeSummary) -> TradeSummary:
        """Return the summary of these trades and then the others."""
        odd = [*self.odd, *other.odd]
        if self.last and other.first and not _follows(self.last, other.first):
            ids = f"{self.last.trade_id} and {other.first.trade_id}"
            odd.append(f"trades {ids} do not follow one another in time and ids")
        return TradeSummary(
            self.trades + other.trades,
            self.digest_rows + other.digest_rows,
            self.source_bytes + other.source_bytes,
            self.first or other.first,
            other.last or self.last,
            {name: self.sums[name] + other.sums[name] for name in COLUMNS},
            tuple(odd),
        )

    def then(self, trades: Tape) -> TradeSummary:
        """Return the summary of these trades and then of a chunk of the same symbol."""
        if len(trades) == 0:
            return self
        edges = (EdgeTrade.of(trades, 0), EdgeTrade.of(trades, len(trades) - 1))
        return self + TradeSummary(len(trades), 0, 0, *edges, dict(trade_sums(trades)))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> TradeSummary:
        """Return what `to_dict` made."""
        edges = {name: plain[name] and EdgeTrade(**plain[name]) for name in ("first", "last")}
        return TradeSummary(**{**plain, **edges, "odd": tuple(plain["odd"])})


def _follows(last: EdgeTrade, first: EdgeTrade) -> bool:
    return (
        first.time_ns >= last.time_ns
        and first.trade_id > last.trade_id
        and first.first_id > last.last_id
    )


def fold(summaries: Iterable[TradeSummary]) -> TradeSummary:
    """Add up summaries in the order given."""
    total = TradeSummary()
    for summary in summaries:
        total = total + summary
    return total
