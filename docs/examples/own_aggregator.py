"""An aggregator of one's own, judged by a replay.

    python docs/examples/own_aggregator.py                  # exit code 0: valid
    python docs/examples/own_aggregator.py --boundary-bug   # exit code 1: the bug is found

`Klines` says what it does with a trade, a tick and the end of the feed; slices, virtual instants
and the count of what it received come with the base. Beside it the exact aggregator runs on the
same feed, and every final kline is held to that and to the exchange's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import kline_harness as kh

DAY = Path(__file__).resolve().parents[2] / "fixtures" / "um-day"


@dataclass
class Bar:
    """An open kline: `fields` are the nine of the exchange, as integers at the symbol's scales."""

    open_time_ns: int
    close_time_ns: int
    fields: list[int]
    trades: int = 0
    ids: list[int] = field(default_factory=lambda: [-1, -1])

    def add(self, trade: kh.TradeRow) -> None:
        """Add a trade; trades of a symbol come in the order of their ids."""
        price, quantity, quote = int(trade.price), int(trade.quantity), int(trade.quote)
        if self.trades == 0:
            self.fields[:4] = [price, price, price, price]
            self.ids[0] = trade.first_id
        opened, high, low, _, *sums = self.fields
        taker = not trade.buyer_is_maker
        count = trade.last_id - trade.first_id + 1
        added = (quantity, quote, count, quantity * taker, quote * taker)
        sums = [have + more for have, more in zip(sums, added, strict=True)]
        self.fields = [opened, max(high, price), min(low, price), price, *sums]
        self.ids[1] = trade.last_id
        self.trades += 1


class Klines(kh.PerEventAggregator):
    """Klines of every symbol, flat at the previous close where nothing was traded.

    It is for archives: ids rise, no trade comes late. With `boundary_bug` a trade at the very
    instant at which a kline closes is still counted into it.
    """

    def __init__(self, intervals: Sequence[kh.Interval], boundary_bug: bool = False) -> None:
        super().__init__(intervals)
        self._bug_ns = 1 if boundary_bug else 0
        self._bars: dict[tuple[int, int], Bar] = {}

    def on_trade(self, trade: kh.TradeRow, at_ns: int) -> None:
        """Add a trade to the bar of each interval, or open the next."""
        account = self.account(trade.symbol)
        if trade.kind != kh.TradeKind.MARKET:
            kind = kh.TradeKind(trade.kind).name.lower()
            account.rejected.setdefault(kind, []).append(trade.trade_id)
            return
        time_ns = trade.event_time_ns - self._bug_ns
        for place, interval in enumerate(self.intervals):
            self._close_until(trade.symbol, place, time_ns)
            bar = self._bars.get((trade.symbol, place))
            if bar is None:
                bar = self._open(trade.symbol, place, time_ns, [0] * 9)
                bar.add(trade)
                self._tell(kh.Life.OPENED_LIVE, trade.symbol, place, bar)
            else:
                bar.add(trade)
                if bar.trades == 1:
                    self._tell(kh.Life.FIRST_TRADE, trade.symbol, place, bar)
            account.series[interval.text].applied += 1

    def on_tick(self, tick: kh.Tick) -> None:
        """Publish what has closed by the tick's time; the kline after it is open from then on."""
        for symbol, place in sorted(self._bars):
            closed = self._close_until(symbol, place, tick.time_ns)
            if closed is not None:
                self._open_flat(symbol, place, tick.time_ns, closed)
        self.publish_tick(tick)

    def on_end(self, at_ns: int) -> None:
        """Publish what is open and was traded."""
        for (symbol, place), bar in sorted(self._bars.items()):
            if bar.trades:
                self._publish(symbol, place, bar)
                account = self.account(symbol).series[self.intervals[place].text]
                account.open = bar.trades
        self._bars.clear()

    def on_rescale(self, symbol: int, old: kh.Instrument, new: kh.Instrument) -> None:
        """Bring what is held to finer scales."""
        price = 10 ** (new.price_scale - old.price_scale)
        quantity = 10 ** (new.quantity_scale - old.quantity_scale)
        quote = 10 ** (new.quote_scale - old.quote_scale)
        factors = (price, price, price, price, quantity, quote, 1, quantity, quote)
        for (of, _), bar in self._bars.items():
            if of == symbol:
                bar.fields = [v * f for v, f in zip(bar.fields, factors, strict=True)]

    def _close_until(self, symbol: int, place: int, time_ns: int) -> Bar | None:
        """Publish the bar that has closed and the quiet ones after it; return the last of them."""
        bar = self._bars.get((symbol, place))
        if bar is None or time_ns < bar.close_time_ns:
            return None
        interval = self.intervals[place]
        self._publish(symbol, place, bar)
        while interval.close_time_ns(bar.close_time_ns) <= time_ns:
            bar = self._open_flat(symbol, place, bar.close_time_ns, bar)
            self._publish(symbol, place, bar)
        del self._bars[symbol, place]
        return bar

    def _open(self, symbol: int, place: int, time_ns: int, fields: list[int]) -> Bar:
        interval = self.intervals[place]
        bar = Bar(interval.open_time_ns(time_ns), interval.close_time_ns(time_ns), fields)
        self._bars[symbol, place] = bar
        return bar

    def _open_flat(self, symbol: int, place: int, time_ns: int, before: Bar) -> Bar:
        bar = self._open(symbol, place, time_ns, [before.fields[3]] * 4 + [0] * 5)
        self._tell(kh.Life.OPENED_PROVISIONAL, symbol, place, bar)
        return bar

    def _publish(self, symbol: int, place: int, bar: Bar) -> None:
        code = kh.INTERVALS.index(self.intervals[place])
        ids = (bar.ids[0], bar.ids[1])
        self.publish_kline(symbol, code, bar.open_time_ns, bar.fields, ids)
        self._tell(kh.Life.FINALIZED, symbol, place, bar)

    def _tell(self, life: kh.Life, symbol: int, place: int, bar: Bar) -> None:
        code = kh.INTERVALS.index(self.intervals[place])
        self.publish_life(life, symbol, code, bar.open_time_ns, bar.trades)


def main(words: Sequence[str]) -> int:
    """Replay the bundled day through `Klines`; print what was found and return the exit code."""
    bug = "--boundary-bug" in words
    run = kh.replay(
        DAY / "BRAVOUSDT-aggTrades-2024-05-15.zip",
        klines=[DAY / f"BRAVOUSDT-{interval}-2024-05-15.zip" for interval in ("1m", "1h")],
        aggregator=lambda intervals: Klines(intervals, boundary_bug=bug),
        intervals="1m,1h",
    )
    print(run)
    if len(run.differences):
        frame = run.differences.to_pandas()
        print(frame[["interval", "open_time", "class", "ours_volume", "theirs_volume"]].head())
    return run.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
