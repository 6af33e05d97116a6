"""An aggregator of one page, and the bugs that can be planted in it: what the cases must find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from functools import cache
from typing import Any

MUTANTS: Mapping[str, str] = {
    "right_closed": "a trade at the end of a kline belongs to it",
    "seconds_rounded": "trade times are rounded to seconds",
    "milliseconds_rounded": "trade times are rounded to milliseconds",
    "boundary_tolerance": "a trade less than a millisecond after the end belongs to the kline",
    "anchored": "klines are counted from the symbol's first trade",
    "east_of_utc": "days begin at 16:00 UTC",
    "weeks_from_epoch": "weeks begin on Thursday, as 1970 did",
    "weeks_end_with_months": "a week ends where a month does",
    "three_days_from_january": "3d klines count from the first of January",
    "months_of_30_days": "every month has 30 days",
    "months_of_31_days": "every month has 31 days",
    "no_leap_years": "every February has 28 days",
    "always_leap_years": "every February has 29 days",
    "by_time": "times decide which trade opens and which closes",
    "by_arrival": "the order of arrival decides which trade opens and which closes",
    "ids_are_doubles": "ids go through floating point",
    "no_id_zero": "id 0 is taken for no id",
    "count_of_ids": "the count is last id - first id + 1 of the kline",
    "rows_counted": "an aggregate counts as one trade",
    "ids_of_aggregates": "first and last trade id are those of the aggregates",
    "aggregates_cut": "half of an aggregate near the end goes to the next kline",
    "no_fill": "klines without a trade are left out",
    "filled_by_ticks_only": "a trade fills no quiet klines",
    "one_flat": "of several quiet klines in a row only the first is published",
    "flat_at_zero": "a flat kline has price 0",
    "flat_at_last_arrived": "a flat kline carries the price that came last",
    "flat_keeps_ids": "a flat kline keeps the trade ids of the one before",
    "filled_from_the_start": "symbols are filled before their first trade",
    "open_carried": "a kline that a tick opened keeps the price carried as its open",
    "carried_in_range": "the price carried counts for high and low",
    "tick_must_be_after": "a tick at the very end does not make final",
    "tick_early": "a tick makes final a millisecond early",
    "tick_is_the_end": "the next kline opens at the tick's time",
    "every_tick_closes": "every tick makes final whatever is open",
    "one_interval_a_tick": "a tick makes final only one interval",
    "ticks_only": "trades make nothing final",
    "end_drops": "the end of the feed publishes nothing",
    "end_publishes_flat": "the end of the feed publishes klines without a trade too",
    "first_before_tick_late": "a first trade of a time before the last tick is late",
    "first_before_tick_final": "a first trade of a time before the last tick is published at once",
    "before_the_first_kline": "a trade from before a symbol's first kline begins the symbol anew",
    "longer_with_shortest": "a longer interval ends only where the shortest does",
    "late_into_open": "a late trade counts in the kline that is open",
    "late_again": "a late trade publishes its kline again",
    "late_anywhere": "a trade that is late in one interval is dropped in all",
    "late_id_forgotten": "the id of a late trade is not remembered",
    "late_price_carried": "a late trade changes the price that is carried",
    "by_arrival_time": "the time of arrival decides the kline",
    "rising_ids_only": "a trade whose id is below the highest is dropped",
    "no_duplicates": "every trade counts, also with an id that was there before",
    "last_duplicate": "of two trades with one id the last counts",
    "duplicates_in_kline": "ids are remembered for the open kline only",
    "duplicates_next": "only the id right before is remembered",
    "duplicates_of_all": "ids are remembered for all symbols together",
    "duplicate_moves": "a duplicate makes earlier klines final",
    "all_kinds": "every kind of trade counts",
    "rejected_opens": "a trade that does not count opens and closes klines",
    "rejected_uses_id": "a trade that does not count uses up its id",
    "maker_is_taker": "the maker flag is read the wrong way round",
    "all_taker": "every trade is a taker buy",
    "floats": "sums are floating point",
    "eight_decimals": "quote quantities are rounded to 8 decimals",
    "wraps": "volumes wrap at 64 bits of their smallest unit",
    "point_left_out": "numbers are their digits, whatever their decimals",
    "one_book": "all symbols share one kline",
    "trade_closes_all": "a trade makes the klines of every symbol final",
    "tick_for_one": "a tick is for the first symbol only",
    "silent_forgotten": "a symbol without a trade since the last tick is not filled",
    "ascii_names": "letters that are not ASCII are left out of names",
    "added_at_zero": "an added symbol gets a kline at price 0",
    "added_anew": "a symbol that is added again begins anew",
    "added_only": "trades of symbols that nobody added are dropped, once one was",
    "removed_dropped": "a removed symbol loses its open kline and its trades",
}
_MS = 1_000_000
_SECOND = 1_000 * _MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDE = Context(prec=200)


@dataclass
class _Forming:
    opened_ns: int
    closed_ns: int
    carried: Decimal | None = None
    trades: list[dict[str, Any]] = field(default_factory=list)
    by_tick: bool = False


class Mutant:
    """Makes klines of a case's messages; with the name of a bug, wrong ones."""

    def __init__(self, bug: str, symbols: list[str], intervals: list[str]) -> None:
        self.bug, self.symbols, self.intervals = bug, symbols, intervals
        self.open: dict[tuple[str, str], _Forming] = {}
        self.seen: dict[str, list[int]] = {}
        self.closed: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
        self.anchors: dict[str, int] = {}
        self.highest: dict[str, int] = {}
        self.fresh: set[str] = set()
        self.added: set[str] = set()
        self.removed: set[str] = set()
        self.ticked_ns = -(2**63)
        self.after = 0
        self.finals: list[dict[str, Any]] = []

    def run(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the finals of all messages, each with the message after which it came."""
        for self.after, message in enumerate(messages):
            getattr(self, f"on_{message['type']}")(message)
        return self.finals

    # --- messages ------------------------------------------------------------------------------

    def on_trade(self, message: dict[str, Any]) -> None:
        trade, bug = self._read(message), self.bug
        symbol = trade["symbol"]
        if bug == "added_only" and self.added and symbol not in self.added:
            return
        if bug == "removed_dropped" and symbol in self.removed:
            return
        seen = self.seen.setdefault("" if bug == "duplicates_of_all" else symbol, [])
        if trade["kind"] != "MARKET" and bug != "all_kinds":
            if bug == "rejected_uses_id":
                seen.append(trade["id"])
            if bug == "rejected_opens":
                self._move(trade)
            return
        if bug == "no_id_zero" and not trade["id"]:
            return
        if bug == "rising_ids_only" and trade["id"] < self.highest.get(symbol, -1):
            return
        self.highest[symbol] = max(trade["id"], self.highest.get(symbol, -1))
        if self._is_duplicate(trade, seen):
            if bug == "duplicate_moves":
                self._move(trade)
            return
        self.fresh.add(symbol)
        late = self._move(trade)
        if not (late and bug == "late_id_forgotten"):
            seen.append(trade["id"])

    def on_tick(self, message: dict[str, Any]) -> None:
        now, bug = message["time_ns"], self.bug
        if bug == "filled_from_the_start":
            for symbol in self.symbols:
                for interval in self.intervals:
                    opened = self._bucket(interval, now - 1, symbol)
                    self.open.setdefault(
                        (symbol, interval), _Forming(*opened, carried=Decimal(0), by_tick=True)
                    )
        self.ticked_ns = max(self.ticked_ns, now)
        now += {"tick_must_be_after": -1, "tick_early": _MS}.get(bug, 0)
        keys = list(self.open)
        if bug == "tick_for_one":
            keys = [key for key in keys if key[0] == keys[0][0]]
        moved = 0
        for key in keys:
            forming = self.open[key]
            if bug == "silent_forgotten" and key[0] not in self.fresh and not forming.trades:
                continue
            if bug == "one_interval_a_tick" and moved:
                continue
            limit = max(now, forming.closed_ns) if bug == "every_tick_closes" else now
            if bug == "longer_with_shortest" and key[1] != self.intervals[0]:
                limit = self._bucket(self.intervals[0], now, key[0])[0]
            moved += forming.closed_ns <= limit
            self._advance(key, limit, by_tick=True)
        self.fresh.clear()

    def on_add_symbol(self, message: dict[str, Any]) -> None:
        symbol = message["symbol"]
        self.added.add(symbol)
        for interval in self.intervals:
            if self.bug == "added_anew":
                self.open.pop((symbol, interval), None)
            if self.bug == "added_at_zero":
                opened = self._bucket(interval, message["at_ns"], symbol)
                self.open.setdefault((symbol, interval), _Forming(*opened, carried=Decimal(0)))

    def on_remove_symbol(self, message: dict[str, Any]) -> None:
        self.removed.add(message["symbol"])
        if self.bug == "removed_dropped":
            self.open = {key: one for key, one in self.open.items() if key[0] != message["symbol"]}

    def on_end(self, message: dict[str, Any]) -> None:
        for key, forming in list(self.open.items()):
            if (forming.trades and self.bug != "end_drops") or self.bug == "end_publishes_flat":
                self._publish(key, forming)

    # --- inside --------------------------------------------------------------------------------

    def _read(self, message: dict[str, Any]) -> dict[str, Any]:
        trade, bug = dict(message), self.bug
        for name in ("price", "quantity", "quote"):
            text = str(trade[name])
            trade[name] = Decimal(text.replace(".", "") if bug == "point_left_out" else text)
        if bug == "eight_decimals":
            trade["quote"] = trade["quote"].quantize(Decimal("1e-8"), context=_WIDE)
        if bug == "ids_are_doubles":
            trade |= {name: int(float(trade[name])) for name in ("id", "first_id", "last_id")}
        time = trade["arrival_ns" if bug == "by_arrival_time" else "event_time_ns"]
        unit = {"seconds_rounded": _SECOND, "milliseconds_rounded": _MS}.get(bug, 1)
        trade["time"] = (time + unit // 2) // unit * unit
        if bug == "maker_is_taker":
            trade["buyer_is_maker"] = not trade["buyer_is_maker"]
        if bug == "all_taker":
            trade["buyer_is_maker"] = False
        if bug == "ascii_names":
            trade["symbol"] = trade["symbol"].encode("ascii", "ignore").decode()
        if bug == "one_book":
            trade["symbol"] = self.symbols[0]
        return trade

    def _is_duplicate(self, trade: dict[str, Any], seen: list[int]) -> bool:
        if self.bug == "no_duplicates":
            return False
        if self.bug == "duplicates_next":
            return seen[-1:] == [trade["id"]]
        if self.bug in ("duplicates_in_kline", "last_duplicate"):
            for (symbol, _), forming in self.open.items():
                ids = [one["id"] for one in forming.trades]
                if symbol == trade["symbol"] and trade["id"] in ids:
                    if self.bug == "last_duplicate":
                        forming.trades[ids.index(trade["id"])] = trade
                    return True
            return self.bug == "last_duplicate" and trade["id"] in seen
        return trade["id"] in seen

    def _move(self, trade: dict[str, Any]) -> bool:
        """Bring every interval to the trade's kline and apply it; return whether it was late."""
        symbol, bug, late = trade["symbol"], self.bug, False
        counts = trade["kind"] == "MARKET" or bug == "all_kinds"
        counts = counts and (
            bug != "duplicate_moves" or trade["id"] not in self.seen.get(symbol, ())
        )
        if bug == "trade_closes_all":
            for key in list(self.open):
                self._advance(key, trade["time"], by_tick=False)
        for interval in self.intervals:
            key, bucket = (symbol, interval), self._bucket(interval, trade["time"], symbol)
            first = key not in self.open
            if first and bug == "first_before_tick_late" and bucket[1] <= self.ticked_ns:
                continue
            if bug == "before_the_first_kline" and self._is_older_than_all(key, bucket[0]):
                del self.open[key]
            if key not in self.open:
                self.open[key] = _Forming(*bucket, carried=trade["price"])
            begun = bucket[0]
            if bug == "longer_with_shortest":
                begun = min(begun, self._bucket(self.intervals[0], trade["time"], symbol)[0])
            if bug != "ticks_only":
                self._advance(key, begun, by_tick=False)
            forming = self.open[key]
            if bucket[0] < forming.opened_ns:
                late = True
                self._late(key, bucket[0], trade)
                if bug == "late_anywhere":
                    return True
            elif counts:
                self._apply(forming, trade)
                if first and bug == "first_before_tick_final":
                    self._advance(key, self.ticked_ns, by_tick=True)
        return late

    def _is_older_than_all(self, key: tuple[str, str], opened_ns: int) -> bool:
        """Tell whether a kline is older than a series that has published none."""
        if key not in self.open or opened_ns >= self.open[key].opened_ns:
            return False
        return not any((*key, one[2]) in self.closed for one in self.closed)

    def _apply(self, forming: _Forming, trade: dict[str, Any]) -> None:
        near = forming.closed_ns - trade["time"] < 100 * _MS
        if self.bug == "aggregates_cut" and near and trade["last_id"] > trade["first_id"]:
            middle = (trade["first_id"] + trade["last_id"]) // 2
            trade = trade | {"last_id": middle, "quantity": trade["quantity"] / 2}
        forming.trades.append(trade)

    def _late(self, key: tuple[str, str], opened_ns: int, trade: dict[str, Any]) -> None:
        forming, bug = self.open[key], self.bug
        if bug == "late_into_open":
            forming.trades.append(trade)
        if bug == "late_price_carried":
            forming.carried = trade["price"]
        if bug == "late_again":
            trades = [*self.closed.get((*key, opened_ns), ()), trade]
            closed_ns = self._bucket(key[1], opened_ns, key[0])[1]
            self._publish(key, _Forming(opened_ns, closed_ns, forming.carried, trades))

    def _advance(self, key: tuple[str, str], now_ns: int, *, by_tick: bool) -> None:
        flats = 0
        while (forming := self.open[key]).closed_ns <= now_ns:
            flat = not forming.trades
            flats = flats + 1 if flat else 0
            if not flat or not self._skips(flats, by_tick=by_tick):
                self._publish(key, forming)
            self.closed[(*key, forming.opened_ns)] = forming.trades
            start = forming.closed_ns
            if self.bug == "tick_is_the_end" and by_tick:
                start = now_ns
            # The instant after, where the end itself still belongs to the kline.
            after_ns = start + (self.bug == "right_closed")
            bucket = self._bucket(key[1], after_ns, key[0])
            if start != bucket[0] and self.bug == "tick_is_the_end":
                bucket = (start, start + bucket[1] - bucket[0])
            self.open[key] = _Forming(*bucket, carried=self._close(forming), by_tick=by_tick)

    def _skips(self, flats: int, *, by_tick: bool) -> bool:
        """Tell whether a bug leaves out the next flat kline of a run."""
        if self.bug == "one_flat":
            return flats > 1
        return self.bug == "no_fill" or (self.bug == "filled_by_ticks_only" and not by_tick)

    def _ordered(self, trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self.bug == "by_arrival":
            return trades
        return sorted(trades, key=lambda one: one["time" if self.bug == "by_time" else "id"])

    def _close(self, forming: _Forming) -> Decimal | None:
        if not forming.trades:
            return forming.carried
        trades = forming.trades
        if self.bug == "flat_at_last_arrived":
            return Decimal(trades[-1]["price"])
        return Decimal(self._ordered(trades)[-1]["price"])

    def _sum(self, name: str, trades: list[dict[str, Any]]) -> Decimal:
        if self.bug == "floats":
            return Decimal(repr(sum(float(one[name]) for one in trades)))
        total = Decimal(0)
        for one in trades:
            total = _WIDE.add(total, one[name])
        if self.bug == "wraps" and total:
            exponent = total.as_tuple().exponent
            assert isinstance(exponent, int)
            units = int(total.scaleb(-exponent, context=_WIDE))
            return Decimal((units + 2**63) % 2**64 - 2**63).scaleb(exponent, context=_WIDE)
        return total

    def _publish(self, key: tuple[str, str], forming: _Forming) -> None:
        trades, bug = self._ordered(forming.trades), self.bug
        prices = [one["price"] for one in trades]
        if not trades:
            prices = [Decimal(0) if bug == "flat_at_zero" else forming.carried or Decimal(0)]
        if bug == "open_carried" and forming.by_tick and trades:
            prices = [forming.carried, *prices]
        span = prices
        if bug == "carried_in_range" and forming.carried is not None:
            span = [*prices, forming.carried]
        buys = [one for one in trades if not one["buyer_is_maker"]]
        ids = [-1, -1]
        if trades:
            first, last = ("id", "id") if bug == "ids_of_aggregates" else ("first_id", "last_id")
            ids = [trades[0][first], trades[-1][last]]
        elif bug == "flat_keeps_ids":
            before = [one for one in self.finals if (one["symbol"], one["interval"]) == key]
            ids = [before[-1]["first_id"], before[-1]["last_id"]] if before else ids
        count = sum(one["last_id"] - one["first_id"] + 1 for one in trades)
        if bug == "count_of_ids" and trades:
            count = ids[1] - ids[0] + 1
        self.finals.append(
            {
                "after": self.after,
                "symbol": key[0],
                "interval": key[1],
                "open_time_ns": forming.opened_ns,
                "close_time_ns": forming.closed_ns,
                "open": prices[0],
                "high": max(span),
                "low": min(span),
                "close": prices[-1],
                "volume": self._sum("quantity", trades),
                "quote_volume": self._sum("quote", trades),
                "count": len(trades) if bug == "rows_counted" else count,
                "taker_buy_volume": self._sum("quantity", buys),
                "taker_buy_quote_volume": self._sum("quote", buys),
                "first_id": ids[0],
                "last_id": ids[1],
            }
        )

    def _bucket(self, interval: str, time_ns: int, symbol: str) -> tuple[int, int]:
        """Return the open and the close time of the kline that holds an instant."""
        bug = self.bug
        if bug == "right_closed":
            opened, closed = _bucket(interval, time_ns, bug)
            return _bucket(interval, time_ns - 1, bug) if time_ns == opened else (opened, closed)
        if bug == "boundary_tolerance":
            opened, closed = _bucket(interval, time_ns, bug)
            near = opened < time_ns < opened + _MS
            return _bucket(interval, time_ns - _MS, bug) if near else (opened, closed)
        if bug == "anchored":
            length = _lengths(interval)
            anchor = self.anchors.setdefault(symbol, time_ns)
            opened = anchor + (time_ns - anchor) // length * length
            return opened, opened + length
        return _bucket(interval, time_ns, bug)


def _lengths(interval: str) -> int:
    seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "M": 30 * 86_400}
    return int(interval[:-1]) * seconds[interval[-1]] * _SECOND


@cache
def _months(bug: str) -> tuple[int, ...]:
    """Return the first instants of months from 2023 on, wrong ones where a bug asks for it."""
    starts, start = [], int((datetime(2023, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    for year in range(2023, 2027):
        for month in range(1, 13):
            starts.append(start * _SECOND)
            begin = datetime(year, month, 1, tzinfo=UTC)
            days = ((begin + timedelta(days=32)).replace(day=1) - begin).days
            if month == 2:
                days = {"no_leap_years": 28, "always_leap_years": 29}.get(bug, days)
            days = {"months_of_30_days": 30, "months_of_31_days": 31}.get(bug, days)
            start += days * 86_400
    return tuple(starts)


def _bucket(interval: str, time_ns: int, bug: str) -> tuple[int, int]:
    if interval == "1M":
        starts = _months(bug)
        place = max(index for index, start in enumerate(starts) if start <= time_ns)
        return starts[place], starts[place + 1]
    length, origin = _lengths(interval), 0
    if interval == "1w" and bug != "weeks_from_epoch":
        origin = 4 * 86_400 * _SECOND
    if interval == "3d" and bug == "three_days_from_january":
        origin = int((datetime(2024, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()) * _SECOND
    if interval[-1] in "dhw" and bug == "east_of_utc":
        origin -= 8 * 3_600 * _SECOND
    opened = origin + (time_ns - origin) // length * length
    closed = opened + length
    if interval == "1w" and bug == "weeks_end_with_months":
        (month, next_month) = _bucket("1M", time_ns, "")
        opened, closed = max(opened, month), min(closed, next_month)
    return opened, closed


NUMBERS = (
    *("open", "high", "low", "close", "volume", "quote_volume"),
    *("taker_buy_volume", "taker_buy_quote_volume"),
)


def comparable(finals: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return finals so that those that mean the same are equal: by series, numbers as numbers."""
    rows = []
    for final in finals:
        numbers = tuple(Decimal(final[name]) for name in NUMBERS)
        times = (final["open_time_ns"], final["close_time_ns"])
        ids = (final["count"], final["first_id"], final["last_id"])
        rows.append((final["symbol"], final["interval"], final["after"], *times, numbers, ids))
    # Between series there is no order; within one it is that of publication.
    return sorted(rows, key=lambda row: row[:2])


def passes(case: Mapping[str, Any], bug: str) -> bool:
    """Tell whether the aggregator with a bug (none: the empty name) passes a case."""
    mutant = Mutant(bug, list(case["symbols"]), list(case["intervals"]))
    try:
        found = mutant.run(list(case["in"]))
    except (ArithmeticError, ValueError):
        return False
    return comparable(found) == comparable(list(case["finals"]))


def survivors(case: Mapping[str, Any]) -> list[str]:
    """Return the bugs that a case does not find."""
    return [bug for bug in MUTANTS if passes(case, bug)]
