"""klagg's bars: one slot per symbol and period, and the trades that wait to be added to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kline_harness.aggregators.per_event import Amount, TradeRow
from kline_harness.klagg.numbers import Numbers
from kline_harness.ledger import SeriesAccount

# The expiration of a slot that was never used: never.
NEVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class BarRules:
    """How trades enter a bar."""

    numbers: Numbers
    ids_ignored: bool
    aggregates_counted: bool
    count_zero_is_phantom: bool


class TradeRun:
    """Consecutive trades of one symbol, looked at once for all its periods."""

    __slots__ = (
        *("trades", "open", "high", "low", "close", "quantities", "quotes", "bought"),
        *("bought_quotes", "count", "lowest_id", "highest_id", "first_trade_id", "last_trade_id"),
    )

    def __init__(self, trades: Sequence[TradeRow], rules: BarRules) -> None:
        first, last = trades[0], trades[-1]
        if not rules.ids_ignored and len(trades) > 1:
            first = min(trades, key=_trade_id)
            last = max(trades, key=_trade_id)
        prices = [trade.price for trade in trades]
        buys = [trade for trade in trades if not trade.buyer_is_maker]
        self.trades = trades
        self.open, self.high, self.low, self.close = (
            first.price,
            max(prices),
            min(prices),
            last.price,
        )
        self.quantities = [trade.quantity for trade in trades]
        self.quotes = [trade.quote for trade in trades]
        self.bought = [trade.quantity for trade in buys]
        self.bought_quotes = [trade.quote for trade in buys]
        self.count = len(trades)
        if not rules.aggregates_counted:
            self.count += sum(trade.last_id - trade.first_id for trade in trades)
        self.lowest_id, self.first_trade_id = first.trade_id, first.first_id
        self.highest_id, self.last_trade_id = last.trade_id, last.last_id


def _trade_id(trade: TradeRow) -> int:
    return trade.trade_id


@dataclass(slots=True)
class Slot:
    """The open bar of one symbol and period; by default never used, which counts as open at 0.

    `rows` tape rows were applied to the bar, of which `foreign` belong to other symbols. A slot
    that `waits` takes its bar from its first trade. A `partial` bar began before its first trade
    was seen and is not published.
    """

    account: SeriesAccount = field(default_factory=SeriesAccount)
    open_time_ns: int = 0
    expires_ns: int = NEVER_NS
    open: Amount = 0
    high: Amount = 0
    low: Amount = 0
    close: Amount = 0
    volume: Amount = 0
    quote_volume: Amount = 0
    count: int = 0
    taker_buy_volume: Amount = 0
    taker_buy_quote_volume: Amount = 0
    initialized: bool = False
    waits: bool = False
    partial: bool = False
    dirty: bool = False
    rows: int = 0
    foreign: int = 0
    lowest_id: int = -1
    highest_id: int = -1
    first_trade_id: int = -1
    last_trade_id: int = -1

    def fields(self) -> tuple[Amount, ...]:
        """Return the nine fields in the exchange's order."""
        return (
            *(self.open, self.high, self.low, self.close),
            *(self.volume, self.quote_volume, self.count),
            *(self.taker_buy_volume, self.taker_buy_quote_volume),
        )

    def amounts(self) -> tuple[Amount, ...]:
        """Return the fields without the count."""
        prices = (self.open, self.high, self.low, self.close)
        sums = (self.volume, self.quote_volume)
        return (*prices, *sums, self.taker_buy_volume, self.taker_buy_quote_volume)

    def set_fields(self, fields: Sequence[Amount], count: int) -> None:
        """Set the amounts (the nine fields without the count) and the count."""
        self.open, self.high, self.low, self.close = fields[:4]
        self.volume, self.quote_volume = fields[4:6]
        self.taker_buy_volume, self.taker_buy_quote_volume = fields[6:]
        self.count = count

    def seed(self, open_time_ns: int, expires_ns: int, close: Amount) -> None:
        """Begin a bar, flat at a price."""
        self.open_time_ns, self.expires_ns = open_time_ns, expires_ns
        self.set_fields((close, close, close, close, 0, 0, 0, 0), 0)
        self.initialized, self.waits, self.partial = True, False, False
        self.rows = self.foreign = 0
        self.lowest_id = self.highest_id = self.first_trade_id = self.last_trade_id = -1

    def is_phantom(self, rules: BarRules) -> bool:
        """Tell whether the next trade rewrites the bar, as no trade has touched it."""
        return self.count == 0 and (rules.count_zero_is_phantom or not self.volume)

    def apply(self, run: TradeRun, rules: BarRules) -> None:
        """Add trades of this bar."""
        if self.is_phantom(rules):
            self.set_fields((run.open, run.high, run.low, run.close, 0, 0, 0, 0), 0)
            self.first_trade_id, self.lowest_id = run.first_trade_id, run.lowest_id
        else:
            self.high = max(self.high, run.high)
            self.low = min(self.low, run.low)
            if not rules.ids_ignored and run.lowest_id < self.lowest_id:
                self.open = run.open
                self.first_trade_id, self.lowest_id = run.first_trade_id, run.lowest_id
        if rules.ids_ignored or run.highest_id > self.highest_id:
            self.close = run.close
            self.last_trade_id, self.highest_id = run.last_trade_id, run.highest_id
        total = rules.numbers.total
        self.volume = total(self.volume, run.quantities)
        self.quote_volume = total(self.quote_volume, run.quotes)
        self.taker_buy_volume = total(self.taker_buy_volume, run.bought)
        self.taker_buy_quote_volume = total(self.taker_buy_quote_volume, run.bought_quotes)
        self.count += run.count
        self.rows += len(run.trades)


class SymbolSlots:
    """One symbol's slots, a period each.

    While every period's bar is open for a trade and nothing but the sums can change, trades only
    wait in `pending`: that holds for times in [from_ns, until_ns). `settle` adds them. Meanwhile
    `is_noted` says that every slot is already known to have changed since the last pull.

    The bars may be held elsewhere meanwhile: then `release` brings them back. Of the trades that
    a window let wait there were `stretch` in the last one, `waited` in this one so far.
    """

    __slots__ = (
        *("from_ns", "is_noted", "pending", "release", "rules", "slots", "stretch", "until_ns"),
        "waited",
    )

    def __init__(self, slots: list[Slot], rules: BarRules) -> None:
        self.slots = slots
        self.rules = rules
        self.pending: list[TradeRow] = []
        self.is_noted = False
        self.release: Callable[[], None] | None = None
        self.stretch: int | None = None
        self.waited = 0
        self.from_ns, self.until_ns = NEVER_NS, -NEVER_NS

    def close_window(self) -> None:
        """Let the next trade be looked at period by period."""
        if self.from_ns < self.until_ns:
            self.stretch, self.waited = self.waited, 0
        self.from_ns, self.until_ns = NEVER_NS, -NEVER_NS

    def settle(self) -> None:
        """Bring the bars up to date, with the trades that wait."""
        if self.release is not None:
            release, self.release = self.release, None
            release()
        if self.pending:
            run = TradeRun(self.pending, self.rules)
            for slot in self.slots:
                slot.apply(run, self.rules)
                slot.account.applied += len(run.trades)
            self.waited += len(self.pending)
            self.pending = []
