"""The REST interface: parameters in, status and body out, as the exchange answers.

Source: the exchange's REST documents, and answers received from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kline_harness.exchange.market import MarketState
from kline_harness.exchange.symbol_info import exchange_info
from kline_harness.exchange.text_matrix import fixed_text
from kline_harness.interval import interval_named
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX, NS_PER_HOUR, NS_PER_MILLISECOND

_KLINES_MAX = {"um": 1_500, "spot": 1_000}
_TRADES_MAX = 1_000
_DEFAULT = 500
_OLDEST_NS = 48 * NS_PER_HOUR
# Both ends of a window must lie within an hour of one another, where both are given.
_WINDOW_NS = NS_PER_HOUR


@dataclass(frozen=True, slots=True)
class RestReply:
    """A status and a body of JSON."""

    status: int
    body: bytes


class RefusedRequest(Exception):
    """A request that is answered with an error of the exchange's: its code and its words."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.reply = RestReply(status, _json({"code": code, "msg": message}))


class RestApi:
    """Answers requests from the state of the market at the time `now_ns`."""

    def __init__(self, market: MarketState) -> None:
        self._market = market
        self._kind = market.recorded.market
        self._codes = {symbol: code for code, symbol in enumerate(market.symbols)}
        self.endpoints: dict[str, Callable[[Mapping[str, str], int], bytes]] = {
            "ping": lambda _given, _now: b"{}",
            "time": lambda _given, now: b'{"serverTime":%d}' % (now // NS_PER_MILLISECOND),
            "exchangeInfo": self._exchange_info,
            "klines": self._klines,
            "aggTrades": self._aggregates,
            "trades": self._trades,
            "ticker/24hr": self._ticker,
        }
        if self._kind == "um":
            self.endpoints["continuousKlines"] = self._continuous

    def answer(self, endpoint: str, given: Mapping[str, str], now_ns: int) -> RestReply:
        """Answer a request to an endpoint that exists."""
        try:
            return RestReply(200, self.endpoints[endpoint](given, now_ns))
        except RefusedRequest as refused:
            return refused.reply

    def _exchange_info(self, given: Mapping[str, str], now_ns: int) -> bytes:
        instruments = self._market.recorded.trades.instruments
        if self._kind == "spot" and "symbol" in given:
            instruments = (instruments[self._codes[self._symbol(given, "symbol")]],)
        return _json(exchange_info(instruments, self._kind, now_ns))

    def _klines(self, given: Mapping[str, str], now_ns: int) -> bytes:
        return self._kline_rows(self._symbol(given, "symbol"), given)

    def _continuous(self, given: Mapping[str, str], now_ns: int) -> bytes:
        symbol = self._symbol(given, "pair")
        kind = given.get("contractType", "")
        if not kind:
            raise _mandatory("contractType")
        if kind != "PERPETUAL":
            return b"[]"
        return self._kline_rows(symbol, given)

    def _kline_rows(self, symbol: str, given: Mapping[str, str]) -> bytes:
        text = given.get("interval", "")
        if not text:
            raise _mandatory("interval")
        interval = interval_named(text)
        if interval is None or interval not in self._market.intervals:
            raise RefusedRequest(-1120, "Invalid interval.")
        limit = _limit(given, _KLINES_MAX[self._kind])
        start, end = _time(given, "startTime"), _time(given, "endTime")
        rows = self._market.klines(symbol, interval, start, end, limit)
        return b"[%s]" % b",".join(rows)

    def _aggregates(self, given: Mapping[str, str], now_ns: int) -> bytes:
        symbol = self._symbol(given, "symbol")
        start, end = _time(given, "startTime"), _time(given, "endTime")
        if self._kind == "um" and start is not None and start < now_ns - _OLDEST_NS:
            raise RefusedRequest(-4166, "Search window is restricted to recent 48 hours only.")
        if start is not None and end is not None and end - start > _WINDOW_NS:
            raise RefusedRequest(-1127, "More than 1 hours between startTime and endTime.")
        number = _whole(given, "fromId")
        after = INT64_MAX if end is None else end + NS_PER_MILLISECOND
        last = start is None and number is None
        limit = _limit(given, _TRADES_MAX)
        tape = self._market.trades(
            "aggTrade",
            symbol,
            from_ns=start or 0,
            until_ns=after,
            from_id=number or 0,
            limit=limit,
            last=last,
        )
        return _rows(tape, _aggregate_row, self._kind)

    def _trades(self, given: Mapping[str, str], now_ns: int) -> bytes:
        symbol = self._symbol(given, "symbol")
        limit = _limit(given, _TRADES_MAX)
        if "trade" not in self._market.recorded.kinds():
            return b"[]"
        found = self._market.trades("trade", symbol, limit=limit, last=True)
        return _rows(found, _raw_row, self._kind)

    def _ticker(self, given: Mapping[str, str], now_ns: int) -> bytes:
        tickers, at_ns = self._market.tickers, self._market.reached_ns
        if "symbol" in given:
            symbol = self._symbol(given, "symbol")
            return (tickers.day(self._codes[symbol], at_ns) or "{}").encode()
        found = (tickers.day(code, at_ns) for code in range(len(self._codes)))
        return f"[{','.join(text for text in found if text)}]".encode()

    def _symbol(self, given: Mapping[str, str], name: str) -> str:
        text = given.get(name, "")
        if not text:
            raise _mandatory(name)
        # Names in lower case are accepted.
        if text.upper() not in self._codes:
            raise RefusedRequest(-1121, "Invalid symbol.")
        return text.upper()


def _json(table: Mapping[str, Any]) -> bytes:
    return json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()


def error_reply(status: int, code: int, message: str) -> RestReply:
    """Return an error as the exchange words one."""
    return RefusedRequest(code, message, status).reply


def _mandatory(name: str) -> RefusedRequest:
    words = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return RefusedRequest(-1102, words)


def _whole(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit()) or int(text) > INT64_MAX:
        raise RefusedRequest(-1130, f"Data sent for parameter '{name}' is not valid.")
    return int(text)


def _limit(given: Mapping[str, str], most: int) -> int:
    limit = _whole(given, "limit")
    if limit is None:
        return _DEFAULT
    if not 1 <= limit <= most:
        raise RefusedRequest(-1130, "Data sent for parameter 'limit' is not valid.")
    return limit


def _time(given: Mapping[str, str], name: str) -> int | None:
    time = _whole(given, name)
    return None if time is None else min(time * NS_PER_MILLISECOND, INT64_MAX - NS_PER_HOUR)


def _rows(tape: Tape, write: Callable[[Tape, int, bool], str], market: str) -> bytes:
    spot = market == "spot"
    return f"[{','.join(write(tape, row, spot) for row in range(len(tape)))}]".encode()


def _aggregate_row(tape: Tape, row: int, spot: bool) -> str:
    more = ',"M":true' if spot else ""
    one = tape.instruments[int(tape.symbol[row])]
    return (
        f'{{"a":{int(tape.trade_id[row])},'
        f'"p":"{fixed_text(int(tape.price[row]), one.price_scale)}",'
        f'"q":"{fixed_text(int(tape.quantity[row]), one.quantity_scale)}",'
        f'"f":{int(tape.first_id[row])},"l":{int(tape.last_id[row])},'
        f'"T":{int(tape.event_time_ns[row]) // NS_PER_MILLISECOND},'
        f'"m":{"true" if tape.buyer_is_maker[row] else "false"}{more}}}'
    )


def _raw_row(tape: Tape, row: int, spot: bool) -> str:
    more = ',"isBestMatch":true' if spot else ""
    one = tape.instruments[int(tape.symbol[row])]
    return (
        f'{{"id":{int(tape.trade_id[row])},'
        f'"price":"{fixed_text(int(tape.price[row]), one.price_scale)}",'
        f'"qty":"{fixed_text(int(tape.quantity[row]), one.quantity_scale)}",'
        f'"quoteQty":"{fixed_text(int(tape.quote[row]), one.quote_scale)}",'
        f'"time":{int(tape.event_time_ns[row]) // NS_PER_MILLISECOND},'
        f'"isBuyerMaker":{"true" if tape.buyer_is_maker[row] else "false"}'
        f"{more}}}"
    )
